import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArmError } from '../../../lab/control/arm-error';
import { createOperations } from '../../../lab/control/operations';
import type { BeginInput, OperationKind, Operations } from '../../../lab/control/operations';
import { openStore } from '../../../lab/control/store';
import { removeDirectory } from './fake-machines';

const input = (id: string, further: Partial<BeginInput> = {}): BeginInput => ({
  id,
  kind: 'test',
  name: 'TestOperation',
  target: '/subscriptions/s/resourceGroups/g',
  provider: 'Microsoft.Network',
  location: 'westeurope',
  method: 'PUT',
  urgent: false,
  secret: 'p',
  data: {},
  ...further,
});

describe('operations', () => {
  let directory: string;
  const open: Operations[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-operations-'));
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((operations) => operations.close()));
    removeDirectory(directory);
  });

  const engine = (kind: OperationKind, now = new Date('2026-01-01T00:00:00Z')) => {
    const store = openStore(directory);
    const operations = createOperations({ store, kinds: { test: kind }, log: () => undefined, now: () => now });
    open.push(operations);
    return { store, operations };
  };

  it('runs the stages in order and ends in Succeeded', async () => {
    const ran: string[] = [];
    const { store, operations } = engine({
      stages: ['one', 'two', 'three'].map((name) => ({ name, run: () => void ran.push(name) })),
    });

    operations.begin(input('a'));
    await operations.awaitEnd('a', 5000);

    expect(ran).toEqual(['one', 'two', 'three']);
    expect(store.operation('a')).toMatchObject({ status: 'Succeeded', endTime: '2026-01-01T00:00:00.000Z', data: {} });
  });

  it('goes on in a new process with the stage that had not ended', async () => {
    const ran: string[] = [];
    const stuck = engine({
      stages: [
        { name: 'one', run: () => void ran.push('one') },
        {
          name: 'two',
          run: ({ signal }) =>
            new Promise((_resolve, reject) => {
              ran.push('two begins');
              signal.addEventListener('abort', () => reject(new Error('aborted')));
            }),
        },
      ],
    });
    stuck.operations.begin(input('a'));
    while (!ran.includes('two begins')) await new Promise((resolve) => setImmediate(resolve));
    await stuck.operations.close();
    expect(stuck.store.operation('a')?.status).toBe('InProgress');

    const { store, operations } = engine({
      stages: [
        { name: 'one', run: () => void ran.push('one') },
        { name: 'two', run: () => void ran.push('two') },
      ],
    });
    operations.resume();
    await operations.awaitEnd('a', 5000);

    expect(ran).toEqual(['one', 'two begins', 'two']);
    expect(store.operation('a')?.status).toBe('Succeeded');
  });

  it('fails with the error of its stage, and tells its kind', async () => {
    const failures: string[] = [];
    const { store, operations } = engine({
      stages: [
        {
          name: 'one',
          run: () => {
            throw new ArmError(409, 'AllocationFailed', 'no room');
          },
        },
      ],
      onFailure: (_operation, error) => void failures.push(error.code),
    });

    operations.begin(input('a'));
    await operations.awaitEnd('a', 5000);

    expect(store.operation('a')).toMatchObject({
      status: 'Failed',
      error: { code: 'AllocationFailed', message: 'no room' },
    });
    expect(failures).toEqual(['AllocationFailed']);
  });

  it('says that the host is full when a write fails for that', async () => {
    const { store, operations } = engine({
      stages: [{ name: 'one', run: () => Promise.reject(Object.assign(new Error('write'), { code: 'ENOSPC' })) }],
    });

    operations.begin(input('a'));
    await operations.awaitEnd('a', 5000);

    expect(store.operation('a')?.error?.message).toMatch(/no space left/);
  });

  it('runs operations on one resource one after the other, and on two side by side', async () => {
    const running = new Set<string>();
    let together = 0;
    const gates = new Map<string, () => void>();
    const { operations } = engine({
      stages: [
        {
          name: 'one',
          run: ({ operation }) =>
            new Promise<void>((resolve) => {
              running.add(operation.id);
              together = Math.max(together, running.size);
              gates.set(operation.id, () => {
                running.delete(operation.id);
                resolve();
              });
            }),
        },
      ],
    });
    const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

    operations.begin(input('first'));
    operations.begin(input('second'));
    operations.begin(input('elsewhere', { target: '/subscriptions/s/resourceGroups/other' }));
    await turn();
    expect([...running].toSorted()).toEqual(['elsewhere', 'first']);
    gates.get('first')?.();
    await operations.awaitEnd('first', 5000);
    await turn();
    expect([...running].toSorted()).toEqual(['elsewhere', 'second']);
    gates.get('second')?.();
    gates.get('elsewhere')?.();
    await operations.awaitEnd('second', 5000);

    expect(together).toBe(2);
  });

  it('a superseded operation ends at once, and the next begins when its stage has let go', async () => {
    let release: () => void = () => undefined;
    const ran: string[] = [];
    const { store, operations } = engine({
      stages: [
        {
          name: 'one',
          run: async ({ operation }) => {
            ran.push(operation.id);
            if (operation.id === 'old') {
              await new Promise<void>((resolve) => {
                release = resolve;
              });
            }
          },
        },
      ],
    });
    operations.begin(input('old'));
    while (ran.length === 0) await new Promise((resolve) => setImmediate(resolve));

    operations.supersede('/subscriptions/s/resourcegroups/G', 'Canceled', { code: 'Canceled', message: 'newer' });
    operations.begin(input('new'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([store.operation('old')?.status, ran]).toEqual(['Canceled', ['old']]);
    release();
    await operations.awaitEnd('new', 5000);

    expect(ran).toEqual(['old', 'new']);
  });

  it('forgets operations that ended more than a week ago', () => {
    const kind: OperationKind = { stages: [{ name: 'one', run: () => undefined }] };
    const { store } = engine(kind);
    const ended = (id: string, endTime: string) =>
      store.putOperation({
        ...input(id),
        sequence: 1,
        status: 'Succeeded',
        startTime: endTime,
        endTime,
        stage: 'one',
      });
    ended('old', '2026-01-01T00:00:00Z');
    ended('recent', '2026-01-09T00:00:00Z');

    const later = engine(kind, new Date('2026-01-10T00:00:00Z'));
    later.operations.resume();

    expect(later.store.operations().map(({ id }) => id)).toEqual(['recent']);
  });
});
