import { renderMending } from './failing-disk';
import { CONSOLE_LIMIT_BYTES, KERNEL_START } from './console';

/** The guest asked for a new start: an orderly or forced reboot, SysRq-b, or the software watchdog. A panic says none of them. */
const REBOOT_MESSAGES = 'reboot: Restarting system|sysrq: Resetting|softdog: Initiating system reboot';

/** Its presence in the machine's directory tells the supervisor that the lab is stopping the machine. */
export const STOPPING_MARK = 'stopping';

export interface SupervisedCommand {
  environment: Readonly<Record<string, string>>;
  command: readonly string[];
  /** Written into the machine's directory, closed to others: a command line, and secrets on it, any user could read. */
  files?: readonly { name: string; content: string | Buffer }[];
  /** A datagram to send as soon as the started kernel opens its socket. */
  greeting?: { socket: string; file: string };
}

/**
 * The leader of a machine's session, a shell script that needs nothing of the lab: both engines end at a guest's reboot
 * (user-mode Linux would lose its network by re-executing itself), and this starts the kernel again. When the kernel ends
 * for any other reason everything ends, strays included, and the machine is stopped. Should the supervisor itself be
 * killed, the kernel follows it.
 */
export function renderSupervisor({ environment, command, greeting }: SupervisedCommand): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}\nexport ${name}`);
  return `#!/bin/bash
set -u
${variables.join('\n')}
PATH="$PATH:/usr/sbin:/sbin"
while :; do
  if [ "$(wc -c <console.log)" -gt ${CONSOLE_LIMIT_BYTES} ]; then
    mv -f console.log console.log.1
  fi
  exec >>console.log 2>&1
  start=$(wc -c <console.log)
  echo "${KERNEL_START} $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  rm -rf uml qmp.sock
${renderMending().replaceAll(/^(?=.)/gm, '  ')}  # Job control gives the kernel a process group: only then does user-mode Linux stay in this session.
  set -m
  setpriv --pdeathsig KILL ${command.map(quote).join(' ')} </dev/null &
  kernel=$!
  # Without it "wait" waits for the end, not for a pause; its own "wait -f" for that may spin for ever on a kernel that is gone.
  set +m
${greeting === undefined ? '' : renderGreeting(greeting)}  wait "$kernel"
  kill -KILL -- "-$kernel" 2>/dev/null
  [ ! -e ${STOPPING_MARK} ] || break
  tail -c "+$((start + 1))" console.log | grep -aEq '${REBOOT_MESSAGES}' || break
done
echo "hadb-lab: machine ends $(date -u +%Y-%m-%dT%H:%M:%SZ)"
`;
}

function renderGreeting({ socket, file }: { socket: string; file: string }): string {
  return `  until [ -S ${socket} ] || ! kill -0 "$kernel" 2>/dev/null; do
    sleep 0.02
  done
  socat -u OPEN:${file} UNIX-SENDTO:${socket}
`;
}

function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
