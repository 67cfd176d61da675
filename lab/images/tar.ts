/** One member of an archive; directories above it are made by the reader with mode 0755. */
export type TarEntry =
  { path: string; mode: number; content: Uint8Array | string } | { path: string; linkTarget: string };

const BLOCK = 512;

/** A ustar archive with root as owner and no times, so that equal entries give equal bytes. */
export function renderTar(entries: readonly TarEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    const content = 'linkTarget' in entry ? Buffer.alloc(0) : Buffer.from(entry.content);
    blocks.push(renderHeader(entry, content.length), content, Buffer.alloc(padding(content.length)));
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(blocks);
}

function renderHeader(entry: TarEntry, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const { name, prefix } = splitPath(entry.path);
  const isLink = 'linkTarget' in entry;
  header.write(name, 0);
  writeOctal(header, isLink ? 0o777 : entry.mode, 100, 8);
  writeOctal(header, 0, 108, 8);
  writeOctal(header, 0, 116, 8);
  writeOctal(header, size, 124, 12);
  writeOctal(header, 0, 136, 12);
  header.fill(' ', 148, 156);
  header.write(isLink ? '2' : '0', 156);
  if (isLink) {
    if (Buffer.byteLength(entry.linkTarget) > 100) throw new Error(`link target too long for tar: ${entry.linkTarget}`);
    header.write(entry.linkTarget, 157);
  }
  header.write('ustar\u000000', 257, 'latin1');
  header.write('root', 265);
  header.write('root', 297);
  header.write(prefix, 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** ustar: 100 bytes of name and 155 of prefix, split at a slash. */
function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let cut = path.indexOf('/'); cut !== -1; cut = path.indexOf('/', cut + 1)) {
    const [prefix, name] = [path.slice(0, cut), path.slice(cut + 1)];
    if (Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { name, prefix };
  }
  throw new Error(`path too long for tar: ${path}`);
}

function writeOctal(header: Buffer, value: number, offset: number, length: number): void {
  header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
