import { unreadable } from '../errors';
import { DRBD_MINOR, DRBD_RESOURCE } from '../specification/specification';

/** One node's view of the resource. The words are DRBD's own: `UpToDate`, `StandAlone`, `SyncTarget`. */
export interface DrbdState {
  /** False when the resource is not brought up on the node; everything else is then `Unconfigured` or `Unknown`. */
  up: boolean;
  role: string;
  peerRole: string;
  connection: string;
  disk: string;
  peerDisk: string;
  /** `Established`, `SyncSource`, `SyncTarget`, `VerifyS`, …; `Off` without a connection. */
  replication: string;
  /** Blocks that differ from the peer's, as far as this node knows. */
  outOfSyncKiB: number;
  sizeKiB: number;
  /** I/O is frozen, by a fence-peer handler or for want of a disk. */
  suspended: boolean;
  /** Share of the running resync that is done, when DRBD tells it. */
  donePercent?: number;
}

const DOWN: DrbdState = {
  up: false,
  role: 'Unknown',
  peerRole: 'Unknown',
  connection: 'Unconfigured',
  disk: 'Unconfigured',
  peerDisk: 'Unknown',
  replication: 'Off',
  outOfSyncKiB: 0,
  sizeKiB: 0,
  suspended: false,
};

/**
 * Changes nothing; prints what `parseEvents2` reads, for 8.4 and 9 alike. (`status --json` does not exist for 8.4.)
 * A resource that is not up is an answer: exit code 10 when there is none of that name, nothing without the module.
 */
export const readEvents2 = (): string =>
  `if [ -d /sys/module/drbd ]; then drbdsetup events2 --now --statistics ${DRBD_RESOURCE} || [ "$?" -eq 10 ]; fi\n`;

