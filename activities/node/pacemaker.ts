import { RESOURCES, renderCib, renderCibForSimulation, clusterProperties } from '../../cluster/cib/cib';
import { nodesOf, parseCrmMon, promotedNodes, readCrmMon, type ClusterState } from '../../cluster/cib/crm-mon';
import { compareCib, describeDifference, parseCibConfiguration } from '../../cluster/cib/difference';
import { MYSQL_AGENT, renderMysqlAgent } from '../../cluster/cib/mysql-agent';
import { RESPONDER_AGENT, renderResponderAgent } from '../../cluster/cib/responder-agent';
import { isInSync } from '../../cluster/drbd/state';
import { HadbError } from '../../cluster/errors';
import { concatenate, renderChecksums, renderWriteFiles, type NodeFile } from '../../cluster/node/files';
import {
  CIB_FILE,
  renderBootEnable,
  renderBootRead,
  renderCibPatch,
  renderFirstConfiguration,
  renderPacemakerStart,
  renderRefresh,
  renderServingRead,
  withProperties,
} from '../../cluster/node/pacemaker-moves';
import { DATA_DIRECTORY, DRBD_DEVICE } from '../../cluster/specification/specification';
import type { StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import type { NodeSession } from '../connections/node-session';
import { performStep, type NodeStep } from '../step';
import { cibInput, type Configured } from './cib-input';
import { describeCluster, observeCluster, readBuiltOn } from './cluster-state';
import { startMember } from './corosync';
import { openPair, pairOf, type NodeDependencies } from './dependencies';
import { ownHandler } from './fencing-change';
import { bringBack, preparing, toLevel } from './runtime';
import { readCib, swapConfiguration } from './swap-configuration';
import { waitUntil } from './waiting';
import { wantedFiles } from './wanted-files';

/** A first start takes 6 to 24 s. What a reset undoes meanwhile is brought back by the next try. */
const ONLINE_LIMIT_MS = 60_000;
const HEALTHY_LIMIT_MS = 300_000;

export function createPacemakerActivities(dependencies: NodeDependencies) {
  const { sessions } = dependencies;
  return {
    /**
     * The agent that judges the database by SQL; where the stock `azure-lb` does not run, one that does; and where fencing needs it and the stock one is
     * deaf, a fence-peer handler that hears. By checksum.
     */
    async installResourceAgents(step: Configured): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const files: NodeFile[] = [{ path: MYSQL_AGENT.path, content: renderMysqlAgent(), mode: MYSQL_AGENT.mode }];
      if (!step.platform.responderAgentWorks) {
        files.push({ path: RESPONDER_AGENT.path, content: renderResponderAgent(), mode: RESPONDER_AGENT.mode });
      }
      files.push(...ownHandler(step));
      const wanted = wantedFiles(files);
      const paths = wanted.paths.join(', ');
      return performStep(session, step, {
        observe: async () => wanted.differing((await session.read(renderChecksums(wanted.paths))).stdout),
        isDone: (differing) => differing.length === 0,
        describe: (differing) =>
          differing.length === 0 ? `${paths} as wanted` : `not as wanted: ${differing.join(', ')}`,
        act: async () => {
          await session.change(step, renderWriteFiles(files), { input: concatenate(files) });
          return `installed ${paths}`;
        },
      });
    },

    /**
     * Step 20: the whole CIB, checked by `crm_verify`, as the file that Pacemaker finds at its first start. On the node with the
     * database; the other one starts empty and takes it over. Errors: GuardRefused where another CIB is.
     */
    async writeInitialConfiguration(step: Configured): Promise<StepOutcome> {
      const { own, peer } = await openPair(dependencies, step, step.node);
      const input = cibInput(step, 'first-start');
      const look = async (session: NodeSession) => (await readBuiltOn(session, step)).cib;
      return performStep(own, step, {
        observe: async () => ({ own: await look(own), peer: await look(peer) }),
        isDone: (seen) => seen.own === 'ours' || seen.peer === 'ours',
        describe: (seen) => `${CIB_FILE}: ${seen.own} here, ${seen.peer} on ${peer.node}`,
        prepare: toLevel(dependencies, step, 'answering'),
        act: async (seen) => {
          if (seen.own !== 'none' || seen.peer !== 'none') {
            throw new HadbError('GuardRefused', `a node has the configuration of another cluster`, {
              subject: CIB_FILE,
              observed: `${seen.own} on ${own.node}, ${seen.peer} on ${peer.node}`,
              whatNow: `Find out whose cluster it is. If it is nobody's, move ${CIB_FILE} aside on that node, then retry.`,
            });
          }
          const check = Buffer.from(renderCibForSimulation({ ...input, preferred: step.node }));
          const cib = Buffer.from(renderCib(input));
          const script = renderFirstConfiguration({ checkBytes: check.length, cibBytes: cib.length });
          await own.change(step, script, { input: Buffer.concat([check, cib]) });
          return `wrote ${CIB_FILE}: maintenance mode, fencing ${step.specification.fencing}`;
        },
      });
    },

    async startPacemaker(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readBuiltOn(session, step),
        isDone: ({ pacemakerActive }) => pacemakerActive,
        describe: ({ pacemakerActive }) => (pacemakerActive ? 'Pacemaker runs' : 'Pacemaker does not run'),
        act: async () => {
          await session.change(step, renderPacemakerStart(), { timeoutMs: 100_000 });
          return 'started Pacemaker';
        },
      });
    },

    /**
     * Waits until both nodes are online and what runs is recognised, still in maintenance mode. A reset or a death meanwhile is
     * made good first: before the cluster manages anything, nobody else would. Errors: NotReady.
     */
    async awaitAdopted(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const broughtBack = step.observeOnly === true ? [] : await bringBackUnmanaged(dependencies, step);
      const state = await awaitMembers(session, step, {
        waitingFor: 'both nodes online, and the running resources recognised',
        isDone: (seen) =>
          step.observeOnly === true ||
          [RESOURCES.fileSystem, RESOURCES.server, RESOURCES.responder].every((id) => nodesOf(seen, id).length === 1),
      });
      return {
        result: 'unchanged',
        observed: describeState(state),
        ...(broughtBack.length === 0 ? {} : { done: `brought back: ${broughtBack.join(', ')}` }),
      };
    },

    /**
     * Ends the maintenance of the first start and gives the election its usual patience, in one compare-and-swap; refused when
     * Pacemaker would stop or move anything. Both nodes are members then: one that was reset before it was told to start
     * Pacemaker at boot is waited for, and made one again.
     */
    async endMaintenance(step: Configured): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const roused = step.observeOnly === true ? [] : await rouseMembers(dependencies, step);
      if (roused.length > 0) await awaitMembers(session, step, { waitingFor: 'both nodes online' });
      const properties = clusterProperties(cibInput(step, 'managed'));
      const wanted = pick(properties, ['maintenance-mode', 'dc-deadtime']);
      return performStep(session, step, {
        observe: async () => {
          const { settings } = parseCibConfiguration(await readCib(session));
          return {
            maintenance: settings.get('property maintenance-mode') === 'true',
            deadtime: settings.get('property dc-deadtime'),
          };
        },
        isDone: ({ maintenance, deadtime }) =>
          !maintenance && deadtime === `${timingOf(step.specification).pacemaker.dcDeadtimeSeconds * 1000} ms`,
        describe: ({ maintenance, deadtime }) =>
          `maintenance mode ${maintenance ? 'on' : 'off'}, dc-deadtime ${deadtime ?? 'default'}`,
        act: async () => {
          await swapConfiguration(session, step, {
            next: (live) => withProperties(live, wanted),
            patch: renderCibPatch,
          });
          return [...roused.map((what) => `started ${what}`), 'handed the resources over to Pacemaker'].join('; ');
        },
      });
    },

    async enableAtBoot(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => (await session.read(renderBootRead())).stdout.split('\n').filter(Boolean),
        isDone: (missing) => missing.length === 0,
        describe: (missing) =>
          missing.length === 0 ? 'Corosync and Pacemaker start at boot' : `not started at boot: ${missing.join(', ')}`,
        act: async () => {
          await session.change(step, renderBootEnable());
          return 'enabled Corosync and Pacemaker';
        },
      });
    },

    /**
     * Waits until the cluster has nothing to complain of and both copies are current, then compares the live configuration with
     * the wanted one; what deviates is reported as drift. Errors: NotReady.
     */
    async awaitHealthy(step: Configured): Promise<StepOutcome & { primary?: string }> {
      const session = await sessions.open(step, step.node);
      const observed = await waitUntil(step, {
        waitingFor: 'a healthy cluster',
        limitMs: HEALTHY_LIMIT_MS,
        intervalMs: 300,
        observe: () => observeCluster(session, step),
        isDone: ({ problems, drbd }) => problems.length === 0 && isInSync(drbd),
        describe: describeCluster,
        whatNow:
          'Look at "crm_mon -1 -r" and "drbdadm status r0"; what fails has its reason under "Failed Resource Actions".',
      });
      const current = parseCibConfiguration(await readCib(session));
      const wanted = parseCibConfiguration(renderCib(cibInput(step, 'managed')));
      const drift = compareCib(wanted, current).map((difference) => `CIB: ${describeDifference(difference)}`);
      return {
        result: 'unchanged',
        observed: describeCluster(observed),
        ...(observed.primary === undefined ? {} : { primary: observed.primary }),
        ...(drift.length === 0 ? {} : { drift }),
      };
    },

    /** The article's look at crm_mon, mount and ps, as an assertion: everything on the primary, nothing on the other. */
    async checkServing(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const [serving, mon] = await Promise.all([
        session.read(renderServingRead(DATA_DIRECTORY)),
        session.read(readCrmMon()),
      ]);
      const state = parseCrmMon(mon.stdout);
      const promotedHere = promotedNodes(state).includes(step.node);
      const mount = /^mount (.*)$/m.exec(serving.stdout)?.[1];
      const server = /^process (mariadbd|mysqld) (.*)$/m.exec(serving.stdout);
      const servesHere = mount?.startsWith(`${DRBD_DEVICE} `) === true && server !== null;
      const servesNothing = mount === undefined && server === null;
      const observed = `${describeState(state)}; ${mount === undefined ? 'nothing mounted' : `mounted ${mount}`}; ${server === null ? 'no server' : `${server[1]} ${server[2]}`}`;
      if (promotedHere ? !servesHere : !servesNothing) {
        throw new HadbError(
          'AssertionFailed',
          `${step.node} is ${promotedHere ? 'primary and does not serve' : 'not primary and serves'}`,
          {
            subject: step.node,
            observed,
            whatNow: 'Look at "crm_mon -1 -r", "findmnt" and "ps" on the node.',
          },
        );
      }
      return { result: 'unchanged', observed };
    },
  };
}

