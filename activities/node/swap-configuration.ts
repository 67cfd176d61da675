import { CRM_EXIT, disruptions, parseCrmSimulate } from '../../cluster/cib/tools';
import { HadbError } from '../../cluster/errors';
import { NOT_READY } from '../../cluster/node/guards';
import { renderCibRead, renderSimulation } from '../../cluster/node/pacemaker-moves';
import type { NodeSession } from '../connections/node-session';
import type { NodeStep } from '../step';

/** The status section of a live CIB changes with each result of an operation; the change is planned anew then. */
const SWAP_TRIES = 10;

export const readCib = async (session: NodeSession): Promise<string> => (await session.read(renderCibRead())).stdout;

/**
 * Changes the live configuration by compare and swap; refused when Pacemaker would stop or move anything because of it.
 * Errors: GuardRefused, NotReady when somebody else changes it all the time.
 */
export async function swapConfiguration(
  session: NodeSession,
  step: NodeStep,
  change: {
    next: (live: string) => string;
    patch: (sizes: { oldBytes: number; newBytes: number }) => string;
    timeoutMs?: number;
  },
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const old = await readCib(session);
    const next = change.next(old);
    const simulated = parseCrmSimulate((await session.read(renderSimulation(), { input: next })).stdout);
    const disrupted = disruptions(simulated);
    if (disrupted.length > 0) {
      throw new HadbError('GuardRefused', `Pacemaker would disturb what runs: ${disrupted.join(', ')}`, {
        subject: step.node,
        observed: disrupted.join(', '),
        whatNow: 'Look at "crm_mon -1 -r" and "crm_simulate -L -s" on the node for the reason, then retry.',
      });
    }
    const [before, after] = [Buffer.from(old), Buffer.from(next)];
    const { code, stderr } = await session.change(
      step,
      change.patch({ oldBytes: before.length, newBytes: after.length }),
      {
        input: Buffer.concat([before, after]),
        accept: [0, CRM_EXIT.old, NOT_READY],
        ...(change.timeoutMs === undefined ? {} : { timeoutMs: change.timeoutMs }),
      },
    );
    if (code === 0) return;
    if (code === NOT_READY) {
      throw new HadbError('NotReady', `${step.node}: not possible yet: ${stderr.trim()}`, {
        subject: step.node,
        observed: stderr.trim(),
        whatNow: 'Look at both nodes with "crm_mon -1 -r" and "drbdadm status r0"; the step is tried again.',
      });
    }
    if (tries >= SWAP_TRIES) {
      throw new HadbError('NotReady', `${step.node}: the configuration changes faster than it can be planned`, {
        subject: step.node,
        observed: stderr.trim(),
        whatNow: 'Look who changes it ("cibadmin --query | head -n 1"), then retry.',
      });
    }
  }
}
