import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@temporalio/worker';
import { bundleWorkflowCode } from '@temporalio/worker';
import { writeFileAtomically } from '../processes/owned-process';

/** Folders whose code may run in a workflow. */
const WORKFLOW_FOLDERS = ['workflows', 'cluster'];
/** Old ones are of no use; the few last ones serve those who go back and forth between versions. */
const KEPT = 4;

export interface BundleOptions {
  /** Directory with `workflows/`, `cluster/` and, here or one above, `package.json`. */
  codeDirectory: string;
  bundlesDirectory: string;
  logger?: Logger;
}

/** The workflows as one text, made once for each content: bundling takes seconds, and a worker starts often. */
export async function getWorkflowBundle(options: BundleOptions): Promise<{ code: string; made: boolean }> {
  const { codeDirectory, bundlesDirectory } = options;
  const file = join(bundlesDirectory, `${contentKey(codeDirectory)}.js`);
  if (existsSync(file)) return { code: readFileSync(file, 'utf8'), made: false };
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(codeDirectory, 'workflows'),
    workflowInterceptorModules: [join(codeDirectory, 'workflows', 'interceptors')],
    ...(options.logger === undefined ? {} : { logger: options.logger }),
  });
  mkdirSync(bundlesDirectory, { recursive: true, mode: 0o700 });
  writeFileAtomically(file, code);
  removeOldest(bundlesDirectory);
  return { code, made: true };
}

/** Changes with every byte of the workflows, with the pinned versions of their dependencies, and with Node. */
function contentKey(codeDirectory: string): string {
  const hash = createHash('sha256').update(process.version);
  for (const manifest of [join(codeDirectory, 'package.json'), join(codeDirectory, '..', 'package.json')]) {
    if (existsSync(manifest)) hash.update(readFileSync(manifest));
  }
  for (const folder of WORKFLOW_FOLDERS) {
    const files = readdirSync(join(codeDirectory, folder), { recursive: true, encoding: 'utf8' });
    for (const name of files.filter((file) => /\.(?:js|ts)$/.test(file)).sort()) {
      hash.update(`\0${folder}/${name}\0`).update(readFileSync(join(codeDirectory, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

function removeOldest(directory: string): void {
  const bundles = readdirSync(directory)
    .filter((name) => name.endsWith('.js'))
    .map((name) => join(directory, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const file of bundles.slice(KEPT)) rmSync(file, { force: true });
}
