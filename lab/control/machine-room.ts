import { createSocket } from 'node:dgram';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { GUEST_SERVICES } from '../guest-services';
import { PACKAGE_MIRROR_ADDRESS } from '../model';
import type { Machine, MachineDriver, MachineState, Provisioning, Wiring } from '../model';
import { ArmError } from './arm-error';
import type { MachineHost } from './machine-host';
import { formatAddress, parsePrefix } from './resources/address';
import type { Disk } from './resources/disk';
import { addressOf } from './resources/network-interface';
import { resourceId, groupOf, sameId, splitChildId } from './resource-id';
import type { ResourceBase } from './resources/resource';
import type { VirtualMachine } from './resources/virtual-machine';
import { guestMemoryMiB, parseVmSize } from './resources/vm-size';
import type { Store } from './store';
import { messageOf } from '../../processes/error-message';

/** UDP ports of the wires: below Linux's ephemeral range (32768), where nothing else is handed out by chance. */
const WIRE_PORTS = { first: 20_000, last: 29_999 };
/** A guest's own shutdown took 3 to 13 s with the cluster running (measured); Azure gives minutes. */
const SHUTDOWN_GRACE_MS = 90_000;

/** Turns virtual machine resources into machines; every method can be repeated after a crash. */
export interface MachineRoom {
  /** Chooses directory, CPU, MAC address and wire; kept with the resource. */
  allocate(vmId: string): Promise<VirtualMachine>;
  /** Disk files and disk resources. */
  createDisks(vmId: string): Promise<void>;
  provision(vmId: string): Promise<void>;
  start(vmId: string): Promise<void>;
  awaitProvisioned(vmId: string, timeoutMs: number, signal: AbortSignal): Promise<void>;
  stop(vmId: string, how: 'graceful' | 'hard'): Promise<void>;
  /** Stops the machine and removes its directory; then disks and interface as their delete options say. */
  remove(vmId: string): Promise<void>;
  createDiskFile(diskId: string): Promise<void>;
  removeDiskFile(disk: Disk): void;
  state(vm: VirtualMachine): MachineState | undefined;
  /** Machine and driver for faults; undefined before the machine exists. */
  access(vm: VirtualMachine): { driver: MachineDriver; machine: Machine } | undefined;
}

