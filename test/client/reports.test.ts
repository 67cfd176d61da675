import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XMLValidator } from 'fast-xml-parser';
import { runCommandLine } from '../../client/application';
import { TemporalUnreachable, type RunEnding } from '../../client/watched-run';
import type { DrillRecord } from '../../cluster/report/drill-record';
import { renderJournal } from '../../cluster/report/journal';
import { ZERO, specimenDrill } from '../cluster/report/specimen-drill';
import { useTemporaryDirectory } from '../temporary-directory';
import { clockForTests, contextForTests } from './client-for-tests';
import { done, progressOf } from './progress-for-tests';
import { temporalForCommands } from './temporal-for-commands';

/** The commands about what drills have left behind. */

let directory: string;
useTemporaryDirectory((own) => {
  directory = own;
  writeFileSync(
    join(directory, 'hadb.yaml'),
    'name: pair\nnetwork: { clients: [10.0.0.0/8], administrators: [10.0.0.0/8] }\n',
  );
});

const A_DAY = 86_400_000;
function leave(drill: string, over: Partial<DrillRecord> = {}): void {
  const record = { ...specimenDrill({ drill, ...(over.kind !== undefined && { kind: over.kind }) }), ...over };
  mkdirSync(join(directory, 'drills', drill), { recursive: true });
  writeFileSync(join(directory, 'drills', drill, 'journal.json'), JSON.stringify(renderJournal(record)));
}

async function hadb(words: string, ending?: RunEnding, check?: () => Promise<void>) {
  const context = contextForTests({
    temporal: temporalForCommands({ ...(ending !== undefined && { ending }), ...(check !== undefined && { check }) }),
    workingDirectory: directory,
    clock: clockForTests(ZERO),
    environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233', HADB_STATE_DIR: directory },
  });
  await runCommandLine(words.split(' '), context);
  const { stdout, stderr, exitCode } = context.process;
  return { exit: exitCode, out: stdout.text, lines: stdout.lines(), error: stderr.text };
}

describe('hadb report', () => {
  beforeEach(() => {
    leave('one', { startedAt: ZERO - A_DAY });
    leave('two', { kind: 'switchover', startedAt: ZERO - 2 * A_DAY });
    leave('three', {
      verdict: {
        passed: false,
        summary: '3 of 630 lost',
        checks: [{ name: 'no acknowledged row lost', passed: false, detail: '3' }],
      },
      startedAt: ZERO,
    });
    mkdirSync(join(directory, 'drills', 'one-that-goes-on'));
  });

  it.each([
    ['report', 'three'],
    ['report one', 'one'],
    ['report switchover', 'two'],
    ['report power-off', 'three'],
    ['report hadb', 'three'],
    ['report drill/hadb/node-power-off/20261122T023000Z', 'three'],
  ])('"%s" tells of the latest drill that is meant, and ends with the path of its page', async (words, drill) => {
    const { exit, lines } = await hadb(words);

    expect(exit).toBe(0);
    expect(lines.at(-1)).toBe(join(directory, 'drills', drill, 'report.html'));
  });

  it('tells the verdict, each check, and the run', async () => {
    const { out } = await hadb('report');

    expect(out).toContain('✗ node-power-off of hadb: failed');
    expect(out).toContain('3 of 630 lost');
    expect(out).toContain('✖ no acknowledged row lost: 3');
    expect(out).toContain('http://127.0.0.1:8233/');
  });

  it('as JSON is one document with the figures and the files', async () => {
    const document = JSON.parse((await hadb('report one --json')).out) as object;

    expect(document).toMatchObject({
      schema: '1.0',
      drill: 'one',
      outcome: 'passed',
      writes: { lost: [], outageSeconds: 12.1 },
      files: { page: join(directory, 'drills', 'one', 'report.html') },
    });
  });

  it('says so when there is none, and where it looked', async () => {
    const { exit, error, out } = await hadb('report nothing --json');

    expect(exit).toBe(1);
    expect(error).toContain(`"nothing" in ${join(directory, 'drills')}`);
    expect(JSON.parse(out)).toMatchObject({ code: 'HADB_E4017' });
  });
});

