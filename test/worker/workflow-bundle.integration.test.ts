import { cpSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import { getWorkflowBundle } from '../../worker/workflow-bundle';
import { useTemporaryDirectory } from '../temporary-directory';

const ROOT = join(__dirname, '..', '..');
let directory: string;
let code: string;
let bundles: string;
useTemporaryDirectory((made) => {
  directory = made;
  code = join(directory, 'code');
  bundles = join(directory, 'bundles');
  mkdirSync(join(code, 'workflows', 'interceptors'), { recursive: true });
  mkdirSync(join(code, 'cluster'));
  symlinkSync(join(ROOT, 'node_modules'), join(code, 'node_modules'));
  cpSync(join(ROOT, 'package.json'), join(code, 'package.json'));
  writeFileSync(
    join(code, 'workflows', 'index.js'),
    "exports.answer = async () => require('../cluster/answer').ANSWER;\n",
  );
  writeFileSync(join(code, 'workflows', 'interceptors', 'index.js'), 'exports.interceptors = () => ({});\n');
  writeFileSync(join(code, 'cluster', 'answer.js'), 'exports.ANSWER = 41;\n');
});

const get = () =>
  getWorkflowBundle({ codeDirectory: code, bundlesDirectory: bundles, logger: new DefaultLogger('ERROR') });

describe('the bundle of the workflows', () => {
  it('is made once, and again only when a file that workflows use has changed', async () => {
    const first = await get();
    const second = await get();
    writeFileSync(join(code, 'cluster', 'answer.js'), 'exports.ANSWER = 42;\n');
    const third = await get();

    expect([first.made, second.made, third.made]).toEqual([true, false, true]);
    expect(second.code).toBe(first.code);
    expect(first.code).toContain('ANSWER = 41');
    expect(third.code).toContain('ANSWER = 42');
  });

  it('leaves no more than a few old ones behind', async () => {
    mkdirSync(bundles);
    for (let index = 0; index < 10; index += 1) {
      writeFileSync(join(bundles, `old-${index}.js`), '');
      utimesSync(join(bundles, `old-${index}.js`), index, index);
    }

    await get();

    const left = readdirSync(bundles);
    expect(left).toHaveLength(4);
    expect(left).toEqual(expect.arrayContaining(['old-9.js', 'old-8.js', 'old-7.js']));
  });
});