export function createMachineRoom(options: {
  directory: string;
  store: Store;
  host: MachineHost;
  subscriptionId: string;
  /** The lab's certificate authority, which guests trust. */
  authorityFile: string;
  newGuid: () => string;
  now: () => Date;
}): MachineRoom {
  const { authorityFile } = options;
  const { directory, store, host, subscriptionId, newGuid, now } = options;

  const read = (id: string): VirtualMachine => {
    const vm = store.get(id);
    if (vm?.type !== 'Microsoft.Compute/virtualMachines') throw new Error(`virtual machine ${id} is gone`);
    return vm;
  };
  const machineOf = (vm: VirtualMachine): Machine => {
    if (vm.hidden.machine === undefined) throw new Error(`virtual machine ${vm.id} has no machine`);
    return vm.hidden.machine;
  };
  const driverOf = (vm: VirtualMachine): MachineDriver => host.driver(vm.hidden.image);
  const interfaceOf = (vm: VirtualMachine) => {
    const nic = store.get(vm.properties.networkProfile.networkInterfaces[0]?.id ?? '');
    if (nic?.type !== 'Microsoft.Network/networkInterfaces') throw new Error(`the interface of ${vm.id} is gone`);
    return nic;
  };
  const otherMachines = (vm: VirtualMachine): Machine[] =>
    store
      .ofType('Microsoft.Compute/virtualMachines')
      .filter((other) => !sameId(other.id, vm.id))
      .flatMap((other) => (other.hidden.machine === undefined ? [] : [other.hidden.machine]));
  const diskFile = (name: string) => join(directory, 'disks', name);
  const fileOf = (disk: Disk) => join(directory, disk.hidden.file);
  const diskIdOf = (vm: VirtualMachine, name: string) =>
    resourceId(subscriptionId, groupOf(vm.id), 'Microsoft.Compute/disks', name);

  /** Memory and disks as the resource says now; they may have changed while the machine was deallocated. */
  const machineFor = (vm: VirtualMachine, previous: Machine): Machine => ({
    ...previous,
    memoryMiB: guestMemoryMiB(parseVmSize(vm.properties.hardwareProfile.vmSize)),
    dataDisks: vm.properties.storageProfile.dataDisks.map(({ lun, managedDisk }) => {
      const disk = managedDisk.id === undefined ? undefined : store.get(managedDisk.id);
      return {
        lun,
        file: disk?.type === 'Microsoft.Compute/disks' ? fileOf(disk) : diskFile(`${vm.guid}-lun${lun}.img`),
      };
    }),
  });

  const putDisk = (
    vm: VirtualMachine,
    input: { name: string; sizeGiB: number; sku: string; os: boolean; file: string },
  ) => {
    const id = diskIdOf(vm, input.name);
    if (store.get(id) !== undefined) return;
    const base: ResourceBase<'Microsoft.Compute/disks', Disk['properties']> = {
      id,
      name: input.name,
      type: 'Microsoft.Compute/disks',
      location: vm.location,
      sku: { name: input.sku, tier: input.sku.startsWith('Premium') ? 'Premium' : 'Standard' },
      etag: newGuid(),
      guid: newGuid(),
      provisioningState: 'Succeeded',
      createdAt: now().toISOString(),
      properties: {
        creationData: { createOption: input.os ? 'FromImage' : 'Empty' },
        diskSizeGB: input.sizeGiB,
        ...(input.os ? { osType: 'Linux' as const, hyperVGeneration: 'V2' } : {}),
      },
      ...(vm.tags === undefined ? {} : { tags: vm.tags }),
    };
    store.put({ ...base, hidden: { file: relative(directory, input.file) } });
  };

  return {
    async allocate(vmId) {
      const vm = read(vmId);
      if (vm.hidden.machine !== undefined) return vm;
      const machineDirectory = join(directory, 'machines', vm.guid);
      mkdirSync(machineDirectory, { recursive: true, mode: 0o700 });
      const others = otherMachines(vm);
      const wiring = await chooseWiring(others.map(({ nic }) => nic.wiring));
      const previous: Machine = {
        id: vm.guid,
        name: vm.properties.osProfile.computerName,
        directory: machineDirectory,
        memoryMiB: 0,
        cpu: leastUsed(
          host.cpus,
          others.map(({ cpu }) => cpu),
        ),
        osDisk: diskFile(`${vm.guid}-os.img`),
        dataDisks: [],
        provisioningDisk: join(machineDirectory, 'provisioning.tar'),
        nic: { mac: chooseMac(others.map(({ nic }) => nic.mac)), wiring },
      };
      // Read again: choosing ports took a turn of the loop.
      const latest = read(vmId);
      const allocated = { ...latest, hidden: { ...latest.hidden, machine: machineFor(latest, previous) } };
      store.put(allocated);
      return allocated;
    },

    async createDisks(vmId) {
      const vm = read(vmId);
      const machine = machineOf(vm);
      const { osDisk, dataDisks } = vm.properties.storageProfile;
      mkdirSync(dirname(machine.osDisk), { recursive: true, mode: 0o700 });
      // Only at creation: later the disk belongs to the guest.
      if (osDisk.managedDisk.id === undefined) await host.createOsDisk(vm.hidden.image, machine.osDisk);
      putDisk(vm, {
        name: osDisk.name,
        sizeGiB: osDisk.diskSizeGB,
        sku: osDisk.managedDisk.storageAccountType,
        os: true,
        file: machine.osDisk,
      });
      for (const disk of dataDisks.filter(({ createOption }) => createOption === 'Empty')) {
        const file = diskFile(`${vm.guid}-lun${disk.lun}.img`);
        if (disk.managedDisk.id === undefined) {
          await host.createDataDisk(file, disk.diskSizeGB);
          putDisk(vm, {
            name: disk.name,
            sizeGiB: disk.diskSizeGB,
            sku: disk.managedDisk.storageAccountType,
            os: false,
            file,
          });
        }
      }
      const latest = read(vmId);
      const { storageProfile } = latest.properties;
      const withIds: VirtualMachine = {
        ...latest,
        properties: {
          ...latest.properties,
          storageProfile: {
            ...storageProfile,
            osDisk: {
              ...storageProfile.osDisk,
              managedDisk: { ...storageProfile.osDisk.managedDisk, id: diskIdOf(vm, storageProfile.osDisk.name) },
            },
            dataDisks: storageProfile.dataDisks.map((disk) => ({
              ...disk,
              managedDisk: { ...disk.managedDisk, id: disk.managedDisk.id ?? diskIdOf(vm, disk.name) },
            })),
          },
        },
      };
      store.put({ ...withIds, hidden: { ...withIds.hidden, machine: machineFor(withIds, machine) } });
    },

    async provision(vmId) {
      const vm = read(vmId);
      const machine = machineOf(vm);
      const nic = interfaceOf(vm);
      const subnetId = nic.properties.ipConfigurations[0]?.properties.subnet.id ?? '';
      const { parent, childName } = splitChildId(subnetId);
      const network = store.get(parent);
      const subnet =
        network?.type === 'Microsoft.Network/virtualNetworks'
          ? network.properties.subnets.find(({ name }) => name.toLowerCase() === childName.toLowerCase())
          : undefined;
      const prefix = parsePrefix(subnet?.properties.addressPrefix ?? '');
      if (prefix === undefined) throw new Error(`subnet ${subnetId} of ${vm.id} is gone`);
      const { osProfile } = vm.properties;
      const provisioning: Provisioning = {
        vmId: vm.guid,
        hostName: osProfile.computerName,
        adminUser: osProfile.adminUsername,
        authorizedKeys: osProfile.linuxConfiguration.ssh.publicKeys.map(({ keyData }) => keyData.trim()),
        ...(vm.hidden.customData === undefined ? {} : { customData: vm.hidden.customData }),
        address: addressOf(nic),
        prefixLength: prefix.length,
        // The first usable address of a subnet is its gateway, as in Azure.
        gateway: formatAddress(prefix.base + 1),
        hosts: GUEST_SERVICES.flatMap(({ hostName, address }) =>
          hostName === undefined ? [] : [{ name: hostName, address }],
        ),
        certificateAuthority: readFileSync(authorityFile, 'utf8'),
        ...(vm.hidden.image === 'clean' ? { packageMirror: PACKAGE_MIRROR_ADDRESS } : {}),
      };
      await host.writeProvisioningDisk(machine.provisioningDisk, provisioning);
    },

    async start(vmId) {
      const vm = read(vmId);
      const machine = machineFor(vm, machineOf(vm));
      store.put({ ...vm, hidden: { ...vm.hidden, machine, deallocated: false } });
      await driverOf(vm).start(machine);
    },

    async awaitProvisioned(vmId, timeoutMs, signal) {
      const vm = read(vmId);
      const machine = machineOf(vm);
      const driver = driverOf(vm);
      // After a reboot of the host, or a crash in early boot, there is nothing to wait for.
      if (driver.state(machine) === 'stopped') await driver.start(machine);
      let reason = 'the guest did not report';
      const aborted = new Promise<'aborted'>((resolve) => {
        if (signal.aborted) resolve('aborted');
        signal.addEventListener('abort', () => resolve('aborted'), { once: true });
      });
      const outcome = await Promise.race([
        driver.awaitProvisioned(machine, Math.max(0, timeoutMs)).then(
          () => 'provisioned' as const,
          (error: unknown) => {
            reason = messageOf(error);
            return 'failed' as const;
          },
        ),
        aborted,
      ]);
      if (outcome === 'provisioned') return;
      if (outcome === 'aborted') throw new Error('aborted');
      throw new ArmError(
        409,
        'OSProvisioningTimedOut',
        `OS Provisioning for VM '${vm.name}' did not finish in the allotted time. The VM may still finish provisioning ` +
          'successfully. Please check provisioning state later. For details on how to check current provisioning state of ' +
          'Linux VMs, refer to https://aka.ms/LinuxVMLifecycle. ' +
          `In the lab: ${reason}; its console: hadb lab console ${machine.name}`,
      );
    },

    async stop(vmId, how) {
      const vm = read(vmId);
      const { machine } = vm.hidden;
      if (machine !== undefined) await driverOf(vm).stop(machine, how, how === 'hard' ? 0 : SHUTDOWN_GRACE_MS);
    },

    async remove(vmId) {
      const found = store.get(vmId);
      if (found?.type !== 'Microsoft.Compute/virtualMachines') return;
      const { machine } = found.hidden;
      if (machine !== undefined) {
        await driverOf(found).stop(machine, 'hard', 0);
        rmSync(machine.directory, { recursive: true, force: true });
      }
      const { osDisk, dataDisks } = found.properties.storageProfile;
      // A machine that never got so far as to own its disks leaves none behind, whatever the option says.
      for (const disk of [osDisk, ...dataDisks]) {
        const stored = disk.managedDisk.id === undefined ? undefined : store.get(disk.managedDisk.id);
        if (stored?.type === 'Microsoft.Compute/disks' && disk.deleteOption === 'Delete') {
          rmSync(fileOf(stored), { force: true });
          store.remove(stored.id);
        }
        if (disk.managedDisk.id === undefined) {
          const unfinished = store.get(diskIdOf(found, disk.name));
          if (unfinished?.type === 'Microsoft.Compute/disks') store.remove(unfinished.id);
          const file = 'lun' in disk ? `${found.guid}-lun${String(disk['lun'])}.img` : `${found.guid}-os.img`;
          rmSync(diskFile(file), { force: true });
        }
      }
      const [nic] = found.properties.networkProfile.networkInterfaces;
      if (nic?.properties?.deleteOption === 'Delete') store.remove(nic.id);
      store.remove(vmId);
    },

    async createDiskFile(diskId) {
      const disk = store.get(diskId);
      if (disk?.type !== 'Microsoft.Compute/disks') return;
      mkdirSync(join(directory, 'disks'), { recursive: true, mode: 0o700 });
      await host.createDataDisk(fileOf(disk), disk.properties.diskSizeGB);
    },

    removeDiskFile(disk) {
      rmSync(fileOf(disk), { force: true });
    },

    state(vm) {
      return vm.hidden.machine === undefined ? undefined : driverOf(vm).state(vm.hidden.machine);
    },

    access(vm) {
      return vm.hidden.machine === undefined ? undefined : { driver: driverOf(vm), machine: vm.hidden.machine };
    },
  };
}

