import { unreadable } from '../errors';

/** Exit codes of Pacemaker's programs (crm_error) that are answers. */
export const CRM_EXIT = {
  /** cibadmin: the CIB has moved since it was read; plan again. */
  old: 103,
  /** cibadmin: there is nothing of that kind. */
  noSuch: 105,
} as const;

/** What Pacemaker would do, in its order. */
export interface Simulation {
  actions: { action: string; resource: string; node: string }[];
}

/**
 * Reads the text of `crm_simulate -x FILE -S`. (As XML, 3.0.3 leaves the transition out when something is injected.)
 * @throws HadbError CommandFailed when the text holds no transition.
 */
export function parseCrmSimulate(text: string): Simulation {
  const transition = /^Executing Cluster Transition:\n((?:  \* .*\n)*)/m.exec(text)?.[1];
  if (transition === undefined) throw unreadable('crm_simulate', text);
  const lines = transition.matchAll(/^  \* Resource action: (\S+) +([a-z_-]+)(?:=\d+)? on (\S+)$/gm);
  return {
    actions: [...lines].map(([, resource = '', action = '', node = '']) => ({
      action,
      resource: resource.replace(/:\d+$/, ''),
      node,
    })),
  };
}

/** Actions that end or move something that runs: none may be the effect of a change of configuration. */
export const disruptions = (simulation: Simulation): string[] =>
  simulation.actions
    .filter(({ action }) => ['stop', 'demote', 'migrate_to', 'migrate_from', 'reload'].includes(action))
    .map(({ action, resource, node }) => `${action} of ${resource} on ${node}`);
