/** `npm run drills -- --show-loss`: who does what when, and what counts as shown. Nodes, lab and drills are small programs in memory. */

interface Answer {
  code: number | undefined;
  stdout: string;
  stderr: string;
}
interface Line {
  type: string;
  id?: string;
  state?: string;
}
interface Ended {
  code: number;
  result?: object;
}
interface Tools {
  nodes: string[];
  say(text: string): void;
  now(): number;
  sleep(ms: number): Promise<void>;
  hadb(args: string[], onLine?: (line: Line) => void): Promise<Ended>;
  tryOnNode(node: string, script: string): Promise<Answer>;
  onNode(node: string, script: string): Promise<void>;
  killMachine(node: string): Promise<void>;
  putLink(link: object): Promise<void>;
  removeLink(id: string): Promise<void>;
}
const { judgeReport, showLoss } = require('../../scripts/show-loss.js') as {
  judgeReport: (ended: Ended) => { isReported: boolean; sentence: string };
  showLoss: (tools: Tools, words: string[]) => Promise<number>;
};
const moves = require('../../scripts/careless-moves.js') as Record<string, string> & {
  promoteStale: (peer: string) => string;
};

const lostCheck = (detail: string, over: object = {}) => ({
  code: 1,
  result: {
    verdict: { passed: false, checks: [{ name: 'no acknowledged row lost', passed: false, detail, ...over }] },
  },
});
const REPORTED = lostCheck('12 of 900 lost: 400..411');
const PASSED = {
  code: 0,
  result: {
    verdict: { passed: true, checks: [{ name: 'no acknowledged row lost', passed: true, detail: '0 of 900 lost' }] },
  },
};

describe('a loss is reported', () => {
  it('when the drill fails by the rows that it names', () => {
    expect(judgeReport(REPORTED)).toEqual({
      isReported: true,
      sentence: 'no acknowledged row lost: 12 of 900 lost: 400..411',
    });
  });

  it.each([
    ['passed', PASSED],
    ['failed by something else', { ...PASSED, code: 1 }],
    ['could not tell', lostCheck('0 of 900 lost', { unknown: true })],
    ['passed in spite of them', { ...REPORTED, code: 0 }],
    ['ended without a verdict', { code: 1, result: { summary: 'it broke' } }],
    ['ended without a word', { code: 70 }],
  ])('not when the drill %s', (_, ended) => {
    expect(judgeReport(ended).isReported).toBe(false);
  });
});

interface Copy {
  role: string;
  connection: string;
  disk: string;
  peerDisk: string;
  protocol: string;
  up: boolean;
}

const NAMES = Object.entries(moves).flatMap(([name, script]) => (typeof script === 'string' ? [[script, name]] : []));
const nameOf = (script: string): string => {
  const known = NAMES.find(([text]) => text === script)?.[1];
  return known ?? (script === moves.promoteStale('hadb01') ? 'promoteStale' : 'unknown');
};

interface Script {
  drills?: Ended[];
  /** What a move of that name at that node does instead of succeeding, and for how often. */
  fails?: Record<string, { code: number; times: number }>;
  /** Steps that the drill comes to. */
  moments?: string[];
  begin?: (copies: Record<string, Copy>) => void;
  recoveryCode?: number;
}

const MOMENTS: Record<string, string[]> = {
  'network-loss': [
    'network-loss-gate done',
    'network-loss-hold running',
    'network-loss-hold running',
    'network-loss-judge done',
  ],
  'node-power-off': ['node-power-off-power-off running', 'node-power-off-power-off done', 'node-power-off-start done'],
};

