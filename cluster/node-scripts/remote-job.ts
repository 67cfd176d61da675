import { quote } from '../shell';
import type { NodePaths, Step } from './remote-command';
import { renderOwned, renderRead, renderRemember } from './remote-command';

/**
 * A job outlives connection and worker: a transient systemd unit whose beginning and end are on disk. systemd forgets a
 * unit at reboot and calls a vanished one a success, so only the files count:
 *
 * - `run`, `ended`: what systemd runs, written before the start; `input`: removed by either
 * - `running`: locked while the job runs, so that waiting costs no polling
 * - `started`: boot id, written by the job itself as its first act
 * - `rc`: `exited CODE`, or systemd's words when the job could not write it (`timeout killed TERM`)
 * - `output`
 */

/** `/proc/sys/kernel/random/boot_id`, another file in tests. */
export const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

export interface JobPaths {
  node: NodePaths;
  bootId: string;
}

/** Standard output is `now` or `attached`; never starts what was started before. The job's input is the command's input. */
export function renderJobStart(
  paths: JobPaths,
  step: Step,
  job: { unit: string; script: string; timeoutSeconds: number; lockWaitSeconds: number },
): string {
  const directory = jobDirectory(paths, job.unit);
  const at = (file: string) => quote(`${directory}/${file}`);
  const unit = quote(job.unit);
  const properties = [
    'Type=exec',
    `RuntimeMaxSec=${job.timeoutSeconds}`,
    'TimeoutStopSec=30',
    `ExecStopPost=/bin/sh ${directory}/ended`,
  ];
  const isLoaded = `[ "$(systemctl show --property=LoadState --value ${unit}.service)" != not-found ]`;
  return `${renderOwned(paths.node, step, job)}
if [ -e ${at('started')} ] || { [ -e ${at('run')} ] && ${isLoaded}; }; then
echo attached
exit 0
fi
umask 077
[ -d ${quote(directory)} ] || mkdir -p ${quote(directory)}
cat >${at('input')}
printf '%s\\n' ${quote(renderRun(paths, step, job))} >${at('run')}
printf '%s\\n' ${quote(renderEnded(paths, job.unit))} >${at('ended')}
if systemd-run --quiet --collect --unit=${unit} --description=${quote(`hadb: ${step.step}`)} ${properties.map((property) => `--property=${quote(property)}`).join(' ')} -- /bin/sh ${at('run')} 9>&-; then
echo now
elif ${isLoaded}; then
echo attached
else
exit 1
fi`;
}

/** What the unit runs. `sync` names files: a `started` or `rc` that is seen is on disk. */
function renderRun(paths: JobPaths, step: Step, job: { unit: string; script: string }): string {
  return `set -eu
cd ${quote(jobDirectory(paths, job.unit))}
umask 022
exec 9>running
flock 9
[ ! -e started ] || exit 0
cat ${quote(paths.bootId)} >started.new
sync started.new
mv -f started.new started
sync .
export LC_ALL=C HOME=/root
set +e
(
set -eu
cd /
${job.script}
) 9>&- <input >output 2>&1
status=$?
set -e
rm -f input
if [ "$status" = 0 ]; then ${renderRemember(paths.node, step)}; fi
echo "exited $status" >rc.new
sync rc.new
mv -f rc.new rc
sync .
exit "$status"`;
}

/** ExecStopPost: says how the job ended when it could not. A machine that goes down leaves the job lost, not failed. */
function renderEnded(paths: JobPaths, unit: string): string {
  return `cd ${quote(jobDirectory(paths, unit))}
rm -f input
[ ! -e rc ] || exit 0
[ "$(systemctl is-system-running)" != stopping ] || exit 0
echo "\${SERVICE_RESULT:-unknown} \${EXIT_CODE:-} \${EXIT_STATUS:-}" >rc.new
sync rc.new
mv -f rc.new rc
sync .`;
}

/** Lines of output that a wait brings along: whole ones, because no redactor knows the half of a secret. */
const TAIL_LINES = 20;

/** Waits on the node for the end of the job, `waitSeconds` at most; changes nothing. `parseJobState` reads the answer. */
export function renderJobWait(paths: JobPaths, unit: string, { waitSeconds }: { waitSeconds: number }): string {
  return renderRead(`cd ${quote(jobDirectory(paths, unit))} 2>/dev/null || { echo absent; exit 0; }
state=
if [ ! -e rc ] && [ -e running ]; then
exec 8<running
flock -s -w ${waitSeconds} 8 || state=running
exec 8<&-
fi
if [ -z "$state" ] && [ ! -e rc ]; then
if [ "$(systemctl show --property=LoadState --value ${quote(unit)}.service)" != not-found ]; then
state=running
sleep 0.2
fi
fi
if [ -e rc ]; then
IFS= read -r state <rc
state="finished $state"
elif [ -z "$state" ] && [ -e started ]; then
IFS= read -r before <started
IFS= read -r now <${quote(paths.bootId)}
if [ "$before" != "$now" ]; then state="lost $before"
elif [ "$(systemctl is-system-running)" = stopping ]; then state=running; sleep 0.2
else state=vanished
fi
fi
echo "\${state:-absent}"
[ ! -e output ] || tail -n ${TAIL_LINES} output`);
}

/** Puts a job that a reboot has ended aside: the activity observes again and may then start it anew. */
export function renderJobSetAside(
  paths: JobPaths,
  step: Step,
  job: { unit: string; boot: string; lockWaitSeconds: number },
): string {
  const directory = jobDirectory(paths, job.unit);
  return `${renderOwned(paths.node, step, job)}
rm -f ${quote(`${directory}/input`)}
mv -T ${quote(directory)} ${quote(`${directory}.lost-${job.boot}`)}`;
}

/** Ends a running job; one that has ended is fine. */
export function renderJobStop(unit: string): string {
  return renderRead(
    `systemctl stop ${quote(unit)}.service || [ "$(systemctl show --property=LoadState --value ${quote(unit)}.service)" = not-found ]`,
  );
}

export type JobState =
  | { state: 'running'; tail: string }
  | { state: 'finished'; tail: string; code: number }
  /** Ended without an exit code: systemd's result, such as `timeout` or `signal`. */
  | { state: 'ended'; tail: string; reason: string }
  | { state: 'lost'; tail: string; boot: string }
  /** Began in this boot, and neither it nor its result is there. */
  | { state: 'vanished'; tail: string }
  | { state: 'absent'; tail: string };

export function parseJobState(text: string): JobState {
  const newline = text.indexOf('\n');
  const [first, tail] = newline < 0 ? [text, ''] : [text.slice(0, newline), text.slice(newline + 1)];
  const [state = '', ...rest] = first.trim().split(' ');
  const detail = rest.join(' ').trim();
  switch (state) {
    case 'running':
    case 'vanished':
    case 'absent':
      return { state, tail };
    case 'lost':
      return { state, tail, boot: detail };
    case 'finished': {
      const code = /^exited (\d+)$/.exec(detail)?.[1];
      return code === undefined
        ? { state: 'ended', tail, reason: detail }
        : { state: 'finished', tail, code: Number(code) };
    }
    default:
      throw new Error(`not the state of a job: ${JSON.stringify(first.slice(0, 100))}`);
  }
}

function jobDirectory(paths: JobPaths, unit: string): string {
  return `${paths.node.jobs}/${unit}`;
}
