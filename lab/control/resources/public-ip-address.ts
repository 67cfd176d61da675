import { z } from 'zod';
import { ArmError, notInLab, propertyChangeNotAllowed } from '../arm-error';
import { useOfPublicAddress } from './references';
import { parseProperties, withoutReadOnly } from './resource';
import type { JsonObject, ResourceBase, ResourceKind, World } from './resource';

const schema = z.looseObject({
  publicIPAllocationMethod: z.enum(['Static', 'Dynamic']).default('Dynamic'),
  publicIPAddressVersion: z.enum(['IPv4', 'IPv6']).default('IPv4'),
  idleTimeoutInMinutes: z.int().min(4).max(30).default(4),
  dnsSettings: z.looseObject({ domainNameLabel: z.string().optional() }).optional(),
});

export type PublicIpAddress = ResourceBase<
  'Microsoft.Network/publicIPAddresses',
  z.infer<typeof schema> & {
    /** Of 127.0.0.0/8; assigned once and kept. */
    ipAddress: string;
  }
>;

export const publicIpAddresses: ResourceKind<PublicIpAddress> = {
  type: 'Microsoft.Network/publicIPAddresses',
  writes: 'network',
  operation: 'PutPublicIpAddressOperation',
  location: 'required',
  wanted(request, current, world) {
    const given = parseProperties(schema, request.properties);
    const sku = (request.body['sku'] as { name?: string } | undefined)?.name ?? current?.sku?.name ?? 'Basic';
    if (given.publicIPAddressVersion === 'IPv6') throw notInLab('The lab has IPv4 only.', 'publicIPAddressVersion');
    if (sku === 'Standard' && given.publicIPAllocationMethod !== 'Static') {
      throw new ArmError(
        400,
        'PublicIPAndSkuAllocationMethodMismatch',
        `Standard sku publicIp ${request.id} must have AllocationMethod set to Static.`,
      );
    }
    if (current?.sku !== undefined && current.sku.name !== sku) throw propertyChangeNotAllowed('sku.name');
    const label = given.dnsSettings?.domainNameLabel;
    if (label !== undefined) assertLabel(label, request.id, request.location, world);
    return {
      properties: {
        ...withoutReadOnly(given, 'ipConfiguration', 'ddosSettings'),
        ipAddress: current?.properties.ipAddress ?? freeAddress(world),
        ...(label === undefined ? {} : { dnsSettings: { domainNameLabel: label.toLowerCase() } }),
      },
      sku: { name: sku, tier: 'Regional' },
    };
  },
  render(resource, world) {
    const { dnsSettings, ...properties } = resource.properties;
    const user = useOfPublicAddress(resource.id, world);
    const fqdn = fullyQualifiedName(resource);
    return {
      ipTags: [],
      ...properties,
      ...(dnsSettings === undefined
        ? {}
        : { dnsSettings: { ...dnsSettings, ...(fqdn === undefined ? {} : { fqdn }) } }),
      ...(user === undefined ? {} : { ipConfiguration: { id: user.id } }),
    } satisfies JsonObject;
  },
  assertDeletable(resource, world) {
    const user = useOfPublicAddress(resource.id, world);
    if (user === undefined) return;
    throw new ArmError(
      400,
      'PublicIPAddressCannotBeDeleted',
      `Public IP address ${resource.id} can not be deleted since it is still allocated to resource ${user.id}. In order to ` +
        'delete the public IP, disassociate/detach the Public IP address from the resource. To learn how to do this, see ' +
        'aka.ms/deletepublicip.',
    );
  },
};

export function fullyQualifiedName(resource: PublicIpAddress): string | undefined {
  const label = resource.properties.dnsSettings?.domainNameLabel;
  return label === undefined ? undefined : `${label}.${resource.location}.cloudapp.azure.com`;
}

function assertLabel(label: string, id: string, location: string, world: World): void {
  if (!/^[a-z][a-z0-9-]{1,61}[a-z0-9]$/.test(label)) {
    throw new ArmError(
      400,
      'InvalidDomainNameLabel',
      `The domain name label ${label} is invalid. It must conform to the following regular expression: ` +
        '^[a-z][a-z0-9-]{1,61}[a-z0-9]$.',
    );
  }
  const other = world
    .ofType('Microsoft.Network/publicIPAddresses')
    .find(
      (address) =>
        address.id.toLowerCase() !== id.toLowerCase() &&
        address.location === location &&
        address.properties.dnsSettings?.domainNameLabel === label,
    );
  if (other !== undefined) {
    throw new ArmError(
      400,
      'DnsRecordInUse',
      `DNS record ${label}.${location}.cloudapp.azure.com is already used by another public IP.`,
    );
  }
}

function freeAddress(world: World): string {
  const taken = new Set(
    world.ofType('Microsoft.Network/publicIPAddresses').map(({ properties }) => properties.ipAddress),
  );
  for (let last = 1; last <= 254; last++) {
    const address = `${world.publicAddressPrefix}.${last}`;
    if (!taken.has(address)) return address;
  }
  throw new ArmError(
    400,
    'PublicIPCountLimitReached',
    'Cannot create more than 254 public IP addresses for this subscription in this region.',
  );
}
