/** Knows every secret value read in this process and cleans text of them, base64 forms included. */
export interface Redactor {
  register(value: string): void;
  redact(text: string): string;
}

export const REDACTED = '[redacted]';

/** Shorter values would turn ordinary words into blanks; no secret that hadb makes is as short. */
const MINIMAL_LENGTH = 8;

export function createRedactor(): Redactor {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;

  return {
    register(value) {
      const known = forms.size;
      for (const form of formsOf(value)) forms.add(form);
      if (forms.size === known) return;
      // Longest first: a line of a key must not hide the rest of the key from the whole.
      const alternatives = [...forms].sort((a, b) => b.length - a.length).map(escapeForRegExp);
      pattern = new RegExp(alternatives.join('|'), 'g');
    },
    redact: (text) => (pattern === undefined ? text : text.replace(pattern, REDACTED)),
  };
}

/**
 * The ways in which tools show a value: as it is, line by line (a key in a log), in base64 (ARM's customData, HTTP), URL
 * encoded, and as a JSON string. A value inside a longer base64 text begins at one of three offsets, and its inner part is
 * the same for each; so those three inner parts are registered instead of one whole.
 */
function formsOf(value: string): string[] {
  const plain = [value, value.trim(), ...value.split('\n').map((line) => line.trim())].filter(
    (text) => text.length >= MINIMAL_LENGTH && !text.startsWith('-----'),
  );
  return plain.flatMap((text) => [
    text,
    ...encodedForms(Buffer.from(text)),
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
  ]);
}

function encodedForms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // Characters that also depend on the neighbouring bytes are left out at both ends.
    const inner = shifted.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    return inner.length < MINIMAL_LENGTH ? [] : [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
