import type { PublicIPAddress } from '@azure/arm-network';
import { restorePoller } from '@azure/arm-network';
import { mergeWanted } from '../../cluster/azure/compare';
import { publicAddressBody } from '../../cluster/azure/network';
import { HadbError } from '../../cluster/errors';
import { secretNames } from '../../cluster/ids';
import { CLIENT_USER } from '../../cluster/database/statements';
import type { AzureScope, ResourceKind } from './resource-kind';

const wanted = ({ step, tags }: AzureScope) => publicAddressBody(step.specification, tags);

export const publicAddress: ResourceKind<PublicIPAddress> = {
  kind: 'public-address',
  title: 'public address',
  name: ({ names }) => names.publicAddress,
  get: ({ arm, names }) => arm.network.publicIPAddresses.get(names.resourceGroup, names.publicAddress),
  wanted,
  put: (scope, current, options) =>
    scope.arm.network.publicIPAddresses
      .createOrUpdate(
        scope.names.resourceGroup,
        scope.names.publicAddress,
        mergeWanted(current, wanted(scope)),
        options,
      )
      .serialize(),
  restore: ({ arm }, state, options) =>
    restorePoller(arm.network, state, arm.network.publicIPAddresses.createOrUpdate, options),
  describe: ({ dnsSettings, ipAddress }) => `${dnsSettings?.fqdn ?? 'no name'} is ${ipAddress ?? 'not allocated'}`,
};

/** Where clients find the database and administrators the nodes. */
export interface Endpoint {
  host: string;
  address: string;
  port: number;
  user: string;
  /** Name in the secret store, and where a person finds it. */
  passwordSecret: string;
  passwordLocation: string;
  sshPorts: Record<string, number>;
  adminUser: string;
}

/** Errors: NotReady when Azure has not allocated the address. */
export async function readEndpoint(scope: AzureScope): Promise<Endpoint> {
  const { specification } = scope.step;
  const { dnsSettings, ipAddress } = await publicAddress.get(scope);
  if (dnsSettings?.fqdn === undefined || ipAddress === undefined) {
    throw new HadbError('NotReady', `the public address of ${specification.name} has no name or no address yet`, {
      subject: scope.names.publicAddress,
    });
  }
  const passwordSecret = secretNames(specification.name).clientPassword;
  return {
    host: dnsSettings.fqdn,
    address: ipAddress,
    port: specification.database.port,
    user: CLIENT_USER,
    passwordSecret,
    passwordLocation: scope.secrets.locate(passwordSecret),
    sshPorts: Object.fromEntries(specification.nodes.map(({ name, sshPort }) => [name, sshPort])),
    adminUser: specification.vm.adminUser,
  };
}
