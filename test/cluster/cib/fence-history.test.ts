import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterProblems, parseCrmMon } from '../../../cluster/cib/crm-mon';
import { describeFence, fencesOf, lastFenceOf, openFences } from '../../../cluster/cib/fence-history';
import { specificationOf } from '../specimens';
import { FENCE_EVENTS as E } from './fence-events';

const healthy = readFileSync(join(__dirname, 'captured', 'crm_mon-2.1.5-healthy.xml'), 'utf8');
const stateWith = (...events: string[]) =>
  parseCrmMon(healthy.replace('<status', `<fence_history status="0">${events.join('')}</fence_history><status`));

describe('the shots that Pacemaker remembers', () => {
  it('say who was fenced, when, by whom, and that it is confirmed', () => {
    const [fence] = fencesOf(stateWith(E.confirmed));

    expect(fence).toEqual({
      node: 'hadb01',
      action: 'off',
      outcome: 'confirmed',
      by: 'hadb02',
      at: '2026-11-22T18:23:53.000Z',
    });
    expect(describeFence(fence!)).toBe('hadb01 was fenced (off) at 2026-11-22T18:23:53.000Z by hadb02: confirmed');
  });

  it.each([
    ['failed', E.failed, 'fencing (off) of hadb01 by hadb02 is failed at 2026-11-22T18:22:10.088Z (No access token)'],
    ['pending', E.pending, 'fencing (off) of hadb01 by hadb02 is pending'],
    [
      'asserted',
      E.asserted,
      'a person has told the cluster that hadb01 is off at 2026-11-22T18:30:00.000Z; no machine has confirmed it',
    ],
  ])('say that one is %s', (outcome, event, sentence) => {
    const [fence] = fencesOf(stateWith(event));

    expect(fence?.outcome).toBe(outcome);
    expect(describeFence(fence!)).toBe(sentence);
  });

  it('take a status that nobody knows for no success', () => {
    expect(fencesOf(stateWith(E.confirmed.replace('success', 'exploded')))[0]?.outcome).toBe('pending');
  });

  it('stand in the order of their ends, whatever crm_mon’s is, and the pending one last', () => {
    const outcomes = fencesOf(stateWith(E.pending, E.confirmed, E.failed)).map(({ outcome }) => outcome);

    expect(outcomes).toEqual(['failed', 'confirmed', 'pending']);
  });

  it('do not count the start of a machine', () => {
    expect(fencesOf(stateWith(E.confirmed.replace('action="off"', 'action="on"')))).toEqual([]);
  });

  it.each([
    ['2026-11-22 18:23:53Z', '2026-11-22T18:23:53.000Z'],
    ['2026-11-22 18:23:53.088147Z', '2026-11-22T18:23:53.088Z'],
    ['2026-11-22 19:23:53 +01:00', '2026-11-22T18:23:53.000Z'],
    ['yesterday', undefined],
  ])('read the time %s', (written, at) => {
    const event = E.confirmed.replace('2026-11-22 18:23:53Z', written);

    expect(fencesOf(stateWith(event))[0]?.at).toBe(at);
  });
});

describe('the last shot at a node', () => {
  const state = stateWith(E.failed, E.confirmed);

  it('is the one that ended last', () => {
    expect(lastFenceOf(state, { node: 'hadb01' })?.outcome).toBe('confirmed');
  });

  it.each([
    ['another node', { node: 'hadb02' }],
    ['a time after it', { node: 'hadb01', since: '2026-11-22T18:23:53.000Z' }],
  ])('is none for %s', (_, question) => {
    expect(lastFenceOf(state, question)).toBeUndefined();
  });

  it('is none that ended at a time that cannot be read, once a time is asked for', () => {
    const undated = stateWith(E.confirmed.replace('2026-11-22 18:23:53Z', 'yesterday'));

    expect(lastFenceOf(undated, { node: 'hadb01', since: '2026-11-22T00:00:00Z' })).toBeUndefined();
    expect(openFences(stateWith(E.failed, E.confirmed.replace('2026-11-22 18:23:53Z', 'yesterday')))).toHaveLength(1);
  });

  it('is the pending one, however late one asks', () => {
    expect(
      lastFenceOf(stateWith(E.confirmed, E.pending), { node: 'hadb01', since: '2030-01-01T00:00:00Z' })?.outcome,
    ).toBe('pending');
  });
});

describe('a shot is open', () => {
  it.each([
    ['while it is pending', [E.confirmed, E.pending], ['pending']],
    ['when it failed', [E.failed], ['failed']],
    ['when it failed after a good one', [E.confirmed, E.failedLater], ['failed']],
    ['when only a person says so', [E.asserted], ['asserted']],
    [
      'when a good one was at the other node',
      [E.failed, E.confirmed.replace('target="hadb01"', 'target="hadb02"')],
      ['failed'],
    ],
  ])('%s', (_, events, outcomes) => {
    expect(openFences(stateWith(...events)).map(({ outcome }) => outcome)).toEqual(outcomes);
  });

  it('no longer, when a good one followed', () => {
    expect(openFences(stateWith(E.failed, E.confirmed))).toEqual([]);
    expect(clusterProblems(stateWith(E.failed, E.confirmed), specificationOf())).toEqual([]);
  });

  it('and makes the cluster unhealthy', () => {
    expect(clusterProblems(stateWith(E.confirmed, E.pending), specificationOf())).toEqual([
      'fencing (off) of hadb01 by hadb02 is pending',
    ]);
  });
});

it('a cluster that should fence is not healthy without its device, or with fencing switched off', () => {
  expect(clusterProblems(stateWith(), specificationOf({ fencing: 'azure' }))).toEqual([
    'fencing is switched off',
    'st-azure runs on no node',
  ]);
});
