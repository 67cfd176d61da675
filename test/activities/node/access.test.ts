import { createAccessActivities } from '../../../activities/node/access';
import { renderIdentityRead } from '../../../cluster/node/access';
import { answeringNodes } from './answering-node';
import { runActivity, step } from './model-pair';

/** Step 3 is where a wrong machine is found out: before anything is changed on it. */

const VM_ID = '5c2d1f8e-3b7a-4d0e-9f61-2a8b4c6d7e90';

const identityOf = ({ hostName = 'hadb01', address = '10.10.10.4', vmId = VM_ID } = {}): string =>
  [
    `hostName=${hostName}`,
    'machineId=0190a0a0000070008000000000000001',
    'bootId=7ea49b58-0948-4754-8981-71b190e1a4d6',
    `vmId=${vmId}`,
    'firstBoot=done',
    'address=127.0.0.1',
    `address=${address}`,
    '',
  ].join('\n');

/** Answers who it is, and nothing else. */
function machineThatSays(identity: string) {
  const { sessions, reads, changes } = answeringNodes(() => ({ reads: { [renderIdentityRead()]: identity } }));
  return { activities: createAccessActivities({ sessions }), reads, changes };
}

it('the expected machine is taken, with what it said of itself', async () => {
  const { activities } = machineThatSays(identityOf());

  const outcome = await runActivity(() => activities.awaitNodeReachable({ ...step('hadb01'), vmId: VM_ID }));

  expect(outcome).toMatchObject({
    result: 'unchanged',
    observed: `hadb01 at 10.10.10.4, vmId ${VM_ID}, boot 7ea49b58`,
  });
});

it.each([
  ['is called otherwise', identityOf({ hostName: 'hadb02' }), 'it is called hadb02'],
  ['has another address', identityOf({ address: '10.10.10.9' }), 'its addresses are 10.10.10.9, not 10.10.10.4'],
  [
    'is another machine of the same name and address',
    identityOf({ vmId: '00000000-1111-2222-3333-444444444444' }),
    `its vmId is 00000000-1111-2222-3333-444444444444, not ${VM_ID}`,
  ],
])('a node that %s is refused, and nothing but that is asked of it', async (_what, identity, problem) => {
  const { activities, reads, changes } = machineThatSays(identity);

  const refusal = runActivity(() => activities.awaitNodeReachable({ ...step('hadb01'), vmId: VM_ID }));

  await expect(refusal).rejects.toMatchObject({
    code: 'NodeMismatch',
    message: expect.stringContaining(problem) as string,
    details: {
      subject: 'hadb01',
      whatNow: 'Find out which machine the SSH rule leads to; hadb changes nothing on it.',
    },
  });
  expect({ reads, changes }).toEqual({ reads: [renderIdentityRead()], changes: [] });
});
