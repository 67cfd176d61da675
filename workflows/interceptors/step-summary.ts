import type { WorkflowOutboundCallsInterceptor } from '@temporalio/workflow';
import { currentStep } from '../current-step';

/** Puts the step's sentence on each of its activities and timers, so that the history in the UI reads like the runbook. */
export const stepSummary: WorkflowOutboundCallsInterceptor = {
  scheduleActivity(input, next) {
    const summary = input.options.summary ?? currentStep()?.summary;
    return next(summary === undefined ? input : { ...input, options: { ...input.options, summary } });
  },
  startTimer(input, next) {
    const summary = input.options?.summary ?? currentStep()?.summary;
    return next(summary === undefined ? input : { ...input, options: { ...input.options, summary } });
  },
};
