import { z } from 'zod';
import { ArmError, notInLab } from '../arm-error';
import type { AvailabilitySet } from './availability-set';
import type { Disk } from './disk';
import type { LoadBalancer } from './load-balancer';
import type { NetworkInterface } from './network-interface';
import type { NetworkSecurityGroup } from './network-security-group';
import type { ProximityPlacementGroup } from './proximity-placement-group';
import type { PublicIpAddress } from './public-ip-address';
import type { ResourceGroup } from './resource-group';
import type { VirtualMachine } from './virtual-machine';
import type { VirtualNetwork } from './virtual-network';

export type JsonObject = Record<string, unknown>;

export type ProvisioningState = 'Succeeded' | 'Creating' | 'Updating' | 'Deleting' | 'Failed';

/** One document on disk. What Azure derives from other resources (managedBy, ipConfigurations, ...) is never stored. */
export interface ResourceBase<Type extends string, Properties> {
  id: string;
  name: string;
  type: Type;
  location: string;
  tags?: Record<string, string>;
  sku?: { name: string; tier?: string };
  zones?: string[];
  identity?: ManagedIdentity;
  /** Changes with every write; shown as `W/"..."`. */
  etag: string;
  /** resourceGuid, vmId or uniqueId, as the type names it. */
  guid: string;
  provisioningState: ProvisioningState;
  createdAt: string;
  properties: Properties;
}

export interface ManagedIdentity {
  type: string;
  principalId?: string;
  tenantId?: string;
  userAssignedIdentities?: JsonObject;
  /** When it was made; never shown. The directory knows it some time later. */
  createdAt?: string;
}

export type Resource =
  | AvailabilitySet
  | Disk
  | LoadBalancer
  | NetworkInterface
  | NetworkSecurityGroup
  | ProximityPlacementGroup
  | PublicIpAddress
  | ResourceGroup
  | VirtualMachine
  | VirtualNetwork;

export type ResourceType = Resource['type'];
export type ResourceOfType<Type extends ResourceType> = Extract<Resource, { type: Type }>;

/** What the resource types may know of everything else. */
export interface World {
  readonly subscriptionId: string;
  readonly tenantId: string;
  /** First three octets of the public addresses, for instance `127.83.12`. */
  readonly publicAddressPrefix: string;
  get(id: string): Resource | undefined;
  ofType<Type extends ResourceType>(type: Type): ResourceOfType<Type>[];
  newGuid(): string;
  now(): Date;
}

/** A PUT as far as all types share it; `properties` is the type's own business. */
export interface WantedRequest {
  /** Id in the casing of the first writer. */
  id: string;
  name: string;
  location: string;
  body: JsonObject;
  properties: JsonObject;
}

export interface ResourceKind<R extends Resource = Resource> {
  readonly type: R['type'];
  /** How a write answers: at once, or as network or compute operation. */
  readonly writes: 'sync' | 'network' | 'compute';
  /** Azure's name of the write in messages about operations. */
  readonly operation: string;
  readonly location: 'required' | 'none';
  /** The document that a PUT asks for; throws `ArmError` when it cannot be. Pure but for `world`. */
  wanted(request: WantedRequest, current: R | undefined, world: World): Pick<R, 'properties'> & Partial<R>;
  /** `properties` as a GET shows them, without provisioningState. */
  render(resource: R, world: World): JsonObject;
  /** Throws when something else still uses the resource. `except` are ids that go away together with it. */
  assertDeletable(resource: R, world: World): void;
  readonly children?: Readonly<Record<string, ChildKind>>;
}

/** A child resource that lives in an array of its parent's properties. */
export interface ChildKind {
  /** Name in URLs, in its canonical casing; also the name of the array. */
  readonly name: string;
  readonly writable: boolean;
  readonly operation: string;
}

export const subResourceSchema = z.looseObject({ id: z.string().min(1) });
export type SubResource = z.infer<typeof subResourceSchema>;

/** Parses the properties of a PUT or refuses them as the network provider does. */
export function parseProperties<Schema extends z.ZodType>(schema: Schema, properties: unknown): z.infer<Schema> {
  const result = schema.safeParse(properties);
  if (result.success) return result.data;
  throw new ArmError(400, 'InvalidRequestFormat', 'Cannot parse the request.', {
    details: result.error.issues.map((issue) => ({
      code: 'InvalidJson',
      message: `properties.${issue.path.join('.')}: ${issue.message}`,
    })),
  });
}

/** `W/"guid"`, as shown in bodies and in the ETag header. */
export function weakEtag(etag: string): string {
  return `W/"${etag}"`;
}

/** Drops what only the server says, so that a GET can be sent back as PUT. */
export function withoutReadOnly<T extends JsonObject>(properties: T, ...further: string[]): T {
  const readOnly = new Set(['provisioningState', 'resourceGuid', ...further]);
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !readOnly.has(name))) as T;
}

/** Refuses properties that would be taken and ignored; each with the sentence that says so. Empty lists ask for nothing. */
export function refuseFeatures(properties: JsonObject, sentences: Readonly<Record<string, string>>): void {
  for (const [name, sentence] of Object.entries(sentences)) {
    const value = properties[name];
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) continue;
    throw notInLab(sentence, name);
  }
}

/** A child as it stands in its parent's body and behind its own URL. */
export function renderChild(
  parent: Resource,
  arrayName: string,
  child: { name: string; properties: JsonObject },
  derived: JsonObject = {},
): JsonObject {
  return {
    name: child.name,
    id: `${parent.id}/${arrayName}/${child.name}`,
    etag: weakEtag(parent.etag),
    type: `${parent.type}/${arrayName}`,
    properties: { provisioningState: parent.provisioningState, ...child.properties, ...derived },
  };
}

export function assertDistinctNames(children: readonly { name: string }[], what: string): void {
  const seen = new Set<string>();
  for (const { name } of children) {
    const key = name.toLowerCase();
    if (seen.has(key)) {
      throw new ArmError(400, 'InvalidRequestFormat', 'Cannot parse the request.', {
        details: [
          { code: 'DuplicateResourceName', message: `Resource ${what} has two child resources with the name ${name}.` },
        ],
      });
    }
    seen.add(key);
  }
}
