import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderProvisioningArchive } from '../../../lab/machines/provisioning-disk';
import type { Provisioning } from '../../../lab/model';
import type { RealTools, RunResult } from '../../cluster/real-tools';
import type { TestLab } from './lab-fixture';

/**
 * A network namespace that holds what a guest finds: the metadata service and Resource Manager at their addresses, and the
 * files of the machine's provisioning. Only the wire is missing: a relay opens control's socket in its place.
 */
const RELAY = `import socket, sys, threading
def pump(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(address, port, service, machine):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(50)
    while True:
        guest, _ = server.accept()
        control = socket.socket(socket.AF_UNIX)
        control.connect('/host/guests.sock')
        control.sendall(f'guest {service} {machine}\\n'.encode())
        assert control.recv(3) == b'ok\\n'
        for ends in ((guest, control), (control, guest)):
            threading.Thread(target=pump, args=ends, daemon=True).start()
services = {'metadata': ('169.254.169.254', 80), 'management': ('192.0.2.1', 443)}
threads = [
    threading.Thread(target=serve, args=(*services[name], name, sys.argv[1])) for name in sys.argv[2:]
]
for thread in threads:
    thread.start()
`;

export type GuestPart = 'name' | 'metadata' | 'management' | 'trust';

/** What takes a part away after the machine has been provisioned. */
const BREAK: Readonly<Record<GuestPart, string>> = {
  name: "echo '127.0.0.1 localhost' >/etc/hosts",
  metadata: '',
  management: '',
  trust: ': >/etc/ssl/certs/ca-certificates.crt; rm -f /etc/ssl/certs/*.0',
};

/** Runs a script on a machine that has been provisioned by the image's own one, with Debian's fence agent installed. */
export function runInGuest(
  tools: RealTools,
  lab: TestLab,
  vmId: string,
  commands: string,
  { without }: { without?: GuestPart } = {},
): Promise<RunResult> {
  const script = readFileSync('lab/images/overlay/usr/lib/hadb-lab/provision', 'utf8');
  const writeFiles = /^if \[ -d "\$data\/write-files" \]; then\n[\s\S]*?^fi\n/m.exec(script)?.[0] ?? 'exit 99';
  const provisioning = JSON.parse(
    readFileSync(join(lab.stateDirectory, 'machines', vmId, 'provisioning.tar'), 'utf8'),
  ) as Provisioning;
  writeFileSync(join(lab.stateDirectory, 'control', 'test-provisioning.tar'), renderProvisioningArchive(provisioning));
  const services = { metadata: '169.254.169.254:80', management: '192.0.2.1:443' };
  const served = Object.entries(services).filter(([name]) => name !== without);
  return tools.runBeside(
    `set -eu
data=/run/hadb-lab
mkdir -p $data
tar -xf /host/test-provisioning.tar -C $data
echo '127.0.0.1 localhost' >/etc/hosts
${writeFiles}
${without === undefined ? '' : BREAK[without]}
ip link set lo up
ip address add 169.254.169.254/32 dev lo
ip address add 192.0.2.1/32 dev lo
python3 /relay.py ${vmId} ${served.map(([name]) => name).join(' ')} &
for address in ${served.map(([, address]) => address).join(' ')}; do
  until python3 -c "import socket; socket.create_connection('$address'.split(':'))" 2>/dev/null; do sleep 0.1; done
done
${commands}
`,
    { files: { '/relay.py': RELAY }, hostDirectory: join(lab.stateDirectory, 'control'), timeoutMs: 400_000 },
  );
}
