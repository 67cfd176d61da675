import { CustomDataError, parseCustomData } from '../../../lab/machines/custom-data';

const encode = (text: string): string => Buffer.from(text).toString('base64');

describe('parseCustomData', () => {
  it.each([undefined, ''])('asks for nothing when there is none (%p)', (customData) => {
    expect(parseCustomData(customData)).toEqual({ hostKeys: [], files: [], scripts: [] });
  });

  it('gives the host keys the names sshd looks for, each ended by a line break', () => {
    const text =
      '#cloud-config\nssh_keys:\n  ed25519_private: |-\n    PRIVATE\n    KEY\n  ed25519_public: ssh-ed25519 AAAA\n';

    expect(parseCustomData(encode(text)).hostKeys).toEqual([
      { name: 'ssh_host_ed25519_key', content: 'PRIVATE\nKEY\n' },
      { name: 'ssh_host_ed25519_key.pub', content: 'ssh-ed25519 AAAA\n' },
    ]);
  });

  it("takes files with cloud-init's defaults, and decodes base64", () => {
    const text = `#cloud-config
write_files:
  - path: /etc/a
    content: text
  - { path: /etc/b, encoding: b64, content: ${encode('bytes')}, permissions: '0600', owner: 'mysql:mysql', append: true }
`;

    expect(parseCustomData(encode(text)).files).toEqual([
      { path: '/etc/a', mode: '0644', owner: 'root:root', append: false, content: Buffer.from('text') },
      { path: '/etc/b', mode: '0600', owner: 'mysql:mysql', append: true, content: Buffer.from('bytes') },
    ]);
  });

  it('makes one script of all commands, words of a list quoted', () => {
    const text = `#cloud-config\nruncmd:\n  - echo "$HOME" | cat\n  - [touch, "it's", 7]\n`;

    expect(parseCustomData(encode(text)).scripts).toEqual([`#!/bin/sh\necho "$HOME" | cat\n'touch' 'it'\\''s' '7'\n`]);
  });

  it('takes a script as it is', () => {
    expect(parseCustomData(encode('#!/bin/bash\ntrue\n')).scripts).toEqual(['#!/bin/bash\ntrue\n']);
  });

  it('accepts an empty document', () => {
    expect(parseCustomData(encode('#cloud-config\n')).scripts).toEqual([]);
  });

  it.each([
    ['a key the lab does not know', '#cloud-config\npackages: [vim]\n', /packages/],
    ['a relative path', '#cloud-config\nwrite_files: [{ path: etc/a }]\n', /path/],
    ['an unknown encoding', '#cloud-config\nwrite_files: [{ path: /a, encoding: gz+b64 }]\n', /encoding/],
    ['a host key of an unknown type', '#cloud-config\nssh_keys: { dsa_private: x }\n', /dsa_private/],
    ['neither document nor script', 'Content-Type: multipart/mixed\n', /neither/],
    ['nothing but a similar first line', '#cloud-config-archive\n- x\n', /neither/],
  ])('refuses %s and names it', (_, text, message) => {
    const parse = (): unknown => parseCustomData(encode(text));

    expect(parse).toThrow(CustomDataError);
    expect(parse).toThrow(message);
  });
});
