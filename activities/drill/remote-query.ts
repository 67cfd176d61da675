import { CLIENT_USER, FIRST_ROW, selectThingsAndServer } from '../../cluster/database/statements';
import { HadbError, isHadbError } from '../../cluster/errors';
import { publicHostName } from '../../cluster/ids';
import type { ClusterSpecification } from '../../cluster/specification/specification';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { clusterSecrets } from '../connections/secrets';
import type { SecretStore } from '../connections/secret-store';
import { waitUntil } from '../node/waiting';
import { openSession, type DatabaseAccess, type DatabaseSession } from './database-client';
import { messageOf } from '../../processes/error-message';

export interface DatabaseAccessDependencies {
  secrets: SecretStore;
  /** Address of a public name. */
  resolve: (name: string) => Promise<string>;
}

/** One query that a server answers at once when it answers at all; a busy one may need seconds. */
const QUERY_MS = 10_000;
/** The load balancer needs its interval times its threshold to notice a move, and the same again to be sure. */
const DEFAULT_LIMIT_SECONDS = 60;
/** Without a primary nobody is going to answer soon. */
const NO_PRIMARY_LIMIT_SECONDS = 10;

export interface RemoteAnswer {
  rows: number;
  tookMs: number;
  /** Host name of the machine that answers. */
  server: string;
}

/** The article's remote query: from outside, by name, through the load balancer, by TLS with the cluster's own authority. */
export function createRemoteQueryActivities(dependencies: DatabaseAccessDependencies) {
  const query = async (
    step: StepContext & { withinSeconds?: number; primary?: string },
  ): Promise<StepOutcome & RemoteAnswer> => {
    const { primary } = step;
    const access = await databaseAccess(dependencies, step.specification, `${step.operation.workflowId} ${step.step}`);
    const startedAt = performance.now();
    const seen = await waitUntil<Rows | Error>(
      { ...step, node: access.host },
      {
        waitingFor: `the answer to the remote query${primary === undefined ? '' : ` from ${primary}`}`,
        limitMs: (step.withinSeconds ?? DEFAULT_LIMIT_SECONDS) * 1000,
        observe: () =>
          queryOnce(access, selectThingsAndServer(step.specification)).catch((error: unknown) => asError(error)),
        // A table without rows does not tell who has answered; it is the wrong one, whoever has.
        isDone: (answer) =>
          Array.isArray(answer) && (primary === undefined || answer.length === 0 || serverOf(answer) === primary),
        describe: (answer) =>
          Array.isArray(answer)
            ? `${serverOf(answer)} answers${primary === undefined ? '' : `, not the primary ${primary}`}`
            : answer.message,
        whatNow: `Look whether the database runs on one node, whether the probe port ${step.specification.loadBalancer.probePort} answers there and nowhere else, and whether this machine is in network.clients.`,
      },
    );
    const rows = Array.isArray(seen) ? seen : [];
    const first = rows.find(({ id }) => Number(id) === FIRST_ROW.id);
    if (first?.['name'] !== FIRST_ROW.name) {
      throw new HadbError('QueryFailed', `the remote query does not return the row "${FIRST_ROW.name}"`, {
        subject: access.host,
        observed: JSON.stringify(rows.slice(0, 3)),
        whatNow:
          'Look at the table on the node that is primary: the answer came from another database, or the row was changed.',
      });
    }
    const tookMs = Math.round(performance.now() - startedAt);
    const server = serverOf(rows);
    return {
      result: 'unchanged',
      observed: `${access.host}:${access.port} (${access.address}) leads to ${server}, which answers with ${rows.length} row${rows.length === 1 ? '' : 's'}, "${FIRST_ROW.name}" among them, after ${tookMs} ms`,
      rows: rows.length,
      tookMs,
      server,
    };
  };

  return {
    /**
     * Repeats the query with a new connection each time until it is answered, by the server of `primary` where that is named. Errors: NotReady, QueryFailed.
     */
    remoteQuery: query,

    /** The same before a drill; `primary` is absent where no node is. Whatever is wrong with the answer is one thing: no drill begins. Errors: GateNotMet. */
    async readQueryGate(step: StepContext & { primary?: string; withinSeconds?: number }): Promise<StepOutcome> {
      try {
        const limit = step.primary === undefined ? { withinSeconds: NO_PRIMARY_LIMIT_SECONDS } : {};
        return await query({ ...limit, ...step });
      } catch (error) {
        if (!isHadbError(error) || (error.code !== 'NotReady' && error.code !== 'QueryFailed')) throw error;
        const { observed } = error.details;
        const told = observed === undefined ? '' : ` (${observed})`;
        throw new HadbError('GateNotMet', `from outside: ${error.message}${told}`, error.details);
      }
    },
  };
}

type Rows = Record<string, unknown>[];

const serverOf = ([row]: Rows): string => (typeof row?.['server'] === 'string' ? row['server'] : 'no server');

export async function databaseAccess(
  { secrets, resolve }: DatabaseAccessDependencies,
  specification: ClusterSpecification,
  purpose: string,
): Promise<DatabaseAccess> {
  const host = publicHostName(specification);
  const own = clusterSecrets(secrets, specification);
  const [address, password, { certificate }] = await Promise.all([
    resolve(host),
    own.clientPassword(),
    own.certificateAuthority(),
  ]);
  return {
    host,
    address,
    port: specification.database.port,
    user: CLIENT_USER,
    password,
    authority: certificate,
    purpose,
  };
}

/** A new connection for one query. */
export async function queryOnce(
  access: DatabaseAccess,
  sql: string,
  values: (string | number)[] = [],
  deadlineMs = QUERY_MS,
): Promise<Rows> {
  let session: DatabaseSession | undefined;
  try {
    session = await openSession(access);
    return await session.query(sql, values, deadlineMs);
  } finally {
    session?.destroy();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
