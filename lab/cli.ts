import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SettingsError, readLabSettings } from '../settings';
import type { LabSettings } from '../settings';
import { IMAGE_KINDS } from './images/contents';
import type { ImageKind } from './images/contents';
import { UNUSED_IMAGE_DAYS } from './images/image';
import { listCachedImages, recordImageUser, removeUnusedImages } from './images/image-cache';
import type { CachedImage } from './images/image-cache';
import {
  controlLog,
  environmentOf,
  findMachine,
  labDirectory,
  labDown,
  labStatus,
  labUp,
  wireDirectory,
  wireLog,
} from './lab';
import type { LabStatus } from './lab';
import { StoreError } from './control/store';
import { callLab, readControlHealth } from './lab-client';
import type { ControlHealth } from './lab-client';
import { readLabDocument } from './lab-document';
import type { LabDocument } from './lab-document';
import type { DiskFault } from './model';
import { LabStateError } from './state-file';
import { createWireClient } from './wire/client';
import type { WireStatus } from './wire/status';
import { messageOf } from '../processes/error-message';

/** What `hadb lab` needs of its caller. */
export interface LabCommandContext {
  readonly process: {
    /** `writable` is false once nobody reads any more; that ends `--follow`, too. */
    readonly stdout: { write(text: string): unknown; readonly writable?: boolean };
    readonly stderr: { write(text: string): unknown };
  };
  /** Aborted by Ctrl-C; ends `--follow`. */
  readonly interrupt?: AbortSignal;
  /** The whole environment, as settings are read from it. */
  readonly settings: { readonly temporalEnvironment: Readonly<Record<string, string>> };
}

const EXIT = { done: 0, failed: 1, usage: 64 } as const;

const USAGE = `usage: hadb lab <command>

  up [--image ${IMAGE_KINDS.join('|')}] [--pacing quick|realistic] [--role-propagation SECONDS] [--json]
                             bring the lab up, or find it up
  down [--purge]             end machines, network and ARM endpoint; --purge removes their state, too
  status [--json]            what runs, and how the network is
  env                        environment of a client, as export lines (holds the client's secret)
  console <vm> [--follow] [--lines N]
                             what the machine wrote on its console
  logs [control|wire] [--follow] [--lines N]
  images [--prune] [--unused-days N] [--json]
                             images in the cache; --prune removes those unused for so long (default ${UNUSED_IMAGE_DAYS} days)
                             that are not their kind's newest and that no lab runs on
  faults [list]              faults in force
  faults cut <from> [<to>] [--one-way] [--ttl SECONDS]
                             no frame between the machines; "*" is everything, "gateway" what comes from outside,
                             "management" and "metadata" what guests reach of the cloud
  faults slow <from> [<to>] [--delay MS] [--loss 0..1] [--one-way] [--ttl SECONDS]
  faults restore <id>        one link fault ends
  faults disk <vm> read-errors|write-errors|slow|sound [--lun N] [--iops N] [--ttl SECONDS]
                             a data disk fails or is slow (engine uml: write-errors only), or is as it was
  faults pause|resume|kill|reset <vm> [--ttl SECONDS]
  faults arm <id> <json>     strike requests to the ARM endpoint (lab/README.md), or end that: faults disarm <id>
  faults clear               every fault ends
`;

class UsageError extends Error {}

/** Runs one command of `hadb lab`; resolves with the exit code. Errors are said on stderr. */
export async function runLabCommand(words: readonly string[], context: LabCommandContext): Promise<number> {
  try {
    return await run(words, context);
  } catch (error) {
    if (error instanceof SettingsError) {
      context.process.stderr.write(`hadb lab: ${error.message}\n`);
      return EXIT.usage;
    }
    if (error instanceof UsageError || isParseArgsError(error)) {
      context.process.stderr.write(`hadb lab: ${messageOf(error)}\n\n${USAGE}`);
      return EXIT.usage;
    }
    const code = error instanceof LabStateError || error instanceof StoreError ? 'HADB_E4012 ' : '';
    context.process.stderr.write(`hadb lab: ${code}${messageOf(error)}\n`);
    return EXIT.failed;
  }
}

