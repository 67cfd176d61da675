import type { VirtualNetwork } from '@azure/arm-network';
import { restorePoller } from '@azure/arm-network';
import { mergeWanted } from '../../cluster/azure/compare';
import { virtualNetworkBody } from '../../cluster/azure/network';
import type { AzureScope, ResourceKind } from './resource-kind';

const wanted = ({ step, ids, tags }: AzureScope) => virtualNetworkBody(step.specification, ids, tags);

/** Written with all its subnets: Azure deletes those that a PUT leaves out. */
export const virtualNetwork: ResourceKind<VirtualNetwork> = {
  kind: 'virtual-network',
  title: 'virtual network',
  name: ({ names }) => names.virtualNetwork,
  get: ({ arm, names }) => arm.network.virtualNetworks.get(names.resourceGroup, names.virtualNetwork),
  wanted,
  put: (scope, current, options) =>
    scope.arm.network.virtualNetworks
      .createOrUpdate(
        scope.names.resourceGroup,
        scope.names.virtualNetwork,
        mergeWanted(current, wanted(scope)),
        options,
      )
      .serialize(),
  restore: ({ arm }, state, options) =>
    restorePoller(arm.network, state, arm.network.virtualNetworks.createOrUpdate, options),
  describe: ({ addressSpace, subnets }) =>
    `${addressSpace?.addressPrefixes?.join(', ') ?? 'no prefix'}, subnets ${subnets?.map(({ name }) => name).join(', ') ?? 'none'}`,
};
