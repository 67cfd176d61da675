import { createHash } from 'node:crypto';
import { parseChecksums, type NodeFile } from '../../cluster/node/files';

/** Files that a step wants on a node exactly so; compared by checksum, since some hold a key. */
export interface WantedFiles {
  paths: string[];
  checksumOf(path: string): string;
  /** Those that are missing or have other content, judged by what `renderChecksums` printed on the node. */
  differing(checksums: string): string[];
}

export function wantedFiles(files: readonly NodeFile[]): WantedFiles {
  const wanted = new Map(files.map(({ path, content }) => [path, sha256(content)]));
  const paths = [...wanted.keys()];
  return {
    paths,
    checksumOf: (path) => wanted.get(path) ?? '',
    differing: (checksums) => {
      const found = parseChecksums(checksums);
      return paths.filter((path) => found.get(path) !== wanted.get(path));
    },
  };
}

/** In hexadecimal, as `sha256sum` prints it. */
export const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
