import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import type { DecodedPacket } from 'dns-packet';
import { AUTHORITATIVE_ANSWER, RECURSION_DESIRED, decode, encode } from 'dns-packet';

/** The DNS of public addresses: knows their names and nothing else. */
export interface NameServer {
  /** Opens the preferred port, or any when it is taken. Rejects when there is none at all. */
  listen(address: string, preferredPort: number | undefined): Promise<number>;
  setRecords(records: readonly NameRecord[]): void;
  close(): Promise<void>;
}

export interface NameRecord {
  name: string;
  address: string;
}

/** Short, so that a name that moves is seen to move, yet not zero: some resolvers treat that as "do not use". */
const TTL_SECONDS = 1;
const RCODE = { noError: 0, formatError: 1, nameError: 3, refused: 5 } as const;

export function createNameServer(): NameServer {
  let socket: Socket | undefined;
  let records: readonly NameRecord[] = [];

  async function bind(address: string, port: number): Promise<number> {
    const candidate = createSocket('udp4');
    try {
      await new Promise<void>((resolve, reject) => {
        candidate.once('error', reject);
        candidate.bind({ port, address, exclusive: true }, resolve);
      });
    } catch (error) {
      candidate.close();
      throw error;
    }
    candidate.removeAllListeners('error');
    candidate.on('error', () => undefined);
    candidate.on('message', (message, from) => {
      const answer = answerQuery(records, message);
      if (answer !== undefined) candidate.send(answer, from.port, from.address);
    });
    socket = candidate;
    return candidate.address().port;
  }

  return {
    async listen(address, preferredPort) {
      if (preferredPort === undefined) return bind(address, 0);
      return bind(address, preferredPort).catch(() => bind(address, 0));
    },
    setRecords(next) {
      records = next;
    },
    async close() {
      const closing = socket;
      socket = undefined;
      if (closing !== undefined) await new Promise<void>((resolve) => closing.close(resolve));
    },
  };
}

/**
 * A known name has its A record and no data of any other type. Another name below the same parent does not exist;
 * anything else is refused, so that a resolver which asks here first goes on to the next server.
 */
export function answerQuery(records: readonly NameRecord[], message: Buffer): Buffer | undefined {
  let query: DecodedPacket;
  try {
    query = decode(message);
  } catch {
    // What has no readable header has nobody to answer to.
    return message.length < 12
      ? undefined
      : encode({ type: 'response', id: message.readUInt16BE(0), flags: RCODE.formatError });
  }
  const [question] = query.questions ?? [];
  if (query.type !== 'query' || question === undefined) return undefined;
  const name = normalise(question.name);
  const matching = records.filter((record) => normalise(record.name) === name);
  const rcode =
    matching.length > 0
      ? RCODE.noError
      : records.some((record) => isBelow(name, parentOf(normalise(record.name))))
        ? RCODE.nameError
        : RCODE.refused;
  const authoritative = rcode === RCODE.refused ? 0 : AUTHORITATIVE_ANSWER;
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags: authoritative | ((query.flags ?? 0) & RECURSION_DESIRED) | rcode,
    questions: [question],
    answers:
      question.type === 'A'
        ? matching.map((record) => ({
            type: 'A' as const,
            name: question.name,
            ttl: TTL_SECONDS,
            data: record.address,
          }))
        : [],
  });
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Of a name without a dot the parent would be the whole of DNS, which is not ours. */
function parentOf(name: string): string | undefined {
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : name.slice(dot + 1);
}

function isBelow(name: string, parent: string | undefined): boolean {
  return parent !== undefined && (name === parent || name.endsWith(`.${parent}`));
}