/**
 * Between the first start and the end of maintenance Pacemaker starts nothing by itself, and a boot does not start it: what a
 * reset has undone is started here. Nothing, once either node's CIB has left the first start.
 */
async function bringBackUnmanaged(dependencies: NodeDependencies, step: NodeStep): Promise<string[]> {
  const { own, isFirstStart, asleep } = await readMembers(dependencies, step);
  if (!isFirstStart) return [];
  const broughtBack = [...(await bringBack(dependencies, step, 'answering')), ...(await rouse(asleep, step))];
  // It has looked before these were there.
  if (!asleep.includes(own) && broughtBack.length > 0) await own.change(preparing(step), renderRefresh());
  return broughtBack;
}

/** Pacemaker on a node that a reset has left without it, while nothing is managed yet. */
async function rouseMembers(dependencies: NodeDependencies, step: NodeStep): Promise<string[]> {
  const { isFirstStart, asleep } = await readMembers(dependencies, step);
  return isFirstStart ? rouse(asleep, step) : [];
}

interface Members {
  own: NodeSession;
  /** No node's CIB has left the first start. */
  isFirstStart: boolean;
  /** Nodes on which Pacemaker does not run. */
  asleep: NodeSession[];
}

async function readMembers(dependencies: NodeDependencies, step: NodeStep): Promise<Members> {
  const { own, peer } = await openPair(dependencies, step, step.node);
  const [onOwn, onPeer] = await Promise.all([readBuiltOn(own, step), readBuiltOn(peer, step)]);
  return {
    own,
    isFirstStart: [onOwn, onPeer].every(({ cib, seeded }) => cib === 'none' || seeded),
    asleep: [...(onOwn.pacemakerActive ? [] : [own]), ...(onPeer.pacemakerActive ? [] : [peer])],
  };
}

