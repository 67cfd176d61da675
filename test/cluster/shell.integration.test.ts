import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { quote } from '../../cluster/shell';

describe('quote', () => {
  it('a real shell reads back every list of values unchanged', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (values) => {
        const output = execFileSync('sh', ['-c', `printf '%s\\0' ${values.map(quote).join(' ')}`]);

        expect(output.toString('utf8').split('\0').slice(0, -1)).toEqual(values);
      }),
      { numRuns: 25 },
    );
  });
});
