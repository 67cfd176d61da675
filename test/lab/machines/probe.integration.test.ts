import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Image } from '../../../lab/images/image';
import { probeEngine, probeEngines } from '../../../lab/machines/probe';
import { useTemporaryDirectory } from '../../temporary-directory';

describe('probing the engines', () => {
  let directory: string;
  let image: Image;
  let runs: string;
  useTemporaryDirectory((made) => {
    directory = made;
    runs = join(directory, 'runs');
    image = {
      kind: 'golden',
      hash: 'test',
      directory,
      rootImage: join(directory, 'root.img'),
      // No such PC kernel: KVM cannot run it wherever this test runs.
      kernel: { uml: join(directory, 'linux.uml'), qemu: { kernel: join(directory, 'vmlinuz'), initrd: '' } },
    };
  });

  const kernelThat = (does: string): void => {
    writeFileSync(join(directory, 'linux.uml'), `#!/bin/sh\necho ran >>${runs}\n${does}\n`, { mode: 0o755 });
  };
  const probe = (): ReturnType<typeof probeEngines> =>
    probeEngines(image, { cacheDirectory: directory, onProgress: () => undefined });

  it('takes the first engine that runs a program of the image, and remembers it', async () => {
    kernelThat('echo "Linux version 7"; echo "hadb-lab-userspace-runs console=tty0"');

    const first = await probe();
    const second = await probe();

    expect(first.engine).toBe('uml');
    expect(first.findings.map(({ engine, usable }) => [engine, usable])).toEqual([
      ['kvm', false],
      ['uml', true],
    ]);
    expect(second).toEqual(first);
    expect(readFileSync(runs, 'utf8')).toBe('ran\n');
  });

  it('does not take a kernel for usable that only repeats its command line', async () => {
    kernelThat('echo "Linux version 7"; echo "Kernel command line: $*"; echo "Kernel panic" >&2; exit 134');

    await expect(probeEngine('uml', image)).resolves.toMatchObject({
      usable: false,
      reason: 'no guest kernel ran: it ended with 134; Kernel panic',
    });
  });

  it('probes again for another image', async () => {
    kernelThat('echo hadb-lab-userspace-runs');
    await probe();

    image = { ...image, hash: 'other' };
    await probe();

    expect(readFileSync(runs, 'utf8')).toBe('ran\nran\n');
  });

  it('says why an engine is out of the question', async () => {
    const { uml: _, ...kernel } = image.kernel;

    await expect(probeEngine('uml', { ...image, kernel })).resolves.toEqual({
      engine: 'uml',
      usable: false,
      reason: 'the image has no user-mode Linux kernel',
    });
    await expect(probeEngine('kvm', image)).resolves.toMatchObject({ usable: false });
  });

  it('tries nothing when it is told', async () => {
    await expect(
      probeEngines(image, { cacheDirectory: directory, engine: 'tcg', onProgress: () => undefined }),
    ).resolves.toEqual({ engine: 'tcg', findings: [] });
  });
});
