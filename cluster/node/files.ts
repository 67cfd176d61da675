import { quote } from '../shell';

/** Several files in one remote command; contents come one after the other by standard input, never in the script. */

export interface NodeFile {
  path: string;
  content: string | Buffer;
  /** Octal, such as 0o600. */
  mode: number;
  /** `user:group`; root's unless said otherwise. */
  owner?: string;
}

/** Prints `sha256  path` of each file that exists; changes nothing. */
export const renderChecksums = (paths: readonly string[]): string =>
  `for file in ${paths.map(quote).join(' ')}; do if [ -e "$file" ]; then sha256sum "$file"; fi; done\n`;

/** Path to checksum. */
export function parseChecksums(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const [, sum, path] = /^\\?([0-9a-f]{64}) [ *](.*)$/.exec(line) ?? [];
      return sum === undefined || path === undefined ? [] : [[path, sum]];
    }),
  );
}

/** Replaces each file as a whole, all of them checked to be complete before the first is moved into place. */
export function renderWriteFiles(files: readonly NodeFile[]): string {
  const temporary = (path: string): string => quote(path.replace(/([^/]*)$/, '.$1.hadb-new'));
  const receive = files.map(({ path, content, mode, owner }) => {
    const directory = quote(path.slice(0, path.lastIndexOf('/')) || '/');
    return `[ -d ${directory} ] || mkdir -p ${directory}
(umask 077; head -c ${Buffer.byteLength(content)} >${temporary(path)})
[ "$(stat -c %s ${temporary(path)})" = ${Buffer.byteLength(content)} ] || { echo ${quote(`${path} arrived incomplete`)} >&2; exit 1; }
${owner === undefined ? '' : `chown ${quote(owner)} ${temporary(path)}\n`}chmod ${mode.toString(8).padStart(4, '0')} ${temporary(path)}
`;
  });
  const all = files.map(({ path }) => temporary(path)).join(' ');
  const moves = files.map(({ path }) => `mv -f ${temporary(path)} ${quote(path)}\n`);
  return `${receive.join('')}sync ${all}\n${moves.join('')}`;
}

export const concatenate = (files: readonly NodeFile[]): Buffer =>
  Buffer.concat(files.map(({ content }) => Buffer.from(content)));
