import type { DrillRecord } from '../../../cluster/report/drill-record';
import { renderJournal } from '../../../cluster/report/journal';
import { phaseTable } from '../../../cluster/report/series-phases';
import { parseJournal } from '../../../cluster/report/journal-schema';
import {
  placeSeriesReport,
  renderMarkdownTable,
  renderSeriesReport,
  SERIES_HEAD,
  seriesDrillOf,
  seriesRows,
  unreportedDrill,
  versionsOf,
  type SeriesDrill,
} from '../../../cluster/report/series-table';
import { shortenedDrill, specimenDrill, specimenLedger, specimenMilestones } from './specimen-drill';

function told(record: DrillRecord): SeriesDrill {
  const journal = parseJournal(JSON.stringify(renderJournal(record)));
  if (journal === undefined) throw new Error('no journal');
  return seriesDrillOf(journal);
}

const withRoles = (record: DrillRecord, roles: { passed: boolean; unknown?: true }): DrillRecord => ({
  ...record,
  verdict: {
    passed: false,
    summary: '',
    checks: [
      { name: 'never two primaries', detail: '', ...roles },
      { name: 'never two database servers', detail: '', passed: true },
    ],
  },
});

const drill = (over: Partial<SeriesDrill> = {}): SeriesDrill => ({
  kind: 'standby',
  outcome: 'passed',
  lost: 0,
  twoPrimaries: 'never',
  newConnections: 4,
  existingSessions: 5,
  phases: [],
  ...over,
});
const row = (...drills: SeriesDrill[]): string[] => seriesRows(drills)[0] ?? [];

describe('a drill of a series', () => {
  it('has the outage of each kind of client, and the rows that are lost', () => {
    expect(told(specimenDrill({ lostRows: [4, 9] }))).toMatchObject({
      kind: 'node-power-off',
      outcome: 'failed',
      lost: 2,
      newConnections: expect.closeTo(12.1, 0) as number,
      existingSessions: expect.closeTo(12.1, 0) as number,
    });
  });

  it('has lost as many rows as were counted, not as many as are named', () => {
    expect(told(shortenedDrill()).lost).toBe(140);
  });

  it('had no outage where none was noticed', () => {
    expect(told(specimenDrill({ entries: specimenLedger({ seconds: 75 }) }))).toMatchObject({
      newConnections: 0,
      existingSessions: 0,
    });
  });

  it('measured nothing, and lost nobody knows what, where it had no verdict', () => {
    const { verdict: _, writes: __, faultAt: ___, ...refused } = specimenDrill({ entries: [] });

    expect(told({ ...refused, failure: { code: 'GateNotMet', message: 'offline' } })).toEqual({
      ...unreportedDrill('node-power-off', 'refused'),
    });
  });

  it.each([
    ['never', { passed: true }],
    ['seen', { passed: false }],
    ['unknown', { passed: false, unknown: true as const }],
  ])('says of two primaries: %s', (word, roles) => {
    expect(told(withRoles(specimenDrill(), roles)).twoPrimaries).toBe(word);
  });

  it('knows nothing of two primaries that were not judged', () => {
    expect(told(specimenDrill()).twoPrimaries).toBe('unknown');
  });
});

describe('the phases of a series', () => {
  const phased = (kind: string, ...phases: [name: string, seconds: number][]) =>
    drill({ kind, phases: phases.map(([name, seconds]) => ({ name, seconds })) });
  const [delay, fenced, balancer] = [
    'until the fencing delay is over',
    'until the lost node is fenced',
    'until the load balancer leads clients there',
  ];

  it('are the medians of those that had them, by kind and in the order of a failover', () => {
    const { head, rows } = phaseTable([
      phased('node-power-off', [balancer, 2], [delay, 5], [fenced, 1.5]),
      phased('node-power-off', [delay, 5.04], [fenced, 2.5]),
      phased('node-power-off'),
      phased('switchover', [balancer, 4.64]),
    ]);

    expect(head).toEqual(['median seconds', 'drills', 'fencing delay', 'fenced', 'balancer']);
    expect(rows).toEqual([
      ['`node-power-off`', '2', '5.0', '2.0', '2.0'],
      ['`switchover`', '1', '–', '–', '4.6'],
    ]);
  });

  it('leave out none that a drill has, from its order to its whole pair', () => {
    for (const record of [
      specimenDrill({ milestones: specimenMilestones() }),
      specimenDrill(),
      specimenDrill({ milestones: [] }),
      specimenDrill({ entries: specimenLedger({ seconds: 30, away: { from: 10.2, to: 40, how: 'refuses' } }) }),
    ]) {
      const own = told(record);
      const { rows } = phaseTable([own]);
      const shown = (rows[0] ?? []).slice(2).reduce((sum, cell) => sum + Number(cell), 0);

      expect(own.phases.length).toBeGreaterThan(2);
      expect(Math.abs(shown - own.phases.reduce((sum, { seconds }) => sum + seconds, 0))).toBeLessThan(1);
    }
  });

  it('that nobody knows here are not left out', () => {
    expect(phaseTable([phased('standby', ['until the moon rises', 3], [fenced, 1])])).toEqual({
      head: ['median seconds', 'drills', 'fenced', 'other'],
      rows: [['`standby`', '1', '1.0', '3.0']],
    });
  });

  it('of a drill without a verdict are none', () => {
    const { verdict: _, ...rest } = specimenDrill({ milestones: specimenMilestones() });

    expect(told({ ...rest, failure: { code: 'NotReady', message: 'nobody took over' } }).phases).toEqual([]);
  });
});