async function rouse(asleep: readonly NodeSession[], step: NodeStep): Promise<string[]> {
  await Promise.all(asleep.map((session) => startMember(session, preparing(step))));
  for (const session of asleep) await session.change(preparing(step), renderPacemakerStart(), { timeoutMs: 100_000 });
  return asleep.map(({ node }) => `Pacemaker on ${node}`);
}

function awaitMembers(
  session: NodeSession,
  step: NodeStep,
  { waitingFor, isDone = () => true }: { waitingFor: string; isDone?: (state: ClusterState) => boolean },
): Promise<ClusterState> {
  const { self, peer } = pairOf(step, step.node);
  return waitUntil(step, {
    waitingFor,
    limitMs: ONLINE_LIMIT_MS,
    observe: async () => parseCrmMon((await session.read(readCrmMon())).stdout),
    isDone: (seen) =>
      [self, peer].every(({ name }) => seen.nodes.some((node) => node.name === name && node.online && !node.pending)) &&
      isDone(seen),
    describe: describeState,
    whatNow: 'Look at "crm_mon -1 -r" on both nodes: in maintenance mode nothing is started, only recognised.',
  });
}

function describeState(state: ClusterState): string {
  if (!state.available) return 'Pacemaker does not answer yet';
  const nodes = state.nodes.map(
    ({ name, online, pending }) => `${name} ${online ? (pending ? 'joining' : 'online') : 'offline'}`,
  );
  const active = state.resources
    .filter((resource) => resource.active)
    .map(({ id, role, nodes: on }) => `${id} ${role} ${on.join('+')}`);
  return `${nodes.join(', ')}; ${active.join(', ') || 'nothing recognised'}${state.maintenance ? '; maintenance' : ''}`;
}

function pick(all: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, all[name] ?? '']));
}
