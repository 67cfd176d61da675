import type { DatabaseProfile } from '../database/profile';
import { requireVersion, type Platform } from '../platform';
import { nodeId } from '../corosync/configuration';
import { HadbError } from '../errors';
import { DRBD_DEVICE, DRBD_RESOURCE, type ClusterSpecification } from '../specification/specification';
import type { ClusterTiming, FencingTiming, OperationTiming } from '../timing';
import { isAtLeast } from '../versions';
import { MYSQL_AGENT } from './mysql-agent';
import { RESPONDER_AGENT, STOCK_RESPONDER_AGENT } from './responder-agent';
import { element, renderXml, type XmlElement } from './xml';

/** The article's names. */
export const RESOURCES = {
  drbd: 'drbd_mysql',
  drbdClone: 'ms_drbd_mysql',
  group: 'mysql',
  fileSystem: 'fs_mysql',
  server: 'mysqld',
  responder: 'lb_mysql',
} as const;

/** The device that Pacemaker fences with; the article left it as an exercise. */
export const FENCING_DEVICE = 'st-azure';

/** Says in the CIB itself what protects the data when a node is lost; Pacemaker ignores the name. */
export const FENCING_MARKER = 'hadb-fencing';

/** What the fence agent needs to find the machines. */
export interface AzureFencing {
  subscriptionId: string;
  resourceGroup: string;
  /** Each node of the cluster and the name of its machine. */
  hosts: readonly { node: string; vm: string }[];
}

export interface CibInput {
  specification: ClusterSpecification;
  platform: Platform;
  profile: DatabaseProfile;
  timing: ClusterTiming;
  /**
   * `first-start`: in maintenance mode and with a short election, for the file that Pacemaker finds at its first start, so
   * that it adopts what runs. `managed`: as the cluster is to stay.
   */
  mode: 'first-start' | 'managed';
  /** Given exactly when the specification says `fencing: azure`. */
  fencing?: AzureFencing;
  epoch?: number;
}

/**
 * A complete CIB without a status section, as `/var/lib/pacemaker/cib/cib.xml` holds it.
 * @throws HadbError Internal when the specification's fencing and the input's do not fit together.
 */
export function renderCib(input: CibInput): string {
  return `<?xml version="1.0" encoding="utf-8"?>\n${renderXml(
    element(
      'cib',
      {
        'validate-with': schemaOf(requireVersion(input.platform, 'pacemakerVersion')),
        admin_epoch: 0,
        epoch: input.epoch ?? 100,
        num_updates: 0,
      },
      [renderConfiguration(input), element('status')],
    ),
  )}`;
}

/**
 * The same as `renderCib`, with quorum and both nodes online in its status, so that `crm_verify` and `crm_simulate` judge it
 * as the cluster would; without them they only see unclean nodes. `preferred` is the node that DRBD's agent would promote.
 */
export function renderCibForSimulation(input: CibInput & { preferred?: string }): string {
  const online = input.specification.nodes.map((node) => {
    const id = nodeId(input.specification, node.name);
    return element(
      'node_state',
      {
        id,
        uname: node.name,
        in_ccm: 'true',
        crmd: 'online',
        'crm-debug-origin': 'hadb',
        join: 'member',
        expected: 'member',
      },
      [
        element('transient_attributes', { id }, [
          pairs('instance_attributes', `status-${id}`, {
            [`master-${RESOURCES.drbd}`]: node.name === input.preferred ? 10_000 : 1000,
          }),
        ]),
      ],
    );
  });
  return renderCib(input)
    .replace('<cib ', '<cib have-quorum="1" dc-uuid="1" ')
    .replace('  <status/>\n', renderXml(element('status', {}, online), '  '));
}

