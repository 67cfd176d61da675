import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { quote } from '../../cluster/shell';

describe('quote', () => {
  it.each([
    ['plain', "'plain'"],
    ['', "''"],
    ["it's", `'it'\\''s'`],
    ['$(reboot) `x` "y" \\', `'$(reboot) \`x\` "y" \\'`],
    [61000, "'61000'"],
  ])('writes %j as one word', (value, expected) => {
    expect(quote(value)).toBe(expected);
  });

  it('refuses a NUL, which no argument can hold', () => {
    expect(() => quote('a\0b')).toThrow('NUL');
  });

  it('a real shell reads back every list of values unchanged', () => {
    const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && text.isWellFormed());
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (values) => {
        const output = execFileSync('sh', ['-c', `printf '%s\\0' ${values.map(quote).join(' ')}`]);

        expect(output.toString('utf8').split('\0').slice(0, -1)).toEqual(values);
      }),
      { numRuns: 25 },
    );
  });
});
