import { createControl } from '../../../lab/control/control';
import { readLabDocument } from '../../../lab/lab-document';
import { createFakeMachines } from './fake-machines';

/** Control in a process of its own with machines that are none, to be killed: `control-process.ts DIRECTORY BOOT_MS`. */
async function main(): Promise<void> {
  const [stateDirectory, bootMs] = process.argv.slice(2);
  if (stateDirectory === undefined) throw new Error('usage: control-process.ts DIRECTORY BOOT_MS');
  const document = readLabDocument(stateDirectory);
  if (document === undefined) throw new Error(`no lab in ${stateDirectory}`);
  let generation = 0;
  await createControl({
    stateDirectory,
    document,
    host: createFakeMachines({ bootMs: Number(bootMs ?? 20) }),
    network: {
      putPlan: async (plan) => {
        generation = plan.generation;
        return [];
      },
      generation: async () => generation,
    },
    links: {
      put: async () => undefined,
      remove: async () => undefined,
      list: async () => [],
      clear: async () => undefined,
    },
  });
  process.stdout.write('ready\n');
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