async function run(words: readonly string[], context: LabCommandContext): Promise<number> {
  const [command, ...rest] = words;
  const settings = readLabSettings(context.settings.temporalEnvironment);
  switch (command) {
    case 'up':
      return up(rest, settings, context);
    case 'down':
      return down(rest, settings, context);
    case 'status':
      return status(rest, settings, context);
    case 'env':
      return environment(rest, settings, context);
    case 'console':
      return showConsole(rest, settings, context);
    case 'logs':
      return logs(rest, settings, context);
    case 'images':
      return images(rest, settings, context);
    case 'faults':
      return faults(rest, settings, context);
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      context.process.stdout.write(USAGE);
      return command === undefined ? EXIT.usage : EXIT.done;
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

async function up(words: readonly string[], settings: LabSettings, context: LabCommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      image: { type: 'string' },
      pacing: { type: 'string' },
      'role-propagation': { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const propagation = values['role-propagation'];
  if (propagation !== undefined && !/^\d+(\.\d+)?$/.test(propagation)) {
    throw new UsageError(`--role-propagation takes seconds, not ${propagation}`);
  }
  const image = oneOf<ImageKind>('--image', values.image, IMAGE_KINDS);
  const pacing = oneOf('--pacing', values.pacing, ['quick', 'realistic'] as const);
  const { document, engine } = await labUp({
    settings,
    ...(image === undefined ? {} : { image }),
    ...(pacing === undefined ? {} : { pacing }),
    ...(propagation === undefined ? {} : { rolePropagationSeconds: Number(propagation) }),
    onProgress: (sentence) => context.process.stderr.write(`${sentence}\n`),
    onWarning: (sentence) => context.process.stderr.write(`HADB_W5006 ${sentence}\n`),
  });
  const shown = {
    engine,
    armEndpoint: document.armEndpoint,
    subscriptionId: document.subscriptionId,
    nameServer: document.nameServer,
    directory: labDirectory(settings),
  };
  context.process.stdout.write(
    values.json
      ? `${JSON.stringify(shown)}\n`
      : `the lab runs (engine ${engine}): ARM at ${document.armEndpoint}, subscription ${document.subscriptionId}\n` +
          'a client of it: eval "$(hadb lab env)"\n',
  );
  return EXIT.done;
}

async function down(words: readonly string[], settings: LabSettings, context: LabCommandContext): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { purge: { type: 'boolean', default: false } } });
  await labDown({
    settings,
    purge: values.purge,
    onProgress: (sentence) => context.process.stderr.write(`${sentence}\n`),
  });
  context.process.stdout.write(values.purge ? 'the lab is gone\n' : 'the lab is down; its state is kept\n');
  return EXIT.done;
}

interface FullStatus extends Omit<LabStatus, 'environment'> {
  state: 'absent' | 'down' | 'running' | 'degraded';
  control?: ControlHealth;
  network?: WireStatus;
}

async function readFullStatus(settings: LabSettings): Promise<FullStatus> {
  const { environment: _secrets, ...found } = labStatus({ settings });
  if (found.problem !== undefined) return { ...found, state: 'degraded' };
  const document = readLabDocument(found.directory);
  if (document === undefined) return { ...found, state: 'absent' };
  const control = await readControlHealth(document);
  const network = await createWireClient(wireDirectory(found.directory), { timeoutMs: 3000 })
    .status()
    .catch(() => undefined);
  const running = found.processes.filter(({ state }) => state === 'running').length;
  const healthy = control !== undefined && network !== undefined;
  return {
    ...found,
    state: healthy
      ? 'running'
      : running === 0 && found.machines.every(({ state }) => state !== 'running')
        ? 'down'
        : 'degraded',
    ...(control === undefined ? {} : { control }),
    ...(network === undefined ? {} : { network }),
  };
}

async function status(words: readonly string[], settings: LabSettings, context: LabCommandContext): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { json: { type: 'boolean', default: false } } });
  const found = await readFullStatus(settings);
  context.process.stdout.write(values.json ? `${JSON.stringify(found)}\n` : describeStatus(found));
  return found.state === 'degraded' ? EXIT.failed : EXIT.done;
}

function describeStatus(found: FullStatus): string {
  const lines = [
    `lab ${found.state}${found.engine === undefined ? '' : `, engine ${found.engine}`} (${found.directory})`,
  ];
  for (const { name, state, pid, logFile, address } of found.processes) {
    const further = [
      pid === undefined ? '' : `process ${pid}`,
      address ?? '',
      logFile === undefined ? '' : `log ${logFile}`,
    ];
    lines.push(['  '.concat(name.padEnd(9)), state, ...further].filter((part) => part !== '').join(' '));
  }
  for (const { virtualNetwork, state, pid } of found.network?.gateways ?? []) {
    lines.push(`  gateway   ${state}${pid === undefined ? '' : ` process ${pid}`} of ${virtualNetwork}`);
  }
  for (const { name, vmId, state } of found.machines) lines.push(`  machine   ${state} ${name} ${vmId}`);
  for (const { rule, address, healthy, since } of found.network?.backends ?? []) {
    lines.push(`  backend   ${healthy ? 'healthy' : 'unhealthy'} ${address} of ${rule} since ${since}`);
  }
  for (const { id, from, to, loss, delayMs } of found.network?.faults ?? []) {
    lines.push(`  fault     ${id}: ${from} to ${to}, loss ${loss}, delay ${delayMs} ms`);
  }
  const problems = new Set([
    ...(found.network?.problems ?? []).map(({ subject, message }) => `${subject}: ${message}`),
    ...(found.control?.network.problems ?? []),
  ]);
  if (found.problem !== undefined) lines.push(`  problem   HADB_E4012 ${found.problem}`);
  for (const problem of problems) lines.push(`  problem   ${problem}`);
  return `${lines.join('\n')}\n`;
}

