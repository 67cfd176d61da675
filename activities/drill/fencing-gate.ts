import { HadbError } from '../../cluster/errors';
import { azureNames } from '../../cluster/ids';
import {
  describeFenceProof,
  FENCE_ANSWER_SECONDS,
  fenceProblems,
  parseFenceDiagnosis,
  parseFenceProof,
  renderFenceDiagnosis,
  renderFenceProof,
  type FenceTarget,
} from '../../cluster/node/fence-agent';
import type { StepContext, StepOutcome } from '../../cluster/step';
import type { AzureDependencies } from '../azure/submission';
import type { NodeSession, NodeSessions } from '../connections/node-session';

export interface FencingGateDependencies extends AzureDependencies {
  sessions: NodeSessions;
}

/** Before anything is broken: whether a survivor could fence tonight. */
export function createFencingGateActivities({ arm, sessions }: FencingGateDependencies) {
  return {
    /**
     * Asks the agent on both nodes for the list and for the power of both machines, as it would be asked in earnest. Whether Pacemaker's device runs is of
     * the gate of the pair. Changes nothing. Errors: GateNotMet with all that is wrong, and where the way to Azure ends.
     */
    async readFencingGate(step: StepContext): Promise<StepOutcome> {
      const { specification } = step;
      if (specification.fencing === 'none') return { result: 'unchanged', observed: 'fencing: none' };
      const names = azureNames(specification.name);
      const target: FenceTarget = {
        subscriptionId: arm.subscriptionId,
        resourceGroup: names.resourceGroup,
        machines: specification.nodes.map(({ name }) => names.virtualMachine(name)),
      };
      const seen = await Promise.all(
        specification.nodes.map(async ({ name }) => seeFencing(await sessions.open(step, name), target)),
      );
      const problems = seen.flatMap((one) => one.problems);
      const observed = seen.map(({ node, told }) => `${node}: ${told}`).join(' | ');
      if (problems.length === 0) return { result: 'unchanged', observed };
      throw new HadbError('GateNotMet', `fencing would not work now: ${problems.join('; ')}`, {
        subject: specification.name,
        observed,
        whatNow: 'Put right what is named (docs/fencing.md), then begin another drill. Nothing was moved or broken.',
      });
    },
  };
}

interface SeenFencing {
  node: string;
  told: string;
  problems: string[];
}

async function seeFencing(session: NodeSession, target: FenceTarget): Promise<SeenFencing> {
  const { node } = session;
  const { stdout } = await session.read(renderFenceProof(target), {
    timeoutMs: (target.machines.length + 1) * (FENCE_ANSWER_SECONDS + 10) * 1000,
  });
  const answers = parseFenceProof(stdout);
  const problems = fenceProblems(answers, target.machines);
  if (problems.length > 0) {
    const { link, said } = parseFenceDiagnosis(
      (await session.read(renderFenceDiagnosis(target), { timeoutMs: 120_000 })).stdout,
    );
    problems.push(`the way ends at ${link} (${said})`);
  }
  return { node, told: describeFenceProof(answers), problems: problems.map((problem) => `${node}: ${problem}`) };
}
