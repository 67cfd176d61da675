import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Runtime } from '@temporalio/worker';
import { createActivities } from '../activities';
import type { Activities } from '../activities';
import { createArmClients, createCredential } from '../activities/connections/arm-clients';
import { createNameResolver } from '../activities/connections/name-resolver';
import type { Redactor } from '../activities/connections/redactor';
import { createDirectorySecretStore } from '../activities/connections/secret-store';
import { createNodeSessions } from '../activities/connections/ssh-sessions';
import { createFaultInjector } from '../activities/drill/fault-injector';
import { createWriterProcesses } from '../activities/drill/writer-process';
import type { WorkerSettings } from '../settings';
import { SettingsError } from '../settings';
import { VERSION } from './version';

/** The activities with everything they reach out with. Errors: SettingsError. */
export function wireActivities(
  settings: WorkerSettings,
  redactor: Redactor,
): { activities: Activities; close: () => Promise<void> } {
  if (settings.subscriptionId === undefined) {
    throw new SettingsError('AZURE_SUBSCRIPTION_ID is not set; name the subscription that the clusters live in.');
  }
  if (settings.clientSecret !== undefined) redactor.register(settings.clientSecret);
  const alertWebhook = settings.alertWebhook === undefined ? undefined : readWebhook(settings.alertWebhook, redactor);
  const ca = settings.caFile === undefined ? undefined : readAuthorities(settings.caFile);
  // It holds the token that lets whoever has it break machines.
  if (settings.faultsEndpoint !== undefined) redactor.register(settings.faultsEndpoint);
  const { tenantId, clientId, clientSecret, authorityHost, armEndpoint, subscriptionId } = settings;
  const arm = createArmClients({
    credential: createCredential({
      ...(tenantId !== undefined && { tenantId }),
      ...(clientId !== undefined && { clientId }),
      ...(clientSecret !== undefined && { clientSecret }),
      ...(authorityHost !== undefined && { authorityHost }),
      ...(ca !== undefined && { ca }),
    }),
    subscriptionId,
    ...(armEndpoint !== undefined && { endpoint: armEndpoint }),
    ...(ca !== undefined && { ca }),
  });
  const resolve = createNameResolver(settings.nameServer);
  const secrets = createDirectorySecretStore(settings.secretsDirectory, redactor);
  const sessions = createNodeSessions({ secrets, redactor, resolve });
  const writers = createWriterProcesses({
    directory: settings.drillsDirectory,
    program: join(__dirname, '..', 'activities', 'drill', 'writer-main.js'),
  });
  return {
    activities: createActivities({
      arm,
      sessions,
      secrets,
      resolve,
      writers,
      faults: createFaultInjector({
        ...(settings.faultsEndpoint !== undefined && { endpoint: settings.faultsEndpoint }),
        ...(settings.networkFaultsBy !== undefined && { networkFaultsBy: settings.networkFaultsBy }),
        ...(ca !== undefined && { ca }),
      }),
      reports: {
        version: VERSION,
        ...(settings.temporalUi !== undefined && { temporalUi: settings.temporalUi }),
        getMeter,
      },
      alerts: {
        ...(alertWebhook !== undefined && { webhook: alertWebhook }),
        getMeter,
        redact: (text) => redactor.redact(text),
      },
    }),
    close: () => sessions.close(),
  };
}

/** Asked for when it is needed: the runtime is installed later than the activities are wired. */
const getMeter = () => Runtime.instance().metricMeter;

/** Its path and query are treated as secrets: whoever knows them may post. Errors: SettingsError, without the address. */
function readWebhook(address: string, redactor: Redactor): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '') {
    throw new SettingsError(
      'HADB_ALERT_WEBHOOK is no address of a webhook: it begins with https:// (or http://) and holds no user.',
    );
  }
  if (url.pathname.length > 1 || url.search !== '') redactor.register(`${url.pathname}${url.search}`);
  return address;
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
    throw new SettingsError(`HADB_CA_FILE names ${file}, which cannot be read (${reason}).`);
  }
}
