import { ExitCode, buildApplication, buildCommand, buildRouteMap, run, text_en } from '@stricli/core';
import { DECISIONS } from '../cluster/step';
import type { Decision } from '../cluster/step';
import type { DrillKind } from '../workflows/messages';
import { parseTimeOfDay } from '../cluster/drill-schedule';
import type { TimeOfDay } from '../cluster/drill-schedule';
import { LARGEST_SEED, MOST_ROUNDS, USUAL_ROUNDS } from '../cluster/drill-series';
import { DEADLINE_MINUTES, FAULT_PAIRS, WATCH_MINUTES } from '../workflows/messages';
import type * as DrillOrderCommands from './commands/drill-order-commands';
import type * as DrillSeriesCommand from './commands/drill-series';
import type * as EmbeddedCommands from './commands/embedded-commands';
import type * as DoctorCommand from './commands/doctor';
import type * as ReportCommands from './commands/report-commands';
import type * as RunCommands from './commands/run-commands';
import type * as ScheduleCommands from './commands/schedule-commands';
import type * as Start from './start';
import type { ClientContext } from './context';
import { LAB_IMAGES } from './embedded';
import { exitCode } from './exit-codes';
import { describeError, exitOfError } from './failure';
import { PROGRESS_STYLES } from './reporting/choose-reporter';
import type { ReportingFlags } from './reporting/choose-reporter';
import { DRILL_WORDS, parseDrillKind, parseKinds } from './requests';
import { VERSION } from './version';

/** The command line: names, arguments and help. What the commands do is loaded only when one of them is run. */

// `require` and not `import()`: in CommonJS output the latter would be an ES module import, which the test runner cannot do.
const runCommands = () => require('./commands/run-commands') as typeof RunCommands;
const embeddedCommands = () => require('./commands/embedded-commands') as typeof EmbeddedCommands;
const reportCommands = () => require('./commands/report-commands') as typeof ReportCommands;
const doctorCommand = () => require('./commands/doctor') as typeof DoctorCommand;
const scheduleCommands = () => require('./commands/schedule-commands') as typeof ScheduleCommands;
const drillOrderCommands = () => require('./commands/drill-order-commands') as typeof DrillOrderCommands;
const drillSeriesCommand = () => require('./commands/drill-series') as typeof DrillSeriesCommand;
const startModule = () => require('./start') as typeof Start;

const text = (input: string) => input;

const reporting = {
  json: {
    kind: 'boolean',
    brief: 'JSON lines on standard output, the last one the result',
    default: false,
    withNegated: false,
  },
  progress: {
    kind: 'enum',
    values: PROGRESS_STYLES,
    brief:
      'live: redrawn on a terminal; lines: one line a step; quiet: failures and the result; auto: live, or when piped quiet with a line a minute',
    default: 'auto',
  },
} as const;

const oneDocument = { kind: 'boolean', brief: 'One JSON document', default: false, withNegated: false } as const;

const running = {
  ...reporting,
  wait: { kind: 'boolean', brief: 'Watch the run to its end (default on a terminal)', optional: true },
  onFailure: {
    kind: 'enum',
    values: ['wait', 'fail'],
    brief: 'At a failed step wait for a decision (default on a terminal), or fail at once',
    optional: true,
  },
} as const;

const specification = {
  kind: 'tuple',
  parameters: [
    {
      brief: 'Specification of the cluster, YAML or JSON (default: ./hadb.yaml, else the embedded lab)',
      parse: text,
      placeholder: 'spec',
      optional: true,
    },
  ],
} as const;

const workflow = {
  brief: 'Workflow id, or the name of a cluster for its build',
  parse: text,
  placeholder: 'workflow',
} as const;

function parseDecision(word: string): Decision {
  const known = DECISIONS.find((decision) => decision === word);
  if (known === undefined) throw new Error(`"${word}" is no decision; use one of ${DECISIONS.join(', ')}`);
  return known;
}

