import { unreadable } from '../errors';
import { DRBD_RESOURCE } from '../specification/specification';

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
