import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../../processes/owned-process';
import type { NetworkPlan } from '../model';
import { ArmError } from './arm-error';
import { planNetwork } from './network-plan';
import type { Resource } from './resources/resource';
import { messageOf } from '../../processes/error-message';

/** Who makes the plan real: the lab's wire process. */
export interface PlanConsumer {
  /** What of the plan could not be brought about, in words for people; rejects when nothing was. */
  putPlan(plan: NetworkPlan): Promise<readonly string[]>;
  /** Generation that the consumer has; asked after a refusal, for it may be newer than ours (a purged state). */
  generation(): Promise<number>;
}

/** Keeps the data plane at what the resources say: sends the plan at each change and until it has been taken. */
export interface Planner {
  /** Plans again soon; many calls in one turn are one plan. */
  changed(): void;
  /**
   * Resolves when the data plane has taken a plan made from the present resources; rejects with an `ArmError`, as an
   * operation's failure, when it reports problems or does not answer for `timeoutMs`.
   */
  settled(signal: AbortSignal, timeoutMs: number): Promise<void>;
  readonly status: PlannerStatus;
  close(): Promise<void>;
}

export interface PlannerStatus {
  generation: number;
  acknowledged: boolean;
  problems: readonly string[];
}

const RETRY_MS = 500;
/** The data plane tries by itself what it could not do; this only asks how that went. */
const ASK_AGAIN_MS = 5000;

export function createPlanner(options: {
  directory: string;
  resources: () => readonly Resource[];
  consumer: PlanConsumer;
  log: (line: string) => void;
}): Planner {
  const { resources, consumer, log } = options;
  const file = join(options.directory, 'plan.json');
  let current: NetworkPlan = readPlan(file);
  // After a start the data plane may have lost everything: the plan is sent again in any case.
  let acknowledged = false;
  let problems: readonly string[] = [];
  const closing = new AbortController();
  let wake: () => void = () => undefined;
  let waiters: { generation: number; settle: (problems: readonly string[]) => void }[] = [];

  const refresh = (): NetworkPlan => {
    const body = planNetwork(resources());
    const { generation, ...previous } = current;
    if (JSON.stringify(previous) !== JSON.stringify(body)) {
      current = { generation: generation + 1, ...body };
      acknowledged = false;
      writeFileAtomically(file, JSON.stringify(current, undefined, 1));
    }
    return current;
  };

  const offer = async (plan: NetworkPlan): Promise<void> => {
    let found: readonly string[];
    try {
      found = await consumer.putPlan(plan);
    } catch (error) {
      found = [messageOf(error)];
      if (found.join() !== problems.join())
        log(`the data plane does not take plan ${plan.generation}: ${found.join()}`);
      problems = found;
      const theirs = await consumer.generation().catch(() => 0);
      if (theirs >= current.generation) current = { ...current, generation: theirs + 1 };
      return;
    }
    if (found.join() !== problems.join()) {
      log(
        `the data plane took plan ${plan.generation}${found.length === 0 ? '' : ` with problems: ${found.join('; ')}`}`,
      );
    }
    problems = found;
    if (plan.generation === current.generation) acknowledged = true;
    for (const waiter of waiters.filter(({ generation }) => generation <= plan.generation)) waiter.settle(found);
  };

  const send = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const plan = refresh();
      if (!acknowledged) {
        await offer(plan);
        // Closed meanwhile: nobody would wake it again.
        if (acknowledged || closing.signal.aborted) continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (!acknowledged) setTimeout(resolve, RETRY_MS).unref();
        else if (problems.length > 0) {
          setTimeout(() => {
            acknowledged = false;
            resolve();
          }, ASK_AGAIN_MS).unref();
        }
      });
    }
  };
  const sending = send();

  return {
    changed: () => wake(),
    async settled(signal, timeoutMs) {
      const { generation } = refresh();
      if (acknowledged && problems.length === 0) return;
      // With problems the answer is worth asking for again: the reason may be gone.
      acknowledged = false;
      await new Promise<void>((resolve, reject) => {
        const waiter = {
          generation,
          settle: (found: readonly string[]) =>
            finish(() => {
              if (found.length === 0) resolve();
              else reject(dataPlaneError(`could not bring the change about: ${found.join('; ')}`));
            }),
        };
        const finish = (act: () => void) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          waiters = waiters.filter((other) => other !== waiter);
          act();
        };
        const abort = () => finish(() => reject(new Error('aborted')));
        const timer = setTimeout(
          () =>
            finish(() =>
              reject(
                dataPlaneError(
                  `did not take the change within ${timeoutMs / 1000} s: ${problems.join('; ') || 'no answer'}`,
                ),
              ),
            ),
          timeoutMs,
        );
        waiters.push(waiter);
        signal.addEventListener('abort', abort);
        if (signal.aborted) abort();
        else wake();
      });
    },
    get status() {
      return { generation: current.generation, acknowledged, problems };
    },
    async close() {
      closing.abort();
      wake();
      await sending;
    },
  };
}

/** A damaged one is as good as none: what it holds is made from the resources, and its number follows the data plane's. */
function readPlan(file: string): NetworkPlan {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as NetworkPlan;
  } catch {
    return {
      generation: 0,
      virtualNetworks: [],
      ports: [],
      publicAddresses: [],
      loadBalancingRules: [],
      inboundNatRules: [],
    };
  }
}

function dataPlaneError(what: string): ArmError {
  return new ArmError(
    500,
    'InternalServerError',
    `An error occurred. The lab's data plane ${what}. See: hadb lab status`,
  );
}
