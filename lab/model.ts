import type { EngineName } from '../settings';

/** The vocabulary that the lab's parts share: machines, the desired network (what control tells wire), and faults. */

/** One end-to-end port of the switch: an L2TPv3 pseudo-wire over UDP on 127.0.0.1, closed to others by its cookies. */
export interface Wiring {
  /** UDP port of the switch's end. */
  switchPort: number;
  /** UDP port of the machine's end. */
  machinePort: number;
  /** Cookie in frames that the machine sends, 8 hexadecimal digits (L2TPv3, 32 bit). */
  machineCookie: string;
  /** Cookie in frames that the switch sends. */
  switchCookie: string;
}

/** A machine as its driver sees it; everything lies in `directory` and survives the lab's processes. */
export interface Machine {
  /** The Azure vmId: names the machine in records, whatever its resource is called. */
  id: string;
  /** Host name (osProfile.computerName). */
  name: string;
  directory: string;
  memoryMiB: number;
  /** Host CPU this machine is pinned to (UML guests are 4.5 times slower unpinned). */
  cpu: number;
  osDisk: string;
  dataDisks: readonly { lun: number; file: string }[];
  /** Raw tar archive, attached as the last disk: what the first-boot unit in the image reads. */
  provisioningDisk: string;
  nic: { mac: string; wiring: Wiring };
}

/** What `osProfile` and the network interface say, in the form the guest's first-boot unit reads. */
export interface Provisioning {
  vmId: string;
  hostName: string;
  adminUser: string;
  authorizedKeys: readonly string[];
  /** base64, as in ARM: a `#cloud-config` subset (ssh_keys, write_files, runcmd) or a `#!` script. */
  customData?: string;
  address: string;
  prefixLength: number;
  gateway: string;
  /** Names that the guest knows beside its own, with their addresses. */
  hosts?: readonly { name: string; address: string }[];
  /** A further certificate authority that the guest trusts, PEM. */
  certificateAuthority?: string;
  /** Address that the guest takes for `deb.debian.org`; without it no package can be installed (golden images need none). */
  packageMirror?: string;
}

export type MachineState = 'running' | 'stopped' | 'paused';

/** How a power-off is done: Azure's skipShutdown kills, otherwise the guest gets its ordered shutdown first. */
export type PowerOff = 'graceful' | 'hard';

/** A data disk that is worse than it should be, until the fault is lifted or the machine's kernel starts again. */
export type DiskFault =
  | { kind: 'slow'; operationsPerSecond: number }
  /** Answers with an I/O error. */
  | { kind: 'failing'; operations: 'read' | 'write' };

export type DiskFaultName = 'read-errors' | 'write-errors' | 'slow';

export const nameDiskFault = (fault: DiskFault): DiskFaultName =>
  fault.kind === 'slow' ? 'slow' : `${fault.operations}-errors`;

/** What an engine can do to the disks of a machine, on this computer; where that is less than everything, why. */
export interface PossibleDiskFaults {
  possible: readonly DiskFaultName[];
  obstacle?: string;
}

/** What both drivers do. Every method is safe to repeat; a machine is found again by its directory alone. */
export interface MachineDriver {
  readonly engine: EngineName;
  start(machine: Machine): Promise<void>;
  /** Ends the process group; `graceful` asks the guest first and kills after `graceMs`. */
  stop(machine: Machine, how: PowerOff, graceMs: number): Promise<void>;
  /** As a host would reset a machine: the same disks, a new boot. */
  reset(machine: Machine): Promise<void>;
  state(machine: Machine): MachineState;
  pause(machine: Machine): Promise<void>;
  resume(machine: Machine): Promise<void>;
  /** Resolves once the guest has said on its console, since the last start, that provisioning is complete. */
  awaitProvisioned(machine: Machine, timeoutMs: number): Promise<void>;
  possibleDiskFaults(machine: Machine): Promise<PossibleDiskFaults>;
  /** Replaces the disk's fault by a possible one; `undefined` lifts it. */
  setDiskFault(machine: Machine, lun: number, fault: DiskFault | undefined): Promise<void>;
}

