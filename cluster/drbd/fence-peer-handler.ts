import { requireVersion, type Platform } from '../platform';
import type { ClusterSpecification } from '../specification/specification';
import { isAtLeast } from '../versions';

/** DRBD's own handlers; those for DRBD 9 have another suffix. */
const STOCK_HANDLERS = '/usr/lib/drbd';

/** DRBD's own handler, told what Pacemaker says in the words that it knows. */
export const FENCE_PEER_HANDLER = { path: '/usr/lib/hadb/crm-fence-peer.sh', mode: 0o755 } as const;

/**
 * Whether this node needs the handler of ours: with fencing the stock one must see that the peer is dead, or every failover takes its whole time-out, and a
 * survivor that was just rebooted is never promoted. DRBD 9 is in no distribution's kernel and comes with handlers of its own age.
 * @throws HadbError PlatformUnsupported without a DRBD module.
 */
export const needsOwnHandler = (specification: Pick<ClusterSpecification, 'fencing'>, platform: Platform): boolean =>
  specification.fencing !== 'none' && !platform.fencePeerHandlerWorks && !hasDrbd9(platform);

export const hasDrbd9 = (platform: Platform): boolean => isAtLeast(requireVersion(platform, 'drbdKernelVersion'), '9');

/** Paths of the two handlers for `r0.res`. */
export function handlerPaths(
  specification: Pick<ClusterSpecification, 'fencing'>,
  platform: Platform,
): { fence: string; unfence: string } {
  const suffix = hasDrbd9(platform) ? '.9.sh' : '.sh';
  return {
    fence: needsOwnHandler(specification, platform)
      ? FENCE_PEER_HANDLER.path
      : `${STOCK_HANDLERS}/crm-fence-peer${suffix}`,
    unfence: `${STOCK_HANDLERS}/crm-unfence-peer${suffix}`,
  };
}

/**
 * Runs the stock handler, with its arguments and all that it does, between it and Pacemaker's tools two functions that translate: since 2.1.7 a
 * node's state holds times (0 for "not") where the handler before drbd-utils 9.28 looks for `true` and `online`, and since 2.1 `crmadmin` ends its line
 * with `: ok` where the handler before 9.20 looks for `(ok)`. What is in the old words already passes through.
 */
export function renderFencePeerHandler(): string {
  return `#!/bin/bash
# Written by hadb; a change by hand is reported as drift.
# The handler of this release of drbd-utils does not understand this release of Pacemaker.
cibadmin() {
  local text code=0
  text=$(command cibadmin "$@") || code=$?
  printf '%s\n' "$text" | sed -E '/<node_state /{
s/ in_ccm="0"/ in_ccm="false"/
s/ in_ccm="[1-9][0-9]*"/ in_ccm="true"/
s/ crmd="0"/ crmd="offline"/
s/ crmd="[1-9][0-9]*"/ crmd="online"/
}'
  return "$code"
}
crmadmin() {
  local text code=0
  text=$(command crmadmin "$@") || code=$?
  case $text in *': ok') text="$text (ok)" ;; esac
  printf '%s\n' "$text"
  return "$code"
}
export -f cibadmin crmadmin
exec ${STOCK_HANDLERS}/crm-fence-peer.sh "$@"
`;
}
