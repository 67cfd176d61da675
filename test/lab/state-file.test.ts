import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { readRemovableFile, readStateFile } from '../../lab/state-file';

describe('a file of the data plane', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-state-file-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it.each(['', '{"port": 5', '[]', '{"port":"5"}'])('that is damaged (%j) is named with what to do', (content) => {
    const file = join(directory, 'name-server.json');
    writeFileSync(file, content);

    expect(() => readRemovableFile(file, z.object({ port: z.int() }))).toThrow(`${file} is damaged. Remove it`);
  });

  it('is undefined while there is none, and read when it is whole', () => {
    const file = join(directory, 'name-server.json');
    const before = readRemovableFile(file, z.object({ port: z.int() }));
    writeFileSync(file, '{"port":53}');

    expect(before).toBeUndefined();
    expect(readRemovableFile(file, z.object({ port: z.int() }))).toEqual({ port: 53 });
  });

  it('that cannot be read is not to be removed: the error is that of the system', () => {
    expect(() => readRemovableFile(directory, z.object({ port: z.int() }))).toThrow(/^EISDIR/);
    expect(() => readStateFile(directory)).toThrow(/^EISDIR/);
  });
});
