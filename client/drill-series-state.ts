import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { planSeries } from '../cluster/drill-series';
import { DRILL_OUTCOMES } from '../cluster/report/drill-record';
import { writeFileAtomically } from '../processes/owned-process';
import { DRILL_KINDS } from '../workflows/messages';
import { EXIT_CODES, type ExitName } from './exit-codes';
import { ClientError } from './messages';

/**
 * How far a series of drills has come: on disk before a drill is started and after it has ended, so that whoever goes on, after Ctrl-C or `kill -9`, makes
 * none twice and counts none twice.
 */

const seconds = z.number().nullable();
const kind = z.enum(DRILL_KINDS);
const isExit = (word: unknown): boolean => typeof word === 'string' && Object.hasOwn(EXIT_CODES, word);

const EndedDrill = z.object({
  workflowId: z.string(),
  runId: z.string().optional(),
  /** ms since the epoch. */
  startedAt: z.number(),
  endedAt: z.number(),
  exit: z.custom<ExitName>(isExit),
  summary: z.string(),
  drill: z.object({
    kind,
    outcome: z.enum(DRILL_OUTCOMES),
    lost: z.number().nullable(),
    twoPrimaries: z.enum(['never', 'seen', 'unknown']),
    newConnections: seconds,
    existingSessions: seconds,
    phases: z.array(z.object({ name: z.string(), seconds: z.number() })).default([]),
  }),
  versions: z.array(z.string()),
});
export type EndedDrill = z.infer<typeof EndedDrill>;

const SeriesState = z.object({
  version: z.literal(1),
  cluster: z.string(),
  seed: z.int(),
  rounds: z.int(),
  kinds: z.array(kind),
  /** In the order of the plan, from its beginning. */
  ended: z.array(EndedDrill),
  /** It was started, or was about to be: its workflow has the id that this time gives. */
  open: z.object({ kind, startedAt: z.number() }).optional(),
});
export type SeriesState = z.infer<typeof SeriesState>;
export type SeriesIdentity = Pick<SeriesState, 'cluster' | 'seed' | 'rounds' | 'kinds'>;

export const seriesStateFile = (stateDirectory: string, { cluster, seed }: Pick<SeriesState, 'cluster' | 'seed'>) =>
  join(stateDirectory, 'drill-series', `${cluster}-${seed}.json`);

/** A new series, or the one of this seed that was begun. Errors: HADB_E4008 when that one was another, HADB_E4012. */
export function readSeriesState(file: string, wanted: SeriesIdentity): SeriesState {
  if (!existsSync(file)) return { version: 1, ...wanted, ended: [] };
  const state = parse(file);
  const same = state.rounds === wanted.rounds && [...state.kinds].sort().join() === [...wanted.kinds].sort().join();
  if (!same) {
    throw new ClientError(
      'HADB_E4008',
      'usage',
      `the series of seed ${state.seed} was begun with --rounds ${state.rounds} --kinds ${state.kinds.join(',')}: go on with these, or take another seed. It is kept in ${file}`,
    );
  }
  return state;
}

function parse(file: string): SeriesState {
  try {
    const state = SeriesState.parse(JSON.parse(readFileSync(file, 'utf8')));
    const plan = planSeries(state);
    const made = [...state.ended.map(({ drill }) => drill), ...(state.open === undefined ? [] : [state.open])];
    if (made.every((drill, index) => drill.kind === plan[index])) return state;
  } catch {
    // Told below, whatever it is.
  }
  throw new ClientError(
    'HADB_E4012',
    'failed',
    `${file} is damaged, or of another version: what it says of the series is not known. Remove it to begin the series anew.`,
  );
}

export function writeSeriesState(file: string, state: SeriesState): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileAtomically(file, `${JSON.stringify(state, undefined, 2)}\n`);
}
