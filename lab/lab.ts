import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findOwnedProcess,
  readRecord,
  startOwnedProcess,
  stopOwnedProcess,
  writeFileAtomically,
} from '../processes/owned-process';
import type { DirectorySettings, EngineName, LabSettings } from '../settings';
import { readCodeVersion } from './code-version';
import { createLabMachineHost } from './control/lab-machines';
import type { VirtualMachine } from './control/resources/virtual-machine';
import { StoreError, readStoredResources } from './control/store';
import type { ImageKind } from './images/contents';
import { ensureImage } from './images/image';
import { recordImageUser, useCachedImage } from './images/image-cache';
import type { Image } from './images/image';
import { withFileLock } from '../processes/file-lock';
import { findFreePort, PORT_RANGE } from '../processes/free-port';
import { guestSocketFile } from './guest-services';
import { readControlHealth } from './lab-client';
import { createLabDocument, portOf, readLabDocument, writeLabDocument } from './lab-document';
import type { LabDocument } from './lab-document';
import { readMachineSettings, writeMachineSettings } from './machine-settings';
import { runningMachines, shutDownMachines } from './machine-shutdown';
import { LabStateError } from './state-file';
import { missingHostPackages } from './machines/driver';
import { mendDisks } from './machines/failing-disk';
import { probeEngines } from './machines/probe';
import type { MachineState } from './model';
import { createWireClient } from './wire/client';
import { stopGateways } from './wire/gateway';
import { messageOf } from '../processes/error-message';

/** The lab as a whole: what `hadb lab up`, `down` and `status` do. Its state is `<stateDirectory>/lab`. */

export interface LabUpOptions {
  settings: LabSettings;
  /** Guest image; golden when the lab is new, else what the lab has. Another one is added to it. */
  image?: ImageKind;
  /** How control times its answers; see `lab/control/pacing.ts`. */
  pacing?: 'quick' | 'realistic';
  /** How long new role assignments and identities stay unknown, seconds. */
  rolePropagationSeconds?: number;
  onProgress?: (sentence: string) => void;
  /** The lab is up, and something about it needs a decision. */
  onWarning?: (sentence: string) => void;
}

export interface LabUp {
  document: LabDocument;
  engine: EngineName;
  /** What a worker's environment must say to reach the lab. */
  environment: Record<string, string>;
}

export type LabErrorCode = 'MissingPrograms' | 'NoSpace' | 'EngineChanged' | 'ControlFailed' | 'WireFailed' | 'NoLab';

export class LabError extends Error {
  override readonly name = 'LabError';
  constructor(
    readonly code: LabErrorCode,
    message: string,
  ) {
    super(message);
  }
}

export interface LabProcess {
  name: string;
  /** `dead`: it was started, nobody stopped it, and it does not run. */
  state: 'running' | 'stopped' | 'dead';
  pid?: number;
  logFile?: string;
  address?: string;
  detail?: string;
}

export interface LabMachineStatus {
  name: string;
  vmId: string;
  resourceId: string;
  state: MachineState | 'none';
  consoleFile: string;
}

export interface LabStatus {
  directory: string;
  /** Set while there is a lab, running or not. */
  environment?: Record<string, string>;
  engine?: EngineName;
  images?: string[];
  processes: LabProcess[];
  machines: LabMachineStatus[];
  /** What of the state cannot be read, and what to do; the rest is told by the records of the processes. */
  problem?: string;
}

/** Two guests with 1.1 GiB of system each, their databases, and room to breathe. */
const SPACE_BYTES = 4 * 2 ** 30;
const START_TIMEOUT_MS = 30_000;
/** A guest with the cluster running took up to 13 s to shut down (measured). */
const SHUTDOWN_GRACE_MS = 60_000;

export function labDirectory(settings: DirectorySettings): string {
  return join(settings.stateDirectory, 'lab');
}

/**
 * Brings the lab up, or finds it up: safe to repeat, and after any crash. Machines that `labDown` has stopped are started
 * again. Errors: LabError, LabStateError, and those of image and probe.
 */