function leastUsed(cpus: readonly number[], used: readonly number[]): number {
  const count = (cpu: number) => used.filter((other) => other === cpu).length;
  const [first, ...rest] = cpus;
  if (first === undefined) throw new Error('no host CPU for guests');
  return rest.reduce((best, cpu) => (count(cpu) < count(best) ? cpu : best), first);
}

/** In Microsoft's range, as on Azure: 60:45:bd. */
function chooseMac(used: readonly string[]): string {
  for (;;) {
    const mac = ['60', '45', 'bd', ...randomBytes(3).toString('hex').match(/../g)!].join(':');
    if (!used.includes(mac)) return mac;
  }
}

async function chooseWiring(used: readonly Wiring[]): Promise<Wiring> {
  const taken = new Set(used.flatMap(({ switchPort, machinePort }) => [switchPort, machinePort]));
  const next = async (): Promise<number> => {
    for (let attempt = 0; attempt < 200; attempt++) {
      const port = randomInt(WIRE_PORTS.first, WIRE_PORTS.last + 1);
      if (taken.has(port) || !(await isUdpPortFree(port))) continue;
      taken.add(port);
      return port;
    }
    throw new Error(`no free UDP port between ${WIRE_PORTS.first} and ${WIRE_PORTS.last} on 127.0.0.1`);
  };
  return {
    switchPort: await next(),
    machinePort: await next(),
    machineCookie: randomBytes(4).toString('hex'),
    switchCookie: randomBytes(4).toString('hex'),
  };
}

function isUdpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
