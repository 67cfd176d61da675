import { formatDuration } from '../report/duration';
import type { ClusterSpecification } from '../specification/specification';
import { parseEvents2, readEvents2, type DrbdState } from './state';
import { assign } from '../shell';

/** DRBD's online verification: both copies read to their end and compared, block by block, at the rate of a resync. */

/** `auto` does this much after every drill, and more once a week. */
const LONGEST_SECONDS = 120;
/** Nor does it do more than this, which a night and its deadline have room for. */
const LONGEST_WEEKLY_SECONDS = 10 * 3600;
/** A week less half a day: it is each seventh night, however long the one a week ago took. */
const WEEK_MS = 6.5 * 86_400_000;

/** How long it takes at the rate that the configuration allows. A slow processor or disk makes it longer. */
export const verifySeconds = ({ dataDisk, drbd }: Pick<ClusterSpecification, 'dataDisk' | 'drbd'>): number =>
  Math.ceil((dataDisk.sizeGiB * 1024) / drbd.resyncMiBPerSecond);

/** Too long for every drill: made once a week, which needs a memory. */
export const isWeeklyVerify = (specification: ClusterSpecification): boolean => {
  const seconds = verifySeconds(specification);
  return specification.drill.verify === 'auto' && seconds > LONGEST_SECONDS && seconds <= LONGEST_WEEKLY_SECONDS;
};

/** What decides besides the specification. Times in ms since the epoch. */
export interface VerifyOccasion {
  at: number;
  /** End of the last one that found nothing; absent where none is known. */
  lastAt?: number;
  /** A build makes several drills, whose end somebody waits for. */
  inBuild?: boolean;
}

/** Why it is left out; undefined where it is made. */
export function verifyLeftOut(
  specification: ClusterSpecification,
  { at, lastAt, inBuild = false }: VerifyOccasion,
): string | undefined {
  const { dataDisk, drbd, drill } = specification;
  if (drill.verify === 'never') return 'the specification says "drill.verify: never"';
  if (drill.verify === 'always') return undefined;
  if (inBuild) return 'the tests of a build leave it to the drills; "drill.verify: always" does it all the same';
  const seconds = verifySeconds(specification);
  if (seconds <= LONGEST_SECONDS) return undefined;
  const long = `${dataDisk.sizeGiB} GiB take ${formatDuration(seconds * 1000)} at ${drbd.resyncMiBPerSecond} MiB/s`;
  const anyway = '"drill.verify: always" does it all the same';
  if (!isWeeklyVerify(specification)) return `${long}, more than once a week is made by itself; ${anyway}`;
  if (lastAt === undefined || at - lastAt >= WEEK_MS) return undefined;
  return `${long}: made once a week, the last time on ${new Date(lastAt).toISOString().slice(0, 10)}; ${anyway}`;
}

/** What a drill may take longer because of it, in minutes: a busy disk makes it slower than its rate. */
export function verifyAllowanceMinutes(specification: ClusterSpecification): number {
  const seconds = verifySeconds(specification);
  const isLong = seconds > LONGEST_SECONDS;
  const isMade = specification.drill.verify === 'always' || isWeeklyVerify(specification);
  return isLong && isMade ? Math.ceil((2 * seconds) / 60) : 0;
}

export interface VerifyView {
  drbd: DrbdState;
  /** A verification is under way. */
  runs: boolean;
  donePercent?: number;
  /** What the kernel said at the end of it, since the time that was asked for; absent where none has ended. */
  ended?: string;
}

const KERNEL = '=== kernel ===';
const PROGRESS = '=== progress ===';

/** Changes nothing; `sinceSeconds` is by the node's clock. DRBD 8.4 tells its progress in `/proc/drbd` only. */
export const renderVerifyRead = ({ sinceSeconds }: { sinceSeconds: number }): string =>
  `${assign({ since: `@${Math.floor(sinceSeconds)}` })}${readEvents2()}
echo '${PROGRESS}'
sed -n '/verified:/p' /proc/drbd 2>/dev/null || :
echo '${KERNEL}'
journalctl --quiet --no-pager --no-hostname --dmesg --output=short-unix --since="$since" | grep 'Online verify' || :
`;

/** @throws HadbError CommandFailed when the text is not the read's. */
export function parseVerifyView(text: string): VerifyView {
  const [drbdText = '', rest = ''] = text.split(`${PROGRESS}\n`);
  const [progress = '', kernel = ''] = rest.split(`${KERNEL}\n`);
  const drbd = parseEvents2(drbdText);
  const verified = /verified:\s*(\d+(?:\.\d+)?)%/.exec(progress)?.[1];
  const donePercent = verified === undefined ? drbd.donePercent : Number(verified);
  const ended = [...kernel.matchAll(/Online verify +done .*$/gm)].at(-1)?.[0];
  return {
    drbd,
    runs: drbd.replication.startsWith('Verify'),
    ...(donePercent === undefined ? {} : { donePercent }),
    ...(ended === undefined ? {} : { ended: ended.trim() }),
  };
}
