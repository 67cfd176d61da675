import type { z } from 'zod';

/** An answer of the faults API that is no success. */
export class FaultError extends Error {
  override readonly name = 'FaultError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The body of a fault; errors: FaultError InvalidFault with every problem. */
export function parseFault<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw new FaultError(400, 'InvalidFault', problems.join('; '));
}
