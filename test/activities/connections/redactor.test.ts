import fc from 'fast-check';
import { createRedactor, REDACTED } from '../../../activities/connections/redactor';

const PASSWORD = 'correct horse/battery+staple';

function redactorOf(...values: string[]) {
  const redactor = createRedactor();
  for (const value of values) redactor.register(value);
  return redactor;
}

describe('a redactor', () => {
  it('leaves text alone as long as it knows no secret', () => {
    expect(createRedactor().redact('nothing to hide')).toBe('nothing to hide');
  });

  it.each([
    ['plain', `password=${PASSWORD};`],
    ['base64', Buffer.from(PASSWORD).toString('base64')],
    ['base64 for URLs', Buffer.from(PASSWORD).toString('base64url')],
    ['URL encoded', encodeURIComponent(PASSWORD)],
    ['as a JSON string', JSON.stringify({ password: PASSWORD })],
  ])('cleans a secret that is shown %s', (_form, text) => {
    const cleaned = redactorOf(PASSWORD).redact(text);

    expect(cleaned).toContain(REDACTED);
    expect(cleaned).not.toContain('horse');
  });

  it.each([0, 1, 2, 3, 4])('cleans a secret inside a longer base64 text, %d bytes from its beginning', (before) => {
    const text = Buffer.from(`${'x'.repeat(before)}${PASSWORD} and more`).toString('base64');

    const cleaned = redactorOf(PASSWORD).redact(text);

    const left = cleaned.split(REDACTED).map((part) => Buffer.from(part, 'base64').toString());
    expect(left.join('')).not.toMatch(/horse|battery|staple/);
  });

  it('cleans each line of a key, not only the whole', () => {
    const key = '-----BEGIN KEY-----\nAAAABBBBCCCC\nDDDDEEEEFFFF\n-----END KEY-----\n';

    expect(redactorOf(key).redact('line 2: DDDDEEEEFFFF')).toBe(`line 2: ${REDACTED}`);
    expect(redactorOf(key).redact('-----BEGIN KEY----- of somebody else')).toContain('-----BEGIN KEY-----');
  });

  it('does not take words of a few letters for secrets', () => {
    expect(redactorOf('mysql').redact('mysql runs')).toBe('mysql runs');
  });

  it('takes a secret for text, not for a pattern', () => {
    expect(redactorOf('a.*b(c)[d]+').redact('a.*b(c)[d]+ but not axxb(c)[d]+')).toBe(`${REDACTED} but not axxb(c)[d]+`);
  });

  it('no secret survives, whatever it is and wherever it stands', () => {
    const secret = fc.string({ minLength: 8, maxLength: 64 }).filter((text) => text.trim().length >= 8);
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 5 }),
        fc.string(),
        fc.string(),
        (secrets, before, after) => {
          const redactor = redactorOf(...secrets);
          for (const value of secrets) {
            expect(redactor.redact(`${before}${value}${after}`)).not.toContain(value);
          }
        },
      ),
    );
  });
});
