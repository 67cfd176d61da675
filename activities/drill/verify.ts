import {
  isWeeklyVerify,
  renderVerifyRead,
  parseVerifyView,
  verifyLeftOut,
  verifySeconds,
  type VerifyView,
} from '../../cluster/drbd/verify';
import { describeDrbd } from '../../cluster/drbd/state';
import { HadbError } from '../../cluster/errors';
import { VERIFIED_TAG } from '../../cluster/ids';
import { parseClock, renderClockRead } from '../../cluster/logs/clock';
import { renderStartVerify } from '../../cluster/node/verify-moves';
import type { StepContext, StepOutcome, VerdictCheck } from '../../cluster/step';
import { auditVerify, verifyNotRun } from '../../cluster/verdict/audit-verify';
import { messageOf } from '../../processes/error-message';
import { readEvidence } from '../azure/evidence';
import { createScope, type AzureScope } from '../azure/resource-kind';
import type { AzureDependencies } from '../azure/submission';
import { writeTags } from '../azure/tags';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import { makeMove } from '../node/runtime';
import { waitUntil } from '../node/waiting';

export interface VerifyDependencies extends AzureDependencies {
  sessions: NodeSessions;
  /** How long a comparison that does not run any more may take to say how it ended. */
  verifyEndMs?: number;
}

/** Of the time that it should take, and this besides: a busy disk makes it slower. */
const SLOWNESS = 10;
const LEAST_LIMIT_MS = 600_000;

export function createVerifyActivities(dependencies: VerifyDependencies) {
  const { sessions, verifyEndMs = 10_000 } = dependencies;
  return {
    /**
     * Has DRBD compare both copies, from the primary, and waits for its end; one that a try before has begun is taken up. `since` is the beginning of the drill (ms since
     * the epoch, our clock). What it finds is an answer, not an error. One that is made once a week is noted on the resource group. Errors: GuardRefused, NotReady,
     * those of Azure.
     */
    async verifyCopies(step: StepContext & { since: number }): Promise<StepOutcome & { checks: VerdictCheck[] }> {
      const { specification } = step;
      const isWeekly = isWeeklyVerify(specification);
      const tags = isWeekly ? await readEvidence(createScope(dependencies, step)) : {};
      const lastAt = Date.parse(tags[VERIFIED_TAG] ?? '');
      const leftOut = verifyLeftOut(specification, {
        at: step.since,
        inBuild: step.operation.runbook === 'buildCluster',
        // One of this very drill, by a try whose report was lost, is found on the node.
        ...(lastAt < step.since && { lastAt }),
      });
      if (leftOut !== undefined) {
        return { result: 'unchanged', observed: `not run: ${leftOut}`, checks: [verifyNotRun(leftOut)] };
      }
      const nodes = await Promise.all(
        specification.nodes.map(async ({ name }) => {
          const session = await sessions.open(step, name);
          const sentAt = Date.now();
          const nodeAt = parseClock((await session.read(renderClockRead())).stdout) ?? sentAt;
          return { session, sinceSeconds: (step.since + nodeAt - sentAt) / 1000 };
        }),
      );
      const look = ({ session, sinceSeconds }: (typeof nodes)[number]) => readVerify(session, sinceSeconds);
      const first = await Promise.all(nodes.map(look));
      const index = first.findIndex(({ drbd }) => drbd.role === 'Primary');
      const [primary, before] = [nodes[index], first[index]];
      if (primary === undefined || before === undefined) {
        throw new HadbError('NotReady', 'no node is primary', {
          observed: first.map(({ drbd }) => describeDrbd(drbd)).join(' | '),
          whatNow: 'Look at "crm_mon -1 -r" on both nodes.',
        });
      }
      const { node } = primary.session;
      const isFound = before.runs || before.ended !== undefined;
      if (!isFound) await makeMove(primary.session, step, renderStartVerify());
      let stillSince: number | undefined;
      const last = await waitUntil(
        { ...step, node },
        {
          waitingFor: 'the comparison of both copies',
          limitMs: Math.max(LEAST_LIMIT_MS, verifySeconds(specification) * 1000 * SLOWNESS),
          intervalMs: 500,
          observe: async () => {
            const view = await look(primary);
            stillSince = view.runs ? undefined : (stillSince ?? Date.now());
            return view;
          },
          // The kernel's word may take a moment to reach the journal; without it the comparison was broken off.
          isDone: ({ runs, ended }) =>
            !runs && (ended !== undefined || Date.now() - (stillSince ?? Date.now()) >= verifyEndMs),
          describe: describeView,
          progress: ({ donePercent }) => (donePercent === undefined ? {} : { percent: donePercent }),
          whatNow: 'Look at /proc/drbd: the comparison goes on, and does no harm but the load.',
        },
      );
      const seen = await Promise.all(nodes.map(look));
      const outOfSync = seen.map(({ drbd }, position) => ({
        node: nodes[position]?.session.node ?? '',
        kib: drbd.outOfSyncKiB,
      }));
      const check = auditVerify({ ...(last.ended !== undefined && { ended: last.ended }), outOfSync });
      const noted = isWeekly && check.passed ? await noteVerified(createScope(dependencies, step)) : '';
      return {
        result: isFound ? 'changedEarlier' : 'changed',
        observed: describeView(before),
        done: `had DRBD compare both copies, from ${node}`,
        verified: `${check.detail}${noted}`,
        checks: [check],
      };
    },
  };
}

/** A note that cannot be written costs another comparison, and no verdict. */
async function noteVerified(scope: AzureScope): Promise<string> {
  const value = new Date().toISOString();
  try {
    await writeTags(scope, scope.ids.resourceGroup, { [VERIFIED_TAG]: value });
    return `; noted as ${VERIFIED_TAG}`;
  } catch (error) {
    return `; not noted as ${VERIFIED_TAG}, so that the next drill makes it again: ${messageOf(error)}`;
  }
}

async function readVerify(session: NodeSession, sinceSeconds: number): Promise<VerifyView> {
  return parseVerifyView((await session.read(renderVerifyRead({ sinceSeconds }))).stdout);
}

const describeView = ({ drbd, runs, donePercent, ended }: VerifyView): string =>
  [
    describeDrbd(drbd),
    ...(runs ? [`${drbd.replication} ${donePercent ?? '?'} %`] : []),
    ...(ended === undefined ? [] : [ended]),
  ].join(', ');
