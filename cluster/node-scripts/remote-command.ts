import type { NODE_PATHS } from '../ids';
import { slug } from '../ids';
import { quote } from '../shell';
import type { StepContext } from '../step';
import { EXIT } from './exit-codes';

/** The scripts around every command on a node: how it is sent, locked, owned and remembered. */

export type NodePaths = Readonly<Record<keyof typeof NODE_PATHS, string>>;
export type Step = Pick<StepContext, 'operation' | 'step' | 'generation'>;

/** A script goes through one environment string, which Linux limits to 128 KiB; what is longer belongs into the input. */
export const SCRIPT_LIMIT_BYTES = 120 * 1024;

/**
 * The command line for sshd: a shell of root that runs one framed script after the other. It is always the same, and
 * scripts and inputs come by standard input, so that neither process lists nor sudo's log hold them. It stays, because a
 * login shell and sudo cost ten times as much as a script does.
 *
 * Nothing runs before the frame's closing line has arrived: sshd shows a lost connection as an end of input, and the first
 * half of `rm -rf /var/lib/mysql.old` is another command. The input waits in a file in memory that is gone before the
 * script runs. `timeout` ends what would outlive its deadline, else it would keep the node's lock.
 *
 * On both outputs the frame's nonce, on a line of its own, comes before and after what the script writes; on standard
 * output the second one is followed by the exit code.
 */
export function renderRootShell(paths: Pick<NodePaths, 'lock'>): string {
  const shell = `while IFS=" " read -r nonce seconds script input; do
script=$(head -c "$script")
if [ "$input" -gt 0 ]; then
file=${quote(directoryOf(paths.lock))}/hadb-input.$$
umask 077
head -c "$input" >"$file"
umask 022
exec 8<"$file"
rm -f "$file"
else exec 8</dev/null
fi
end=
read -r end || :
[ "$end" = end ] || { echo "the connection was lost before the script was complete" >&2; exit 70; }
echo "$nonce"
echo "$nonce" >&2
HADB_SCRIPT=$script timeout -k 5 "$seconds" /bin/sh -c 'script=$HADB_SCRIPT; unset HADB_SCRIPT; eval "$script"' hadb <&8 8<&-
status=$?
exec 8<&-
printf '\n%s %s\n' "$nonce" "$status"
printf '\n%s\n' "$nonce" >&2
done`;
  return `sudo -n /bin/sh -c ${quote(shell)} hadb`;
}

/** Standard input of `renderRootShell`: this line, the script, the input, and the closing line. */
export function renderFrameHeader(frame: {
  nonce: string;
  deadlineSeconds: number;
  scriptBytes: number;
  inputBytes: number;
}): string {
  return `${frame.nonce} ${frame.deadlineSeconds} ${frame.scriptBytes} ${frame.inputBytes}\n`;
}
export const FRAME_END = 'end\n';

/** A script that changes nothing. */
export function renderRead(script: string): string {
  return `set -eu\nexport LC_ALL=C\n${script}`;
}

/**
 * Guard and move under the node's lock, after the check that the operation owns the node. On exit code 0 the step is
 * remembered on disk. The script does not inherit the lock: a daemon that it starts must not hold it for ever.
 */
export function renderChange(
  paths: NodePaths,
  step: Step,
  script: string,
  { lockWaitSeconds }: { lockWaitSeconds: number },
): string {
  return `${renderOwned(paths, step, { lockWaitSeconds })}
set +e
(
set -eu
${script}
) 9>&-
status=$?
set -e
case $status in
0) ${renderRemember(paths, step)} ;;
${EXIT.notOwner}|${EXIT.lockBusy}) echo "the script itself ended with exit code $status" >&2; status=1 ;;
esac
exit "$status"`;
}

/** Takes the node's lock (file descriptor 9) and checks the owner file; what follows runs under both. */
export function renderOwned(paths: NodePaths, step: Step, { lockWaitSeconds }: { lockWaitSeconds: number }): string {
  return `${renderRead(renderLock(paths, lockWaitSeconds))}
owner=
[ ! -r ${quote(paths.owner)} ] || IFS= read -r owner <${quote(paths.owner)} || :
case $owner in
${quote(step.operation.run)}" "*) ;;
*) echo "\${owner:-nobody}" >&2; exit ${EXIT.notOwner} ;;
esac
echo ${quote(`${step.step} of ${step.operation.workflowId}`)} >${quote(paths.lock)}`;
}

