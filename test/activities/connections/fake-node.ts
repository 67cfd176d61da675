import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from 'ssh2';
import { Server } from 'ssh2';
import { createSshPrivateKey } from '../../../activities/connections/secret-generators';
import { readPublicKey } from '../../../activities/connections/ssh-keys';
import type { NodePaths } from '../../../cluster/node-scripts/remote-command';
import { readProcesses } from '../../process-table';

/**
 * A node in a directory: scripts run in this host's own `sh`, with `sudo`, `systemd-run` and `systemctl` played by small
 * programs, and an SSH server in this process in front. What the connection and the scripts do is real; only root and the
 * service manager are not.
 */
export interface Sandbox {
  directory: string;
  paths: NodePaths;
  bootIdFile: string;
  environment: Record<string, string>;
  /** Adds or replaces a program of the node. */
  install(name: string, script: string): void;
  /** The names of the transient units that run. */
  units(): string[];
  /** As a power cut: every unit is killed without a chance to say anything, and the boot id changes. */
  reset(): void;
  /** As a shutdown followed by a start: units are stopped in order while the system says that it is stopping. */
  reboot(): void;
  remove(): void;
}

const SUDO = `#!/bin/sh
[ "$1" != -n ] || shift
exec "$@"
`;

/** Units are directories; a supervisor runs the command, then what ExecStopPost says, and forgets the unit. */
const SYSTEMD_RUN = `#!/bin/sh
set -eu
seconds=0 after=
while [ $# -gt 0 ]; do
  case $1 in
  --unit=*) unit=\${1#--unit=} ;;
  --property=RuntimeMaxSec=*) seconds=\${1#*=*=} ;;
  --property=ExecStopPost=*) after=\${1#*=*=} ;;
  --property=*|--quiet|--collect|--description=*) ;;
  --) shift; break ;;
  *) echo "fake systemd-run does not know $1" >&2; exit 1 ;;
  esac
  shift
done
if ! mkdir "$FAKE_UNITS/$unit.service" 2>/dev/null; then
  echo "Failed to start transient service unit: Unit $unit.service was already loaded or has a fragment file." >&2
  exit 1
fi
setsid sh "$FAKE_BIN/supervise" "$FAKE_UNITS/$unit.service" "$seconds" "$after" "$@" </dev/null >/dev/null 2>&1 &
`;

const SUPERVISE = `directory=$1 seconds=$2 after=$3
shift 3
echo $$ >"$directory/supervisor"
timeout -k 2 "$seconds" "$@" &
echo $! >"$directory/main.new"; mv "$directory/main.new" "$directory/main"
wait $!
status=$?
case $status in
124) SERVICE_RESULT=timeout EXIT_CODE=killed EXIT_STATUS=TERM ;;
137) SERVICE_RESULT=signal EXIT_CODE=killed EXIT_STATUS=KILL ;;
143) SERVICE_RESULT=success EXIT_CODE=killed EXIT_STATUS=TERM ;;
0) SERVICE_RESULT=success EXIT_CODE=exited EXIT_STATUS=0 ;;
*) SERVICE_RESULT=exit-code EXIT_CODE=exited EXIT_STATUS=$status ;;
esac
export SERVICE_RESULT EXIT_CODE EXIT_STATUS
$after
rm -rf "$directory"
`;

const SYSTEMCTL = `#!/bin/sh
verb=$1
for last do :; done
case $verb in
show) if [ -d "$FAKE_UNITS/$last" ]; then echo loaded; else echo not-found; fi ;;
list-units)
  for directory in "$FAKE_UNITS"/*; do
    name=\${directory##*/}
    case $name in $last) [ ! -d "$directory" ] || echo "$name loaded active running a job" ;; esac
  done ;;
stop)
  [ -d "$FAKE_UNITS/$last" ] || { echo "Failed to stop $last: Unit $last not loaded." >&2; exit 5; }
  kill -TERM "$(cat "$FAKE_UNITS/$last/main")"
  while [ -d "$FAKE_UNITS/$last" ]; do sleep 0.02; done ;;
is-system-running) cat "$FAKE_UNITS/../system-state" ;;
*) echo "fake systemctl does not know $verb" >&2; exit 1 ;;
esac
`;

