import { renderResourceFile } from '../../../cluster/drbd/resource-file';
import { timingOf } from '../../../cluster/timing';
import { realTools } from '../real-tools';
import { DEBIAN_12, specificationOf } from '../specimens';

const FILE = '/etc/drbd.d/r0.res';

function render(
  form: 'manual' | 'cluster',
  drbdKernelVersion: string,
  changes: Parameters<typeof specificationOf>[0] = {},
): string {
  const specification = specificationOf(changes);
  return renderResourceFile({
    specification,
    form,
    secret: 'k3JtZ9vXw2LqRb7NcY5TfA',
    timing: timingOf(specification),
    platform: { ...DEBIAN_12, drbdKernelVersion },
  });
}

describe.each(['bookworm', 'sid'] as const)('the drbdadm of Debian %s', (suite) => {
  const tools = realTools(suite);

  it.each(['manual', 'cluster'] as const)('accepts the %s form for DRBD 8.4', (form) => {
    const result = tools.run(
      `/lib/drbd/drbdadm-84 -c ${FILE} dump r0 && /lib/drbd/drbdadm-84 -c ${FILE} -d adjust r0`,
      {
        files: { [FILE]: render(form, '8.4.11') },
      },
    );

    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain('attach 1 /dev/disk/azure/scsi1/lun0-part1');
    expect(/--fencing=resource-only/.test(result.stdout)).toBe(form === 'cluster');
  });

  it.each(['manual', 'cluster'] as const)('accepts the %s form for DRBD 9', (form) => {
    const result = tools.run(`drbdadm -c ${FILE} dump r0 && drbdadm -c ${FILE} -d adjust r0`, {
      files: { [FILE]: render(form, '9.2.14') },
    });

    expect(result).toMatchObject({ code: 0 });
    expect(/fencing +resource-only/.test(result.stdout)).toBe(form === 'cluster');
  });

  it.each([
    ['8.4.11', '/lib/drbd/drbdadm-84'],
    ['9.2.14', 'drbdadm'],
  ])('accepts the policy of a pair with fencing for DRBD %s', (version, drbdadm) => {
    const result = tools.run(`${drbdadm} -c ${FILE} dump r0 && ${drbdadm} -c ${FILE} -d adjust r0`, {
      files: { [FILE]: render('cluster', version, { fencing: 'azure' }) },
    });

    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toMatch(/fencing[= ]+resource-and-stonith/);
  });

  it('is at odds with the file of the other major version', () => {
    const result = tools.run(`/lib/drbd/drbdadm-84 -c ${FILE} dump r0`, {
      files: { [FILE]: render('cluster', '9.2.14') },
    });

    expect(result.code).not.toBe(0);
  });

  it('knows the handlers that the file names', () => {
    const handlers = [
      ...(render('cluster', '8.4.11') + render('cluster', '9.2.14')).matchAll(/"(\/usr\/lib\/drbd\/[^ "]+)/g),
    ];

    const result = tools.run(handlers.map(([, path]) => `test -x ${path}`).join(' && '));

    expect(handlers).toHaveLength(4);
    expect(result).toMatchObject({ code: 0 });
  });
});
