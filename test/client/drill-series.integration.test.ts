import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandLine } from '../../client/application';
import { ClientError } from '../../client/messages';
import { TemporalUnreachable } from '../../client/watched-run';
import type { RunEnding } from '../../client/watched-run';
import { planSeries } from '../../cluster/drill-series';
import { slug } from '../../cluster/ids';
import { renderJournal } from '../../cluster/report/journal';
import type { Verdict } from '../../cluster/step';
import { specimenDrill } from '../cluster/report/specimen-drill';
import { clockForTests, contextForTests } from './client-for-tests';
import { progressOf } from './progress-for-tests';
import { temporalForCommands } from './temporal-for-commands';

/** The whole command, with its lock and its state on disk; each run ends at once, as the test says. */

const KINDS = ['standby', 'switchover', 'database-kill'];
const COMMAND = 'drills run --rounds 1 --seed 7 --kinds standby,switchover,database-kill';
const PLAN = planSeries({ seed: 7, rounds: 1, kinds: KINDS });

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'hadb-series-'));
  writeFileSync(
    join(state, 'page.md'),
    'Drills\n\n<!-- begin of the drills -->\n\nnot yet run\n\n<!-- end of the drills -->\n',
  );
  writeFileSync(
    join(state, 'open.yaml'),
    'name: pair\nfencing: none\nnetwork: { clients: [10.0.0.0/8], administrators: [10.0.0.0/8] }\n',
  );
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

type End = 'passed' | 'failed' | 'unknown' | 'cancelled' | 'GateNotMet' | 'ClusterLocked';

const verdict = (end: 'passed' | 'failed' | 'unknown'): Verdict => ({
  passed: end === 'passed',
  ...(end === 'unknown' && { unknown: true as const }),
  summary: `the drill ${end}`,
  checks: [],
});

function endingOf(end: End): RunEnding {
  if (end === 'cancelled') return { status: 'CANCELLED' };
  const sentence = `It ended: ${end}`;
  if (end === 'passed') {
    return { status: 'COMPLETED', progress: progressOf([], { state: 'completed', sentence, verdict: verdict(end) }) };
  }
  if (end === 'failed' || end === 'unknown') {
    const progress = progressOf([], { state: 'failed', sentence, verdict: verdict(end) });
    return { status: 'FAILED', progress, failure: { code: 'AssertionFailed', message: sentence } };
  }
  return { status: 'FAILED', failure: { code: end, message: sentence } };
}

interface Script {
  /** How the runs of each workflow type end, one after the other; the last one goes on. */
  ends?: Partial<Record<string, End[]>>;
  /** At the start of this drill (from 1) the command is killed, before or after Temporal knows it. */
  dies?: { drill: number; when: 'before' | 'after' };
  /** Rows that each drill of this number loses, in its report. */
  loses?: Record<number, number[]>;
  words?: string;
  json?: boolean;
}

/** What Temporal knows outlives a command. */
const temporals = new Map<string, { ids: string[]; ends: Map<string, RunEnding> }>();

async function series({ ends = {}, dies, loses = {}, words = COMMAND, json = true }: Script = {}) {
  const known = temporals.get(state) ?? { ids: [], ends: new Map<string, RunEnding>() };
  temporals.set(state, known);
  const fake = temporalForCommands();
  const next = new Map<string, number>();
  const types: string[] = [];
  const pairs: unknown[] = [];
  let drills = 0;
  const begin = (type: string, workflowId: string): void => {
    const list = ends[type] ?? ['passed'];
    const index = next.get(type) ?? 0;
    next.set(type, index + 1);
    known.ids.push(workflowId);
    known.ends.set(workflowId, endingOf(list[Math.min(index, list.length - 1)] ?? 'passed'));
  };
  const temporal: typeof fake = {
    ...fake,
    async start(request) {
      const isDrill = request.workflowType === 'failoverDrill';
      if (isDrill) drills += 1;
      const now = isDrill && dies?.drill === drills ? dies.when : undefined;
      if (now === 'before') throw new TemporalUnreachable('killed');
      types.push(isDrill ? (request.input as { kind: string }).kind : request.workflowType);
      begin(request.workflowType, request.workflowId);
      if (isDrill) pairs.push((request.input as { pair?: string }).pair);
      if (isDrill) writeReport(request.workflowId, request.input as { kind: string }, loses[drills] ?? []);
      if (now === 'after') throw new TemporalUnreachable('killed');
      return { runId: 'r1', attached: false };
    },
    watch: (workflowId) => {
      const ending = known.ends.get(workflowId);
      const missing = () => Promise.reject(new ClientError('HADB_E4004', 'failed', `there is no run ${workflowId}`));
      return {
        ...fake.watch(workflowId),
        look: async () =>
          ending === undefined
            ? missing()
            : { status: ending.status, runId: 'r1', firstRunId: 'r1', workflowTaskAttempt: 1, pending: [] },
        ending: async () => ending ?? missing(),
      };
    },
  };
  const journal: string[] = [];
  const clock = clockForTests(Date.parse('2026-11-22T12:00:00Z') + known.ids.length * 60_000);
  const context = contextForTests({
    temporal,
    // Each look at a run takes a moment, so that no two drills have one name.
    clock: { ...clock, now: () => (void clock.sleep(1000), clock.now()) },
    workingDirectory: state,
    environment: { HADB_STATE_DIR: state, HADB_CACHE_DIR: join(state, 'cache') },
    embedded: {
      up: async () => {
        journal.push('up');
        return { address: '127.0.0.1:7233', namespace: 'default', configured: true };
      },
      target: () => ({ address: '127.0.0.1:7233', namespace: 'default', configured: true }),
    },
    overrides: { prepareHost: async () => void journal.push('prepare') },
  });
  await runCommandLine([...words.split(' '), ...(json ? ['--json'] : ['--progress', 'quiet'])], context);
  const lines = json ? context.json() : [];
  const result = lines.findLast(({ type }) => type === 'result') as unknown as {
    summary: string;
    series?: { drills: { kind: string; lost: number | null }[]; left: string[] };
    files?: string[];
  };
  const said = lines.flatMap(({ type, message }) => (type === 'notice' ? [String(message)] : []));
  return { types, pairs, journal, exit: context.process.exitCode, result, said, context, drills: () => known.ids };
}

