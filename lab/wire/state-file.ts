import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { errorCode } from './problem';

/** What a JSON file of wire holds; undefined when there is none. Errors: ZodError, SyntaxError for a damaged one. */
export function readStateFile<Value>(file: string, schema: z.ZodType<Value>): Value | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  return schema.parse(JSON.parse(text));
}
