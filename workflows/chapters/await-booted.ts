import type { PowerState } from '../../cluster/azure/power';
import type { StepContext } from '../../cluster/step';
import { azure, nodes } from './activities';

/**
 * Waits until the machine that Azure means by this name has booted and answers SSH. `refuse` looks at its power before: where nobody has just started it, one
 * that is off would be waited for in vain.
 */
export async function awaitBooted(
  step: StepContext,
  node: string,
  refuse: (node: string, state: PowerState) => void = () => undefined,
) {
  const { state, vmId } = await azure.readPower({ ...step, node });
  refuse(node, state);
  return nodes.awaitNodeReachable({ ...step, node, vmId });
}
