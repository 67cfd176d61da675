import type { ClockReading } from '../../../cluster/logs/clock';
import { milestonesOf, type DrillLogs, type MilestoneName } from '../../../cluster/logs/milestones';
import { parseNodeLog } from '../../../cluster/logs/node-log';
import { capturedLog } from './captured-logs';

const at = (clock: string) => Date.parse(`2026-11-23T${clock}Z`);
const exact = (...nodes: string[]): ClockReading[] =>
  nodes.map((node) => ({ node, at: at('08:42:00'), offsetMs: 0, errorMs: 2 }));
const CLOCKS = exact('hadb01', 'hadb02');

/** Name and clock of what was seen. */
function seenIn(drill: DrillLogs): Partial<Record<MilestoneName, string>> {
  return Object.fromEntries(
    milestonesOf(drill).flatMap(({ name, seen }) =>
      seen === undefined ? [] : [[name, `${new Date(seen.at).toISOString().slice(11, 21)} ${seen.node ?? 'client'}`]],
    ),
  );
}

const powerOff = (over: Partial<DrillLogs> = {}): DrillLogs => ({
  logs: [capturedLog('node-power-off.hadb01'), capturedLog('node-power-off.hadb02')],
  clocks: CLOCKS,
  faultAt: at('08:42:05.920'),
  until: at('08:43:18'),
  firstWriteAt: at('08:42:42.600'),
  ...over,
});

describe('the moments of a failover, in the logs of real drills', () => {
  it('of a primary whose power is cut', () => {
    expect(seenIn(powerOff())).toEqual({
      detected: '08:42:09.5 hadb01',
      ordered: '08:42:14.4 hadb01',
      delayed: '08:42:19.4 hadb01',
      fenced: '08:42:21.3 hadb01',
      promoted: '08:42:29.0 hadb01',
      mounted: '08:42:32.1 hadb01',
      recovered: '08:42:34.8 hadb01',
      databaseUp: '08:42:34.9 hadb01',
      probeAnswered: '08:42:36.6 hadb01',
      firstWrite: '08:42:42.6 client',
      redundant: '08:43:13.8 hadb01',
    });
  });

  it('of a fencing that fails once and is made again: order and delay are those of the try that succeeds', () => {
    const drill = {
      logs: [capturedLog('fence-loss.hadb02')],
      clocks: exact('hadb02'),
      faultAt: at('14:06:28'),
      until: at('14:10:30'),
    };

    expect(seenIn(drill)).toMatchObject({
      detected: '14:06:32.6 hadb02',
      ordered: '14:08:42.1 hadb02',
      delayed: '14:08:47.1 hadb02',
      fenced: '14:09:58.7 hadb02',
    });
  });

  it('of a server that is killed: nothing is fenced, promoted or mounted', () => {
    const drill = {
      logs: [capturedLog('database-kill.hadb01')],
      clocks: CLOCKS,
      faultAt: at('08:43:37.193'),
      until: at('08:44:20'),
    };

    expect(seenIn(drill)).toEqual({
      detected: '08:43:47.7 hadb01',
      recovered: '08:43:52.2 hadb01',
      databaseUp: '08:43:52.4 hadb01',
      probeAnswered: '08:43:55.3 hadb01',
    });
  });

  it('of a server that hangs and is stopped in the end: it has nothing to recover', () => {
    const drill = {
      logs: [capturedLog('database-hang.hadb01')],
      clocks: CLOCKS,
      faultAt: at('09:09:27.210'),
      until: at('09:10:31'),
    };

    expect(seenIn(drill)).toEqual({
      detected: '09:09:48.1 hadb01',
      databaseUp: '09:09:57.5 hadb01',
      probeAnswered: '09:09:59.7 hadb01',
    });
  });

  it('of a secondary that is lost: writes stand still until it is fenced, and nothing moves', () => {
    const drill = {
      logs: [capturedLog('secondary-loss.hadb01'), capturedLog('secondary-loss.hadb02')],
      clocks: CLOCKS,
      faultAt: at('09:11:56.950'),
      until: at('09:12:41'),
    };

    expect(seenIn(drill)).toEqual({
      detected: '09:12:00.9 hadb01',
      ordered: '09:12:05.8 hadb01',
      fenced: '09:12:09.8 hadb01',
      released: '09:12:10.9 hadb01',
      redundant: '09:12:36.1 hadb01',
    });
  });

  it('come with the line that tells of them, and with how exact they are', () => {
    const [detected] = milestonesOf(powerOff());

    expect(detected?.seen).toMatchObject({
      errorMs: 2,
      line: 'corosync: [TOTEM ] A processor failed, forming new configuration: token timed out (3000ms), waiting 3600ms for consensus.',
    });
  });
});

