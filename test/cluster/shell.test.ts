import { assign, quote } from '../../cluster/shell';

describe('quote', () => {
  it.each([
    ['two words', "'two words'"],
    ['', "''"],
    ["it's", `'it'\\''s'`],
    ['$(reboot) `x` "y" \\', `'$(reboot) \`x\` "y" \\'`],
  ])('writes %j as one word', (value, expected) => {
    expect(quote(value)).toBe(expected);
  });

  it('refuses a NUL, which no argument can hold', () => {
    expect(() => quote('a\0b')).toThrow('NUL');
  });
});

describe('assign', () => {
  it('gives each value to a variable as one word', () => {
    expect(assign({ disk: '/dev/sdx', size: 5 })).toBe("disk='/dev/sdx'\nsize='5'\n");
  });

  it('refuses what is no name of a variable', () => {
    expect(() => assign({ 'a;reboot': '1' })).toThrow('no name of a shell variable');
  });
});
