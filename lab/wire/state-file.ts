import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { messageOf } from '../../processes/error-message';
import { errorCode } from './problem';

/** What a JSON file of wire holds; undefined when there is none. Errors: one that names it when it is damaged. */
export function readStateFile<Value>(file: string, schema: z.ZodType<Value>): Value | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${file} is damaged. Remove it, and bring the lab up again: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
