import { randomUUID } from 'node:crypto';
import { realTools } from '../../cluster/real-tools';
import type { RealTools, RunResult } from '../../cluster/real-tools';
import { buildCluster, groupOf, type BuiltMachine } from './cluster-build';
import { startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';
import { runInGuest } from './provisioned-guest';

/** The agent alone takes seconds to load Azure's modules. */
jest.setTimeout(400_000);

describe("Debian's fence_azure_arm, unmodified, against the lab", () => {
  let lab: TestLab;
  let azure: AzureClients;
  let tools: RealTools;
  let group: string;
  let vms: BuiltMachine[];

  const inGuest = (vmId: string, commands: string): Promise<RunResult> => runInGuest(tools, lab, vmId, commands);
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
    group = groupOf(lab);
    vms = await buildCluster(lab, azure);
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