export function createSandbox(): Sandbox {
  const directory = mkdtempSync(join(tmpdir(), 'hadb-node-'));
  const bin = join(directory, 'bin');
  const unitsDirectory = join(directory, 'units');
  const bootIdFile = join(directory, 'boot_id');
  const stateFile = join(directory, 'system-state');
  for (const path of [bin, unitsDirectory, join(directory, 'run')]) mkdirSync(path);
  const newBoot = () => {
    writeFileSync(bootIdFile, `${randomUUID()}\n`);
    writeFileSync(stateFile, 'running\n');
  };
  newBoot();
  const install = (name: string, script: string) => {
    writeFileSync(join(bin, name), script);
    chmodSync(join(bin, name), 0o755);
  };
  install('sudo', SUDO);
  install('systemd-run', SYSTEMD_RUN);
  install('supervise', SUPERVISE);
  install('systemctl', SYSTEMCTL);

  const environment = {
    PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: directory,
    FAKE_UNITS: unitsDirectory,
    FAKE_BIN: bin,
  };
  const units = () => readdirSync(unitsDirectory).map((name) => name.replace(/\.service$/, ''));
  const killUnits = () => {
    for (const unit of readdirSync(unitsDirectory)) {
      for (const file of ['supervisor', 'main']) killGroup(join(unitsDirectory, unit, file));
      rmSync(join(unitsDirectory, unit), { recursive: true, force: true });
    }
  };

  return {
    directory,
    paths: {
      directory: join(directory, 'hadb'),
      owner: join(directory, 'hadb', 'owner'),
      lock: join(directory, 'run', 'hadb.lock'),
      steps: join(directory, 'hadb', 'steps'),
      jobs: join(directory, 'hadb', 'jobs'),
    },
    bootIdFile,
    environment,
    install,
    units,
    reset() {
      killUnits();
      newBoot();
    },
    reboot() {
      writeFileSync(stateFile, 'stopping\n');
      for (const unit of readdirSync(unitsDirectory)) {
        spawnSync('systemctl', ['stop', unit], { env: environment });
      }
      newBoot();
    },
    remove() {
      killEverything(bin);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function killGroup(pidFile: string): void {
  if (!existsSync(pidFile)) return;
  try {
    process.kill(-Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  } catch {
    // It has ended since.
  }
}

/** Every process of the sandbox has its directory in its environment; what still ran would write into it again. */
function killEverything(bin: string): void {
  for (const { pid, environment } of readProcesses()) {
    if (!environment.includes(`FAKE_BIN=${bin}`)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended since.
    }
  }
}

export interface FakeNode {
  sandbox: Sandbox;
  address: string;
  port: number;
  adminPrivateKey: string;
  hostPrivateKey: string;
  /** Command lines that sshd was asked to run, in order. */
  commands: string[];
  connectionCount(): number;
  /** Breaks every connection, as a reset of the network does. */
  dropConnections(): void;
  /** From now on nothing is answered on existing connections, as by a frozen machine. */
  freeze(): void;
  refuseKeys(refuse: boolean): void;
  stop(): Promise<void>;
}

export interface FakeNodeOptions {
  user?: string;
  hostPrivateKey?: string;
  adminPrivateKey?: string;
  port?: number;
  sandbox?: Sandbox;
}

export async function startFakeNode(options: FakeNodeOptions = {}): Promise<FakeNode> {
  const sandbox = options.sandbox ?? createSandbox();
  const adminPrivateKey = options.adminPrivateKey ?? createSshPrivateKey('admin');
  const hostPrivateKey = options.hostPrivateKey ?? createSshPrivateKey('host');
  const adminKey = readPublicKey(adminPrivateKey, 'admin').blob;
  const commands: string[] = [];
  const connections = new Set<Connection>();
  let refuse = false;
  let opened = 0;

  const server = new Server({ hostKeys: [hostPrivateKey] }, (connection) => {
    connections.add(connection);
    opened += 1;
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', (context) => {
      const known = context.method === 'publickey' && context.key.data.equals(adminKey);
      if (known && !refuse && context.username === (options.user ?? 'azureuser')) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('ready', () => {
      connection.on('session', (acceptSession) => {
        acceptSession().on('exec', (acceptExec, _reject, { command }) => {
          commands.push(command);
          const channel = acceptExec();
          // As bash, the usual login shell, does with a single command: it becomes the command.
          const child = spawn('/bin/sh', ['-c', `exec ${command}`], { env: sandbox.environment, stdio: 'pipe' });
          channel.on('error', () => undefined);
          for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
          channel.pipe(child.stdin);
          child.stdout.pipe(channel, { end: false });
          child.stderr.pipe(channel.stderr, { end: false });
          // As sshd: the process goes on when the connection is lost, but its input ends.
          channel.on('close', () => child.stdin.end());
          child.on('exit', (code, signal) => {
            if (!channel.writable) return;
            if (code === null) channel.exit((signal ?? 'SIGTERM').replace(/^SIG/, ''));
            else channel.exit(code);
          });
          child.on('close', () => channel.end());
        });
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });

  const socketOf = (connection: Connection) =>
    (connection as unknown as { _sock: { destroy(): void; pause(): void; removeAllListeners(event: string): void } })
      ._sock;
  return {
    sandbox,
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    adminPrivateKey,
    hostPrivateKey,
    commands,
    connectionCount: () => opened,
    dropConnections() {
      for (const connection of connections) socketOf(connection).destroy();
    },
    freeze() {
      for (const connection of connections) {
        socketOf(connection).removeAllListeners('data');
        socketOf(connection).pause();
      }
    },
    refuseKeys(value) {
      refuse = value;
    },
    async stop() {
      for (const connection of connections) socketOf(connection).destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (options.sandbox === undefined) sandbox.remove();
    },
  };
}
