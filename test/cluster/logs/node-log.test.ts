import { databaseProfile } from '../../../cluster/database/profile';
import { isLostBeforeBoot, parseNodeLog, renderLogRead } from '../../../cluster/logs/node-log';
import { createScriptBench, type ScriptBench } from '../node/script-bench';
import { CAPTURED, capturedLog, capturedText } from './captured-logs';

describe('the log of a node', () => {
  it.each(CAPTURED)('is read from what journalctl prints: %s', (name) => {
    const log = capturedLog(name);

    expect(log).toMatchObject({ node: name.slice(-6), complete: true });
    expect(log.entries.length).toBeGreaterThan(80);
    expect(log.entries.every(({ at }) => at > 1.7954e12 && at < 1.7955e12)).toBe(true);
    expect(log.entries.filter(({ by }) => !/^[a-z/(][\w./() -]*$/i.test(by))).toEqual([]);
  });

  it('tells who wrote a line, and when', () => {
    const { entries } = capturedLog('node-power-off.hadb01');

    expect(entries.find(({ message }) => message.includes('role( Secondary -> Primary )'))).toEqual({
      at: 1795423349088.357,
      by: 'kernel',
      message: 'drbd r0/0 drbd1: role( Secondary -> Primary ) ',
    });
    expect(entries.map(({ by }) => by)).toEqual(
      expect.arrayContaining(['mariadbd', 'pacemaker-fenced', 'corosync', 'Filesystem(fs_mysql)', 'crm-fence-peer.sh']),
    );
  });

  it('keeps a message of several lines together', () => {
    const { entries } = parseNodeLog(
      'hadb01',
      'bootedAt=1795423223\n1795423349.000001 mariadbd[7]: got signal 6 ;\n                         Attempting backtrace\n1795423350.000000 kernel: next\n',
    );

    expect(entries.map(({ message }) => message)).toEqual(['got signal 6 ;\nAttempting backtrace', 'next']);
  });

  it("takes in the log of MySQL's own, in the order of time", () => {
    const text = `bootedAt=1795423223
1795423349.500000 kernel: between
=== error log ===
2026-11-23T08:42:29.000000Z 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections.
2026-11-23T08:42:30.000000Z 0 [ERROR] [MY-013183] [InnoDB] Assertion failure: x.cc:1

=== end of the log, exit code 0
`;

    expect(parseNodeLog('hadb01', text)).toMatchObject({
      complete: true,
      entries: [{ by: 'mysqld', at: 1795423349000 }, { by: 'kernel' }, { by: 'mysqld' }],
    });
  });

  it.each([
    ['was cut off', (text: string) => text.slice(0, 5000)],
    ['journalctl could not read to its end', (text: string) => text.replace('log, exit code 0', 'log, exit code 141')],
    ['does not say when the node booted', (text: string) => text.replace(/^bootedAt=.*/, 'bootedAt=')],
  ])('that %s is not complete', (_, damage) => {
    expect(parseNodeLog('hadb01', damage(capturedText('node-power-off.hadb01'))).complete).toBe(false);
  });
});

describe('what a node wrote before it booted', () => {
  const since = Date.parse('2026-11-23T08:41:57Z');

  it('is lost where its power was cut', () => {
    expect(isLostBeforeBoot(capturedLog('node-power-off.hadb02'), since)).toBe(true);
  });

  it('is not lost where it did not boot', () => {
    expect(isLostBeforeBoot(capturedLog('node-power-off.hadb01'), since)).toBe(false);
  });

  it('is there where it was shut down in good order', () => {
    const log = parseNodeLog(
      'hadb01',
      `bootedAt=${since / 1000 + 60}\n${since / 1000 + 30}.000000 systemd-shutdown[1]: Sending SIGTERM to remaining processes...\n${since / 1000 + 62}.000000 kernel: Linux version 7.2.7\n`,
    );

    expect(isLostBeforeBoot(log, since)).toBe(false);
  });
});

describe('the read of a log', () => {
  let bench: ScriptBench;
  beforeEach(() => {
    bench = createScriptBench();
    bench.file('/proc/stat', 'cpu 1 2 3\nbtime 1795423223\nprocesses 99\n');
  });
  afterEach(() => bench.remove());
  const read = (engine: 'mariadb' | 'mysql' = 'mariadb') =>
    bench.run(renderLogRead({ sinceSeconds: 1795423317.9, profile: databaseProfile(engine) }));

  it('asks for everything since then, and leaves out what our own connections write', () => {
    bench.program(
      'journalctl',
      `case "$*" in *--since=@1795423317*) ;; *) exit 1 ;; esac
cat <<'LINES'
1795423329.560674 corosync[1587]:  [TOTEM ] A processor failed, forming new configuration.
1795423329.560675 sudo[5234]: azureuser : USER=root ; COMMAND=/usr/bin/sh
1795423329.560676 sshd[318]: Accepted publickey
1795423329.560677 mariadbd[3411]: 2026-11-23  9:09:57 4 [Warning] Aborted connection 4 to db: 'unconnected' user: 'hadb'
LINES`,
    );

    const { code, stdout } = read();

    expect(code).toBe(0);
    expect(parseNodeLog('hadb01', stdout)).toEqual({
      node: 'hadb01',
      bootedAt: 1795423223000,
      complete: true,
      entries: [
        {
          at: 1795423329560.674,
          by: 'corosync',
          message: '[TOTEM ] A processor failed, forming new configuration.',
        },
      ],
    });
  });

  it('tells of a journal that could not be read, and of none at all', () => {
    bench.program('journalctl', 'echo 1795423329.560674 kernel: half; exit 1');
    expect(parseNodeLog('hadb01', read().stdout)).toMatchObject({ complete: false, entries: [{ message: 'half' }] });

    bench.program('journalctl', ':');
    expect(parseNodeLog('hadb01', read().stdout)).toMatchObject({ complete: true, entries: [] });
  });

  it("takes MySQL's own log along", () => {
    bench.program('journalctl', ':');
    bench.file('/var/log/mysql/error.log', '2026-11-23T08:42:29.000000Z 0 [System] ready\n');

    expect(parseNodeLog('hadb01', read('mysql').stdout)).toMatchObject({ complete: true, entries: [{ by: 'mysqld' }] });
  });
});
