import type { Verdict, VerdictCheck } from '../step';

/** The verdict with what was expected of the cluster itself besides: failed if anything failed, unknown if anything is unknown and nothing failed. */
export function withExpectations(verdict: Verdict, expectations: readonly VerdictCheck[]): Verdict {
  if (expectations.length === 0) return verdict;
  const checks = [...verdict.checks, ...expectations];
  const open = expectations.filter(({ passed }) => !passed);
  const failed = open.filter(({ unknown }) => unknown !== true);
  const passed = verdict.passed && open.length === 0;
  const isUnknown = !passed && failed.length === 0 && (verdict.passed || verdict.unknown === true);
  const summary = [
    verdict.summary,
    ...named('failed', failed),
    ...named(
      'not known',
      open.filter((check) => !failed.includes(check)),
    ),
    ...named(
      'not run',
      expectations.filter(({ notRun }) => notRun === true),
    ),
  ].join('; ');
  return { passed, ...(isUnknown && { unknown: true as const }), summary, checks };
}

const named = (word: string, checks: readonly VerdictCheck[]): string[] =>
  checks.length === 0 ? [] : [`${word}: ${checks.map(({ name }) => name).join(', ')}`];

/** Holds when nothing speaks against it; `unknown` where too little was seen. */
export function expectation(what: {
  name: string;
  /** What speaks against it, each as a sentence. */
  problems: readonly string[];
  /** When it holds. */
  detail: string;
  unknown?: boolean;
}): VerdictCheck {
  const { name, problems, detail } = what;
  if (problems.length > 0) return { name, passed: false, detail: problems.join('; ') };
  return what.unknown === true ? { name, passed: false, unknown: true, detail } : { name, passed: true, detail };
}

/** From `from` to `to` (ms since the epoch), held against a limit. */
export function servedWithin(what: { from: number; to: number; limitSeconds: number; by: string }): VerdictCheck {
  const seconds = Math.round((what.to - what.from) / 100) / 10;
  return {
    name: `served again within ${what.limitSeconds} s`,
    passed: seconds <= what.limitSeconds,
    detail: `${seconds} s after the fault, by ${what.by}`,
  };
}
