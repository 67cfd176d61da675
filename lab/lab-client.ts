import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { LabDocument } from './lab-document';

export interface LabAnswer {
  status: number;
  body: unknown;
}

/** A request to the lab's own API (`/lab/health`, or below `faultsEndpoint`), trusting the lab's authority only. */
export function callLab(
  document: LabDocument,
  method: string,
  url: string,
  body?: unknown,
  timeoutMs = 30_000,
): Promise<LabAnswer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sent = request(
      url,
      {
        method,
        ca: readFileSync(document.caFile),
        agent: false,
        timeout: timeoutMs,
        headers: text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const received = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, body: received === '' ? undefined : JSON.parse(received) });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.on('error', reject);
    sent.end(text);
  });
}

export interface ControlHealth {
  pid: number;
  subscriptionId: string;
  startedAt: string;
  network: { generation: number; acknowledged: boolean; problems: readonly string[] };
  operationsInProgress: number;
  machines: number;
}

/** Undefined while control does not answer, or another program does. */
export async function readControlHealth(document: LabDocument): Promise<ControlHealth | undefined> {
  try {
    const { status, body } = await callLab(document, 'GET', `${document.armEndpoint}/lab/health`, undefined, 3000);
    const health = body as ControlHealth | undefined;
    return status === 200 && health?.subscriptionId === document.subscriptionId ? health : undefined;
  } catch {
    return undefined;
  }
}
