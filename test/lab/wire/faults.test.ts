import type { LinkFault } from '../../../lab/model';
import { activate, effectOf, isExpired, unknownEnds } from '../../../lab/wire/faults';

const one = ['hadb01', 'id-1'];
const two = ['hadb02', 'id-2'];
const gateway = ['gateway'];

function fault(changes: Partial<LinkFault> = {}): LinkFault {
  return { id: 'f', from: 'hadb01', to: 'hadb02', bothDirections: false, loss: 1, delayMs: 0, ...changes };
}

it.each([
  ['the way it names', {}, one, two, true],
  ['not the way back', {}, two, one, false],
  ['both ways when it says so', { bothDirections: true }, two, one, true],
  ['nothing else of the machine', {}, one, gateway, false],
  ['everything from a machine', { to: '*' }, one, gateway, true],
  ['not what comes to it', { to: '*' }, gateway, one, false],
  ['everything to and from a machine', { to: '*', bothDirections: true }, gateway, one, true],
  ['not the link between others', { from: 'hadb03', to: '*', bothDirections: true }, one, two, false],
  ['a machine by its id', { from: 'ID-1' }, one, two, true],
  ['what comes from outside', { from: 'gateway', to: 'hadb01' }, gateway, one, true],
  ['the whole switch', { from: '*', to: '*' }, gateway, two, true],
])('a fault lies on %s', (_what, changes, from, to, expected) => {
  expect(effectOf([fault(changes)], from, to) !== undefined).toBe(expected);
});

test('losses of two faults are independent and delays add up', () => {
  const effect = effectOf([fault({ loss: 0.5, delayMs: 20 }), fault({ loss: 0.5, delayMs: 30 })], one, two);

  expect(effect).toEqual({ loss: 0.75, delayMs: 50 });
});

test('a fault with a time to live expires, one without does not', () => {
  const now = Date.parse('2030-01-01T00:00:00Z');
  const short = activate(fault({ ttlSeconds: 30 }), now);

  expect(short.expiresAt).toBe('2030-01-01T00:00:30.000Z');
  expect(isExpired(short, now + 29_999)).toBe(false);
  expect(isExpired(short, now + 30_000)).toBe(true);
  expect(isExpired(activate(fault(), now), now + 1e12)).toBe(false);
});

test('a fault that names nobody on the switch is told', () => {
  expect(unknownEnds(fault({ to: 'hadb03' }), [one, two])).toEqual(['hadb03']);
  expect(unknownEnds(fault({ to: '*' }), [one, two])).toEqual([]);
  expect(unknownEnds(fault({ from: 'gateway' }), [one, two])).toEqual([]);
  expect(unknownEnds(fault({ to: 'management' }), [one, two])).toEqual(['management']);
  expect(unknownEnds(fault({ to: 'management' }), [one, two, ['management']])).toEqual([]);
});
