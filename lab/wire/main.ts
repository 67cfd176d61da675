import { constants, setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../../processes/error-message';
import { createWireClient } from './client';
import { openControlEndpoint } from './control-endpoint';
import { createLineLog } from './log';
import { readMirrorBases } from './package-mirror';
import { makePrivateDirectory } from './socket-path';
import { createWire } from './wire';

/**
 * The wire process: `node dist/lab/wire/main.js --state DIRECTORY`. TERM and INT end it in order, gateways included;
 * after KILL a new one on the same directory goes on, and finds the gateways again.
 */
const log = createLineLog(
  (line) => process.stdout.write(line),
  () => new Date(),
);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: 'string' },
      qemu: { type: 'string' },
      'guest-socket': { type: 'string' },
      'debian-mirror': { type: 'string' },
      'debian-security-mirror': { type: 'string' },
    },
  });
  if (values.state === undefined)
    throw new Error('usage: main.js --state DIRECTORY [--guest-socket FILE] [--qemu COMMAND] [--debian-mirror URL]');
  makePrivateDirectory(values.state);
  const other = await createWireClient(values.state, { timeoutMs: 2000 })
    .health()
    .catch(() => undefined);
  if (other !== undefined) throw new Error(`wire runs here already (process ${other.pid}, ${values.state})`);

  const wire = await createWire({
    stateDirectory: values.state,
    log,
    ...(values.qemu === undefined ? {} : { qemu: values.qemu }),
    ...(values['guest-socket'] === undefined ? {} : { guestSocketFile: values['guest-socket'] }),
    readMirrorBases: () => {
      const bases = readMirrorBases();
      return {
        archive: values['debian-mirror'] ?? bases.archive,
        security: values['debian-security-mirror'] ?? bases.security,
      };
    },
  });
  const endpoint = await openControlEndpoint(values.state, wire);
  log('wire-ready', { pid: process.pid, generation: wire.status().generation });

  preferOverMachines();

  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    if (ending) return;
    ending = true;
    log('wire-ending', { signal });
    void endpoint
      .close()
      .then(() => wire.close({ gateways: 'stop' }))
      .then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

/** On a host that is overloaded the network should be the last thing to be late: late frames look like dead nodes. */
function preferOverMachines(): void {
  try {
    setPriority(constants.priority.PRIORITY_ABOVE_NORMAL);
  } catch {
    // Only the superuser may.
  }
}

function fail(error: unknown): void {
  log('wire-failed', { reason: messageOf(error) });
  process.exit(1);
}

// A data plane that dies of one bad connection would be a partition of its own; it says what happened and goes on.
process.on('uncaughtException', (error) => log('unexpected-error', { reason: error.stack ?? error.message }));
process.on('unhandledRejection', (error) => log('unexpected-error', { reason: messageOf(error) }));
main().catch(fail);