function renderConfiguration(input: CibInput): XmlElement {
  const { specification } = input;
  const fencing = requireFencing(input);
  return element('configuration', {}, [
    element('crm_config', {}, [pairs('cluster_property_set', 'cib-bootstrap-options', clusterProperties(input))]),
    element(
      'nodes',
      {},
      specification.nodes.map((node) => element('node', { id: nodeId(specification, node.name), uname: node.name })),
    ),
    element('resources', {}, [
      drbdClone(input),
      databaseGroup(input),
      responder(input),
      ...(fencing === undefined ? [] : [fencingDevice(fencing)]),
    ]),
    element('constraints', {}, [
      ...whereItIsPrimary('mysql', RESOURCES.group),
      ...whereItIsPrimary('lb', RESOURCES.responder),
    ]),
    element('rsc_defaults', {}, [
      pairs('meta_attributes', 'rsc-options', {
        // Above any location score of ours: nothing moves back by itself after a failover.
        'resource-stickiness': 100,
        // A server that fails three times within ten minutes is tried on the other node.
        'migration-threshold': 3,
        'failure-timeout': '10min',
      }),
    ]),
  ]);
}

/**
 * Pacemaker runs twice as many actions at once on a node as that has processors, half as many until it knows the node's load, and one in the whole cluster once
 * the load of a node passes `load-threshold` (80 % of its processors by default). That spares clusters of hundreds of resources. Here are five, and a failover
 * waits for each of them: on one processor the responder started after the database, whose start it need not wait for, and monitors went before both. The guard
 * against a CIB that cannot keep up is another one, and stays.
 */
const UNTHROTTLED = { 'node-action-limit': '8', 'load-threshold': '1000%' } as const;

/** Cluster properties under the names that the Pacemaker of the platform honours; a name that it does not know it ignores silently. */
export function clusterProperties(input: CibInput): Record<string, string> {
  const { pacemaker } = input.timing;
  const { fencing } = pacemaker;
  const renamed = isAtLeast(requireVersion(input.platform, 'pacemakerVersion'), '3.0.2');
  const prefix = renamed ? 'fencing' : 'stonith';
  const enabled = String(input.specification.fencing !== 'none');
  const isFirst = input.mode === 'first-start';
  return {
    'cluster-name': input.specification.name,
    [FENCING_MARKER]: input.specification.fencing,
    [`${prefix}-enabled`]: enabled,
    // DRBD's fence-peer handler reads the old name only, and takes its absence for "enabled"; spelt with an underscore it
    // serves the handler and does not make Pacemaker complain about the old name.
    ...(renamed ? { stonith_enabled: enabled } : {}),
    ...(fencing === undefined
      ? {}
      : {
          // A machine that is shot stays off until somebody has looked: its start would be part of the outage.
          [`${prefix}-action`]: 'off',
          [`${prefix}-timeout`]: `${fencing.totalSeconds}s`,
          'priority-fencing-delay': `${fencing.delaySeconds}s`,
        }),
    'no-quorum-policy': 'stop',
    ...UNTHROTTLED,
    'maintenance-mode': String(isFirst),
    'dc-deadtime': `${isFirst ? pacemaker.firstStartDcDeadtimeSeconds : pacemaker.dcDeadtimeSeconds}s`,
  };
}

/** The input's fencing, which is there exactly when the specification asks for it, and names each node once. */
function requireFencing({ specification, fencing, timing }: CibInput): FencingInput | undefined {
  if (specification.fencing === 'none') {
    if (fencing === undefined && timing.pacemaker.fencing === undefined) return undefined;
    throw new HadbError('Internal', 'the specification says that nothing is fenced, and a fencing device is given');
  }
  if (fencing === undefined || timing.pacemaker.fencing === undefined) {
    throw new HadbError('Internal', `fencing ${specification.fencing} needs a device and its time-outs`);
  }
  const [nodes, hosts] = [specification.nodes.map(({ name }) => name), fencing.hosts.map(({ node }) => node).sort()];
  if (nodes.sort().join() !== hosts.join()) {
    throw new HadbError('Internal', 'the fencing device must know the machine of each node', {
      observed: `nodes ${nodes.join(', ')}; machines of ${hosts.join(', ') || 'none'}`,
    });
  }
  const machines = fencing.hosts.map(({ vm }) => vm);
  if (new Set(machines).size !== machines.length || machines.some((vm) => !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(vm))) {
    throw new HadbError('Internal', 'each node needs a machine of its own, named as Azure names machines', {
      observed: machines.join(', '),
    });
  }
  return { fencing, timing: timing.pacemaker.fencing };
}

