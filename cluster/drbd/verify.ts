import { formatDuration } from '../report/duration';
import type { ClusterSpecification } from '../specification/specification';
import { parseEvents2, readEvents2, type DrbdState } from './state';
import { assign } from '../shell';

/** DRBD's online verification: both copies read to their end and compared, block by block, at the rate of a resync. */

/** `auto` does no more than this after every drill. */
const LONGEST_SECONDS = 120;

/** How long it takes at the rate that the configuration allows. A slow processor or disk makes it longer. */
export const verifySeconds = ({ dataDisk, drbd }: Pick<ClusterSpecification, 'dataDisk' | 'drbd'>): number =>
  Math.ceil((dataDisk.sizeGiB * 1024) / drbd.resyncMiBPerSecond);

/** Why it is left out; undefined where it is made. */
export function verifyLeftOut(specification: ClusterSpecification): string | undefined {
  const { dataDisk, drbd, drill } = specification;
  if (drill.verify === 'never') return 'the specification says "drill.verify: never"';
  const seconds = verifySeconds(specification);
  if (drill.verify === 'always' || seconds <= LONGEST_SECONDS) return undefined;
  return `${dataDisk.sizeGiB} GiB take ${formatDuration(seconds * 1000)} at ${drbd.resyncMiBPerSecond} MiB/s; "drill.verify: always" does it all the same`;
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
