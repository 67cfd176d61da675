import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { heartbeat, sleep } from '@temporalio/activity';
import { parseRole, renderRoleRead } from '../../cluster/node/role-read';
import type { StepOutcome, StepWait, VerdictCheck } from '../../cluster/step';
import { formatSample, judgeRoles, parseSamples, type RoleSample } from '../../cluster/verdict/role-samples';
import { messageOf } from '../../processes/error-message';
import { readPower } from '../azure/power';
import { createScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import type { NodeSessions } from '../connections/node-session';
import type { DrillStep } from './writer-activities';
import type { WriterProcesses } from './writer-process';

export interface RoleSamplerDependencies extends AzureDependencies {
  sessions: NodeSessions;
  writers: Pick<WriterProcesses, 'directory' | 'isInUse' | 'read'>;
}

/** `askMs`: a node that does not answer within it is out of hearing. */
const PACE = { intervalMs: 1000, askMs: 2500 };

/** The audit of the roles: kept beside the ledger of the writer, and until that is stopped. */
export function createRoleSamplerActivities(dependencies: RoleSamplerDependencies, pace = PACE) {
  const { writers } = dependencies;
  const fileOf = (drill: string) => join(writers.directory(drill), 'roles.jsonl');
  return {
    /**
     * Asks both nodes for their role about once a second, half a second apart, until the writer of the drill is stopped; one that was killed does not end it. A worker that
     * dies leaves a gap, which the next try does not close.
     */
    async sampleRoles(step: DrillStep): Promise<StepOutcome> {
      mkdirSync(writers.directory(step.drill), { recursive: true, mode: 0o700 });
      const file = fileOf(step.drill);
      let ended = false;
      const sampleOne = async (node: string, delayMs: number): Promise<number> => {
        await sleep(delayMs);
        for (let count = 0; ; count += 1) {
          if (ended || !writers.isInUse(step.drill)) return count;
          const due = Date.now() + pace.intervalMs;
          const sample = await ask(dependencies, step, node, pace.askMs);
          appendFileSync(file, formatSample(sample));
          heartbeat({ step: step.step, waitingFor: 'the end of the drill' } satisfies StepWait);
          await sleep(Math.max(0, due - Date.now()));
        }
      };
      try {
        const counts = await Promise.all(
          step.specification.nodes.map(({ name }, index) => sampleOne(name, (index * pace.intervalMs) / 2)),
        );
        const told = step.specification.nodes.map(({ name }, index) => `${name} ${counts[index] ?? 0} times`);
        return { result: 'unchanged', observed: `asked ${told.join(', ')}` };
      } finally {
        ended = true;
      }
    },

    /**
     * Whether there were ever two primaries, from a time until the last line of the writer's ledger, or the last sample where the writer was killed before
     * it, all by the clock of this machine. A check that does not hold is an answer, not an error.
     */
    async judgeRoles(step: DrillStep & { from: number }): Promise<StepOutcome & { checks: VerdictCheck[] }> {
      const file = fileOf(step.drill);
      const samples = existsSync(file) ? parseSamples(readFileSync(file, 'utf8')) : [];
      const written = writers.read(step.drill) ?? [];
      const isClosed = written.some(({ kind }) => kind === 'end');
      const times = [...written.map(({ at }) => at), ...(isClosed ? [] : samples.map((sample) => sample.to))];
      const to = times.reduce((last, at) => Math.max(last, at), step.from);
      const [first, second] = step.specification.nodes;
      const checks = judgeRoles(samples, { nodes: [first.name, second.name], from: step.from, to });
      return {
        result: 'unchanged',
        observed: checks.map(({ name, passed, detail }) => `${name}: ${passed ? 'yes' : 'no'} (${detail})`).join('; '),
        checks,
      };
    },
  };
}

async function ask(
  dependencies: RoleSamplerDependencies,
  step: DrillStep,
  node: string,
  askMs: number,
): Promise<RoleSample> {
  const from = Date.now();
  try {
    const text = await within(askMs, async () => {
      const session = await dependencies.sessions.open(step, node);
      return (await session.read(renderRoleRead(), { timeoutMs: askMs })).stdout;
    });
    const heard = parseRole(text);
    if (heard === undefined) throw new Error('the answer was cut off');
    return { kind: 'heard', node, from, to: Date.now(), ...heard };
  } catch (error) {
    const asked = Date.now();
    const power = await within(askMs, async () => (await readPower(createScope(dependencies, step, node))).state).catch(
      () => undefined,
    );
    // What Azure says is of the time at which it was asked, not of the time before.
    return power === undefined
      ? { kind: 'silent', node, from, to: asked, why: messageOf(error) }
      : { kind: 'silent', node, from: asked, to: Date.now(), why: messageOf(error), power };
  }
}

function within<Result>(limitMs: number, work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
    work()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
