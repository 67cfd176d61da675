import { assertNever } from '../errors';
import { assign } from '../shell';
import { DATA_DIRECTORY, DRBD_DEVICE, DRBD_RESOURCE } from '../specification/specification';
import { FENCING_IS_ON, renderFaultGuard, renderUndoNow, renderWithUndo, type FaultTarget } from './fault-guards';
import { MOUNTED, RUNS, SERVER_RUNS } from './guards';
import { disturbance, partitionRules, resourceManagerRules, type Disturbance, type TableFault } from './network-faults';

/** The faults that a node makes itself, each with its guard in the same command. */
export type NodeFault =
  | { fault: 'server-kill'; pid: number }
  | { fault: 'server-hang'; pid: number; undoSeconds: number }
  /** `panicSeconds`: after which the kernel boots again by itself. */
  | { fault: 'crash'; panicSeconds: number }
  | { fault: 'shutdown' }
  /** `isStruck`: the disk itself fails, made to from outside; the node has only the timer that attaches it again. */
  | { fault: 'disk-detach'; undoSeconds: number; isStruck?: true }
  | { fault: 'partition'; peerAddress: string; undoSeconds: number }
  | ({ fault: 'disturbance'; peerAddress: string; undoSeconds: number } & Disturbance)
  | { fault: 'resource-manager-cut'; peerAddress: string; undoSeconds: number };

/** Those that stay until somebody takes them back; the others end with the process or the machine. */
export type LastingFault = Extract<NodeFault, { undoSeconds: number }>;

/** @throws HadbError never: what is not safe is refused by the script. */
export function renderFault(fault: NodeFault, target: FaultTarget): string {
  const guard = renderFaultGuard(target);
  switch (fault.fault) {
    case 'server-kill':
      return `${guard}${isServer(fault.pid)}kill -KILL "$pid"\n`;
    case 'server-hang':
      return `${guard}${isServer(fault.pid)}${withUndo(fault, { guard: '', make: `kill -STOP ${fault.pid}\n` })}`;
    case 'crash':
      return `${guard}${renderCrash(fault.panicSeconds)}`;
    case 'shutdown':
      return shuttingDown(guard);
    case 'disk-detach':
      if (fault.isStruck === true) return `${guard}${withUndo(fault, { guard: '', make: ':\n' })}`;
      return `${guard}${withUndo(fault, { guard: '', make: `drbdadm detach --force ${DRBD_RESOURCE} </dev/null\n` })}`;
    case 'partition':
    case 'disturbance':
    case 'resource-manager-cut':
      return `${guard}${FENCING_IS_ON}${withUndo(fault, networkFault(fault))}`;
    default:
      return assertNever(fault);
  }
}

/** Made in the network itself, by somebody who can: what must hold on the node right before. */
export const renderNetworkFaultGuard = (target: FaultTarget): string => `${renderFaultGuard(target)}${FENCING_IS_ON}`;

/** Takes a fault back, also where it is gone already; prints `fault` or `timer` for each that was still there. */
export const renderFaultEnd = (fault: LastingFault): string =>
  renderUndoNow({ fault: fault.fault, undo: undoOf(fault), isThere: isThere(fault) });

/** One line for people. */
export function describeFault(fault: NodeFault): string {
  switch (fault.fault) {
    case 'server-kill':
      return `killed the server (process ${fault.pid}) with SIGKILL`;
    case 'server-hang':
      return `stopped the server (process ${fault.pid}) with SIGSTOP; it goes on by itself after ${fault.undoSeconds} s`;
    case 'crash':
      return `ordered a panic of the kernel (sysrq c); it boots by itself after ${fault.panicSeconds} s`;
    case 'shutdown':
      return 'ordered systemctl poweroff';
    case 'disk-detach':
      if (fault.isStruck === true) {
        return `made every write to the data disk an I/O error; it is attached again by itself after ${fault.undoSeconds} s`;
      }
      return `drbdadm detach --force; it is attached again by itself after ${fault.undoSeconds} s`;
    case 'partition':
      return `dropped everything but SSH from and to ${fault.peerAddress}, for ${fault.undoSeconds} s at most`;
    case 'disturbance':
      return `${fault.lossPercent} % loss and ${fault.delayMs} ms towards ${fault.peerAddress}, for ${fault.undoSeconds} s at most`;
    case 'resource-manager-cut':
      return `dropped HTTPS to everywhere but ${fault.peerAddress}, for ${fault.undoSeconds} s at most`;
    default:
      return assertNever(fault);
  }
}

