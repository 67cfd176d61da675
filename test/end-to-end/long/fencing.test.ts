import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { WRITER_RECORD } from '../../../cluster/report/drill-record';
import { findOwnedProcessesBelow, signalGroup } from '../../../processes/owned-process';
import type { DrillKind } from '../../../workflows/messages';
import { changesOf, NO_CHANGE, readFingerprint } from '../end-state';
import { createHadb, notUnchanged, resultOf } from '../hadb';
import type { CommandOutcome, Hadb, Result } from '../hadb';

/** A cluster that was built without fencing gets it while it serves; then nights that nobody ended are put right. */

const SPECIFICATION = {
  name: 'hadb',
  network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] },
  vm: { image: { publisher: 'hadb', offer: 'lab', sku: 'golden', version: 'latest' } },
  dataDisk: { sizeGiB: 1 },
  corosync: { tokenMs: 3000 },
  fencingDelaySeconds: 5,
  prove: 'never' as const,
  drill: { verify: 'never' as const },
};
const MINUTES = 60_000;
const PART_MS = 20 * MINUTES;

let hadb: Hadb;

const told = (words: readonly string[]): Promise<CommandOutcome> =>
  hadb.run([...words, hadb.specificationFile, '--wait', '--json', '--on-failure', 'fail'], { timeoutMs: PART_MS });

const wantFencing = (fencing: 'azure' | 'none'): void =>
  writeFileSync(hadb.specificationFile, stringify({ ...SPECIFICATION, fencing }));

/** Without the epochs of Pacemaker's configuration: that is to change. */
const whatServes = async (): Promise<Record<string, string>> => {
  const seen = await readFingerprint(hadb);
  return Object.fromEntries(
    Object.entries(seen).map(([node, text]) => [node, text.replaceAll(/^ (admin_)?epoch=.*$/gm, '').trim()]),
  );
};

beforeAll(async () => {
  hadb = createHadb({ ...SPECIFICATION, fencing: 'none' });
  await hadb.succeed(['up', '--image', 'golden'], { timeoutMs: PART_MS });
}, PART_MS);

afterAll(() => hadb.close(), 10 * MINUTES);

describe('fencing on a cluster that serves', () => {
  it(
    'a cluster without fencing refuses the drills that would need it',
    async () => {
      const built = await told(['build']);
      const refused = await told(['drill', 'network-partition']);

      expect(resultOf(built)).toMatchObject({ outcome: 'passed' });
      expect(refused.code).not.toBe(0);
      expect(refused.stdout + refused.stderr).toContain('fencing');
    },
    PART_MS,
  );

  it(
    'is put into force by the same build, and nothing restarts or moves',
    async () => {
      wantFencing('azure');
      const before = await whatServes();

      const migrated = await told(['build']);

      expect(resultOf(migrated)).toMatchObject({ outcome: 'passed' });
      expect(await whatServes()).toEqual(before);
    },
    PART_MS,
  );

  it(
    'run once more changes nothing',
    async () => {
      expect(await changesOf(hadb, () => told(['build']))).toEqual(NO_CHANGE);
    },
    PART_MS,
  );

  it(
    'run right after everything was ended and started again, waits for the cluster to form, and changes nothing',
    async () => {
      await hadb.succeed(['down'], { timeoutMs: PART_MS });
      await hadb.succeed(['up', '--image', 'golden'], { timeoutMs: PART_MS });

      const verified = await told(['build']);

      expect(resultOf(verified)).toMatchObject({ outcome: 'passed' });
      expect(notUnchanged(verified)).toEqual([]);
    },
    PART_MS,
  );

  it(
    'the partition that was refused is survived by one',
    async () => {
      const { verdict } = resultOf(await told(['drill', 'network-partition']));

      expect(verdict?.checks.filter(({ passed }) => !passed)).toEqual([]);
      expect(verdict).toMatchObject({ passed: true });
    },
    PART_MS,
  );
});

async function startDrill(kind: DrillKind): Promise<string> {
  const started = await hadb.succeed(['drill', kind, hadb.specificationFile, '--json', '--on-failure', 'fail']);
  return started.lines.find(({ type }) => type === 'run')?.['workflowId'] as string;
}

/** Starts a drill, and comes back as soon as its fault is made. */
async function faultMade(kind: DrillKind): Promise<string> {
  const workflow = await startDrill(kind);
  const deadline = Date.now() + 3 * MINUTES;
  for (;;) {
    const steps = (await hadb.progress(workflow))?.steps ?? [];
    if (steps.some(({ chapter, outcome }) => chapter === 'Inject' && outcome?.result === 'changed')) return workflow;
    if (Date.now() > deadline) throw new Error(`${kind} has made no fault: ${JSON.stringify(steps.at(-1))}`);
    await sleep(50);
  }
}

