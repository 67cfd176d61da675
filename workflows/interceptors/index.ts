import type { WorkflowInterceptors } from '@temporalio/workflow';
import { inTurn } from './in-turn';
import { stepSummary } from './step-summary';

/** The module that the worker and the bundler name in `workflowModules`. */
export const interceptors = (): WorkflowInterceptors => ({ outbound: [stepSummary], internals: [inTurn] });