/** The server is the one that was seen, and works on the replicated data: no other process of that number is hit. */
const isServer = (pid: number): string => `${RUNS}${SERVER_RUNS}${MOUNTED}${assign({
  pid,
  directory: DATA_DIRECTORY,
  device: DRBD_DEVICE,
})}server_runs || refuse "no database server runs here"
[ "$pids" = "$pid" ] || refuse "the server is process $pids now, not $pid"
[ "$(mounted "$directory")" = "$device" ] || refuse "$device is not mounted at $directory"
`;

/** A moment later, so that the answer still arrives. The panic's own timer is armed first: nobody else could boot a machine that hangs. */
const renderCrash = (panicSeconds: number): string => `${assign({ panic_seconds: panicSeconds })}
[ -w /proc/sysrq-trigger ] || refuse "this kernel has no sysrq"
echo "$panic_seconds" >/proc/sys/kernel/panic
armed=$(cat /proc/sys/kernel/panic)
[ "$armed" = "$panic_seconds" ] || refuse "the kernel would not boot again after a panic"
systemd-run --quiet --collect --on-active=1s --timer-property=AccuracySec=100ms -- /bin/sh -c 'echo c >/proc/sysrq-trigger'
`;

/** The machine goes down in its own order, so that the cluster is told. A machine that does so already is not ordered twice. */
const shuttingDown = (guard: string): string => `if [ "$(systemctl is-system-running || :)" != stopping ]; then
${guard}
systemd-run --quiet --collect --on-active=1s --timer-property=AccuracySec=100ms systemctl poweroff
fi
`;

const withUndo = (fault: LastingFault, { guard, make }: Pick<TableFault, 'guard' | 'make'>): string =>
  `${guard}${renderWithUndo({ fault: fault.fault, undoSeconds: fault.undoSeconds, undo: undoOf(fault), make })}`;

export type NetworkFault = Extract<NodeFault, { peerAddress: string }>;

export const isNetworkFault = (fault: NodeFault): fault is NetworkFault => 'peerAddress' in fault;

function networkFault(fault: NetworkFault): TableFault {
  switch (fault.fault) {
    case 'partition':
      return partitionRules(fault);
    case 'disturbance':
      return disturbance(fault);
    case 'resource-manager-cut':
      return resourceManagerRules(fault);
    default:
      return assertNever(fault);
  }
}

/** A copy that Pacemaker has brought up again meanwhile has its disk. */
const IS_DETACHED = `case $(drbdsetup events2 --now ${DRBD_RESOURCE} 2>/dev/null) in *' disk:Diskless'*) true ;; *) false ;; esac`;

function undoOf(fault: LastingFault): string {
  if (fault.fault === 'server-hang') return `kill -CONT ${fault.pid} 2>/dev/null || :`;
  if (fault.fault === 'disk-detach') return `if ${IS_DETACHED}; then drbdadm attach ${DRBD_RESOURCE} </dev/null; fi`;
  return networkFault(fault).undo;
}

function isThere(fault: LastingFault): string {
  // Letter T: stopped by a signal. A process that is gone is not.
  if (fault.fault === 'server-hang') return `grep -q '^State:[[:space:]]*T' /proc/${fault.pid}/status 2>/dev/null\n`;
  if (fault.fault === 'disk-detach') return `${IS_DETACHED}\n`;
  return networkFault(fault).isThere;
}
