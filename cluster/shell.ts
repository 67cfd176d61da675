/** POSIX shell text. Values enter a script through `quote` only. */

/** One word of a POSIX shell, whatever the value holds; a NUL cannot be in an argument and is refused. */
export function quote(value: string | number): string {
  const text = String(value);
  if (text.includes('\0')) throw new Error('a shell word cannot hold a NUL character');
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
