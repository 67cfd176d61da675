import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readLabDocument } from '../lab-document';
import { readMachineSettings } from '../machine-settings';
import { createWireClient } from '../wire/client';
import type { Problem } from '../wire/problem';
import { createControl } from './control';
import type { LinkFaults } from './faults';
import { createLabMachineHost } from './lab-machines';
import type { PlanConsumer } from './planner';
import { messageOf } from '../../processes/error-message';

/**
 * The control process: `node dist/lab/control/main.js --state DIRECTORY`. Ending it, however, moves no packet and stops
 * no machine; a new one on the same directory goes on with every operation.
 */
const log = (line: string) => process.stdout.write(`${new Date().toISOString()} ${line}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: 'string' },
      pacing: { type: 'string', default: 'quick' },
      'provisioning-timeout': { type: 'string' },
      'role-propagation': { type: 'string' },
    },
  });
  const stateDirectory = values.state;
  if (stateDirectory === undefined) throw new Error('usage: main.js --state DIRECTORY [--pacing quick|realistic]');
  const document = readLabDocument(stateDirectory);
  const machines = readMachineSettings(stateDirectory);
  if (document === undefined || machines === undefined) {
    throw new Error(`${stateDirectory} holds no lab; make one with: hadb lab up`);
  }
  const control = await createControl({
    stateDirectory,
    document,
    host: createLabMachineHost(machines.engine, machines.images),
    network: wireNetwork(join(stateDirectory, 'wire')),
    links: wireLinks(join(stateDirectory, 'wire')),
    pacing: values.pacing === 'realistic' ? 'realistic' : 'quick',
    ...(values['provisioning-timeout'] === undefined
      ? {}
      : { provisioningTimeoutMs: Number(values['provisioning-timeout']) * 1000 }),
    ...(values['role-propagation'] === undefined
      ? {}
      : { rolePropagationMs: Number(values['role-propagation']) * 1000 }),
    log,
  });
  log(`control is ready on 127.0.0.1:${control.port}, process ${process.pid}`);

  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    if (ending) return;
    ending = true;
    log(`control ends (${signal})`);
    control.close().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

function wireNetwork(directory: string): PlanConsumer {
  const client = createWireClient(directory);
  return {
    async putPlan(plan) {
      const { problems } = await client.putPlan(plan);
      return problems.filter(isFatal).map(({ subject, message }) => `${subject}: ${message}`);
    },
    generation: async () => (await client.health()).generation ?? 0,
  };
}

/** A backend without a machine yet is nothing to fail for: the next plan brings it. */
function isFatal({ code }: Problem): boolean {
  return code !== 'UnknownBackend';
}

function wireLinks(directory: string): LinkFaults {
  const client = createWireClient(directory);
  return {
    async put(fault) {
      await client.putFault(fault);
    },
    remove: (id) => client.deleteFault(id),
    list: async () => (await client.status()).faults,
    clear: () => client.clearFaults(),
  };
}

function fail(error: unknown): void {
  log(`control failed: ${messageOf(error)}`);
  process.exit(1);
}

process.on('unhandledRejection', (error) => {
  log(`unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
});
main().catch(fail);
