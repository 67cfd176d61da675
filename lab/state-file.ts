import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf } from '../processes/error-message';

export class LabStateError extends Error {
  override readonly name = 'LabStateError';
  constructor(
    readonly code: 'OtherVersion' | 'Damaged' | 'MissingImage',
    message: string,
  ) {
    super(message);
  }
}

/** JSON of a file of the lab's state; undefined where there is none. Errors: LabStateError; that of the system when it cannot be read. */
export function readStateFile(file: string): unknown {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(file, `is not JSON (${messageOf(error)})`);
  }
}

/** Errors: LabStateError that names all that is missing or wrong. */
export function parseState<Schema extends z.ZodType>(file: string, schema: Schema, content: unknown): z.output<Schema> {
  const result = schema.safeParse(content);
  if (!result.success) throw damaged(file, `is not whole: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** What of the lab's state cannot be read, and the way out of it. */
export function damaged(file: string, what: string): LabStateError {
  return new LabStateError('Damaged', `${file} ${what}. Remove the lab's state with: hadb lab down --purge`);
}

/**
 * What a file holds that may be removed at the price of its content; undefined where there is none. Errors: one that names it
 * when it is damaged; that of the system when it cannot be read, for such a file is not to be removed.
 */
export function readRemovableFile<Value>(file: string, schema: z.ZodType<Value>): Value | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${file} is damaged. Remove it, and bring the lab up again: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
