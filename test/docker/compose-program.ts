import { spawnSync } from 'node:child_process';

/** Command of the Docker Compose of this host. */
export function findCompose(): readonly string[] {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const [program = '', ...args] = command;
    if (spawnSync(program, [...args, 'version'], { stdio: 'ignore' }).status === 0) return command;
  }
  throw new Error('there is no Docker Compose to check docker-compose.yml with: apt-get install docker-compose');
}