export async function labUp(options: LabUpOptions): Promise<LabUp> {
  const { settings } = options;
  const onProgress = options.onProgress ?? (() => undefined);
  const directory = labDirectory(settings);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const known = readLabDocument(directory);
  assertPrograms(settings.engine ?? readMachineSettings(directory)?.engine ?? 'uml');
  return withFileLock(
    join(directory, 'lock'),
    () => onProgress('waiting for another command that starts or stops the lab'),
    async () => {
      const { engine, images, changed } = await chooseMachines(options, directory, onProgress);
      if (known === undefined) assertSpace(directory, readFreeBytes(directory));
      let document = readLabDocument(directory) ?? createLabDocument(directory, await takeFreePort());
      writeLabDocument(directory, document);
      await ensureWire(directory, { onProgress, onWarning: options.onWarning ?? onProgress });
      const { nameServer } = await createWireClient(wireDirectory(directory)).status();
      document = { ...document, ...(nameServer === undefined ? {} : { nameServer }) };
      writeLabDocument(directory, document);
      writeMachineSettings(directory, { engine, images });
      await ensureControl(directory, document, {
        restart: changed,
        arguments: [
          ...(options.pacing === undefined ? [] : ['--pacing', options.pacing]),
          ...(options.rolePropagationSeconds === undefined
            ? []
            : ['--role-propagation', String(options.rolePropagationSeconds)]),
        ],
        onProgress,
      });
      await restartMachines(directory, engine, images, onProgress);
      return { document, engine, environment: environmentOf(document) };
    },
  );
}

/**
 * Ends machines (with an ordered shutdown of the guests), wire and gateways, and control; no process is left. The state
 * stays, and the next `labUp` goes on with it, unless `purge` removes it.
 */
export async function labDown(options: {
  settings: LabSettings;
  purge?: boolean;
  onProgress?: (sentence: string) => void;
}): Promise<void> {
  const directory = labDirectory(options.settings);
  const onProgress = options.onProgress ?? (() => undefined);
  const purge = options.purge ?? false;
  if (!existsSync(directory)) return;
  await withFileLock(
    join(directory, 'lock'),
    () => onProgress('waiting for another command that starts or stops the lab'),
    async () => {
      await stopOwnedProcess(controlRecord(directory), { graceMs: 10_000 });
      await stopMachines(directory, purge, onProgress);
      await stopOwnedProcess(wireRecord(directory), { graceMs: 10_000 });
      await stopGateways(wireDirectory(directory));
    },
  );
  if (purge) {
    rmSync(directory, { recursive: true, force: true });
    onProgress('the state of the lab is removed');
  }
}

