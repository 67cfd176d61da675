import { z } from 'zod';
import { AZURE_FENCING_DELAY_SECONDS, fencingInputs, timingProblems } from '../timing';
import { closest } from './closest';

const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,30}[a-z0-9]$/,
    'use 2 to 32 lower-case letters, digits and hyphens, beginning with a letter',
  );
const hostName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,13}[a-z0-9]$/, 'use a host name of 2 to 15 lower-case letters, digits and hyphens');
const identifier = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,31}$/, 'use a plain identifier of at most 32 letters, digits and underscores');
const roleDefinitionId = z
  .string()
  .regex(
    /^(\/subscriptions\/[0-9a-fA-F-]{36})?\/providers\/Microsoft\.Authorization\/roleDefinitions\/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
    'use the id of a role definition: /subscriptions/…/providers/Microsoft.Authorization/roleDefinitions/ and its GUID',
  );
const fencingKind = z.enum(['none', 'azure']);
const fencingDelay = z.int().min(1).max(300);
const port = z.int().min(1).max(65535);
const address = z.ipv4();
const range = z.cidrv4();

/** An object that takes no key it does not know, and names the one that was probably meant. */
const strict = <Shape extends z.ZodRawShape>(shape: Shape, whenMissing?: string) =>
  z.strictObject(shape, {
    error: (issue) => {
      if (issue.input === undefined) return whenMissing;
      return issue.code === 'unrecognized_keys' && Array.isArray(issue['keys'])
        ? describeUnknown(issue['keys'].map(String), Object.keys(shape))
        : undefined;
    },
  });

/** Address ranges that a person must name. */
const ranges = (whenMissing: string) =>
  z.array(range, { error: (issue) => (issue.input === undefined ? whenMissing : undefined) }).min(1);
const CLIENTS_MISSING = 'name the address ranges that may reach the database port; there is no default';
const ADMINISTRATORS_MISSING = 'name the address ranges that may reach SSH; there is no default';

export const DatabaseEngine = z.enum(['mysql', 'mariadb']);
export type DatabaseEngine = z.infer<typeof DatabaseEngine>;

export const Node = strict({
  name: hostName,
  address: address.describe('Static address of the node in the subnet.'),
  sshPort: port.describe('Port on the public address that an inbound NAT rule forwards to port 22 of the node.'),
});
export type Node = z.infer<typeof Node>;

/**
 * Every field has the article's value as default, but the address ranges: 3306 and 22 are never open to the world unasked.
 * The fields alone, for the JSON Schema; `ClusterSpecification` also judges how they fit together.
 */
export const SpecificationFields = strict({
  name: name.describe('Name of the cluster; also the resource group and the prefix of its resources.').default('hadb'),
  location: z.string().min(1).default('westeurope'),
  dnsLabel: name.describe('DNS label of the public address.').default('hadb'),
  nodes: z.tuple([Node, Node]).default([
    { name: 'hadb01', address: '10.10.10.4', sshPort: 50001 },
    { name: 'hadb02', address: '10.10.10.5', sshPort: 50002 },
  ]),
  network: strict(
    {
      prefix: range.describe('Address space of the virtual network, and of its one subnet.').default('10.10.10.0/24'),
      clients: ranges(CLIENTS_MISSING).describe('Ranges that may reach the database port.'),
      administrators: ranges(ADMINISTRATORS_MISSING).describe('Ranges that may reach SSH.'),
      acceleratedNetworking: z.boolean().default(false),
    },
    `clients: ${CLIENTS_MISSING}; administrators: ${ADMINISTRATORS_MISSING}`,
  ),
  vm: strict({
    size: z.string().min(1).default('Standard_D2s_v5'),
    image: z
      .strictObject({ publisher: z.string(), offer: z.string(), sku: z.string(), version: z.string() })
      .default({ publisher: 'Debian', offer: 'debian-12', sku: '12-gen2', version: 'latest' }),
    adminUser: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/)
      .default('azureuser'),
  }).prefault({}),
  dataDisk: strict({ sizeGiB: z.int().min(1).max(32767).default(5), sku: z.string().default('Premium_LRS') }).prefault(
    {},
  ),
  drbd: strict({
    port: port.default(7789),
    initialSync: z
      .enum(['auto', 'full'])
      .describe('auto declares two blank disks equal; full copies every block.')
      .default('auto'),
    resyncMiBPerSecond: z.int().min(1).max(4000).default(100),
  }).prefault({}),
  fileSystem: z.enum(['ext4', 'xfs']).default('ext4'),
  database: strict({
    engine: DatabaseEngine.default('mariadb'),
    standbyInstall: z.enum(['install-then-empty', 'fail-over-then-install']).default('install-then-empty'),
    port: port.default(3306),
    schema: identifier.default('azureha'),
    table: identifier.default('things'),
    bufferPoolMiB: z.int().min(64).default(128),
  }).prefault({}),
  loadBalancer: strict({
    probePort: port.default(61000),
    probeIntervalSeconds: z.int().min(5).max(60).default(5),
    probeThreshold: z.int().min(1).max(10).default(2),
    idleTimeoutMinutes: z.int().min(4).max(100).default(30),
  }).prefault({}),
  corosync: strict({
    tokenMs: z
      .int()
      .min(1000)
      .max(120_000)
      .describe('Azure freezes a machine for up to 30 s at memory-preserving maintenance.')
      .default(30_000),
  }).prefault({}),
  fencing: fencingKind
    .describe(
      'What kills a node that is lost, before the other one takes over. none: nothing does, and two primaries are possible.',
    )
    .default('azure'),
  fencingDelaySeconds: fencingDelay
    .describe(
      'How long the node that would shoot the primary is held back, so that of two nodes which lose each other only one is shot (priority-fencing-delay). Longer than a power-off takes: Azure takes 10 to 90 s, and its guide has 15 to 30 s here. Part of every failover after the loss of a primary.',
    )
    .default(AZURE_FENCING_DELAY_SECONDS.default),
  fencingRole: roleDefinitionId
    .describe(
      'Id of a ready-made role that lets a node see, start and power off a machine, where hadb may not make one. It is assigned to both nodes, and never changed or deleted.',
    )
    .optional(),
  drill: strict({
    verify: z
      .enum(['auto', 'always', 'never'])
      .describe(
        'Whether DRBD compares both copies block by block after each drill, at the rate of a resync. auto: where that takes no longer than two minutes; else once a week, up to ten hours.',
      )
      .default('auto'),
  }).prefault({}),
  slo: strict({
    hardFailoverSeconds: z
      .int()
      .min(1)
      .describe('Longest acceptable outage after the loss of a node, as a client sees it.')
      .default(300),
    softFailoverSeconds: z
      .int()
      .min(1)
      .describe('Longest acceptable outage of a planned move, as a client sees it.')
      .default(90),
    redundancySeconds: z
      .int()
      .min(1)
      .describe('Longest acceptable time from a fault until both copies are current again.')
      .default(900),
  }).prefault({}),
  prove: z
    .enum(['once', 'always', 'never'])
    .describe('Whether the failover tests of the build run again on a cluster that has passed them.')
    .default('once'),
});

