import { renderInitialisation } from '../../cluster/database/initialisation';
import { databaseProfile, renderClient, type DatabaseProfile } from '../../cluster/database/profile';
import { renderServerSettings, renderUnitDropIn } from '../../cluster/database/settings';
import {
  isSchemaComplete,
  parseSchemaFacts,
  parseServerFacts,
  parseThings,
  readThingsSql,
  renderSchemaFactsSql,
  renderSchemaSql,
  renderServerFactsSql,
  serverDeviations,
  type SchemaFacts,
} from '../../cluster/database/statements';
import { HadbError } from '../../cluster/errors';
import { concatenate, renderChecksums, renderWriteFiles, type NodeFile } from '../../cluster/node/files';
import { renderDisable, renderHold } from '../../cluster/node/packages';
import { renderStartServer, renderStopServer } from '../../cluster/node/roles';
import {
  parseServerPackage,
  renderDataIdentityRead,
  renderServerInstall,
  renderServerPackageRead,
  serverSet,
  type ServerPackage,
} from '../../cluster/node/server';
import { isAtLevel } from '../../cluster/node/runtime';
import { DATA_DIRECTORY } from '../../cluster/specification/specification';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { timingOf } from '../../cluster/timing';
import type { NodeSession } from '../connections/node-session';
import { clusterSecrets } from '../connections/secrets';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { describeRole } from './roles';
import { makeMove, readRuntime, startLimitMs, stopLimitMs, toLevel } from './runtime';
import { reportJob } from './waiting';
import { wantedFiles } from './wanted-files';

const INSTALL_LIMIT_MS = 60 * 60_000;
/** `mysqld --initialize` takes 6 s under UML, a minute or more without hardware help. */
const INITIALISE_LIMIT_MS = 20 * 60_000;
const LOCK_SECONDS = 300;

/** What must be the same before and after a failover: the file system, the files that identify the server, the rows. */
export interface DataIdentity {
  files: string;
  things: { id: number; name: string }[];
}

