import type { NetworkSecurityGroup } from '@azure/arm-network';
import { restorePoller } from '@azure/arm-network';
import { findAdditions, mergeWanted } from '../../cluster/azure/compare';
import { networkSecurityGroupBody } from '../../cluster/azure/network';
import type { AzureScope, ResourceKind } from './resource-kind';

const wanted = ({ step, tags }: AzureScope) => networkSecurityGroupBody(step.specification, tags);

export const networkSecurityGroup: ResourceKind<NetworkSecurityGroup> = {
  kind: 'network-security-group',
  title: 'network security group',
  name: ({ names }) => names.networkSecurityGroup,
  get: ({ arm, names }) => arm.network.networkSecurityGroups.get(names.resourceGroup, names.networkSecurityGroup),
  wanted,
  put: (scope, current, options) =>
    scope.arm.network.networkSecurityGroups
      .createOrUpdate(
        scope.names.resourceGroup,
        scope.names.networkSecurityGroup,
        mergeWanted(current, wanted(scope)),
        options,
      )
      .serialize(),
  restore: ({ arm }, state, options) =>
    restorePoller(arm.network, state, arm.network.networkSecurityGroups.createOrUpdate, options),
  // A rule of somebody else may open a port: it is left where it is, and reported.
  additions: (scope, current) =>
    findAdditions(wanted(scope).securityRules, current.securityRules ?? []).map((rule) => `has the rule ${rule}`),
  describe: ({ securityRules }) => `${securityRules?.length ?? 0} rules`,
};
