import { heartbeat, sleep } from '@temporalio/activity';
import { HadbError, type FailureCode } from '../../cluster/errors';
import { azureNames } from '../../cluster/ids';
import {
  describeFenceProof,
  FENCE_AGENT,
  FENCE_ANSWER_SECONDS,
  fenceProblems,
  parseFenceAgent,
  parseFenceDiagnosis,
  parseFenceProof,
  renderFenceAgentHold,
  renderFenceAgentInstall,
  renderFenceAgentRead,
  renderFenceDiagnosis,
  renderFenceProof,
  type FenceAnswer,
  type FenceLink,
} from '../../cluster/node/fence-agent';
import type { StepOutcome, StepWait } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { reportJob } from './waiting';

/** Azure's modules are half a gigabyte. */
const INSTALL_LIMIT_MS = 60 * 60_000;
const LOCK_SECONDS = 300;

interface Broken {
  code: FailureCode;
  /** How long it may pass by itself. */
  patienceMs: number;
  what: string;
  whatNow: (node: string) => string;
}

const BROKEN: Readonly<Record<FenceLink, Broken>> = {
  dns: {
    code: 'NotReady',
    patienceMs: 120_000,
    what: 'it cannot resolve management.azure.com',
    whatNow: (node) => `Look at /etc/resolv.conf and the name servers of ${node}, then decide "retry".`,
  },
  arm: {
    code: 'NotReady',
    patienceMs: 120_000,
    what: 'it does not reach Azure Resource Manager',
    whatNow: (node) =>
      `${node} must reach management.azure.com on port 443 and trust its certificate: look at the outbound rule of the load balancer, at firewalls, and at ca-certificates, then decide "retry".`,
  },
  token: {
    code: 'NotReady',
    patienceMs: 120_000,
    what: 'it gets no token for its identity',
    whatNow: (node) =>
      `The metadata service at 169.254.169.254 gives it, without a proxy: look at the identity of the machine ${node} and at firewalls on the node, then decide "retry".`,
  },
  role: {
    code: 'Denied',
    // A new assignment is heeded everywhere after ten minutes at most: learn.microsoft.com, "Troubleshoot Azure RBAC".
    patienceMs: 12 * 60_000,
    what: 'its identity lacks the role',
    whatNow: (node) =>
      `Look at the role assignments of both machines: the identity of ${node} needs to see, start and power off each of them. Then decide "retry".`,
  },
  agent: {
    code: 'PlatformUnsupported',
    // An assignment may have come into force between the agent's question and the diagnosis.
    patienceMs: 60_000,
    what: `${FENCE_AGENT} itself does not work`,
    whatNow: (node) =>
      `Run "${FENCE_AGENT} --msi -o list" on ${node}: the way to Azure is open, so the agent or Azure's modules for Python are of a version that does not do. Install others, then decide "retry".`,
  },
};

export function createFencingActivities(
  { sessions }: Pick<NodeDependencies, 'sessions'>,
  options: { intervalMs: number; patience: (link: FenceLink) => number } = {
    intervalMs: 5_000,
    patience: (link) => BROKEN[link].patienceMs,
  },
) {
  return {
    /** Step 19: the agent with what it needs of Python, held at its version. */
    async installFenceAgent(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const observe = async () => parseFenceAgent((await session.read(renderFenceAgentRead())).stdout);
      return performStep(session, step, {
        observe,
        isDone: ({ agent, held, modules }) => agent !== undefined && held && modules,
        describe: ({ agent, held, modules }) =>
          [
            agent ?? `no ${FENCE_AGENT}`,
            held ? 'held' : 'not held',
            modules ? "Azure's modules" : "no modules of Azure's",
          ].join(', '),
        act: async ({ agent, modules }) => {
          const done: string[] = [];
          if (agent === undefined || !modules) {
            const job = await session.runJob(step, {
              script: renderFenceAgentInstall(LOCK_SECONDS),
              timeoutMs: INSTALL_LIMIT_MS,
              onProgress: reportJob(step, 'the fence agent to be installed'),
            });
            done.push(`installed the fence agent${job.started === 'attached' ? ' (job found running)' : ''}`);
          }
          await session.change(step, renderFenceAgentHold());
          return [...done, 'held it'].join('; ');
        },
        whatNow: `Install ${FENCE_AGENT} and Azure's modules for Python on the node, then decide "retry".`,
      });
    },

    /**
     * Proves before Pacemaker is told: the agent lists both machines and tells the power of each, from this node, with the
     * identity of its machine. Errors: NotReady, Denied, PlatformUnsupported, each by what was lacking.
     */
    async awaitFencingProved(step: NodeStep & { subscriptionId: string; resourceGroup: string }): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const { virtualMachine } = azureNames(step.specification.name);
      const machines = step.specification.nodes.map(({ name }) => virtualMachine(name));
      const target = { subscriptionId: step.subscriptionId, resourceGroup: step.resourceGroup, machines };
      const startedAt = Date.now();
      for (;;) {
        const { stdout } = await session.read(renderFenceProof(target), {
          timeoutMs: (machines.length + 1) * (FENCE_ANSWER_SECONDS + 10) * 1000,
        });
        const answers = parseFenceProof(stdout);
        const problems = fenceProblems(answers, machines);
        if (problems.length === 0) return { result: 'unchanged', observed: describeFenceProof(answers) };
        const { link, said } = isMissing(answers)
          ? { link: 'agent' as const, said: `${FENCE_AGENT} is not installed` }
          : parseFenceDiagnosis((await session.read(renderFenceDiagnosis(target), { timeoutMs: 120_000 })).stdout);
        const waitedMs = Date.now() - startedAt;
        if (isMissing(answers) || waitedMs >= options.patience(link)) {
          throw cannotFence(step.node, link, { said, problems, waitedMs });
        }
        heartbeat({
          step: step.step,
          waitingFor: `${step.node} to be able to fence: ${BROKEN[link].what}`,
        } satisfies StepWait);
        await sleep(options.intervalMs);
      }
    },
  };
}

const isMissing = (answers: readonly FenceAnswer[]): boolean => answers[0]?.code === 127;

function cannotFence(
  node: string,
  link: FenceLink,
  { said, problems, waitedMs }: { said: string; problems: readonly string[]; waitedMs: number },
): HadbError {
  const { code, what, whatNow } = BROKEN[link];
  return new HadbError(code, `${node} cannot fence: ${what} (${said})`, {
    subject: node,
    observed: problems.join('; '),
    whatNow: whatNow(node),
    waitedMs,
  });
}