describe('a moment', () => {
  it('is told by our clock, whatever that of its node says', () => {
    const clocks = [{ node: 'hadb01', at: at('08:42:00'), offsetMs: 1500, errorMs: 40 }, ...exact('hadb02')];
    const drill = powerOff({ clocks, faultAt: at('08:42:04.420') });

    const detected = milestonesOf(drill).find(({ name }) => name === 'detected')?.seen;

    expect(detected).toMatchObject({ at: at('08:42:08.060') + 0.674, errorMs: 40 });
  });

  it.each([
    ['the clock of its node was never read', { clocks: exact('hadb02') }],
    ['the log of its node could not be read', { logs: [capturedLog('node-power-off.hadb02')] }],
    ['it was before the fault', { faultAt: at('08:43:17') }],
    ['it was after the drill', { until: at('08:42:06') }],
  ])('is not seen where %s', (_, over) => {
    const names = Object.keys(seenIn(powerOff(over)));

    expect(names.filter((name) => !['firstWrite', 'redundant'].includes(name))).toEqual([]);
  });

  it('is not seen where the copies did not become current again', () => {
    const log = capturedLog('node-power-off.hadb01');
    const entries = log.entries.filter(({ message }) => !message.includes('SyncSource -> Connected'));

    expect(seenIn(powerOff({ logs: [{ ...log, entries }] }))).not.toHaveProperty('redundant');
  });

  const told = (...messages: string[]) =>
    seenIn({
      logs: [
        parseNodeLog(
          'hadb02',
          `bootedAt=1\n${messages.map((message, index) => `${at('08:42:10') / 1000 + index}.000000 ${message}`).join('\n')}\n`,
        ),
      ],
      clocks: CLOCKS,
      faultAt: at('08:42:00'),
      until: at('09:00:00'),
    });

  it.each([
    ['DRBD 9', 'kernel: drbd r0: role( Secondary -> Primary )', 'promoted'],
    ['an older DRBD 8.4', 'kernel: block drbd1: role( Secondary -> Primary )', 'promoted'],
    [
      'a fencing of older Pacemakers',
      "pacemaker-fenced[3]: notice: Operation 'reboot' targeting hadb01 on hadb02 for pacemaker-controld.7@hadb02.1d: OK",
      'fenced',
    ],
    [
      'a monitor that took too long',
      'pacemaker-controld[3]: error: Result of monitor operation for mysqld on hadb02: Timed Out after 30s',
      'detected',
    ],
  ])('is known from %s', (_, line, name) => {
    expect(Object.keys(told(line))).toEqual([name]);
  });

  it.each([
    [
      'the agent of the fencing',
      "pacemaker-fenced[3]: notice: Operation 'off' [3347] targeting hadb02 using st-azure returned 0",
    ],
    [
      'a fencing that failed',
      "pacemaker-fenced[3]: error: Operation 'off' targeting hadb02 by hadb01 for pacemaker-controld.1@hadb01: Timeout",
    ],
    ['a probe', 'pacemaker-controld[3]: notice: Result of probe operation for mysqld on hadb02: not running'],
    [
      'a monitor that is well',
      'pacemaker-controld[3]: notice: Result of monitor operation for drbd_mysql on hadb02: promoted',
    ],
    [
      "MySQL's X plugin",
      "mysqld[3]: [System] [MY-011323] [Server] X Plugin ready for connections. Bind-address: '::' port: 33060",
    ],
    ['the mount of another disk', 'kernel: EXT4-fs (sda1): mounted filesystem 96ce'],
  ])('is not told by %s', (_, line) => {
    expect(told(line)).toEqual({});
  });

  it('of the delay is none where the one who fences did not wait, whatever the other one did', () => {
    const logs = [
      capturedLog('secondary-loss.hadb01'),
      parseNodeLog(
        'hadb02',
        `bootedAt=1\n${at('09:12:05') / 1000}.000000 pacemaker-fenced[3]:  notice: Delaying 'off' action targeting hadb01 using st-azure for 5s\n`,
      ),
    ];

    const seen = seenIn({ logs, clocks: CLOCKS, faultAt: at('09:11:56.950'), until: at('09:12:41') });

    expect(seen).toHaveProperty('fenced');
    expect(seen).not.toHaveProperty('delayed');
  });

  it('of the answer to the probe may be before the server is up, and is none once the clients are served', () => {
    const start = 'pacemaker-controld[3]: notice: Result of start operation for lb_mysql on hadb02: ok';
    const ready = 'mariadbd[7]: 2026-11-23  8:42:34 0 [Note] /usr/sbin/mariadbd: ready for connections.';

    expect(told(start, ready)).toEqual({ probeAnswered: '08:42:10.0 hadb02', databaseUp: '08:42:11.0 hadb02' });
    expect(told(ready, start)).toEqual({ databaseUp: '08:42:10.0 hadb02', probeAnswered: '08:42:11.0 hadb02' });
    expect(seenIn(powerOff({ firstWriteAt: at('08:42:36.000') }))).not.toHaveProperty('probeAnswered');
  });

  it('of a take-over is that of the node that came up last, on XFS and MySQL as well', () => {
    expect(
      told(
        'kernel: drbd r0/0 drbd1: role( Secondary -> Primary )',
        'kernel: XFS (drbd1): Mounting V5 Filesystem',
        'kernel: XFS (drbd1): Ending recovery (logdev: internal)',
        'mysqld[7]: 1 [System] [MY-013576] [InnoDB] InnoDB initialization has started.',
        'mysqld[7]: 0 [Note] [MY-012551] [InnoDB] Starting crash recovery.',
        'mysqld[7]: 1 [System] [MY-013577] [InnoDB] InnoDB initialization has ended.',
        'mysqld[7]: 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. Version: 8.4',
      ),
    ).toEqual({
      promoted: '08:42:10.0 hadb02',
      mounted: '08:42:12.0 hadb02',
      recovered: '08:42:15.0 hadb02',
      databaseUp: '08:42:16.0 hadb02',
    });
  });
});
