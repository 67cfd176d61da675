import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { buildWorkflowId } from '../../cluster/ids';
import type { Progress } from '../../cluster/step';
import { changesOf, NO_CHANGE, readEndState } from './end-state';
import { readEndToEndOptions } from './options';
import { createHadb, outcomesOf, resultOf } from './hadb';
import type { Hadb, Killable } from './hadb';

/** The article on real machines. The tests of one part go on where the one before has ended: a build costs a minute. */

const SPECIFICATION = {
  name: 'hadb',
  network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] },
  vm: { image: { publisher: 'hadb', offer: 'lab', sku: 'golden', version: 'latest' } },
  dataDisk: { sizeGiB: 1 },
  drbd: { initialSync: 'full' as const },
  corosync: { tokenMs: 3000 },
  fencingDelaySeconds: 5,
};
/** The tests of both builds leave the comparison of the copies, half a minute each, to the drills. */
const BUILT = { ...SPECIFICATION, drill: { verify: 'never' as const } };
const { everything } = readEndToEndOptions();
const BUILD = buildWorkflowId(SPECIFICATION.name);
const MINUTES = 60_000;
/** On a loaded machine; in quiet each part takes a fraction of it. */
const PART_MS = 20 * MINUTES;

let hadb: Hadb;
let undisturbed: Record<string, string> | undefined;

const build = (...flags: string[]) =>
  hadb.succeed(['build', hadb.specificationFile, '--wait', '--json', '--on-failure', 'fail', ...flags], {
    timeoutMs: PART_MS,
  });

const drill = (kind: string) => {
  const file = join(hadb.directory, 'drilled.yaml');
  writeFileSync(file, stringify(SPECIFICATION));
  return hadb.succeed(['drill', kind, file, '--wait', '--json', '--on-failure', 'fail'], { timeoutMs: PART_MS });
};

beforeAll(async () => {
  hadb = createHadb(BUILT);
  await hadb.succeed(['up', '--image', 'golden'], { timeoutMs: PART_MS });
}, PART_MS);

afterAll(() => hadb.close(), 10 * MINUTES);

describe('an undisturbed build', () => {
  it(
    'turns two machines into the cluster, with a full first synchronisation, and passes its failover tests',
    async () => {
      const built = await build();

      const result = resultOf(built);
      expect(result.verdict).toMatchObject({ passed: true });
      expect(outcomesOf(built).get('await-initial-sync')?.verified ?? '').toContain('UpToDate');
      undisturbed = await readEndState(hadb);
    },
    PART_MS,
  );

  it(
    'run again changes nothing, restarts nothing, moves nothing',
    async () => {
      expect(await changesOf(hadb, build)).toEqual(NO_CHANGE);
    },
    PART_MS,
  );

  it(
    'is switched over, and a build run there while node 2 is primary changes nothing either',
    async () => {
      await hadb.succeed(['switchover', hadb.specificationFile, '--wait', '--json', '--on-failure', 'fail'], {
        timeoutMs: PART_MS,
      });
      expect(await changesOf(hadb, build)).toEqual(NO_CHANGE);
    },
    PART_MS,
  );

  it(
    'reports a setting that was changed by hand as drift, and leaves it',
    async () => {
      const node = await hadb.node('hadb01');
      await node.read("sed -i 's/^# by hand$//; $a # by hand' /etc/corosync/corosync.conf");

      const again = await build();

      const drift = [...outcomesOf(again).values()].flatMap(({ drift }) => drift ?? []);
      expect(drift.join('\n')).toMatch(/corosync\.conf/);
      expect((await node.read('tail -n 1 /etc/corosync/corosync.conf')).stdout).toContain('# by hand');
      await node.read("sed -i '$d' /etc/corosync/corosync.conf");
    },
    PART_MS,
  );

  // Both builds move the database by hand and cut the primary's power as well.
  it.each(['standby', 'node-shutdown', 'database-kill', ...(everything ? ['manual', 'node-power-off'] : [])])(
    'passes the drill %s: the query answers before and after, and no acknowledged write is lost',
    async (kind) => {
      const drilled = await drill(kind);

      const { verdict } = resultOf(drilled);
      expect(verdict).toMatchObject({ passed: true });
      expect(verdict?.checks.filter(({ passed }) => !passed)).toEqual([]);
      expect(verdict?.checks.filter(({ notRun }) => notRun)).toEqual([]);
    },
    PART_MS,
  );

  it(
    'refuses to be destroyed under a wrong name, and is destroyed under its own',
    async () => {
      const refused = await hadb.run(['destroy', hadb.specificationFile, '--confirm', 'other', '--wait', '--json']);
      const destroyed = await hadb.succeed(
        ['destroy', hadb.specificationFile, '--confirm', SPECIFICATION.name, '--wait', '--json'],
        { timeoutMs: PART_MS },
      );

      expect(refused.code).not.toBe(0);
      expect(resultOf(destroyed).outcome).toBe('passed');
      expect((await hadb.pieces()).filter(({ name }) => name.startsWith('machine'))).toEqual([]);
    },
    PART_MS,
  );
});

