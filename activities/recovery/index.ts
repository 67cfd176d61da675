import { sleep } from '@temporalio/activity';
import { describeDrbd } from '../../cluster/drbd/state';
import { HadbError } from '../../cluster/errors';
import { startsTag } from '../../cluster/ids';
import { renderLiftStandby, renderRemoveConstraints } from '../../cluster/node/recovery-moves';
import { renderStandbyRead } from '../../cluster/node/standby-moves';
import { diagnose, isBeingFenced, isMember, type Diagnosis } from '../../cluster/recovery/diagnosis';
import { describeFindings, describeLeftFault, type LeftFault } from '../../cluster/recovery/findings';
import { addStart } from '../../cluster/recovery/starts';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import { readEvidence } from '../azure/evidence';
import { createScope } from '../azure/resource-kind';
import { writeTags } from '../azure/tags';
import { endLeftFaults } from '../drill/left-faults';
import { readConstraints } from '../drill/pair-health';
import { pairOf } from '../node/dependencies';
import { awaitConnection, awaitSync, makeMove } from '../node/runtime';
import { waitUntil } from '../node/waiting';
import { performStep, type NodeStep } from '../step';
import { createAlertActivities, type AlertDependencies } from './alerts';
import { readFindings, type FindingDependencies } from './findings';

export type RecoveryDependencies = FindingDependencies & AlertDependencies;

/** Pacemaker and Corosync start within seconds of a boot; the first membership of a node that was fenced takes a token or two. */
const MEMBER_LIMIT_MS = 180_000;
/** Without fencing a node is unclean for a moment at most. */
const UNCLEAN_LIMIT_MS = 60_000;
/** DRBD's own handler removes its constraint at the end of the resync: only what stays is left over. */
const CONSTRAINTS_GO_MS = 15_000;

