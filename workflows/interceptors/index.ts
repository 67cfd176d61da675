import type { WorkflowInterceptors } from '@temporalio/workflow';
import { inTurn } from './in-turn';
import { stepSummary } from './step-summary';

/** The module that the worker and the bundler name in `workflowModules`. The last one is nearest to the SDK. */
export const interceptors = (): WorkflowInterceptors => ({ outbound: [stepSummary, inTurn()] });
