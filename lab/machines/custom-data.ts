import { parse } from 'yaml';
import { z } from 'zod';

/** What custom data asks of the first boot, in the terms of the guest's provisioning unit. */
export interface FirstBoot {
  /** File name below /etc/ssh and its content. */
  hostKeys: readonly { name: string; content: string }[];
  files: readonly { path: string; mode: string; owner: string; append: boolean; content: Buffer }[];
  /** Executable scripts, in order, run after SSH is up. */
  scripts: readonly string[];
}

export class CustomDataError extends Error {
  override readonly name = 'CustomDataError';
  readonly code = 'LabCustomDataUnsupported';
}

const NOTHING: FirstBoot = { hostKeys: [], files: [], scripts: [] };

const WrittenFile = z.strictObject({
  path: z.string().startsWith('/'),
  content: z.string().default(''),
  encoding: z.enum(['b64', 'base64', 'text/plain']).default('text/plain'),
  owner: z.string().default('root:root'),
  permissions: z.coerce
    .string()
    .regex(/^0?[0-7]{3,4}$/)
    .default('0644'),
  append: z.boolean().default(false),
  defer: z.boolean().optional(),
});

const KeyName = z.string().regex(/^(rsa|ecdsa|ed25519)_(private|public)$/);

/** The part of #cloud-config that the lab honours. Anything else is refused: ignoring it would be a difference nobody sees. */
const CloudConfig = z.strictObject({
  ssh_keys: z.record(KeyName, z.string()).default({}),
  ssh_deletekeys: z.literal(true).optional(),
  write_files: z.array(WrittenFile).default([]),
  runcmd: z.array(z.union([z.string(), z.array(z.coerce.string()).min(1)])).default([]),
});

/** Reads base64 custom data: a `#cloud-config` document or a script that begins with `#!`. */
export function parseCustomData(customData: string | undefined): FirstBoot {
  if (customData === undefined || customData === '') return NOTHING;
  const text = Buffer.from(customData, 'base64').toString('utf8');
  if (text.startsWith('#!')) return { ...NOTHING, scripts: [text] };
  if (!/^#cloud-config\s*$/m.test(text.split('\n', 1)[0] ?? '')) {
    throw new CustomDataError('custom data is neither a "#cloud-config" document nor a script that begins with "#!"');
  }
  const config = CloudConfig.safeParse(parse(text) ?? {});
  if (!config.success) {
    throw new CustomDataError(`custom data asks for what the lab does not do:\n${z.prettifyError(config.error)}`);
  }
  const { ssh_keys: keys, write_files: files, runcmd } = config.data;
  return {
    hostKeys: Object.entries(keys).map(([name, content]) => ({
      name: hostKeyFile(name),
      content: withNewline(content),
    })),
    files: files.map(({ path, permissions, owner, append, encoding, content }) => ({
      path,
      mode: permissions,
      owner,
      append,
      content: Buffer.from(content, encoding === 'text/plain' ? 'utf8' : 'base64'),
    })),
    scripts: runcmd.length === 0 ? [] : [['#!/bin/sh', ...runcmd.map(renderCommand), ''].join('\n')],
  };
}

function hostKeyFile(name: string): string {
  const [type = '', part] = name.split('_');
  return `ssh_host_${type}_key${part === 'public' ? '.pub' : ''}`;
}

function renderCommand(command: string | readonly string[]): string {
  if (typeof command === 'string') return command;
  return command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

function withNewline(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
