import type { MachineHost } from './control/machine-host';
import type { VirtualMachine } from './control/resources/virtual-machine';
import type { PowerOff } from './model';
import { messageOf } from '../processes/error-message';

/** Those whose guests run now. */
export function runningMachines(machines: readonly VirtualMachine[], host: MachineHost): VirtualMachine[] {
  return machines.filter(
    ({ hidden }) => hidden.machine !== undefined && host.driver(hidden.image).state(hidden.machine) !== 'stopped',
  );
}

/**
 * Stops guests side by side: each may take the whole grace. One that fails keeps nobody from ending in order; it is told
 * once all have come to rest.
 */
export async function shutDownMachines(
  machines: readonly VirtualMachine[],
  host: MachineHost,
  options: { how: PowerOff; graceMs: number; onProgress: (sentence: string) => void },
): Promise<void> {
  const stops = await Promise.allSettled(
    machines.map(async ({ hidden, name }) => {
      if (hidden.machine === undefined) return;
      options.onProgress(`stopping ${name}`);
      const began = performance.now();
      await host.driver(hidden.image).stop(hidden.machine, options.how, options.graceMs);
      options.onProgress(`${name} is down after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    }),
  );
  const failures = stops.flatMap((stop) => (stop.status === 'rejected' ? [stop.reason as unknown] : []));
  if (failures.length > 0) {
    throw new Error(failures.map(messageOf).join('; '));
  }
}