describe('the table of a series', () => {
  it('has a row for each kind, with the median and the worst of both kinds of clients', () => {
    const rows = seriesRows([
      drill({ newConnections: 4, existingSessions: 5 }),
      drill({ newConnections: 12.34, existingSessions: 9 }),
      drill({ newConnections: 6, existingSessions: 7 }),
      drill({ kind: 'double', newConnections: null, existingSessions: null }),
    ]);

    expect(rows).toEqual([
      ['`double`', '1', '1', '0', 'never', '–', '–', '–', '–'],
      ['`standby`', '3', '3', '0', 'never', '6 s', '12.3 s', '7 s', '9 s'],
    ]);
  });

  it('says where no outage was seen', () => {
    expect(row(drill({ newConnections: 0 }), drill({ newConnections: 0 })).slice(5, 7)).toEqual([
      'none seen',
      'none seen',
    ]);
  });

  it('hides no loss, no second primary and nothing that is not known', () => {
    const open = drill({ outcome: 'unknown', lost: null, twoPrimaries: 'unknown' });

    expect(
      row(drill({ outcome: 'failed', lost: 3, twoPrimaries: 'seen' }), drill({ lost: 2 }), open).slice(1, 5),
    ).toEqual(['3', '1', '5; not known of 1', 'in 1; not known of 1']);
    expect(row(open, open).slice(3, 5)).toEqual(['not known', 'not known']);
    expect(row(drill(), open)[4]).toBe('never; not known of 1');
    expect(row(drill({ lost: 140 }))[3]).toBe('140');
  });

  it('is aligned as prettier aligns it', () => {
    expect(renderMarkdownTable(['kind', 'n'], [['`double`', '10']])).toBe(
      ['| kind     | n   |', '| -------- | --- |', '| `double` | 10  |'].join('\n'),
    );
  });
});

describe('the report of a series', () => {
  const report = renderSeriesReport({
    seed: 4711,
    rounds: 3,
    planned: 2,
    drills: [drill(), drill({ outcome: 'failed' })],
    from: '2026-11-22T22:00:00.000Z',
    to: '2026-11-23T04:00:00.000Z',
    versions: ['hadb 0.1.0', 'pacemaker 2.1.5'],
    host: '4 × a processor',
  });

  it('says by what seed, when, with which versions and where it was made', () => {
    expect(report).toContain('2 drills, 1 passed; seed 4711, at least 3 of each kind, 2026-11-22 to 2026-11-23.');
    expect(report).toContain('Versions: hadb 0.1.0, pacemaker 2.1.5.');
    expect(report).toContain('Host: 4 × a processor.');
    expect(report).toContain(renderMarkdownTable(SERIES_HEAD, [row(drill(), drill({ outcome: 'failed' }))]));
    expect(report).toContain('| median seconds | drills |');
  });

  it('says that it is not finished', () => {
    const part = { seed: 1, rounds: 3, planned: 65, drills: [drill()], versions: [], host: 'x' };

    expect(renderSeriesReport(part)).toContain('1 of 65 drills, not finished, 1 passed');
  });

  it('takes the place between the markers of a page, again and again, and of nothing else', () => {
    const page = 'Before\n\n<!-- begin of the drills -->\n\nnot yet run\n\n<!-- end of the drills -->\n\nAfter\n';
    const once = placeSeriesReport(page, report) ?? '';

    expect(once).toBe(`Before\n\n<!-- begin of the drills -->\n\n${report}\n\n<!-- end of the drills -->\n\nAfter\n`);
    expect(placeSeriesReport(once, report)).toBe(once);
    expect(placeSeriesReport('Before', report)).toBeUndefined();
  });

  it('names a version once, and both where the nodes have different ones', () => {
    expect(
      versionsOf([
        { name: 'hadb', value: '0.1.0' },
        { name: 'pacemaker (hadb01)', value: '2.1.5' },
        { name: 'pacemaker (hadb02)', value: '2.1.5' },
        { name: 'kernel (hadb01)', value: '6.1' },
        { name: 'kernel (hadb02)', value: '6.6' },
      ]),
    ).toEqual(['hadb 0.1.0', 'pacemaker 2.1.5', 'kernel 6.1 and 6.6']);
  });
});
