import type { ClientContext } from '../context';
import type { LabImage, PieceStatus } from '../embedded';
import { CLIENT_USER } from '../../cluster/database/statements';
import { exitCode } from '../exit-codes';
import { isClientError } from '../messages';
import type { ReportingFlags } from '../reporting/choose-reporter';
import { inSession, resolveTarget, untilInterrupted } from '../session';
import { readClusters, renderStatus } from '../status';
import type { Status } from '../status';
import { isTemporalUnreachable } from '../watched-run';
import { join } from 'node:path';

/** The commands about the pieces on this computer. */

export interface UpFlags extends ReportingFlags {
  image?: LabImage | undefined;
}

export function up(context: ClientContext, flags: UpFlags): Promise<void> {
  return inSession(context, spoken(flags), async ({ reporter }) => {
    const options = flags.image === undefined ? {} : { image: flags.image };
    const target = await untilInterrupted(context, () =>
      context.embedded().up((code, message) => reporter.notice(code, message), options),
    );
    const ui = target.uiUrl === undefined ? '' : `, UI ${target.uiUrl}`;
    return { exit: 'passed', summary: `everything runs: Temporal ${target.address}${ui}` };
  });
}

export function down(context: ClientContext, flags: ReportingFlags): Promise<void> {
  return inSession(context, spoken(flags), async ({ reporter }) => {
    await context.embedded().down((code, message) => reporter.notice(code, message));
    return { exit: 'passed', summary: 'everything has ended; what was built is kept and found again by "hadb up"' };
  });
}

/** Pieces start for minutes: say so also when piped. */
function spoken(flags: ReportingFlags): ReportingFlags {
  return { ...flags, progress: flags.progress === 'auto' ? 'lines' : flags.progress };
}

export async function status(context: ClientContext, flags: { json: boolean }): Promise<void> {
  const pieces = await context.embedded().status();
  const problem = context.embedded().problem();
  const known: Status = {
    ...(await readTemporalStatus(context, { pieces, labIsReadable: problem === undefined })),
    ...(problem === undefined ? {} : { problem: { code: 'HADB_E4012', message: problem } }),
  };
  const { stdout } = context.process;
  stdout.write(flags.json ? `${JSON.stringify(known, undefined, 2)}\n` : `${renderStatus(known)}\n`);
  const told = known.temporal?.reachable === true ? 'passed' : 'unreachable';
  context.process.exitCode = exitCode(problem === undefined ? told : 'failed');
}

async function readTemporalStatus(
  context: ClientContext,
  { pieces, labIsReadable }: { pieces: PieceStatus[]; labIsReadable: boolean },
): Promise<Status> {
  const base = { schema: '1.0', pieces, clusters: [] } as const;
  let target;
  try {
    target = resolveTarget(context);
  } catch (error) {
    if (!isClientError(error)) throw error;
    return { ...base, temporal: null, clusters: [] };
  }
  const { address, namespace, uiUrl } = target;
  const described = { address, namespace, ...(uiUrl === undefined ? {} : { uiUrl }) };
  const temporal = await context.connect(target);
  try {
    await temporal.check();
    const lab = context.settings.temporalChosen || !labIsReadable ? {} : context.embedded().workerEnvironment();
    const secrets = lab['HADB_SECRETS_DIR'] ?? context.settings.secretsDirectory;
    const clusters = await readClusters(temporal, {
      ...(lab['HADB_NAME_SERVER'] === undefined ? {} : { nameServer: lab['HADB_NAME_SERVER'] }),
      locateSecret: (name) => join(secrets, name),
      databaseUser: CLIENT_USER,
    });
    return { ...base, temporal: { ...described, reachable: true }, clusters };
  } catch (error) {
    if (!isTemporalUnreachable(error)) throw error;
    return { ...base, temporal: { ...described, reachable: false, problem: error.message }, clusters: [] };
  } finally {
    await temporal.close();
  }
}
