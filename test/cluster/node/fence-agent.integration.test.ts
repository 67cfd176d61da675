import { randomUUID } from 'node:crypto';
import { FENCE_ACTIONS } from '../../../cluster/azure/fencing-role';
import {
  describeFenceProof,
  parseFenceAgent,
  renderFenceAgentRead,
  fenceProblems,
  parseFenceDiagnosis,
  parseFenceProof,
  renderFenceDiagnosis,
  renderFenceProof,
} from '../../../cluster/node/fence-agent';
import { renderRead } from '../../../cluster/node-scripts/remote-command';
import { GROUP, buildCluster, groupOf, type BuiltMachine } from '../../lab/control/cluster-build';
import type { TestLab } from '../../lab/control/lab-fixture';
import { startTestLab } from '../../lab/control/lab-fixture';
import type { GuestPart } from '../../lab/control/provisioned-guest';
import { runInGuest } from '../../lab/control/provisioned-guest';
import type { RealTools } from '../real-tools';
import { realTools } from '../real-tools';

/** The rendered questions to Debian's own agent, and what is made of its answers. */

const MACHINES = ['hadb01', 'hadb02'];
jest.setTimeout(900_000);

let lab: TestLab;
let tools: RealTools;
let roleId: string;
let vms: BuiltMachine[];

beforeAll(async () => {
  tools = realTools('fencing');
  lab = await startTestLab({ rolePropagationMs: 0 });
  vms = await buildCluster(lab, lab.clients());
  const group = groupOf(lab);
  const role = await lab.request(
    'PUT',
    `${group}/providers/Microsoft.Authorization/roleDefinitions/${randomUUID()}?api-version=2022-04-01`,
    {
      body: {
        properties: {
          roleName: 'hadb fencing',
          type: 'CustomRole',
          permissions: [{ actions: FENCE_ACTIONS }],
          assignableScopes: [group],
        },
      },
    },
  );
  roleId = String(role.body['id']);
  // The first identity on both machines, the second on its own alone.
  await assign(0, 0);
  await assign(0, 1);
  await assign(1, 1);
});
afterAll(() => lab.close());

const assign = (identity: number, machine: number) =>
  lab.request(
    'PUT',
    `${vms[machine]!.id}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}?api-version=2022-04-01`,
    {
      body: {
        properties: {
          roleDefinitionId: roleId,
          principalId: vms[identity]!.principalId,
          principalType: 'ServicePrincipal',
        },
      },
    },
  );

const target = () => ({ subscriptionId: lab.document.subscriptionId, resourceGroup: GROUP, machines: MACHINES });

/** Both scripts as a session runs them. */
async function ask(machine: number, without?: GuestPart) {
  const options = without === undefined ? {} : { without };
  const proof = await runInGuest(tools, lab, vms[machine]!.vmId, renderRead(renderFenceProof(target())), options);
  const diagnosis = await runInGuest(
    tools,
    lab,
    vms[machine]!.vmId,
    renderRead(renderFenceDiagnosis(target())),
    options,
  );
  const answers = parseFenceProof(proof.stdout);
  return {
    codes: [proof.code, diagnosis.code],
    answers,
    problems: fenceProblems(answers, MACHINES),
    diagnosis: parseFenceDiagnosis(diagnosis.stdout),
    text: `${proof.stdout}${proof.stderr}${diagnosis.stdout}${diagnosis.stderr}`,
  };
}

it('an identity that may fence both machines proves it', async () => {
  const { codes, answers, problems, diagnosis, text } = await ask(0);

  expect(problems).toEqual([]);
  expect(codes).toEqual([0, 0]);
  expect(describeFenceProof(answers)).toBe('list hadb01, hadb02; hadb01 on; hadb02 on');
  // Nothing is in the way, so only the agent itself could be.
  expect(diagnosis.link).toBe('agent');
  expect(text).not.toMatch(/eyJ|Bearer/);
});

it('a machine that is switched off is an answer as well', async () => {
  const { compute } = lab.clients();
  await compute.virtualMachines.powerOff(GROUP, 'hadb02', { skipShutdown: true });

  const { answers, problems } = await ask(0);
  await compute.virtualMachines.start(GROUP, 'hadb02');

  expect(problems).toEqual([]);
  expect(describeFenceProof(answers)).toContain('hadb02 off');
});

it('an identity that lacks the role on its peer is told so, by list and by status', async () => {
  const { problems, diagnosis } = await ask(1);

  expect(problems).toEqual([
    'the list of machines lacks hadb01',
    expect.stringMatching(/^the power of hadb01 is refused: .*AuthorizationFailed/),
  ]);
  expect(diagnosis).toMatchObject({ link: 'role', said: expect.stringMatching(/^hadb01: HTTP 403/) as string });
});

it.each([
  ['name', 'dns'],
  ['management', 'arm'],
  ['trust', 'arm'],
  ['metadata', 'token'],
] as const)('without %s the link that is broken is %s', async (without, link) => {
  const { codes, problems, diagnosis } = await ask(0, without);

  expect(codes).toEqual([0, 0]);
  expect(problems).toHaveLength(3);
  expect(diagnosis.link).toBe(link);
  expect(diagnosis.said.length).toBeGreaterThan(10);
});

it("finds Azure's modules as Debian's Python does, and misses them where they are not", async () => {
  const read = renderRead(renderFenceAgentRead());
  const without = `mv /usr/lib/python3/dist-packages/azure/mgmt/compute /compute`;

  const [there, gone] = await Promise.all([
    runInGuest(tools, lab, vms[0]!.vmId, read),
    runInGuest(tools, lab, vms[0]!.vmId, `${without}\n${read}`),
  ]);

  expect([there, gone].map(({ code }) => code)).toEqual([0, 0]);
  expect([there, gone].map(({ stdout }) => parseFenceAgent(stdout).modules)).toEqual([true, false]);
});

it('a node without the agent says so, and asks nothing', async () => {
  const script = `rm /usr/sbin/fence_azure_arm\n${renderRead(renderFenceProof(target()))}`;
  const { stdout } = await runInGuest(tools, lab, vms[0]!.vmId, script);

  expect(fenceProblems(parseFenceProof(stdout), MACHINES)).toEqual([
    'the list of machines is refused: fence_azure_arm is not installed',
    'the power of hadb01 was not told',
    'the power of hadb02 was not told',
  ]);
});
