import { MODULES_FILE, renderModuleLoad, renderModuleRead } from '../../cluster/node/kernel-module';
import type { StepOutcome } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';

export function createKernelActivities({ sessions }: Pick<NodeDependencies, 'sessions'>) {
  return {
    /** Step 5. Errors: GuardRefused when the running kernel has no DRBD module. */
    async loadDrbdModule(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      return performStep(session, step, {
        observe: async () => {
          const { stdout } = await session.read(renderModuleRead());
          return { version: /^loaded=(.*)$/m.exec(stdout)?.[1], kept: /^kept=/m.test(stdout) };
        },
        isDone: ({ version, kept }) => version !== undefined && kept,
        describe: ({ version, kept }) =>
          `${version === undefined ? 'DRBD module not loaded' : `DRBD module ${version} loaded`}${kept ? ', at each boot' : ', not at boot'}`,
        act: async () => {
          await session.change(step, renderModuleLoad());
          return `loaded drbd; ${MODULES_FILE} loads it at each boot`;
        },
      });
    },
  };
}