/** What is there and what runs, from disk and process table alone; waits for nothing. Holds secrets in `environment`. */
export function labStatus(options: { settings: DirectorySettings }): LabStatus {
  const directory = labDirectory(options.settings);
  let problem: string | undefined;
  const readable = <Value>(read: () => Value): Value | undefined => {
    try {
      return read();
    } catch (error) {
      if (!isStateError(error)) throw error;
      problem ??= error.message;
      return undefined;
    }
  };
  const document = readable(() => readLabDocument(directory));
  const machineSettings = readable(() => readMachineSettings(directory));
  const machines = readable(() => listMachines(directory)) ?? [];
  const processes = [
    processStatus('control', controlRecord(directory), document?.armEndpoint),
    processStatus('wire', wireRecord(directory)),
  ];
  return {
    directory,
    ...(document === undefined ? {} : { environment: environmentOf(document) }),
    ...(machineSettings === undefined
      ? {}
      : { engine: machineSettings.engine, images: machineSettings.images.map(({ kind }) => kind) }),
    processes: document === undefined && problem === undefined ? [] : processes,
    machines,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Directories of the machines, by the name of resource or host. */
export function findMachine(settings: DirectorySettings, name: string): LabMachineStatus {
  const machines = listMachines(labDirectory(settings));
  const lower = name.toLowerCase();
  const found = machines.filter((machine) => machine.name.toLowerCase() === lower || machine.vmId === lower);
  const [machine, second] = found;
  if (machine === undefined) {
    throw new LabError(
      'NoLab',
      `the lab has no machine ${name}; it has: ${machines.map((other) => other.name).join(', ') || 'none'}`,
    );
  }
  if (second !== undefined)
    throw new LabError('NoLab', `${name} is ${found.map(({ vmId }) => vmId).join(' and ')}; use the id`);
  return machine;
}

export function environmentOf(document: LabDocument): Record<string, string> {
  return {
    HADB_ARM_ENDPOINT: document.armEndpoint,
    HADB_CA_FILE: document.caFile,
    ...(document.nameServer === undefined ? {} : { HADB_NAME_SERVER: document.nameServer }),
    HADB_FAULTS_ENDPOINT: document.faultsEndpoint,
    AZURE_SUBSCRIPTION_ID: document.subscriptionId,
    AZURE_AUTHORITY_HOST: document.authorityHost,
    AZURE_TENANT_ID: document.tenantId,
    AZURE_CLIENT_ID: document.clientId,
    AZURE_CLIENT_SECRET: document.clientSecret,
  };
}

async function chooseMachines(
  { settings, image }: LabUpOptions,
  directory: string,
  onProgress: (sentence: string) => void,
): Promise<{ engine: EngineName; images: Image[]; changed: boolean }> {
  const before = readMachineSettings(directory);
  const build = { cacheDirectory: settings.cacheDirectory, onProgress };
  recordImageUser(settings.cacheDirectory, directory);
  const kinds = [
    ...new Set([...(image === undefined ? [] : [image]), ...(before?.images.map(({ kind }) => kind) ?? [])]),
  ];
  const images: Image[] = [];
  for (const kind of kinds.length === 0 ? (['golden'] as const) : kinds) {
    // What machines run on stays as it is, even where a newer hadb would build another: disks are copies already.
    const kept = before?.images.find((other) => other.kind === kind && existsSync(other.rootImage));
    if (kept !== undefined && kind !== image) useCachedImage(kept.directory);
    images.push(kept !== undefined && kind !== image ? kept : await ensureImage(kind, build));
  }
  const [first] = images;
  if (first === undefined) throw new Error('no image');
  const running = listMachines(directory).length > 0;
  if (before !== undefined && running) {
    if (settings.engine !== undefined && settings.engine !== before.engine) {
      throw new LabError(
        'EngineChanged',
        `the lab has machines on the engine ${before.engine}, and ${settings.engine} is asked for. Remove them first (hadb lab ` +
          `down --purge), or unset HADB_LAB_ENGINE.`,
      );
    }
    return { engine: before.engine, images, changed: !sameImages(before.images, images) };
  }
  const { engine } = await probeEngines(first, {
    ...build,
    ...(settings.engine === undefined ? {} : { engine: settings.engine }),
  });
  assertPrograms(engine);
  return {
    engine,
    images,
    changed: before === undefined || before.engine !== engine || !sameImages(before.images, images),
  };
}

function sameImages(a: readonly Image[], b: readonly Image[]): boolean {
  const text = (images: readonly Image[]) => images.map(({ kind, hash }) => `${kind} ${hash}`).join();
  return text(a) === text(b);
}

function assertPrograms(engine: EngineName): void {
  const packages = missingHostPackages(engine);
  if (packages.length === 0) return;
  throw new LabError(
    'MissingPrograms',
    `the lab needs programs that this computer lacks. Install them: apt-get install ${packages.join(' ')}`,
  );
}

/** Throws when a new lab would fill its file system. */
export function assertSpace(directory: string, freeBytes: number): void {
  if (freeBytes >= SPACE_BYTES) return;
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  throw new LabError(
    'NoSpace',
    `${directory} has ${gib(freeBytes)} GiB free, and a lab with two machines needs ${gib(SPACE_BYTES)} GiB. Free some, or put the ` +
      'state elsewhere with HADB_STATE_DIR.',
  );
}

function readFreeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

async function ensureWire(
  directory: string,
  { onProgress, onWarning }: { onProgress: (sentence: string) => void; onWarning: (sentence: string) => void },
): Promise<void> {
  const client = createWireClient(wireDirectory(directory), { timeoutMs: 5000 });
  const main = compiled('wire', 'main.js');
  if (findOwnedProcess(wireRecord(directory)) !== undefined && (await isAnswering(() => client.health(), 10_000))) {
    // Never ended silently: until the next one runs, no node reaches another, and no client a database.
    if (isOutdated(wireRecord(directory), main)) {
      onWarning(
        "the lab's data plane (wire) runs other code than this hadb's. It is kept, for ending it parts the nodes from each other. " +
          'To take the new code: hadb lab down, then hadb lab up.',
      );
    }
    return;
  }
  // One that runs and does not answer is as good as none, and would hold the ports.
  await stopOwnedProcess(wireRecord(directory), { graceMs: 2000 });
  onProgress('starting the data plane (wire)');
  const logFile = wireLog(directory);
  recordCodeVersion(wireRecord(directory), main);
  startOwnedProcess({
    recordFile: wireRecord(directory),
    logFile,
    command: process.execPath,
    args: [main, '--state', wireDirectory(directory), '--guest-socket', guestSocketFile(directory)],
  });
  if (await isAnswering(() => client.health(), START_TIMEOUT_MS, wireRecord(directory))) return;
  throw new LabError('WireFailed', `the lab's data plane does not start. The end of ${logFile}:\n${tail(logFile)}`);
}

async function ensureControl(
  directory: string,
  document: LabDocument,
  options: { restart: boolean; arguments: readonly string[]; onProgress: (sentence: string) => void },
): Promise<void> {
  const health = () => readControlHealth(document);
  const running = findOwnedProcess(controlRecord(directory)) !== undefined ? await health() : undefined;
  // Ending control moves no packet and loses nothing, so newer code and other images take effect at once.
  const main = compiled('control', 'main.js');
  const outdated = isOutdated(controlRecord(directory), main);
  if (running !== undefined && !options.restart && !outdated && options.arguments.length === 0) return;
  await stopOwnedProcess(controlRecord(directory), { graceMs: 5000 });
  options.onProgress('starting the control plane (ARM endpoint)');
  const logFile = controlLog(directory);
  recordCodeVersion(controlRecord(directory), main);
  startOwnedProcess({
    recordFile: controlRecord(directory),
    logFile,
    command: process.execPath,
    args: [main, '--state', directory, ...options.arguments],
  });
  const answering = async () => {
    if ((await health()) === undefined) throw new Error('no answer');
  };
  if (await isAnswering(answering, START_TIMEOUT_MS, controlRecord(directory))) return;
  const text = tail(logFile);
  throw new LabError(
    'ControlFailed',
    /is in use by another program/.test(text)
      ? `port ${portOf(document)} on 127.0.0.1 belongs to the lab and is in use by another program; find it with: ss -ltnp 'sport = ` +
          `${portOf(document)}', end it, and start again.`
      : `the lab's control plane does not start. The end of ${logFile}:\n${text}`,
  );
}

async function isAnswering(ask: () => Promise<unknown>, timeoutMs: number, recordFile?: string): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await ask();
      return true;
    } catch {
      const ended = recordFile !== undefined && findOwnedProcess(recordFile) === undefined;
      if (ended || performance.now() > deadline) return false;
      await sleep(100);
    }
  }
}