describe('a build whose pieces are killed all the time', () => {
  /** Struck as soon as the step runs, or has just run. Pieces are started again after the pause; a machine boots by itself. */
  interface Blow {
    step: string;
    pieces: readonly Killable[];
    pauseMs?: number;
    /** Reset without a shutdown, as by a host that fails. */
    machine?: string;
  }
  const BLOWS: readonly Blow[] = [
    { step: 'virtual-machine/hadb01', pieces: ['control'] },
    { step: 'partition-data-disk/hadb01', pieces: ['worker'] },
    // Nothing is struck shortly before: the ten seconds of the synchronisation go on without the worker, and would be over.
    { step: 'await-initial-sync', pieces: ['worker'] },
    { step: 'make-file-system/hadb01', pieces: ['worker'] },
    // Down beyond the end of the step: its report is lost.
    { step: 'initialise-data-directory/hadb01', pieces: ['temporal'], pauseMs: 30_000 },
    { step: 'create-schema/hadb01', pieces: ['worker'] },
    { step: 'remote-query', pieces: [], machine: 'hadb01' },
    { step: 'start-corosync/hadb01', pieces: ['worker'] },
    { step: 'start-pacemaker/hadb01', pieces: ['worker', 'temporal', 'control'] },
    // A minute more each: the first is seen when the wait is over, the second when all is handed over.
    ...(everything
      ? [
          { step: 'await-members-online/hadb01', pieces: [], machine: 'hadb02' } as const,
          { step: 'start-at-boot/hadb02', pieces: [], machine: 'hadb02' } as const,
        ]
      : []),
    { step: 'end-maintenance/hadb01', pieces: ['worker'] },
  ];

  it(
    'goes on each time, does nothing twice, and ends as the undisturbed one did',
    async () => {
      await hadb.succeed(['up', '--image', 'golden'], { timeoutMs: PART_MS });
      await hadb.succeed(['build', hadb.specificationFile, '--json', '--on-failure', 'fail']);

      const struck = await strikeWhileItRuns();

      const ended = await hadb.succeed(['watch', BUILD, '--json'], { timeoutMs: PART_MS });
      const lost = [...outcomesOf(ended)].filter(([, { result }]) => result === 'changedEarlier').map(([step]) => step);
      process.stderr.write(`${struck.map(nameStrike).join('\n')}\nreports lost of: ${lost.join(', ') || 'none'}\n`);
      expect(resultOf(ended).verdict).toMatchObject({ passed: true });
      expect(struck).toHaveLength(BLOWS.length);
      const withoutWorker = new Set(struck.filter(({ pieces }) => pieces.includes('worker')).map(({ at }) => at[0]));
      expect(withoutWorker.size).toBeGreaterThanOrEqual(6);
      expect([...withoutWorker]).toContain('await-initial-sync');
      expect(await readEndState(hadb)).toEqual(undisturbed);
    },
    2 * PART_MS,
  );

  /** A blow, and the steps that were running when it fell. */
  type Strike = Blow & { at: string[] };

  async function strikeWhileItRuns(): Promise<Strike[]> {
    const open = [...BLOWS];
    const struck: Strike[] = [];
    const deadline = Date.now() + PART_MS;
    let progress: Progress | undefined;
    do {
      progress = await hadb.progress(BUILD);
      const steps = progress?.steps ?? [];
      const started = new Set(steps.filter(({ state }) => state !== 'pending').map(identityOf));
      const at = steps.filter(({ state }) => state === 'running').map(identityOf);
      const due = at.length === 0 ? -1 : open.findIndex(({ step }) => started.has(step));
      const [blow] = due < 0 ? [] : open.splice(due, 1);
      if (blow === undefined) {
        await sleep(50);
        continue;
      }
      // The step that was waited for comes first.
      struck.push({
        ...blow,
        at: at.includes(blow.step) ? [blow.step, ...at.filter((step) => step !== blow.step)] : at,
      });
      await strike(blow);
    } while (Date.now() < deadline && (progress === undefined || progress.state === 'running'));
    return struck;
  }

  async function strike({ pieces, pauseMs = 0, machine }: Blow): Promise<void> {
    for (const piece of pieces) hadb.kill(piece);
    if (machine !== undefined) await reset(machine);
    if (pieces.length === 0) return;
    await sleep(pauseMs);
    await hadb.succeed(['up'], { timeoutMs: 5 * MINUTES });
  }

  async function reset(machine: string): Promise<void> {
    const node = await hadb.node(machine);
    // The connection ends with the machine.
    await node.read('reboot --force --force', { timeoutMs: 10_000 }).catch(() => undefined);
  }

  const nameStrike = ({ pieces, machine, at }: Strike): string =>
    `${[...pieces, machine].filter(Boolean).join(' + ')} struck at ${at.join(', ')}`;
  const identityOf = ({ id, node }: { id: string; node?: string }): string => (node ? `${id}/${node}` : id);
});