/** A pair that heals as DRBD does: whatever is connected and not current becomes so. */
function pair({ drills = [REPORTED, REPORTED], fails = {}, moments, begin, recoveryCode = 0 }: Script = {}) {
  const journal: string[] = [];
  const said: string[] = [];
  const copies: Record<string, Copy> = {
    hadb01: {
      role: 'Primary',
      connection: 'Connected',
      disk: 'UpToDate',
      peerDisk: 'UpToDate',
      protocol: 'C',
      up: true,
    },
    hadb02: {
      role: 'Secondary',
      connection: 'Connected',
      disk: 'UpToDate',
      peerDisk: 'UpToDate',
      protocol: 'C',
      up: true,
    },
  };
  begin?.(copies);
  const left = { ...fails };
  const ends = [...drills];
  let now = 0;
  const copy = (node: string): Copy => copies[node] ?? fail(`no node ${node}`);
  const both = (change: (one: Copy) => void): void => Object.values(copies).forEach(change);

  const EFFECTS: Record<string, (node: string) => void> = {
    cutReplication: (node) => {
      Object.assign(copy(node), { connection: 'StandAlone', disk: 'Outdated', peerDisk: 'DUnknown' });
      Object.assign(copy('hadb01'), { connection: 'Connecting', peerDisk: 'Outdated' });
    },
    promoteStale: (node) => Object.assign(copy(node), { role: 'Primary', disk: 'UpToDate' }),
    giveUpWrites: (node) => Object.assign(copy(node), { connection: 'Connecting' }),
    connect: () => {
      if (Object.values(copies).every(({ up }) => up)) both((one) => Object.assign(one, CURRENT));
    },
    protocolA: () => both((one) => (one.protocol = 'A')),
    asConfigured: (node) => (copy(node).protocol = 'C'),
  };
  const tools: Tools = {
    nodes: ['hadb01', 'hadb02'],
    say: (text) => void said.push(text),
    now: () => now,
    sleep: async (ms) => void (now += ms),
    async hadb([command = '', kind = ''], onLine = () => undefined) {
      journal.push(`hadb ${command}${command === 'drill' ? ` ${kind}` : ''}`);
      if (command === 'recover') {
        if (recoveryCode === 0) both((one) => (one.up = true));
        return {
          code: recoveryCode,
          result: { summary: recoveryCode === 0 ? 'The pair is whole' : 'a person is needed' },
        };
      }
      for (const moment of moments ?? MOMENTS[kind] ?? []) {
        const [id = '', state = ''] = moment.split(' ');
        onLine({ type: 'step', id, state });
      }
      // The drill waits until the pair is whole again; what was begun goes on meanwhile.
      for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
      return ends.shift() ?? PASSED;
    },
    async tryOnNode(node, script) {
      const name = nameOf(script);
      if (!copy(node).up) {
        // Its machine was started by the drill in the meantime.
        if (name === 'giveUpWrites') Object.assign(copy(node), { up: true, role: 'Secondary' });
        return { code: undefined, stdout: '', stderr: 'no answer' };
      }
      if (name === 'readCopy') {
        const { role, connection, disk, peerDisk, protocol } = copy(node);
        return { code: 0, stdout: `${role} ${connection} ${disk} ${peerDisk} ${protocol}\n`, stderr: '' };
      }
      const failing = left[name];
      if (failing !== undefined && failing.times > 0) {
        failing.times -= 1;
        return { code: failing.code, stdout: '', stderr: `${name} fails` };
      }
      journal.push(`${node} ${name}`);
      EFFECTS[name]?.(node);
      return { code: 0, stdout: '', stderr: '' };
    },
    async onNode(node, script) {
      const { code, stderr } = await tools.tryOnNode(node, script);
      if (code !== 0) throw new Error(stderr);
    },
    async killMachine(node) {
      journal.push(`kill ${node}`);
      Object.assign(copy(node), { up: false, connection: 'Connecting' });
    },
    putLink: async (link) => void journal.push(`link ${JSON.stringify(link)}`),
    removeLink: async () => void journal.push('no link'),
  };
  return { tools, journal, said, copies };
}

const CURRENT = { connection: 'Connected', disk: 'UpToDate', peerDisk: 'UpToDate' };
function fail(message: string): never {
  throw new Error(message);
}

const MENDED = ['no link', 'hadb01 asConfigured', 'hadb02 asConfigured'];

describe('the stale side promoted by hand', () => {
  it('is made while the drill watches, and the stale copy is the one that is kept', async () => {
    const { tools, journal } = pair();

    expect(await showLoss(tools, ['stale'])).toBe(0);
    expect(journal).toEqual([
      'hadb drill network-loss',
      'hadb02 cutReplication',
      'kill hadb01',
      'hadb02 promoteStale',
      'hadb01 giveUpWrites',
      'hadb02 connect',
      ...MENDED,
      'hadb01 copyEverything',
      'hadb recover',
    ]);
  });

  it('waits for the fencing, without which nobody should be promoted', async () => {
    const { tools, journal, said } = pair({ fails: { promoteStale: { code: 74, times: 3 } } });

    expect(await showLoss(tools, ['stale'])).toBe(0);
    expect(journal.indexOf('kill hadb01')).toBeLessThan(journal.indexOf('hadb02 promoteStale'));
    expect(said).toContain('hadb02: waiting until hadb01 is fenced');
  });

  it('is not shown when the drill passes', async () => {
    const { tools, said } = pair({ drills: [PASSED] });

    expect(await showLoss(tools, ['stale'])).toBe(1);
    expect(said.join('\n')).toContain('stale: THE LOSS IS NOT REPORTED');
  });

  it('is not shown when something could not be done, or the drill never came so far', async () => {
    const refused = pair({ fails: { promoteStale: { code: 75, times: 1 } } });
    const early = pair({ moments: ['network-loss-gate failed'] });

    expect(await showLoss(refused.tools, ['stale'])).toBe(1);
    expect(refused.said.join('\n')).toContain('promoteStale fails');
    // So that the drill, which waits for a whole pair, comes to its end.
    expect(refused.journal).toContain('hadb02 connect');
    expect(await showLoss(early.tools, ['stale'])).toBe(1);
    expect(early.said).toContain('the drill never came to "hold running"');
    expect(early.journal).not.toContain('kill hadb01');
  });
});

