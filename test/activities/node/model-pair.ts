import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { NodeSession, NodeSessions } from '../../../activities/connections/node-session';
import type { SecretStore } from '../../../activities/connections/secret-store';
import type { NodeStep } from '../../../activities/step';
import { databaseProfile } from '../../../cluster/database/profile';
import { HadbError } from '../../../cluster/errors';
import {
  FILE_SYSTEM_LABEL,
  renderBringUp,
  renderDeclareEqual,
  renderFullSync,
  renderMetadataRead,
} from '../../../cluster/node/drbd-moves';
import { renderModuleLoad } from '../../../cluster/node/kernel-module';
import { renderMount, renderPromote, renderRelease, renderStartServer } from '../../../cluster/node/roles';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { ClusterSpecification } from '../../../cluster/specification/specification';
import { events2, EQUAL, VIRGIN, COPIED } from '../../cluster/node/script-bench';

/**
 * Two nodes as a model: scripts are recognised by their text and change the model as the real ones change a node. Their
 * guards are proved elsewhere, in a real shell; here it is about which moves the activities make, and in which order.
 */
export interface ModelNode {
  module: boolean;
  up: boolean;
  role: 'Primary' | 'Secondary';
  disk: 'UpToDate' | 'Inconsistent';
  mounted: boolean;
  server: boolean;
  gi: string;
}

export interface ModelPair {
  nodes: Record<'hadb01' | 'hadb02', ModelNode>;
  /** `hadb01: promote`, in order. */
  moves: string[];
  sessions: NodeSessions;
  secrets: SecretStore;
  /** Runs once before the next move, such as a reset in the middle. */
  beforeNextMove?: () => void;
  /** As a reset of the machine: what is in memory is gone. */
  reset(node: 'hadb01' | 'hadb02'): void;
}

export const specification = ClusterSpecification.parse({
  fencing: 'none',
  network: { clients: ['10.0.0.0/8'], administrators: ['10.0.0.0/8'] },
});

export const step = (node: string, id = 'step'): NodeStep => ({
  specification,
  operation: { workflowId: 'build-cluster/hadb', run: '0190a0a0-0000-7000-8000-000000000001', runbook: 'buildCluster' },
  step: `${id}/${node}`,
  generation: 1,
  node,
});

/** Runs the work as an activity would run: with heartbeats, and cancellable waits. */
export const runActivity = <Result>(work: () => Promise<Result>): Promise<Result> =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(work);

export function createModelPair(start: Partial<ModelNode> = {}): ModelPair {
  const fresh = (): ModelNode => ({
    module: true,
    up: true,
    role: 'Secondary',
    disk: 'UpToDate',
    mounted: false,
    server: false,
    gi: EQUAL,
    ...start,
  });
  const nodes = { hadb01: fresh(), hadb02: fresh() };
  const done = new Set<string>();
  const pair: ModelPair = {
    nodes,
    moves: [],
    secrets: {
      ensure: async (_name, create) => create(),
      read: async () => undefined,
      locate: (name) => name,
      remove: async () => {},
    },
    sessions: { close: async () => {}, open: async (_context, node) => session(node as 'hadb01') },
    reset(node) {
      Object.assign(nodes[node], { module: false, up: false, role: 'Secondary', mounted: false, server: false });
    },
  };

  function session(name: 'hadb01' | 'hadb02'): NodeSession {
    const [own, peer] = name === 'hadb01' ? [nodes.hadb01, nodes.hadb02] : [nodes.hadb02, nodes.hadb01];
    return {
      node: name,
      read: async (script) => ({ code: 0, stdout: answer(script, own, peer), stderr: '' }),
      change: async (context, script) => {
        const before = pair.beforeNextMove;
        delete pair.beforeNextMove;
        before?.();
        const move = recognise(script);
        pair.moves.push(`${name}: ${move}`);
        apply(move, own, peer);
        done.add(`${name} ${context.step}`);
        return { code: 0, stdout: '', stderr: '' };
      },
      writeFile: async () => {},
      wasDoneBy: async (context) => done.has(`${name} ${context.step}`),
      runJob: async () => ({ started: 'now', tail: '' }),
      takeOwnership: async () => ({}),
    };
  }
  return pair;
}

const profile = databaseProfile(specification.database.engine);
const MOVES: Readonly<Record<string, string>> = {
  [renderModuleLoad()]: 'load module',
  [renderBringUp()]: 'bring up',
  [renderPromote()]: 'promote',
  [renderMount({ fileSystem: specification.fileSystem, label: FILE_SYSTEM_LABEL })]: 'mount',
  [renderStartServer(profile)]: 'start server',
  [renderRelease(profile)]: 'release',
  [renderDeclareEqual()]: 'declare equal',
  [renderFullSync()]: 'invalidate',
};

function recognise(script: string): string {
  const move = MOVES[script];
  if (move === undefined) throw new Error(`the model knows no such script:\n${script.slice(0, 200)}`);
  return move;
}

function apply(move: string, own: ModelNode, peer: ModelNode): void {
  const refuse = (holds: boolean, why: string) => {
    if (!holds) throw new HadbError('GuardRefused', why);
  };
  switch (move) {
    case 'load module':
      own.module = true;
      break;
    case 'bring up':
      refuse(own.module, 'no module');
      own.up = true;
      break;
    case 'promote':
      refuse(own.up && peer.up && peer.role === 'Secondary' && own.disk === 'UpToDate', 'not safe to promote');
      own.role = 'Primary';
      break;
    case 'mount':
      refuse(own.role === 'Primary', 'not primary');
      own.mounted = true;
      break;
    case 'start server':
      refuse(own.mounted, 'not mounted');
      own.server = true;
      break;
    case 'release':
      Object.assign(own, { server: false, mounted: false, role: 'Secondary' });
      break;
    case 'declare equal':
      for (const node of [own, peer]) Object.assign(node, { disk: 'UpToDate', gi: EQUAL });
      break;
    case 'invalidate':
      Object.assign(own, { disk: 'UpToDate', gi: COPIED });
      break;
    default:
      throw new Error(`the model cannot ${move}`);
  }
}

function answer(script: string, own: ModelNode, peer: ModelNode): string {
  if (script === renderRuntimeRead({ socket: profile.socket })) {
    const connected = own.up && peer.up;
    return [
      'bootId=7ea49b58-0948-4754-8981-71b190e1a4d6',
      own.mounted ? 'mountedFrom=/dev/drbd1' : '',
      own.server ? 'serverPid=4711\nserverAnswers=yes' : '',
      own.module ? 'module=loaded\ndrbd:' : '',
      own.up
        ? events2({
            role: own.role,
            peerRole: connected ? peer.role : 'Unknown',
            connection: connected ? 'Connected' : 'Connecting',
            disk: own.disk,
            peerDisk: connected ? peer.disk : 'DUnknown',
          })
        : '',
    ]
      .filter(Boolean)
      .join('\n');
  }
  if (script === renderMetadataRead()) {
    return own.up ? `metadata=attached\ngi=${own.gi}\n` : `code=0\nversion "v08";\ngi=${own.gi}\n`;
  }
  throw new Error(`the model knows no such read:\n${script.slice(0, 200)}`);
}

export const virgin: Partial<ModelNode> = { disk: 'Inconsistent', gi: VIRGIN };
