import { AsyncLocalStorage } from '@temporalio/workflow';
import type { StepFailure } from '../cluster/step';

/** The step that the code is in: known to everything called from it without being handed through. */
export interface CurrentStep {
  /** One sentence for people; becomes the summary of the step's activities. */
  summary: string;
  /** Counts a failed try and shows it; returns how many tries of this generation have failed. */
  countFailure(failure: StepFailure, error: unknown): number;
}

/** Where in the runbook the code is. */
export interface Place {
  chapter: string;
  step?: CurrentStep;
  /** Set while something is undone: then steps may start although the run is ending. */
  undoing: boolean;
}

const places = new AsyncLocalStorage<Place>();

export function currentPlace(): Place {
  return places.getStore() ?? { chapter: '', undoing: false };
}

export function currentStep(): CurrentStep | undefined {
  return places.getStore()?.step;
}

export function inPlace<Result>(place: Place, work: () => Promise<Result>): Promise<Result> {
  return places.run(place, work);
}