interface FencingInput {
  fencing: AzureFencing;
  timing: FencingTiming;
}

/** Debian's own agent, with the identity of the machine that it runs on: no credential is on a node. */
function fencingDevice({ fencing, timing }: FencingInput): XmlElement {
  return element('primitive', { id: FENCING_DEVICE, class: 'stonith', type: 'fence_azure_arm' }, [
    pairs('instance_attributes', `${FENCING_DEVICE}-instance_attributes`, {
      msi: 'true',
      subscriptionId: fencing.subscriptionId,
      resourceGroup: fencing.resourceGroup,
      pcmk_host_map: fencing.hosts.map(({ node, vm }) => `${node}:${vm}`).join(';'),
      // Whoever asks for a reboot gets a power-off: what the survivor waits for is over with it.
      pcmk_reboot_action: 'off',
      pcmk_reboot_timeout: `${timing.offSeconds}s`,
      pcmk_off_timeout: `${timing.offSeconds}s`,
      power_timeout: timing.powerSeconds,
      // Azure's guide: one throttled request is no broken device, and a slow monitor does not hold a power-off up.
      pcmk_monitor_retries: 4,
      pcmk_action_limit: 3,
    }),
    operations(FENCING_DEVICE, [
      { name: 'start', seconds: timing.startSeconds },
      { name: 'stop', seconds: timing.stopSeconds },
      { name: 'monitor', seconds: timing.monitorSeconds, interval: timing.monitorIntervalSeconds },
    ]),
  ]);
}

/** What `priority-fencing-delay` weighs: a promoted instance counts one more, which makes the primary's node the heavier one. */
const DRBD_PRIORITY = 10;

function drbdClone({ timing }: CibInput): XmlElement {
  const { drbd, fencing } = timing.pacemaker;
  const primitive = element('primitive', { id: RESOURCES.drbd, class: 'ocf', provider: 'linbit', type: 'drbd' }, [
    pairs('instance_attributes', `${RESOURCES.drbd}-instance_attributes`, { drbd_resource: DRBD_RESOURCE }),
    ...(fencing === undefined
      ? []
      : [pairs('meta_attributes', `${RESOURCES.drbd}-meta_attributes`, { priority: DRBD_PRIORITY })]),
    operations(RESOURCES.drbd, [
      { name: 'start', seconds: drbd.startSeconds },
      { name: 'stop', seconds: drbd.stopSeconds },
      { name: 'promote', seconds: drbd.promoteSeconds },
      { name: 'demote', seconds: drbd.demoteSeconds },
      { name: 'notify', seconds: drbd.notifySeconds },
      { name: 'monitor', seconds: drbd.monitorSeconds, interval: drbd.promotedIntervalSeconds, role: 'Promoted' },
      { name: 'monitor', seconds: drbd.monitorSeconds, interval: drbd.unpromotedIntervalSeconds, role: 'Unpromoted' },
    ]),
  ]);
  return element('clone', { id: RESOURCES.drbdClone }, [
    pairs('meta_attributes', `${RESOURCES.drbdClone}-meta_attributes`, {
      promotable: 'true',
      'promoted-max': 1,
      'promoted-node-max': 1,
      'clone-max': 2,
      'clone-node-max': 1,
      notify: 'true',
      interleave: 'true',
    }),
    primitive,
  ]);
}

