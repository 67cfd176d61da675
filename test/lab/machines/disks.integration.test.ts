import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Image } from '../../../lab/images/image';
import { createOsDisk, createSparseDisk } from '../../../lab/machines/disks';
import { useTemporaryDirectory } from '../../temporary-directory';

describe('disks of a machine', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  it('are as large as asked for and take next to no room', () => {
    const file = join(directory, 'lun0.img');

    createSparseDisk(file, 5 * 2 ** 30);

    expect(statSync(file).size).toBe(5 * 2 ** 30);
    expect(statSync(file).blocks).toBeLessThan(16);
  });

  it('keep what is on them when they are asked for again', () => {
    const file = join(directory, 'lun0.img');
    createSparseDisk(file, 4096);
    writeFileSync(file, Buffer.alloc(4096, 'data'));

    createSparseDisk(file, 4096);

    expect(readFileSync(file, 'utf8')).toMatch(/^data/);
  });

  it.each([0, -512, 100, 512.5])('cannot have %d bytes', (bytes) => {
    expect(() => createSparseDisk(join(directory, 'x.img'), bytes)).toThrow(/impossible/);
  });

  it('start as a copy of the image, holes included, that only its owner reads', async () => {
    const rootImage = join(directory, 'root.img');
    writeFileSync(rootImage, 'root');
    truncateSync(rootImage, 2 ** 30);
    const image: Image = {
      kind: 'golden',
      hash: '',
      directory,
      rootImage,
      kernel: { qemu: { kernel: '', initrd: '' } },
    };

    await createOsDisk(image, join(directory, 'os.img'));

    const copy = statSync(join(directory, 'os.img'));
    expect(copy.size).toBe(2 ** 30);
    expect(copy.blocks).toBeLessThan(64);
    expect(copy.mode & 0o777).toBe(0o600);
  });
});
