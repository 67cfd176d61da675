import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readDirectorySettings } from '../../settings';

/** Later versions carry exclude directives, with which `go install` refuses a module. */
const VERSION = 'v2.29.7';

/** Command of a Docker Compose on this host; builds one into the cache (minutes, once) when there is none. */
export async function findCompose(): Promise<readonly string[]> {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const [program = '', ...args] = command;
    if (spawnSync(program, [...args, 'version'], { stdio: 'ignore' }).status === 0) return command;
  }
  const directory = join(readDirectorySettings().cacheDirectory, 'compose', VERSION);
  const cached = join(directory, 'docker-compose');
  if (!existsSync(cached)) await build(directory, cached);
  return [cached];
}

async function build(directory: string, target: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const workspace = mkdtempSync(join(directory, 'building-'));
  try {
    const settings = [`GOBIN=${workspace}`, 'CGO_ENABLED=0'];
    const module = `github.com/docker/compose/v2/cmd@${VERSION}`;
    await promisify(execFile)('env', [...settings, 'go', 'install', module], { cwd: workspace });
    renameSync(join(workspace, 'cmd'), target);
  } catch (error) {
    throw new Error('there is no Docker Compose to check docker-compose.yml with: apt-get install docker-compose', {
      cause: error,
    });
  } finally {
    rmSync(workspace, { recursive: true, force: true });
  }
}
