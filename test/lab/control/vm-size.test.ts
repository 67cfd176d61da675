import { findLabImage } from '../../../lab/control/resources/vm-image';
import { assertCoreQuota, guestMemoryMiB, parseVmSize } from '../../../lab/control/resources/vm-size';

describe('machine sizes', () => {
  it.each([
    ['Standard_B1s', 1, 512],
    ['Standard_D2s_v5', 2, 768],
    ['standard_d2s_v5', 2, 768],
    ['Standard_D4ds_v5', 4, 1280],
    ['Standard_F2s_v2', 2, 768],
    ['Standard_E4-2s_v5', 4, 1280],
    ['Standard_B2s', 2, 768],
  ])('%s has %i cores and gives a guest %i MiB', (name, cores, memory) => {
    const size = parseVmSize(name);

    expect([size.cores, guestMemoryMiB(size)]).toEqual([cores, memory]);
  });

  it.each(['Standard_D0s_v5', 'Standard_Dx_v5', 'A2', ''])('%s is none', (name) => {
    expect(() => parseVmSize(name)).toThrow(expect.objectContaining({ code: 'InvalidParameter' }));
  });

  it('count against the quota of the region', () => {
    const use = (used: number) => assertCoreQuota({ limit: 10, used, required: 4, location: 'westeurope' });

    expect(() => use(6)).not.toThrow();
    expect(() => use(8)).toThrow(
      /Current Limit: 10, Current Usage: 8, Additional Required: 4, \(Minimum\) New Limit Required: 12/,
    );
  });
});

describe('images', () => {
  it.each([
    [['golden'], { publisher: 'Debian', offer: 'debian-12', sku: '12-gen2' }, 'golden'],
    [['clean', 'golden'], { publisher: 'debian', offer: 'debian-12', sku: '12' }, 'clean'],
    [['debian-sid', 'golden'], { publisher: 'Debian', offer: 'debian-12', sku: '12' }, 'golden'],
    [['golden', 'clean'], { publisher: 'hadb', offer: 'lab', sku: 'clean' }, 'clean'],
    [['debian-sid'], { publisher: 'Debian', offer: 'debian-sid-daily', sku: 'sid' }, 'debian-sid'],
  ] as const)('of a lab with %j: %j is %s', (available, reference, expected) => {
    expect(findLabImage(reference, available).image).toBe(expected);
  });

  it.each([
    [['golden'], { publisher: 'hadb', offer: 'lab', sku: 'clean' }],
    [['debian-sid'], { publisher: 'Debian', offer: 'debian-12', sku: '12' }],
    [['golden'], { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server' }],
  ] as const)('of a lab with %j: %j is not available', (available, reference) => {
    expect(() => findLabImage(reference, available)).toThrow(
      expect.objectContaining({ code: 'PlatformImageNotFound' }),
    );
  });
});
