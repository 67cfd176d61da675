import { buildWorkflowId } from '../cluster/ids';
import { ClusterSpecification } from '../cluster/specification/specification';
import type { ClusterSpecificationInput } from '../cluster/specification/specification';
import { ClientError, isClientError } from './messages';
import type { Session } from './session';
import { readSpecificationFile } from './specification-file';
import type { ReadSpecification } from './specification-file';

export interface WantedCluster {
  /** Its name. */
  cluster?: string | undefined;
  /** Its specification. */
  file?: string | undefined;
}

/**
 * The specification of the cluster that is meant: the named file; else that of the newest build of the named cluster; else the file that other commands
 * take, if it is about that cluster. Errors: HADB_E4014 when no build of it is known, HADB_E4006 when the file is about another cluster, and those of the file.
 */
export async function knownSpecification(
  session: Session,
  { cluster, file }: WantedCluster,
): Promise<ReadSpecification> {
  if (cluster !== undefined && file === undefined) {
    const built = await specificationOfBuild(session, cluster);
    const read = built ?? readUsualFile(session);
    if (read?.specification.name === cluster) return read;
    throw new ClientError(
      'HADB_E4014',
      'usage',
      `Temporal knows no build of cluster ${cluster} (any more): name the file of its specification as well`,
    );
  }
  const read = readSpecificationFile(session.context, file);
  if (cluster !== undefined && cluster !== read.specification.name) {
    throw new ClientError(
      'HADB_E4006',
      'usage',
      `${read.file} is about cluster ${read.specification.name}, not ${cluster}`,
    );
  }
  return read;
}

function readUsualFile({ context }: Session): ReadSpecification | undefined {
  try {
    return readSpecificationFile(context, undefined);
  } catch (error) {
    if (isClientError(error)) return undefined;
    throw error;
  }
}

async function specificationOfBuild(session: Session, cluster: string): Promise<ReadSpecification | undefined> {
  const temporal = await session.temporal();
  const workflowId = buildWorkflowId(cluster);
  const started = await temporal.readInput(workflowId).catch((error: unknown) => {
    if (isClientError(error) && error.code === 'HADB_E4004') return undefined;
    throw error;
  });
  const given =
    typeof started === 'object' && started !== null && 'specification' in started ? started.specification : undefined;
  const parsed = ClusterSpecification.safeParse(given);
  if (!parsed.success) return undefined;
  return { input: given as ClusterSpecificationInput, specification: parsed.data, file: workflowId };
}