function writeReport(workflowId: string, { kind }: { kind: string }, lostRows: number[]): void {
  const record = specimenDrill({ kind, lostRows, workflow: { workflowId, runId: 'r1' } });
  const directory = join(state, 'drills', slug(workflowId));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'journal.json'), JSON.stringify(renderJournal(record)));
}

const stateFiles = (): string[] => readdirSync(join(state, 'drill-series')).filter((name) => name.endsWith('.json'));

describe('a series of drills', () => {
  it('brings everything up as npm start does, builds the cluster of the lab, and makes the drills in the order of the seed', async () => {
    const { journal, types, exit, result } = await series();

    expect(journal).toEqual(['prepare', 'up']);
    expect(types).toEqual(['buildCluster', ...PLAN]);
    expect(exit).toBe(0);
    expect(result.series).toMatchObject({ seed: 7, planned: 3, left: [] });
    expect(result.summary).toBe('3 of 3 drills made: 3 passed (seed 7)');
  });

  it('makes each pair of a double fault in its turn', async () => {
    const { types, pairs } = await series({ words: 'drills run --rounds 3 --seed 7 --kinds double' });

    expect(types).toEqual(['buildCluster', 'double', 'double', 'double']);
    expect(pairs).toEqual(['off-then-reset', 'both-off-one-back', 'off-then-reset']);
    expect((await series()).pairs).toEqual([undefined, undefined, undefined]);
  });

  it('starts nothing on this computer for a specification that is named', async () => {
    const { journal, types } = await series({ words: `${COMMAND} open.yaml` });

    expect(journal).toEqual([]);
    expect(types).toEqual(['buildCluster', ...PLAN]);
  });

  it('prints the seed that it has chosen, and how to go on with it', async () => {
    const { said } = await series({ words: 'drills run --rounds 1 --kinds standby' });

    expect(said[0]).toMatch(/^seed (\d+): 1 drills\. After an interruption: npm run drills -- --seed \1 --rounds 1/);
  });

  it('makes every kind that the specification allows when none is named, and says which it leaves out', async () => {
    const { said, result } = await series({ words: 'drills run --rounds 1 --seed 1 open.yaml' });

    const kinds = result.series?.drills.map(({ kind }) => kind) ?? [];
    expect(kinds).toContain('double');
    expect(kinds).not.toContain('network-partition');
    expect(said.join('\n')).toContain('left out: a drill of kind network-partition needs fencing');
  });

  it('refuses a kind that was asked for and that the specification forbids', async () => {
    const { exit, types } = await series({ words: 'drills run --kinds partition open.yaml' });

    expect(exit).toBe(64);
    expect(types).toEqual([]);
  });

  it('ends with the failure of the build', async () => {
    const { exit, types } = await series({ ends: { buildCluster: ['GateNotMet'] } });

    expect(types).toEqual(['buildCluster']);
    expect(exit).toBe(3);
  });
});

