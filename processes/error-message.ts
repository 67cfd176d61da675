/** The message of whatever was thrown. Not by `instanceof Error`, which is false for errors of another realm. */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}
