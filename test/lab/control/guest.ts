import { readFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { request as requestTls } from 'node:https';
import { connect as connectTls } from 'node:tls';
import type { GuestServiceName } from '../../../lab/guest-services';
import { GUEST_ACCEPTED, guestSocketFile, renderIntroduction } from '../../../lab/guest-services';
import type { TestLab, TestResponse } from './lab-fixture';

/** What a guest sees of the cloud: requests that reach control the way the wire brings them. */
export interface Guest {
  metadata(path: string, headers?: Record<string, string>, method?: string): Promise<GuestAnswer>;
  /** A token for Resource Manager, as the fence agent gets it. */
  token(): Promise<string>;
  /** To `https://management.azure.com`, trusting the lab's authority only. */
  management(method: string, path: string, authorization?: string): Promise<GuestAnswer>;
}

export interface GuestAnswer {
  status: number;
  text: string;
  body: Record<string, unknown>;
  error: TestResponse['error'];
}

export function guestOf(lab: Pick<TestLab, 'stateDirectory' | 'document'>, machine: string): Guest {
  const guest: Guest = {
    async metadata(path, headers = { Metadata: 'true' }, method = 'GET') {
      const socket = await openGuestSocket(lab.stateDirectory, 'metadata', machine);
      return exchange((done) =>
        request({ createConnection: () => socket, host: '169.254.169.254', path, method, headers }, done),
      );
    },
    async token() {
      const answer = await guest.metadata(
        '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
      );
      return String(answer.body['access_token']);
    },
    async management(method, path, authorization) {
      const socket = await openGuestSocket(lab.stateDirectory, 'management', machine);
      const ca = readFileSync(lab.document.caFile, 'utf8');
      const secure = connectTls({ socket, ca, servername: 'management.azure.com' });
      const headers = authorization === undefined ? {} : { authorization };
      return exchange((done) =>
        requestTls({ createConnection: () => secure, host: 'management.azure.com', path, method, headers }, done),
      );
    },
  };
  return guest;
}

export async function openGuestSocket(
  stateDirectory: string,
  service: GuestServiceName,
  machine: string,
): Promise<Socket> {
  const socket = connect(guestSocketFile(stateDirectory));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.write(renderIntroduction({ service, machine }));
    socket.once('data', (chunk: Buffer) =>
      chunk.toString() === GUEST_ACCEPTED ? resolve() : reject(new Error(chunk.toString())),
    );
  });
  return socket;
}

function exchange(send: (done: (response: IncomingMessage) => void) => ClientRequest): Promise<GuestAnswer> {
  return new Promise((resolve, reject) => {
    const sent = send((response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        const body = (isJson && text !== '' ? JSON.parse(text) : {}) as Record<string, unknown>;
        resolve({
          status: response.statusCode ?? 0,
          text,
          body,
          error: (body['error'] ?? { code: '', message: '' }) as TestResponse['error'],
        });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
