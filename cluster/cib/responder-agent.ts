/** Answers the load balancer's probe; the agent of the resource-agents package, which Azure's own guides use. */
export const STOCK_RESPONDER_AGENT = {
  provider: 'heartbeat',
  type: 'azure-lb',
  path: '/usr/lib/ocf/resource.d/heartbeat/azure-lb',
} as const;

/** The same agent, run by bash. */
export const RESPONDER_AGENT = {
  provider: 'hadb',
  type: 'azure-lb',
  path: '/usr/lib/ocf/resource.d/hadb/azure-lb',
  mode: 0o755,
} as const;

/**
 * Prints `responderAgentBroken=yes` where the stock agent asks for a shell that does not understand it: that of resource-agents
 * 4.18 is a script for `/bin/sh` with a substitution of bash, so that where `sh` is dash no start succeeds. Changes nothing.
 */
export function renderResponderAgentProbe(): string {
  return `if grep -q ',,}' ${STOCK_RESPONDER_AGENT.path} 2>/dev/null; then
  read -r first <${STOCK_RESPONDER_AGENT.path}
  interpreter=\${first#??}
  word=A "\${interpreter%% *}" -c 'case \${word,,} in a) ;; *) exit 1 ;; esac' 2>/dev/null || echo responderAgentBroken=yes
fi
`;
}

export function renderResponderAgent(): string {
  return `#!/bin/bash
# ocf:hadb:azure-lb - written by hadb; a change by hand is reported as drift.
# The stock agent of this release asks for /bin/sh and needs bash.
exec /bin/bash ${STOCK_RESPONDER_AGENT.path} "$@"
`;
}
