import { PROTOCOL, TCP_FLAG } from '../../../lab/wire/frame';
import { belongsToFlow, createFlowTable, flowKey, forgetIdleFlows, rememberFlow } from '../../../lab/wire/flows';

const hour = 3_600_000;
const key = flowKey(PROTOCOL.tcp, 40_000, 3306);

function tableWith(protocol: number = PROTOCOL.tcp) {
  const table = createFlowTable();
  rememberFlow(table, key, protocol, 0);
  return table;
}

test('a packet of a remembered flow belongs to it, one of another does not', () => {
  const table = tableWith();

  expect(belongsToFlow(table, key, TCP_FLAG.ack, 1)).toBe(true);
  expect(belongsToFlow(table, flowKey(PROTOCOL.tcp, 40_001, 3306), TCP_FLAG.ack, 1)).toBe(false);
  expect(belongsToFlow(table, flowKey(PROTOCOL.udp, 40_000, 3306), 0, 1)).toBe(false);
});

test('a segment that opens a connection is judged anew, its answer is not', () => {
  const table = tableWith();

  expect(belongsToFlow(table, key, TCP_FLAG.syn, 1)).toBe(false);
  expect(belongsToFlow(table, key, TCP_FLAG.syn | TCP_FLAG.ack, 1)).toBe(true);
});

it.each([
  ['an open connection', PROTOCOL.tcp, TCP_FLAG.ack, hour],
  ['a closing connection', PROTOCOL.tcp, TCP_FLAG.fin | TCP_FLAG.ack, 60_000],
  ['datagrams', PROTOCOL.udp, 0, 120_000],
  ['echo requests', PROTOCOL.icmp, 0, 30_000],
])('the flow of %s is forgotten when it has been silent for its time', (_what, protocol, flags, limitMs) => {
  const table = tableWith(protocol);
  belongsToFlow(table, key, flags, 5000);

  forgetIdleFlows(table, 5000 + limitMs);
  expect(table.flows.size).toBe(1);
  forgetIdleFlows(table, 5001 + limitMs);
  expect(table.flows.size).toBe(0);
});

test('keys of different flows differ up to the highest ports', () => {
  const keys = [
    flowKey(PROTOCOL.udp, 65_535, 65_535),
    flowKey(PROTOCOL.udp, 65_535, 65_534),
    flowKey(PROTOCOL.udp, 65_534, 65_535),
    flowKey(255, 65_535, 65_535),
    flowKey(255, 65_535, 65_534),
  ];

  expect(new Set(keys).size).toBe(keys.length);
});
