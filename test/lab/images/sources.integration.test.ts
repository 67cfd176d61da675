import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PUBLIC_ARCHIVE, renderSources } from '../../../lab/images/debian-archive';
import { REMOVE_SOURCES_OF_BUILD } from '../../../lab/images/image';
import { useTemporaryDirectory } from '../../temporary-directory';

describe("the builder's own sources", () => {
  let root: string;
  useTemporaryDirectory((made) => {
    root = made;
  });

  it('are gone from the image, whatever mmdebstrap called the file', () => {
    const directory = join(root, 'etc', 'apt', 'sources.list.d');
    mkdirSync(directory, { recursive: true });
    // As mmdebstrap 1.3 leaves it when it is given a file of sources.
    writeFileSync(join(directory, '0000sources.list'), renderSources(PUBLIC_ARCHIVE, 'bookworm'));

    execFileSync('sh', ['-c', REMOVE_SOURCES_OF_BUILD, 'hook', root]);

    expect(readdirSync(directory)).toEqual([]);
    expect(existsSync(join(root, 'etc', 'apt', 'sources.list'))).toBe(false);
  });
});