/** Machines of the store, and whatever else has a process record (a machine whose creation had only begun). */
async function stopMachines(directory: string, purge: boolean, onProgress: (sentence: string) => void): Promise<void> {
  try {
    await stopKnownMachines(directory, purge, onProgress);
  } catch (error) {
    // A state that cannot be read (another version, damage) must not keep processes alive.
    onProgress(`stopping machines by their records: ${messageOf(error)}`);
  }
  await Promise.all(
    listNames(join(directory, 'machines')).map(async (name) => {
      const machine = join(directory, 'machines', name);
      await stopOwnedProcess(join(machine, 'process.json'), { graceMs: 0 });
      // Nobody could remove a disk that fails still.
      await mendDisks(machine);
    }),
  );
}

async function stopKnownMachines(
  directory: string,
  purge: boolean,
  onProgress: (sentence: string) => void,
): Promise<void> {
  const settings = readMachineSettings(directory);
  const machines = storedMachines(directory);
  if (settings === undefined || machines.length === 0) return;
  const host = createLabMachineHost(settings.engine, settings.images);
  const running = runningMachines(machines, host);
  if (!purge && running.length > 0) {
    writeFileAtomically(stoppedFile(directory), JSON.stringify(running.map(({ guid }) => guid)));
  }
  await shutDownMachines(running, host, {
    how: purge ? 'hard' : 'graceful',
    graceMs: purge ? 0 : SHUTDOWN_GRACE_MS,
    onProgress,
  });
}

