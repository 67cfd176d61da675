import { renderJournal } from '../../../cluster/report/journal';
import { METRICS, drillMeasurements } from '../../../cluster/report/metrics';
import { shortenedDrill, specimenDrill, type SpecimenOptions } from './specimen-drill';

const gaugesOf = (drill: SpecimenOptions = {}) => {
  const journal = renderJournal(specimenDrill(drill));
  const measured = drillMeasurements(journal);
  return {
    journal,
    labels: new Set(measured.map(({ labels }) => JSON.stringify(labels))),
    values: Object.fromEntries(measured.map(({ name, value }) => [name, value])),
  };
};

describe('the gauges of a drill', () => {
  it('show outage, limit, loss and success of one that passed', () => {
    const { journal, values, labels } = gaugesOf();
    const endedAt = Date.parse(journal.end) / 1000;

    expect(values).toEqual({
      hadb_drill_rto_seconds: journal.hadb.writes?.outageSeconds,
      hadb_drill_rto_limit_seconds: journal.hadb.limitSeconds,
      hadb_drill_lost_writes: 0,
      hadb_drill_last_passed: 1,
      hadb_drill_last_success_timestamp_seconds: endedAt,
      hadb_drill_last_end_timestamp_seconds: endedAt,
    });
    expect([...labels]).toEqual([`{"cluster":"${journal.hadb.cluster}","kind":"${journal.hadb.kind}"}`]);
  });

  it('count every lost row, also those that the journal does not name', () => {
    const lost = drillMeasurements(renderJournal(shortenedDrill())).find(
      ({ name }) => name === 'hadb_drill_lost_writes',
    );

    expect(lost?.value).toBe(140);
  });

  it.each<[string, SpecimenOptions, string[]]>([
    [
      'a refused one: nothing was tried',
      { failure: { code: 'GateNotMet', message: 'hadb02 is offline' } },
      ['hadb_drill_last_end_timestamp_seconds'],
    ],
    ['a cancelled one: nothing was proved', { cancelled: true }, ['hadb_drill_last_end_timestamp_seconds']],
    [
      'one without a verdict: that it has none',
      { failure: { code: 'NotReady', message: 'nobody took over' } },
      ['hadb_drill_last_end_timestamp_seconds', 'hadb_drill_last_passed'],
    ],
    [
      'an unknown one: no figure that nobody vouches for',
      { verdict: { passed: false, unknown: true, summary: 'unknown', checks: [] } },
      ['hadb_drill_last_end_timestamp_seconds', 'hadb_drill_last_passed'],
    ],
  ])('show of %s', (_what, drill, names) => {
    const { values } = gaugesOf(drill);

    expect(Object.keys(values)).toEqual(names);
    expect(values['hadb_drill_last_passed'] ?? 0).toBe(0);
  });
});

it('metrics are named as Prometheus wants them: base units, counters end in _total', () => {
  const names = Object.entries(METRICS);

  expect(names.filter(([name]) => !/^hadb_[a-z_]+$/.test(name))).toEqual([]);
  expect(names.filter(([name, { kind }]) => (kind === 'counter') !== name.endsWith('_total'))).toEqual([]);
  expect(names.filter(([, { kind }]) => kind === 'histogram').every(([name]) => name.endsWith('_seconds'))).toBe(true);
});
