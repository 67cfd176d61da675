import { PROTOCOL, TCP_FLAG } from './frame';

/** How long a silent flow is remembered. A packet of a forgotten flow is judged as if it were the first. */
const IDLE_MS = { tcp: 3_600_000, tcpClosing: 60_000, udp: 120_000, other: 30_000 } as const;

interface Flow {
  lastSeenMs: number;
  protocol: number;
  closing: boolean;
}

/** The flows between two ends, in both directions: what a security group has allowed one way may answer the other way. */
export interface FlowTable {
  readonly flows: Map<number, Flow>;
}

export function createFlowTable(): FlowTable {
  return { flows: new Map() };
}

/**
 * One number for a flow, the same in both directions: the caller says which end is the first of the pair. Fits in the
 * 53 bits a number holds exactly: 8 for the protocol, 16 for each port.
 */
export function flowKey(protocol: number, firstPort: number, secondPort: number): number {
  return protocol * 0x1_0000_0000 + firstPort * 0x1_0000 + secondPort;
}

/** True if the packet belongs to a known flow. A TCP segment that opens a connection never does: rules may have changed. */
export function belongsToFlow(table: FlowTable, key: number, tcpFlags: number, nowMs: number): boolean {
  const flow = table.flows.get(key);
  if (flow === undefined) return false;
  if (flow.protocol === PROTOCOL.tcp) {
    if ((tcpFlags & (TCP_FLAG.syn | TCP_FLAG.ack)) === TCP_FLAG.syn) return false;
    if ((tcpFlags & (TCP_FLAG.fin | TCP_FLAG.rst)) !== 0) flow.closing = true;
  }
  flow.lastSeenMs = nowMs;
  return true;
}

export function rememberFlow(table: FlowTable, key: number, protocol: number, nowMs: number): void {
  table.flows.set(key, { lastSeenMs: nowMs, protocol, closing: false });
}

export function forgetIdleFlows(table: FlowTable, nowMs: number): void {
  for (const [key, flow] of table.flows) {
    if (nowMs - flow.lastSeenMs > idleLimitMs(flow)) table.flows.delete(key);
  }
}

function idleLimitMs(flow: Flow): number {
  if (flow.protocol === PROTOCOL.tcp) return flow.closing ? IDLE_MS.tcpClosing : IDLE_MS.tcp;
  return flow.protocol === PROTOCOL.udp ? IDLE_MS.udp : IDLE_MS.other;
}
