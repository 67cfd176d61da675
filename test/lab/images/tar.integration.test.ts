import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { renderTar } from '../../../lab/images/tar';
import { useTemporaryDirectory } from '../../temporary-directory';

describe('renderTar, read by tar itself', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  it('comes out as files with content, mode and links', () => {
    const archive = join(directory, 'a.tar');
    const long = `${'directory/'.repeat(12)}file`;
    writeFileSync(
      archive,
      renderTar([
        { path: 'run', mode: 0o755, content: '#!/bin/sh\n' },
        { path: long, mode: 0o600, content: Buffer.from([0, 255, 10]) },
        { path: 'link', linkTarget: '/dev/null' },
      ]),
    );

    execFileSync('tar', ['-C', directory, '-xf', archive]);

    expect(readFileSync(join(directory, 'run'), 'utf8')).toBe('#!/bin/sh\n');
    expect(statSync(join(directory, 'run')).mode & 0o777).toBe(0o755);
    expect([...readFileSync(join(directory, long))]).toEqual([0, 255, 10]);
    expect(statSync(join(directory, long)).mode & 0o777).toBe(0o600);
    expect(readlinkSync(join(directory, 'link'))).toBe('/dev/null');
    expect(execFileSync('tar', ['-tvf', archive]).toString()).toMatch(/^-rwxr-xr-x root\/root/);
  });
});