export interface SecurityRule {
  name: string;
  priority: number;
  direction: 'Inbound' | 'Outbound';
  access: 'Allow' | 'Deny';
  /** `*` is any. */
  protocol: 'Tcp' | 'Udp' | 'Icmp' | '*';
  /** CIDR, address, `*`, or a service tag (VirtualNetwork, AzureLoadBalancer, Internet). Any of the list matches. */
  sources: readonly string[];
  sourcePorts: readonly string[];
  destinations: readonly string[];
  /** `22`, `1000-2000` or `*`. */
  destinationPorts: readonly string[];
}

export interface NetworkPort {
  /** Id of the machine behind the port. */
  machine: string;
  /** Host name of the machine: what faults call it by. */
  name: string;
  /** Name of its virtual network; without it, the first one whose prefix holds the address. */
  virtualNetwork?: string;
  mac: string;
  address: string;
  wiring: Wiring;
  /**
   * Security groups in force, each a complete list with Azure's default rules, ordered by priority: subnet's and
   * interface's. Inbound and outbound traffic must pass every one of them. No group at all passes everything.
   */
  securityGroups: readonly (readonly SecurityRule[])[];
}

export interface Backend {
  /** Address inside the virtual network. */
  address: string;
  /** Name of the virtual network; only needed where two of them use the same addresses. */
  virtualNetwork?: string;
}

export interface LoadBalancingRule {
  name: string;
  frontendAddress: string;
  frontendPort: number;
  backendPort: number;
  backends: readonly Backend[];
  idleTimeoutMinutes: number;
  /** Sends RST to both sides when idle time-out ends a flow (enableTcpReset). */
  tcpReset: boolean;
  probe?: {
    name: string;
    protocol: 'Tcp' | 'Http';
    port: number;
    requestPath?: string;
    intervalSeconds: number;
    /** Consecutive results, either way, that change a backend's state. */
    threshold: number;
  };
}

export interface InboundNatRule {
  name: string;
  frontendAddress: string;
  frontendPort: number;
  backendAddress: string;
  backendPort: number;
}

/** Azure's virtual public address of the platform: where health probes come from (service tag AzureLoadBalancer). */
export const PLATFORM_ADDRESS = '168.63.129.16';

/** Azure's instance metadata service, for guests only. */
export const METADATA_ADDRESS = '169.254.169.254';

/** Where guests find Azure Resource Manager: an address for documentation (RFC 5737), which no host anywhere has. */
export const MANAGEMENT_ADDRESS = '192.0.2.1';
export const MANAGEMENT_NAME = 'management.azure.com';

/** Where guests find the Debian archive while the plan says `packageMirror`: port 80, whatever their own subnet is. */
export const PACKAGE_MIRROR_ADDRESS = '10.10.10.253';

/** The whole desired network. Control sends all of it at each change; wire applies the difference and keeps it on disk. */
export interface NetworkPlan {
  /** Grows with every plan; wire refuses one older than its own. */
  generation: number;
  /**
   * Lets guests reach the Debian mirror of this host, and nothing else, as `http://PACKAGE_MIRROR_ADDRESS/debian` and
   * `/debian-security` (the clean image's package step). Off unless true.
   */
  packageMirror?: boolean;
  virtualNetworks: readonly { name: string; prefix: string }[];
  ports: readonly NetworkPort[];
  /** Public addresses (of 127.0.0.0/8) and the names that resolve to them. */
  publicAddresses: readonly { address: string; name?: string }[];
  loadBalancingRules: readonly LoadBalancingRule[];
  inboundNatRules: readonly InboundNatRule[];
}

/**
 * A fault on the way of frames. `from` and `to` are machine names; `*` is everything on the switch, gateway included;
 * `gateway` is what comes from outside: load balancer, NAT and health probes; `management` and `metadata` are what guests
 * reach of the cloud itself.
 */
export interface LinkFault {
  id: string;
  from: string;
  to: string;
  /** Frames in one direction only (from -> to) unless true. */
  bothDirections: boolean;
  /** 1 cuts the link. */
  loss: number;
  delayMs: number;
  /** Removed by wire itself after this time; for ever when unset. */
  ttlSeconds?: number;
}

export interface BackendHealth {
  rule: string;
  /** `address:port` of the rule's frontend: rules of different balancers may have the same name. */
  frontend: string;
  address: string;
  healthy: boolean;
  /** Since when, ISO 8601. */
  since: string;
}
