import { renderMysqlAgent } from '../../../cluster/cib/mysql-agent';
import { renderInitialisation } from '../../../cluster/database/initialisation';
import { databaseProfile } from '../../../cluster/database/profile';
import { renderRuntimeRead } from '../../../cluster/node/runtime';
import { realTools, type RealTools, type RunResult } from '../real-tools';

/** Does for a real server what systemd would: main process, stop without waiting, kill of the unit. */
const SYSTEMCTL = `#!/bin/sh
pid=$(cat /tmp/unit.pid 2>/dev/null) && kill -0 "$pid" 2>/dev/null || pid=0
case "$*" in
  *MainPID*) printf 'MainPID=%s\nLoadState=loaded\n' $pid ;;
  *ActiveState*) if [ $pid = 0 ]; then echo inactive; else echo active; fi ;;
  *Result*) cat /tmp/result 2>/dev/null || echo success ;;
  start*) if [ -e /tmp/result ]; then exit 1; fi ;;
esac
case "$*" in
  show*) ;;
  start*) [ $pid = 0 ] || exit 0
    setpriv --reuid mysql --regid mysql --clear-groups $SERVER >/tmp/server.log 2>&1 </dev/null &
    echo $! >/tmp/unit.pid
    for i in $(seq 300); do [ -S /run/mysqld/mysqld.sock ] && exit 0; kill -0 $! || exit 1; sleep 0.1; done; exit 1 ;;
  stop*) echo "$*" >>/tmp/stops; [ $pid = 0 ] || kill -TERM $pid ;;
  kill*) [ $pid = 0 ] || kill -KILL $pid ;;
  reset-failed*) rm -f /tmp/result; echo "$*" >>/tmp/resets ;;
  *) exit 64 ;;
esac
`;

/** One after the other over the same data directory; each ends with the server stopped or dead. */
const SCENARIOS = `
section cycle
agent monitor; agent stop; agent start; agent monitor; first=$(pid); agent start
[ "$first" = "$(pid)" ] && echo same; agent stop; agent monitor; agent stop
grep -iq 'shutdown complete' /tmp/server.log && echo clean

section frozen
agent start; kill -STOP $(pid)
agent monitor
begin=$(seconds); agent stop; took=$(($(seconds) - begin)); [ $took -le 12 ] && echo quick || echo "slow: $took"
agent monitor; agent start; agent monitor

section killed
kill -KILL $(pid); sleep 0.5; agent monitor; agent start; agent monitor; agent stop

section crowded
agent start
sql() { "$OCF_RESKEY_client" --no-defaults --protocol=socket --socket="$SOCKET" --user=root --execute="$1"; }
sql 'SET GLOBAL max_connections = 10'
for i in $(seq 14); do sql 'SELECT SLEEP(30)' >/dev/null 2>&1 & done; sleep 2
sql 'SELECT 1' 2>&1 | grep -o 'Too many connections'
agent monitor; sh /runtime | grep serverAnswers; agent stop; agent monitor

section beside
systemctl start x; pid=$(pid); rm /tmp/unit.pid
agent monitor; agent stop; [ -d /proc/$pid ] && ! grep -q 'State:.Z' /proc/$pid/status && echo lives; agent monitor

section limited
rm -f /tmp/resets; echo start-limit-hit >/tmp/result; agent start; cat /tmp/resets; agent stop
echo exit-code >/tmp/result; agent start; rm /tmp/result

section covered
mount -t tmpfs /dev/sda1 /var/lib/mysql; agent start; umount /var/lib/mysql

section unmounted
umount /var/lib/mysql; agent start
`;

