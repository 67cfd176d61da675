import type { DrillKind } from '../messages';
import type { Run } from '../runbook';

/** The phases of every drill, in their order: chapters of its step table. `observe` watches, and never helps. */
const PHASES = {
  gate: 'Gate',
  baseline: 'Baseline',
  inject: 'Inject',
  observe: 'Observe',
  recovered: 'Recovered',
  rejoin: 'Rejoin',
  steady: 'Steady state',
  audits: 'Audits',
  report: 'Report',
} as const;

/** Among the tests of a build each phase says whose it is. */
export const inPhase = <Result>(
  { run, kind }: { run: Run; kind: DrillKind },
  phase: keyof typeof PHASES,
  work: () => Promise<Result>,
): Promise<Result> => {
  const name = PHASES[phase];
  return run.chapter(run.operation.runbook === 'failoverDrill' ? name : `Tests, ${kind}: ${name}`, work);
};