export function createDatabaseActivities(dependencies: NodeDependencies) {
  const { sessions, secrets } = dependencies;
  const profileOf = (step: StepContext): DatabaseProfile => databaseProfile(step.specification.database.engine);
  const readPackage = async (session: NodeSession, profile: DatabaseProfile): Promise<ServerPackage> =>
    parseServerPackage((await session.read(renderServerPackageRead(profile))).stdout, profile);

  return {
    async readServerInstalled(step: NodeStep): Promise<StepOutcome & { installed: boolean }> {
      const session = await sessions.open(step, step.node);
      const found = await readPackage(session, profileOf(step));
      return { result: 'unchanged', observed: describePackage(found), installed: found.installed };
    },

    /**
     * Steps 12 and 13: the package, with every start blocked, held, and its unit disabled. `onReplicatedData` is the article's
     * second option for the second node; `sameUserAs` gives the server's user the ids it has on that node.
     */
    async installServer(step: NodeStep & { sameUserAs?: string; onReplicatedData?: boolean }): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const profile = profileOf(step);
      return performStep(session, step, {
        observe: async () => {
          const found = await readPackage(session, profile);
          refuseOtherEngine(step, found);
          return found;
        },
        isDone: (found) => found.installed && found.unheld.length === 0 && !found.enabled,
        describe: describePackage,
        ...(step.onReplicatedData === true ? { prepare: toLevel(dependencies, step, 'mounted') } : {}),
        act: async (found) => {
          const done: string[] = [];
          if (!found.installed) {
            const user = await userOn(step.sameUserAs, step, profile);
            const script = renderServerInstall(profile, {
              onReplicatedData: step.onReplicatedData === true,
              lockSeconds: LOCK_SECONDS,
              ...(user === undefined ? {} : { user }),
            });
            await session.runJob(step, {
              script,
              timeoutMs: INSTALL_LIMIT_MS,
              onProgress: reportJob(step, `${profile.package} to be installed`),
            });
            done.push(`installed ${profile.package}, not started`);
          }
          const { unheld, enabled } = done.length > 0 ? await readPackage(session, profile) : found;
          await session.change(step, `${enabled ? renderDisable(serverSet(profile).units) : ''}${renderHold(unheld)}`);
          if (unheld.length > 0) done.push(`held ${unheld.join(', ')}`);
          if (enabled) done.push(`disabled ${profile.unit}`);
          return done.join('; ');
        },
      });
    },

    /** Settings, certificates and the unit's drop-in, the same on both nodes; compared by checksum (one holds a key). */
    async configureServer(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const profile = profileOf(step);
      const files = await serverFiles(step, profile);
      const wanted = wantedFiles(files);
      return performStep(session, step, {
        observe: async () => {
          const { stdout } = await session.read(
            `${renderChecksums(wanted.paths)}systemctl show --property=NeedDaemonReload --property=Restart ${profile.unit}.service\n`,
          );
          return {
            differing: wanted.differing(stdout),
            inForce: /^NeedDaemonReload=no$/m.test(stdout) && /^Restart=no$/m.test(stdout),
          };
        },
        isDone: ({ differing, inForce }) => differing.length === 0 && inForce,
        describe: ({ differing, inForce }) =>
          `${differing.length === 0 ? 'settings, certificates and drop-in as wanted' : `to be written: ${differing.join(', ')}`}${inForce ? '' : '; drop-in not in force'}`,
        act: async () => {
          await session.change(step, `${renderWriteFiles(files)}systemctl daemon-reload\n`, {
            input: concatenate(files),
          });
          return `wrote ${files.length} files`;
        },
      });
    },

    /** A durable job; may be interrupted anywhere and run again, and leaves an initialised directory alone. */
    async initialiseDataDirectory(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const profile = profileOf(step);
      const read = `if grep -q ' ${DATA_DIRECTORY} ' /proc/mounts; then echo mounted; fi\nif [ -d ${profile.systemSchema} ]; then echo initialised; fi\n`;
      return performStep(session, step, {
        observe: async () => (await session.read(read)).stdout,
        isDone: (seen) => seen === 'mounted\ninitialised\n',
        describe: (seen) =>
          `${DATA_DIRECTORY} ${seen.includes('mounted') ? 'on DRBD' : 'not mounted'}, ${seen.includes('initialised') ? 'initialised' : 'not initialised'}`,
        prepare: toLevel(dependencies, step, 'mounted'),
        act: async () => {
          const { started } = await session.runJob(step, {
            script: renderInitialisation(profile),
            timeoutMs: INITIALISE_LIMIT_MS,
            onProgress: reportJob(step, 'the data directory to be made'),
          });
          return started === 'attached'
            ? 'the job found running has made the data directory'
            : 'made the data directory';
        },
      });
    },

    async startServer(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const profile = profileOf(step);
      const { specification } = step;
      return performStep(session, step, {
        observe: async () => {
          const runtime = await readRuntime(session, step);
          if (!isAtLevel(runtime, 'server')) return { runtime, deviations: [] };
          const { stdout } = await session.read(renderClient(profile), { input: renderServerFactsSql() });
          return { runtime, deviations: serverDeviations(parseServerFacts(stdout), { specification, profile }) };
        },
        isDone: ({ runtime, deviations }) => isAtLevel(runtime, 'server') && deviations.length === 0,
        describe: ({ runtime, deviations }) => [describeRole(runtime), ...deviations].join('; '),
        prepare: toLevel(dependencies, step, 'mounted'),
        act: async ({ runtime }) => {
          // A server that runs with other settings was started before they were written: by us, in this build.
          const restart = isAtLevel(runtime, 'server');
          if (restart) await makeMove(session, step, renderStopServer(profile), { timeoutMs: stopLimitMs(step) });
          await makeMove(session, step, renderStartServer(profile), { timeoutMs: startLimitMs(step) });
          return `${restart ? 'restarted' : 'started'} ${profile.unit}`;
        },
      });
    },

    async stopServer(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: () => readRuntime(session, step),
        isDone: ({ serverPid }) => serverPid === undefined,
        describe: describeRole,
        act: async () => {
          await makeMove(session, step, renderStopServer(profileOf(step)), { timeoutMs: stopLimitMs(step) });
          return 'stopped the server';
        },
      });
    },

    /** Step 14. The passwords come from the secret store and go to the client's standard input. */
    async createSchema(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { specification } = step;
      const profile = profileOf(step);
      return performStep(session, step, {
        observe: async () => {
          const runtime = await readRuntime(session, step);
          if (!isAtLevel(runtime, 'server')) return undefined;
          const input = renderSchemaFactsSql(specification);
          const facts = parseSchemaFacts((await session.read(renderClient(profile), { input })).stdout, specification);
          const things = facts.things
            ? parseThings((await session.read(renderClient(profile), { input: readThingsSql(specification) })).stdout)
            : [];
          return { facts, things };
        },
        isDone: (seen) => seen !== undefined && isSchemaComplete(seen.facts) && seen.things.length > 0,
        describe: (seen) =>
          seen === undefined ? 'the server does not answer' : describeSchema(seen.facts, seen.things.length),
        prepare: toLevel(dependencies, step, 'server'),
        act: async () => {
          const clientPassword = await clusterSecrets(secrets, specification).clientPassword();
          await session.change(step, renderClient(profile), {
            input: renderSchemaSql({ specification, clientPassword }),
          });
          return `created ${specification.database.schema}.${specification.database.table}, its row and its users`;
        },
      });
    },

    /** Reads what must not change when another node takes the data. */
    async readDataIdentity(step: NodeStep): Promise<StepOutcome & { identity: DataIdentity }> {
      await toLevel(dependencies, step, 'server')();
      const identity = await identityOn(step);
      return { result: 'unchanged', observed: `${identity.things.length} row(s); ${identity.files}`, identity };
    },

    /** Errors: AssertionFailed when the data is not the one expected. */
    async checkDataIdentity(step: NodeStep & { expected: DataIdentity }): Promise<StepOutcome> {
      await toLevel(dependencies, step, 'server')();
      const found = await identityOn(step);
      if (JSON.stringify(found) !== JSON.stringify(step.expected)) {
        throw new HadbError('AssertionFailed', `${step.node} does not serve the data that was there before`, {
          subject: step.node,
          observed: JSON.stringify(found).slice(0, 300),
          whatNow: `Expected ${JSON.stringify(step.expected).slice(0, 300)}. Stop, and compare the data directory with the other node's.`,
        });
      }
      return { result: 'unchanged', observed: `the same ${found.things.length} row(s), the same server id` };
    },
  };

  async function identityOn(step: NodeStep): Promise<DataIdentity> {
    const session = await sessions.open(step, step.node);
    const profile = profileOf(step);
    const [files, rows] = await Promise.all([
      session.read(renderDataIdentityRead()),
      session.read(renderClient(profile), { input: readThingsSql(step.specification) }),
    ]);
    return { files: files.stdout.trim().replaceAll('\n', ', '), things: parseThings(rows.stdout) };
  }

  async function userOn(
    node: string | undefined,
    step: NodeStep,
    profile: DatabaseProfile,
  ): Promise<ServerPackage['user']> {
    if (node === undefined) return undefined;
    return (await readPackage(await sessions.open(step, node), profile)).user;
  }

  async function serverFiles(step: NodeStep, profile: DatabaseProfile): Promise<NodeFile[]> {
    const { specification } = step;
    const known = clusterSecrets(secrets, specification);
    const [authority, server] = [await known.certificateAuthority(), await known.serverCertificate()];
    const owner = `${profile.osUser}:${profile.osGroup}`;
    return [
      { path: profile.settingsFile, content: renderServerSettings({ specification, profile }), mode: 0o644 },
      {
        path: profile.unitDropIn,
        content: renderUnitDropIn({ profile, timing: timingOf(specification) }),
        mode: 0o644,
      },
      { path: profile.certificates.authority, content: authority.certificate, mode: 0o644 },
      { path: profile.certificates.certificate, content: server.certificate, mode: 0o644 },
      { path: profile.certificates.key, content: server.privateKey, mode: 0o400, owner },
    ];
  }
}

function refuseOtherEngine(step: NodeStep, { other }: ServerPackage): void {
  if (other === undefined) return;
  throw new HadbError(
    'PlatformUnsupported',
    `${step.node} has ${other} installed, the specification wants ${step.specification.database.engine}`,
    {
      subject: step.node,
      observed: other,
      whatNow: 'Set database.engine to what the image brings, or use another image; hadb replaces no database server.',
    },
  );
}

function describePackage(found: ServerPackage): string {
  if (!found.installed) return 'server not installed';
  const held = found.unheld.length === 0 ? 'held' : `not held: ${found.unheld.join(', ')}`;
  return `server ${found.version}, ${held}, unit ${found.enabled ? 'enabled' : 'disabled'}`;
}

function describeSchema(facts: SchemaFacts, rows: number): string {
  const part = (present: boolean, name: string) => `${name} ${present ? 'there' : 'missing'}`;
  return [
    part(facts.schema, 'schema'),
    part(facts.things, 'table'),
    `${rows} row(s)`,
    part(facts.ledger, 'ledger'),
    part(facts.client, 'client account'),
    ...(facts.anonymous ? ['accounts without a name'] : []),
  ].join(', ');
}