describe.each([
  ['mariadb', 'bookworm'],
  ['mysql', 'sid'],
] as const)('ocf:hadb:mysql over a real %s server', (engine, suite) => {
  const profile = databaseProfile(engine);
  let result: RunResult;
  beforeAll(() => {
    result = realTools(suite).run(
      `set -eu
export SERVER="${profile.server} --no-defaults --datadir=/var/lib/mysql --socket=${profile.socket} --pid-file=${profile.pidFile} --skip-networking"
export SOCKET=${profile.socket}
export OCF_RESKEY_unit=${profile.unit} OCF_RESKEY_process=${profile.processes[0]} OCF_RESKEY_client=${profile.client}
export OCF_RESKEY_device=/dev/drbd1 OCF_RESKEY_query_limit=3 OCF_RESKEY_hung_limit=3 OCF_RESKEY_kill_after=1 OCF_RESKEY_flush_limit=60
agent() { rc=0; dash /agent "$1" || rc=$?; echo "$1 $rc"; }
pid() { cat /tmp/unit.pid; }
seconds() { cut -d. -f1 /proc/uptime; }
section() { echo "== $1"; echo "== $1" >&2; }
mount -t tmpfs /dev/drbd1 /var/lib/mysql
sh /initialise >/dev/null 2>&1
${SCENARIOS}`,
      {
        files: {
          '/agent': renderMysqlAgent(),
          '/initialise': renderInitialisation(profile),
          '/runtime': renderRuntimeRead({ socket: profile.socket }),
          '/usr/local/bin/systemctl': SYSTEMCTL,
        },
        timeoutMs: 240_000,
      },
    );
  }, 900_000);
  const part = (name: string, text = result.stdout) =>
    new RegExp(`^== ${name}\\n([^]*?)(?=^== |$(?![^]))`, 'm').exec(text)?.[1] ?? `(no ${name}: ${result.stderr})`;

  it('starts, monitors and cleanly stops the server, each again and again', () => {
    expect(part('cycle')).toBe(
      'monitor 7\nstop 0\nstart 0\nmonitor 0\nstart 0\nsame\nstop 0\nmonitor 7\nstop 0\nclean\n',
    );
  });

  it('finds a frozen server, and kills it within seconds though a healthy one would get a minute', () => {
    expect(part('frozen')).toBe('start 0\nmonitor 1\nstop 0\nquick\nmonitor 7\nstart 0\nmonitor 0\n');
    expect(part('frozen', result.stderr)).toMatch(
      /ocf-exit-reason:the server \(process \d+\) does not answer within 3 s/,
    );
  });

  it('calls a killed server not running, and starts it again', () => {
    expect(part('killed')).toBe('monitor 7\nstart 0\nmonitor 0\nstop 0\n');
  });

  it('takes a server that has too many connections for one that lives, and has it end in order', () => {
    expect(part('crowded')).toBe('start 0\nToo many connections\nmonitor 0\nserverAnswers=yes\nstop 0\nmonitor 7\n');
    expect(part('crowded', result.stderr)).toMatch(/the server answers with: .*Too many connections/);
    expect(part('crowded', result.stderr)).not.toContain('killed');
  });

  it('finds and stops a server that somebody started beside the service manager', () => {
    expect(part('beside')).toBe('monitor 0\nstop 0\nmonitor 7\n');
  });

  it('starts a server that systemd would not start any more, and no other one that it cannot start', () => {
    expect(part('limited')).toMatch(/^start 0\nreset-failed m\w+\.service\nstop 0\nstart 1\n$/);
  });

  it('does not start the server where the replicated file system is not mounted, or covered by another one', () => {
    expect(part('unmounted')).toBe('start 1\n');
    expect(part('unmounted', result.stderr)).toContain(
      'ocf-exit-reason:nothing is mounted at /var/lib/mysql instead of /dev/drbd1',
    );
    expect(part('covered')).toBe('start 1\n');
    expect(part('covered', result.stderr)).toContain(
      'ocf-exit-reason:/dev/sda1 is mounted at /var/lib/mysql instead of /dev/drbd1',
    );
  });
});

