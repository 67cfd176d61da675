import { createVerifyActivities } from '../../../activities/drill/verify';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import type { NodeSessions } from '../../../activities/connections/node-session';
import { HadbError } from '../../../cluster/errors';
import { renderClockRead } from '../../../cluster/logs/clock';
import { renderStartVerify } from '../../../cluster/node/verify-moves';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import type { Operation } from '../../../cluster/step';
import { events2 } from '../../cluster/node/script-bench';
import { createModelPair, runActivity, specification, step } from '../node/model-pair';

const ENDED =
  '1795423331.000001 kernel: drbd r0/0 drbd1: Online verify done (total 11 sec; paused 0 sec; 95132 K/sec)\n';

interface Pair {
  /** Looks for which it runs; a comparison that is broken off says nothing at its end. */
  looks: number;
  brokenOff: boolean;
  outOfSyncKiB: number;
  /** What was found running before. */
  runs: boolean;
  primary: string;
  refusal?: HadbError;
  /** Of the resource group. */
  tags: Record<string, string>;
  isTagRefused: boolean;
}

function pairThat(over: Partial<Pair> = {}) {
  const pair: Pair = {
    looks: 2,
    brokenOff: false,
    outOfSyncKiB: 0,
    runs: false,
    primary: 'hadb01',
    tags: {},
    isTagRefused: false,
    ...over,
  };
  let started = pair.runs;
  const startedOn: string[] = [];
  const sessions = {
    close: async () => undefined,
    open: async (_: unknown, node: string) => ({
      node,
      read: async (script: string) => {
        if (script === renderClockRead()) return { code: 0, stdout: `${Date.now() / 1000}000\n`, stderr: '' };
        const isPrimary = node === pair.primary;
        if (started && isPrimary && pair.looks > 0) pair.looks -= 1;
        const runs = started && pair.looks > 0;
        const ended = started && !runs && !pair.brokenOff;
        const events = events2(isPrimary ? {} : { role: 'Secondary', peerRole: 'Primary' })
          .replace('replication:Established', `replication:${runs ? 'VerifyS' : 'Established'}`)
          .replace('resync-suspended:no', `resync-suspended:no out-of-sync:${ended ? pair.outOfSyncKiB : 0}`);
        const progress = runs ? '\tverified: 21.1% (828252/1046460)K\n' : '';
        const stdout = `${events}\n=== progress ===\n${progress}=== kernel ===\n${ended ? ENDED : ''}`;
        return { code: 0, stdout, stderr: '' };
      },
      change: async (_context: unknown, script: string) => {
        if (pair.refusal !== undefined) throw pair.refusal;
        expect(script).toBe(renderStartVerify());
        started = true;
        startedOn.push(node);
        return { code: 0, stdout: '', stderr: '' };
      },
    }),
  } as unknown as NodeSessions;
  const written: unknown[] = [];
  const arm = {
    subscriptionId: 'subscription',
    resources: {
      resourceGroups: { get: async () => ({ tags: pair.tags }) },
      tagsOperations: {
        updateAtScope: async (_id: string, { properties }: { properties: { tags: Record<string, string> } }) => {
          if (pair.isTagRefused) throw new Error('the tags are locked');
          written.push(properties.tags);
        },
      },
    },
  } as unknown as ArmClients;
  const { secrets } = createModelPair();
  const activities = createVerifyActivities({ arm, secrets, sessions, verifyEndMs: 50 });
  return {
    startedOn,
    written,
    verify: (of = specification, since = 0, runbook: Operation['runbook'] = 'failoverDrill') => {
      const context = step('hadb01', 'verify');
      const operation = { ...context.operation, runbook };
      return runActivity(() => activities.verifyCopies({ ...context, operation, specification: of, since }));
    },
  };
}

const large = ClusterSpecification.parse({ ...specification, dataDisk: { sizeGiB: 512 } });

