/**
 * Every failure that a person may meet has a code here. Code is branched on, never text. `final` failures are not retried:
 * another try cannot change the answer, or might do harm.
 */
export const FAILURES = {
  BadSpecification: { final: true, meaning: 'the specification is impossible; every problem is named' },
  BadRequest: { final: true, meaning: 'Azure or a node refuses the request as it stands' },
  Denied: { final: true, meaning: 'credential or permission refused' },
  QuotaExceeded: { final: true, meaning: 'the subscription allows no more of this resource' },
  NotOurs: { final: true, meaning: 'the resource exists and does not carry the tag of this cluster' },
  GuardRefused: { final: true, meaning: 'a dangerous move was refused: what was seen does not prove that it is safe' },
  GateNotMet: {
    final: true,
    meaning: 'a drill, a planned move or a recovery was not begun: the cluster is not as it must be for it',
  },
  DrillsForbidden: { final: true, meaning: 'drills are stopped by the safety switch, or a freeze window is open' },
  HostKeyMismatch: { final: true, meaning: 'the SSH host key is not the one put into the machine' },
  NodeMismatch: { final: true, meaning: 'the node is not the expected virtual machine' },
  NotOwner: { final: true, meaning: 'another operation owns the node' },
  ClusterLocked: { final: true, meaning: 'another operation holds the cluster' },
  RemoteJobFailed: { final: true, meaning: 'a remote job ended with an error' },
  PlatformUnsupported: { final: true, meaning: 'the probed platform lacks something that the runbook needs' },
  Drift: { final: true, meaning: 'a built cluster deviates from its specification' },
  AssertionFailed: { final: true, meaning: 'a test of the cluster did not hold' },
  TwoPrimaries: { final: true, meaning: 'both nodes were primary at the same moment: nothing more is done to them' },
  Aborted: { final: true, meaning: 'a person ended the run at a failed step' },
  NodeUnreachable: { final: false, meaning: 'no SSH connection to the node' },
  CommandUnknown: { final: false, meaning: 'the connection was lost before the result of a command was known' },
  CommandFailed: { final: false, meaning: 'a command on a node failed' },
  RemoteJobLost: { final: false, meaning: 'the node was rebooted while a remote job ran' },
  VerificationFailed: { final: false, meaning: 'the move was made but what it should bring about is not seen' },
  NotReady: { final: false, meaning: 'something that was waited for has not come about yet' },
  AzureUnavailable: {
    final: false,
    meaning: 'Azure throttles, is in conflict with another operation, or does not answer',
  },
  AzureOperationFailed: { final: false, meaning: 'a long-running Azure operation ended in Failed or Canceled' },
  QueryFailed: { final: false, meaning: 'a database query did not answer as expected' },
  Internal: { final: false, meaning: 'an unexpected error; it is a defect of hadb if it stays' },
} as const satisfies Record<string, { final: boolean; meaning: string }>;

export type FailureCode = keyof typeof FAILURES;

export interface FailureDetails {
  /** Node or resource it is about. */
  subject?: string;
  /** What was seen, shortened, without secrets. */
  observed?: string;
  /** What to do next. */
  whatNow?: string;
  /** Wait this long before the next try (`Retry-After`). */
  retryAfterMs?: number;
  /** How long was waited in vain. A wait of more than a minute is not begun again by itself: a person is asked. */
  waitedMs?: number;
}

/** The failure inside hadb; at the activity's edge it becomes an `ApplicationFailure` whose type is the code. */
export class HadbError extends Error {
  override readonly name = 'HadbError';
  constructor(
    readonly code: FailureCode,
    message: string,
    readonly details: FailureDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Realm-safe: Jest and the workflow sandbox have classes of their own. */
export function isHadbError(error: unknown): error is HadbError {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'HadbError' && 'code' in error
  );
}

export function isFailureCode(code: unknown): code is FailureCode {
  return typeof code === 'string' && Object.hasOwn(FAILURES, code);
}

export function isFinal(code: FailureCode): boolean {
  return FAILURES[code].final;
}

/** A tool printed something else than it is known to print. Not final: a cut connection can do that, too. */
export function unreadable(tool: string, output: string): HadbError {
  return new HadbError('CommandFailed', `cannot read the output of ${tool}`, {
    subject: tool,
    observed: output.length > 300 ? `${output.slice(0, 300)}…` : output || '(nothing)',
    whatNow: 'Run the tool on the node by hand; if its output looks right, its version is unknown to hadb.',
  });
}

export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