async function environment(
  words: readonly string[],
  settings: LabSettings,
  context: LabCommandContext,
): Promise<number> {
  parseArgs({ args: [...words], options: {} });
  const document = readLabDocument(labDirectory(settings));
  if (document === undefined) throw new Error('there is no lab; make one with: hadb lab up');
  for (const [name, value] of Object.entries(environmentOf(document)))
    context.process.stdout.write(`export ${name}='${value}'\n`);
  return EXIT.done;
}

async function showConsole(
  words: readonly string[],
  settings: LabSettings,
  context: LabCommandContext,
): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { follow: { type: 'boolean', short: 'f', default: false }, lines: { type: 'string', default: '200' } },
  });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw new UsageError('console needs the name of one machine');
  const { consoleFile } = findMachine(settings, name);
  await print(consoleFile, { follow: values.follow, lines: count('--lines', values.lines) }, context);
  return EXIT.done;
}

async function logs(words: readonly string[], settings: LabSettings, context: LabCommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { follow: { type: 'boolean', short: 'f', default: false }, lines: { type: 'string', default: '50' } },
  });
  const which = positionals.length === 0 ? ['control', 'wire'] : positionals;
  const directory = labDirectory(settings);
  const files = which.map((name) => {
    if (name === 'control') return controlLog(directory);
    if (name === 'wire') return wireLog(directory);
    throw new UsageError(`there is no log ${name}; use control or wire`);
  });
  if (values.follow && files.length > 1) throw new UsageError('--follow needs one log: control or wire');
  for (const file of files) {
    if (files.length > 1) context.process.stdout.write(`==> ${file} <==\n`);
    await print(file, { follow: values.follow, lines: count('--lines', values.lines) }, context);
  }
  return EXIT.done;
}

async function images(words: readonly string[], settings: LabSettings, context: LabCommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      prune: { type: 'boolean', default: false },
      'unused-days': { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { cacheDirectory } = settings;
  const days = values['unused-days'] === undefined ? UNUSED_IMAGE_DAYS : Number(values['unused-days']);
  if (!Number.isFinite(days) || days < 0) {
    throw new UsageError(`--unused-days is ${values['unused-days']}; use a number of days`);
  }
  // A lab of before images had users on record.
  if (existsSync(labDirectory(settings))) recordImageUser(cacheDirectory, labDirectory(settings));
  const removed = values.prune
    ? await removeUnusedImages({
        cacheDirectory,
        unusedMs: days * 86_400_000,
        onProgress: (sentence) => context.process.stderr.write(`${sentence}\n`),
      })
    : [];
  const kept = listCachedImages(cacheDirectory);
  const line = ({ name, bytes, usedAt, keptFor }: CachedImage) =>
    `${name.padEnd(28)} ${(bytes / 2 ** 30).toFixed(2)} GiB, used ${usedAt.toISOString().slice(0, 16)}Z` +
    `${keptFor === undefined ? '' : `, ${keptFor}`}\n`;
  context.process.stdout.write(
    values.json
      ? `${JSON.stringify({ images: kept, removed })}\n`
      : [...removed.map((image) => `removed ${line(image)}`), ...kept.map(line)].join(''),
  );
  return EXIT.done;
}

async function faults(words: readonly string[], settings: LabSettings, context: LabCommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      'one-way': { type: 'boolean', default: false },
      ttl: { type: 'string' },
      delay: { type: 'string' },
      loss: { type: 'string' },
      lun: { type: 'string', default: '0' },
      iops: { type: 'string', default: '20' },
    },
  });
  const document = readLabDocument(labDirectory(settings));
  if (document === undefined) throw new Error('there is no lab; make one with: hadb lab up');
  const [action = 'list', first, second] = positionals;
  const ttl = values.ttl === undefined ? {} : { ttlSeconds: count('--ttl', values.ttl) };
  const call = (method: string, path: string, body?: unknown) => callFaults(document, context, method, path, body);
  switch (action) {
    case 'list':
      return call('GET', '');
    case 'clear':
      return call('DELETE', '');
    case 'cut':
    case 'slow': {
      if (first === undefined) throw new UsageError(`faults ${action} needs the name of a machine`);
      const to = second ?? '*';
      return call('PUT', `/links/${encodeURIComponent(`${first}-${to}`)}`, {
        from: first,
        to,
        bothDirections: !values['one-way'],
        loss: action === 'cut' ? 1 : Number(values.loss ?? 0),
        delayMs: Number(values.delay ?? 0),
        ...ttl,
      });
    }
    case 'restore':
      if (first === undefined) throw new UsageError('faults restore needs the id of a link fault (hadb lab faults)');
      return call('DELETE', `/links/${encodeURIComponent(first)}`);
    case 'pause':
    case 'resume':
    case 'kill':
    case 'reset':
      if (first === undefined) throw new UsageError(`faults ${action} needs the name of a machine`);
      return call('POST', `/machines/${encodeURIComponent(first)}/${action}`, ttl);
    case 'disk': {
      if (first === undefined || second === undefined) throw new UsageError('faults disk needs a machine and a state');
      const path = `/disks/${encodeURIComponent(first)}/${encodeURIComponent(values.lun)}`;
      const fault = diskFault(second, values.iops);
      return fault === undefined ? call('DELETE', path) : call('PUT', path, { ...fault, ...ttl });
    }
    case 'arm':
      if (first === undefined || second === undefined) throw new UsageError('faults arm needs an id and a JSON object');
      return call('PUT', `/arm/${encodeURIComponent(first)}`, parseJson(second));
    case 'disarm':
      if (first === undefined) throw new UsageError('faults disarm needs an id');
      return call('DELETE', `/arm/${encodeURIComponent(first)}`);
    default:
      throw new UsageError(`there is no faults ${action}`);
  }
}

