import { ClientError } from '../../client/messages';
import type { DrillSchedule, ScheduleRequest, Schedules } from '../../client/schedules';
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
  /** By name; `trigger` lets a drill start. */
  known: Map<string, DrillSchedule>;
  saved: ScheduleRequest[];
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
  schedules?: Partial<DrillSchedule>[];
  /** A triggered schedule starts nothing: another drill was open. */
  triggerSkips?: boolean;
}

export function temporalForCommands(script: TemporalScript = {}): TemporalForCommands {
  const known = new Map<string, DrillSchedule>();
  for (const schedule of script.schedules ?? []) known.set(schedule.name ?? 'nightly', scheduleFor(schedule));
  const saved: ScheduleRequest[] = [];
  const fake: TemporalForCommands = {
    address: '127.0.0.1:7233',
    namespace: 'default',
    started: [],
    decisions: [],
    cancelled: [],
    terminated: [],
    known,
    saved,
    schedules: schedulesInMemory(known, saved, script.triggerSkips === true),
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

const scheduleFor = (schedule: Partial<DrillSchedule>): DrillSchedule => ({
  name: 'nightly',
  cluster: 'pair',
  at: '02:30',
  purpose: 'drills',
  kinds: ['switchover'],
  paused: false,
  next: '2026-11-23T02:30:00.000Z',
  open: [],
  missed: { overlap: 0, catchUp: 0 },
  ...schedule,
});

function schedulesInMemory(
  known: Map<string, DrillSchedule>,
  saved: ScheduleRequest[],
  triggerSkips: boolean,
): Schedules {
  const read = (name: string): DrillSchedule => {
    const schedule = known.get(name);
    if (schedule === undefined) throw new ClientError('HADB_E4016', 'failed', `there is no schedule ${name}`);
    return schedule;
  };
  const change = (name: string, fields: Partial<DrillSchedule>): void =>
    void known.set(name, { ...read(name), ...fields });
  return {
    list: async () => [...known.values()],
    read: async (name) => read(name),
    async save(request) {
      saved.push(request);
      const before = known.get(request.name);
      known.set(
        request.name,
        scheduleFor({
          ...before,
          name: request.name,
          cluster: request.cluster,
          purpose: request.purpose,
          ...(request.purpose === 'watch'
            ? { kinds: [], at: `every ${request.everyMinutes} minutes` }
            : { kinds: [...request.input.kinds] }),
        }),
      );
      return before === undefined ? 'created' : 'updated';
    },
    pause: async (name, note) => change(name, { paused: true, note }),
    unpause: async (name, note) => change(name, { paused: false, note }),
    async trigger(name) {
      const { cluster } = read(name);
      const last = {
        workflowId: `scheduled-drill/${cluster}/${name}-now`,
        runId: 'now',
        takenAt: '2026-11-22T12:00:00.000Z',
      };
      if (!triggerSkips) change(name, { last });
    },
    async delete(name) {
      read(name);
      known.delete(name);
    },
  };
}
