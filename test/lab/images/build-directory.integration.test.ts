import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  MountedBuildError,
  mountsBelow,
  parseMountPoints,
  removeBuildDirectory,
} from '../../../lab/images/build-directory';

describe('removeBuildDirectory', () => {
  let directory: string;
  let build: string;
  let precious: string;
  beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'hadb-build-directory-')));
    build = join(directory, '.build');
    precious = join(directory, 'host');
    mkdirSync(join(build, 'root', 'shm'), { recursive: true });
    mkdirSync(precious);
    writeFileSync(join(precious, 'file'), 'of the host');
  });
  afterEach(() => {
    spawnSync('umount', ['--quiet', join(build, 'root', 'shm')]);
    // Only where nothing is mounted any more: this very test is about not deleting through a mount.
    if (mountsBelow(directory, parseMountPoints(readFileSync('/proc/self/mountinfo', 'utf8'))).length === 0) {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  const mount = (): boolean => {
    if (spawnSync('mount', ['--bind', precious, join(build, 'root', 'shm')]).status === 0) return true;
    process.stdout.write(
      'mounting is not allowed here (not root, or a container): nothing can be left mounted either\n',
    );
    return false;
  };

  it('removes a directory without mounts, and is content when there is none', async () => {
    await removeBuildDirectory(build);
    await removeBuildDirectory(build);

    expect(existsSync(build)).toBe(false);
  });

  it('leaves what a killed builder had mounted from the host untouched', async () => {
    mount();

    await removeBuildDirectory(build);

    expect(existsSync(build)).toBe(false);
    expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('of the host');
  });

  it('finds such a mount through a symbolic link, too', async () => {
    mount();
    symlinkSync(build, join(directory, 'link'));

    await removeBuildDirectory(join(directory, 'link'));

    expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('of the host');
  });

  it('deletes nothing at all while a mount cannot be taken off', async () => {
    writeFileSync(join(build, 'other'), '');
    const mounted = mount();
    const user = spawn('cat', { cwd: join(build, 'root', 'shm'), stdio: ['pipe', 'ignore', 'ignore'] });
    await new Promise((resolve) => user.once('spawn', resolve));

    try {
      const refusal = await removeBuildDirectory(build).catch((error: unknown) => error);

      expect(refusal instanceof MountedBuildError).toBe(mounted);
      expect(existsSync(join(build, 'other'))).toBe(mounted);
      expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('of the host');
    } finally {
      user.stdin.end();
      await new Promise((resolve) => user.once('exit', resolve));
    }
  });
});

describe('mount points', () => {
  it('are read with their blanks', () => {
    expect(parseMountPoints('36 35 98:0 / /a\\040b rw - ext4 /dev/sda rw\n')).toEqual(['/a b']);
  });

  it('below a directory are not those beside it', () => {
    expect(mountsBelow('/a/b', ['/', '/a', '/a/b', '/a/b/c', '/a/bc'])).toEqual(['/a/b', '/a/b/c']);
  });
});
