import { createEmbedded } from '../../client/embedded';
import type { EmbeddedParts } from '../../client/embedded';
import type { TemporalTarget } from '../../client/temporal';

const target: TemporalTarget = { address: '127.0.0.1:7233', namespace: 'default', configured: true };

function partsForTests(changes: Partial<EmbeddedParts> = {}) {
  const journal: string[] = [];
  const environments: Record<string, string>[] = [];
  const parts: EmbeddedParts = {
    temporal: {
      ensure: async () => {
        journal.push('temporal');
        return target;
      },
      target: () => target,
      status: () => ({ name: 'temporal', state: 'running' }),
      stop: async () => void journal.push('stop temporal'),
    },
    lab: {
      ensure: async (_report, { image }) => {
        journal.push(`lab ${image ?? 'any'}`);
        return { AZURE_TENANT_ID: 't' };
      },
      environment: () => ({ AZURE_TENANT_ID: 't' }),
      status: async () => [{ name: 'wire', state: 'running' }],
      stop: async () => void journal.push('stop lab'),
    },
    worker: {
      ensure: async (environment) => {
        journal.push('worker');
        environments.push(environment);
        return {
          process: { pid: 7, startTicks: '1', bootId: 'b', command: 'node', logFile: '/log' },
          done: 'started',
        };
      },
      status: () => ({ name: 'worker', state: 'dead' }),
      stop: async () => void journal.push('stop worker'),
    },
    writers: {
      status: () => [],
      stop: async () => {
        journal.push('stop writers');
        return 1;
      },
    },
    labSpecification: '/x/lab.yaml',
    alone: (_report, work) => work(),
    workerEnvironment: { HADB_TASK_QUEUE: 'hadb' },
    ...changes,
  };
  return { parts, journal, environments };
}

describe('the embedded pieces', () => {
  it('start with the worker last, which is told where lab and Temporal are', async () => {
    const { parts, journal, environments } = partsForTests();

    await createEmbedded(parts).up(() => undefined, { image: 'clean' });

    expect(journal).toEqual(['temporal', 'lab clean', 'worker']);
    expect(environments).toEqual([
      {
        HADB_TASK_QUEUE: 'hadb',
        AZURE_TENANT_ID: 't',
        TEMPORAL_ADDRESS: '127.0.0.1:7233',
        TEMPORAL_NAMESPACE: 'default',
      },
    ]);
  });

  it('start no Temporal when the user has chosen one, and leave the worker to the same settings', async () => {
    const { parts, journal, environments } = partsForTests({ chosen: { ...target, address: 'cloud:7233' } });

    expect(await createEmbedded(parts).up(() => undefined)).toMatchObject({ address: 'cloud:7233' });

    expect(journal).toEqual(['lab any', 'worker']);
    expect(environments[0]).not.toHaveProperty('TEMPORAL_ADDRESS');
  });

  it('let the other pieces come to rest before they end with an error that was told at once, and start no worker then', async () => {
    const { parts, journal } = partsForTests();
    let rested = false;
    parts.temporal.ensure = () => Promise.reject(new Error('port in use'));
    const told: { message: string; rested: boolean }[] = [];
    parts.lab.ensure = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      rested = true;
      return {};
    };

    await expect(createEmbedded(parts).up((_code, message) => told.push({ message, rested }))).rejects.toThrow(
      'port in use',
    );

    expect(told).toEqual([{ message: expect.stringContaining('port in use') as string, rested: false }]);

    expect(rested).toBe(true);
    expect(journal).not.toContain('worker');
  });

  it('end the worker first, and what writes behind it, while lab and server still answer', async () => {
    const { parts, journal } = partsForTests();
    const told: string[] = [];

    await createEmbedded(parts).down((_code, message) => told.push(message));

    expect(journal).toEqual(['stop worker', 'stop writers', 'stop lab', 'stop temporal']);
    expect(told.slice(0, 2)).toEqual(['worker ended', 'the writer of a drill ended']);
  });

  it('tell their status in one list', async () => {
    const { parts } = partsForTests();

    expect((await createEmbedded(parts).status()).map(({ name, state }) => `${name} ${state}`)).toEqual([
      'temporal running',
      'wire running',
      'worker dead',
    ]);
  });
});