/** Those that `labDown` has stopped; a machine that was stopped before stays so. */
async function restartMachines(
  directory: string,
  engine: EngineName,
  images: readonly Image[],
  onProgress: (sentence: string) => void,
): Promise<void> {
  const file = stoppedFile(directory);
  if (!existsSync(file)) return;
  const ids = readStoppedMachines(file);
  if (ids === undefined) onProgress(`${file} is damaged: every machine that is not deallocated is started`);
  const host = createLabMachineHost(engine, images);
  for (const vm of storedMachines(directory).filter(({ guid }) => ids?.includes(guid) ?? true)) {
    if (vm.hidden.machine === undefined || vm.hidden.deallocated) continue;
    onProgress(`starting ${vm.name}`);
    await host.driver(vm.hidden.image).start(vm.hidden.machine);
  }
  rmSync(file, { force: true });
}

/** Undefined for a damaged file. */
export function readStoppedMachines(file: string): string[] | undefined {
  try {
    const ids: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(ids) && ids.every((id) => typeof id === 'string') ? ids : undefined;
  } catch {
    return undefined;
  }
}

function isStateError(error: unknown): error is Error {
  return error instanceof LabStateError || error instanceof StoreError;
}

function listMachines(directory: string): LabMachineStatus[] {
  const settings = readMachineSettings(directory);
  if (settings === undefined) return [];
  const host = createLabMachineHost(settings.engine, settings.images);
  return storedMachines(directory).map((vm) => ({
    name: vm.name,
    vmId: vm.guid,
    resourceId: vm.id,
    state: vm.hidden.machine === undefined ? 'none' : host.driver(vm.hidden.image).state(vm.hidden.machine),
    consoleFile: join(directory, 'machines', vm.guid, 'console.log'),
  }));
}

function storedMachines(directory: string): VirtualMachine[] {
  return readStoredResources(join(directory, 'control')).filter(
    (resource): resource is VirtualMachine => resource.type === 'Microsoft.Compute/virtualMachines',
  );
}

function processStatus(name: string, recordFile: string, address?: string): LabProcess {
  const record = readRecord(recordFile);
  if (record === undefined) return { name, state: 'stopped' };
  const running = findOwnedProcess(recordFile) !== undefined;
  return {
    name,
    state: running ? 'running' : 'dead',
    ...(running ? { pid: record.pid } : {}),
    logFile: record.logFile,
    ...(address === undefined ? {} : { address }),
  };
}

export function wireDirectory(directory: string): string {
  return join(directory, 'wire');
}
function wireRecord(directory: string): string {
  return join(directory, 'wire-process.json');
}
function controlRecord(directory: string): string {
  return join(directory, 'control-process.json');
}
export function wireLog(directory: string): string {
  return join(directory, 'wire.log');
}
export function controlLog(directory: string): string {
  return join(directory, 'control.log');
}
function stoppedFile(directory: string): string {
  return join(directory, 'stopped-by-down.json');
}

/** A file of the compiled lab, also when this one runs uncompiled in a test. */
function compiled(...path: string[]): string {
  const here = basename(__filename).endsWith('.ts') ? join(dirname(__dirname), 'dist', 'lab') : __dirname;
  const file = join(here, ...path);
  if (!existsSync(file)) throw new LabError('ControlFailed', `${file} is missing: run "npm run build" first.`);
  return file;
}

/** Beside the record of the process; written before the start, so that a crash in between shows old code at worst. */
function codeVersionFile(recordFile: string): string {
  return recordFile.replace(/\.json$/, '.code');
}

function recordCodeVersion(recordFile: string, main: string): void {
  writeFileAtomically(codeVersionFile(recordFile), readCodeVersion(main));
}

/** True also for a process of which nobody knows what it runs. */
function isOutdated(recordFile: string, main: string): boolean {
  const file = codeVersionFile(recordFile);
  return !existsSync(file) || readFileSync(file, 'utf8') !== readCodeVersion(main);
}

function listNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function tail(file: string, lines = 15): string {
  if (!existsSync(file)) return '(no log)';
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

async function takeFreePort(): Promise<number> {
  const port = await findFreePort();
  if (port !== undefined) return port;
  throw new LabError('ControlFailed', `no free TCP port between ${PORT_RANGE} on 127.0.0.1`);
}
