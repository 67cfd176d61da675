import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HadbError } from '../../cluster/errors';
import type { Redactor } from './redactor';

export type { Redactor } from './redactor';

/** Names in inputs, values never: activities resolve a secret when they need it. */
export interface SecretStore {
  /** The value, made once by `create` when it is missing. Concurrent callers get the same value. */
  ensure(name: string, create: () => string | Promise<string>): Promise<string>;
  /** Undefined when there is none. */
  read(name: string): Promise<string | undefined>;
  /** Where a person finds it (a path, or a vault URL): for messages, never the value. */
  locate(name: string): string;
  remove(name: string): Promise<void>;
}

/** As Azure Key Vault names its secrets, with `/` between the cluster and the rest. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9-]*(\/[A-Za-z0-9][A-Za-z0-9-]*)*$/;

/** One file for each secret, readable by its owner only. Every value that passes through is registered with the redactor. */
export function createDirectorySecretStore(directory: string, redactor: Redactor): SecretStore {
  const fileOf = (name: string): string => {
    if (!NAME.test(name)) {
      throw new HadbError('BadRequest', `${JSON.stringify(name)} is not the name of a secret`, {
        whatNow: 'Use letters, digits and hyphens, with / between the parts.',
      });
    }
    return join(directory, name);
  };

  async function read(name: string): Promise<string | undefined> {
    try {
      const value = await readFile(fileOf(name), 'utf8');
      redactor.register(value);
      return value;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  return {
    read,
    locate: fileOf,

    async ensure(name, create) {
      const file = fileOf(name);
      const existing = await read(name);
      if (existing !== undefined) return existing;
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      // Written whole beside its name and then linked: of several callers, in several processes, one link succeeds.
      const temporary = `${file}.${randomUUID()}.new`;
      try {
        await writeDurably(temporary, await create());
        await link(temporary, file).catch((error: unknown) => {
          if (!hasCode(error, 'EEXIST')) throw error;
        });
        await syncDirectory(dirname(file));
      } finally {
        await rm(temporary, { force: true });
      }
      const value = await read(name);
      if (value === undefined) throw new HadbError('Internal', `the secret ${name} vanished while it was made`);
      return value;
    },

    async remove(name) {
      await rm(fileOf(name), { force: true });
    },
  };
}

async function writeDurably(file: string, content: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
