import { EXIT_CODES } from '../../client/exit-codes';
import { MESSAGES } from '../../client/messages';

describe('message codes', () => {
  it.each(Object.entries(MESSAGES))('%s says its level in its letter', (code, { level }) => {
    expect(code).toMatch(new RegExp(`^HADB_${level.charAt(0).toUpperCase()}\\d{4}$`));
  });
});

it('exit codes are distinct', () => {
  const codes = Object.values(EXIT_CODES).map(({ code }) => code);

  expect(new Set(codes).size).toBe(codes.length);
});
