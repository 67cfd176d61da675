import { z } from 'zod';
import { timingInputs, timingProblems } from '../timing';

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
const port = z.int().min(1).max(65535);
const address = z.ipv4();
const range = z.cidrv4();

export const DatabaseEngine = z.enum(['mysql', 'mariadb']);
export type DatabaseEngine = z.infer<typeof DatabaseEngine>;

export const Node = z.strictObject({
  name: hostName,
  address: address.describe('Static address of the node in the subnet.'),
  sshPort: port.describe('Port on the public address that an inbound NAT rule forwards to port 22 of the node.'),
});
export type Node = z.infer<typeof Node>;

/** Every field has the article's value as default, but the address ranges: 3306 and 22 are never open to the world unasked. */
const fields = z.strictObject({
  name: name.describe('Name of the cluster; also the resource group and the prefix of its resources.').default('hadb'),
  location: z.string().min(1).default('westeurope'),
  dnsLabel: name.describe('DNS label of the public address.').default('hadb'),
  nodes: z.tuple([Node, Node]).default([
    { name: 'hadb01', address: '10.10.10.4', sshPort: 50001 },
    { name: 'hadb02', address: '10.10.10.5', sshPort: 50002 },
  ]),
  network: z.strictObject({
    prefix: range.describe('Address space of the virtual network, and of its one subnet.').default('10.10.10.0/24'),
    clients: z.array(range).min(1).describe('Ranges that may reach the database port.'),
    administrators: z.array(range).min(1).describe('Ranges that may reach SSH.'),
    acceleratedNetworking: z.boolean().default(false),
  }),
  vm: z
    .strictObject({
      size: z.string().min(1).default('Standard_D2s_v5'),
      image: z
        .strictObject({ publisher: z.string(), offer: z.string(), sku: z.string(), version: z.string() })
        .default({ publisher: 'Debian', offer: 'debian-12', sku: '12-gen2', version: 'latest' }),
      adminUser: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,30}$/)
        .default('azureuser'),
    })
    .prefault({}),
  dataDisk: z
    .strictObject({ sizeGiB: z.int().min(1).max(32767).default(5), sku: z.string().default('Premium_LRS') })
    .prefault({}),
  drbd: z
    .strictObject({
      port: port.default(7789),
      initialSync: z
        .enum(['auto', 'full'])
        .describe('auto declares two blank disks equal; full copies every block.')
        .default('auto'),
      resyncMiBPerSecond: z.int().min(1).max(4000).default(100),
    })
    .prefault({}),
  fileSystem: z.enum(['ext4', 'xfs']).default('ext4'),
  database: z
    .strictObject({
      engine: DatabaseEngine.default('mariadb'),
      standbyInstall: z.enum(['install-then-empty', 'fail-over-then-install']).default('install-then-empty'),
      port: port.default(3306),
      schema: identifier.default('azureha'),
      table: identifier.default('things'),
      bufferPoolMiB: z.int().min(64).default(128),
    })
    .prefault({}),
  loadBalancer: z
    .strictObject({
      probePort: port.default(61000),
      probeIntervalSeconds: z.int().min(5).max(60).default(5),
      probeThreshold: z.int().min(1).max(10).default(2),
      idleTimeoutMinutes: z.int().min(4).max(100).default(30),
    })
    .prefault({}),
  corosync: z
    .strictObject({
      tokenMs: z
        .int()
        .min(1000)
        .max(120_000)
        .describe('Azure freezes a machine for up to 30 s at memory-preserving maintenance.')
        .default(30_000),
    })
    .prefault({}),
  fencing: z.enum(['none']).default('none'),
  slo: z
    .strictObject({
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
    })
    .prefault({}),
  prove: z
    .enum(['once', 'always', 'never'])
    .describe('Whether the failover tests of the build run again on a cluster that has passed them.')
    .default('once'),
});

export const ClusterSpecification = fields.superRefine((specification, context) => {
  const problem = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
  const [first, second] = specification.nodes;
  if (first.name === second.name) problem(['nodes', 1, 'name'], `both nodes are called ${first.name}`);
  if (first.address === second.address)
    problem(['nodes', 1, 'address'], `both nodes have the address ${first.address}`);
  if (first.sshPort === second.sshPort)
    problem(['nodes', 1, 'sshPort'], `both nodes have the SSH port ${first.sshPort}`);
  for (const [index, node] of specification.nodes.entries()) {
    if (!contains(specification.network.prefix, node.address)) {
      problem(['nodes', index, 'address'], `${node.address} is outside of ${specification.network.prefix}`);
    } else if (isReserved(specification.network.prefix, node.address)) {
      problem(['nodes', index, 'address'], `${node.address} is one of the addresses that Azure reserves in a subnet`);
    }
    if (node.sshPort === specification.database.port) {
      problem(['nodes', index, 'sshPort'], `${node.sshPort} is also the database port`);
    }
  }
  const { database, loadBalancer, drbd } = specification;
  if (loadBalancer.probePort === database.port) {
    problem(['loadBalancer', 'probePort'], 'a probe on the database port makes the server count aborted handshakes');
  }
  for (const [path, used] of [
    [['database', 'port'], database.port],
    [['loadBalancer', 'probePort'], loadBalancer.probePort],
  ] as const) {
    if (used === drbd.port) problem([...path], `${used} is also the DRBD port`);
    if (used === 22) problem([...path], '22 is the SSH port');
  }
  for (const { path, message } of timingProblems(timingInputs(specification))) problem(path, message);
});

export type ClusterSpecification = z.infer<typeof ClusterSpecification>;
/** What a person writes: defaults may be left out. */
export type ClusterSpecificationInput = z.input<typeof ClusterSpecification>;
export type FileSystem = ClusterSpecification['fileSystem'];

export const DRBD_RESOURCE = 'r0';
export const DRBD_DEVICE = '/dev/drbd1';
export const DRBD_MINOR = 1;
export const DATA_DIRECTORY = '/var/lib/mysql';

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

function parsePrefix(prefix: string): { base: number; mask: number } {
  const [network = '', bits = '32'] = prefix.split('/');
  const mask = bits === '0' ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0;
  return { base: (toNumber(network) & mask) >>> 0, mask };
}

function toNumber(dotted: string): number {
  return dotted.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