function parseTime(word: string): TimeOfDay {
  const time = parseTimeOfDay(word);
  if (time === undefined) throw new Error(`"${word}" is no time of day such as 02:30 (UTC)`);
  return time;
}

function parseDeadline(word: string): number {
  const { least, most } = DEADLINE_MINUTES;
  const minutes = Number(word);
  if (Number.isInteger(minutes) && minutes >= least && minutes <= most) return minutes;
  throw new Error(`"${word}" is no deadline: a whole number of minutes from ${least} to ${most}`);
}

function parseRounds(word: string): number {
  const rounds = Number(word);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= MOST_ROUNDS) return rounds;
  throw new Error(`"${word}" is no number of rounds: a whole number from 1 to ${MOST_ROUNDS}`);
}

function parseSeed(word: string): number {
  const seed = Number(word);
  if (/^\d+$/.test(word) && seed <= LARGEST_SEED) return seed;
  throw new Error(`"${word}" is no seed: a whole number from 0 to ${LARGEST_SEED}`);
}

const parseSeriesKinds = (words: string): DrillKind[] => words.split(',').map((word) => parseDrillKind(word.trim()));

function parseWatchMinutes(word: string): number {
  const { least, most } = WATCH_MINUTES;
  const minutes = Number(word);
  if (Number.isInteger(minutes) && minutes >= least && minutes <= most) return minutes;
  throw new Error(`"${word}" is no interval: a whole number of minutes from ${least} to ${most}`);
}

/** Part of ids, of a tag of Azure, and of command lines. */
function parseScheduleName(word: string): string {
  if (/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(word)) return word;
  throw new Error(`"${word}" is no name of a schedule: up to 40 lower-case letters, digits and hyphens`);
}

const scheduleName = { brief: 'Name of the schedule', parse: parseScheduleName, placeholder: 'schedule' } as const;
const named = { kind: 'tuple', parameters: [scheduleName] } as const;

const cluster = {
  kind: 'parsed',
  parse: text,
  brief: 'Name of the cluster: its specification is that of its newest build',
  placeholder: 'name',
  optional: true,
} as const;

const reason = {
  kind: 'parsed',
  parse: text,
  brief: 'Why; shown to whoever looks',
  placeholder: 'text',
  optional: true,
} as const;