/** Kills the clients of the drill that runs, as soon as there are any. */
async function killClients(): Promise<number> {
  const deadline = Date.now() + 3 * MINUTES;
  for (;;) {
    const writers = findOwnedProcessesBelow(join(hadb.directory, 'drills'), WRITER_RECORD);
    for (const writer of writers) signalGroup(writer.process, 'SIGKILL');
    if (writers.length > 0 || Date.now() > deadline) return writers.length;
    await sleep(20);
  }
}

const rolesAndCopies = async (): Promise<string[]> => {
  const seen = await Promise.all(
    hadb.specification.nodes.map(async ({ name }) => {
      const node = await hadb.node(name);
      const { stdout } = await node.read('drbdadm role r0; drbdadm dstate r0', { timeoutMs: 20_000 });
      return stdout.trim().replaceAll('\n', ' ');
    }),
  );
  return seen.sort();
};
const WHOLE = ['Primary/Secondary UpToDate/UpToDate', 'Secondary/Primary UpToDate/UpToDate'];

describe('a drill whose client is killed', () => {
  const unknownAndWhole = async (workflow: string): Promise<Result['verdict']> => {
    const drilled = await hadb.run(['watch', workflow, '--json'], { timeoutMs: PART_MS });
    const recovered = await told(['recover']);

    const { outcome, verdict } = resultOf(drilled);
    expect([drilled.code, outcome]).toEqual([2, 'unknown']);
    expect(verdict?.checks.filter(({ passed, unknown }) => !passed && unknown !== true)).toEqual([]);
    expect(recovered.code).toBe(0);
    expect(notUnchanged(recovered)).toEqual([]);
    expect(await rolesAndCopies()).toEqual(WHOLE);
    return verdict;
  };

  it(
    'right after its fault is unknown, and leaves a whole pair',
    async () => {
      const workflow = await faultMade('database-kill');
      const killed = await killClients();

      expect(killed).toBe(1);
      await unknownAndWhole(workflow);
    },
    PART_MS,
  );

  it(
    'while it is started is unknown as well, and nothing was broken',
    async () => {
      const workflow = await startDrill('node-power-off');
      const killed = await killClients();

      const verdict = await unknownAndWhole(workflow);

      expect(killed).toBe(1);
      expect(verdict?.summary).toContain('nothing was broken');
    },
    PART_MS,
  );
});

describe('a drill that is terminated right after its fault', () => {
  /** Once the fault is made, nothing of the drill goes on. */
  async function terminated(kind: DrillKind): Promise<void> {
    await hadb.succeed(['cancel', await faultMade(kind), '--terminate', '--json']);
  }

  // Off and shot; hung on its node; cut off, and shot by the other one.
  it.each<DrillKind>(['node-power-off', 'database-hang', 'network-partition'])(
    '%s: the recovery puts the pair right, and a second one finds nothing to do',
    async (kind) => {
      await terminated(kind);

      const moved = await told(['switchover']);
      const recovered = await told(['recover']);
      const again = await told(['recover']);

      // Nobody moves what is not whole.
      expect(moved.code).toBe(3);
      expect([recovered.code, resultOf(recovered).outcome]).toEqual([0, 'passed']);
      expect(await rolesAndCopies()).toEqual(WHOLE);
      expect([again.code, resultOf(again).outcome]).toEqual([0, 'passed']);
      expect(notUnchanged(again)).toEqual([]);
    },
    PART_MS,
  );

  it(
    'network-loss: nobody does anything, and the fault takes itself back',
    async () => {
      const faults = async (): Promise<unknown[]> => {
        const { stdout } = await hadb.succeed(['lab', 'faults']);
        return (JSON.parse(stdout) as { links: unknown[] }).links;
      };
      await terminated('network-loss');
      const begun = await faults();
      const deadline = Date.now() + 5 * MINUTES;
      while ((await faults()).length > 0 && Date.now() < deadline) await sleep(2000);

      expect(begun).not.toEqual([]);
      expect(await faults()).toEqual([]);
      expect((await told(['switchover'])).code).toBe(0);
    },
    PART_MS,
  );

  it(
    'disk-error: the disk is sound again by itself, and the timer of the node attaches it',
    async () => {
      await terminated('disk-error');
      const begun = await rolesAndCopies();
      const deadline = Date.now() + 5 * MINUTES;
      const isWhole = async () => (await rolesAndCopies()).join() === WHOLE.join();
      while (!(await isWhole()) && Date.now() < deadline) await sleep(2000);

      expect(begun.join()).toContain('Diskless');
      expect(await rolesAndCopies()).toEqual(WHOLE);
      expect((await told(['recover'])).code).toBe(0);
    },
    PART_MS,
  );

  it(
    'afterwards the pair is moved, and drilled, as if nothing had been',
    async () => {
      expect((await told(['switchover'])).code).toBe(0);
      expect(resultOf(await told(['drill', 'node-power-off'])).verdict).toMatchObject({ passed: true });
    },
    PART_MS,
  );
});