describe('the comparison of both copies after a drill', () => {
  it('is begun on the primary, awaited, and judged', async () => {
    const pair = pairThat({ primary: 'hadb02' });

    const { result, checks } = await pair.verify();

    expect(result).toBe('changed');
    expect(pair.startedOn).toEqual(['hadb02']);
    expect(checks).toMatchObject([
      { passed: true, detail: expect.stringContaining('Online verify done (total 11 sec') as string },
    ]);
  });

  it('that a try before has begun is taken up', async () => {
    const pair = pairThat({ runs: true });

    expect(await pair.verify()).toMatchObject({ result: 'changedEarlier', checks: [{ passed: true }] });
    expect(pair.startedOn).toEqual([]);
  });

  it('that a try before has brought to its end is not made again', async () => {
    const pair = pairThat({ runs: true, looks: 0 });

    expect(await pair.verify()).toMatchObject({ result: 'changedEarlier', checks: [{ passed: true }] });
    expect(pair.startedOn).toEqual([]);
  });

  it('fails the drill where blocks differ', async () => {
    const { checks } = await pairThat({ outOfSyncKiB: 8 }).verify();

    expect(checks).toMatchObject([{ passed: false, detail: expect.stringContaining('hadb01 8 KiB') as string }]);
    expect(checks[0]).not.toHaveProperty('unknown');
  });

  it('proves nothing where it was broken off', async () => {
    expect((await pairThat({ brokenOff: true }).verify()).checks).toMatchObject([{ passed: false, unknown: true }]);
  });

  it('is not begun where the guard on the node refuses', async () => {
    const refusal = new HadbError('GuardRefused', 'no resync-rate is in force');

    await expect(pairThat({ refusal }).verify()).rejects.toMatchObject({ code: 'GuardRefused' });
  });

  it('is not begun where no node is primary', async () => {
    await expect(pairThat({ primary: 'nobody' }).verify()).rejects.toMatchObject({ code: 'NotReady' });
  });

  it('is not made again within a week for a disk that takes long, and no node is asked', async () => {
    const pair = pairThat({ tags: { 'hadb-verified': '2026-11-20T03:57:00Z' } });

    expect(await pair.verify(large, Date.parse('2026-11-22T02:30:00Z'))).toMatchObject({
      result: 'unchanged',
      observed: expect.stringContaining('made once a week, the last time on 2026-11-20') as string,
      checks: [{ notRun: true, passed: true }],
    });
    expect(pair.startedOn).toEqual([]);
  });

  it.each([{}, { 'hadb-verified': '2026-11-15T03:57:00Z' }, { 'hadb-verified': 'some day' }])(
    'is made for such a disk when the last one is a week ago or not known (%j), and noted',
    async (tags) => {
      const pair = pairThat({ tags });

      const { checks } = await pair.verify(large, Date.parse('2026-11-22T02:30:00Z'));

      expect(checks).toMatchObject([{ passed: true }]);
      expect(pair.startedOn).toEqual(['hadb01']);
      expect(pair.written).toEqual([{ 'hadb-verified': expect.stringMatching(/^\d{4}-.*Z$/) as string }]);
    },
  );

  it('is not made by the tests of a build, unless the specification says so', async () => {
    const pair = pairThat();
    const always = { ...specification, drill: { ...specification.drill, verify: 'always' as const } };

    expect((await pair.verify(large, 1, 'buildCluster')).checks).toMatchObject([{ notRun: true }]);
    expect((await pair.verify(specification, 1, 'buildCluster')).checks).toMatchObject([{ notRun: true }]);
    expect((await pair.verify(always, 1, 'buildCluster')).checks).toMatchObject([{ passed: true }]);
    expect(pair.startedOn).toEqual(['hadb01']);
  });

  it('that found something is not noted, so that the next drill makes it again', async () => {
    const pair = pairThat({ outOfSyncKiB: 8 });

    expect((await pair.verify(large, 1)).checks).toMatchObject([{ passed: false }]);
    expect(pair.written).toEqual([]);
  });

  it('that cannot be noted is what it is', async () => {
    const outcome = await pairThat({ isTagRefused: true }).verify(large, 1);

    expect(outcome).toMatchObject({
      checks: [{ passed: true }],
      verified: expect.stringContaining('not noted as hadb-verified, so that the next drill makes it again') as string,
    });
  });

  it('of a small disk needs no memory', async () => {
    const pair = pairThat({ tags: { 'hadb-verified': new Date().toISOString() } });

    expect((await pair.verify()).checks).toMatchObject([{ passed: true }]);
    expect(pair.written).toEqual([]);
  });
});