const schedule = buildRouteMap({
  routes: {
    create: buildCommand({
      func(this: ClientContext, flags: ScheduleCommands.CreateFlags, name: string, file?: string) {
        return scheduleCommands().createSchedule(this, flags, name, file);
      },
      parameters: {
        flags: {
          ...reporting,
          cluster,
          at: { kind: 'parsed', parse: parseTime, brief: 'Time of day in UTC, such as 02:30', placeholder: 'HH:MM' },
          kinds: {
            kind: 'parsed',
            parse: parseKinds,
            brief: 'rotate, or kinds separated by commas: one a night, by UTC day number modulo their count',
            placeholder: 'kinds',
            default: 'rotate',
          },
          deadline: {
            kind: 'parsed',
            parse: parseDeadline,
            brief: `Minutes after which a drill is cancelled (default ${DEADLINE_MINUTES.usual}, and more for a large disk that is verified)`,
            placeholder: 'minutes',
            optional: true,
          },
        },
        positional: { kind: 'tuple', parameters: [scheduleName, ...specification.parameters] },
      },
      docs: { brief: 'Make a schedule of drills, or change the one of this name; a paused one stays paused' },
    }),
    watch: buildCommand({
      func(this: ClientContext, flags: ScheduleCommands.WatchFlags, name: string, file?: string) {
        return scheduleCommands().watchBySchedule(this, flags, name, file);
      },
      parameters: {
        flags: {
          ...reporting,
          cluster,
          every: {
            kind: 'parsed',
            parse: parseWatchMinutes,
            brief: `Minutes between two looks (default ${WATCH_MINUTES.usual})`,
            placeholder: 'minutes',
            optional: true,
          },
        },
        positional: { kind: 'tuple', parameters: [scheduleName, ...specification.parameters] },
      },
      docs: {
        brief: 'Look at a pair every few minutes and raise an alert, or change the watch of this name; reads only',
      },
    }),
    list: buildCommand({
      func(this: ClientContext, flags: ReportingFlags) {
        return scheduleCommands().listSchedules(this, flags);
      },
      parameters: { flags: reporting },
      docs: { brief: 'Tell all schedules: state, next and last run, and what was missed' },
    }),
    pause: buildCommand({
      func(this: ClientContext, flags: ScheduleCommands.PauseFlags, name: string) {
        return scheduleCommands().pauseSchedule(this, flags, name);
      },
      parameters: { flags: { ...reporting, reason }, positional: named },
      docs: { brief: 'Start no more runs until it is unpaused' },
    }),
    unpause: buildCommand({
      func(this: ClientContext, flags: ScheduleCommands.PauseFlags, name: string) {
        return scheduleCommands().unpauseSchedule(this, flags, name);
      },
      parameters: { flags: { ...reporting, reason }, positional: named },
      docs: { brief: 'Start runs again, after a failed one was looked at' },
    }),
    trigger: buildCommand({
      func(this: ClientContext, flags: ScheduleCommands.TriggerFlags, name: string) {
        return scheduleCommands().triggerSchedule(this, flags, name);
      },
      parameters: { flags: { ...reporting, wait: running.wait }, positional: named },
      docs: { brief: 'Make the drill of today, or the next look, now, unless one of this schedule is open' },
    }),
    delete: buildCommand({
      func(this: ClientContext, flags: ReportingFlags, name: string) {
        return scheduleCommands().deleteSchedule(this, flags, name);
      },
      parameters: { flags: reporting, positional: named },
      docs: { brief: 'Delete the schedule; a run that is open goes on' },
    }),
  },
  docs: { brief: 'Drills by night and watches: create, watch, list, pause, unpause, trigger, delete' },
});

const drills = buildRouteMap({
  routes: {
    stop: buildCommand({
      func(this: ClientContext, flags: DrillOrderCommands.OrderFlags, file?: string) {
        return drillOrderCommands().stopDrills(this, flags, file);
      },
      parameters: { flags: { ...reporting, cluster, reason }, positional: specification },
      docs: { brief: 'Cancel the drills that run, pause their schedules, and let no other begin' },
    }),
    allow: buildCommand({
      func(this: ClientContext, flags: DrillOrderCommands.OrderFlags, file?: string) {
        return drillOrderCommands().allowDrills(this, flags, file);
      },
      parameters: { flags: { ...reporting, cluster, reason }, positional: specification },
      docs: { brief: 'Let drills begin again, and unpause what "stop" has paused' },
    }),
    freeze: buildCommand({
      func(this: ClientContext, flags: DrillOrderCommands.FreezeFlags, file?: string) {
        return drillOrderCommands().freezeDrills(this, flags, file);
      },
      parameters: {
        flags: {
          ...reporting,
          cluster,
          window: {
            kind: 'parsed',
            parse: text,
            brief: 'From and until in UTC, such as 2026-12-20T00:00Z/2027-01-04T06:00Z; may be repeated',
            placeholder: 'from/until',
            variadic: true,
            optional: true,
          },
          none: { kind: 'boolean', brief: 'Take the freeze back', default: false, withNegated: false },
        },
        positional: specification,
      },
      docs: { brief: 'Set the windows in which no drill begins' },
    }),
    run: buildCommand({
      func(this: ClientContext, flags: DrillSeriesCommand.SeriesFlags, file?: string) {
        return drillSeriesCommand().runSeries(this, flags, file);
      },
      parameters: {
        flags: {
          ...reporting,
          rounds: {
            kind: 'parsed',
            parse: parseRounds,
            brief: `How often each kind is made at least; from ${USUAL_ROUNDS} on node-power-off and network-partition ten times`,
            placeholder: 'n',
            default: String(USUAL_ROUNDS),
          },
          seed: {
            kind: 'parsed',
            parse: parseSeed,
            brief: 'Gives the order; the seed of a series that was interrupted goes on with it (default: a new one)',
            placeholder: 'number',
            optional: true,
          },
          kinds: {
            kind: 'parsed',
            parse: parseSeriesKinds,
            brief: 'Kinds separated by commas (default: all that the specification allows)',
            placeholder: 'kinds',
            optional: true,
          },
          write: {
            kind: 'parsed',
            parse: text,
            brief: 'Page whose table, between its two markers, is renewed at the end',
            placeholder: 'file',
            optional: true,
          },
          image: { kind: 'enum', values: LAB_IMAGES, brief: 'Guest image of the lab', default: 'golden' },
        },
        positional: {
          kind: 'tuple',
          parameters: [
            {
              brief: 'Specification of a cluster that is there (default: the lab is brought up, and its cluster)',
              parse: text,
              placeholder: 'spec',
              optional: true,
            },
          ],
        },
      },
      docs: {
        brief: 'Make every kind of drill several times, in an order from a seed, and tell how each kind went',
        fullDescription:
          'Without a specification everything is brought up as by "hadb start". Goes on after an interruption with the same seed, and counts nothing twice. Goes on after a drill that did not pass only with a pair that is whole, if need be after one recovery. The exit code is that of the worst verdict.',
      },
    }),
  },
  docs: { brief: 'Drills in series (run); their safety switch: stop, allow; and freeze windows' },
});

