import { asyncLocalStorage } from '@temporalio/activity';

/** The cancellation of the running activity, as connections need it. */
export interface CancellationScope {
  signal: AbortSignal;
  /** True when the run itself was cancelled: what goes on remotely must end. A worker's shutdown leaves it alone. */
  endsRun(): boolean;
}

/** Undefined outside of an activity. */
export function currentCancellation(): CancellationScope | undefined {
  const context = asyncLocalStorage.getStore();
  if (context === undefined) return undefined;
  return {
    signal: context.cancellationSignal,
    endsRun: () => context.cancellationDetails?.cancelRequested === true,
  };
}
