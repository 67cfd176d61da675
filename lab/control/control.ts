import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../../processes/owned-process';
import { portOf } from '../lab-document';
import type { LabDocument } from '../lab-document';
import { createArmHandler } from './arm';
import type { ArmRequest } from './arm-http';
import { createAccess } from './authorization/access';
import { openRoleRegistry } from './authorization/registry';
import { ensureCertificates } from './certificates';
import { createFaults } from './faults';
import type { LinkFaults } from './faults';
import { startGuestServer } from './guest-server';
import { createTokenIssuer } from './identity';
import type { MachineHost } from './machine-host';
import { createMachineRoom } from './machine-room';
import { createMetadataService } from './metadata-service';
import { createOperationKinds } from './operation-kinds';
import { createOperations } from './operations';
import type { Operations } from './operations';
import type { Pacing } from './pacing';
import { createPlanner } from './planner';
import type { PlanConsumer, PlannerStatus } from './planner';
import type { ResourceOfType, ResourceType } from './resources/resource';
import type { MachineWorld } from './resources/virtual-machine';
import { startServer } from './server';
import { openStore } from './store';

export interface ControlOptions {
  /** The lab's state directory; control keeps its own in `control/`, disks in `disks/`, machines in `machines/`. */
  stateDirectory: string;
  document: LabDocument;
  host: MachineHost;
  network: PlanConsumer;
  links: LinkFaults;
  pacing?: Pacing;
  /** How long a new guest may take to report, ms. Azure waits 20 minutes; a lab guest takes 5 s (UML) to 70 s (TCG). */
  provisioningTimeoutMs?: number;
  /** Total regional cores; Azure begins with 10. */
  coreLimit?: number;
  tokenLifetimeSeconds?: number;
  /** How long a new role assignment, and a new identity, stay unknown, ms. Azure: seconds, ten minutes at most. */
  rolePropagationMs?: number;
  log?: (line: string) => void;
  now?: () => Date;
}

export interface Control {
  readonly port: number;
  readonly status: { network: PlannerStatus; operationsInProgress: number; machines: number };
  close(): Promise<void>;
}

const PROVISIONING_TIMEOUT_MS = 5 * 60_000;
const CORE_LIMIT = 20;
/** Long enough that a client which does not wait is found out, short enough to wait for. */
const ROLE_PROPAGATION_MS = 1000;

/** The lab's control plane: Azure Resource Manager, the token endpoint and the faults API on one HTTPS port. */
export async function createControl(options: ControlOptions): Promise<Control> {
  const { stateDirectory, document, host } = options;
  const log = options.log ?? (() => undefined);
  const now = options.now ?? (() => new Date());
  const directory = join(stateDirectory, 'control');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const startedAt = now().toISOString();
  const certificates = await ensureCertificates(directory, now());
  const store = openStore(directory);

  const world: MachineWorld = {
    subscriptionId: document.subscriptionId,
    tenantId: document.tenantId,
    publicAddressPrefix: document.publicAddressPrefix,
    images: host.images,
    coreLimit: options.coreLimit ?? CORE_LIMIT,
    get: (id) => store.get(id),
    ofType: <Type extends ResourceType>(type: Type): ResourceOfType<Type>[] => store.ofType(type),
    newGuid: () => randomUUID(),
    now,
  };
  const machines = createMachineRoom({
    directory: stateDirectory,
    store,
    host,
    subscriptionId: document.subscriptionId,
    authorityFile: certificates.caFile,
    newGuid: () => randomUUID(),
    now,
  });
  const planner = createPlanner({ directory, resources: () => store.all(), consumer: options.network, log });
  store.onChange(() => planner.changed());

  const kinds = createOperationKinds({
    store,
    world,
    planner,
    machines,
    now,
    provisioningTimeoutMs: options.provisioningTimeoutMs ?? PROVISIONING_TIMEOUT_MS,
    operations: (): Operations => operations,
  });
  const operations: Operations = createOperations({ store, kinds, log, now });

  const propagationMs = options.rolePropagationMs ?? ROLE_PROPAGATION_MS;
  const registry = openRoleRegistry(directory);
  const injected = new WeakMap<ArmRequest, { code: string; message: string }>();
  const arm = createArmHandler({
    store,
    world,
    operations,
    machines,
    pacing: options.pacing ?? 'quick',
    now,
    registry,
    access: createAccess({ registry, ownerObjectId: document.objectId, propagationMs, now }),
    authorization: { ownerObjectId: document.objectId, principalReplicationMs: propagationMs },
    takeInjectedFailure: (request) => injected.get(request),
  });
  const principal = {
    tenantId: document.tenantId,
    clientId: document.clientId,
    clientSecret: document.clientSecret,
    objectId: document.objectId,
  };
  const issuer = createTokenIssuer({
    principal,
    signingKey: ensureSigningKey(directory),
    authorityHost: () => document.authorityHost,
    now,
    ...(options.tokenLifetimeSeconds === undefined ? {} : { lifetimeSeconds: options.tokenLifetimeSeconds }),
  });
  const faults = createFaults({ directory, store, machines, links: options.links, log, now });

  const status = () => ({
    network: planner.status,
    operationsInProgress: store.operations().filter((operation) => operation.status === 'InProgress').length,
    machines: store.ofType('Microsoft.Compute/virtualMachines').length,
  });
  const server = await startServer({
    port: portOf(document),
    certificates,
    arm,
    issuer,
    principal,
    faults,
    faultsToken: document.faultsToken,
    health: () => ({ pid: process.pid, startedAt, subscriptionId: document.subscriptionId, ...status() }),
    prepareFailure: (request, { action }) => {
      if (action.kind === 'failOperation') injected.set(request, { code: action.code, message: action.message });
    },
    log,
  }).catch(async (error: unknown) => {
    await planner.close();
    faults.close();
    throw error;
  });
  const guests = await startGuestServer({
    stateDirectory,
    metadata: createMetadataService({ world, issuer }),
    management: { accept: (socket) => server.acceptGuest(socket) },
    log,
  });
  operations.resume();

  return {
    port: server.port,
    get status() {
      return status();
    },
    async close() {
      await guests.close();
      await server.close();
      await operations.close();
      await planner.close();
      faults.close();
    },
  };
}

function ensureSigningKey(directory: string): string {
  const file = join(directory, 'token-signing-key');
  if (!existsSync(file)) writeFileAtomically(file, randomBytes(48).toString('base64url'));
  return readFileSync(file, 'utf8');
}
