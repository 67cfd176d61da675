import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IMAGE_KINDS } from '../../../lab/images/contents';
import { ensureImage, hashInputs, readOverlay } from '../../../lab/images/image';
import { imageName } from '../../../lab/images/image-cache';
import type { UmlKernel } from '../../../lab/images/uml-kernel';
import { useTemporaryDirectory } from '../../temporary-directory';

describe('the key of an image', () => {
  const kernel: UmlKernel = {
    executable: '/cache/uml-kernel/7.2/linux.uml',
    release: '7.2',
    modulesDirectory: '/cache/uml-kernel/7.2/modules',
    packageVersion: '7.2',
  };

  it('is the same for the same inputs, another one for each kind', () => {
    const keys = () => IMAGE_KINDS.map((kind) => hashInputs(kind, readOverlay(), kernel));

    expect(keys()).toEqual(keys());
    expect(new Set(keys()).size).toBe(IMAGE_KINDS.length);
  });

  it.each<[string, Parameters<typeof hashInputs>]>([
    ['the kernel', ['golden', readOverlay(), { ...kernel, packageVersion: '7.3' }]],
    ['that there is no user-mode Linux', ['golden', readOverlay(), undefined]],
    ['a file of ours', ['golden', [...readOverlay(), { path: 'etc/motd', mode: 0o644, content: 'new' }], kernel]],
    [
      'the mode of a file of ours',
      ['golden', readOverlay().map((file) => ('mode' in file ? { ...file, mode: 0o700 } : file)), kernel],
    ],
  ])('changes with %s', (_what, inputs) => {
    expect(hashInputs(...inputs)).not.toBe(hashInputs('golden', readOverlay(), kernel));
  });

  describe('in a cache', () => {
    let cacheDirectory: string;
    useTemporaryDirectory((made) => {
      cacheDirectory = made;
    });

    it('finds the image, and nothing is built', async () => {
      const directory = join(cacheDirectory, 'uml-kernel', '7.2');
      const broken = join(cacheDirectory, 'uml-kernel', '7.3');
      mkdirSync(broken, { recursive: true });
      writeFileSync(join(broken, 'kernel.json'), '{"format": 1, "exec');
      const cached = { ...kernel, executable: join(directory, 'linux.uml') };
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'kernel.json'), JSON.stringify({ format: 1, ...cached }));
      const hash = hashInputs('clean', readOverlay(), cached);
      const image = join(cacheDirectory, 'images', imageName('clean', hash));
      mkdirSync(image, { recursive: true });
      writeFileSync(join(image, 'image.json'), JSON.stringify({ kind: 'clean', hash, umlKernel: cached.executable }));
      const said: string[] = [];

      const found = await ensureImage('clean', { cacheDirectory, onProgress: (line) => said.push(line) });

      expect(found).toMatchObject({ kind: 'clean', hash, directory: image, kernel: { uml: cached.executable } });
      expect(said).toEqual([]);
      expect(readdirSync(join(cacheDirectory, 'images'))).toEqual([imageName('clean', hash)]);

      writeFileSync(join(image, 'image.json'), '{"kind": "cl');
      await expect(ensureImage('clean', { cacheDirectory, onProgress: () => undefined })).rejects.toMatchObject({
        code: 'Damaged',
        message: expect.stringContaining(`rm -r ${image}`),
      });
    });
  });
});
