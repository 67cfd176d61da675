import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { withFileLock } from '../../processes/file-lock';
import { useTemporaryDirectory } from '../temporary-directory';

describe('withFileLock', () => {
  let directory: string;
  let file: string;
  useTemporaryDirectory((made) => {
    directory = made;
    file = join(directory, 'lock');
  });

  it('lets one work at a time, and the next when the first has failed', async () => {
    const order: string[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} ends`);
      if (name === 'first') throw new Error('no luck');
    };

    const first = withFileLock(file, () => undefined, work('first'));
    await expect(first).rejects.toThrow('no luck');
    await Promise.all([
      withFileLock(file, () => undefined, work('second')),
      withFileLock(file, () => undefined, work('third')),
    ]);

    expect(order.filter((_, index) => index % 2 === 0).map((entry) => entry.split(' ')[0])).toEqual(
      order.filter((_, index) => index % 2 === 1).map((entry) => entry.split(' ')[0]),
    );
    expect(order).toHaveLength(6);
  });

  it('is free again when its holder is killed, and says that it waits', async () => {
    const holder = spawn('flock', [file, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));

    const waited = await withFileLock(
      file,
      () => holder.stdin.destroy(),
      () => Promise.resolve('mine'),
    );

    expect(waited).toBe('mine');
  });
});
