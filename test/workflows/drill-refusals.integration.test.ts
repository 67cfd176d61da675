import { DRILL_KINDS } from '../../workflows/messages';
import { failWith, succeed } from './fake-activities';
import type { FakeCluster, FakeStep } from './fake-cluster';
import { among, drillInput, FAULTS, input, playClusters, withoutEvidence } from './played-cluster';
import { failureOf } from './runs';
import { specificationFor } from './temporal-for-tests';

const withCluster = playClusters();

const NEED_FENCING = DRILL_KINDS.filter((kind) => drillInput(kind).specification.fencing === 'azure');

/** The error in which a drill ends that meets these answers. */
async function refused(drill: object, answers: FakeCluster['answers'] = {}) {
  const { result: error, cluster } = await withCluster(async (worker, cluster) => {
    Object.assign(cluster.answers, answers);
    return failureOf(await worker.start('failoverDrill', drill));
  });
  return { error, cluster };
}

describe('a drill', () => {
  it('of one fault has no pair of them', async () => {
    const { error, cluster } = await refused({ ...drillInput('switchover'), pair: 'off-then-reset' });

    expect(error.type).toBe('BadSpecification');
    expect(error.message).toContain('pair: a pair of faults is of a drill of kind double only');
    expect(cluster.calls).toEqual([]);
  });

  it('is told by its gate all that is wrong, and whatever it is, nothing was begun', async () => {
    const { error, cluster } = await refused(drillInput('node-freeze'), {
      readDrillGate: [failWith('GateNotMet', 'hadb02 is offline')],
      readFencingGate: [failWith('Denied', 'the token is refused')],
      readQueryGate: [failWith('GateNotMet', 'from outside: hadb02 answers')],
      checkFreezable: [failWith('GateNotMet', 'nobody here can freeze a machine')],
    });

    expect(error.type).toBe('GateNotMet');
    expect(error.message).toContain(
      'hadb02 is offline; the token is refused (Denied); from outside: hadb02 answers; nobody here can freeze a machine',
    );
    expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
  });

  it.each([
    ['network-partition', 'rules'],
    ['fence-loss', 'rules'],
    ['network-loss', 'disturbance'],
    ['network-loss-heavy', 'disturbance'],
  ] as const)('of kind %s is refused where the nodes lack what it takes (%s)', async (kind, needs) => {
    const asked: unknown[] = [];
    const { error, cluster } = await refused(drillInput(kind), {
      checkNetworkFault: [
        async (step) => {
          asked.push((step as FakeStep & { needs?: string }).needs);
          return failWith('GateNotMet', 'the network cannot be disturbed here')();
        },
      ],
    });

    expect(error.type).toBe('GateNotMet');
    expect(asked).toEqual([needs]);
    expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
  });

  it.each(DRILL_KINDS)('of kind %s that is stopped right before its fault breaks nothing', async (kind) => {
    const { error, cluster } = await refused(drillInput(kind), {
      readDrillPermission: [succeed, failWith('DrillsForbidden', 'drills are stopped')],
    });

    expect(error.type).toBe('DrillsForbidden');
    expect(among(cluster, FAULTS)).toEqual([]);
    expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
    expect(cluster.order().at(-1)).toBe('writeDrillReport');
  });

  it.each(DRILL_KINDS)('of kind %s that is stopped at the very step of its fault breaks nothing', async (kind) => {
    const { error, cluster } = await refused(drillInput(kind), {
      readDrillPermission: [succeed, succeed, failWith('DrillsForbidden', 'drills are stopped')],
    });

    expect(error.type).toBe('DrillsForbidden');
    const putRight = kind === 'standby' ? ['setStandby/hadb01'] : [];
    expect(among(cluster, FAULTS)).toEqual(putRight);
    expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
  });

  it.each(['AzureUnavailable', 'Denied', 'SomethingElse'] as const)(
    'whose safety switch cannot be read (%s) is refused',
    async (code) => {
      const { error, cluster } = await refused(input({ kind: 'switchover' }), {
        readDrillPermission: [failWith(code)],
      });

      expect(error.type).toBe('GateNotMet');
      expect(error.message).toContain('cannot be read, which counts as a no');
      expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
    },
  );

  it('whose primary has changed since the gate cuts no power', async () => {
    const { error, cluster } = await refused(input({ kind: 'node-power-off' }), {
      readPowerCutGate: [failWith('GuardRefused', 'the primary is hadb02, not hadb01')],
    });

    expect(error.type).toBe('GuardRefused');
    expect(among(cluster, ['submitPowerOff'])).toEqual([]);
    expect(cluster.order()).toContain('stopWriter');
  });

  it.each(NEED_FENCING)('of kind %s is refused in a cluster without fencing, and breaks nothing', async (kind) => {
    const specification = { ...specificationFor(), fencing: 'none' } as const;
    const { error, cluster } = await refused(input({ kind, specification }));

    expect(error.type).toBe('GateNotMet');
    expect(error.message).toContain(`a drill of kind ${kind} needs fencing`);
    expect(among(cluster, [...FAULTS, 'startWriter', 'readDrillGate'])).toEqual([]);
  });

  it.each(['node-freeze', 'node-freeze-short'] as const)(
    'of kind %s is refused where nobody can freeze a machine, before anything is written',
    async (kind) => {
      const { error, cluster } = await refused(drillInput(kind), {
        checkFreezable: [failWith('GateNotMet', 'nobody here can freeze a machine')],
      });

      expect(error.type).toBe('GateNotMet');
      expect(among(cluster, [...FAULTS, 'startWriter'])).toEqual([]);
    },
  );

  it.each(['database-kill', 'database-hang', 'node-crash', 'network-partition', 'disk-error', 'fence-loss'] as const)(
    'of kind %s breaks nothing when its target is not what it was at the gate',
    async (kind) => {
      const { error, cluster } = await refused(drillInput(kind), {
        readFaultTarget: [failWith('GuardRefused', 'the primary is hadb02, not hadb01')],
      });

      expect(error.type).toBe('GuardRefused');
      expect(among(cluster, FAULTS)).toEqual([]);
      expect(withoutEvidence(cluster).at(-1)).toBe('stopWriter');
    },
  );
});
