import { ArmError } from './arm-error';
import type { ArmErrorBody } from './arm-error';
import { idKey } from './resource-id';
import type { JsonObject } from './resources/resource';
import type { Store } from './store';
import { messageOf } from '../../processes/error-message';

export type OperationStatus = 'InProgress' | 'Succeeded' | 'Failed' | 'Canceled';

/** A long-running operation on disk: a list of named, idempotent stages and how far it is. */
export interface Operation {
  id: string;
  kind: string;
  /** Azure's own name of it, for messages. */
  name: string;
  /** Id of the resource it is about; operations on the same one run in the order of `sequence`. */
  target: string;
  provider: string;
  location: string;
  sequence: number;
  status: OperationStatus;
  /** HTTP method that began it; decides what its Location answers. */
  method: string;
  startTime: string;
  endTime?: string;
  error?: ArmErrorBody;
  /** The stage to run next. */
  stage: string;
  /** What stages need and leave for each other; emptied when the operation ends. */
  data: JsonObject;
  /** Does not wait for the running stage of an operation that it supersedes (a power cut waits for nobody). */
  urgent: boolean;
  /** Random part of the URLs that are handed out. */
  secret: string;
}

export interface StageContext {
  readonly operation: Operation;
  /** Aborts when the operation is superseded or the lab stops; stages that wait must listen. */
  readonly signal: AbortSignal;
}

export interface Stage {
  readonly name: string;
  run(context: StageContext): Promise<void> | void;
}

export interface OperationKind {
  readonly stages: readonly Stage[];
  /** Called once when it ends other than well, with the error that the status document shows. */
  onFailure?(operation: Operation, error: ArmErrorBody): void;
}

