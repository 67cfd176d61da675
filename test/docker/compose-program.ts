import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Command of the Docker Compose of this host; the last of them is the plugin by itself, where no `docker` is. */
export function findCompose(): readonly string[] {
  const commands = JSON.parse(readFileSync(join(__dirname, 'compose-commands.json'), 'utf8')) as string[][];
  for (const command of commands) {
    const [program = '', ...args] = command;
    if (spawnSync(program, [...args, 'version'], { stdio: 'ignore' }).status === 0) return command;
  }
  throw new Error(
    'there is no Docker Compose to check docker-compose.yml with: apt-get install docker-compose (Ubuntu: docker-compose-v2)',
  );
}
