import { ClientError } from '../../client/messages';
import type { RunSummary, StartRequest, Temporal } from '../../client/temporal';
import type { RunEnding, RunLook } from '../../client/watched-run';
import type { Progress } from '../../cluster/step';
import type { DecideInput } from '../../workflows/messages';
import { progressOf } from './progress-for-tests';

/** A Temporal in memory: what it was asked is kept, and every run has already ended as `ending` says. */
export interface TemporalForCommands extends Temporal {
  started: StartRequest[];
  decisions: (DecideInput & { workflowId: string })[];
  cancelled: string[];
  terminated: string[];
}

export interface TemporalScript {
  ending?: RunEnding;
  look?: Partial<RunLook>;
  progress?: Progress;
  open?: readonly string[];
  runs?: RunSummary[];
  input?: unknown;
  lockMemo?: Record<string, unknown>;
  check?: () => Promise<void>;
  refuse?: string;
}

export function temporalForCommands(script: TemporalScript = {}): TemporalForCommands {
  const fake: TemporalForCommands = {
    address: '127.0.0.1:7233',
    namespace: 'default',
    started: [],
    decisions: [],
    cancelled: [],
    terminated: [],
    async start(request) {
      if (script.open?.includes(request.workflowId) === true && request.ifOpen === 'refuse') {
        throw new ClientError('HADB_E4007', 'refused', `${request.workflowId} is open already`);
      }
      fake.started.push(request);
      return { runId: 'r1', attached: script.open?.includes(request.workflowId) === true };
    },
    watch: (workflowId) => ({
      workflowId,
      look: async () => ({
        status: script.ending?.status ?? 'COMPLETED',
        runId: 'r1',
        firstRunId: 'r1',
        workflowTaskAttempt: 1,
        pending: [],
        ...script.look,
      }),
      progress: async () => script.progress,
      ending: async () => script.ending ?? { status: 'COMPLETED', progress: progressOf([], { state: 'completed' }) },
      workflowTaskFailure: async () => 'TMPRL1100 nondeterminism',
    }),
    async decide(workflowId, input) {
      if (script.refuse !== undefined) throw new ClientError('HADB_E4005', 'failed', script.refuse);
      fake.decisions.push({ workflowId, ...input });
      return progressOf([]);
    },
    cancel: async (workflowId) => void fake.cancelled.push(workflowId),
    terminate: async (workflowId) => void fake.terminated.push(workflowId),
    list: async () => script.runs ?? [],
    readInput: async () => script.input,
    readOpenMemo: async () => script.lockMemo,
    check: async () => script.check?.(),
    close: async () => undefined,
  };
  return fake;
}
