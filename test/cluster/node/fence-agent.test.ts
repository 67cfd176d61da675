import fc from 'fast-check';
import {
  describeFenceProof,
  fenceProblems,
  parseFenceAgent,
  parseFenceDiagnosis,
  parseFenceProof,
  renderFenceAgentInstall,
  renderFenceAgentRead,
} from '../../../cluster/node/fence-agent';
import { createScriptBench, type ScriptBench } from './script-bench';

const MACHINES = ['hadb01', 'hadb02'];
const LIST = 'answer list 0\nout hadb01,\nout hadb02,\n';
const STATUS = 'answer status/hadb01 0\nout Status: ON\nanswer status/hadb02 0\nout Status: ON\n';

/** As the agent of Debian 12 complains. */
const DENIED = `err 2026-11-23 05:10:11,512 ERROR: Failed: (AuthorizationFailed) The client 'c' with object id 'o' does not have authorization
err Please use '-h' for usage
`;

describe('the proof', () => {
  it('is the list of both machines and the power of each', () => {
    const answers = parseFenceProof(LIST + STATUS);

    expect(fenceProblems(answers, MACHINES)).toEqual([]);
    expect(describeFenceProof(answers)).toBe('list hadb01, hadb02; hadb01 on; hadb02 on');
  });

  it.each([
    ['an empty answer', '', ['the list of machines was not told', 'the power of hadb01', 'the power of hadb02']],
    ['a refused list', `answer list 1\n${DENIED}${STATUS}`, ['the list of machines is refused: 2026']],
    ['a list that was filtered', `answer list 0\nout hadb01,\n${STATUS}`, ['the list of machines lacks hadb02']],
    ['a list of longer names', `answer list 0\nout hadb011,\nout hadb02,\n${STATUS}`, ['lacks hadb01']],
    [
      'a refused status',
      `${LIST}${STATUS.split('answer status/hadb02')[0]}answer status/hadb02 1\n${DENIED}`,
      ['the power of hadb02 is refused: 2026'],
    ],
    ['an agent that hangs', `answer list 124\n${STATUS}`, ['refused: no answer within 100 s']],
    [
      'an exit code without its word',
      `${LIST}answer status/hadb01 0\nanswer status/hadb02 0\nout Status: ON\n`,
      ['the power of hadb01 is refused: exit code 0'],
    ],
    [
      'an error that looks like off',
      `${LIST}answer status/hadb01 1\nout Status: OFF\nanswer status/hadb02 0\nout Status: ON\n`,
      ['the power of hadb01 is refused'],
    ],
  ])('is not %s', (_what, text, expected) => {
    const problems = fenceProblems(parseFenceProof(text), MACHINES);

    expect(problems).toHaveLength(expected.length);
    expected.forEach((part, index) => expect(problems[index]).toContain(part));
    expect(problems.join(' ')).not.toContain('-h');
  });

  it('is read whatever a node prints', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(fenceProblems(parseFenceProof(text), MACHINES).length).toBeGreaterThan(0);
        expect(parseFenceDiagnosis(text).link).toBeDefined();
      }),
    );
  });
});

it.each([
  ['dns=[Errno -3] Temporary failure in name resolution', 'dns'],
  ['dns=ok\narm=timed out\ntoken=timed out', 'arm'],
  ['dns=ok\narm=ok\ntoken=HTTP 400 Identity not found', 'token'],
  ['dns=ok\narm=ok\ntoken=ok\nrole=ok\nrole=hadb01: HTTP 403\nrole=ok', 'role'],
  ['dns=ok\narm=ok\ntoken=ok\nrole=hadb01: HTTP 403\narm=hadb02: HTTP 503', 'arm'],
  ['dns=ok\narm=ok\ntoken=ok\nrole=ok', 'agent'],
  ['agent=python3 is not installed', 'agent'],
])('the diagnosis %j blames %s', (text, link) => {
  expect(parseFenceDiagnosis(text).link).toBe(link);
});

describe('the agent on a node', () => {
  let bench: ScriptBench;
  beforeEach(() => {
    bench = createScriptBench();
  });
  afterEach(() => bench.remove());

  it.each([
    [
      'agent=fence-agents 4.12.1-1\nstate=hi \nmodules=yes\n',
      { agent: 'fence-agents 4.12.1-1', held: true, modules: true },
    ],
    ['agent=fence-agents 4.12.1-1\nstate=ii \n', { agent: 'fence-agents 4.12.1-1', held: false, modules: false }],
    ['', { held: false, modules: false }],
  ])('is read from %j', (text, expected) => {
    expect(parseFenceAgent(text)).toEqual(expected);
  });

  it('is missing where its file is', () => {
    bench.program('python3', 'exit 1');

    const { code, stdout } = bench.run(renderFenceAgentRead());

    expect({ code, state: parseFenceAgent(stdout) }).toEqual({ code: 0, state: { held: false, modules: false } });
  });

  const install = () => {
    bench.mover('apt-get');
    bench.program('dpkg', ':');
    bench.program('systemctl', 'exit 3');
    bench.file('/etc/systemd/system/multi-user.target.wants/corosync.service', '');
    return renderFenceAgentInstall(5).replaceAll('/usr/sbin/policy-rc.d', '/etc/policy-rc.d');
  };

  it.each([
    ['fence-agents-azure-arm', '*', 'python3-azure fence-agents-azure-arm'],
    ['fence-agents-extra', 'fence-agents-extra|fence-agents', 'fence-agents-extra'],
    ['fence-agents', 'fence-agents|python3-azure', 'python3-azure fence-agents'],
  ])(
    'comes with %s where the distribution knows %s; units of the cluster still start at boot',
    (_first, known, installed) => {
      const script = install();
      bench.program('apt-cache', `case $2 in ${known}) ;; *) exit 1 ;; esac`);

      const { code, stderr } = bench.run(script);

      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(bench.moves().at(-1)).toMatch(new RegExp(`install ${installed}$`));
      expect(bench.exists('/etc/systemd/system/multi-user.target.wants/corosync.service')).toBe(true);
      expect(bench.exists('/etc/policy-rc.d')).toBe(false);
    },
  );
});