describe('ocf:hadb:mysql', () => {
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools('bookworm');
  }, 900_000);
  const RUNNING =
    '#!/bin/sh\ncase "$*" in *MainPID*) echo MainPID=1; echo LoadState=${LOAD:-loaded} ;; *) echo active ;; esac\n';
  const run = (script: string, client = '#!/bin/sh\necho 1\n', systemctl = RUNNING) =>
    tools.run(
      `export OCF_RESKEY_client=/client OCF_RESKEY_query_limit=1 OCF_RESKEY_hung_limit=1\n${script}; echo rc $?`,
      {
        files: { '/agent': renderMysqlAgent(), '/client': client, '/usr/local/bin/systemctl': systemctl },
      },
    );

  it.each(['dash', 'bash'])('is a script that %s can read', (shell) => {
    expect(run(`${shell} -n /agent`).stdout).toBe('rc 0\n');
  });

  it('describes itself in XML that names every parameter it reads', () => {
    const names = (text: string, pattern: RegExp) => new Set([...text.matchAll(pattern)].map(([, name]) => name));

    const { stdout } = run('dash /agent meta-data >/m.xml; xmllint --noout /m.xml && cat /m.xml');

    expect(names(stdout, /<parameter name="(\w+)"/g)).toEqual(names(renderMysqlAgent(), /\{OCF_RESKEY_(\w+):-/g));
    expect(stdout).toContain('rc 0');
  });

  it.each<[string, string, string, string]>([
    ['a healthy answer', '#!/bin/sh\necho 1\n', RUNNING, 'rc 0\n'],
    [
      'too many connections, which the server itself says',
      "#!/bin/sh\necho 'ERROR 1040 (HY000): Too many connections' >&2; exit 1\n",
      RUNNING,
      'rc 0\n',
    ],
    [
      'the same, told before TLS',
      "#!/bin/sh\necho 'ERROR 2002 (HY000): Received error packet before completion of TLS handshake. The authenticity of the following error cannot be verified: 1040 - Too many connections' >&2; exit 1\n",
      RUNNING,
      'rc 0\n',
    ],
    [
      'a refused login',
      "#!/bin/sh\necho \"ERROR 1698 (28000): Access denied for user 'root'@'localhost'\" >&2; exit 1\n",
      RUNNING,
      'rc 0\n',
    ],
    [
      'a socket where nobody listens',
      "#!/bin/sh\necho \"ERROR 2002 (HY000): Can't connect to local server through socket '/x' (2)\" >&2; exit 1\n",
      RUNNING,
      'rc 1\n',
    ],
    [
      'a connection that was lost',
      "#!/bin/sh\necho 'ERROR 2013 (HY000): Lost connection to server at handshake' >&2; exit 1\n",
      RUNNING,
      'rc 1\n',
    ],
    ['no answer at all', '#!/bin/sh\nexec sleep 100\n', RUNNING, 'rc 1\n'],
    ['a service manager that does not answer', '#!/bin/sh\necho 1\n', '#!/bin/sh\nexit 1\n', 'rc 1\n'],
    ['a service manager that answers nonsense', '#!/bin/sh\necho 1\n', '#!/bin/sh\necho\n', 'rc 1\n'],
  ])('monitors %s', (_, client, systemctl, expected) => {
    expect(run('dash /agent monitor', client, systemctl).stdout).toBe(expected);
  });

  it('never calls a server stopped whose state it cannot read', () => {
    expect(run('dash /agent stop', '#!/bin/sh\necho 1\n', '#!/bin/sh\nexit 1\n').stdout).toBe('rc 1\n');
  });

  it.each([
    ['an unknown action', 'dash /agent dance', 'rc 3\n'],
    ['a client that is not installed', 'OCF_RESKEY_client=/nothing dash /agent validate-all', 'rc 5\n'],
    ['a masked unit', 'LOAD=masked dash /agent validate-all', 'rc 5\n'],
    ['a unit that does not exist', 'LOAD=not-found dash /agent start', 'rc 5\n'],
    ['a limit that is no number', 'OCF_RESKEY_kill_after=soon dash /agent validate-all', 'rc 6\n'],
    ['nothing', 'dash /agent validate-all', 'rc 0\n'],
  ])('objects to %s', (_, script, expected) => {
    expect(run(script).stdout).toBe(expected);
  });
});