/** What a recovery sees, waits for and puts right. */
export function createRecoveryActivities(dependencies: RecoveryDependencies) {
  const { sessions, constraintsGoMs = CONSTRAINTS_GO_MS } = dependencies;
  const find = (step: StepContext) => readFindings(dependencies, step);
  return {
    ...createAlertActivities(dependencies),

    /**
     * Looks only, and tells what may be done next. What a node that is silent keeps to itself is a finding, no error. The judgement is made here and kept in
     * history: a run that is open goes on with it, whatever a later version thinks.
     */
    async readPairDiagnosis(step: StepContext): Promise<StepOutcome & { diagnosis: Diagnosis }> {
      const findings = await find(step);
      const diagnosis = diagnose(findings, step.specification);
      return { result: 'unchanged', observed: describeFindings(findings), diagnosis };
    },

    /**
     * Right before a machine is started, at each try, because Azure takes no condition along: starting it must still be what the pair needs next. One that is on
     * its way already is left to itself. Errors: GuardRefused.
     */
    async readStartGate(step: NodeStep): Promise<StepOutcome> {
      const findings = await find(step);
      const observed = describeFindings(findings);
      const power = findings.nodes.find(({ node }) => node === step.node)?.power;
      if (power === 'running' || power === 'starting') return { result: 'unchanged', observed };
      const { remedy, refusals } = diagnose(findings, step.specification);
      if (remedy?.kind === 'start' && remedy.node === step.node) return { result: 'unchanged', observed };
      const why = refusals.map(({ sentence }) => sentence).join('; ') || 'something else has to come first';
      throw new HadbError('GuardRefused', `${step.node} is not started: ${why}`, {
        subject: step.node,
        observed,
        whatNow: refusals[0]?.whatNow ?? 'The cluster has changed since it was looked at: recover again.',
      });
    },

    /** Counts this run's start of the machine, before it is made. */
    async noteStart(step: NodeStep): Promise<StepOutcome> {
      const scope = createScope(dependencies, step);
      const tag = startsTag(step.node);
      const before = (await readEvidence(scope))[tag];
      const wanted = addStart(before, { run: step.operation.run, at: Date.now() });
      const observed = `${tag}: ${before ?? 'not set'}`;
      if (before === wanted) return { result: 'unchanged', observed };
      await writeTags(scope, scope.ids.resourceGroup, { [tag]: wanted });
      return { result: 'changed', observed, done: `${tag}: ${wanted}` };
    },

    /** Waits until nobody shoots at the node any more. Errors: NotReady. */
    async awaitFenceOver(step: NodeStep): Promise<StepOutcome> {
      const { fencing } = timingOf(step.specification).pacemaker;
      const findings = await waitUntil(step, {
        waitingFor: `the end of the fencing of ${step.node}`,
        // A try that fails is made once more.
        limitMs: fencing === undefined ? UNCLEAN_LIMIT_MS : 2 * fencing.totalSeconds * 1000,
        intervalMs: 2_000,
        observe: () => find(step),
        isDone: ({ nodes }) => !isBeingFenced(nodes, step.node),
        describe: describeFindings,
        whatNow: `Look at "journalctl -u pacemaker" on the other node for why ${step.node} cannot be fenced, and at docs/fencing.md.`,
      });
      return { result: 'unchanged', observed: describeFindings(findings) };
    },

    /** Takes back what a drill has left there, before its timers do. Errors: GuardRefused, NotReady. */
    async endLeftFaults(step: NodeStep & { faults: readonly LeftFault[] }): Promise<StepOutcome> {
      const observed = step.faults.map((fault) => describeLeftFault(step.node, fault)).join('; ');
      await endLeftFaults({ open: () => sessions.open(step, step.node), faults: dependencies.faults }, step);
      const done = `took it back: ${step.faults.map(({ fault }) => fault).join(', ')}`;
      return { result: 'changed', observed, done };
    },

    /** Waits until Pacemaker runs on the node, and every node that answers counts it as a member. Errors: NotReady. */
    async awaitMember(step: NodeStep): Promise<StepOutcome> {
      const findings = await waitUntil(step, {
        waitingFor: `${step.node} to be a member of the cluster`,
        limitMs: MEMBER_LIMIT_MS,
        intervalMs: 1_000,
        observe: () => find(step),
        isDone: ({ nodes }) =>
          nodes.some(({ node, says }) => node === step.node && says?.state.available === true) &&
          isMember(nodes, step.node),
        describe: describeFindings,
        whatNow: `Look at "systemctl status corosync pacemaker" on ${step.node}: who has stopped or disabled them? Nobody but a build starts them by hand.`,
      });
      return { result: 'unchanged', observed: describeFindings(findings) };
    },

    /** `node` is in standby, `primary` holds the database. Errors: GuardRefused, NotReady. */
    async liftStandby(step: NodeStep & { primary: string }): Promise<StepOutcome> {
      const { node, primary } = step;
      const session = await sessions.open(step, primary);
      return performStep(session, step, {
        observe: async () => (await session.read(renderStandbyRead({ node }))).stdout.trim(),
        isDone: (value) => value === 'off',
        describe: (value) => `standby ${value}`,
        act: async () => {
          await makeMove(session, step, renderLiftStandby({ peer: node }));
          return `took ${node} out of standby`;
        },
      });
    },

    /** Waits for the connection and then, however long it takes, for the resync; asked of `node`. Changes nothing. Errors: NotReady, GuardRefused. */
    async awaitCopiesCurrent(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { drbd: before } = await awaitConnection(session, step);
      const { drbd } = await awaitSync(session, step);
      return { result: 'unchanged', observed: describeDrbd(before), verified: describeDrbd(drbd) };
    },

    /** Waits a moment for them to go by themselves; `node` is primary. Errors: GuardRefused, NotReady. */
    async removeConstraints(step: NodeStep & { ids: readonly string[] }): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const readLeft = async () => (await readConstraints(session)).filter((id) => step.ids.includes(id));
      await awaitGone(readLeft, constraintsGoMs);
      return performStep(session, step, {
        observe: readLeft,
        isDone: (ids) => ids.length === 0,
        describe: (ids) => (ids.length === 0 ? 'no constraint is left over' : `left over: ${ids.join(', ')}`),
        act: async (ids) => {
          await makeMove(session, step, renderRemoveConstraints({ peer: pairOf(step, step.node).peer.name, ids }));
          return `removed ${ids.join(', ')}`;
        },
      });
    },
  };
}

async function awaitGone(readLeft: () => Promise<string[]>, withinMs: number): Promise<void> {
  const until = Date.now() + withinMs;
  while ((await readLeft()).length > 0 && Date.now() < until) await sleep(1_000);
}

export type RecoveryActivities = ReturnType<typeof createRecoveryActivities>;
