import {
  clusterSet,
  EXTRA_AGENTS,
  parsePackageState,
  renderDisable,
  renderHold,
  renderInstall,
  renderPackageRead,
  type PackageState,
} from '../../cluster/node/packages';
import type { StepOutcome } from '../../cluster/step';
import { performStep, type NodeStep } from '../step';
import type { NodeDependencies } from './dependencies';
import { reportJob } from './waiting';

/** A slow mirror, a busy dpkg lock (300 s) and a machine without KVM: minutes, not hours. */
const INSTALL_LIMIT_MS = 60 * 60_000;
const LOCK_SECONDS = 300;

export function createPackageActivities({ sessions }: Pick<NodeDependencies, 'sessions'>) {
  return {
    /** Step 4: installed, held, disabled. Missing packages come by a durable job; the rest takes milliseconds. */
    async installPackages(step: NodeStep): Promise<StepOutcome> {
      const session = await sessions.open(step, step.node);
      const set = clusterSet(step.specification);
      const observe = async () => parsePackageState((await session.read(renderPackageRead(set))).stdout, set);
      return performStep(session, step, {
        observe,
        isDone: (state) => isComplete(state, step),
        describe: describePackages,
        act: async (state) => {
          const done: string[] = [];
          if (state.missing.length > 0 || state.missingAgents.length > 0) {
            const job = await session.runJob(step, {
              script: renderInstall(set, { optional: [EXTRA_AGENTS], lockSeconds: LOCK_SECONDS }),
              timeoutMs: INSTALL_LIMIT_MS,
              onProgress: reportJob(step, 'packages to be installed'),
            });
            done.push(
              `installed ${[...state.missing, ...state.missingAgents].join(', ')}${job.started === 'attached' ? ' (job found running)' : ''}`,
            );
          }
          const { unheld, enabled } = done.length > 0 ? await observe() : state;
          await session.change(step, `${enabled.length > 0 ? renderDisable(enabled) : ''}${renderHold(unheld)}`);
          if (unheld.length > 0) done.push(`held ${unheld.length} packages`);
          if (enabled.length > 0) done.push(`disabled ${enabled.join(', ')}`);
          return done.join('; ') || 'put net.ipv4.tcp_timestamps=0 into force';
        },
      });
    },
  };
}

function isComplete(state: PackageState, step: NodeStep): boolean {
  const started = step.observeOnly === true || state.enabled.length === 0;
  return (
    state.missing.length === 0 &&
    state.missingAgents.length === 0 &&
    state.unheld.length === 0 &&
    state.sysctl &&
    started
  );
}

function describePackages(state: PackageState): string {
  const parts = [
    state.missing.length > 0 ? `missing: ${state.missing.join(', ')}` : 'packages installed',
    ...(state.missingAgents.length > 0 ? [`agents missing: ${state.missingAgents.join(', ')}`] : []),
    state.unheld.length > 0 ? `not held: ${state.unheld.join(', ')}` : 'held',
    state.enabled.length > 0 ? `enabled: ${state.enabled.join(', ')}` : 'units disabled',
    ...(state.sysctl ? [] : ['tcp_timestamps on']),
  ];
  return parts.join('; ');
}
