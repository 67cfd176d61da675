import type { FailureCode } from '../cluster/errors';

/** What a program that calls `hadb` may rely on; `docs/exit-codes.md` is compared with this table by a test. */
export const EXIT_CODES = {
  passed: { code: 0, meaning: 'the run passed, or the command did what it was asked' },
  failed: {
    code: 1,
    meaning:
      'the run failed, a check did not hold, something is missing on this machine, or an embedded piece does not start or its state is damaged',
  },
  changes: { code: 2, meaning: 'of `plan --detailed-exitcode`: a build would change something' },
  unknown: {
    code: 2,
    meaning: 'the verdict is unknown: a run timed out or ended without one, or too little was seen to tell',
  },
  refused: {
    code: 3,
    meaning:
      'a gate was not met and nothing was done: another operation holds the cluster, a drill or switchover would begin on one that is not healthy, a recovery would need a person first, or no drill is wanted now (also when a scheduled one was skipped)',
  },
  detached: {
    code: 4,
    meaning:
      'the run was cancelled or terminated, or the command was interrupted before its end (a run that it watched goes on)',
  },
  usage: { code: 64, meaning: 'the command line or the specification is wrong; every problem is named' },
  unreachable: { code: 69, meaning: 'Temporal cannot be reached' },
  internal: { code: 70, meaning: 'an unexpected error of hadb' },
} as const;

export type ExitName = keyof typeof EXIT_CODES;
export type ExitCode = (typeof EXIT_CODES)[ExitName]['code'];

export function exitCode(name: ExitName): ExitCode {
  return EXIT_CODES[name].code;
}

/** The table of `docs/exit-codes.md`. */
export function renderExitCodeTable(): string {
  const rows = Object.entries(EXIT_CODES).map(([name, { code, meaning }]) => `| ${code} | ${name} | ${meaning} |`);
  return ['| code | outcome | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** A run that ended with this failure: refused before it did anything, impossible input, or an honest failure. */
export function exitForFailure(code: FailureCode | undefined, runbook?: string): ExitName {
  if (code === 'ClusterLocked') return 'refused';
  // A build makes its drills at its end: much was done by then.
  if ((code === 'GateNotMet' || code === 'DrillsForbidden') && runbook !== 'buildCluster') return 'refused';
  return code === 'BadSpecification' ? 'usage' : 'failed';
}