const routes = buildRouteMap({
  routes: {
    start: buildCommand({
      func(this: ClientContext, flags: Start.StartFlags) {
        return startModule().start(this, flags);
      },
      parameters: {
        flags: {
          ...reporting,
          image: { kind: 'enum', values: LAB_IMAGES, brief: 'Guest image of the lab', default: 'golden' },
          onFailure: running.onFailure,
          down: { kind: 'boolean', brief: 'End everything after the verdict', default: false, withNegated: false },
        },
      },
      docs: {
        brief: 'Bring up the embedded pieces, build the cluster in the lab, fail it over, print the verdict',
        fullDescription:
          'Installs what is missing on Debian and Ubuntu (and says what before it does), starts Temporal, the lab and a worker, builds the cluster of examples/lab.yaml, cuts the power of the primary, and prints the verdict. A second start goes straight to work.',
      },
    }),
    up: buildCommand({
      func(this: ClientContext, flags: EmbeddedCommands.UpFlags) {
        return embeddedCommands().up(this, flags);
      },
      parameters: {
        flags: {
          ...reporting,
          image: { kind: 'enum', values: LAB_IMAGES, brief: 'Guest image of the lab', optional: true },
        },
      },
      docs: { brief: 'Start what is missing of Temporal, lab and worker; restart what died or has changed' },
    }),
    down: buildCommand({
      func(this: ClientContext, flags: { json: boolean; progress: (typeof PROGRESS_STYLES)[number] }) {
        return embeddedCommands().down(this, flags);
      },
      parameters: { flags: reporting },
      docs: { brief: 'End the worker, the lab with its machines, and Temporal; what was built is kept' },
    }),
    status: buildCommand({
      func(this: ClientContext, flags: { json: boolean }) {
        return embeddedCommands().status(this, flags);
      },
      parameters: {
        flags: { json: { kind: 'boolean', brief: 'One JSON document', default: false, withNegated: false } },
      },
      docs: { brief: 'Tell what runs on this computer, and the state of each cluster' },
    }),
    build: buildCommand({
      func(this: ClientContext, flags: RunCommands.RunFlags, file?: string) {
        return runCommands().build(this, flags, file);
      },
      parameters: { flags: running, positional: specification },
      docs: { brief: 'Build the cluster end to end, or verify one that is built' },
    }),
    plan: buildCommand({
      func(this: ClientContext, flags: RunCommands.PlanFlags, file?: string) {
        return runCommands().plan(this, flags, file);
      },
      parameters: {
        flags: {
          ...reporting,
          detailedExitcode: {
            kind: 'boolean',
            brief: 'Exit 0 when nothing is to be done, 1 on an error, 2 when there are changes',
            default: false,
            withNegated: false,
          },
        },
        positional: specification,
      },
      docs: { brief: 'Tell what a build would do, step by step; reads only' },
    }),
    drill: buildCommand({
      func(this: ClientContext, flags: RunCommands.DrillFlags, kind: DrillKind, file?: string) {
        return runCommands().drill(this, flags, kind, file);
      },
      parameters: {
        flags: {
          ...running,
          junit: {
            kind: 'parsed',
            parse: text,
            brief: 'Wait for the end, and write a JUnit file with a case for each check',
            placeholder: 'file',
            optional: true,
          },
          pair: {
            kind: 'enum',
            values: FAULT_PAIRS,
            brief: 'Which faults a drill of kind double makes, and so who comes back alone (default: off-then-reset)',
            optional: true,
          },
        },
        positional: {
          kind: 'tuple',
          parameters: [
            {
              brief: `What happens to the primary: ${DRILL_WORDS.join(', ')}`,
              parse: parseDrillKind,
              placeholder: 'kind',
              proposeCompletions: (partial: string) => DRILL_WORDS.filter((word) => word.startsWith(partial)),
            },
            ...specification.parameters,
          ],
        },
      },
      docs: { brief: 'Make one fault, and prove that the cluster survives it and is healthy again' },
    }),
    drills,
    schedule,
    report: buildCommand({
      func(this: ClientContext, flags: ReportCommands.ReportFlags, word?: string) {
        return reportCommands().report(this, flags, word);
      },
      parameters: {
        flags: { json: oneDocument },
        positional: {
          kind: 'tuple',
          parameters: [
            {
              brief: 'Drill, its workflow, or a kind or cluster for its latest (default: the latest of all)',
              parse: text,
              placeholder: 'drill',
              optional: true,
            },
          ],
        },
      },
      docs: { brief: 'Tell where the report of a drill is, and what it says' },
    }),
    trend: buildCommand({
      func(this: ClientContext, flags: ReportCommands.ReportFlags) {
        return reportCommands().trend(this, flags);
      },
      parameters: { flags: { json: oneDocument } },
      docs: {
        brief: 'Outages of each kind of drill over time, and how long ago each kind passed; as table, SVG and page',
      },
    }),
    switchover: buildCommand({
      func(this: ClientContext, flags: RunCommands.RunFlags, file?: string) {
        return runCommands().switchover(this, flags, file);
      },
      parameters: { flags: running, positional: specification },
      docs: { brief: 'Move the primary to the other node, as planned work' },
    }),
    recover: buildCommand({
      func(this: ClientContext, flags: RunCommands.RecoverFlags, file?: string) {
        return runCommands().recover(this, flags, file);
      },
      parameters: { flags: { ...running, cluster }, positional: specification },
      docs: { brief: 'Put right what a night has left behind, where that is safe; tell what needs a person' },
    }),
    destroy: buildCommand({
      func(this: ClientContext, flags: RunCommands.DestroyFlags, file?: string) {
        return runCommands().destroy(this, flags, file);
      },
      parameters: {
        flags: {
          ...running,
          confirm: {
            kind: 'parsed',
            parse: text,
            brief: 'Name of the cluster, typed, instead of the question',
            placeholder: 'name',
            optional: true,
          },
        },
        positional: specification,
      },
      docs: { brief: 'Delete the cluster: only what carries its tag, and only when its name is typed' },
    }),
    watch: buildCommand({
      func(
        this: ClientContext,
        flags: { json: boolean; progress: (typeof PROGRESS_STYLES)[number] },
        workflowId: string,
      ) {
        return runCommands().watch(this, flags, workflowId);
      },
      parameters: { flags: reporting, positional: { kind: 'tuple', parameters: [workflow] } },
      docs: { brief: 'Watch a run to its end; Ctrl-C lets it go on' },
    }),
    decide: buildCommand({
      func(this: ClientContext, flags: RunCommands.DecideFlags, workflowId: string, step: string, decision: Decision) {
        return runCommands().decide(this, flags, workflowId, step, decision);
      },
      parameters: {
        flags: {
          ...reporting,
          reason: {
            kind: 'parsed',
            parse: text,
            brief: 'Why; kept with the run (needed for skip and abort)',
            placeholder: 'text',
            optional: true,
          },
        },
        positional: {
          kind: 'tuple',
          parameters: [
            workflow,
            { brief: 'Step that waits, such as create-drbd-metadata/hadb01', parse: text, placeholder: 'step' },
            {
              brief: `One of ${DECISIONS.join(', ')}`,
              parse: parseDecision,
              placeholder: DECISIONS.join('|'),
              proposeCompletions: (partial: string) => DECISIONS.filter((word) => word.startsWith(partial)),
            },
          ],
        },
      },
      docs: { brief: 'Answer a failed step that waits' },
    }),
    cancel: buildCommand({
      func(this: ClientContext, flags: RunCommands.CancelFlags, workflowId: string) {
        return runCommands().cancel(this, flags, workflowId);
      },
      parameters: {
        flags: {
          ...reporting,
          terminate: {
            kind: 'boolean',
            brief: 'End it at once, without its clean-up: for a run whose workflow task keeps failing',
            default: false,
            withNegated: false,
          },
        },
        positional: { kind: 'tuple', parameters: [workflow] },
      },
      docs: { brief: 'Stop a run before its next move' },
    }),
    doctor: buildCommand({
      func(this: ClientContext, flags: DoctorCommand.DoctorFlags) {
        return doctorCommand().doctor(this, flags);
      },
      parameters: {
        flags: {
          json: { kind: 'boolean', brief: 'One JSON document', default: false, withNegated: false },
          install: {
            kind: 'boolean',
            brief: 'Install the packages that are missing first (Debian and Ubuntu)',
            default: false,
            withNegated: false,
          },
        },
      },
      docs: { brief: 'Tell what is missing on this machine, and the command that installs it' },
    }),
    lab: buildCommand({
      // Here for the help only: `runCommandLine` hands everything behind `lab` to the lab's own command line.
      func(this: ClientContext, _flags: object, ...words: string[]) {
        return runLab(this, words);
      },
      parameters: {
        positional: {
          kind: 'array',
          parameter: { brief: 'Arguments of the lab', parse: text, placeholder: 'argument' },
        },
      },
      docs: { brief: 'The local Azure: up, down, status, console <vm>, logs, faults' },
    }),
  },
  docs: { brief: 'A highly available MySQL pair on Azure: build it, fail it over, prove that nothing was lost' },
});

export const application = buildApplication(routes, {
  name: 'hadb',
  versionInfo: { currentVersion: VERSION },
  scanner: { caseStyle: 'allow-kebab-for-camel' },
  determineExitCode: (error) => exitCode(exitOfError(error)),
  localization: { text: { ...text_en, exceptionWhileRunningCommand: describeError } },
});

/** Runs one command line; the exit code is left in `context.process.exitCode`. */
export async function runCommandLine(words: readonly string[], context: ClientContext): Promise<void> {
  // The lab has a command line of its own, options included.
  if (words[0] === 'lab') return runLab(context, words.slice(1));
  await run(application, words, context);
  context.process.exitCode = translate(context.process.exitCode);
}

async function runLab(context: ClientContext, words: readonly string[]): Promise<void> {
  context.process.exitCode = await startModule().runLab(context, words);
}

/** Stricli's own codes are negative; ours are documented. */
function translate(code: number | string | null | undefined): number | string | null {
  if (code === ExitCode.UnknownCommand || code === ExitCode.InvalidArgument) return exitCode('usage');
  if (typeof code === 'number' && code < 0) return exitCode('internal');
  return code ?? exitCode('passed');
}
