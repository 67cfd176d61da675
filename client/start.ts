import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { withFileLock } from '../processes/file-lock';
import { findOwnedProcess } from '../processes/owned-process';
import { readLabSettings, readShellSettingsOfWorker, readTemporalCliSettings, readWorkerSettings } from '../settings';
import type { ClientSettings } from '../settings';
import type * as DebianArchive from '../lab/images/debian-archive';
import type * as LabCli from '../lab/cli';
import type * as Lab from '../lab/lab';
import type { LabMachineStatus } from '../lab/lab';
import type * as MachineDrivers from '../lab/machines/driver';
import { isInteractive } from './context';
import type { ClientContext } from './context';
import { createDrillWriters } from './drill-writers';
import { createEmbedded } from './embedded';
import type { Embedded, LabImage, LabPiece, PieceReport, PieceStatus } from './embedded';
import { examine } from './examination';
import type { Finding } from './examination';
import { createHost } from './host';
import type { Host } from './host';
import { installHostPackages } from './host-packages';
import { ClientError } from './messages';
import type { ReportingFlags } from './reporting/choose-reporter';
import type { CommandResult } from './reporting/reporter';
import { buildRequest, drillRequest } from './requests';
import type { Starter } from './requests';
import { inSession, launch, untilInterrupted } from './session';
import type { Session } from './session';
import { readSpecificationFile } from './specification-file';
import { chosenTarget } from './temporal';
import { createTemporalPiece, examineTemporalCli } from './temporal-piece';
import { PACKAGE_DIRECTORY } from './version';
import { createWorkerProcess } from './worker-process';

/**
 * `npm start`, and the one place of the command line that knows lab and worker: everything else reaches the lab as it would
 * reach Azure.
 */

export interface StartFlags extends ReportingFlags {
  image: LabImage;
  onFailure?: 'wait' | 'fail' | undefined;
  down: boolean;
}

export function start(context: ClientContext, flags: StartFlags): Promise<void> {
  // Minutes of work: somebody who pipes it still wants to see it go on.
  const progress = flags.progress === 'auto' && !isInteractive(context) ? 'lines' : flags.progress;
  return inSession(context, { ...flags, progress }, async (session) => {
    const report = pieceReport(session);
    await bringUp(session, flags.image);
    const result = await buildAndProve(session, labSpecification(flags.image), {
      taskQueue: context.settings.taskQueue,
      user: context.settings.user,
      onFailure: flags.onFailure ?? (isInteractive(context) ? 'wait' : 'fail'),
    });
    if (result.exit === 'detached') return result;
    if (flags.down) await context.embedded().down(report);
    else report('HADB_I5005', 'Everything keeps running. Look around: npx hadb status. End it: npx hadb down.');
    return result;
  });
}

const pieceReport =
  ({ reporter }: Session): PieceReport =>
  (code, message) =>
    reporter.notice(code, message);

/** Everything on this computer, from the packages that are missing to the worker. Errors: HADB_E4009, HADB_E4010, HADB_E4011. */
export function bringUp(session: Session, image: LabImage): Promise<void> {
  const { context } = session;
  const report = pieceReport(session);
  return untilInterrupted(context, async () => {
    await context.prepareHost(report);
    await context.embedded().up(report, { image });
  });
}

/** The build proves itself by the article's tests; on a cluster that has passed them the hard one is made again. */
async function buildAndProve(session: Session, file: string, starter: Starter): Promise<CommandResult> {
  const { context } = session;
  const specification = readSpecificationFile(context, file);
  const built = await launch(session, buildRequest(specification, starter, 'attach'), { wait: true });
  if (built.exit !== 'passed' || hasJustFailedOver(built)) return built;
  return launch(session, drillRequest(specification, { kind: 'node-power-off' }, starter, context.clock.now()), {
    wait: true,
  });
}

/** True when this very build made a failover drill: its steps then changed something. */
function hasJustFailedOver({ progress }: CommandResult): boolean {
  return (progress?.steps ?? []).some(({ id, outcome }) => /power-off/.test(id) && outcome?.result === 'changed');
}

const LAB_SPECIFICATIONS: Record<LabImage, string> = {
  golden: 'lab.yaml',
  clean: 'lab-clean.yaml',
  'debian-sid': 'lab-sid.yaml',
};

export function labSpecification(image: LabImage): string {
  return join(PACKAGE_DIRECTORY, 'examples', LAB_SPECIFICATIONS[image]);
}

// `require`, as in application.ts: only the commands that need lab or drivers load them.
const labModule = () => require('../lab/lab') as typeof Lab;
const labCommandLine = () => require('../lab/cli') as typeof LabCli;
const debianArchive = () => require('../lab/images/debian-archive') as typeof DebianArchive;
const machineDrivers = () => require('../lab/machines/driver') as typeof MachineDrivers;

function createLabPiece(settings: ClientSettings): LabPiece {
  const labSettings = readLabSettings(settings.temporalEnvironment);
  const onProgress = (report: PieceReport) => (sentence: string) => report('HADB_I5001', sentence);
  return {
    async ensure(report, { image }) {
      try {
        const { environment, engine } = await labModule().labUp({
          settings: labSettings,
          ...(image === undefined ? {} : { image }),
          onProgress: onProgress(report),
          onWarning: (sentence) => report('HADB_W5006', sentence),
        });
        report('HADB_I5002', `the lab runs, with machines on the engine ${engine}`);
        return environment;
      } catch (error) {
        throw asClientError(error);
      }
    },
    environment: () => {
      const { environment, problem } = labModule().labStatus({ settings: labSettings });
      if (environment === undefined && problem !== undefined) throw new ClientError('HADB_E4012', 'failed', problem);
      return environment;
    },
    status: async () => {
      const { processes, machines } = labModule().labStatus({ settings: labSettings });
      const named = [...processes, ...machines.map(machineStatus)];
      return [...named, ...otherProcesses(join(settings.stateDirectory, 'lab'), named)];
    },
    problem: () => labModule().labStatus({ settings: labSettings }).problem,
    stop: (report) => labModule().labDown({ settings: labSettings, onProgress: onProgress(report) }),
  };
}

