import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderProvisioningArchive } from '../../../lab/machines/provisioning-disk';
import type { Provisioning } from '../../../lab/model';
import { realTools } from '../../cluster/real-tools';
import type { RealTools, RunResult } from '../../cluster/real-tools';
import { GROUP, buildNetwork, idOf, machineBody } from './cluster-build';
import { startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

/**
 * Debian's own fence_azure_arm, unmodified, in a network namespace that holds what a guest finds: the metadata service and
 * Resource Manager at their addresses, and the files of the machine's provisioning. Only the wire is missing: a relay opens
 * control's socket in its place.
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
threading.Thread(target=serve, args=('169.254.169.254', 80, 'metadata', sys.argv[1]), daemon=True).start()
serve('192.0.2.1', 443, 'management', sys.argv[1])
`;

/** The agent alone takes seconds to load Azure's modules. */
jest.setTimeout(400_000);

describe("Debian's fence_azure_arm, unmodified, against the lab", () => {
  let lab: TestLab;
  let azure: AzureClients;
  let tools: RealTools;
  let group: string;
  const vms: { id: string; vmId: string; principalId: string }[] = [];

  /** Runs a script on a machine that has been provisioned by the image's own one. */
  const inGuest = (vmId: string, commands: string): Promise<RunResult> => {
    const script = readFileSync('lab/images/overlay/usr/lib/hadb-lab/provision', 'utf8');
    const writeFiles = /^if \[ -d "\$data\/write-files" \]; then\n[\s\S]*?^fi\n/m.exec(script)?.[0] ?? 'exit 99';
    const provisioning = JSON.parse(
      readFileSync(join(lab.stateDirectory, 'machines', vmId, 'provisioning.tar'), 'utf8'),
    ) as Provisioning;
    writeFileSync(
      join(lab.stateDirectory, 'control', 'test-provisioning.tar'),
      renderProvisioningArchive(provisioning),
    );
    return tools.runBeside(
      `set -eu
data=/run/hadb-lab
mkdir -p $data
tar -xf /host/test-provisioning.tar -C $data
echo '127.0.0.1 localhost' >/etc/hosts
${writeFiles}
ip link set lo up
ip address add 169.254.169.254/32 dev lo
ip address add 192.0.2.1/32 dev lo
python3 /relay.py ${vmId} &
for address in 169.254.169.254:80 192.0.2.1:443; do
  until python3 -c "import socket; socket.create_connection('$address'.split(':'))" 2>/dev/null; do sleep 0.1; done
done
${commands}
`,
      { files: { '/relay.py': RELAY }, hostDirectory: join(lab.stateDirectory, 'control'), timeoutMs: 120_000 },
    );
  };
  const fence = (vmId: string, words: string) => inGuest(vmId, `fence_azure_arm --msi ${words}`);
  const assign = (scope: string, role: string, principalId: string) =>
    lab.request(
      'PUT',
      `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?api-version=2022-04-01`,
      { body: { properties: { roleDefinitionId: role, principalId, principalType: 'ServicePrincipal' } } },
    );

  beforeAll(async () => {
    tools = realTools('fencing');
    lab = await startTestLab({ rolePropagationMs: 0 });
    azure = lab.clients();
    group = `/subscriptions/${lab.document.subscriptionId}/resourceGroups/${GROUP}`;
    await buildNetwork(lab, azure);
    for (const node of [1, 2]) {
      const vm = await azure.compute.virtualMachines.createOrUpdate(GROUP, `hadb0${node}`, machineBody(lab, node), {
        updateIntervalInMs: 20,
      });
      vms.push({
        id: idOf(lab, 'Microsoft.Compute/virtualMachines', `hadb0${node}`),
        vmId: vm.vmId ?? '',
        principalId: vm.identity?.principalId ?? '',
      });
    }
    const role = await lab.request(
      'PUT',
      `${group}/providers/Microsoft.Authorization/roleDefinitions/${randomUUID()}?api-version=2022-04-01`,
      {
        body: {
          properties: {
            roleName: 'hadb fence agent',
            type: 'CustomRole',
            permissions: [
              {
                actions: [
                  'Microsoft.Compute/virtualMachines/read',
                  'Microsoft.Compute/virtualMachines/powerOff/action',
                  'Microsoft.Compute/virtualMachines/start/action',
                ],
              },
            ],
            assignableScopes: [group],
          },
        },
      },
    );
    for (const vm of vms) await assign(vm.id, String(role.body['id']), vms[0]!.principalId);
  }, 900_000);
  afterAll(() => lab.close());

  it('finds Resource Manager by its name, and trusts it in both places where programs look', async () => {
    const url = 'https://management.azure.com/subscriptions?api-version=2021-04-01';
    const bundle = `curl --silent --output /dev/null --write-out '%{http_code}\\n' '${url}'`;
    const directory = `openssl s_client -connect 192.0.2.1:443 -verify_return_error -verify_hostname management.azure.com </dev/null 2>/dev/null`;

    const result = await inGuest(vms[0]!.vmId, `${bundle}\n${directory} | grep 'Verify return code'`);

    expect(result.stdout).toContain('401\n');
    expect(result.stdout).toContain('Verify return code: 0 (ok)');
  });

  it('lists the machines that the identity of its own machine may fence', async () => {
    const result = await fence(vms[0]!.vmId, '-o list');

    expect(result).toMatchObject({ code: 0, stdout: 'hadb01,\nhadb02,\n' });
  });

  it('tells whether one of them runs', async () => {
    const result = await fence(vms[0]!.vmId, '-o status -n hadb02');

    expect(result).toMatchObject({ code: 0, stdout: 'Status: ON\n' });
  });

  it('cuts its power, and starts it again', async () => {
    lab.machines.calls.length = 0;

    const off = await fence(vms[0]!.vmId, '-o off -n hadb02');
    const calls = [...lab.machines.calls];
    const status = await fence(vms[0]!.vmId, '-o status -n hadb02');
    const on = await fence(vms[0]!.vmId, '-o on -n hadb02');

    expect(off).toMatchObject({ code: 0, stdout: 'Success: Powered OFF\n' });
    expect(calls).toEqual(['stop hadb02 hard']);
    expect(status.stdout).toBe('Status: OFF\n');
    expect(on).toMatchObject({ code: 0, stdout: 'Success: Powered ON\n' });
  });

  it('is refused on a machine whose identity has no role', async () => {
    lab.machines.calls.length = 0;

    const result = await fence(vms[1]!.vmId, '-o off -n hadb01');

    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('AuthorizationFailed');
    expect(lab.machines.calls).toEqual([]);
  });
});
