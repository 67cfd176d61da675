import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { z } from 'zod';
import type { DrillRecord } from '../../../cluster/report/drill-record';
import { renderJournal } from '../../../cluster/report/journal';
import {
  JOURNAL_SCHEMA_FILE,
  lostRowsOf,
  parseJournal,
  renderJournalSchema,
} from '../../../cluster/report/journal-schema';
import { junitOf, renderJUnit } from '../../../cluster/report/junit';
import { shortenedDrill, specimenDrill, specimenMilestones } from './specimen-drill';

const published = readFileSync(join(__dirname, '../../..', JOURNAL_SCHEMA_FILE), 'utf8');

const { verdict: _verdict, writes: _writes, faultAt: _faultAt, ledger: _ledger, ...bare } = specimenDrill();
const lost = specimenDrill({ lostRows: [7] });
const DRILLS: [string, DrillRecord, { status: string; deviated: boolean }][] = [
  ['passed', specimenDrill(), { status: 'completed', deviated: false }],
  [
    'passed',
    specimenDrill({ milestones: specimenMilestones(), logs: ['logs/hadb01.log.gz'] }),
    { status: 'completed', deviated: false },
  ],
  [
    'passed',
    specimenDrill({
      verdict: {
        passed: true,
        summary: 'not run: both copies equal',
        checks: [{ name: 'both copies equal', passed: true, notRun: true, detail: '512 GiB' }],
      },
    }),
    { status: 'completed', deviated: false },
  ],
  ['failed', lost, { status: 'completed', deviated: true }],
  [
    'unknown',
    specimenDrill({
      verdict: {
        passed: false,
        unknown: true,
        summary: 'not known',
        checks: [{ name: 'final read', passed: false, unknown: true, detail: 'no' }],
      },
    }),
    { status: 'completed', deviated: true },
  ],
  [
    'refused',
    { ...bare, entries: [], failure: { code: 'GateNotMet', message: 'hadb02 is offline' } },
    { status: 'failed', deviated: false },
  ],
  [
    'refused',
    { ...bare, entries: [], failure: { code: 'DrillsForbidden', message: 'a freeze window is open' } },
    { status: 'failed', deviated: false },
  ],
  [
    'error',
    { ...bare, failure: { code: 'NotReady', message: 'nobody took over', observed: 'x' } },
    { status: 'aborted', deviated: false },
  ],
  ['cancelled', { ...bare, cancelled: true }, { status: 'interrupted', deviated: false }],
];