/** Also judged where some fields are invalid, so that one reading names every problem. */
export const ClusterSpecification = SpecificationFields.superRefine(
  (specification, context) => {
    const problem: Problem = (path, message) => context.addIssue({ code: 'custom', path, message });
    checkNodes(specification, problem);
    checkPorts(specification, problem);
    checkDatabase(specification, problem);
    checkFencing(specification, problem);
    checkTiming(specification, problem);
  },
  { when: ({ value }) => typeof value === 'object' && value !== null },
);

export type ClusterSpecification = z.infer<typeof ClusterSpecification>;
/** What a person writes: defaults may be left out. */
export type ClusterSpecificationInput = z.input<typeof ClusterSpecification>;
export type FileSystem = ClusterSpecification['fileSystem'];

export const DRBD_RESOURCE = 'r0';
export const DRBD_DEVICE = '/dev/drbd1';
export const DRBD_MINOR = 1;
export const DATA_DIRECTORY = '/var/lib/mysql';
/** Rows of the drills' writers, beside the article's table. */
export const LEDGER_TABLE = 'hadb_writes';

type Problem = (path: (string | number)[], message: string) => void;
/** What the schema has let through so far: any part may be missing or invalid. */
type Unchecked = { [Key in keyof ClusterSpecification]?: unknown };

/** The part when it is valid by itself. */
function valid<Value>(schema: z.ZodType<Value>, root: unknown, ...path: (string | number)[]): Value | undefined {
  const part = path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    root,
  );
  return schema.safeParse(part).data;
}

function checkNodes(specification: Unchecked, problem: Problem): void {
  const prefix = valid(range, specification, 'network', 'prefix');
  if (prefix !== undefined && networkOf(prefix) !== prefix) {
    problem(['network', 'prefix'], `${prefix} is an address in a network; the network is ${networkOf(prefix)}`);
  }
  const nodes = [0, 1].map((index) => valid(Node, specification, 'nodes', index));
  const [first, second] = nodes;
  if (first !== undefined && second !== undefined) {
    if (first.name === second.name) problem(['nodes', 1, 'name'], `both nodes are called ${first.name}`);
    if (first.address === second.address) {
      problem(['nodes', 1, 'address'], `both nodes have the address ${first.address}`);
    }
    if (first.sshPort === second.sshPort) {
      problem(['nodes', 1, 'sshPort'], `both nodes have the SSH port ${first.sshPort}`);
    }
  }
  for (const [index, node] of nodes.entries()) {
    if (node === undefined || prefix === undefined) continue;
    if (!contains(prefix, node.address)) {
      problem(['nodes', index, 'address'], `${node.address} is outside of ${prefix}`);
    } else if (isReserved(prefix, node.address)) {
      problem(['nodes', index, 'address'], `${node.address} is one of the addresses that Azure reserves in a subnet`);
    }
  }
}

