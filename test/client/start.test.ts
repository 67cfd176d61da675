import { asClientError, workerEnvironmentOf } from '../../client/start';
import { HostProgramError, MissingProgramsError } from '../../lab/images/host-programs';
import { StoreError } from '../../lab/control/store';
import { damaged } from '../../lab/state-file';
import { LabError } from '../../lab/lab';
import { NoEngineError } from '../../lab/machines/probe';
import { runCommandLine } from '../../client/application';
import { ClientError } from '../../client/messages';
import { readClientSettings } from '../../settings';
import type { RunEnding } from '../../client/watched-run';
import type { Embedded } from '../../client/embedded';
import { contextForTests } from './client-for-tests';
import type { ContextOptions } from './client-for-tests';
import { done, progressOf } from './progress-for-tests';
import { temporalForCommands } from './temporal-for-commands';

const target = { address: '127.0.0.1:7233', namespace: 'default', configured: true };
const passed: RunEnding = { status: 'COMPLETED', progress: progressOf([], { state: 'completed' }) };

async function start(words: string, ending: RunEnding = passed, options: ContextOptions = {}) {
  const journal: string[] = [];
  const embedded: Partial<Embedded> = {
    up: async (_report, { image } = {}) => {
      journal.push(`up ${image}`);
      return target;
    },
    down: async () => void journal.push('down'),
    target: () => target,
  };
  const temporal = temporalForCommands({ ending });
  const context = contextForTests({
    temporal,
    embedded,
    ...options,
    overrides: { prepareHost: async () => void journal.push('prepare'), ...options.overrides },
  });
  await runCommandLine(words.split(' '), context);
  return { context, journal, temporal, exit: context.process.exitCode };
}

describe('npm start', () => {
  it('prepares the host, brings everything up, builds in the lab and cuts the power of the primary', async () => {
    const { journal, temporal, exit } = await start('start');

    expect(journal).toEqual(['prepare', 'up golden']);
    expect(temporal.started.map(({ workflowType, ifOpen }) => `${workflowType} ${ifOpen}`)).toEqual([
      'buildCluster attach',
      'failoverDrill refuse',
    ]);
    expect(temporal.started[1]?.input).toMatchObject({ kind: 'node-power-off' });
    expect(exit).toBe(0);
  });

  it('makes no second hard failover when the build has just made one', async () => {
    const progress = progressOf([done('node-power-off-power-off', { node: 'hadb01' })], { state: 'completed' });

    const { temporal } = await start('start', { status: 'COMPLETED', progress });

    expect(temporal.started).toHaveLength(1);
  });

  it('ends with the failure of the build', async () => {
    const { temporal, exit } = await start('start', { status: 'FAILED', failure: { message: 'no' } });

    expect(temporal.started).toHaveLength(1);
    expect(exit).toBe(1);
  });

  it.each([
    ['golden', 'hadb'],
    ['clean', 'hadb-clean'],
    ['debian-sid', 'hadb-sid'],
  ])('with the image %s builds the cluster %s', async (image, cluster) => {
    const { journal, temporal } = await start(`start --image ${image}`);

    expect(journal).toContain(`up ${image}`);
    expect(temporal.started[0]?.workflowId).toBe(`build-cluster/${cluster}`);
  });

  it('keeps everything running and says how to end it, or ends it when asked to', async () => {
    const kept = await start('start');
    const ended = await start('start --down');

    expect(kept.journal).not.toContain('down');
    expect(kept.context.process.stderr.text).toContain('npx hadb down');
    expect(ended.journal.at(-1)).toBe('down');
  });

  it('stops with the packages that are missing where it cannot install them', async () => {
    const prepareHost = () =>
      Promise.reject(new ClientError('HADB_E4009', 'failed', 'install patchelf, then start again.'));

    const { journal, exit, context } = await start('start', passed, { overrides: { prepareHost } });

    expect(journal).toEqual([]);
    expect(exit).toBe(1);
    expect(context.process.stderr.text).toContain('install patchelf');
  });
});

describe('the worker that hadb up starts', () => {
  const environmentOf = (environment: Record<string, string>) =>
    workerEnvironmentOf(readClientSettings({ HOME: '/home/ada', USER: 'ada', ...environment }));

  it.each(['HADB_METRICS_ADDRESS', 'HADB_ALERT_WEBHOOK', 'TEMPORAL_API_KEY'])(
    'has %s among the settings by which it is started anew, also when it is taken away',
    (name) => {
      expect(environmentOf({ [name]: 'a' })).toMatchObject({ [name]: 'a' });
      expect(environmentOf({ [name]: '' })).not.toHaveProperty(name);
      expect(environmentOf({})).not.toHaveProperty(name);
    },
  );

  it('is not started anew for what it does not read', () => {
    const shell = { PATH: '/bin', HADB_USER: 'ada', HADB_LAB_ENGINE: 'uml', TEMPORAL_CLI_PATH: '/t', NO_COLOR: '1' };

    expect(environmentOf(shell)).toEqual(environmentOf({}));
  });
});

describe('what the lab says when it does not come up', () => {
  it.each([
    new MissingProgramsError(['qemu-system-x86']),
    new NoEngineError([{ engine: 'uml', usable: false, reason: 'no kernel' }]),
    new HostProgramError('mmdebstrap', 25, ['No space left on device']),
    new LabError('NoSpace', 'free some'),
  ])('is told as it is, with a code and without a stack: $name', (error) => {
    expect(asClientError(error)).toMatchObject({ code: 'HADB_E4010', exit: 'failed', message: error.message });
  });

  it('has a code of its own when its state cannot be read', () => {
    const error = damaged('/s/lab/lab.json', 'is not JSON');

    expect(asClientError(error)).toMatchObject({ code: 'HADB_E4012', exit: 'failed', message: error.message });
    expect(asClientError(new StoreError('damaged'))).toMatchObject({ code: 'HADB_E4012' });
  });

  it('is a defect when it is anything else', () => {
    const defect = new TypeError('x is not a function');

    expect(asClientError(defect)).toBe(defect);
  });
});
