import type { ArmClients } from '../../../activities/connections/arm-clients';
import { createFencingGateActivities } from '../../../activities/drill/fencing-gate';
import { isHadbError } from '../../../cluster/errors';
import { renderFenceDiagnosis, renderFenceProof } from '../../../cluster/node/fence-agent';
import { specificationOf } from '../../cluster/specimens';
import { answeringNodes } from '../node/answering-node';
import { createModelPair, runActivity, step } from '../node/model-pair';

/** Whether both nodes could fence is seen before anything is broken. */

const TARGET = { subscriptionId: 'subscription', resourceGroup: 'hadb', machines: ['hadb01', 'hadb02'] };
const PROVED = `answer list 0
out hadb01,
out hadb02,
answer status/hadb01 0
out Status: ON
answer status/hadb02 0
out Status: ON
`;

function gateWith({
  proof = PROVED,
  diagnosis = 'dns=ok\narm=ok\ntoken=ok\nrole=ok\n',
  fencing = 'azure' as 'azure' | 'none',
} = {}) {
  const nodes = answeringNodes((node) => ({
    reads: {
      [renderFenceProof(TARGET)]: node === 'hadb02' ? proof : PROVED,
      [renderFenceDiagnosis(TARGET)]: diagnosis,
    },
  }));
  const { secrets } = createModelPair();
  const arm = { subscriptionId: 'subscription' } as unknown as ArmClients;
  const gate = createFencingGateActivities({ arm, secrets, sessions: nodes.sessions });
  const specification = specificationOf({ fencing });
  return {
    nodes,
    outcome: runActivity(() => gate.readFencingGate({ ...step('hadb01', 'fencing-gate'), specification })),
  };
}

it('what the agent of both nodes says is the evidence', async () => {
  const { outcome, nodes } = gateWith();

  expect(await outcome).toEqual({
    result: 'unchanged',
    observed: 'hadb01: list hadb01, hadb02; hadb01 on; hadb02 on | hadb02: list hadb01, hadb02; hadb01 on; hadb02 on',
  });
  expect(nodes.changes).toEqual([]);
});

it.each([
  [
    'the role of one node was taken away',
    PROVED.replace('out hadb01,\n', ''),
    'dns=ok\narm=ok\ntoken=ok\nrole=hadb01: HTTP 403',
    'the list of machines lacks hadb01',
    'role',
  ],
  [
    'the metadata service is silent',
    'answer list 1\nerr Failed: no token\n',
    'dns=ok\narm=ok\ntoken=timed out',
    'no token',
    'token',
  ],
  [
    'the agent is gone',
    'answer list 127\nerr fence_azure_arm is not installed\n',
    'dns=ok\narm=ok\ntoken=ok\nrole=ok',
    'not installed',
    'agent',
  ],
])('no drill begins where %s, and it is said where the way ends', async (_, proof, diagnosis, what, link) => {
  const { outcome, nodes } = gateWith({ proof, diagnosis });

  const error: unknown = await outcome.catch((thrown: unknown) => thrown);

  if (!isHadbError(error)) throw new Error('the gate let it pass', { cause: error });
  expect(error.code).toBe('GateNotMet');
  expect(error.message).toContain(what);
  expect(error.message).toContain(`hadb02: the way ends at ${link}`);
  expect(error.message).not.toContain('hadb01: the way');
  expect(nodes.changes).toEqual([]);
});

it('nothing is asked of a cluster that does not fence', async () => {
  const { outcome, nodes } = gateWith({ fencing: 'none' });

  expect(await outcome).toMatchObject({ observed: 'fencing: none' });
  expect(nodes.opened).toEqual([]);
});
