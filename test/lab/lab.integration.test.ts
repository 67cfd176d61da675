import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { useTemporaryDirectory } from '../temporary-directory';

const ROOT = join(__dirname, '..', '..');

/** In a process of its own: Jest gives a test a copy of the environment, which programs do not see. */
function runLab(environment: Record<string, string>, ...words: string[]) {
  const program = `
    const { runLabCommand } = require('./lab/cli.ts');
    runLabCommand(${JSON.stringify(words)}, { process, settings: { temporalEnvironment: process.env } })
      .then((code) => process.exit(code));`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['-r', './test/lab/control/run-typescript.cjs', '-e', program],
    { cwd: ROOT, env: environment, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

describe('hadb lab in a process of its own', () => {
  let stateDirectory: string;
  useTemporaryDirectory((made) => {
    stateDirectory = made;
  });

  it('does not come up without its programs, and names the packages they are in', () => {
    const { status, stderr } = runLab(
      { PATH: '/nowhere', HADB_STATE_DIR: stateDirectory, HADB_CACHE_DIR: join(stateDirectory, 'cache') },
      'up',
    );

    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^hadb lab: the lab needs programs that this computer lacks\. Install them: apt-get install .*qemu-system-x86/m,
    );
  });

  it('refuses an engine that it does not know', () => {
    const { status, stderr } = runLab(
      { PATH: '/usr/bin', HADB_STATE_DIR: stateDirectory, HADB_LAB_ENGINE: 'xen' },
      'status',
    );

    expect(status).toBe(64);
    expect(stderr).toContain('HADB_LAB_ENGINE is "xen"; use one of kvm, uml, tcg');
  });
});
