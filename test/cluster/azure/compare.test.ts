import fc from 'fast-check';
import { findAdditions, findDeviations, mergeWanted } from '../../../cluster/azure/compare';

const ID = '/subscriptions/S/resourceGroups/hadb/providers/Microsoft.Network/loadBalancers/lb';

describe('findDeviations', () => {
  it.each<[string, unknown, unknown]>([
    ['the same', { a: 1, b: { c: 'x' } }, { a: 1, b: { c: 'x' } }],
    ['what Azure adds', { a: 1 }, { a: 1, etag: 'W/"1"', provisioningState: 'Succeeded' }],
    ['ids in another case', { subnet: { id: ID } }, { subnet: { id: ID.toUpperCase() } }],
    ['the long name of a location', { location: 'westeurope' }, { location: 'West Europe' }],
    ['children in another order', [{ name: 'a', port: 1 }, { name: 'b' }], [{ name: 'B' }, { name: 'a', port: 1 }]],
    ['references in another order', [{ id: '/x' }, { id: '/y' }], [{ id: '/Y' }, { id: '/x' }]],
    ['children that others added', [{ name: 'a' }], [{ name: 'a' }, { name: 'by-hand' }]],
    ['plain values in another order', { ranges: ['1.0.0.0/8', '2.0.0.0/8'] }, { ranges: ['2.0.0.0/8', '1.0.0.0/8'] }],
    ['nothing wanted', { a: undefined }, {}],
  ])('finds none in %s', (_case, wanted, current) => {
    expect(findDeviations(wanted, current)).toEqual([]);
  });

  it.each<[string, unknown, unknown, string[]]>([
    ['another value', { port: 22 }, { port: 23 }, ['port is 23, not 22']],
    ['a missing value', { port: 22 }, {}, ['port is not set, not 22']],
    ['a missing part', { sku: { name: 'x' } }, {}, ['sku is missing']],
    ['a missing child', { rules: [{ name: 'ssh' }] }, { rules: [] }, ['rules lacks ssh']],
    ['a missing reference', { nics: [{ id: ID }] }, {}, ['nics lacks lb']],
    [
      'a child that differs',
      { rules: [{ name: 'ssh', port: 22 }] },
      { rules: [{ name: 'ssh', port: 23 }] },
      ['rules.ssh.port is 23, not 22'],
    ],
    ['names in another case where case counts', { user: 'a' }, { user: 'A' }, ['user is "A", not "a"']],
    [
      'one range more: it may open a port to the world',
      { ranges: ['10.0.0.0/8'] },
      { ranges: ['10.0.0.0/8', '0.0.0.0/0'] },
      ['ranges also has "0.0.0.0/0"'],
    ],
    ['no resource at all', { a: 1 }, undefined, ['the resource is missing']],
  ])('tells %s', (_case, wanted, current, expected) => {
    expect(findDeviations(wanted, current)).toEqual(expected);
  });
});

describe('mergeWanted', () => {
  it('keeps the children of others, replaces its own, and adds what is missing', () => {
    const current = {
      sku: { name: 'Standard', tier: 'Regional' },
      rules: [
        { name: 'lb-mysql', port: 3306 },
        { name: 'SSH', port: 23, id: '/ssh' },
      ],
      ranges: ['0.0.0.0/0'],
    };
    const wanted = {
      sku: { name: 'Standard' },
      rules: [{ name: 'ssh', port: 22 }, { name: 'new' }],
      ranges: ['10.0.0.0/8'],
    };

    expect(mergeWanted(current, wanted)).toEqual({
      sku: { name: 'Standard', tier: 'Regional' },
      rules: [{ name: 'lb-mysql', port: 3306 }, { name: 'ssh', port: 22, id: '/ssh' }, { name: 'new' }],
      ranges: ['10.0.0.0/8'],
    });
  });

  it('of nothing is what is wanted', () => {
    expect(mergeWanted(undefined, { a: [1] })).toEqual({ a: [1] });
  });

  const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.integer(), fc.string(), fc.boolean()),
    named: fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), value: tie('leaf') }), {
      selector: ({ name }) => name,
    }),
    object: fc.dictionary(
      fc.constantFrom('x', 'y', 'z'),
      fc.oneof({ maxDepth: 2 }, tie('leaf'), tie('named'), tie('object')),
    ),
  })).object;

  it('whatever is there: once merged, nothing deviates, and merging again changes nothing', () => {
    fc.assert(
      fc.property(value, value, (current, wanted) => {
        const merged = mergeWanted(current, wanted);

        expect(findDeviations(wanted, merged)).toEqual([]);
        expect(mergeWanted(merged, wanted)).toEqual(merged);
      }),
    );
  });
});

describe('findAdditions', () => {
  it('names what is there beyond what is wanted', () => {
    expect(findAdditions([{ name: 'a' }], [{ name: 'A' }, { name: 'b' }, { id: '/c' }])).toEqual(['b', '/c']);
  });
});