describe('hadb trend', () => {
  it('prints a row for each kind, also for one that was never drilled, and writes chart and page', async () => {
    leave('one', { startedAt: ZERO - 3 * A_DAY });
    leave('two', { startedAt: ZERO - 5 * A_DAY });

    const { exit, lines } = await hadb('trend');

    expect(exit).toBe(0);
    expect(lines.find((line) => line.startsWith('node-power-off'))?.split(/\s{2,}/)).toEqual([
      'node-power-off',
      '2',
      '2',
      '0',
      '0',
      '0',
      '2026-11-19',
      '3',
      '12.1 s',
      '12.1 s',
      '12.1 s',
      '300 s',
    ]);
    expect(lines.find((line) => line.startsWith('manual'))).toContain('never');
    expect(XMLValidator.validate(readFileSync(join(directory, 'drills', 'trend.svg'), 'utf8'))).toBe(true);
    expect(existsSync(join(directory, 'drills', 'trend.html'))).toBe(true);
  });

  it('as JSON is one document with kinds, drills and files', async () => {
    leave('one');

    const document = JSON.parse((await hadb('trend --json')).out) as { kinds: { kind: string }[] };

    expect(document).toMatchObject({ schema: '1.0', drills: [{ drill: 'one', outcome: 'passed' }] });
    expect(document.kinds.map(({ kind }) => kind)).toContain('switchover');
  });
});

describe('hadb drill --junit', () => {
  const checks = [
    { name: 'no acknowledged row lost', passed: false, detail: '1 of 9 lost: 4' },
    { name: 'final read', passed: true, detail: '8 rows' },
  ];
  const failing = (unknown?: true): RunEnding => {
    const verdict = { passed: false, ...(unknown && { unknown }), summary: '1 lost', checks };
    const progress = progressOf([], { runbook: 'failoverDrill', state: 'failed', verdict });
    return { status: 'FAILED', progress, failure: { code: 'AssertionFailed', message: '1 lost' } };
  };

  it('waits for the end without a terminal, and writes a case for each check', async () => {
    const { exit, error, out } = await hadb('drill power-off --junit out/drill.xml', failing());

    const text = readFileSync(join(directory, 'out', 'drill.xml'), 'utf8');
    expect(exit).toBe(1);
    expect(XMLValidator.validate(text)).toBe(true);
    expect(text).toContain('tests="3" failures="1" errors="0" skipped="0"');
    expect(text).toContain('classname="hadb.drill.node-power-off"');
    expect(out + error).toContain(join(directory, 'out', 'drill.xml'));
  });

  it.each<[string, RunEnding, number, string]>([
    [
      'refused by its gate',
      { status: 'FAILED', failure: { code: 'GateNotMet', message: 'hadb02 is offline' } },
      3,
      '<skipped message="GateNotMet: hadb02 is offline"',
    ],
    ['cancelled', { status: 'CANCELLED' }, 4, '<skipped'],
    ['cut off by its time-out', { status: 'TIMED_OUT' }, 2, '<error'],
  ])('of a drill that was %s tells that', async (_, ending, code, element) => {
    const { exit } = await hadb('drill switchover --junit drill.xml', ending);

    expect(exit).toBe(code);
    expect(readFileSync(join(directory, 'drill.xml'), 'utf8')).toContain(element);
  });

  it('that cannot be written changes no exit code, and is told', async () => {
    mkdirSync(join(directory, 'drill.xml'));

    const { exit, lines } = await hadb('drill switchover --junit drill.xml --json', failing());

    expect(exit).toBe(1);
    expect(lines.map((line) => (JSON.parse(line) as { code?: string }).code)).toContain('HADB_W4018');
  });

  it('of a drill that could not be started tells why', async () => {
    const { exit } = await hadb('drill switchover --junit drill.xml', undefined, async () => {
      throw new TemporalUnreachable('nobody listens');
    });

    expect(exit).toBe(69);
    expect(readFileSync(join(directory, 'drill.xml'), 'utf8')).toMatch(/<error message="[^"]*nobody listens/);
  });

  it('does not go with --no-wait: there is nothing to tell yet', async () => {
    expect((await hadb('drill switchover --junit drill.xml --no-wait')).exit).toBe(64);
  });

  it('a pair of faults is of a double one only', async () => {
    expect((await hadb('drill double --pair both-off-one-back --no-wait')).exit).toBe(0);
    const { exit, out, error } = await hadb('drill switchover --pair off-then-reset');
    expect(exit).toBe(64);
    expect(out + error).toContain('--pair names the faults of "double"');
    expect((await hadb('drill double --pair other')).exit).toBe(64);
  });

  it('a verdict that is not known exits with 2, though the run has failed', async () => {
    expect((await hadb('drill switchover --wait', failing(true))).exit).toBe(2);
  });
});

it('warnings of a run and the path of its report stand in the result of the command', async () => {
  const progress = progressOf(
    [done('switchover-report', { outcome: { result: 'changed', observed: '', done: 'wrote /r/report.html' } })],
    {
      runbook: 'failoverDrill',
      state: 'completed',
      verdict: { passed: true, summary: 'nothing lost', checks: [] },
      warnings: ['the disk is full'],
    },
  );

  const { out } = await hadb('drill switchover --wait', { status: 'COMPLETED', progress });

  expect(out).toContain('! the disk is full');
  expect(out).toContain('wrote /r/report.html');
});
