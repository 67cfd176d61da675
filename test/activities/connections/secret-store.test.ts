import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRedactor } from '../../../activities/connections/redactor';
import { createDirectorySecretStore } from '../../../activities/connections/secret-store';
import { useTemporaryDirectory } from '../../temporary-directory';

let directory: string;
useTemporaryDirectory((made) => {
  directory = made;
});

const open = (redactor = createRedactor()) => createDirectorySecretStore(join(directory, 'secrets'), redactor);

describe('a directory of secrets', () => {
  it('makes a secret once and keeps it for the next process', async () => {
    const made = await open().ensure('hadb/drbd-shared-secret', () => 'the first value');

    const found = await open().ensure('hadb/drbd-shared-secret', () => 'another value');

    expect([made, found]).toEqual(['the first value', 'the first value']);
  });

  it('callers at the same time agree on one value, and nothing else is left', async () => {
    const stores = Array.from({ length: 20 }, () => open());

    const values = await Promise.all(
      stores.map((store, index) => store.ensure('hadb/key', async () => `value ${index}`)),
    );

    expect(new Set(values).size).toBe(1);
    expect(readdirSync(join(directory, 'secrets', 'hadb'))).toEqual(['key']);
  });

  it('lets only the owner read', async () => {
    await open().ensure('hadb/key', () => 'a secret value');

    const modes = ['secrets', 'secrets/hadb', 'secrets/hadb/key'].map(
      (path) => statSync(join(directory, path)).mode & 0o777,
    );
    expect(modes).toEqual([0o700, 0o700, 0o600]);
  });

  it('keeps no half-made secret when the maker fails', async () => {
    const failing = open().ensure('hadb/key', () => Promise.reject(new Error('no randomness')));

    await expect(failing).rejects.toThrow('no randomness');
    expect(await open().read('hadb/key')).toBeUndefined();
    expect(readdirSync(join(directory, 'secrets', 'hadb'))).toEqual([]);
  });

  it('registers what it makes and what it reads with the redactor', async () => {
    const [first, second] = [createRedactor(), createRedactor()];
    await open(first).ensure('hadb/key', () => 'a secret value');
    await open(second).read('hadb/key');

    expect(first.redact('a secret value')).not.toContain('secret value');
    expect(second.redact('a secret value')).not.toContain('secret value');
  });

  it.each(['../outside', '/etc/passwd', 'hadb/../../x', '', 'a b', 'hadb/', '.hidden'])(
    'refuses the name %j',
    async (name) => {
      writeFileSync(join(directory, 'outside'), 'not a secret');

      await expect(open().read(name)).rejects.toMatchObject({ code: 'BadRequest' });
      await expect(open().ensure(name, () => 'x')).rejects.toMatchObject({ code: 'BadRequest' });
    },
  );

  it('forgets a removed secret, and does not mind one that never was', async () => {
    const store = open();
    await store.ensure('hadb/key', () => 'a secret value');

    await store.remove('hadb/key');
    await store.remove('hadb/other');

    expect(await store.read('hadb/key')).toBeUndefined();
  });
});