function checkPorts(specification: Unchecked, problem: Problem): void {
  const [database, probe, drbd] = [
    valid(port, specification, 'database', 'port'),
    valid(port, specification, 'loadBalancer', 'probePort'),
    valid(port, specification, 'drbd', 'port'),
  ];
  if (probe !== undefined && probe === database) {
    problem(['loadBalancer', 'probePort'], 'a probe on the database port makes the server count aborted handshakes');
  }
  for (const [path, used] of [
    [['database', 'port'], database],
    [['loadBalancer', 'probePort'], probe],
  ] as const) {
    if (used !== undefined && used === drbd) problem([...path], `${used} is also the DRBD port`);
    if (used === SSH_PORT) problem([...path], `${SSH_PORT} is the SSH port of the nodes`);
  }
  if (drbd === SSH_PORT) problem(['drbd', 'port'], `${SSH_PORT} is the SSH port of the nodes`);
  for (const index of [0, 1]) {
    const sshPort = valid(port, specification, 'nodes', index, 'sshPort');
    if (sshPort !== undefined && sshPort === database) {
      problem(['nodes', index, 'sshPort'], `${sshPort} is also the database port`);
    }
  }
}

function checkDatabase(specification: Unchecked, problem: Problem): void {
  const schema = valid(identifier, specification, 'database', 'schema');
  if (schema !== undefined && SYSTEM_SCHEMAS.includes(schema.toLowerCase())) {
    problem(['database', 'schema'], `${schema} is a schema of the server itself`);
  }
  if (valid(identifier, specification, 'database', 'table')?.toLowerCase() === LEDGER_TABLE) {
    problem(['database', 'table'], `${LEDGER_TABLE} is the table of the drills' writers`);
  }
}

function checkFencing(specification: Unchecked, problem: Problem): void {
  if (specification.fencing === 'none' && valid(roleDefinitionId, specification, 'fencingRole') !== undefined) {
    problem(['fencingRole'], 'a role for fencing, and fencing is none: say "fencing: azure", or leave the role out');
  }
}

function checkTiming(specification: Unchecked, problem: Problem): void {
  const parts = TimingFields.safeParse({
    tokenMs: valid(z.number(), specification, 'corosync', 'tokenMs'),
    probeIntervalSeconds: valid(z.number(), specification, 'loadBalancer', 'probeIntervalSeconds'),
    probeThreshold: valid(z.number(), specification, 'loadBalancer', 'probeThreshold'),
    slo: specification.slo,
  });
  if (!parts.success) return;
  const fencing = valid(fencingKind, specification, 'fencing');
  const delay = valid(fencingDelay, specification, 'fencingDelaySeconds');
  if (fencing === 'azure' && delay === undefined) return;
  const inputs =
    fencing === 'azure' && delay !== undefined ? { ...parts.data, fencing: fencingInputs(delay) } : parts.data;
  for (const { path, message } of timingProblems(inputs)) problem(path, message);
}

const TimingFields = z.object({
  tokenMs: z.int().min(1000),
  probeIntervalSeconds: z.int().min(5),
  probeThreshold: z.int().min(1),
  slo: z.object({ hardFailoverSeconds: z.int().min(1), softFailoverSeconds: z.int().min(1) }),
});

const SSH_PORT = 22;
const SYSTEM_SCHEMAS = ['mysql', 'sys', 'information_schema', 'performance_schema'];

function describeUnknown(unknown: readonly string[], known: readonly string[]): string {
  return unknown
    .map((key) => {
      const meant = closest(key, known);
      return meant === undefined
        ? `there is no field "${key}" here; the fields are ${known.join(', ')}`
        : `there is no field "${key}" here; did you mean "${meant}"?`;
    })
    .join('; ');
}

export function contains(prefix: string, candidate: string): boolean {
  const { base, mask } = parsePrefix(prefix);
  return (toNumber(candidate) & mask) >>> 0 === base;
}

/** Azure keeps the first four addresses and the last one of every subnet. */
function isReserved(prefix: string, candidate: string): boolean {
  const { base, mask } = parsePrefix(prefix);
  const offset = toNumber(candidate) - base;
  return offset < 4 || offset === ~mask >>> 0;
}

/** `10.10.10.7/24` is in the network `10.10.10.0/24`. */
function networkOf(prefix: string): string {
  const { base } = parsePrefix(prefix);
  const octets = [24, 16, 8, 0].map((shift) => (base >>> shift) & 255);
  return `${octets.join('.')}/${prefix.split('/')[1]}`;
}

function parsePrefix(prefix: string): { base: number; mask: number } {
  const [network = '', bits = '32'] = prefix.split('/');
  const mask = bits === '0' ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0;
  return { base: (toNumber(network) & mask) >>> 0, mask };
}

function toNumber(dotted: string): number {
  return dotted.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
