import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArmClients } from '../../../activities/connections/arm-clients';
import { createRoleSamplerActivities } from '../../../activities/drill/role-sampler';
import { OWNER_TAG } from '../../../cluster/ids';
import { parseRole, renderRoleRead } from '../../../cluster/node/role-read';
import { parseSamples } from '../../../cluster/verdict/role-samples';
import type { LedgerEntry } from '../../../cluster/verdict/write-ledger';
import { events2 } from '../../cluster/node/script-bench';
import { answeringNodes } from '../node/answering-node';
import { createModelPair, runActivity, specification, step } from '../node/model-pair';

/** The roles of both nodes, asked while a writer writes: what is heard, and what silence is worth. */

const DRILL = '0190a0a0-switchover';
const BOOT = '7ea49b58-0948-4754-8981-71b190e1a4d6';
const says = (role: string, server = '') =>
  `bootId=${BOOT}\n${server}drbd:\n${events2({ role, connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'DUnknown' })}`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-roles-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** hadb01 is primary; of hadb02 the test says what it answers. The writer writes for so many looks at it. */
function sampled({ peer, power = 'running', looks = 40 }: { peer: () => string; power?: string; looks?: number }) {
  let left = looks;
  const ledger: LedgerEntry[] = [];
  const { sessions } = answeringNodes((node) => ({
    reads: { [renderRoleRead()]: () => ({ stdout: node === 'hadb01' ? says('Primary', 'serverPid=4711\n') : peer() }) },
  }));
  const machine = {
    vmId: 'v',
    tags: { [OWNER_TAG]: specification.name },
    instanceView: { statuses: [{ code: `PowerState/${power}` }] },
  };
  const arm = { compute: { virtualMachines: { get: async () => machine } } } as unknown as ArmClients;
  const writers = { directory: () => directory, isInUse: () => (left -= 1) > 0, read: () => ledger };
  const activities = createRoleSamplerActivities(
    { sessions, arm, secrets: createModelPair().secrets, writers },
    { intervalMs: 20, askMs: 200 },
  );
  return {
    run: () => runActivity(() => activities.sampleRoles({ ...step('hadb01', 'roles'), drill: DRILL })),
    judge: (from: number, to: number, { isKilled = false } = {}) => {
      ledger.push(isKilled ? { kind: 'lag', at: to, ms: 200 } : { kind: 'end', at: to });
      return runActivity(() => activities.judgeRoles({ ...step('hadb01', 'roles'), drill: DRILL, from }));
    },
    samples: () => parseSamples(readFileSync(join(directory, 'roles.jsonl'), 'utf8')),
  };
}

describe('the roles of a drill', () => {
  it('are asked of both nodes until the writer is ended, and judged', async () => {
    const pair = sampled({ peer: () => says('Secondary') });

    const from = Date.now();
    const { observed } = await pair.run();

    expect(observed).toMatch(/^asked hadb01 \d+ times, hadb02 \d+ times$/);
    const heard = pair.samples();
    expect(heard.filter(({ node }) => node === 'hadb01').length).toBeGreaterThan(5);
    expect(heard).toContainEqual(
      expect.objectContaining({ kind: 'heard', node: 'hadb01', role: 'Primary', bootId: BOOT, serverPid: 4711 }),
    );
    expect((await pair.judge(from, Date.now())).checks).toMatchObject([{ passed: true }, { passed: true }]);
  });

  it('prove two primaries where both say so', async () => {
    const pair = sampled({ peer: () => says('Primary') });

    const from = Date.now();
    await pair.run();

    expect((await pair.judge(from, Date.now())).checks).toMatchObject([
      { name: 'never two primaries', passed: false },
      { name: 'never two database servers', passed: true },
    ]);
  });

  it('count beyond the last line of a client that was killed', async () => {
    const pair = sampled({ peer: () => says('Primary') });

    const from = Date.now();
    await pair.run();

    expect((await pair.judge(from, from, { isKilled: true })).checks).toMatchObject([
      { name: 'never two primaries', passed: false, detail: expect.stringMatching(/^both nodes at /) },
      { passed: true },
    ]);
  });

  it.each([
    ['does not answer', () => Promise.reject(new Error('connect ETIMEDOUT')), 'connect ETIMEDOUT'],
    ['answers half', () => `bootId=${BOOT}\n`, 'the answer was cut off'],
  ])('of a node that %s are not known; what Azure says of its machine is noted', async (_, peer, why) => {
    const pair = sampled({ peer: peer as () => string, power: 'stopped' });

    await pair.run();

    expect(pair.samples().filter(({ node }) => node === 'hadb02')).toContainEqual(
      expect.objectContaining({ kind: 'silent', why: expect.stringContaining(why) as string, power: 'stopped' }),
    );
  });

  it('go on where an earlier try has ended', async () => {
    await sampled({ peer: () => says('Secondary') }).run();
    const again = sampled({ peer: () => says('Secondary') });
    const before = again.samples().length;

    await again.run();

    expect(again.samples().length).toBeGreaterThan(before);
  });

  it('are not known where nobody asked', async () => {
    const pair = sampled({ peer: () => says('Secondary') });

    expect((await pair.judge(0, 1000)).checks).toMatchObject([{ unknown: true }, { unknown: true }]);
  });
});

describe('the answer of a node', () => {
  it('tells its boot, its role and its server', () => {
    expect(parseRole(says('Primary', 'serverPid=4711\n'))).toMatchObject({
      bootId: BOOT,
      role: 'Primary',
      serverPid: 4711,
    });
  });

  it.each([
    ['connected and secondary', { peerRole: 'Secondary' }, true],
    ['connected and primary', { peerRole: 'Primary' }, undefined],
    ['gone, and outdated', { connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'Outdated' }, true],
    ['gone', { connection: 'Connecting', peerRole: 'Unknown', peerDisk: 'DUnknown' }, undefined],
  ])('tells whether a peer that is %s can be primary', (_, peer, excluded) => {
    expect(parseRole(`bootId=${BOOT}\ndrbd:\n${events2({ role: 'Secondary', ...peer })}`)?.excludesPeer).toBe(excluded);
  });

  it('tells of no resource and no server', () => {
    expect(parseRole(`bootId=${BOOT}\ndrbd:\n`)).toEqual({ bootId: BOOT, role: 'Unknown' });
  });

  it.each(['', `bootId=${BOOT}\nserverPid=4711\n`, 'drbd:\n'])('is nothing when it is cut off (%j)', (text) => {
    expect(parseRole(text)).toBeUndefined();
  });
});