function machineStatus({ name, state, consoleFile, vmId }: LabMachineStatus): PieceStatus {
  const process = findOwnedProcess(join(dirname(consoleFile), 'process.json'));
  return {
    name: `machine ${name}`,
    state: state === 'running' || state === 'paused' ? 'running' : 'stopped',
    ...(process === undefined ? {} : { pid: process.pid }),
    logFile: consoleFile,
    detail: state === 'paused' ? `paused, ${vmId}` : vmId,
  };
}

/** Whatever else the lab runs (gateways): every process that outlives its starter has a record. */
function otherProcesses(directory: string, named: readonly PieceStatus[]): PieceStatus[] {
  if (!existsSync(directory)) return [];
  const known = new Set(named.map(({ pid }) => pid));
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => basename(file) === 'process.json')
    .flatMap((file) => {
      const process = findOwnedProcess(join(directory, file));
      if (process === undefined || known.has(process.pid)) return [];
      return [{ name: dirname(file), state: 'running' as const, pid: process.pid, logFile: process.logFile }];
    });
}

/** Errors of the lab say what to do next; anything else is a defect and keeps its stack. */
const LAB_ERRORS = ['HostProgramError', 'LabError', 'MissingProgramsError', 'MountedBuildError', 'NoEngineError'];

/** The state of the lab cannot be read. */
const STATE_ERRORS = ['LabStateError', 'StoreError'];

export function asClientError(error: unknown): unknown {
  if (error instanceof Error && STATE_ERRORS.includes(error.name)) {
    return new ClientError('HADB_E4012', 'failed', error.message, { cause: error });
  }
  if (!(error instanceof Error) || !LAB_ERRORS.includes(error.name)) return error;
  return new ClientError('HADB_E4010', 'failed', error.message, { cause: error });
}

/** All settings of the worker that may change without the lab or the embedded Temporal. */
export const workerEnvironmentOf = (settings: ClientSettings): Record<string, string> => ({
  HADB_TASK_QUEUE: settings.taskQueue,
  HADB_SECRETS_DIR: settings.secretsDirectory,
  ...readShellSettingsOfWorker(settings.temporalEnvironment),
});

export function wireEmbedded(settings: ClientSettings): Embedded {
  return createEmbedded({
    temporal: createTemporalPiece(readTemporalCliSettings(settings.temporalEnvironment)),
    lab: createLabPiece(settings),
    worker: createWorkerProcess({
      stateDirectory: settings.stateDirectory,
      codeDirectory: join(PACKAGE_DIRECTORY, 'dist'),
    }),
    writers: createDrillWriters(readWorkerSettings(settings.temporalEnvironment).drillsDirectory),
    alone: (report, work) =>
      withFileLock(
        join(settings.stateDirectory, 'pieces.lock'),
        () => report('HADB_I5001', 'waiting for another command that starts or ends the pieces'),
        work,
      ),
    labSpecification: labSpecification('golden'),
    workerEnvironment: workerEnvironmentOf(settings),
    ...(settings.temporalChosen ? { chosen: chosenTarget(settings.temporalEnvironment, settings.temporalUi) } : {}),
  });
}

export async function examineThisMachine(settings: ClientSettings): Promise<Finding[]> {
  const host = thisHost(settings);
  const temporalSettings = readTemporalCliSettings(settings.temporalEnvironment);
  const temporal = settings.temporalChosen
    ? { found: 'TEMPORAL_ADDRESS or TEMPORAL_PROFILE names one' }
    : await examineTemporalCli(temporalSettings, host.findProgram('go') !== undefined);
  const labProblem = labModule().labStatus({ settings }).problem;
  return examine(host, {
    stateDirectory: settings.stateDirectory,
    cacheDirectory: settings.cacheDirectory,
    missingPackages: missingHostPackages(settings),
    temporal,
    ...(labProblem === undefined ? {} : { labProblem }),
    ...(hasGuestImage(settings) ? {} : { packageMirror: await examinePackageMirror(host) }),
  });
}

export async function prepareThisHost(settings: ClientSettings, report: PieceReport): Promise<void> {
  await installHostPackages(thisHost(settings), missingHostPackages(settings), report);
}

export function runLab(context: ClientContext, words: readonly string[]): Promise<number> {
  return labCommandLine().runLabCommand(words, context);
}

function hasGuestImage({ cacheDirectory }: ClientSettings): boolean {
  const images = join(cacheDirectory, 'images');
  return existsSync(images) && readdirSync(images).some((name) => name.startsWith('golden-'));
}

async function examinePackageMirror(host: Host): Promise<{ url: string; reachable: boolean }> {
  const { main } = debianArchive().readConfiguredArchive();
  return { url: main, reachable: await host.canDownload(`${main}/dists/bookworm/InRelease`) };
}

function thisHost(settings: ClientSettings): Host {
  return createHost(readTemporalCliSettings(settings.temporalEnvironment).searchPath);
}

/** Before an engine is probed: with the engine that developers and CI run on. */
function missingHostPackages(settings: ClientSettings): string[] {
  return machineDrivers().missingHostPackages(readLabSettings(settings.temporalEnvironment).engine ?? 'uml');
}
