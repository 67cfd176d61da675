import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_CODES } from '../../client/exit-codes';
import { MESSAGES } from '../../client/messages';

const ROOT = join(__dirname, '..', '..');

describe('message codes', () => {
  it('that the code says are all in the registry', () => {
    const folders = ['activities', 'client', 'cluster', 'lab', 'processes', 'worker', 'workflows'];
    const said = folders
      .flatMap((folder) =>
        readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(ROOT, folder, file)),
      )
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => readFileSync(file, 'utf8').match(/\bHADB_[EWI]\d{4}\b/g) ?? []);

    expect(said.filter((code) => !Object.hasOwn(MESSAGES, code))).toEqual([]);
    expect(Object.keys(MESSAGES).filter((code) => said.filter((other) => other === code).length < 2)).toEqual([]);
  });

  it.each(Object.entries(MESSAGES))('%s says its level in its letter', (code, { level }) => {
    expect(code).toMatch(new RegExp(`^HADB_${level.charAt(0).toUpperCase()}\\d{4}$`));
  });
});

it('no two ends of a run share an exit code', () => {
  const codes = Object.entries(EXIT_CODES).flatMap(([name, { code }]) => (name === 'changes' ? [] : [code]));

  expect(new Set(codes).size).toBe(codes.length);
});
