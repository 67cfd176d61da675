import { heartbeat, sleep } from '@temporalio/activity';
import { isOff, type PowerState } from '../../cluster/azure/power';
import { fencesOf, nodesInDoubt } from '../../cluster/cib/fence-history';
import { describeDrbd } from '../../cluster/drbd/state';
import { HadbError, isHadbError } from '../../cluster/errors';
import type { Runtime } from '../../cluster/node/runtime';
import type { StepOutcome, StepWait } from '../../cluster/step';
import { readPower } from '../azure/power';
import { createScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import type { NodeSessions } from '../connections/node-session';
import { describeCluster, observeCluster, type ObservedCluster } from '../node/cluster-state';
import { pairOf } from '../node/dependencies';
import { readRuntime } from '../node/runtime';
import { waitUntil } from '../node/waiting';
import type { NodeStep } from '../step';
import { servesOn } from './pair-health';

export interface OutcomeDependencies extends AzureDependencies {
  sessions: NodeSessions;
}

/** What one node says; undefined from one that does not answer: it is frozen, off, or on its way. */
interface Look {
  name: string;
  seen?: { cluster: ObservedCluster; runtime: Runtime };
}

interface PoweredLook extends Look {
  power: PowerState;
}

/** A node that has not answered by then is frozen or gone; the SSH connection to it is given up a little later. */
const ANSWER_MS = 6_000;

/** The end of a fault: who serves then, and whether nothing moved that may not. They watch, and never help. */
export function createOutcomeActivities(dependencies: OutcomeDependencies, answerMs = ANSWER_MS) {
  /** The last look at each node. One that is late is not overtaken: a node that is merely slow would only become slower. */
  const last = new Map<string, Promise<unknown>>();
  const lookAt = async (step: NodeStep, name: string): Promise<Look> => {
    const key = `${step.specification.name}/${name}`;
    const since = Date.now();
    // How that one ended is of whoever asked for it. A timer may be a millisecond early: that it has ended is not told by the clock.
    const before = last.get(key)?.then(
      () => true,
      () => true,
    );
    if (before !== undefined && (await answerOf(before, answerMs)) === undefined) return { name };
    const left = answerMs - (Date.now() - since);
    if (left <= 0) return { name };
    const look = lookNow(step, name);
    last.set(key, look);
    const seen = await answerOf(look, left);
    return { name, ...(seen === undefined ? {} : { seen }) };
  };
  const lookNow = async (step: NodeStep, name: string): Promise<Look['seen']> => {
    try {
      const session = await dependencies.sessions.open(step, name);
      const [cluster, runtime] = await Promise.all([observeCluster(session, step), readRuntime(session, step)]);
      return { cluster, runtime };
    } catch (error) {
      if (isHadbError(error) && (error.code === 'NodeUnreachable' || error.code === 'CommandUnknown')) return undefined;
      throw error;
    }
  };
  const lookAtBoth = (step: NodeStep): Promise<Look[]> =>
    Promise.all(step.specification.nodes.map(({ name }) => lookAt(step, name)));
  /** A machine that is off is not asked. */
  const lookWithPower = (step: NodeStep): Promise<PoweredLook[]> =>
    Promise.all(
      step.specification.nodes.map(async ({ name }) => {
        const { state: power } = await readPower(createScope(dependencies, step, name));
        return isOff(power) ? { name, power } : { ...(await lookAt(step, name)), power };
      }),
    );

  return {
    /**
     * Waits until a node serves again after the server of `node`, process `pid`, was broken: there with another process, or on the other node. Pacemaker's
     * own view lags by a monitor, so that the old process must be gone. Errors: NotReady.
     */
    async awaitServedAgain(
      step: NodeStep & { pid: number; withinSeconds: number },
    ): Promise<StepOutcome & { at: number; serving: string }> {
      const servingIn = (looks: readonly Look[]) =>
        looks.find(
          (look) => answersAsPrimary(look) && !(look.name === step.node && look.seen?.runtime.serverPid === step.pid),
        );
      const looks = await waitUntil(step, {
        waitingFor: 'a server that answers again',
        limitMs: step.withinSeconds * 1000,
        observe: () => lookAtBoth(step),
        isDone: (seen) => servingIn(seen) !== undefined,
        describe: describeLooks,
        whatNow: 'Look at "crm_mon -1 -r": a failed stop or start has its reason under "Failed Resource Actions".',
      });
      const serving = servingIn(looks)?.name ?? step.node;
      return { result: 'unchanged', observed: describeLooks(looks), at: Date.now(), serving };
    },

    /**
     * Waits until the database is served although `node` has let go of its disk: there with the peer's copy, or by the peer. Errors: NotReady.
     */
    async awaitServedDiskless(
      step: NodeStep & { withinSeconds: number },
    ): Promise<StepOutcome & { at: number; serving: string }> {
      const servingIn = (looks: readonly Look[]) => {
        const away = looks.find(({ name }) => name === step.node)?.seen?.runtime.drbd;
        return away === undefined || away.disk === 'UpToDate' ? undefined : looks.find(answersAsPrimary);
      };
      const looks = await waitUntil(step, {
        waitingFor: 'a server that answers without that disk',
        limitMs: step.withinSeconds * 1000,
        observe: () => lookAtBoth(step),
        isDone: (seen) => servingIn(seen) !== undefined,
        describe: describeLooks,
        whatNow: 'Look at "drbdadm status r0" on both nodes, and at "crm_mon -1 -r".',
      });
      const serving = servingIn(looks)?.name ?? step.node;
      return { result: 'unchanged', observed: describeLooks(looks), at: Date.now(), serving };
    },

    /**
     * Waits until the other node serves: Pacemaker moves the database to the node that has a disk once a monitor of DRBD has told it. Where it has not moved after
     * `holdSeconds`, and `node` serves, it stays. Errors: NotReady, when nobody serves `withinSeconds` later.
     */
    async awaitLeftDiskless(
      step: NodeStep & { holdSeconds: number; withinSeconds: number },
    ): Promise<StepOutcome & { at: number; serving: string }> {
      const from = Date.now();
      const { peer } = pairOf(step, step.node);
      const servingIn = (looks: readonly Look[]) => {
        const serving = looks.find(answersAsPrimary)?.name;
        return serving === peer.name || Date.now() - from >= step.holdSeconds * 1000 ? serving : undefined;
      };
      const looks = await waitUntil(step, {
        waitingFor: `the database on ${peer.name}, or ${step.holdSeconds} s in which it stays`,
        limitMs: (step.holdSeconds + step.withinSeconds) * 1000,
        intervalMs: HOLD_INTERVAL_MS,
        observe: () => lookAtBoth(step),
        isDone: (seen) => servingIn(seen) !== undefined,
        describe: describeLooks,
        whatNow: 'Look at "drbdadm status r0" on both nodes, and at "crm_mon -1 -r".',
      });
      const serving = servingIn(looks) ?? step.node;
      const waited = `${((Date.now() - from) / 1000).toFixed(1)} s`;
      const what =
        serving === peer.name
          ? `the database moved to ${serving}, which has a disk, after ${waited}`
          : `the database stayed on ${serving} for ${waited}`;
      return { result: 'unchanged', observed: `${what}; ${describeLooks(looks)}`, at: Date.now(), serving };
    },

    /** The database server that runs on `node`, if one does, in which boot. */
    async readServer(step: NodeStep): Promise<StepOutcome & { bootId: string; pid?: number }> {
      const { bootId, serverPid: pid } = await readRuntime(await dependencies.sessions.open(step, step.node), step);
      const server = pid === undefined ? 'no server runs' : `server process ${pid}`;
      return {
        result: 'unchanged',
        observed: `${server}, boot ${bootId}`,
        bootId,
        ...(pid === undefined ? {} : { pid }),
      };
    },

    /**
     * Waits until `node`, primary before, serves alone after the loss of its peer: the loss is noticed, the peer is not in doubt any more, and nothing of
     * DRBD is frozen. Errors: NotReady.
     */
    async awaitSurvivor(
      step: NodeStep & { withinSeconds: number },
    ): Promise<StepOutcome & { at: number; pid?: number }> {
      const { peer } = pairOf(step, step.node);
      const alone = ({ seen }: Look): boolean => {
        const lost = seen?.cluster.state.nodes.find(({ name }) => name === peer.name);
        return (
          seen !== undefined &&
          servesOn(seen.cluster, step.node) &&
          lost?.online === false &&
          !lost.unclean &&
          seen.cluster.drbd.connection !== 'Connected' &&
          !seen.cluster.drbd.suspended
        );
      };
      const look = await waitUntil(step, {
        waitingFor: `${step.node} to go on without ${peer.name}`,
        limitMs: step.withinSeconds * 1000,
        observe: () => lookAt(step, step.node),
        isDone: alone,
        describe: (seen) => describeLooks([seen]),
        whatNow: 'Look at "crm_mon -1 -r" and "drbdadm status r0" there: a fencing that fails keeps DRBD frozen.',
      });
      const pid = look.seen?.runtime.serverPid;
      return {
        result: 'unchanged',
        observed: describeLooks([look]),
        at: Date.now(),
        ...(pid === undefined ? {} : { pid }),
      };
    },

    /**
     * Waits for the end of a fight: one node serves, and Azure says that the other machine is off. Errors: NotReady; TwoPrimaries as soon as both are
     * primary.
     */
    async awaitOneSurvivor(
      step: NodeStep & { withinSeconds: number },
    ): Promise<StepOutcome & { at: number; survivor: string; lost: string }> {
      const survivorOf = (looks: readonly PoweredLook[]) => {
        const running = looks.filter(({ power }) => power === 'running');
        const [survivor] = running;
        const off = looks.filter(({ power }) => isOff(power));
        return running.length === 1 && off.length === 1 && survivor?.seen !== undefined
          ? servesOn(survivor.seen.cluster, survivor.name) && !survivor.seen.cluster.drbd.suspended
            ? survivor
            : undefined
          : undefined;
      };
      const looks = await waitUntil(step, {
        waitingFor: 'one survivor, and the other machine off',
        limitMs: step.withinSeconds * 1000,
        observe: async () => {
          const seen = await lookWithPower(step);
          refuseTwoPrimaries(seen);
          return seen;
        },
        isDone: (seen) => survivorOf(seen) !== undefined,
        describe: describeLooks,
        whatNow: 'Look at "crm_mon -1 -r" on both nodes and at the fencing there.',
      });
      const survivor = survivorOf(looks)?.name ?? step.node;
      const lost = pairOf(step, survivor).peer.name;
      return { result: 'unchanged', observed: describeLooks(looks), at: Date.now(), survivor, lost };
    },

    /**
     * Watches for `holdSeconds` that nothing moves: `node` stays the only primary with the same server process, nobody is lost or shot. What moved all the
     * same is returned, each thing once; it ends nothing. Errors: none of its own.
     */
    async awaitNothingMoves(
      step: NodeStep & { holdSeconds: number; pid?: number },
    ): Promise<StepOutcome & { at: number; looks: number; moved: string[]; twoPrimaries: boolean }> {
      const moved = new Set<string>();
      let twoPrimaries = false;
      let fencesBefore: number | undefined;
      const looks = await holdFor(step, `nothing to move for ${step.holdSeconds} s`, async () => {
        const seen = await lookAtBoth(step);
        if (primariesIn(seen).length > 1) twoPrimaries = true;
        for (const problem of movesIn(seen, step)) moved.add(problem);
        const fences = Math.max(0, ...seen.map((look) => fencesOf(look.seen?.cluster.state ?? { fencing: [] }).length));
        if (seen.some((look) => look.seen !== undefined)) fencesBefore ??= fences;
        if (fencesBefore !== undefined && fences > fencesBefore) moved.add('a node was fenced');
        return seen.some((look) => look.seen !== undefined);
      });
      const what = moved.size === 0 ? 'nothing moved' : [...moved].join('; ');
      const observed = `${looks} looks in ${step.holdSeconds} s: ${what}`;
      return { result: 'unchanged', observed, at: Date.now(), looks, moved: [...moved], twoPrimaries };
    },

    /**
     * Watches for `holdSeconds` that `node`, alone, promotes nothing: it cannot know that its peer is dead. Errors: none of its own.
     */
    async awaitNothingPromoted(
      step: NodeStep & { holdSeconds: number },
    ): Promise<StepOutcome & { at: number; looks: number; promoted: string[] }> {
      const promoted = new Set<string>();
      const looks = await holdFor(step, `${step.node} to promote nothing for ${step.holdSeconds} s`, async () => {
        const { seen } = await lookAt(step, step.node);
        if (seen === undefined) return false;
        if (seen.runtime.drbd.role === 'Primary') promoted.add(`DRBD is promoted on ${step.node}`);
        if (seen.runtime.serverPid !== undefined) promoted.add(`a database server runs on ${step.node}`);
        return true;
      });
      const what = promoted.size === 0 ? 'nothing was promoted' : [...promoted].join('; ');
      const observed = `${looks} looks in ${step.holdSeconds} s: ${what}`;
      return { result: 'unchanged', observed, at: Date.now(), looks, promoted: [...promoted] };
    },

    /**
     * Waits until a crashed machine is off, or has booted by itself. One that answers in the boot of before has not crashed, which is told after a while.
     * Errors: NotReady.
     */
    async awaitCrashed(step: NodeStep & { bootId: string; withinSeconds: number }): Promise<StepOutcome> {
      let aliveSince: number | undefined;
      const look = await waitUntil<PoweredLook & { alive: boolean }>(step, {
        waitingFor: `${step.node} to be off, or to boot by itself`,
        limitMs: step.withinSeconds * 1000,
        intervalMs: 1000,
        observe: async () => {
          const { state: power } = await readPower(createScope(dependencies, step, step.node));
          const seen = power === 'running' ? await lookAt(step, step.node) : { name: step.node };
          const same = seen.seen?.runtime.bootId === step.bootId;
          aliveSince = same ? (aliveSince ?? Date.now()) : undefined;
          return { ...seen, power, alive: aliveSince !== undefined && Date.now() - aliveSince > CRASH_MS };
        },
        isDone: ({ power, seen, alive }) => isOff(power) || alive || isOtherBoot(seen, step.bootId),
        describe: (seen) => describeLooks([seen]),
        whatNow:
          'Look at the console of the machine: a kernel that hangs in its panic needs its power cut and given back.',
      });
      const observed = look.alive
        ? `${step.node} runs, in the boot of before: it did not crash`
        : look.power === 'running'
          ? `${step.node} has booted by itself`
          : `the machine is ${look.power}`;
      return { result: 'unchanged', observed };
    },

    /**
     * Waits until no fencing is under way or about to begin: whoever runs takes for lost what is off, and nothing else. What is started then is not shot by
     * what came before. A node that was started alone and has no quorum shoots nobody. Errors: NotReady.
     */
    async awaitFencingSettled(step: NodeStep & { withinSeconds: number }): Promise<StepOutcome> {
      const looks = await waitUntil(step, {
        waitingFor: 'the end of every fencing',
        limitMs: step.withinSeconds * 1000,
        intervalMs: 1000,
        observe: () => lookWithPower(step),
        isDone: (seen) => seen.every((look) => isSettled(look, seen)),
        describe: describeLooks,
        whatNow: 'Look at "crm_mon -1 -r" on the nodes that run: which node is unclean, and why it cannot be fenced.',
      });
      return { result: 'unchanged', observed: describeLooks(looks) };
    },
  };
}

/** A panic is ordered a second ahead; a machine that still answers after this was never told. */
const CRASH_MS = 10_000;

const isOtherBoot = (seen: Look['seen'], bootId: string): boolean =>
  seen !== undefined && seen.runtime.bootId !== bootId;

/** The answer, or undefined when none comes in time; its errors are errors. */
async function answerOf<Answer>(answer: Promise<Answer> | undefined, withinMs: number): Promise<Answer | undefined> {
  // One that comes too late must not end the process.
  answer?.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), withinMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const HOLD_INTERVAL_MS = 1000;

/** Looks each second until the time is over; returns how many looks were answered. */
async function holdFor(
  step: NodeStep & { holdSeconds: number },
  waitingFor: string,
  look: () => Promise<boolean>,
): Promise<number> {
  const from = Date.now();
  const until = from + step.holdSeconds * 1000;
  let answered = 0;
  for (;;) {
    if (await look()) answered += 1;
    const now = Date.now();
    if (now >= until) return answered;
    const percent = Math.floor((100 * (now - from)) / (until - from));
    heartbeat({ step: step.step, waitingFor, percent } satisfies StepWait);
    await sleep(Math.min(HOLD_INTERVAL_MS, until - now));
  }
}

const answersAsPrimary = ({ name, seen }: Look): boolean =>
  seen !== undefined && servesOn(seen.cluster, name) && seen.runtime.serverAnswers;

const primariesIn = (looks: readonly Look[]): string[] =>
  looks.filter(({ seen }) => seen?.runtime.drbd.role === 'Primary').map(({ name }) => name);

/** DRBD's own word on both nodes, asked at the same moment. Errors: TwoPrimaries. */
function refuseTwoPrimaries(looks: readonly Look[]): void {
  const primaries = primariesIn(looks);
  if (primaries.length < 2) return;
  throw new HadbError('TwoPrimaries', `${primaries.join(' and ')} are both primary`, {
    observed: describeLooks(looks),
    whatNow:
      'Stop writing at once: the two copies go apart. The drill leaves both as they are, and its fault to the timer. Compare both sides, and take snapshots of both disks before anything else.',
  });
}

function movesIn(looks: readonly Look[], step: { node: string; pid?: number }): string[] {
  const answering = looks.filter(({ seen }) => seen?.cluster.state.available === true);
  const elsewhere = answering.filter(({ seen }) => seen?.cluster.primary !== step.node);
  const self = looks.find(({ name }) => name === step.node)?.seen;
  const pid = self?.runtime.serverPid;
  const lost = answering.flatMap(({ name, seen }) =>
    (seen?.cluster.state.nodes ?? [])
      .filter(({ online, unclean }) => !online || unclean)
      .map((node) => `${name} saw ${node.name} ${node.unclean ? 'unclean' : 'offline'}`),
  );
  return [
    ...elsewhere.map(({ name, seen }) => `${name} saw the primary ${seen?.cluster.primary ?? 'nowhere'}`),
    ...lost,
    ...(self === undefined || step.pid === undefined || pid === step.pid
      ? []
      : [`the server process is ${pid ?? 'gone'}, not ${step.pid}`]),
    ...(primariesIn(looks).length > 1 ? ['both nodes were primary'] : []),
  ];
}

function isSettled({ power, seen }: PoweredLook, all: readonly PoweredLook[]): boolean {
  if (isOff(power)) return true;
  if (power !== 'running' || seen === undefined || !seen.cluster.state.available) return false;
  const { state } = seen.cluster;
  const isDown = (name: string) => all.some((other) => other.name === name && isOff(other.power));
  return (
    state.dc !== undefined &&
    nodesInDoubt(state).length === 0 &&
    fencesOf(state).every(({ outcome }) => outcome !== 'pending') &&
    // A machine that is off and still counts as a member is shot as soon as its token has run out.
    state.nodes.every((node) => node.online !== isDown(node.name))
  );
}

function describeLooks(looks: readonly (Look & { power?: PowerState })[]): string {
  return looks
    .map(({ name, seen, power }) => {
      const state = power === undefined || power === 'running' ? '' : ` (machine ${power})`;
      if (seen === undefined) return `${name}${state}: no answer`;
      const { serverPid, serverAnswers, drbd } = seen.runtime;
      const server =
        serverPid === undefined ? 'no server' : `server ${serverPid} ${serverAnswers ? 'answers' : 'is silent'}`;
      return `${name}${state}: ${seen.cluster.state.available ? describeCluster(seen.cluster) : `Pacemaker does not answer; ${describeDrbd(drbd)}`}; ${server}`;
    })
    .join(' | ');
}
