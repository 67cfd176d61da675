import { HadbError } from '../../cluster/errors';
import { renderEndLeftFaults, renderLeftFaultsRead } from '../../cluster/node/fault-guards';
import type { LeftFault } from '../../cluster/recovery/findings';
import type { NodeSession } from '../connections/node-session';
import { makeMove } from '../node/runtime';
import type { NodeStep } from '../step';
import type { FaultInjector } from './fault-injector';

/** What a drill that was terminated has left to the timers of its faults. */

/** Of the fault that a drill makes in the network, for the sake of one node. */
export const linkId = (fault: string, node: string): string => `drill-${fault}-${node}`;

/** What the node itself is still to take back. */
export async function readLeftFaults(session: NodeSession): Promise<LeftFault[]> {
  const { stdout } = await session.read(renderLeftFaultsRead());
  return stdout
    .split('\n')
    .filter((fault) => fault !== '')
    .map((fault) => ({ fault, where: 'node' }));
}

/** The same in the network, where faults are made there. */
export async function readLeftLinks(faults: FaultInjector | undefined, node: string): Promise<LeftFault[]> {
  const ids = (await faults?.links?.list()) ?? [];
  return ids.flatMap((id): LeftFault[] => {
    const fault = id.slice('drill-'.length, -(node.length + 1));
    return id === linkId(fault, node) ? [{ fault, where: 'network' }] : [];
  });
}

/** Takes them back now. Errors: GuardRefused while a node is being fenced, NotReady when one is still there. */
export async function endLeftFaults(
  { open, faults }: { open: () => Promise<NodeSession>; faults: FaultInjector | undefined },
  step: NodeStep & { faults: readonly LeftFault[] },
): Promise<void> {
  const named = (where: LeftFault['where']) =>
    step.faults.filter((left) => left.where === where).map(({ fault }) => fault);
  for (const fault of named('network')) await faults?.links?.remove(linkId(fault, step.node));
  const own = named('node');
  if (own.length === 0) return;
  const session = await open();
  await makeMove(session, step, renderEndLeftFaults(own));
  const left = (await readLeftFaults(session)).map(({ fault }) => fault).filter((fault) => own.includes(fault));
  if (left.length === 0) return;
  throw new HadbError('NotReady', `${step.node}: still to be taken back: ${left.join(', ')}`, {
    subject: step.node,
    whatNow: `Look at "systemctl list-timers 'hadb-undo-*'" and "journalctl -u 'hadb-undo-*'" on ${step.node}.`,
  });
}