function databaseGroup({ profile, specification, timing }: CibInput): XmlElement {
  const { fileSystem, server } = timing.pacemaker;
  return element('group', { id: RESOURCES.group }, [
    primitive(RESOURCES.fileSystem, { provider: 'heartbeat', type: 'Filesystem' }, fileSystem, {
      device: DRBD_DEVICE,
      directory: profile.dataDirectory,
      fstype: specification.fileSystem,
      options: 'noatime',
    }),
    primitive(RESOURCES.server, { provider: MYSQL_AGENT.provider, type: MYSQL_AGENT.type }, server, {
      unit: profile.unit,
      process: profile.processes[0] ?? profile.unit,
      client: profile.client,
      socket: profile.socket,
      pid_file: profile.pidFile,
      user: profile.adminUser,
      device: DRBD_DEVICE,
      directory: profile.dataDirectory,
      query_limit: timing.server.queryLimitSeconds,
      hung_limit: timing.server.hungLimitSeconds,
      kill_after: timing.server.killAfterSeconds,
      flush_limit: timing.server.flushSeconds,
    }),
  ]);
}

/**
 * Beside the group and not its last member, so that the balancer finds the new primary while the file system is mounted and the server starts, and so that neither
 * restarts the other (docs/decisions/the-balancer-looks-while-the-server-starts.md). The default `nc` serves one connection and may hang.
 */
const responder = ({ platform, specification, timing }: CibInput): XmlElement =>
  primitive(
    RESOURCES.responder,
    platform.responderAgentWorks ? STOCK_RESPONDER_AGENT : RESPONDER_AGENT,
    timing.pacemaker.responder,
    { port: specification.loadBalancer.probePort, nc: '/usr/bin/socat' },
  );

/** Runs where DRBD is primary, from the promotion to the demotion. */
const whereItIsPrimary = (name: string, resource: string): XmlElement[] => [
  element('rsc_colocation', {
    id: `${name}_on_drbd`,
    score: 'INFINITY',
    rsc: resource,
    'with-rsc': RESOURCES.drbdClone,
    'with-rsc-role': 'Promoted',
  }),
  element('rsc_order', {
    id: `${name}_after_drbd`,
    kind: 'Mandatory',
    first: RESOURCES.drbdClone,
    'first-action': 'promote',
    // oxlint-disable-next-line unicorn/no-thenable -- the schema's own name
    then: resource,
    'then-action': 'start',
  }),
];

function primitive(
  id: string,
  agent: { provider: string; type: string },
  timing: OperationTiming,
  parameters: Record<string, string | number>,
): XmlElement {
  return element('primitive', { id, class: 'ocf', provider: agent.provider, type: agent.type }, [
    pairs('instance_attributes', `${id}-instance_attributes`, parameters),
    operations(id, [
      { name: 'start', seconds: timing.startSeconds },
      { name: 'stop', seconds: timing.stopSeconds },
      { name: 'monitor', seconds: timing.monitorSeconds, interval: timing.monitorIntervalSeconds },
    ]),
  ]);
}

interface Operation {
  name: string;
  seconds: number;
  interval?: number;
  role?: string;
}

function operations(resource: string, list: readonly Operation[]): XmlElement {
  return element(
    'operations',
    {},
    list.map(({ name, seconds, interval, role }) =>
      element('op', {
        id: `${resource}-${name}-${interval ?? 0}`,
        name,
        interval: `${interval ?? 0}s`,
        timeout: `${seconds}s`,
        ...(role === undefined ? {} : { role }),
      }),
    ),
  );
}

function pairs(name: string, id: string, values: Readonly<Record<string, string | number>>): XmlElement {
  return element(
    name,
    { id },
    Object.entries(values).map(([key, value]) => element('nvpair', { id: `${id}-${key}`, name: key, value })),
  );
}

/** The newest schema that the version has; an unknown one makes Pacemaker refuse the file. */
function schemaOf(pacemakerVersion: string): string {
  if (isAtLeast(pacemakerVersion, '3.0')) return 'pacemaker-4.0';
  return isAtLeast(pacemakerVersion, '2.1.5') ? 'pacemaker-3.9' : 'pacemaker-3.7';
}