describe('the journal', () => {
  it("has a published schema that is the code's (npm run build && node scripts/write-reference-tables.js && npm run format)", () => {
    expect(JSON.parse(published)).toEqual(JSON.parse(renderJournalSchema()));
  });

  it.each(DRILLS)(
    'of a drill that ended as %s satisfies the published schema, and says how it ended',
    (outcome, record, expected) => {
      const schema = z.fromJSONSchema(JSON.parse(published) as Parameters<typeof z.fromJSONSchema>[0]);

      const journal = JSON.parse(JSON.stringify(renderJournal(record))) as unknown;

      expect(schema.safeParse(journal).error?.issues ?? []).toEqual([]);
      expect(journal).toMatchObject({ ...expected, hadb: { outcome } });
      expect(parseJournal(JSON.stringify(journal))?.hadb.outcome).toBe(outcome);
    },
  );

  it('tells the moments of the failover, and null for what was not seen', () => {
    const { milestones } = renderJournal(specimenDrill({ milestones: specimenMilestones() })).hadb;

    expect(milestones?.find(({ name }) => name === 'fenced')).toEqual({
      name: 'fenced',
      at: '2026-11-22T02:30:17.000Z',
      errorSeconds: 0.003,
      node: 'hadb02',
      line: expect.stringContaining("Operation 'off' targeting hadb01") as string,
    });
    expect(milestones?.find(({ name }) => name === 'recovered')).toMatchObject({ at: null, node: null });
  });

  it('calls a check that was left out skipped, in JUnit as well', () => {
    const record = DRILLS.find(([, { verdict }]) => verdict?.checks[0]?.notRun === true)?.[1] ?? specimenDrill();

    expect(renderJournal(record).steady_states.after?.probes).toMatchObject([{ status: 'skipped' }]);
    expect(renderJUnit(junitOf(record, {}))).toContain('<skipped message="not run: 512 GiB"');
  });

  it.each([
    ['status', (journal: Record<string, unknown>) => ({ ...journal, status: 'passed' })],
    ['time', (journal: Record<string, unknown>) => ({ ...journal, start: 'last night' })],
    ['extension', (journal: Record<string, unknown>) => ({ ...journal, hadb: undefined })],
  ])('with a wrong %s is refused by the schema', (_, spoil) => {
    const schema = z.fromJSONSchema(JSON.parse(published) as Parameters<typeof z.fromJSONSchema>[0]);

    const spoiled = spoil({ ...renderJournal(specimenDrill()) });

    expect(schema.safeParse(spoiled).success).toBe(false);
  });

  it('names every member that the Chaos Toolkit wants', () => {
    const journal = renderJournal(specimenDrill());

    expect(Object.keys(journal)).toEqual(
      expect.arrayContaining([
        'experiment',
        'status',
        'deviated',
        'start',
        'end',
        'duration',
        'steady_states',
        'run',
        'rollbacks',
      ]),
    );
    expect(journal.steady_states).toMatchObject({
      before: { steady_state_met: true },
      after: { steady_state_met: true },
    });
    expect(journal.run.map(({ activity }) => activity.type)).toEqual(expect.arrayContaining(['action', 'probe']));
  });

  it('says null, not zero, of what is not known', () => {
    const { hadb } = renderJournal({ ...bare, failure: { code: 'NotReady', message: 'nobody took over' } });

    expect(hadb.writes).toMatchObject({ lost: null, unexpected: null, recovered: null, acknowledged: 1260 });
    expect(hadb.writes?.counts).toMatchObject({ lost: null, unexpected: null, duplicates: null });
  });

  it('names a hundred lost rows at most, and counts them all; an older one has only those that it names', () => {
    const { writes } = renderJournal(shortenedDrill()).hadb;

    expect(writes?.lost).toHaveLength(100);
    expect(writes?.counts).toMatchObject({ lost: 140, unexpected: 0, duplicates: 0, outages: 1 });
    expect(lostRowsOf({ lost: [3, 4] })).toBe(2);
    expect(lostRowsOf({ lost: null })).toBeNull();
  });

  it('of a later version, or torn, is not read', () => {
    const text = JSON.stringify(renderJournal(specimenDrill()));

    expect(parseJournal(text.replace('"version":1,', '"version":2,'))).toBeUndefined();
    expect(parseJournal(text.slice(0, 200))).toBeUndefined();
  });
});

describe('JUnit', () => {
  interface Case {
    '@_name': string;
    failure?: { '@_message': string };
    error?: { '@_message': string };
    skipped?: object;
  }
  const read = (record: DrillRecord) => {
    const text = renderJUnit(junitOf(record, { workflow: 'drill/hadb' }));
    expect(XMLValidator.validate(text)).toBe(true);
    const options = { ignoreAttributes: false, isArray: (name: string) => name === 'testcase' };
    const { testsuites } = new XMLParser(options).parse(text) as {
      testsuites: { testsuite: Record<string, string> & { testcase: Case[] } };
    };
    return testsuites.testsuite;
  };
  const counts = (suite: Record<string, unknown>) => [
    suite['@_tests'],
    suite['@_failures'],
    suite['@_errors'],
    suite['@_skipped'],
  ];

  it.each<[string, string[]]>([
    ['passed', ['10', '0', '0', '0']],
    ['failed', ['10', '1', '0', '0']],
    ['unknown', ['2', '0', '1', '0']],
    ['refused', ['1', '0', '0', '1']],
    ['error', ['1', '0', '1', '0']],
    ['cancelled', ['1', '0', '0', '1']],
  ])('of a drill that ended as %s counts tests, failures, errors and skipped', (outcome, expected) => {
    const record = DRILLS.find(([name]) => name === outcome)?.[1];

    expect(counts(read(record ?? lost))).toEqual(expected);
  });

  it('tells the figures in the message of the case that does not hold', () => {
    const failed = read(lost).testcase.filter(({ failure }) => failure !== undefined);

    expect(failed).toMatchObject([
      { '@_name': 'no acknowledged row lost', failure: { '@_message': 'no acknowledged row lost: 1 of 1260 lost: 7' } },
    ]);
  });

  it('stays XML whatever a server says', () => {
    const message = 'a < b & "c" \u0000\u001b[31m ]]>';

    const { testcase } = read({ ...bare, failure: { code: 'NotReady', message } });

    expect(testcase[0]?.error?.['@_message']).toContain('a < b');
  });
});
