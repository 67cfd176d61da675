import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSshPrivateKey } from '../../../activities/connections/secret-generators';
import { fingerprint, readPublicKey } from '../../../activities/connections/ssh-keys';

describe('an SSH key that hadb makes', () => {
  it("is read by OpenSSH's own ssh-keygen, with the same public half and fingerprint", () => {
    const directory = mkdtempSync(join(tmpdir(), 'hadb-key-'));
    try {
      const file = join(directory, 'key');
      const privateKey = createSshPrivateKey('hadb test');
      writeFileSync(file, privateKey, { mode: 0o600 });
      const ours = readPublicKey(privateKey, 'test');

      const line = execFileSync('ssh-keygen', ['-y', '-f', file]).toString();
      writeFileSync(`${file}.pub`, line);
      const shown = execFileSync('ssh-keygen', ['-l', '-f', `${file}.pub`]).toString();

      expect(line.trim()).toBe(`${ours.line} hadb test`);
      expect(shown).toContain(fingerprint(ours.blob));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