describe('protocol A and a late link', () => {
  it('are there before the drill, and gone before the other node is back', async () => {
    const { tools, journal } = pair();

    expect(await showLoss(tools, ['late'])).toBe(0);
    expect(journal).toEqual([
      'hadb02 relaxFencing',
      'hadb01 relaxFencing',
      'hadb02 protocolA',
      'hadb01 protocolA',
      'link {"id":"show-loss","from":"hadb01","to":"hadb02","delayMs":300,"loss":0.02,"ttlSeconds":900}',
      'hadb drill node-power-off',
      'no link',
      'hadb02 asConfigured',
      'no link',
      // The machine that was off has it from its file; the fake's was not.
      'hadb01 asConfigured',
      ...MENDED.slice(1),
      'hadb02 copyEverything',
      'hadb recover',
    ]);
  });

  it('are taken back when DRBD does not take the protocol', async () => {
    const { tools, journal } = pair({ fails: { protocolA: { code: 75, times: 1 } } });

    expect(await showLoss(tools, ['late'])).toBe(1);
    expect(journal).not.toContain('hadb drill node-power-off');
    expect(journal.slice(-5)).toEqual([...MENDED, 'hadb02 copyEverything', 'hadb recover']);
  });
});

describe('nothing is lost on purpose', () => {
  it('in a pair that is not whole', async () => {
    const { tools, journal } = pair({
      begin: ({ hadb02 }) => Object.assign(hadb02 ?? {}, { connection: 'Connecting' }),
    });

    await showLoss(tools, ['stale']);

    expect(journal).not.toContain('hadb drill network-loss');
  });

  it('by a word that is none', async () => {
    const { tools, journal } = pair();

    expect(await showLoss(tools, ['state'])).toBe(64);
    expect(journal).toEqual([]);
  });
});

describe('the pair is put right', () => {
  it('after each of the two, and both count', async () => {
    const { tools, journal } = pair({ drills: [PASSED, REPORTED] });

    expect(await showLoss(tools, [])).toBe(1);
    expect(journal.filter((line) => line.endsWith('copyEverything'))).toEqual([
      'hadb01 copyEverything',
      'hadb01 copyEverything',
    ]);
  });

  it('from copies that have parted: those of the primary are kept', async () => {
    const parted = { connection: 'StandAlone', peerDisk: 'DUnknown' };
    const { tools, journal } = pair({
      // They refuse each other until one has given its writes up.
      fails: { connect: { code: 10, times: 2 } },
      begin: (copies) => Object.values(copies).forEach((copy) => Object.assign(copy, parted)),
    });

    expect(await showLoss(tools, ['mend'])).toBe(0);
    expect(journal).toEqual([
      'no link',
      'hadb02 giveUpWrites',
      'hadb01 connect',
      ...MENDED.slice(1),
      'hadb02 copyEverything',
      'hadb recover',
    ]);
  });

  it('with a machine that is off started by the recovery', async () => {
    const { tools, journal } = pair({ begin: ({ hadb02 }) => Object.assign(hadb02 ?? {}, { up: false }) });

    expect(await showLoss(tools, ['mend'])).toBe(0);
    expect(journal).toEqual(['no link', 'hadb recover', ...MENDED.slice(1), 'hadb02 copyEverything', 'hadb recover']);
  });

  it('or it is said what is left: nobody is primary, and whose writes count is for a person', async () => {
    const { tools, said } = pair({
      begin: (copies) =>
        Object.values(copies).forEach((copy) => Object.assign(copy, { role: 'Secondary', connection: 'Connecting' })),
    });

    expect(await showLoss(tools, ['mend'])).toBe(1);
    expect(said.join('\n')).toMatch(/THE PAIR IS LEFT AS IT IS: nobody is primary.*hadb01: Secondary Connecting/);
  });

  it('or the recovery says so', async () => {
    const { tools, said, journal } = pair({ recoveryCode: 3 });

    expect(await showLoss(tools, [])).toBe(1);
    expect(said).toContain('THE PAIR IS LEFT AS IT IS: a person is needed');
    // No second one on top of it.
    expect(journal).not.toContain('hadb drill node-power-off');
  });
});