/** @throws HadbError CommandFailed for text that `drbdsetup events2` does not print. */
export function parseEvents2(text: string, resource: string = DRBD_RESOURCE): DrbdState {
  const lines = text.split('\n').map((line) => line.trim());
  const objects = lines.flatMap((line) => {
    const [, kind, fields] = /^(?:\S+T\S+ )?exists (resource|connection|device|peer-device) (.*)$/.exec(line) ?? [];
    return fields === undefined ? [] : [{ kind, fields: readFields(fields) }];
  });
  const of = (kind: string) =>
    objects.find((candidate) => candidate.kind === kind && candidate.fields.get('name') === resource)?.fields;
  const own = of('resource');
  if (own === undefined) {
    if (objects.length === 0 && lines.some((line) => !/^(|exists -|#.*|.*No such resource.*)$/.test(line))) {
      throw unreadable('drbdsetup events2', text);
    }
    return DOWN;
  }
  const [connection, device, peerDevice] = [of('connection'), of('device'), of('peer-device')];
  const done = peerDevice?.get('done');
  return {
    up: true,
    role: own.get('role') ?? 'Unknown',
    peerRole: connection?.get('role') ?? 'Unknown',
    connection: connection?.get('connection') ?? 'StandAlone',
    disk: device?.get('disk') ?? 'Diskless',
    peerDisk: peerDevice?.get('peer-disk') ?? 'DUnknown',
    replication: peerDevice?.get('replication') ?? 'Off',
    outOfSyncKiB: Number(peerDevice?.get('out-of-sync') ?? 0),
    sizeKiB: Number(device?.get('size') ?? 0),
    suspended: (own.get('suspended') ?? 'no') !== 'no',
    ...(done === undefined ? {} : { donePercent: Number(done) }),
  };
}

/** `Primary/Secondary Connected UpToDate/UpToDate`, as DRBD people write it. */
export function describeDrbd(state: DrbdState): string {
  if (!state.up) return 'not up';
  const sync = state.replication.startsWith('Sync') ? ` ${state.replication}` : '';
  const outOfSync = state.outOfSyncKiB > 0 ? `, ${state.outOfSyncKiB} KiB out of sync` : '';
  return `${state.role}/${state.peerRole} ${state.connection} ${state.disk}/${state.peerDisk}${sync}${outOfSync}${state.suspended ? ', I/O suspended' : ''}`;
}

/** Both copies are current and nothing is being copied: the peer can take over without loss. */
export const isInSync = (state: DrbdState): boolean =>
  state.connection === 'Connected' &&
  state.disk === 'UpToDate' &&
  state.peerDisk === 'UpToDate' &&
  state.outOfSyncKiB === 0;

/** A running resync or verify, from `/proc/drbd` (8.4 only). */
export interface SyncProgress {
  percent: number;
  /** What is left to copy. */
  leftKiB: number;
  speedKiBPerSecond?: number;
  finishSeconds?: number;
}

export interface ProcDrbd {
  moduleVersion: string;
  /** Of the minor asked for; undefined when it is not configured. */
  state?: Pick<DrbdState, 'role' | 'peerRole' | 'connection' | 'disk' | 'peerDisk' | 'outOfSyncKiB'> & {
    sync?: SyncProgress;
  };
}

/** @throws HadbError CommandFailed when the text is not `/proc/drbd`. */
export function parseProcDrbd(text: string, minor: number = DRBD_MINOR): ProcDrbd {
  const moduleVersion = /^version: (\S+)/m.exec(text)?.[1];
  if (moduleVersion === undefined) throw unreadable('/proc/drbd', text);
  const block = new RegExp(`^ *${minor}: (cs:[^]*?)(?=^ *\\d+: cs:|$(?![^]))`, 'm').exec(text)?.[1];
  const state = block === undefined ? null : /^cs:(\S+) ro:(\w+)\/(\w+) ds:(\w+)\/(\w+)/.exec(block);
  if (block === undefined || state === null) return { moduleVersion };
  const [, connection = '', role = '', peerRole = '', disk = '', peerDisk = ''] = state;
  const sync = readSync(block);
  return {
    moduleVersion,
    state: {
      connection,
      role,
      peerRole,
      disk,
      peerDisk,
      outOfSyncKiB: Number(/\boos:(\d+)/.exec(block)?.[1] ?? 0),
      ...(sync === undefined ? {} : { sync }),
    },
  };
}

/** `23.4 %, 61 MiB/s, 1 min 4 s left`. */
export function describeSync(sync: SyncProgress): string {
  const parts = [`${sync.percent.toFixed(1)} %`];
  if (sync.speedKiBPerSecond !== undefined) parts.push(`${Math.round(sync.speedKiBPerSecond / 1024)} MiB/s`);
  if (sync.finishSeconds !== undefined) {
    const [hours, minutes] = [Math.floor(sync.finishSeconds / 3600), Math.floor(sync.finishSeconds / 60) % 60];
    parts.push(
      `${hours > 0 ? `${hours} h ` : ''}${hours + minutes > 0 ? `${minutes} min ` : ''}${sync.finishSeconds % 60} s left`,
    );
  }
  return parts.join(', ');
}

function readSync(block: string): SyncProgress | undefined {
  const [, percent, left, , unit] = /sync'ed: *([\d.]+)% \((\d+)\/(\d+)\)([MK])/.exec(block) ?? [];
  if (percent === undefined || left === undefined) return undefined;
  const [, hours, minutes, seconds] = /finish: (\d+):(\d+):(\d+)/.exec(block) ?? [];
  const speed = /speed: ([\d,]+)/.exec(block)?.[1];
  return {
    percent: Number(percent),
    leftKiB: Number(left) * (unit === 'M' ? 1024 : 1),
    ...(speed === undefined ? {} : { speedKiBPerSecond: Number(speed.replaceAll(',', '')) }),
    ...(hours === undefined ? {} : { finishSeconds: Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) }),
  };
}

function readFields(text: string): Map<string, string> {
  return new Map(
    text
      .trim()
      .split(/\s+/)
      .map((field): [string, string] => {
        const colon = field.indexOf(':');
        return [field.slice(0, colon), field.slice(colon + 1)];
      }),
  );
}
