/** `fence_event` elements as Pacemaker's own schema of crm_mon has them; that they are is checked by the real schema. */
export const FENCE_EVENTS = {
  confirmed:
    '<fence_event status="success" delegate="hadb02" action="off" target="hadb01" client="pacemaker-controld.1042" origin="hadb02" completed="2026-11-22 18:23:53Z"/>',
  failed:
    '<fence_event status="failed" exit-reason="No access token" delegate="hadb02" action="off" target="hadb01" client="pacemaker-controld.1042" origin="hadb02" completed="2026-11-22 18:22:10.088147Z"/>',
  failedLater:
    '<fence_event status="failed" action="off" target="hadb01" client="pacemaker-controld.1042" origin="hadb02" completed="2026-11-22 19:00:00Z"/>',
  pending:
    '<fence_event status="pending" extended-status="executing" action="off" target="hadb01" client="pacemaker-controld.1042" origin="hadb02"/>',
  asserted:
    '<fence_event status="success" delegate="a human" action="off" target="hadb01" client="stonith_admin.77" origin="hadb02" completed="2026-11-22 18:30:00Z"/>',
} as const;
