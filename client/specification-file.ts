import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { ClusterSpecification } from '../cluster/specification/specification';
import type { ClusterSpecificationInput } from '../cluster/specification/specification';
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
export function readSpecification(context: ClientContext, named: string | undefined): ReadSpecification {
  const file = findSpecification(context, named);
  const input = readYaml(file);
  const parsed = ClusterSpecification.safeParse(input);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `  ${path.join('.') || '(the whole)'}: ${message}`);
    throw new ClientError('HADB_E4001', 'usage', [`${file} is no possible cluster:`, ...problems].join('\n'));
  }
  return { input: input as ClusterSpecificationInput, specification: parsed.data, file };
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

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ClientError('HADB_E4001', 'usage', `cannot read the specification ${file}: ${String(error)}`, {
      cause: error,
    });
  }
  try {
    return parse(text);
  } catch (error) {
    throw new ClientError('HADB_E4001', 'usage', `${file} is neither YAML nor JSON: ${String(error)}`, {
      cause: error,
    });
  }
}
