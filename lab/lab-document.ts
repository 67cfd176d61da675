import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../processes/owned-process';
import { LabStateError, parseState, readStateFile } from './state-file';

/** Grows when a newer lab cannot read what an older one has left. */
const FORMAT = 1;

const labDocumentSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** HTTPS endpoint of Azure Resource Manager. */
  armEndpoint: z.string(),
  /** Where ClientSecretCredential gets its tokens (`authorityHost`). */
  authorityHost: z.string(),
  tenantId: z.string(),
  clientId: z.string(),
  clientSecret: z.string(),
  /** Object id of the service principal. */
  objectId: z.string(),
  subscriptionId: z.string(),
  /** The lab's certificate authority, PEM. */
  caFile: z.string(),
  /** Name server for the names of public addresses, `address:port`. */
  nameServer: z.string().optional(),
  /** Base URL of the faults API; holds its token. */
  faultsEndpoint: z.string(),
  faultsToken: z.string(),
  /** First three octets of the public addresses. */
  publicAddressPrefix: z.string(),
});

/** `lab.json`: everything a client of the lab needs, made at the first start and kept. */
export type LabDocument = z.infer<typeof labDocumentSchema>;

export function labFile(stateDirectory: string): string {
  return join(stateDirectory, 'lab.json');
}

export function readLabDocument(stateDirectory: string): LabDocument | undefined {
  const file = labFile(stateDirectory);
  const content = readStateFile(file);
  if (content === undefined) return undefined;
  const format = (content as { format?: unknown } | null)?.format;
  if (typeof format === 'number' && format !== FORMAT) {
    throw new LabStateError(
      'OtherVersion',
      `${file} is of format ${format}, and this hadb works with format ${FORMAT}. Use the hadb that made it, or remove the ` +
        'lab with all its machines: hadb lab down --purge',
    );
  }
  return parseState(file, labDocumentSchema, content);
}

export function writeLabDocument(stateDirectory: string, document: LabDocument): void {
  writeFileAtomically(labFile(stateDirectory), `${JSON.stringify(document, undefined, 2)}\n`);
}

/** A new lab on the given port of 127.0.0.1. */
export function createLabDocument(stateDirectory: string, port: number): LabDocument {
  const origin = `https://127.0.0.1:${port}`;
  const faultsToken = randomBytes(24).toString('base64url');
  return {
    format: FORMAT,
    armEndpoint: origin,
    authorityHost: origin,
    tenantId: randomUUID(),
    clientId: randomUUID(),
    clientSecret: randomBytes(30).toString('base64url'),
    objectId: randomUUID(),
    subscriptionId: randomUUID(),
    caFile: join(stateDirectory, 'control', 'ca.pem'),
    faultsEndpoint: `${origin}/lab/faults/${faultsToken}`,
    faultsToken,
    // Labs side by side on one host must not share addresses; 127.0.0 is everybody's.
    publicAddressPrefix: `127.${randomInt(16, 240)}.${randomInt(1, 255)}`,
  };
}

export function portOf(document: LabDocument): number {
  return Number(new URL(document.armEndpoint).port);
}
