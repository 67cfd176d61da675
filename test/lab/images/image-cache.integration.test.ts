import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runLabCommand } from '../../../lab/cli';
import type { ImageKind } from '../../../lab/images/contents';
import {
  findImageOfDisk,
  imageName,
  listCachedImages,
  recordImageUser,
  removeUnusedImages,
  useCachedImage,
} from '../../../lab/images/image-cache';
import { runProgram } from '../../../lab/images/host-programs';
import { useTemporaryDirectory } from '../../temporary-directory';

const DAY_MS = 86_400_000;

describe('the cache of images', () => {
  let cacheDirectory: string;
  let images: string;
  useTemporaryDirectory((made) => {
    cacheDirectory = made;
    images = join(cacheDirectory, 'images');
    mkdirSync(images);
  });

  /** One that was built so many days ago, and not used since. */
  const image = (kind: ImageKind, digit: string, days: number): string => {
    const hash = digit.repeat(32);
    const name = imageName(kind, hash);
    const directory = join(images, name);
    const then = new Date(Date.now() - days * DAY_MS);
    mkdirSync(directory);
    for (const file of ['root.img', 'vmlinuz', 'initrd.img', 'packages.txt'])
      writeFileSync(join(directory, file), file);
    writeFileSync(join(directory, 'image.json'), JSON.stringify({ kind, hash, suite: 'bookworm', packages: [] }));
    utimesSync(join(directory, 'image.json'), then, then);
    utimesSync(directory, then, then);
    return name;
  };
  const prune = async (unusedDays = 7) => {
    const removed = await removeUnusedImages({
      cacheDirectory,
      unusedMs: unusedDays * DAY_MS,
      onProgress: () => undefined,
    });
    return removed.map(({ name }) => name).sort();
  };
  const names = () => readdirSync(images).filter((name) => name !== 'lock' && name !== '.users');
  const lab = (kind: ImageKind, digit: string): string => {
    const directory = join(cacheDirectory, 'state', 'lab');
    mkdirSync(join(directory, 'disks'), { recursive: true });
    const settings = { engine: 'uml', images: [{ kind, hash: digit.repeat(32) }] };
    writeFileSync(join(directory, 'machine-settings.json'), JSON.stringify(settings));
    recordImageUser(cacheDirectory, directory);
    return directory;
  };

  it('loses what nobody has used for the time, and keeps the newest of each kind however old it is', async () => {
    const old = [image('golden', '1', 30), image('golden', '2', 9), image('clean', '3', 20)];
    const kept = [image('golden', '4', 3), image('golden', '5', 2), image('clean', '6', 15)];

    expect(await prune()).toEqual([...old].sort());
    expect(names().sort()).toEqual([...kept].sort());
    expect(await prune()).toEqual([]);
  });

  it('counts from the last use, not from the build', async () => {
    const old = image('golden', '1', 30);
    image('golden', '2', 0);

    expect(useCachedImage(join(images, old))).toMatchObject({ kind: 'golden', hash: '1'.repeat(32) });

    expect(await prune()).toEqual([]);
    // Somebody may have found it who has not written yet that a lab runs on it.
    expect(await prune(0)).toEqual([]);
  });

  it('keeps what a lab was started with, until that lab is gone', async () => {
    const used = image('golden', '1', 30);
    image('golden', '2', 1);
    const directory = lab('golden', '1');

    expect(await prune()).toEqual([]);
    expect(listCachedImages(cacheDirectory).find(({ name }) => name === used)?.keptFor).toBe(`lab ${directory}`);
    rmSync(directory, { recursive: true });
    expect(await prune()).toEqual([used]);
  });

  it('keeps what a root disk was made from, although its lab has gone on to a newer image', async () => {
    const used = image('golden', 'a', 30);
    image('golden', 'b', 1);
    const disk = join(lab('golden', 'b'), 'disks', 'x-os.img');
    await runProgram('mke2fs', ['-q', '-t', 'ext4', '-U', 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa', disk, '1M']);

    expect(await prune()).toEqual([]);
    expect(findImageOfDisk(disk, images)?.directory).toBe(join(images, used));
  });

  it('loses nothing while a lab cannot be read, and says which', async () => {
    const old = image('golden', '1', 30);
    image('golden', '2', 1);
    const directory = lab('golden', '2');
    writeFileSync(join(directory, 'machine-settings.json'), '{');

    await expect(prune()).rejects.toMatchObject({
      code: 'ImageUsersUnknown',
      message: expect.stringContaining(directory),
    });
    expect(names()).toContain(old);
  });

  it('touches nothing that is not exactly an image of ours', async () => {
    image('golden', 'f', 0);
    const strangers = {
      foreignFile: image('golden', '1', 30),
      otherHash: image('golden', '2', 30),
      noManifest: image('golden', '3', 30),
      ownName: 'golden-of-somebody',
      link: imageName('golden', '4'.repeat(32)),
    };
    const then = new Date(Date.now() - 30 * DAY_MS);
    writeFileSync(join(images, strangers.foreignFile, 'notes.txt'), 'mine');
    writeFileSync(
      join(images, strangers.otherHash, 'image.json'),
      JSON.stringify({ kind: 'golden', hash: '9'.repeat(32) }),
    );
    rmSync(join(images, strangers.noManifest, 'image.json'));
    mkdirSync(join(images, strangers.ownName));
    symlinkSync(strangers.foreignFile, join(images, strangers.link));
    for (const name of Object.values(strangers)) utimesSync(join(images, name), then, then);

    expect(await prune()).toEqual([]);
    expect(names()).toEqual(expect.arrayContaining(Object.values(strangers)));
  });

  it('ends what a killed remover began', async () => {
    mkdirSync(join(images, '.removed-golden-1111111111111111'));
    writeFileSync(join(images, '.removed-golden-1111111111111111', 'root.img'), 'half');

    await prune();

    expect(names()).toEqual([]);
  });

  it('waits for who builds', async () => {
    const old = image('golden', '1', 30);
    image('golden', '2', 1);
    const builder = spawn('flock', ['--exclusive', join(images, 'lock'), 'sh', '-c', 'echo locked; cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => builder.stdout.once('data', resolve));
    let waits = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (waits = resolve));

    const removal = removeUnusedImages({ cacheDirectory, unusedMs: DAY_MS, onProgress: () => waits() });
    await waiting;
    const during = existsSync(join(images, old));
    builder.stdin.end();
    const removed = await removal;

    expect(during).toBe(true);
    expect(removed.map(({ name }) => name)).toEqual([old]);
  });

  it('is shown and pruned by hadb lab images', async () => {
    const old = image('golden', '1', 30);
    const newest = image('golden', '2', 3);
    const run = async (...words: string[]) => {
      let out = '';
      const stdout = { write: (text: string) => (out += text) };
      const code = await runLabCommand(['images', ...words], {
        process: { stdout, stderr: stdout },
        settings: {
          temporalEnvironment: { HADB_STATE_DIR: join(cacheDirectory, 'state'), HADB_CACHE_DIR: cacheDirectory },
        },
      });
      return { code, out };
    };

    const listed = await run();
    const pruned = await run('--prune', '--unused-days', '20');
    const json = await run('--json');

    expect(listed.out).toMatch(new RegExp(`^${old} +0\\.00 GiB, used \\S+Z\n${newest} .*, the newest golden\n$`));
    expect(pruned.out).toMatch(new RegExp(`^removed ${old} .*\n${newest} `));
    expect(JSON.parse(json.out)).toMatchObject({
      images: [{ name: newest, keptFor: 'the newest golden' }],
      removed: [],
    });
    expect(await run('--unused-days', 'soon')).toMatchObject({ code: 64 });
  });
});
