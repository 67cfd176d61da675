import { diagnose } from '../../../cluster/recovery/diagnosis';
import {
  TELL_AGAIN_MS,
  alertMessage,
  isAlert,
  judgeLook,
  whatToTell,
  type WatchFinding,
  type WatchNote,
} from '../../../cluster/recovery/watch';
import { specificationOf } from '../specimens';
import { AT, findingsOf, survivorOf, type FindingChanges } from './specimen-findings';

const look = (seen: { hadb01?: FindingChanges; hadb02?: FindingChanges } = {}) =>
  judgeLook(diagnose(findingsOf(seen), specificationOf()), 'orders');

describe('a look of the watch', () => {
  it('finds a pair whole', () => {
    expect(look()).toEqual({ state: 'whole', findings: [] });
  });

  it('names what a recovery would put right, and how', () => {
    expect(look({ hadb01: survivorOf(), hadb02: { power: 'stopped' } })).toMatchObject({
      state: 'wrong',
      findings: [
        {
          finding: 'node-down',
          sentence: expect.stringContaining('the machine of hadb02 is stopped') as string,
          whatNow: expect.stringContaining('hadb recover --cluster orders') as string,
        },
      ],
    });
  });

  it('names what needs a person, with the evidence', () => {
    expect(look({ hadb01: { power: 'stopped' }, hadb02: { power: 'stopped' } })).toMatchObject({
      state: 'wrong',
      findings: [{ finding: 'both-down', sentence: expect.stringContaining('hadb01 is stopped') as string }],
    });
  });

  it('tells what passes by itself apart', () => {
    expect(look({ hadb01: survivorOf(), hadb02: { power: 'starting' } })).toMatchObject({
      state: 'under-way',
      findings: [{ finding: 'not-settled' }],
    });
  });
});

const finding = (name: string): WatchFinding => ({ finding: name, sentence: `${name} is there`, whatNow: 'look' });
const note = (state: WatchNote['state'], findings: string[] = [], told?: string[], toldAgoMs = 60_000): WatchNote => ({
  state,
  findings: findings.map(finding),
  ...(told === undefined ? {} : { told: { at: new Date(AT - toldAgoMs).toISOString(), findings: told } }),
});

describe('somebody is told', () => {
  it.each<[string, WatchNote, WatchNote | undefined, string]>([
    ['of nothing while all is well', note('whole'), note('whole'), 'nothing'],
    ['of what is wrong at first sight', note('wrong', ['node-down']), undefined, 'alert'],
    ['not of what is under way for the first time', note('under-way', ['not-settled']), note('whole'), 'nothing'],
    ['not of what is under way at the very first look', note('under-way', ['not-settled']), undefined, 'nothing'],
    ['of what is still under way at the next look', note('under-way', ['not-settled']), note('under-way'), 'alert'],
    ['not of one look that failed', note('unseen', ['cannot-look']), note('whole'), 'nothing'],
    ['of two looks that failed', note('unseen', ['cannot-look']), note('unseen'), 'alert'],
    ['once of the same', note('wrong', ['node-down']), note('wrong', [], ['node-down']), 'nothing'],
    ['of something else', note('wrong', ['both-down']), note('wrong', [], ['node-down']), 'alert'],
    ['of the same after an hour', note('wrong', ['a']), note('wrong', [], ['a'], TELL_AGAIN_MS), 'alert'],
    ['again when nobody could be told', note('wrong', ['a']), note('wrong', ['a']), 'alert'],
    ['that it is over', note('whole'), note('wrong', [], ['node-down']), 'over'],
    ['not that it is over while it is under way', note('under-way', ['a']), note('wrong', [], ['a']), 'nothing'],
  ])('%s', (_what, now, before, expected) => {
    expect(whatToTell(now, before, AT)).toBe(expected);
  });
});

it('what is under way is an alert only when it was no better before', () => {
  expect(isAlert(note('under-way'), note('whole'))).toBe(false);
  expect(isAlert(note('under-way'), note('wrong'))).toBe(true);
  expect(isAlert(note('wrong'), undefined)).toBe(true);
});

it('a message has a code, a text for people and the findings for programs', () => {
  const of = {
    cluster: 'orders',
    at: new Date(AT).toISOString(),
    observed: 'hadb01: stopped',
    workflowId: 'watch/orders',
  };

  expect(alertMessage({ ...of, state: 'alert', findings: [finding('both-down')] })).toMatchObject({
    version: 1,
    code: 'HADB_W8001',
    state: 'alert',
    text: 'hadb: the pair orders is not whole: both-down is there',
    findings: [{ finding: 'both-down' }],
  });
  expect(alertMessage({ ...of, state: 'over', findings: [] })).toMatchObject({
    code: 'HADB_I8002',
    text: 'hadb: the pair orders is whole again',
  });
});