function renderLock(paths: NodePaths, lockWaitSeconds: number): string {
  return `exec 9<>${quote(paths.lock)}
if ! flock -w ${lockWaitSeconds} 9; then
holder=
IFS= read -r holder <${quote(paths.lock)} || :
echo "\${holder:-another command}" >&2
exit ${EXIT.lockBusy}
fi`;
}

/** Existence is all that is asked of the marker, so one fsync is enough. */
export function renderRemember(paths: NodePaths, step: Step): string {
  const marker = stepMarker(paths, step);
  const directory = quote(directoryOf(marker));
  return `[ -d ${directory} ] || mkdir -p ${directory}; echo ${step.generation} >${quote(marker)}; sync ${quote(marker)}`;
}

/** Exit code 0 when the step of this operation was done on the node before, 1 when not. */
export function renderWasDone(paths: NodePaths, step: Step): string {
  return renderRead(`[ -e ${quote(stepMarker(paths, step))} ]`);
}

function stepMarker(paths: NodePaths, step: Step): string {
  return `${paths.steps}/${slug(step.operation.run)}/${slug(step.step)}`;
}

/** Unit names of jobs begin with `hadb-` and a run id; other units of hadb are none. */
const JOB_UNIT_PATTERN = `hadb-????????-????-????-????-????????????-*`;

/**
 * Makes the operation the owner of the node, unless a job of another operation still runs there. Standard output is the
 * previous owner. Standard error of a refusal names the job and its owner.
 */
export function renderTakeOwnership(
  paths: NodePaths,
  step: Step,
  { lockWaitSeconds, keepDays }: { lockWaitSeconds: number; keepDays: number },
): string {
  const { run, workflowId } = step.operation;
  const owner = quote(paths.owner);
  const wanted = quote(`${run} ${step.generation} ${workflowId}`);
  return renderRead(`umask 077
mkdir -p ${[paths.directory, paths.steps, paths.jobs, directoryOf(paths.lock)].map(quote).join(' ')}
${renderLock(paths, lockWaitSeconds)}
owner=
[ ! -r ${owner} ] || IFS= read -r owner <${owner} || :
units=$(systemctl list-units --plain --no-legend --full --type=service --state=active,activating,reloading,deactivating ${quote(JOB_UNIT_PATTERN)})
running=$(echo "$units" | while read -r unit rest; do case $unit in ''|${quote(`hadb-${run}-`)}*) ;; *) echo "$unit" ;; esac; done)
if [ -n "$running" ]; then
echo "$running of \${owner:-nobody}" >&2
exit ${EXIT.notOwner}
fi
if [ "$owner" != ${wanted} ]; then
echo ${wanted} >${owner}.new
sync ${owner}.new
mv -f ${owner}.new ${owner}
sync ${quote(paths.directory)}
find ${quote(paths.steps)} ${quote(paths.jobs)} -mindepth 1 -maxdepth 1 -mtime +${keepDays} -exec rm -rf {} +
fi
echo "$owner"`);
}

/** Replaces a file as a whole by what comes as input: a reader sees the old content or the new, also after a crash. */
export function renderWriteFile(file: { path: string; mode: number; owner?: string; group?: string }): string {
  const directory = directoryOf(file.path);
  // Hidden and with a foreign suffix, so that no `conf.d` takes it for a configuration.
  const temporary = quote(`${directory}/.${file.path.slice(file.path.lastIndexOf('/') + 1)}.hadb-new`);
  const { owner = '', group = '' } = file;
  const chown = owner === '' && group === '' ? '' : `chown ${quote(`${owner}:${group}`)} ${temporary}\n`;
  return `[ -d ${quote(directory)} ] || mkdir -p ${quote(directory)}
umask 077
cat >${temporary}
${chown}chmod ${file.mode.toString(8).padStart(4, '0')} ${temporary}
sync ${temporary}
mv -f ${temporary} ${quote(file.path)}
sync ${quote(directory)}`;
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 1));
}
