import type { VirtualMachine } from '@azure/arm-compute';
import { restorePoller } from '@azure/arm-compute';
import { virtualMachineBody, virtualMachinePutBody } from '../../cluster/azure/virtual-machine';
import { clusterSecrets } from '../connections/secrets';
import type { ResourceKind } from './resource-kind';
import { nodeOf } from './resource-kind';
import { mergeTags } from './tags';

export const virtualMachine: ResourceKind<VirtualMachine> = {
  kind: 'virtual-machine',
  title: 'virtual machine',
  name: (scope) => scope.names.virtualMachine(nodeOf(scope)),
  get: (scope) => scope.arm.compute.virtualMachines.get(scope.names.resourceGroup, virtualMachine.name(scope)),
  wanted: (scope) => virtualMachineBody(scope.step.specification, scope.ids, nodeOf(scope), scope.tags),
  async put(scope, _current, options) {
    const node = nodeOf(scope);
    const secrets = clusterSecrets(scope.secrets, scope.step.specification);
    const [admin, host] = await Promise.all([secrets.adminKey(), secrets.hostKey(node)]);
    const body = virtualMachinePutBody(
      scope.step.specification,
      scope.ids,
      node,
      scope.tags,
      {
        adminPublicKey: admin.publicKey.line,
        hostPrivateKey: host.privateKey,
        hostPublicKey: host.publicKey.line,
      },
      (text) => Buffer.from(text).toString('base64'),
    );
    return scope.arm.compute.virtualMachines
      .createOrUpdate(scope.names.resourceGroup, virtualMachine.name(scope), body, options)
      .serialize();
  },
  restore: ({ arm }, state, options) =>
    restorePoller(arm.compute, state, arm.compute.virtualMachines.createOrUpdate, options),
  // A PUT with another size restarts the machine; with another image it is refused.
  frozen: true,
  /** The disks come about with the machine and without tags; untagged, nobody would ever delete them. */
  async finish(scope) {
    const node = nodeOf(scope);
    const { names, ids } = scope;
    const { arm } = scope;
    for (const [name, id] of [
      [names.osDisk(node), ids.osDisk(node)],
      [names.dataDisk(node), ids.dataDisk(node)],
    ] as const) {
      await mergeTags(scope, id, () => arm.compute.disks.get(names.resourceGroup, name));
    }
  },
  describe: ({ hardwareProfile, vmId }) => `${hardwareProfile?.vmSize ?? 'no size'}, vmId ${vmId ?? 'unknown'}`,
};
