import fc from 'fast-check';
import { formatSample, judgeRoles, parseSamples, type RoleSample } from '../../../cluster/verdict/role-samples';

/** What two nodes were heard to say, sample by sample, and whether that proves two primaries, excludes them, or neither. */

const NODES = ['hadb01', 'hadb02'] as const;
const SECOND = 1000;

interface Said {
  primary?: boolean;
  server?: number;
  boot?: string;
  silent?: boolean;
  power?: string;
  excludesPeer?: boolean;
}

/** One node's words, a second apart; the second node is asked half a second later. */
const saidBy = (node: (typeof NODES)[number], words: readonly Said[]): RoleSample[] =>
  words.map((said, index) => {
    const from = index * SECOND + (node === 'hadb01' ? 0 : SECOND / 2);
    const asked = { node, from, to: from + 50 };
    if (said.silent === true) {
      return { kind: 'silent', ...asked, why: 'timeout', ...(said.power === undefined ? {} : { power: said.power }) };
    }
    return {
      kind: 'heard',
      ...asked,
      bootId: said.boot ?? `boot-${node}`,
      role: said.primary === true ? 'Primary' : 'Secondary',
      ...(said.server === undefined ? {} : { serverPid: said.server }),
      ...(said.excludesPeer === true && { excludesPeer: true as const }),
    };
  });
const times = (count: number, said: Said): Said[] => Array.from({ length: count }, () => said);
const judge = (first: readonly Said[], second: readonly Said[]) =>
  judgeRoles([...saidBy('hadb01', first), ...saidBy('hadb02', second)], {
    nodes: [...NODES],
    from: 0,
    to: Math.max(first.length, second.length) * SECOND,
  });

describe('what the nodes were heard to say', () => {
  it('holds where the role moved', () => {
    const [primaries, servers] = judge(
      [...times(10, { primary: true, server: 7 }), ...times(10, {})],
      [...times(10, {}), ...times(10, { primary: true, server: 8 })],
    );

    expect(primaries).toMatchObject({ passed: true, detail: '40 samples of hadb01 and hadb02' });
    expect(servers).toMatchObject({ passed: true });
  });

  it('holds where one node stops and the other one has started within the same second', () => {
    const [primaries] = judge(
      [...times(5, { primary: true }), ...times(5, {})],
      [...times(4, {}), ...times(6, { primary: true })],
    );

    expect(primaries).toMatchObject({ passed: true });
  });

  it('fails for two primaries of two seconds, and says when', () => {
    const [primaries, servers] = judge(times(10, { primary: true }), [
      ...times(4, {}),
      ...times(2, { primary: true }),
      ...times(4, {}),
    ]);

    expect(primaries).toMatchObject({ passed: false, detail: 'both nodes at 1970-01-01T00:00:04.500Z, seen 3 times' });
    expect(primaries).not.toHaveProperty('unknown');
    expect(servers).toMatchObject({ passed: true });
  });

  it('fails for two servers beside one primary', () => {
    const [primaries, servers] = judge(times(10, { primary: true, server: 7 }), times(10, { server: 8 }));

    expect(primaries).toMatchObject({ passed: true });
    expect(servers).toMatchObject({ passed: false });
  });

  it('does not take a primary before and after a reboot for one that was there all the time', () => {
    const [primaries] = judge(
      [
        { primary: true },
        { silent: true, power: 'stopped' },
        { primary: true, boot: 'new' },
        ...times(5, { primary: true, boot: 'new' }),
      ],
      [{}, { primary: true }, ...times(6, {})],
    );

    expect(primaries).toMatchObject({ passed: true });
  });

  it.each([
    ['not known, while Azure has not said that it is off', { silent: true }, { passed: false, unknown: true }],
    ['not known, while Azure says that it runs', { silent: true, power: 'running' }, { passed: false, unknown: true }],
    ['known, where it is seen to be off', { silent: true, power: 'stopped' }, { passed: true }],
  ])('of a node out of hearing beside a primary it is %s', (_, silence: Said, expected) => {
    const [primaries, servers] = judge(
      [...times(5, { primary: true }), ...times(15, silence)],
      [...times(8, {}), ...times(12, { primary: true })],
    );

    expect(primaries).toMatchObject(expected);
    expect(servers).toMatchObject(expected);
    expect(primaries?.detail.includes('hadb01 could not be asked for 11.1 s while hadb02 was primary')).toBe(
      'unknown' in expected,
    );
  });

  it('holds where DRBD on the primary knows that the node out of hearing cannot be it', () => {
    const [primaries, servers] = judge(
      [...times(5, { primary: true }), ...times(15, { silent: true, power: 'running' })],
      [...times(8, {}), ...times(12, { primary: true, excludesPeer: true })],
    );

    expect([primaries, servers]).toMatchObject([{ passed: true }, { passed: true }]);
  });

  it('holds where a node is out of hearing and nobody is primary', () => {
    const [primaries] = judge([...times(5, { primary: true }), ...times(15, { silent: true })], times(20, {}));

    expect(primaries).toMatchObject({ passed: true });
  });

  it('holds where two samples were missed', () => {
    const [primaries] = judge(times(20, { primary: true }), [
      ...times(5, {}),
      ...times(2, { silent: true }),
      ...times(13, {}),
    ]);

    expect(primaries).toMatchObject({ passed: true });
  });

  it('says nothing where nobody was asked', () => {
    expect(judge([], [])).toMatchObject([
      { passed: false, unknown: true },
      { passed: false, unknown: true },
    ]);
  });

  it('finds any two primaries that last for two seconds, and none where there are none', () => {
    const span = fc.record({ from: fc.integer({ min: 0, max: 30_000 }), length: fc.integer({ min: 0, max: 12_000 }) });
    const property = fc.property(span, span, (one, other) => {
      const holds = (at: number, { from, length }: typeof one) => at >= from && at < from + length;
      const spans = [one, other] as const;
      const samples = NODES.flatMap((node, index) =>
        Array.from({ length: 40 }, (_, tick): RoleSample => {
          const from = tick * SECOND + index * (SECOND / 2);
          const role = holds(from + 25, spans[index] ?? one) ? 'Primary' : 'Secondary';
          return { kind: 'heard', node, from, to: from + 50, bootId: node, role };
        }),
      );
      const together = Math.min(one.from + one.length, other.from + other.length) - Math.max(one.from, other.from);

      const [primaries] = judgeRoles(samples, { nodes: [...NODES], from: 0, to: 40_000 });

      // In between it depends on when they were asked.
      if (together > 0 && together < 2 * SECOND + 100) return true;
      return primaries?.passed === together <= 0;
    });

    expect(fc.check(property, { numRuns: 500 })).toMatchObject({ failed: false });
  });
});

it('samples are read as they were written, and a torn last line is left out', () => {
  const samples = saidBy('hadb01', [
    { primary: true, server: 7 },
    { silent: true, power: 'stopped' },
  ]);

  expect(parseSamples(`${samples.map(formatSample).join('')}{"kind":"hea`)).toEqual(samples);
});
