import type { DrillWriters } from './drill-writers';
import type { MessageCode } from './messages';
import type { TemporalTarget } from './temporal';
import type { WorkerProcess } from './worker-process';

/**
 * The pieces that hadb runs on this computer: a Temporal development server, the lab (a local Azure) and a worker. Each is a
 * process group of its own that outlives the command, is found again by its record, and may be started in any order.
 */

export interface PieceStatus {
  name: string;
  /** `dead`: it was started, nobody stopped it, and it does not run. */
  state: 'running' | 'stopped' | 'dead';
  pid?: number;
  logFile?: string;
  address?: string;
  detail?: string;
}

export type PieceReport = (code: MessageCode, message: string) => void;

export const LAB_IMAGES = ['golden', 'clean', 'debian-sid'] as const;
export type LabImage = (typeof LAB_IMAGES)[number];

export interface UpOptions {
  image?: LabImage;
}

/** One piece as `embedded.ts` sees it; `start.ts` wires the real ones. */
export interface TemporalPiece {
  /** Starts it, or finds it running; the address stays the same over restarts. Errors: HADB_E4010. */
  ensure(report: PieceReport): Promise<TemporalTarget>;
  /** Undefined when it has never been started here. */
  target(): TemporalTarget | undefined;
  status(): PieceStatus;
  stop(): Promise<void>;
}

export interface LabPiece {
  /** Brings it up; returns what a worker's environment must say to reach it. Errors: HADB_E4010. */
  ensure(report: PieceReport, options: UpOptions): Promise<Record<string, string>>;
  /** The same, without starting anything; undefined while there is no lab. */
  environment(): Record<string, string> | undefined;
  status(): Promise<PieceStatus[]>;
  stop(report: PieceReport): Promise<void>;
}

export interface Embedded {
  /** Starts what is missing and restarts what died or has changed. */
  up(report: PieceReport, options?: UpOptions): Promise<TemporalTarget>;
  /** Ends everything; no process is left. */
  down(report: PieceReport): Promise<void>;
  status(): Promise<PieceStatus[]>;
  target(): TemporalTarget | undefined;
  /** Specification of a cluster that fits the lab; undefined while there is no lab. */
  specificationFile(): string | undefined;
  /** How a worker reaches the lab; empty while there is no lab. */
  workerEnvironment(): Record<string, string>;
}

export interface EmbeddedParts {
  temporal: TemporalPiece;
  lab: LabPiece;
  worker: WorkerProcess;
  writers: DrillWriters;
  labSpecification: string;
  /** Of two commands that start or end pieces, the second waits for the first. */
  alone<Result>(this: void, report: PieceReport, work: () => Promise<Result>): Promise<Result>;
  /** A Temporal that the user chose; then none is started here. */
  chosen?: TemporalTarget;
  /** Settings of a worker beyond those of lab and Temporal. */
  workerEnvironment: Record<string, string>;
}

export function createEmbedded(parts: EmbeddedParts): Embedded {
  const { temporal, lab, worker, writers, alone, chosen, workerEnvironment } = parts;
  const startAll = async (report: PieceReport, options: UpOptions): Promise<TemporalTarget> => {
    // Side by side: an image may take minutes, and so may the first build of the server.
    const starting = chosen === undefined ? temporal.ensure(report) : Promise.resolve(chosen);
    const raising = lab.ensure(report, options);
    // Nothing may go on behind an error message: both come to rest first, which may take minutes, so a failure is told at once.
    const tell = (what: string) => (error: unknown) =>
      report(
        'HADB_I5001',
        `${what} failed; ending when everything has come to rest: ${error instanceof Error ? error.message : String(error)}`,
      );
    await Promise.all([starting.catch(tell('starting Temporal')), raising.catch(tell('starting the lab'))]);
    const [target, labEnvironment] = await Promise.all([starting, raising]);
    const { process, done } = await worker.ensure({
      ...workerEnvironment,
      ...labEnvironment,
      ...(chosen === undefined ? { TEMPORAL_ADDRESS: target.address, TEMPORAL_NAMESPACE: target.namespace } : {}),
    });
    report('HADB_I5002', `worker ${done === 'kept' ? 'runs' : done}, process ${process.pid}, log ${process.logFile}`);
    return target;
  };
  const endAll = async (report: PieceReport): Promise<void> => {
    // The worker first, so that it ends its calls while lab and server still answer.
    await worker.stop();
    report('HADB_I5003', 'worker ended');
    // Behind it, so that none is started anew; before the lab, so that they end with an answer.
    const ended = await writers.stop();
    if (ended > 0)
      report('HADB_I5003', `${ended === 1 ? 'the writer of a drill' : `${ended} writers of drills`} ended`);
    await Promise.all([
      lab.stop(report).then(() => report('HADB_I5003', 'lab ended')),
      temporal.stop().then(() => report('HADB_I5003', 'Temporal ended')),
    ]);
  };
  return {
    up: (report, options = {}) => alone(report, () => startAll(report, options)),
    down: (report) => alone(report, () => endAll(report)),
    async status() {
      return [temporal.status(), ...(await lab.status()), worker.status(), ...writers.status()];
    },
    target: () => temporal.target(),
    specificationFile: () => (lab.environment() === undefined ? undefined : parts.labSpecification),
    workerEnvironment: () => lab.environment() ?? {},
  };
}
