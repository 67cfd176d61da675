import { renderTar } from '../../../lab/images/tar';

describe('renderTar', () => {
  it('gives equal bytes for equal entries', () => {
    const entries = [{ path: 'a/b', mode: 0o600, content: 'x' }];

    expect(renderTar(entries).equals(renderTar(entries))).toBe(true);
  });

  it('ends in two empty blocks and is whole blocks throughout', () => {
    const archive = renderTar([{ path: 'a', mode: 0o644, content: Buffer.alloc(513) }]);

    expect(archive.length).toBe(512 + 1024 + 1024);
    expect(archive.subarray(-1024).every((byte) => byte === 0)).toBe(true);
  });

  it('writes the checksum that POSIX asks for', () => {
    const header = renderTar([{ path: 'a', mode: 0o644, content: '' }]).subarray(0, 512);
    const written = Number.parseInt(header.toString('latin1', 148, 154), 8);

    const unsummed = Buffer.from(header);
    unsummed.fill(' ', 148, 156);
    expect(written).toBe(unsummed.reduce((sum, byte) => sum + byte, 0));
  });

  it('splits a long path at a slash and refuses one that does not fit', () => {
    const long = `${'d'.repeat(90)}/${'f'.repeat(90)}`;

    const header = renderTar([{ path: long, mode: 0o644, content: '' }]);

    expect(header.toString('latin1', 0, 90)).toBe('f'.repeat(90));
    expect(header.toString('latin1', 345, 345 + 90)).toBe('d'.repeat(90));
    expect(() => renderTar([{ path: 'x'.repeat(101), mode: 0o644, content: '' }])).toThrow(/too long/);
  });
});
