import { isUnderWay, type Diagnosis, type Remedy } from './diagnosis';

/** What a watch makes of its looks: when somebody is told, and when not. The clock belongs to whoever asks. */

/** `under-way`: not whole, and nothing wrong that would not pass by itself. `unseen`: it could not look. */
export type WatchState = 'whole' | 'under-way' | 'wrong' | 'unseen';

export interface WatchFinding {
  /** One word for programs; a label of the metric. */
  finding: string;
  sentence: string;
  whatNow: string;
}

/** What a watch hands on to its next look. */
export interface WatchNote {
  state: WatchState;
  findings: WatchFinding[];
  /** When findings were told last (ISO 8601), and which; absent when nobody needs to know anything, or nobody could be told. */
  told?: { at: string; findings: string[] };
}

/** How often somebody is told of the same findings again. */
export const TELL_AGAIN_MS = 3_600_000;

const NAMES: Readonly<Partial<Record<Remedy['kind'], string>>> = {
  start: 'node-down',
  'open-way': 'fault-left',
  'end-faults': 'fault-left',
  'lift-standby': 'standby',
  'remove-constraints': 'leftover-constraint',
};

export function judgeLook(diagnosis: Diagnosis, cluster: string): Pick<WatchNote, 'state' | 'findings'> {
  const { healthy, refusals, left, remedy, problems } = diagnosis;
  if (healthy) return { state: 'whole', findings: [] };
  const forPerson = [...refusals, ...left].map(({ code, sentence, whatNow }) => ({ finding: code, sentence, whatNow }));
  const byRecovery: WatchFinding[] =
    remedy === undefined
      ? []
      : [
          {
            finding: NAMES[remedy.kind] ?? 'not-settled',
            sentence: problems.join('; '),
            whatNow: `Put it right with "hadb recover --cluster ${cluster}", which does only what is safe.`,
          },
        ];
  return { state: isUnderWay(diagnosis) ? 'under-way' : 'wrong', findings: [...forPerson, ...byRecovery] };
}

/** What is under way, or could not be seen, is an alert when it was no better at the look before. */
export function isAlert({ state }: Pick<WatchNote, 'state'>, before: WatchNote | undefined): boolean {
  if (state === 'whole') return false;
  return state === 'wrong' || (before !== undefined && before.state !== 'whole');
}

/** `alert`: something new, or the same for an hour. `over`: what was told is no more. */
export function whatToTell(
  now: Pick<WatchNote, 'state' | 'findings'>,
  before: WatchNote | undefined,
  atMs: number,
): 'alert' | 'over' | 'nothing' {
  const told = before?.told;
  if (now.state === 'whole') return told === undefined ? 'nothing' : 'over';
  if (!isAlert(now, before)) return 'nothing';
  if (told === undefined || atMs - Date.parse(told.at) >= TELL_AGAIN_MS) return 'alert';
  return namesOf(now.findings).join() === told.findings.join() ? 'nothing' : 'alert';
}

export const namesOf = (findings: readonly WatchFinding[]): string[] =>
  [...new Set(findings.map(({ finding }) => finding))].sort((one, other) => one.localeCompare(other));

/** What is sent to a webhook; `text` is what chat systems show. */
export interface AlertMessage {
  version: 1;
  source: 'hadb';
  code: 'HADB_W8001' | 'HADB_I8002';
  state: 'alert' | 'over';
  cluster: string;
  /** ISO 8601. */
  at: string;
  text: string;
  findings: WatchFinding[];
  /** What was seen of both nodes. */
  observed: string;
  workflowId: string;
}

export function alertMessage(
  of: Pick<AlertMessage, 'state' | 'cluster' | 'at' | 'findings' | 'observed' | 'workflowId'>,
): AlertMessage {
  const { state, cluster, findings } = of;
  const text =
    state === 'over'
      ? `hadb: the pair ${cluster} is whole again`
      : `hadb: the pair ${cluster} is not whole: ${findings.map(({ sentence }) => sentence).join('; ')}`;
  return { version: 1, source: 'hadb', code: state === 'over' ? 'HADB_I8002' : 'HADB_W8001', text, ...of };
}
