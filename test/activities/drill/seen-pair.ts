import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import type { NodeSessions } from '../../../activities/connections/node-session';
import type { SecretStore } from '../../../activities/connections/secret-store';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile } from '../../../cluster/database/profile';
import { HadbError } from '../../../cluster/errors';
import { OWNER_TAG } from '../../../cluster/ids';
import { renderIdentityRead } from '../../../cluster/node/access';
import { renderLeftFaultsRead } from '../../../cluster/node/fault-guards';
import { renderNetworkToolsRead } from '../../../cluster/node/network-faults';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { renderStandbyRead } from '../../../cluster/node/standby-moves';
import { events2, type DrbdView } from '../../cluster/node/script-bench';
import { createModelPair, specification } from '../node/model-pair';

/** A pair as Azure and its nodes tell it, each fact to be changed while an activity looks. */

export const VM_IDS = {
  hadb01: '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90',
  hadb02: '6d3e2f9f-4c8b-4e1f-8a72-3b9c5d7e8fa1',
} as const;
const ADDRESSES = { hadb01: '10.10.10.4', hadb02: '10.10.10.5' } as const;
type Name = keyof typeof VM_IDS;

export interface SeenNode {
  power: string;
  /** `silent`: nothing is answered; `unreachable`: that is told at once. */
  answers: 'answers' | 'silent' | 'unreachable';
  crmMon: string;
  drbd: DrbdView;
  vmId: string;
  bootId: string;
  pid?: number;
  /** Whether the server answers on its socket. */
  serves: boolean;
  standby: 'on' | 'off';
  /** Whether its CIB is that of a built cluster. */
  built: boolean;
  /** Faults whose timer is still to run there. */
  leftFaults: string[];
}

export interface SeenPair {
  hadb01: SeenNode;
  hadb02: SeenNode;
  sessions: NodeSessions;
  arm: ArmClients;
  secrets: SecretStore;
  /** Scripts that changed something, each behind its node. */
  changes: [node: string, script: string][];
  /** What a change prints. */
  printed: string;
  /** What a change brings about. */
  onChange: (node: SeenNode, script: string) => void;
  /** Why a change is not made. */
  refusal?: HadbError;
  /** What each node lacks to disturb its network. */
  tools: Record<Name, string>;
}

export const captured = (name: string): string =>
  readFileSync(join(__dirname, '..', '..', 'cluster', 'cib', 'captured', `crm_mon-2.1.5-${name}.xml`), 'utf8');
/** hadb01 is primary. */
export const HEALTHY = captured('healthy');
/** The same with the roles the other way round. */
export const MOVED = HEALTHY.replaceAll('"hadb01"', '"x"')
  .replaceAll('"hadb02"', '"hadb01"')
  .replaceAll('"x"', '"hadb02"');
const lose = (view: string, node: string): string =>
  view.replace(new RegExp(`(<node name="${node}" id="\\d+" )online="true"`), '$1online="false"');
/** hadb01 goes on alone. */
export const ALONE = lose(HEALTHY, 'hadb02');
/** hadb02 has taken over, hadb01 is gone. */
export const TAKEN_OVER = lose(MOVED, 'hadb01');
export const CUT_OFF: DrbdView = { connection: 'Connecting', peerDisk: 'DUnknown', peerRole: 'Unknown' };

/** Healthy; hadb01 is primary, its server is process 100. */
export function createSeenPair(): SeenPair {
  const nodeOf = (name: Name): SeenNode => ({
    power: 'running',
    answers: 'answers',
    crmMon: HEALTHY,
    drbd: name === 'hadb01' ? {} : { role: 'Secondary', peerRole: 'Primary' },
    vmId: VM_IDS[name],
    bootId: `boot-${name}`,
    ...(name === 'hadb01' && { pid: 100 }),
    serves: name === 'hadb01',
    standby: 'off',
    built: true,
    leftFaults: [],
  });
  const { socket } = databaseProfile(specification.database.engine);
  const done = new Set<string>();
  const answerOf = (name: Name, script: string): string => {
    const seen = pair[name];
    const boot = `bootId=${seen.bootId}\n`;
    if (script === readCrmMon()) return seen.crmMon;
    if (script === renderRuntimeRead({ socket })) {
      const server = seen.pid === undefined ? '' : `serverPid=${seen.pid}\n${seen.serves ? 'serverAnswers=yes\n' : ''}`;
      return `${boot}${server}module=loaded\ndrbd:\n${events2(seen.drbd)}`;
    }
    if (script === renderIdentityRead()) {
      return `hostName=${name}\nmachineId=m\n${boot}vmId=${seen.vmId}\nfirstBoot=done\naddress=${ADDRESSES[name]}\n`;
    }
    if (script.includes('echo seeded=yes')) return seen.built ? 'cib=ours\npacemaker=active\n' : 'cib=none\n';
    if (script === renderStandbyRead({ node: name })) return `${seen.standby}\n`;
    if (script === renderLeftFaultsRead()) return seen.leftFaults.map((fault) => `${fault}\n`).join('');
    if (script === renderNetworkToolsRead('rules')) return pair.tools[name];
    throw new Error(`${name} is asked for something else:\n${script.slice(0, 200)}`);
  };
  const reach = async (name: Name): Promise<void> => {
    if (pair[name].answers === 'silent') await new Promise(() => undefined);
    if (pair[name].answers === 'unreachable') throw new HadbError('NodeUnreachable', `${name} does not answer`);
  };
  const pair: SeenPair = {
    hadb01: nodeOf('hadb01'),
    hadb02: nodeOf('hadb02'),
    changes: [],
    printed: '',
    onChange: () => undefined,
    tools: { hadb01: '', hadb02: '' },
    secrets: createModelPair().secrets,
    arm: {
      compute: {
        virtualMachines: {
          get: async (_group: string, name: Name) => ({
            vmId: VM_IDS[name],
            tags: { [OWNER_TAG]: specification.name },
            instanceView: { statuses: [{ code: `PowerState/${pair[name].power}` }] },
          }),
        },
      },
    } as unknown as ArmClients,
    sessions: {
      close: async () => {},
      open: async (_context, name) => {
        const node = name as Name;
        return {
          node,
          read: async (script) => {
            await reach(node);
            return { code: 0, stdout: answerOf(node, script), stderr: '' };
          },
          change: async (context, script) => {
            await reach(node);
            if (pair.refusal !== undefined) throw pair.refusal;
            pair.changes.push([node, script]);
            pair.onChange(pair[node], script);
            done.add(`${node} ${context.step}`);
            return { code: 0, stdout: pair.printed, stderr: '' };
          },
          writeFile: () => Promise.reject(new Error('no file is written')),
          wasDoneBy: async (context) => done.has(`${node} ${context.step}`),
          runJob: () => Promise.reject(new Error('no job is run')),
          takeOwnership: async () => ({}),
        };
      },
    },
  };
  return pair;
}