export interface Operations {
  /** Writes the operation down (from then on it happens) and starts it. */
  begin(input: BeginInput): Operation;
  /** Ends operations on the target early; their clients see the given status. */
  supersede(
    target: string,
    status: 'Failed' | 'Canceled',
    error: ArmErrorBody,
    only?: (operation: Operation) => boolean,
  ): void;
  inProgress(target: string): Operation[];
  /** Resolves once no stage of a superseded operation on the target runs any more. */
  quiet(target: string, except?: string): Promise<void>;
  /** Resolves when the operation has ended or the time is over, whichever is first. */
  awaitEnd(id: string, timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Continues what a killed process left. */
  resume(): void;
  /** Stops running stages where they are; `resume` of the next process goes on. */
  close(): Promise<void>;
}

export type BeginInput = Pick<
  Operation,
  'id' | 'kind' | 'name' | 'target' | 'provider' | 'location' | 'method' | 'data' | 'secret' | 'urgent'
>;

/** How long Azure keeps status documents is not documented; a week covers any client that comes back. */
const KEEP_MS = 7 * 24 * 3600 * 1000;

type AbortReason = { reason: 'closed' } | { reason: 'superseded' };

export function createOperations(options: {
  store: Store;
  kinds: Readonly<Record<string, OperationKind>>;
  log: (line: string) => void;
  now: () => Date;
}): Operations {
  const { store, kinds, log, now } = options;
  const running = new Map<string, { controller: AbortController; done: Promise<void>; target: string }>();
  const ended = new EventTarget();
  let closed = false;
  let sequence = Math.max(0, ...store.operations().map((operation) => operation.sequence));

  const kindOf = (operation: Operation): OperationKind => {
    const kind = kinds[operation.kind];
    if (kind === undefined) throw new Error(`operation ${operation.id} is of the unknown kind ${operation.kind}`);
    return kind;
  };

  const end = (operation: Operation, status: OperationStatus, error?: ArmErrorBody) => {
    if (error !== undefined) kindOf(operation).onFailure?.(operation, error);
    store.putOperation({
      ...operation,
      status,
      endTime: now().toISOString(),
      data: {},
      ...(error === undefined ? {} : { error }),
    });
    log(
      `operation ${operation.id} ${operation.name} ${status}${error === undefined ? '' : `: ${error.code} ${error.message}`}`,
    );
    ended.dispatchEvent(new Event(operation.id));
  };

  const runStages = async (id: string, signal: AbortSignal): Promise<void> => {
    for (;;) {
      const operation = store.operation(id);
      if (operation === undefined || operation.status !== 'InProgress' || signal.aborted) return;
      const { stages } = kindOf(operation);
      const index = stages.findIndex(({ name }) => name === operation.stage);
      const stage = stages[index];
      if (stage === undefined) throw new Error(`operation ${id} is at the unknown stage ${operation.stage}`);
      try {
        await stage.run({ operation, signal });
      } catch (error) {
        if (signal.aborted) return;
        const failure = toArmError(error);
        log(
          `operation ${id} stage ${stage.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
        end(store.operation(id) ?? operation, 'Failed', failure.toStatus());
        return;
      }
      if (signal.aborted) return;
      const next = stages[index + 1];
      const latest = store.operation(id) ?? operation;
      if (next === undefined) {
        end(latest, 'Succeeded');
        return;
      }
      store.putOperation({ ...latest, stage: next.name });
    }
  };

  const inProgress = (target: string) =>
    store
      .operations()
      .filter((operation) => operation.status === 'InProgress' && idKey(operation.target) === idKey(target))
      .toSorted((a, b) => a.sequence - b.sequence);

  const startNext = (target: string) => {
    if (closed) return;
    const first = inProgress(target)[0];
    if (first === undefined || running.has(first.id)) return;
    const busy = [...running.values()].some((other) => other.target === idKey(target));
    if (busy && !first.urgent) return;
    const controller = new AbortController();
    // A turn of the loop later, so that the answer to the request is written first.
    const done = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => runStages(first.id, controller.signal))
      .catch((error: unknown) => log(`operation ${first.id}: ${String(error)}`))
      .finally(() => {
        running.delete(first.id);
        startNext(target);
      });
    running.set(first.id, { controller, done, target: idKey(target) });
  };

  return {
    begin(input) {
      const first = kinds[input.kind]?.stages[0];
      if (first === undefined) throw new Error(`unknown kind of operation ${input.kind}`);
      sequence += 1;
      const operation: Operation = {
        ...input,
        sequence,
        status: 'InProgress',
        startTime: now().toISOString(),
        stage: first.name,
      };
      store.putOperation(operation);
      log(`operation ${operation.id} ${operation.name} on ${operation.target} begins`);
      startNext(operation.target);
      return operation;
    },
    supersede(target, status, error, only = () => true) {
      for (const operation of inProgress(target).filter(only)) {
        running.get(operation.id)?.controller.abort({ reason: 'superseded' } satisfies AbortReason);
        end(operation, status, error);
      }
    },
    inProgress,
    async quiet(target, except) {
      const others = [...running].filter(([id, other]) => id !== except && other.target === idKey(target));
      await Promise.all(others.map(([, { done }]) => done));
    },
    async awaitEnd(id, timeoutMs, signal) {
      if (store.operation(id)?.status !== 'InProgress' || closed || timeoutMs <= 0) return;
      await new Promise<void>((resolve) => {
        const finish = () => {
          clearTimeout(timer);
          ended.removeEventListener(id, finish);
          ended.removeEventListener('closed', finish);
          signal?.removeEventListener('abort', finish);
          resolve();
        };
        const timer = setTimeout(finish, timeoutMs);
        ended.addEventListener(id, finish);
        ended.addEventListener('closed', finish);
        signal?.addEventListener('abort', finish);
      });
    },
    resume() {
      for (const operation of store.operations()) {
        const old = operation.endTime !== undefined && now().getTime() - Date.parse(operation.endTime) > KEEP_MS;
        if (old) store.removeOperation(operation.id);
        else if (operation.status === 'InProgress') {
          log(`operation ${operation.id} ${operation.name} on ${operation.target} goes on at ${operation.stage}`);
          startNext(operation.target);
        }
      }
    },
    async close() {
      closed = true;
      ended.dispatchEvent(new Event('closed'));
      for (const { controller } of running.values()) controller.abort({ reason: 'closed' } satisfies AbortReason);
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

function toArmError(error: unknown): ArmError {
  if (error instanceof ArmError) return error;
  const message = messageOf(error);
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  // `cp` can say it in words only.
  if (code === 'ENOSPC' || message.includes('No space left on device')) {
    return new ArmError(
      409,
      'AllocationFailed',
      `Allocation failed. The lab's host has no space left: ${message}. Free some space in the state directory's file system.`,
    );
  }
  return new ArmError(500, 'InternalExecutionError', `An internal execution error occurred. ${message}`);
}