function diskFault(state: string, iops: string): DiskFault | undefined {
  switch (state) {
    case 'read-errors':
      return { kind: 'failing', operations: 'read' };
    case 'write-errors':
      return { kind: 'failing', operations: 'write' };
    case 'slow':
      return { kind: 'slow', operationsPerSecond: count('--iops', iops) };
    case 'sound':
      return undefined;
    default:
      throw new UsageError(`a disk has no state ${state}; use read-errors, write-errors, slow or sound`);
  }
}

async function callFaults(
  document: LabDocument,
  context: LabCommandContext,
  method: string,
  path: string,
  body: unknown,
): Promise<number> {
  const answer = await callLab(document, method, `${document.faultsEndpoint}${path}`, body);
  if (answer.status >= 400) {
    const { error } = (answer.body ?? {}) as { error?: { code: string; message: string } };
    throw new Error(
      error === undefined ? `the faults endpoint answers ${answer.status}` : `${error.code}: ${error.message}`,
    );
  }
  if (answer.body !== undefined) context.process.stdout.write(`${JSON.stringify(answer.body, undefined, 2)}\n`);
  return EXIT.done;
}

/** The last lines of a file, and with `follow` what is added, until the interrupt. */
async function print(
  file: string,
  options: { follow: boolean; lines: number },
  context: LabCommandContext,
): Promise<void> {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const shown = text.trimEnd().split('\n').slice(-options.lines).join('\n');
  if (shown !== '') context.process.stdout.write(`${shown}\n`);
  let position = Buffer.byteLength(text);
  const { stdout } = context.process;
  while (options.follow && context.interrupt?.aborted !== true && stdout.writable !== false) {
    await sleep(250, undefined, context.interrupt === undefined ? {} : { signal: context.interrupt }).catch(
      () => undefined,
    );
    if (!existsSync(file)) continue;
    const descriptor = openSync(file, 'r');
    try {
      const { size } = fstatSync(descriptor);
      // Rotated: the machine was started again.
      if (size < position) position = 0;
      const buffer = Buffer.alloc(size - position);
      readSync(descriptor, buffer, 0, buffer.length, position);
      position = size;
      if (buffer.length > 0) context.process.stdout.write(buffer.toString('utf8'));
    } finally {
      closeSync(descriptor);
    }
  }
}

function oneOf<T extends string>(option: string, value: string | undefined, known: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = known.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`${option} is ${value}; use one of ${known.join(', ')}`);
  return found;
}

function count(option: string, value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0) throw new UsageError(`${option} is ${value}; use a number above 0`);
  return number;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UsageError(`not JSON: ${messageOf(error)}`);
  }
}

function isParseArgsError(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  );
}
