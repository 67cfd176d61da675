import { existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ComputeManagementClient } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ResourceManagementClient } from '@azure/arm-resources';
import { ClientSecretCredential } from '@azure/identity';
import { createControl } from '../../../lab/control/control';
import type { Control, ControlOptions } from '../../../lab/control/control';
import { createLabDocument } from '../../../lab/lab-document';
import type { LabDocument } from '../../../lab/lab-document';
import type { LinkFault, NetworkPlan } from '../../../lab/model';
import { freePort } from '../../free-port';
import { createFakeMachines, removeDirectory } from './fake-machines';
import type { FakeMachines } from './fake-machines';

/** A data plane that remembers what it was told. */
export interface FakeNetwork {
  readonly plans: NetworkPlan[];
  readonly links: Map<string, LinkFault>;
  /** Set to make it refuse plans, as a wire that is not there. */
  down: boolean;
  problems: string[];
  latest(): NetworkPlan;
}

export interface TestLab {
  stateDirectory: string;
  document: LabDocument;
  machines: FakeMachines;
  network: FakeNetwork;
  log: string[];
  control(): Control;
  /** Ends control in order and starts another one on the same directory. */
  restart(overrides?: Partial<ControlOptions>): Promise<void>;
  clients(clientSecret?: string): AzureClients;
  /** A bare request with a valid token unless `authorization` says otherwise. */
  request(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** Names in a directory of the state. */
  filesOf(directory: string): string[];
  close(): Promise<void>;
}

export interface AzureClients {
  compute: ComputeManagementClient;
  network: NetworkManagementClient;
  resources: ResourceManagementClient;
  credential: ClientSecretCredential;
}

export interface RequestOptions {
  body?: unknown;
  headers?: Record<string, string>;
  authorization?: string | null;
}

export interface TestResponse {
  status: number;
  headers: Headers | Record<string, string | string[] | undefined>;
  header(name: string): string | undefined;
  body: Record<string, unknown>;
  error: { code: string; message: string; details?: { code: string; message: string }[] };
}

export function createFakeNetwork(): FakeNetwork {
  const plans: NetworkPlan[] = [];
  return {
    plans,
    links: new Map(),
    down: false,
    problems: [],
    latest() {
      const plan = plans.at(-1);
      if (plan === undefined) throw new Error('no plan yet');
      return plan;
    },
  };
}

export async function startTestLab(
  overrides: Partial<ControlOptions> & { machines?: FakeMachines } = {},
): Promise<TestLab> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'hadb-control-'));
  const document = createLabDocument(stateDirectory, await freePort());
  const machines = overrides.machines ?? createFakeMachines();
  const network = createFakeNetwork();
  const log: string[] = [];
  const { machines: _machines, ...controlOverrides } = overrides;

  const start = (further: Partial<ControlOptions> = {}) =>
    createControl({
      stateDirectory,
      document,
      host: machines,
      network: {
        async putPlan(plan) {
          if (network.down) throw new Error('wire does not run');
          network.plans.push(plan);
          return network.problems;
        },
        generation: async () => network.plans.at(-1)?.generation ?? 0,
      },
      links: {
        put: async (fault) => void network.links.set(fault.id, fault),
        remove: async (id) => void network.links.delete(id),
        list: async () => [...network.links.values()],
        clear: async () => network.links.clear(),
      },
      log: (line) => log.push(line),
      ...controlOverrides,
      ...further,
    });
  let control = await start();
  const authority = () => readFileSync(document.caFile, 'utf8');

  const clients = (clientSecret?: string): AzureClients => connectClients(document, clientSecret);
  let token: string | undefined;

  return {
    stateDirectory,
    document,
    machines,
    network,
    log,
    control: () => control,
    async restart(further) {
      await control.close();
      control = await start(further);
    },
    clients,
    async request(method, path, options = {}) {
      if (options.authorization === undefined && token === undefined) {
        token = (await clients().credential.getToken('https://management.azure.com/.default')).token;
      }
      const authorization = options.authorization === undefined ? `Bearer ${token}` : options.authorization;
      return exchange(document.armEndpoint, authority(), method, path, {
        ...(options.body === undefined ? {} : { body: options.body }),
        headers: {
          ...(authorization === null ? {} : { authorization }),
          ...options.headers,
        },
      });
    },
    filesOf: (directory) =>
      existsSync(join(stateDirectory, directory)) ? readdirSync(join(stateDirectory, directory)) : [],
    async close() {
      await control.close();
      removeDirectory(stateDirectory);
    },
  };
}

/** The Azure clients as a worker makes them. */
export function connectClients(document: LabDocument, clientSecret = document.clientSecret): AzureClients {
  const ca = readFileSync(document.caFile, 'utf8');
  const credential = new ClientSecretCredential(document.tenantId, document.clientId, clientSecret, {
    authorityHost: document.authorityHost,
    disableInstanceDiscovery: true,
    tlsOptions: { ca },
    retryOptions: { maxRetries: 0 },
  });
  const options = {
    endpoint: document.armEndpoint,
    tlsOptions: { ca },
    retryOptions: { maxRetries: 2, retryDelayInMs: 50 },
  };
  return {
    credential,
    compute: new ComputeManagementClient(credential, document.subscriptionId, options),
    network: new NetworkManagementClient(credential, document.subscriptionId, options),
    resources: new ResourceManagementClient(credential, document.subscriptionId, options),
  };
}

async function exchange(
  endpoint: string,
  ca: string,
  method: string,
  path: string,
  options: { body?: unknown; headers: Record<string, string> },
): Promise<TestResponse> {
  const { request } = await import('node:https');
  const url = new URL(path.startsWith('https:') ? path : `${endpoint}${path}`);
  return new Promise((resolve, reject) => {
    const text =
      typeof options.body === 'string' ? options.body : options.body === undefined ? '' : JSON.stringify(options.body);
    const sent = request(
      url,
      {
        method,
        ca,
        agent: false,
        headers: { ...options.headers, ...(text === '' ? {} : { 'content-type': 'application/json' }) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const received = Buffer.concat(chunks).toString('utf8');
          const body = (received === '' ? {} : JSON.parse(received)) as Record<string, unknown>;
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            header: (name) => {
              const value = response.headers[name.toLowerCase()];
              return Array.isArray(value) ? value.join(', ') : value;
            },
            body,
            error: (body['error'] ?? { code: '', message: '' }) as TestResponse['error'],
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

export const LOCATION = 'westeurope';
export const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample1234567890123456789012345678901234 test';
