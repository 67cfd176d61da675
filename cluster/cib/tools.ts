import { unreadable } from '../errors';
import { attributeOf, childOf, descendantsOf, parseXml, TEXT } from './parse-xml';

/** Exit codes of Pacemaker's programs (crm_error), as far as hadb meets them. */
export const CRM_EXIT = {
  ok: 0,
  /** Input that does not parse. */
  dataError: 65,
  /** crm_verify: cannot be parsed or upgraded. */
  schema: 76,
  /** crm_verify: warnings or errors. */
  configuration: 78,
  /** Pacemaker does not run. */
  disconnected: 102,
  /** cibadmin: the CIB has moved since it was read; plan again. */
  old: 103,
  noSuch: 105,
  timeout: 124,
} as const;

export interface Verification {
  valid: boolean;
  complaints: string[];
}

/**
 * Reads the answer of `crm_verify -V -x FILE` (exit code and both outputs).
 * @throws HadbError CommandFailed for an exit code that says nothing about the file.
 */
export function parseCrmVerify(result: { code: number; stdout: string; stderr: string }): Verification {
  const complaints = `${result.stdout}\n${result.stderr}`.split('\n').flatMap((line) => line.trim() || []);
  if (result.code === CRM_EXIT.ok) return { valid: true, complaints };
  if (!([CRM_EXIT.configuration, CRM_EXIT.schema, CRM_EXIT.dataError] as number[]).includes(result.code)) {
    throw unreadable('crm_verify', `exit code ${result.code}: ${complaints.join('; ')}`);
  }
  return { valid: false, complaints };
}

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

/** Code and errors of any answer with `--output-as=xml`. */
export function parseStatus(text: string, tool: string): { code: number; message: string; errors: string[] } {
  const status = childOf(parseXml(text, { root: 'pacemaker-result', tool }), 'status');
  return {
    code: Number(attributeOf(status, 'code') ?? -1),
    message: attributeOf(status, 'message') ?? '',
    errors: descendantsOf(status, 'error').map((error) => attributeOf(error, TEXT) ?? ''),
  };
}
