import { createHash } from 'node:crypto';
import type { Caller, TokenIssuer } from './identity';
import { groupOf, sameId, splitChildId } from './resource-id';
import { addressOf } from './resources/network-interface';
import type { JsonObject, World } from './resources/resource';
import type { VirtualMachine } from './resources/virtual-machine';
import { parsePrefix } from './resources/address';

export interface MetadataRequest {
  method: string;
  /** Path and query, as sent. */
  url: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface MetadataAnswer {
  status: number;
  body: JsonObject | string;
}

/** Versions of the instance part (learn.microsoft.com, "Azure Instance Metadata Service"), newest last. */
const INSTANCE_VERSIONS = (
  '2017-03-01 2017-04-02 2017-08-01 2017-10-01 2017-12-01 2018-02-01 2018-04-02 2018-10-01 2019-02-01 2019-03-11 2019-04-30 ' +
  '2019-06-01 2019-06-04 2019-08-01 2019-08-15 2019-11-01 2020-06-01 2020-07-15 2020-09-01 2020-10-01 2020-12-01 2021-01-01 ' +
  '2021-02-01 2021-03-01 2021-05-01 2021-10-01 2021-11-01 2021-11-15 2021-12-13 2023-07-01 2023-11-15 2025-04-07'
).split(' ');
/** The identity part begins with this one. */
const FIRST_IDENTITY_VERSION = '2018-02-01';

/**
 * The instance metadata service of a machine, as its guest sees it at 169.254.169.254. Who asks is the wire's word, never
 * the request's.
 */
export function createMetadataService(options: { world: World; issuer: TokenIssuer }) {
  const { world, issuer } = options;

  return {
    answer(vmId: string, request: MetadataRequest): MetadataAnswer {
      const url = new URL(request.url, 'http://169.254.169.254');
      const path = url.pathname.toLowerCase().replace(/\/+$/, '');
      const isIdentity = path === '/metadata/identity/oauth2/token';
      const refuse = (text: string, more: JsonObject = {}): MetadataAnswer => ({
        status: 400,
        body: isIdentity
          ? { error: 'invalid_request', error_description: text }
          : { error: `Bad request. ${text}`, ...more },
      });
      if (request.method !== 'GET') return { status: 405, body: { error: 'Method not allowed' } };
      // What a guest passes on for somebody outside must not get a token (server-side request forgery).
      if (request.headers['x-forwarded-for'] !== undefined) {
        return refuse('X-Forwarded-For header is not allowed');
      }
      if (String(request.headers['metadata'] ?? '').toLowerCase() !== 'true') {
        return refuse('Required metadata header not specified');
      }
      if (path === '/metadata/versions') return { status: 200, body: { apiVersions: INSTANCE_VERSIONS } };
      const vm = world.ofType('Microsoft.Compute/virtualMachines').find(({ guid }) => guid === vmId);
      if (vm === undefined) return { status: 404, body: { error: 'Not found' } };
      const version = url.searchParams.get('api-version') ?? '';
      if (isIdentity) {
        if (!/^\d{4}-\d{2}-\d{2}$/.test(version) || version < FIRST_IDENTITY_VERSION) {
          return refuse(version === '' ? 'api-version was not specified' : `api-version '${version}' is not supported`);
        }
        return token(vm, url.searchParams);
      }
      const [instance, ...below] = path.split('/').slice(2);
      if (instance !== 'instance') return { status: 404, body: { error: 'Not found' } };
      if (!INSTANCE_VERSIONS.includes(version)) {
        return refuse(
          `${version === '' ? 'api-version was not specified in the request.' : 'api-version is invalid or was not specified in the request.'} ` +
            'For more information refer to aka.ms/azureimds',
          { 'newest-versions': INSTANCE_VERSIONS.slice(-3).toReversed() },
        );
      }
      return instanceAnswer(vm, below, url.searchParams.get('format') ?? 'json');
    },
  };

  function token(vm: VirtualMachine, query: URLSearchParams): MetadataAnswer {
    const resource = query.get('resource') ?? '';
    const caller = callerOf(vm);
    const bad = (error: string, text: string): MetadataAnswer => ({
      status: 400,
      body: { error, error_description: text },
    });
    if (resource === '') return bad('invalid_request', 'Required audience parameter not specified');
    const others = ['client_id', 'object_id', 'msi_res_id', 'mi_res_id'].filter((name) => query.has(name));
    const wanted = query.get('client_id') ?? query.get('object_id');
    const isOwn = others.length === 0 || wanted === caller?.clientId || wanted === caller?.objectId;
    if (caller === undefined || !isOwn) return bad('invalid_request', 'Identity not found');
    const audience = issuer.audienceOf(resource);
    if (audience === undefined) {
      return bad(
        'invalid_resource',
        `AADSTS500011: The resource principal named ${resource} was not found in the tenant named ${world.tenantId}. This can ` +
          'happen if the application has not been installed by the administrator of the tenant or consented to by any user in ' +
          'the tenant. You might have sent your authentication request to the wrong tenant.',
      );
    }
    const issued = issuer.issueForIdentity({ ...caller, resourceId: vm.id, audience });
    return {
      status: 200,
      body: {
        access_token: issued.token,
        client_id: caller.clientId,
        expires_in: String(issued.expiresAt - issued.issuedAt - 1),
        expires_on: String(issued.expiresAt),
        ext_expires_in: String(issued.expiresAt - issued.issuedAt - 1),
        not_before: String(issued.issuedAt),
        resource,
        token_type: 'Bearer',
      },
    };
  }

  function instanceAnswer(vm: VirtualMachine, below: readonly string[], format: string): MetadataAnswer {
    let value: unknown = { compute: computeOf(vm), network: networkOf(vm) };
    for (const part of below) {
      if (typeof value !== 'object' || value === null) return { status: 404, body: { error: 'Not found' } };
      const name = Object.keys(value).find((known) => known.toLowerCase() === part);
      if (name === undefined) return { status: 404, body: { error: 'Not found' } };
      value = (value as JsonObject)[name];
    }
    const isLeaf = typeof value !== 'object';
    if (format.toLowerCase() === 'text' || isLeaf) {
      // As Azure: text is for leaves, and a leaf is text.
      if (isLeaf) return { status: 200, body: String(value) };
      return { status: 200, body: Object.keys(value as JsonObject).join('\n') };
    }
    return { status: 200, body: value as JsonObject };
  }

  function computeOf(vm: VirtualMachine): JsonObject {
    const { imageReference, osDisk, dataDisks } = vm.properties.storageProfile;
    const tags = Object.entries(vm.tags ?? {});
    return {
      azEnvironment: 'AzurePublicCloud',
      location: vm.location,
      name: vm.name,
      offer: imageReference.offer ?? '',
      osType: osDisk.osType,
      platformFaultDomain: '0',
      platformUpdateDomain: '0',
      provider: 'Microsoft.Compute',
      publisher: imageReference.publisher ?? '',
      resourceGroupName: groupOf(vm.id),
      resourceId: vm.id,
      sku: imageReference.sku ?? '',
      storageProfile: {
        dataDisks: dataDisks.map(({ lun, name, diskSizeGB, managedDisk }) => ({
          lun: String(lun),
          name,
          diskSizeGB: String(diskSizeGB),
          managedDisk: { id: managedDisk.id ?? '', storageAccountType: managedDisk.storageAccountType },
        })),
      },
      subscriptionId: world.subscriptionId,
      tags: tags.map(([name, value]) => `${name}:${value}`).join(';'),
      tagsList: tags.map(([name, value]) => ({ name, value })),
      version: imageReference.exactVersion,
      vmId: vm.guid,
      vmScaleSetName: '',
      vmSize: vm.properties.hardwareProfile.vmSize,
      zone: vm.zones?.[0] ?? '',
    };
  }

  function networkOf(vm: VirtualMachine): JsonObject {
    const nic = world.get(vm.properties.networkProfile.networkInterfaces[0]?.id ?? '');
    if (nic?.type !== 'Microsoft.Network/networkInterfaces') return { interface: [] };
    const subnet = splitChildId(nic.properties.ipConfigurations[0]?.properties.subnet.id ?? '');
    const prefix = world
      .ofType('Microsoft.Network/virtualNetworks')
      .find(({ id }) => sameId(id, subnet.parent))
      ?.properties.subnets.find(({ name }) => name.toLowerCase() === subnet.childName.toLowerCase())
      ?.properties.addressPrefix;
    const length = prefix === undefined ? undefined : parsePrefix(prefix)?.length;
    return {
      interface: [
        {
          ipv4: {
            ipAddress: [{ privateIpAddress: addressOf(nic), publicIpAddress: '' }],
            subnet: [{ address: prefix?.split('/')[0] ?? '', prefix: String(length ?? '') }],
          },
          ipv6: { ipAddress: [] },
          macAddress: (vm.hidden.machine?.nic.mac ?? '').replaceAll(':', '').toUpperCase(),
        },
      ],
    };
  }
}

/** The identity of a machine as a caller of Resource Manager; undefined when it has none. */
export function callerOf(vm: VirtualMachine): Caller | undefined {
  const objectId = vm.identity?.principalId;
  return objectId === undefined ? undefined : { objectId, clientId: clientIdOf(objectId) };
}

/** The application id that goes with a system-assigned identity's object id: Azure's is drawn, and never shown on the VM. */
function clientIdOf(objectId: string): string {
  const digest = createHash('sha256').update(`client ${objectId}`).digest('hex');
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `4${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}
