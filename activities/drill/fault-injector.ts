import { request } from 'node:https';
import { DATA_DISK_LUN } from '../../cluster/azure/virtual-machine';
import { HadbError } from '../../cluster/errors';
import { messageOf } from '../../processes/error-message';

/**
 * Faults from outside the nodes that no cloud offers on request. Everything else a node does to itself, or Azure does to its machine, wherever it runs.
 */
export interface FaultInjector {
  /** `nodes`: only what nodes and Azure offer. `lab`: besides, what the endpoint of `HADB_FAULTS_ENDPOINT` offers. */
  readonly kind: 'nodes' | 'lab';
  /**
   * Stops a running machine, named by its VM id, for that long; it goes on by itself afterwards, whatever becomes of this worker.
   * Errors: GateNotMet where nobody can, NotReady, BadRequest.
   */
  freeze(vmId: string, seconds: number): Promise<void>;
  /** Lets it go on now; nothing when it does. Errors as `freeze`. */
  thaw(vmId: string): Promise<void>;
  /** Faults of links, made in the network itself; absent where a node has to make them. */
  readonly links?: LinkFaults;
  /** `nodes`: the nodes make them all the same, as they do where there are no `links`; those are only looked at and taken back. */
  readonly networkFaultsBy?: 'nodes';
  /** Faults of data disks, made below the machine; absent where the node has to do without its disk. */
  readonly disks?: DiskFaults;
}

/** The data disk of a machine, by its VM id. It ends by itself, whatever becomes of this worker. Errors: NotReady, BadRequest. */
export interface DiskFaults {
  /** Whether the engine of the machine can do it at all; changes nothing. */
  canFail(vmId: string): Promise<boolean>;
  /** Each write is an I/O error from now on; false where the engine cannot. */
  failWrites(vmId: string, seconds: number): Promise<boolean>;
  /** Nothing where nothing fails. */
  restore(vmId: string): Promise<void>;
}

/** What a network does to frames between two ends; it ends by itself, whatever becomes of this worker. Errors: NotReady, BadRequest. */
export interface LinkFaults {
  /** Ids of those in force. */
  list(): Promise<string[]>;
  has(id: string): Promise<boolean>;
  put(link: LinkFault): Promise<void>;
  /** Nothing when there is none of that id. */
  remove(id: string): Promise<void>;
}

export interface LinkFault {
  id: string;
  /** VM id. */
  from: string;
  /** VM id, or `management`: the way to Azure Resource Manager. */
  to: string;
  bothDirections: boolean;
  /** 0 to 1. */
  loss: number;
  delayMs: number;
  seconds: number;
}

const LIMIT_MS = 20_000;
/** What an engine cannot do. */
const NOT_IMPLEMENTED = 501;

export function createFaultInjector(settings: {
  endpoint?: string;
  ca?: string;
  networkFaultsBy?: 'nodes';
}): FaultInjector {
  const { endpoint, ca, networkFaultsBy } = settings;
  if (endpoint === undefined) return NODES;
  const order = async (vmId: string, action: 'pause' | 'resume', body: object): Promise<void> => {
    const path = `machines/${encodeURIComponent(vmId)}/${action}`;
    await ask('POST', path, body, `the machine ${vmId} cannot ${WORDS[action]}`, vmId);
  };
  const ask = async (method: string, path: string, body: object | undefined, refused: string, subject: string) =>
    accepted(await send(method, `${endpoint}/${path}`, body, ca), refused, subject);
  const readIds = async (): Promise<string[]> => {
    const text = await ask('GET', 'links', undefined, 'the faults of the network are not told', 'links');
    return (JSON.parse(text) as { value: { id: string }[] }).value.map(({ id }) => id);
  };
  const pathOf = (id: string) => `links/${encodeURIComponent(id)}`;
  const diskOf = (vmId: string) => `disks/${encodeURIComponent(vmId)}/${DATA_DISK_LUN}`;
  return {
    kind: 'lab',
    freeze: (vmId, seconds) => order(vmId, 'pause', { ttlSeconds: seconds }),
    thaw: (vmId) => order(vmId, 'resume', {}),
    links: {
      list: readIds,
      has: async (id) => (await readIds()).includes(id),
      async put({ id, seconds, ...link }) {
        await ask('PUT', pathOf(id), { ...link, ttlSeconds: seconds }, 'the network cannot be disturbed', id);
      },
      async remove(id) {
        await ask('DELETE', pathOf(id), undefined, 'the network cannot be made good again', id);
      },
    },
    disks: {
      async canFail(vmId) {
        const text = await ask('GET', diskOf(vmId), undefined, 'the faults of the disk are not told', vmId);
        return (JSON.parse(text) as { possible: string[] }).possible.includes('write-errors');
      },
      async failWrites(vmId, seconds) {
        const body = { kind: 'failing', operations: 'write', ttlSeconds: seconds };
        const answer = await send('PUT', `${endpoint}/${diskOf(vmId)}`, body, ca);
        if (answer.status === NOT_IMPLEMENTED) return false;
        accepted(answer, 'the disk cannot be made to fail', vmId);
        return true;
      },
      async restore(vmId) {
        await ask('DELETE', diskOf(vmId), undefined, 'the disk cannot be made good again', vmId);
      },
    },
    ...(networkFaultsBy !== undefined && { networkFaultsBy }),
  };
}

/** Errors: NotReady, BadRequest. */
function accepted({ status, text }: Answer, refused: string, subject: string): string {
  if (status === 200 || status === 204) return text;
  throw new HadbError(status >= 500 ? 'NotReady' : 'BadRequest', refused, {
    subject,
    observed: `HTTP ${status}: ${text.slice(0, 300)}`,
    whatNow: 'Look at the state of the machines, then retry.',
  });
}

interface Answer {
  status: number;
  text: string;
}

const WORDS = { pause: 'be frozen', resume: 'be thawed' } as const;

export const cannotFreeze = (): HadbError =>
  new HadbError('GateNotMet', 'nobody here can freeze a machine: Azure does not offer it', {
    whatNow:
      'Make this drill in the lab, or where HADB_FAULTS_ENDPOINT names who can. On Azure node-crash and database-hang come nearest.',
  });
const refuse = (): Promise<never> => Promise.reject(cannotFreeze());
const NODES: FaultInjector = { kind: 'nodes', freeze: refuse, thaw: refuse };

function send(method: string, url: string, body: object | undefined, ca: string | undefined): Promise<Answer> {
  const sent = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    // The address holds a token: it must not be in an error.
    const fail = (error: unknown) =>
      reject(
        new HadbError('NotReady', `the fault endpoint does not answer: ${messageOf(error)}`, {
          whatNow: 'Look whether the lab runs ("hadb status"), then retry.',
        }),
      );
    const outgoing = request(
      url,
      {
        method,
        agent: false,
        timeout: LIMIT_MS,
        ...(body !== undefined && {
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) },
        }),
        ...(ca !== undefined && { ca }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${LIMIT_MS / 1000} s`)));
    outgoing.on('error', fail);
    outgoing.end(sent);
  });
}
