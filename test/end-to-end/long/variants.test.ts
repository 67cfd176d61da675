import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { ClusterSpecificationInput } from '../../../cluster/specification/specification';
import { changesOf, NO_CHANGE } from '../end-state';
import { createHadb, resultOf } from '../hadb';
import type { CommandOutcome, Hadb } from '../hadb';

/** The article on the other images, with the other choices it offers: each whole, from two blank machines to their end. */

const MINUTES = 60_000;
const PART_MS = 30 * MINUTES;

interface Variant {
  name: string;
  image: string;
  example: string;
  /** Beside what the example says. */
  choices: Partial<ClusterSpecificationInput>;
  /** What the primary says of its server's version, file system and cluster manager. */
  runs: RegExp;
}

const VARIANTS: Variant[] = [
  {
    name: 'a plain Debian: packages are installed, XFS, the standby database installed while failed over',
    image: 'clean',
    example: 'lab-clean.yaml',
    choices: {
      dataDisk: { sizeGiB: 1 },
      fileSystem: 'xfs',
      database: { standbyInstall: 'fail-over-then-install' },
    },
    runs: /^10\.11\..*-MariaDB.* xfs Pacemaker 2\./s,
  },
  {
    name: 'Debian sid: MySQL 9.7 and Pacemaker 3',
    image: 'debian-sid',
    example: 'lab-sid.yaml',
    choices: { dataDisk: { sizeGiB: 1 } },
    runs: /^9\.7\..* ext4 Pacemaker 3\./s,
  },
];

describe.each(VARIANTS)('$name', ({ image, example, choices, runs }) => {
  let hadb: Hadb;

  const told = (words: readonly string[]): Promise<CommandOutcome> =>
    hadb.succeed([...words, hadb.specificationFile, '--wait', '--json', '--on-failure', 'fail'], {
      timeoutMs: PART_MS,
    });

  beforeAll(async () => {
    hadb = createHadb({ ...readExample(example), ...choices });
    await hadb.succeed(['up', '--image', image], { timeoutMs: PART_MS });
  }, PART_MS);

  afterAll(() => hadb.close(), 10 * MINUTES);

  it(
    'is built, and passes its failover tests',
    async () => {
      const startedAt = performance.now();
      const built = await told(['build']);
      process.stderr.write(`built with tests: ${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`);

      expect(resultOf(built).verdict).toMatchObject({ passed: true });
      const primary = await hadb.node(hadb.specification.nodes[0].name);
      const { stdout } = await primary.read(
        'client=$(command -v mariadb || command -v mysql); "$client" -N -e "select version()"; findmnt -n -o FSTYPE /var/lib/mysql; pacemakerd --version | head -1',
      );
      expect(stdout.trim().replaceAll('\n', ' ')).toMatch(runs);
    },
    PART_MS,
  );

  it(
    'run again changes nothing, restarts nothing, moves nothing',
    async () => {
      expect(await changesOf(hadb, () => told(['build']))).toEqual(NO_CHANGE);
    },
    PART_MS,
  );

  it(
    'is switched over',
    async () => {
      const switched = await told(['switchover']);

      expect(resultOf(switched).outcome).toBe('passed');
    },
    PART_MS,
  );

  it(
    'fails over when its primary is powered off, and loses no acknowledged write',
    async () => {
      const { verdict } = resultOf(await told(['drill', 'node-power-off']));

      expect(verdict).toMatchObject({ passed: true });
    },
    PART_MS,
  );

  it(
    'is destroyed',
    async () => {
      const destroyed = await hadb.succeed(
        ['destroy', hadb.specificationFile, '--confirm', hadb.specification.name, '--wait', '--json'],
        { timeoutMs: PART_MS },
      );

      expect(resultOf(destroyed).outcome).toBe('passed');
    },
    PART_MS,
  );
});

function readExample(name: string): ClusterSpecificationInput {
  const file = join(__dirname, '..', '..', '..', 'examples', name);
  return parse(readFileSync(file, 'utf8')) as ClusterSpecificationInput;
}