describe('a series goes on after an interruption', () => {
  it.each(['before', 'after'] as const)(
    'with the drill that was under way, killed %s Temporal knew it, and counts none twice',
    async (when) => {
      const first = await series({ dies: { drill: 2, when } });
      const second = await series();

      expect(first.exit).toBe(69);
      expect(first.types).toEqual(['buildCluster', ...PLAN.slice(0, when === 'before' ? 1 : 2)]);
      expect(second.types).toEqual(when === 'before' ? PLAN.slice(1) : PLAN.slice(2));
      expect(second.result.series?.drills.map(({ kind }) => kind)).toEqual(PLAN);
      const drills = second.drills().filter((id) => id.startsWith('drill/'));
      expect(new Set(drills).size).toBe(3);
      expect(drills).toHaveLength(3);
    },
  );

  it('tells how it ended when it has ended, and makes nothing', async () => {
    await series({ ends: { failoverDrill: ['unknown', 'passed'] } });
    const again = await series();

    expect(again.types).toEqual([]);
    expect(again.exit).toBe(2);
  });

  it('looks first whether the pair is whole', async () => {
    await series({ ends: { failoverDrill: ['passed', 'ClusterLocked'] } });
    const second = await series();

    expect(second.types).toEqual(['recoverCluster', ...PLAN.slice(1)]);
    expect(second.exit).toBe(0);
  });

  it('refuses the seed of a series with other rounds or kinds', async () => {
    await series();
    const other = await series({ words: COMMAND.replace('--rounds 1', '--rounds 2') });

    expect(other.exit).toBe(64);
    expect(other.types).toEqual([]);
    expect(other.result.summary).toContain('was begun with --rounds 1');
  });

  it.each(['{', '{"version":2}'])('refuses a state that is damaged: %s', async (text) => {
    await series();
    const [file = ''] = stateFiles();
    writeFileSync(join(state, 'drill-series', file), text);

    const { exit, types, result } = await series();

    expect(exit).toBe(1);
    expect(types).toEqual([]);
    expect(result.summary).toContain('is damaged');
  });
});

describe('a drill that does not pass', () => {
  it('does not hide: the pair is looked at, the series goes on when it is whole, and the worst verdict counts', async () => {
    const { types, exit, result, said } = await series({
      ends: { failoverDrill: ['failed', 'unknown', 'passed'] },
      loses: { 1: [4, 9] },
    });

    expect(types).toEqual(['buildCluster', PLAN[0], 'recoverCluster', PLAN[1], 'recoverCluster', PLAN[2]]);
    expect(exit).toBe(1);
    expect(result.series?.drills.map(({ lost }) => lost)).toEqual([2, 0, 0]);
    expect(result.summary).toContain('1 passed, 1 unknown, 1 failed');
    expect(said).toContainEqual(expect.stringContaining(`1 of 3, ${PLAN[0]} failed`));
    expect(said).toContainEqual(expect.stringContaining('the series goes on'));
  });

  it('ends the series where the recovery cannot make the pair whole, with what is left', async () => {
    const { types, exit, result } = await series({
      ends: { failoverDrill: ['failed'], recoverCluster: ['GateNotMet'] },
    });

    expect(types).toEqual(['buildCluster', PLAN[0], 'recoverCluster']);
    expect(exit).toBe(1);
    expect(result.series?.left).toEqual(PLAN.slice(1));
    expect(result.summary).toContain('stopped: ');
  });

  it('is a refusal where its gate is not met: the pair is put right, and the exit code tells', async () => {
    const { types, exit } = await series({ ends: { failoverDrill: ['GateNotMet', 'passed'] } });

    expect(types).toEqual(['buildCluster', PLAN[0], 'recoverCluster', PLAN[1], PLAN[2]]);
    expect(exit).toBe(3);
  });

  it.each([
    ['cancelled', 4],
    ['ClusterLocked', 3],
  ] as const)('that was %s counts as none and ends the series, which makes it again later', async (end, exit) => {
    const first = await series({ ends: { failoverDrill: ['passed', end] } });
    const second = await series();

    expect(first.exit).toBe(exit);
    expect(first.result.series?.drills).toHaveLength(1);
    expect(second.result.series?.drills.map(({ kind }) => kind)).toEqual(PLAN);
  });
});

describe('the table in a page', () => {
  it('is written at the end, with the seed', async () => {
    const { result } = await series({ words: `${COMMAND} --write page.md` });

    expect(result.files).toEqual([join(state, 'page.md')]);
    const page = readFileSync(join(state, 'page.md'), 'utf8');
    expect(page).toContain('3 drills, 3 passed; seed 7, at least 1 of each kind');
    expect(page).toContain('pacemaker 2.1.5-1+deb12u1');
    expect(page).toMatch(/^\| median seconds +\| drills +\| order +\|/m);
    expect(page).not.toContain('not yet run');
  });

  it('needs its two markers, which are looked at before anything is begun', async () => {
    writeFileSync(join(state, 'bare.md'), 'nothing');

    for (const name of ['bare.md', 'missing.md']) {
      const { exit, journal } = await series({ words: `${COMMAND} --write ${name}` });

      expect(exit).toBe(64);
      expect(journal).toEqual([]);
    }
    expect(existsSync(join(state, 'missing.md'))).toBe(false);
  });
});

it('people read the table, and its sum', async () => {
  const { context } = await series({ json: false });

  const text = context.process.stdout.text;
  expect(text).toContain('3 of 3 drills made: 3 passed (seed 7)');
  for (const kind of KINDS) expect(text).toMatch(new RegExp(`^\\| \`${kind}\` +\\| 1 +\\| 1 +\\| 0 `, 'm'));
  expect(text).toMatch(/^\| median seconds +\| drills +\| order +\|/m);
});
