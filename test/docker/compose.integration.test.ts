import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { findCompose } from './compose-program';
import { useTemporaryDirectory } from '../temporary-directory';

const ROOT = join(__dirname, '..', '..');
const file = join(ROOT, 'docker-compose.yml');

interface Service {
  image: string;
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: object;
  stop_grace_period?: string;
}
const { services } = parse(readFileSync(file, 'utf8'), { merge: true }) as { services: Record<string, Service> };

describe('docker-compose.yml', () => {
  it('is accepted by docker compose config', () => {
    const [program = '', ...args] = findCompose();

    const { status, stderr } = spawnSync(program, [...args, '--file', file, 'config', '--quiet'], { encoding: 'utf8' });

    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('pins every foreign image to a version and takes none that is deprecated', () => {
    const foreign = Object.values(services)
      .map(({ image }) => image)
      .filter((image) => image !== 'hadb-worker');

    expect(foreign.filter((image) => !/:\d+\.\d+(?:\.\d+)?$/.test(image))).toEqual([]);
    expect(foreign.filter((image) => /auto-setup|docker-builds/.test(image))).toEqual([]);
  });

  it('publishes ports on this computer only', () => {
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);

    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('starts nothing before what it needs is healthy or done', () => {
    const conditions = Object.values(services).flatMap(({ depends_on: needs = {} }) => Object.entries(needs));

    const unmet = conditions.filter(
      ([needed, { condition }]) =>
        condition !== 'service_completed_successfully' &&
        !(condition === 'service_healthy' && services[needed]?.healthcheck !== undefined),
    );
    expect(conditions.length).toBeGreaterThan(3);
    expect(unmet).toEqual([]);
  });
});

describe('the worker image', () => {
  const dockerfile = readFileSync(join(ROOT, 'docker', 'worker.Dockerfile'), 'utf8');

  it('copies everything that the build compiles', () => {
    const { include } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.build.json'), 'utf8')) as { include: string[] };
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names]) =>
      (names ?? '').split(' '),
    );

    expect(
      include.map((name) => (name === '*.ts' ? 'settings.ts' : name)).filter((name) => !copied.includes(name)),
    ).toEqual([]);
    expect(copied.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
  });
});

describe('create-namespace.sh', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  /** A `temporal` whose `describe` finds nothing and whose `create` works from the given call on. */
  function run(worksFrom: number) {
    const program = join(directory, 'temporal');
    const script = [
      '#!/bin/sh',
      `echo "$*" >> ${directory}/calls`,
      'case "$*" in *describe*) exit 1 ;; esac',
      `[ "$(grep -c create ${directory}/calls)" -ge ${worksFrom} ]`,
    ].join('\n');
    writeFileSync(program, script);
    chmodSync(program, 0o755);
    const environment = [`PATH=${directory}:/usr/bin:/bin`, 'TEMPORAL_ADDRESS=t:7233', 'TRIES=3', 'PAUSE_SECONDS=0'];
    const { status } = spawnSync('env', [
      '-i',
      ...environment,
      'sh',
      join(ROOT, 'docker/temporal/create-namespace.sh'),
    ]);
    const creations = readFileSync(join(directory, 'calls'), 'utf8')
      .split('\n')
      .filter((call) => call.includes('create'));
    return { status, creations };
  }

  it('tries again while the server refuses', () => {
    expect(run(3)).toEqual({
      status: 0,
      creations: Array.from({ length: 3 }, () => 'operator namespace create --namespace default --retention 720h'),
    });
  });

  it('fails after its last try', () => {
    expect(run(4)).toMatchObject({ status: 1 });
  });
});

it.each(['create-namespace.sh', 'set-up-schema.sh'])('%s is POSIX sh', (script) => {
  expect(spawnSync('sh', ['-n', join(ROOT, 'docker', 'temporal', script)]).status).toBe(0);
});
