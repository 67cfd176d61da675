import { renderResourceFile, withoutSecret } from '../../../cluster/drbd/resource-file';
import { timingOf } from '../../../cluster/timing';
import { DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';

const SECRET = 'k3JtZ9vXw2LqRb7NcY5TfA';

const render = (changes: Partial<Parameters<typeof renderResourceFile>[0]> = {}) => {
  const specification = specificationOf();
  return renderResourceFile({
    specification,
    form: 'manual',
    secret: SECRET,
    timing: timingOf(specification),
    platform: DEBIAN_12,
    ...changes,
  });
};

const sectionOf = (text: string, name: string) => new RegExp(`\\n  ${name} \\{([^}]*)\\}`).exec(text)?.[1];

describe('renderResourceFile', () => {
  it('names both nodes, the partition of the data disk and the port', () => {
    const text = render();

    expect(sectionOf(text, 'on hadb01')).toContain('address 10.10.10.4:7789;');
    expect(sectionOf(text, 'on hadb02')).toContain('address 10.10.10.5:7789;');
    expect(text.match(/disk \/dev\/disk\/azure\/scsi1\/lun0-part1;/g)).toHaveLength(2);
    expect(text.match(/device \/dev\/drbd1 minor 1;/g)).toHaveLength(2);
  });

  it('has no fencing policy and no handlers before Pacemaker runs, or a lost link would freeze the primary', () => {
    expect(render({ form: 'manual' })).not.toMatch(/fencing|handlers|fence-peer/);
  });

  it('gives the fence-peer handler more time than a lost peer needs to be declared dead', () => {
    const specification = specificationOf({ corosync: { tokenMs: 30_000 } });

    const text = render({ form: 'cluster', specification, timing: timingOf(specification) });

    const [, timeout, dcTimeout] = /--timeout (\d+) --dc-timeout (\d+)/.exec(text) ?? [];
    expect(Number(timeout)).toBeGreaterThan(30 + 36);
    expect(Number(dcTimeout)).toBeGreaterThan(Number(timeout));
  });

  it.each([
    ['8.4.11', 'disk', 'net', '/usr/lib/drbd/crm-fence-peer.sh'],
    ['9.2.14', 'net', 'disk', '/usr/lib/drbd/crm-fence-peer.9.sh'],
  ])('puts the fencing policy of DRBD %s into the section "%s"', (drbdKernelVersion, right, wrong, handler) => {
    const text = render({ form: 'cluster', platform: { ...DEBIAN_12, drbdKernelVersion } });

    expect(sectionOf(text, right)).toContain('fencing resource-only;');
    expect(sectionOf(text, wrong)).not.toContain('fencing');
    expect(sectionOf(text, 'handlers')).toContain(handler);
  });

  describe('with fencing through Azure', () => {
    const specification = specificationOf({ fencing: 'azure' });
    const fenced = (platform = DEBIAN_12) =>
      render({ form: 'cluster', specification, timing: timingOf(specification), platform });

    it('holds writing up while nobody knows whether the peer lives', () => {
      expect(sectionOf(fenced(), 'disk')).toContain('fencing resource-and-stonith;');
      expect(sectionOf(fenced({ ...DEBIAN_12, drbdKernelVersion: '9.2.14' }), 'net')).toContain(
        'fencing resource-and-stonith;',
      );
    });

    it('lets the handler outlast head start and power-off', () => {
      expect(Number(/--timeout (\d+)/.exec(fenced())?.[1])).toBeGreaterThan(66 + 30 + 120);
    });

    it.each([
      ['DRBD’s own handler where it understands Pacemaker', DEBIAN_12, '/usr/lib/drbd/crm-fence-peer.sh'],
      ['ours where it does not', DEBIAN_SID, '/usr/lib/hadb/crm-fence-peer.sh'],
      ['DRBD 9’s own', { ...DEBIAN_SID, drbdKernelVersion: '9.2.14' }, '/usr/lib/drbd/crm-fence-peer.9.sh'],
    ])('names %s', (_, platform, path) => {
      expect(sectionOf(fenced(platform), 'handlers')).toContain(`fence-peer "${path} --timeout`);
      expect(sectionOf(fenced(platform), 'handlers')).toMatch(/unfence-peer "\/usr\/lib\/drbd\/crm-unfence-peer/);
    });

    it('is as it was before Pacemaker runs', () => {
      expect(render({ specification, timing: timingOf(specification) })).toBe(render());
    });
  });

  it('names DRBD’s own handler on every platform without fencing', () => {
    expect(render({ form: 'cluster', platform: DEBIAN_SID })).toContain('"/usr/lib/drbd/crm-fence-peer.sh --timeout');
  });

  it('keeps DRBD 9 from promoting by itself', () => {
    expect(render({ platform: { ...DEBIAN_12, drbdKernelVersion: '9.2.14' } })).toContain('auto-promote no;');
  });

  it('never recovers from a split brain by itself', () => {
    expect(render().match(/after-sb-[012]pri \w[\w-]*/g)).toEqual([
      'after-sb-0pri disconnect',
      'after-sb-1pri disconnect',
      'after-sb-2pri disconnect',
    ]);
  });

  it.each(['short', 'x'.repeat(65), 'has "quotes" and; braces }'])('refuses the secret %j', (secret) => {
    expect(() => render({ secret })).toThrow('DRBD secret');
  });

  it('needs to know the version of the kernel module', () => {
    const { drbdKernelVersion: _, ...platform } = DEBIAN_12;

    expect(() => render({ platform })).toThrow('hadb01 has no DRBD kernel module');
  });

  it('can be shown without its secret', () => {
    expect(withoutSecret(render())).not.toContain(SECRET);
  });
});
