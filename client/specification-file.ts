import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeProblem, readSpecification } from '../cluster/specification/read';
import type { ClusterSpecification, ClusterSpecificationInput } from '../cluster/specification/specification';
import type { ClientContext } from './context';
import { ClientError } from './messages';

export interface ReadSpecification {
  /** As the person wrote it: defaults are filled in by the workflow, so that the history shows what was asked. */
  input: ClusterSpecificationInput;
  specification: ClusterSpecification;
  /** File it comes from. */
  file: string;
}

/** File looked for in the working directory when none is named. */
export const DEFAULT_SPECIFICATION = 'hadb.yaml';

/**
 * The specification in the named file, else in `hadb.yaml` here, else the embedded lab's.
 * Errors: HADB_E4001 with every problem named.
 */
export function readSpecificationFile(context: ClientContext, named: string | undefined): ReadSpecification {
  const file = findSpecification(context, named);
  const reading = readSpecification(readText(file));
  if (reading.ok) return { input: reading.input, specification: reading.specification, file };
  const problems = reading.problems.map((problem) => `  ${describeProblem(problem)}`);
  throw new ClientError('HADB_E4001', 'usage', [`${file} is no possible cluster:`, ...problems].join('\n'));
}

function findSpecification(context: ClientContext, named: string | undefined): string {
  if (named !== undefined) return resolve(context.workingDirectory, named);
  const here = join(context.workingDirectory, DEFAULT_SPECIFICATION);
  if (existsSync(here)) return here;
  const lab = context.settings.temporalChosen ? undefined : context.embedded().specificationFile();
  if (lab !== undefined) return lab;
  throw new ClientError(
    'HADB_E4001',
    'usage',
    `no specification: name a file (hadb build cluster.yaml), or put one at ${here}. examples/ has some to begin with.`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ClientError('HADB_E4001', 'usage', `cannot read the specification ${file}: ${String(error)}`, {
      cause: error,
    });
  }
}
