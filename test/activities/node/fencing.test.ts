import type { CommandResult } from '../../../activities/connections/node-session';
import { createFencingActivities } from '../../../activities/node/fencing';
import {
  renderFenceAgentHold,
  renderFenceAgentRead,
  renderFenceDiagnosis,
  renderFenceProof,
} from '../../../cluster/node/fence-agent';
import { answeringNodes } from './answering-node';
import { runActivity, step } from './model-pair';

/** What the activity does with the agent's answers; the agent itself is asked in fence-agent.integration.test.ts. */

const TARGET = { subscriptionId: 'subscription', resourceGroup: 'hadb', machines: ['hadb01', 'hadb02'] };
const PROVED = `answer list 0
out hadb01,
out hadb02,
answer status/hadb01 0
out Status: ON
answer status/hadb02 0
out Status: ON
`;
const DENIED = PROVED.replace('out hadb01,\n', '');

function prove(proofs: readonly string[], diagnoses: readonly string[], patience: () => number = () => 10_000) {
  const asked: string[] = [];
  const inTurn = (what: string, texts: readonly string[]) => (): Partial<CommandResult> => {
    const earlier = asked.filter((one) => one === what).length;
    asked.push(what);
    return { stdout: texts[Math.min(earlier, texts.length - 1)] ?? '' };
  };
  const { sessions, changes, opened } = answeringNodes(() => ({
    reads: {
      [renderFenceProof(TARGET)]: inTurn('agent', proofs),
      [renderFenceDiagnosis(TARGET)]: inTurn('diagnosis', diagnoses),
    },
  }));
  const activities = createFencingActivities({ sessions }, { intervalMs: 1, patience });
  const { subscriptionId, resourceGroup } = TARGET;
  const outcome = runActivity(() =>
    activities.awaitFencingProved({ ...step('hadb02', 'prove-fencing'), subscriptionId, resourceGroup }),
  );
  return { outcome, asked, changes, opened };
}

it('what the agent has shown is the evidence, and nothing is changed', async () => {
  const { outcome, asked, changes, opened } = prove([PROVED], []);

  expect(await outcome).toEqual({ result: 'unchanged', observed: 'list hadb01, hadb02; hadb01 on; hadb02 on' });
  expect({ asked, changes, opened }).toEqual({ asked: ['agent'], changes: [], opened: ['hadb02'] });
});

it('a role that is not heeded yet is waited for', async () => {
  const { outcome, asked } = prove([DENIED, DENIED, PROVED], ['dns=ok\nrole=hadb01: HTTP 403']);

  expect(await outcome).toMatchObject({ result: 'unchanged' });
  expect(asked).toEqual(['agent', 'diagnosis', 'agent', 'diagnosis', 'agent']);
});

it.each([
  ['dns=no such name', 'NotReady', 'cannot resolve management.azure.com (no such name)', '/etc/resolv.conf'],
  ['dns=ok\narm=timed out', 'NotReady', 'does not reach Azure Resource Manager (timed out)', 'port 443'],
  ['dns=ok\narm=ok\ntoken=HTTP 400', 'NotReady', 'gets no token', '169.254.169.254'],
  ['dns=ok\narm=ok\ntoken=ok\nrole=HTTP 403', 'Denied', 'lacks the role', 'role assignments'],
  ['dns=ok\narm=ok\ntoken=ok\nrole=ok', 'PlatformUnsupported', 'fence_azure_arm itself', '-o list'],
])('a node that cannot fence stops the run and says what is lacking: %j', async (diagnosis, code, what, whatNow) => {
  const { outcome } = prove([DENIED], [diagnosis], () => 0);

  await expect(outcome).rejects.toMatchObject({
    code,
    message: expect.stringContaining(`hadb02 cannot fence: `) as string,
    details: {
      subject: 'hadb02',
      observed: 'the list of machines lacks hadb01',
      whatNow: expect.stringContaining(whatNow) as string,
    },
  });
  await expect(outcome).rejects.toMatchObject({ message: expect.stringContaining(what) as string });
});

it('a node without the agent is refused at once', async () => {
  const { outcome, asked } = prove(['answer list 127\nerr fence_azure_arm is not installed\n'], []);

  await expect(outcome).rejects.toMatchObject({ code: 'PlatformUnsupported' });
  expect(asked).toEqual(['agent']);
});

describe('the agent that is there', () => {
  const install = (...states: string[]) => {
    const { sessions, changes } = answeringNodes(() => ({
      reads: { [renderFenceAgentRead()]: () => ({ stdout: (states.length > 1 ? states.shift() : states[0]) ?? '' }) },
      changes: { [renderFenceAgentHold()]: '' },
    }));
    return {
      outcome: runActivity(() => createFencingActivities({ sessions }).installFenceAgent(step('hadb01'))),
      changes,
    };
  };
  const AGENT = 'agent=fence-agents 4.12.1-1\nmodules=yes\n';

  it('and held is left alone', async () => {
    const { outcome, changes } = install(`${AGENT}state=hi \n`);

    expect(await outcome).toMatchObject({ result: 'unchanged', observed: expect.stringContaining('held') as string });
    expect(changes).toEqual([]);
  });

  it('and not held is held, and not installed anew', async () => {
    const { outcome, changes } = install(`${AGENT}state=ii \n`, `${AGENT}state=hi \n`);

    expect(await outcome).toMatchObject({ result: 'changed', done: 'held it' });
    expect(changes).toEqual([renderFenceAgentHold()]);
  });

  it('without the modules of Azure is installed by a job', async () => {
    const { outcome } = install('agent=fence-agents 4.12.1-1\nstate=hi \n');

    await expect(outcome).rejects.toThrow('no job is run');
  });
});
