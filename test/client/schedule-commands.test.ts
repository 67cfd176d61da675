import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandLine } from '../../client/application';
import type { RunSummary } from '../../client/temporal';
import type { RunEnding } from '../../client/watched-run';
import { contextForTests, type ContextOptions } from './client-for-tests';
import { progressOf } from './progress-for-tests';
import { temporalForCommands, type TemporalScript } from './temporal-for-commands';

/** `hadb schedule` and `hadb drills` against a Temporal in memory; the real one is in `schedules.integration.test.ts`. */

const NETWORK = 'network: { clients: [10.0.0.0/8], administrators: [10.0.0.0/8] }\n';
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-schedule-'));
  writeFileSync(join(directory, 'hadb.yaml'), `name: pair\n${NETWORK}`);
  writeFileSync(join(directory, 'other.yaml'), `name: other\n${NETWORK}`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const specificationOf = (name: string) => ({
  specification: { name, network: { clients: ['10.0.0.0/8'], administrators: ['10.0.0.0/8'] } },
});

async function hadb(words: string, script: TemporalScript = {}, options: ContextOptions = {}) {
  const temporal = temporalForCommands(script);
  const context = contextForTests({
    temporal,
    workingDirectory: directory,
    environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233' },
    ...options,
  });
  await runCommandLine(words.split(' '), context);
  const { stdout, stderr, exitCode } = context.process;
  return { temporal, exit: exitCode, said: stderr.text, printed: stdout.text, json: () => context.json() };
}

const started = (status: RunEnding['status'], fields: Parameters<typeof progressOf>[1]): RunEnding => ({
  status,
  progress: progressOf([], fields),
});

describe('hadb schedule create', () => {
  it('asks for the rotation, two hours and the time in UTC, unless told otherwise', async () => {
    const { temporal, exit, printed } = await hadb('schedule create nightly --cluster pair --at 02:30 --kinds rotate');

    expect(exit).toBe(0);
    expect(temporal.saved).toMatchObject([
      {
        name: 'nightly',
        cluster: 'pair',
        at: { hour: 2, minute: 30 },
        taskQueue: 'hadb',
        user: 'ada',
        input: {
          specification: { name: 'pair' },
          schedule: 'nightly',
          kinds: ['switchover', 'node-power-off', 'standby', 'node-shutdown'],
          deadlineMinutes: 120,
        },
      },
    ]);
    expect(printed).toContain('schedule nightly is created');
  });

  it('gives the nights longer where the copies of a large disk are compared', async () => {
    const { temporal } = await hadb('schedule create nightly --cluster built --at 02:30', {
      input: { specification: { ...specificationOf('built').specification, dataDisk: { sizeGiB: 512 } } },
    });

    expect(temporal.saved[0]).toMatchObject({ input: { deadlineMinutes: 120 + 175 } });
  });

  it('takes the specification of the newest build before a file that happens to be there', async () => {
    const { temporal } = await hadb('schedule create nightly --cluster built --at 02:30', {
      input: specificationOf('built'),
    });

    expect(temporal.saved[0]).toMatchObject({ cluster: 'built', input: { specification: { name: 'built' } } });
  });

  it.each([
    [
      'a kind that ends with a person',
      'schedule create n --at 02:30 --kinds standby,fence-loss',
      'never made by a schedule',
    ],
    ['a kind that there is not', 'schedule create n --at 02:30 --kinds standby,nonsense', 'is no drill'],
    ['a time that there is not', 'schedule create n --at 25:00', 'no time of day'],
    ['no time', 'schedule create n', 'at'],
    ['a deadline within which no drill ends', 'schedule create n --at 02:30 --deadline 5', 'is no deadline'],
    ['a name that is no name', 'schedule create N/1 --at 02:30', 'no name of a schedule'],
    ['the file of another cluster', 'schedule create n other.yaml --cluster pair --at 02:30', 'is about cluster other'],
    [
      'a cluster that nobody knows',
      'schedule create n --cluster nobody --at 02:30',
      'knows no build of cluster nobody',
    ],
  ])('refuses %s', async (_, words, reason) => {
    const { temporal, exit, said } = await hadb(words);

    expect(exit).toBe(64);
    expect(said).toContain(reason);
    expect(temporal.saved).toEqual([]);
  });
});

describe('hadb schedule watch', () => {
  it('asks for a look every five minutes, unless told otherwise', async () => {
    const { temporal, exit, printed } = await hadb('schedule watch eyes --cluster pair');
    const other = await hadb('schedule watch eyes --every 15');

    expect(exit).toBe(0);
    expect(temporal.saved).toMatchObject([
      { purpose: 'watch', name: 'eyes', cluster: 'pair', everyMinutes: 5, input: { specification: { name: 'pair' } } },
    ]);
    expect(printed).toContain('eyes  cluster pair, watch, every 5 minutes');
    expect(printed).toContain('watch eyes is created');
    expect(other.temporal.saved).toMatchObject([{ everyMinutes: 15 }]);
  });

  it.each(['0', '61', 'often'])('refuses an interval of %s', async (every) => {
    const { temporal, exit, said } = await hadb(`schedule watch eyes --every ${every}`);

    expect(exit).toBe(64);
    expect(said).toContain('is no interval');
    expect(temporal.saved).toEqual([]);
  });

  it('goes on when drills are stopped', async () => {
    const { temporal } = await hadb('drills stop', {
      schedules: [{ name: 'nightly' }, { name: 'eyes', purpose: 'watch' }],
      ending: started('COMPLETED', { state: 'completed' }),
    });

    expect([...temporal.known.values()].map(({ name, paused }) => [name, paused])).toEqual([
      ['nightly', true],
      ['eyes', false],
    ]);
  });

  it.each([
    ['whole', 0],
    ['under-way', 0],
    ['wrong', 1],
    ['unseen', 2],
  ] as const)('a look that is asked for and finds the pair %s exits with %i', async (state, code) => {
    const { exit } = await hadb('schedule trigger eyes --wait', {
      schedules: [{ name: 'eyes', purpose: 'watch' }],
      ending: started('COMPLETED', { state: 'completed', runbook: 'watchCluster', watch: { state, findings: [] } }),
    });

    expect(exit).toBe(code);
  });
});

describe('hadb schedule list', () => {
  it('tells state, reason, next and last drill, and what was missed', async () => {
    const script: TemporalScript = {
      schedules: [
        { name: 'nightly', paused: true, note: 'paused due to workflow failure', missed: { overlap: 2, catchUp: 1 } },
        {
          name: 'noon',
          last: { workflowId: 'scheduled-drill/pair/noon-1', runId: 'r1', takenAt: '2026-11-22T12:00:00.000Z' },
        },
      ],
      ending: started('COMPLETED', { state: 'completed', sentence: 'Skipped: a freeze window is open' }),
    };

    const { printed, exit } = await hadb('schedule list', script);

    expect(exit).toBe(0);
    expect(printed.split('\n')).toEqual([
      'nightly  cluster pair, at 02:30 UTC, switchover',
      '    paused: paused due to workflow failure',
      '    missed: 2 because the drill before was open, 1 because Temporal was away',
      'noon  cluster pair, at 02:30 UTC, switchover',
      '    next 2026-11-23T02:30:00.000Z',
      '    last: scheduled-drill/pair/noon-1, completed: Skipped: a freeze window is open',
      '✔ 2 schedules, 1 paused',
      '',
    ]);
  });

  it('without any says how to make one', async () => {
    const { json } = await hadb('schedule list --json');

    expect(json().at(-1)).toMatchObject({ type: 'result', exitCode: 0, schedules: [] });
  });
});

describe('hadb schedule trigger', () => {
  const schedules = [{ name: 'nightly' }];

  it('starts a drill and watches it when asked', async () => {
    const passed = started('COMPLETED', {
      runbook: 'scheduledDrill',
      state: 'completed',
      verdict: { passed: true, summary: 'nothing is lost', checks: [] },
    });

    const watched = await hadb('schedule trigger nightly --wait', { schedules, ending: passed });
    const left = await hadb('schedule trigger nightly --json', { schedules });

    expect(watched).toMatchObject({ exit: 0, printed: expect.stringContaining('nothing is lost') as string });
    expect(left.json().at(-1)).toMatchObject({ exitCode: 0, run: { workflowId: 'scheduled-drill/pair/nightly-now' } });
  });

  it.each<[string, RunEnding, number]>([
    ['skipped', started('COMPLETED', { runbook: 'scheduledDrill', state: 'completed', skipped: 'a freeze window' }), 3],
    ['without a verdict', started('COMPLETED', { runbook: 'scheduledDrill', state: 'completed' }), 2],
  ])('that was %s does not pass for done', async (_, ending, exit) => {
    expect((await hadb('schedule trigger nightly --wait', { schedules, ending })).exit).toBe(exit);
  });

  it.each<[string, TemporalScript]>([
    ['one of the schedule is open', { schedules: [{ name: 'nightly', open: ['scheduled-drill/pair/nightly-1'] }] }],
    ['Temporal skips it', { schedules, triggerSkips: true }],
  ])('is refused when %s', async (_, script) => {
    expect((await hadb('schedule trigger nightly', script)).exit).toBe(3);
  });
});

it.each(['pause', 'unpause', 'trigger', 'delete'])('hadb schedule %s names what is not there', async (verb) => {
  const { exit, said } = await hadb(`schedule ${verb} nightly`);

  expect({ exit, said }).toMatchObject({ exit: 1, said: expect.stringContaining('no schedule nightly') as string });
});

describe('hadb drills', () => {
  const run = (type: string, workflowId: string): RunSummary => ({
    workflowId,
    runId: 'r1',
    type,
    status: 'RUNNING',
    startedAt: new Date('2026-11-22T02:30:00Z'),
  });
  const open: TemporalScript = {
    runs: [run('failoverDrill', 'drill/pair/standby/1'), run('scheduledDrill', 'scheduled-drill/pair/nightly-1')],
    input: specificationOf('pair'),
    schedules: [
      { name: 'nightly' },
      { name: 'paused', paused: true, note: 'mine' },
      { name: 'elsewhere', cluster: 'other' },
    ],
  };

  it('stop cancels, pauses and orders; one order takes the place of another', async () => {
    const { temporal, exit } = await hadb('drills stop --reason incident', open);

    expect(exit).toBe(0);
    expect(temporal.cancelled).toEqual(['scheduled-drill/pair/nightly-1', 'drill/pair/standby/1']);
    expect(temporal.known.get('nightly')).toMatchObject({
      paused: true,
      note: 'stopped by hadb drills stop: incident (ada)',
    });
    expect(temporal.known.get('paused')?.note).toBe('mine');
    expect(temporal.known.get('elsewhere')?.paused).toBe(false);
    expect(temporal.started).toMatchObject([
      {
        workflowType: 'orderDrills',
        workflowId: 'drill-order/pair',
        ifOpen: 'replace',
        input: { order: { order: 'stop', by: 'ada', reason: 'incident' } },
      },
    ]);
  });

  it('stop by the name of a cluster whose specification is not known does all that needs none, and says what is missing', async () => {
    const { temporal, exit, said } = await hadb('drills stop --cluster lost', {
      schedules: [{ name: 'nightly', cluster: 'lost' }],
    });

    expect(exit).toBe(64);
    expect(temporal.known.get('nightly')?.paused).toBe(true);
    expect(said).toContain('the tag that holds off every other drill is not set');
  });

  it('stop whose order fails does not pass for done', async () => {
    const ending = started('FAILED', { state: 'failed', failure: { code: 'Denied', message: 'no permission' } });

    const { exit, said, temporal } = await hadb('drills stop', { ...open, ending });

    expect(exit).toBe(1);
    expect(said).toContain('the tag of the resource group pair is not set');
    expect(temporal.known.get('nightly')?.paused).toBe(true);
  });

  it('allow unpauses what stop has paused, and only that', async () => {
    const { temporal, exit } = await hadb('drills allow', {
      schedules: [
        { name: 'nightly', paused: true, note: 'stopped by hadb drills stop: incident (ada)' },
        { name: 'failed', paused: true, note: 'paused due to workflow failure: drill' },
        { name: 'elsewhere', cluster: 'other', paused: true, note: 'stopped by hadb drills stop: x (ada)' },
      ],
    });

    expect(exit).toBe(0);
    expect([...temporal.known.values()].map(({ paused }) => paused)).toEqual([false, true, true]);
  });

  it('allow whose order fails unpauses nothing', async () => {
    const ending = started('FAILED', { state: 'failed', failure: { code: 'Denied', message: 'no permission' } });

    const { temporal, exit } = await hadb('drills allow', {
      ending,
      schedules: [{ name: 'nightly', paused: true, note: 'stopped by hadb drills stop: incident (ada)' }],
    });

    expect(exit).toBe(1);
    expect(temporal.known.get('nightly')?.paused).toBe(true);
  });

  it.each([
    ['--window 2026-12-20T00:00Z/2027-01-04T06:00Z', '2026-12-20T00:00Z/2027-01-04T06:00Z'],
    [
      '--window 2026-12-20T00:00Z/2027-01-04T06:00Z --window 2027-04-01T00:00Z/2027-04-02T00:00Z',
      '2026-12-20T00:00Z/2027-01-04T06:00Z 2027-04-01T00:00Z/2027-04-02T00:00Z',
    ],
    ['--none', ''],
  ])('freeze %s orders the windows', async (flags, windows) => {
    const { temporal, exit } = await hadb(`drills freeze ${flags}`);

    expect(exit).toBe(0);
    expect(temporal.started[0]?.input).toMatchObject({ order: { order: 'freeze', windows } });
  });

  it.each([
    '',
    ' --none --window 2026-12-20T00:00Z/2027-01-04T06:00Z',
    ' --window christmas',
    ' --window 2027-01-04T06:00Z/2026-12-20T00:00Z',
    ' --window 2026-12-20T00:00Z/2027-01-04T06:00Z'.repeat(8),
  ])('freeze%s is refused', async (flags) => {
    const { temporal, exit } = await hadb(`drills freeze${flags}`);

    expect(exit).toBe(64);
    expect(temporal.started).toEqual([]);
  });
});
