import { EXIT } from './node-scripts/exit-codes';

/** POSIX shell text. Values enter a script through `quote` only. */

/** One word of a POSIX shell, whatever the value holds; a NUL cannot be in an argument and is refused. */
export function quote(value: string | number): string {
  const text = String(value);
  if (text.includes('\0')) throw new Error('a shell word cannot hold a NUL character');
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Assigns each value to a shell variable, so that the body of a script stays free of values. */
export function assign(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Error(`${name} is no name of a shell variable`);
      return `${name}=${quote(value)}\n`;
    })
    .join('');
}

/** Defines `refuse`, which ends a script whose guard does not prove that its move is safe; the argument says what was seen. */
export const REFUSE = `refuse() { printf '%s\\n' "$*" >&2; exit ${EXIT.guardRefused}; }\n`;
