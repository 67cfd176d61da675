import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { commitRate, latencyScatter, phaseBar } from '../../../cluster/report/charts';
import { renderDrillPage } from '../../../cluster/report/drill-page';
import {
  PHASES,
  UNTIL,
  phasesOf,
  samplesOf,
  latencyTable,
  type DrillRecord,
} from '../../../cluster/report/drill-record';
import type { LedgerEntry } from '../../../cluster/verdict/write-ledger';
import type { Milestone } from '../../../cluster/logs/milestones';
import { ZERO, shortenedDrill, specimenDrill, specimenLedger, specimenMilestones } from './specimen-drill';

const frame = { zero: ZERO + 10_000, from: ZERO, to: ZERO + 75_000 };
const chartOf = (record: DrillRecord, width: 'wide' | 'narrow' = 'wide') => ({
  width,
  frame,
  bands: [{ kind: 'outage' as const, from: ZERO + 10_100, to: ZERO + 22_200 }],
  moments: [],
  samples: samplesOf(record.entries),
});
const parser = new XMLParser({ ignoreAttributes: false });

describe('the page of a drill', () => {
  it.each<[string, DrillRecord, string[]]>([
    ['that passed', specimenDrill(), ['✓ Passed', '12.09 s', '± 1.1 s, at most 300 s allowed']],
    [
      'that lost rows',
      specimenDrill({ lostRows: [3, 4] }),
      ['✗ Failed', '2 writes were acknowledged and are lost.', '✗ does not hold', '2 of 1260 lost: 3..4'],
    ],
    ['that was cancelled', { ...specimenDrill(), cancelled: true }, ['■ Cancelled']],
  ])('%s says so in words', (_, record, words) => {
    const page = renderDrillPage(record);

    expect(words.filter((word) => !page.includes(word))).toEqual([]);
  });

  it.each([
    ['none', true],
    ['azure', false],
  ])('with fencing %s says whether a lost node is switched off', (value, isSaid) => {
    const page = renderDrillPage(specimenDrill({ settings: [{ name: 'fencing', value }] }));

    expect(page.includes('Fencing: none, so a lost node is not switched off')).toBe(isSaid);
  });

  it('shows no figure of a read that never was', () => {
    const { verdict: _, writes: __, ...rest } = specimenDrill();

    const page = renderDrillPage({ ...rest, failure: { code: 'NotReady', message: 'nobody took over' } });

    expect(page).toContain('! No verdict');
    expect(page).toContain('nobody took over');
    expect(page).toMatch(/Acknowledged rows lost<\/dt><dd>not known/);
    expect(page).not.toContain('Rows that nobody wrote');
  });

  it('tells of every time how exact it is', () => {
    const heard = renderDrillPage(specimenDrill({ milestones: specimenMilestones() }));
    const silent = renderDrillPage(specimenDrill());

    expect(heard).toMatch(/Without service in all<\/dt><dd>[\d.]+ s<small>± 1\.1 s, 1 outage</);
    expect(heard).toMatch(/Steady service after<\/dt><dd>[^<]+<small>± 1\.1 s, since the fault was ordered</);
    expect(heard).toMatch(/Both copies current after<\/dt><dd>55 s<small>± 3 ms, by the log of hadb02</);
    expect(silent).toMatch(/Whole pair after<\/dt><dd>[^<]+<small>both copies current again, as the drill saw it/);
  });

  it('tells how many rows are lost, however few of them are named', () => {
    expect(renderDrillPage(shortenedDrill())).toMatch(/Acknowledged rows lost<\/dt><dd>140</);
  });

  it('of a drill that was refused has no chart, and no figure', () => {
    const { verdict: _, writes: __, faultAt: ___, ledger: ____, ...rest } = specimenDrill({ entries: [] });

    const page = renderDrillPage({ ...rest, failure: { code: 'GateNotMet', message: 'hadb02 is offline' } });

    expect(page).toContain('⊘ Refused');
    expect(page).not.toContain('class="chart');
    expect(page).not.toContain('class="figures"');
  });

  it('of a drill whose client was gone before the fault has no figure of an outage', () => {
    const { writes: _, faultAt: __, ...rest } = specimenDrill();
    const detail = 'no writer runs: 12 acknowledged';
    const summary = 'switchover: nothing was broken';

    const page = renderDrillPage({
      ...rest,
      verdict: {
        passed: false,
        unknown: true,
        summary,
        checks: [{ name: 'the client writes before the fault', passed: false, unknown: true, detail }],
      },
    });

    expect(page).toContain('? Unknown');
    expect(page).toContain('nothing was broken.');
    expect(page).toContain('no writer runs: 12 acknowledged');
    expect(page).not.toContain('class="figures"');
  });

  it('tells the moments that the nodes wrote of, with how exact they are, and which were not seen', () => {
    const page = renderDrillPage(
      specimenDrill({ milestones: specimenMilestones(), logs: ['logs/hadb01.log.gz', 'logs/hadb02.log.gz'] }),
    );

    expect(page).toContain('What the nodes wrote of it');
    expect(page).toMatch(/loss detected<\/td><td[^>]*>\+3\.6 s<\/td><td[^>]*>± 3 ms<\/td><td[^>]*>hadb02/);
    expect(page).toMatch(/InnoDB recovered<\/td><td[^>]*>not seen<\/td>/);
    expect(page).toContain('mounted filesystem &lt;64eeea5e&gt;');
    expect(page).toContain('href="logs/hadb02.log.gz"');
  });

  it('says nothing of the nodes where their logs were not fetched', () => {
    expect(renderDrillPage(specimenDrill())).not.toContain('What the nodes wrote of it');
  });

  it('says of a check that was left out that it was not run', () => {
    const record = specimenDrill();
    const notRun = { name: 'both copies equal', passed: true, notRun: true as const, detail: '512 GiB' };
    const checks = [...(record.verdict?.checks ?? []), notRun];
    const verdict = { passed: true, summary: '', checks };

    expect(renderDrillPage({ ...record, verdict })).toMatch(/– not run<\/td><td[^>]*>both copies equal/);
  });

  it('takes whatever nodes and servers say as text', () => {
    const hostile = '</script><script>alert(1)</script>" onload="x\u0007';
    const record = specimenDrill({ drill: hostile, states: [{ when: 'before', node: 'n', file: 'f', text: hostile }] });

    const page = renderDrillPage({ ...record, verdict: { passed: false, summary: hostile, checks: [] } });

    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page.match(/<\/script>/g)).toHaveLength(1);
    expect(page).not.toContain('\u0007');
    expect(page).not.toContain('" onload="x');
  });

  it('needs nothing from elsewhere, follows the colours of the reader, and is the same each time', () => {
    const page = renderDrillPage(specimenDrill());

    expect(page.match(/\ssrc=|<link|@import|url\((?!#)/g)).toBeNull();
    expect(page).toContain('@media (prefers-color-scheme:dark)');
    expect(renderDrillPage(specimenDrill())).toBe(page);
  });

  it('gives every id once', () => {
    const ids = [...renderDrillPage(specimenDrill()).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);

    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(12);
  });
});

describe('a chart', () => {
  const record = specimenDrill();
  const charts: [string, string][] = (['wide', 'narrow'] as const).flatMap((width): [string, string][] => [
    [`latency ${width}`, latencyScatter(chartOf(record, width))],
    [`rate ${width}`, commitRate(chartOf(record, width))],
    [`phases ${width}`, phaseBar({ width, phases: phasesOf(record), zero: frame.zero })],
  ]);

  it.each(charts)('%s is well-formed XML with a title and a description that its root names', (_, svg) => {
    expect(XMLValidator.validate(svg)).toBe(true);
    const { svg: root } = parser.parse(svg) as {
      svg: Record<string, unknown> & { title: { '@_id': string }; desc: { '@_id': string } };
    };
    expect(root['@_role']).toBe('img');
    expect(root['@_aria-labelledby']).toBe(`${root.title['@_id']} ${root.desc['@_id']}`);
  });

  it.each(charts)('%s draws nothing outside of itself, and no coordinate that is no number', (_, svg) => {
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)?.map(Number) ?? [];
    const places = [...svg.matchAll(/ (x|x1|x2|y|y1|y2)="([^"]*)"/g)].map(([, axis = '', value]) => ({
      axis,
      value: Number(value),
    }));

    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(places.length).toBeGreaterThan(5);
    expect(
      places.filter(({ axis, value }) => value < 0 || value > (axis.startsWith('x') ? (width ?? 0) : (height ?? 0))),
    ).toEqual([]);
  });

  it.each([...Object.values(UNTIL), ...Object.values(PHASES)])('has room for the phase "%s"', (name) => {
    // Six pixels a character, as Chromium draws them: the wide one has 330 beside its bars, the narrow one 360 in all.
    expect(`99. ${name}`.length * 6).toBeLessThanOrEqual(330 - 8);
    expect(`99. ${name}: 9.9 s`.length * 6).toBeLessThanOrEqual(360 - 12);
  });

  it('never drops what is out of the ordinary, however long the drill', () => {
    const long = specimenLedger({ seconds: 3600, away: { from: 1800, to: 1800.2, how: 'refuses' } });
    const svg = latencyScatter({
      ...chartOf(record),
      frame: { zero: ZERO, from: ZERO, to: ZERO + 3_600_000 },
      samples: samplesOf(long),
    });

    const marks = (fate: string) =>
      (new RegExp(`class="mark ${fate}" d="([^"]*)"`).exec(svg)?.[1]?.match(/M/g) ?? []).length;
    expect(marks('failed')).toBeGreaterThan(0);
    expect(marks('acknowledged')).toBeLessThan(4000);
    expect(svg).toContain('71996 acknowledged');
    expect(svg.length).toBeLessThan(100_000);
  });

  it('tells fates apart by shape and by pattern, not by colour alone', () => {
    const away = specimenDrill({
      entries: specimenLedger({ seconds: 75, away: { from: 10, to: 15, how: 'swallows' } }),
    });

    expect(latencyScatter(chartOf(away))).toMatch(/class="mark unknown" d="M[\d.]+ [\d.]+l3\.5 6\.5h-7z/);
    expect(commitRate(chartOf(away))).toMatch(/class="bar unknown" d="[^"]+" style="fill:url\(#rate-wide-unknown\)"/);
  });
});

describe('what is read from a ledger', () => {
  it('phases follow each other from the order to a whole pair', () => {
    const phases = phasesOf(specimenDrill());

    expect(phases.map(({ name, from, to }) => [name, (from - ZERO) / 1000, (to - ZERO) / 1000])).toEqual([
      ['from the order to the last acknowledged write', 10, expect.closeTo(10.1, 1)],
      ['until the other node is seen to serve', expect.closeTo(10.1, 1), 20.5],
      ['until the load balancer serves every client', 20.5, expect.closeTo(22.2, 1)],
      ['until the pair is whole again', expect.closeTo(22.2, 1), 70],
    ]);
  });

  it('an outage that never ended is called so', () => {
    const entries = specimenLedger({ seconds: 30, away: { from: 10.2, to: 40, how: 'refuses' } });

    const phases = phasesOf(specimenDrill({ entries, steps: [] }));

    expect(phases.at(-1)).toMatchObject({ name: 'not every client was served again', isOutage: true });
  });

  it('an attempt that was never sent counts from the time it was due, one without an end until its deadline', () => {
    const entries: LedgerEntry[] = [
      { kind: 'start', at: 1000, drill: 'd', writers: ['kept', 'fresh'], intervalMs: 100, deadlineMs: 900 },
      { kind: 'fail', seq: 5, at: 2100, why: 'no connection' },
      { kind: 'intent', seq: 8, at: 1301, due: 1300 },
      { kind: 'skip', seq: 9, at: 1400 },
    ];

    expect(samplesOf(entries)).toEqual([
      { seq: 5, connection: 'kept', fate: 'failed', due: 1200, endedAt: 2100 },
      { seq: 8, connection: 'fresh', fate: 'unknown', due: 1300, endedAt: 2200 },
      { seq: 9, connection: 'kept', fate: 'skipped', due: 1400, endedAt: 1400 },
    ]);
  });

  it('latencies are told apart by who is there to write to', () => {
    const rows = latencyTable(specimenDrill());

    expect(rows.map(({ commits }) => commits)).toEqual([100, 478, 50].map(() => expect.any(Number) as number));
    expect(rows.reduce((sum, { commits }) => sum + commits, 0)).toBeGreaterThan(600);
    expect(rows.every(({ p50 = 0, p95 = 0, longest = 0 }) => p50 > 0 && p50 <= p95 && p95 <= longest)).toBe(true);
  });
});

describe('the phases of a drill whose nodes were heard', () => {
  const phases = phasesOf(specimenDrill({ milestones: specimenMilestones() }));

  it('part the outage at what the nodes wrote, and at nothing that was not seen', () => {
    expect(phases.map(({ name, clock, isOutage }) => [name, clock, isOutage])).toEqual(
      [
        ['from the order to the last acknowledged write', 'client', false],
        ['until the loss is detected', 'client and node', true],
        ['until the fencing is ordered', 'node', true],
        ['until the fencing delay is over', 'node', true],
        ['until the lost node is fenced', 'node', true],
        ['until DRBD is promoted', 'node', true],
        ['until the file system is mounted', 'node', true],
        ['until the database is up', 'node', true],
        ['until the responder to the probe runs', 'node', true],
        ['until the load balancer leads clients there', 'client and node', true],
        ['until every client is served again', 'client', true],
        ['until every client is answered steadily', 'client', false],
        ['until both copies are current again', 'client and node', false],
        ['until the pair is whole again', 'node and workflow', false],
      ].filter(([name]) => phases.some((phase) => phase.name === name)),
    );
    expect(phases.length).toBeGreaterThanOrEqual(10);
  });

  it('end with the balancer where a write is acknowledged once all is up, and know none where nothing came up', () => {
    const named = (milestones: Milestone[]) => phasesOf(specimenDrill({ milestones })).map(({ name }) => name);
    const withWrite = (seconds: number) =>
      specimenMilestones().map((milestone) =>
        milestone.name === 'firstWrite' ? { ...milestone, seen: { at: ZERO + seconds * 1000, errorMs: 0 } } : milestone,
      );
    const nothingUp = withWrite(21.5).filter(({ name }) => name !== 'databaseUp' && name !== 'probeAnswered');

    expect(named(withWrite(21.5))).toEqual(
      expect.arrayContaining(['until the load balancer leads clients there', 'until every client is served again']),
    );
    expect(named(withWrite(20.1))).not.toContain('until the load balancer leads clients there');
    expect(named(nothingUp)).not.toContain('until the load balancer leads clients there');
  });

  it('follow each other without a gap, and the outage is as long as the clients say', () => {
    const outage = phases.filter(({ isOutage }) => isOutage);
    const gaps = phases.slice(1).filter(({ from }, index) => from !== phases[index]?.to);

    expect(gaps).toEqual([]);
    const parted = outage.reduce((sum, { from, to }) => sum + to - from, 0);
    const whole = phasesOf(specimenDrill()).filter(({ isOutage }) => isOutage);
    expect(parted).toBeCloseTo(
      whole.reduce((sum, { from, to }) => sum + to - from, 0),
      3,
    );
  });

  it('are those of the workflow where the nodes tell nothing of the outage', () => {
    const milestones = specimenMilestones().map(({ name }) => ({ name }));

    expect(phasesOf(specimenDrill({ milestones }))).toEqual(phasesOf(specimenDrill()));
  });
});
