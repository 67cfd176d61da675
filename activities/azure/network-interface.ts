import type { NetworkInterface } from '@azure/arm-network';
import { restorePoller } from '@azure/arm-network';
import { networkInterfaceBody } from '../../cluster/azure/network';
import type { AzureScope, ResourceKind } from './resource-kind';
import { nodeOf } from './resource-kind';

const wanted = (scope: AzureScope) =>
  networkInterfaceBody(scope.step.specification, scope.ids, nodeOf(scope), scope.tags);

export const networkInterface: ResourceKind<NetworkInterface> = {
  kind: 'network-interface',
  title: 'network interface',
  name: (scope) => scope.names.networkInterface(nodeOf(scope)),
  get: (scope) => scope.arm.network.networkInterfaces.get(scope.names.resourceGroup, networkInterface.name(scope)),
  wanted,
  put: (scope, _current, options) =>
    scope.arm.network.networkInterfaces
      .createOrUpdate(scope.names.resourceGroup, networkInterface.name(scope), wanted(scope), options)
      .serialize(),
  restore: ({ arm }, state, options) =>
    restorePoller(arm.network, state, arm.network.networkInterfaces.createOrUpdate, options),
  // Another address or another port of the balancer would cut a node off that DRBD and Corosync know.
  frozen: true,
  describe: ({ ipConfigurations }) => ipConfigurations?.[0]?.privateIPAddress ?? 'no address',
};
