import { readFileSync, readdirSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { messageOf } from '../../processes/error-message';
import type { Log } from './log';
import type { Problem } from './problem';
import { errorCode } from './problem';
import { openSocketPath } from './socket-path';

/**
 * The one way out for guests: the Debian mirror that this host's apt uses, under `/debian` and `/debian-security`, and
 * nothing else. It listens on a Unix socket that the gateway connects to.
 */
export interface PackageMirror {
  setOpen(open: boolean): Promise<Problem[]>;
  close(): Promise<void>;
}

export interface MirrorBases {
  /** Base address of the archive without the last slash; undefined when this host's apt has none. */
  archive: string | undefined;
  security: string | undefined;
}

export interface PackageMirrorOptions {
  directory: string;
  socketName: string;
  readBases: () => MirrorBases;
  log: Log;
}

const MAXIMUM_REDIRECTS = 5;
const ANSWER_TIMEOUT_MS = 60_000;

export function createPackageMirror(options: PackageMirrorOptions): PackageMirror {
  const server = createServer((request, response) => serve(request, response));
  server.on('clientError', (_error, socket) => socket.destroy());
  let opened: { close: () => void } | undefined;

  function serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(response, 405, 'The package mirror only reads.');
      return;
    }
    const target = resolveMirrorPath(options.readBases(), request.url ?? '/');
    if (typeof target !== 'string') {
      refuse(response, target.status, target.message);
      return;
    }
    fetchInto(target, request, response, MAXIMUM_REDIRECTS);
  }

  function fetchInto(target: string, request: IncomingMessage, response: ServerResponse, redirects: number): void {
    const get = target.startsWith('https:') ? getHttps : getHttp;
    const upstream = get(
      target,
      { method: request.method, headers: forwardedHeaders(request), timeout: ANSWER_TIMEOUT_MS },
      (answer) => {
        const status = answer.statusCode ?? 502;
        const { location } = answer.headers;
        if (status >= 300 && status < 400 && location !== undefined && status !== 304) {
          answer.resume();
          if (redirects === 0) refuse(response, 502, 'The mirror redirects without end.');
          else fetchInto(new URL(location, target).href, request, response, redirects - 1);
          return;
        }
        response.writeHead(status, endToEndHeaders(answer));
        pipeline(answer, response, () => undefined);
      },
    );
    upstream.on('timeout', () => upstream.destroy(new Error('the mirror does not answer')));
    upstream.on('error', (error) => {
      options.log('package-mirror-error', { path: request.url, reason: error.message });
      if (response.headersSent) response.destroy();
      else refuse(response, 502, `The host's Debian mirror cannot be read: ${error.message}`);
    });
    response.once('close', () => upstream.destroy());
  }

  return {
    async setOpen(open) {
      if (!open) {
        await this.close();
        return [];
      }
      if (opened !== undefined) return [];
      const file = join(options.directory, options.socketName);
      const socketPath = openSocketPath(options.directory, options.socketName);
      rmSync(file, { force: true });
      try {
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen(socketPath.path, () => {
            server.removeListener('error', reject);
            resolve();
          });
        });
      } catch (error) {
        socketPath.close();
        return [{ code: 'PackageMirrorFailed', subject: 'package mirror', message: messageOf(error) }];
      }
      opened = socketPath;
      const { archive, security } = options.readBases();
      options.log('package-mirror-open', { archive: archive !== undefined, security: security !== undefined });
      if (archive !== undefined) return [];
      return [
        {
          code: 'PackageMirrorFailed',
          subject: 'package mirror',
          message:
            "this host's apt sources name no Debian archive, so guests cannot install packages from it; give wire one with --debian-mirror URL",
        },
      ];
    },
    async close() {
      if (opened === undefined) return;
      const closing = opened;
      opened = undefined;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      closing.close();
    },
  };
}

/** Where a guest's path leads; anything that is not below one of the two archives is refused. */
export function resolveMirrorPath(bases: MirrorBases, url: string): string | { status: number; message: string } {
  // Resolving takes out every `..`, also a percent-encoded one.
  const { pathname } = new URL(url, 'http://mirror');
  const match = /^\/(debian-security|debian)(\/.*)$/.exec(pathname);
  if (match === null) return { status: 403, message: 'Only /debian and /debian-security are served here.' };
  const base = match[1] === 'debian' ? bases.archive : bases.security;
  if (base === undefined) return { status: 502, message: `This host's apt sources name no mirror for ${match[1]}.` };
  return `${base}${match[2]}`;
}

/** The Debian archive and its security archive in this host's apt configuration (one-line and deb822 forms). */
export function readMirrorBases(aptDirectory = '/etc/apt'): MirrorBases {
  const files = [
    'sources.list',
    ...list(join(aptDirectory, 'sources.list.d')).map((name) => join('sources.list.d', name)),
  ];
  const entries = files.flatMap((name) => {
    const text = readText(join(aptDirectory, name));
    if (name.endsWith('.sources')) return parseDeb822(text);
    return name.endsWith('.list') ? parseOneLine(text) : [];
  });
  const isSecurity = (entry: Source) => entry.suites.some((suite) => /-security$|\/updates$/.test(suite));
  const usable = entries.filter((entry) => /^https?:\/\//.test(entry.uri) && /\/debian(-security)?$/.test(entry.uri));
  return {
    archive: usable.find((entry) => !isSecurity(entry) && entry.uri.endsWith('/debian'))?.uri,
    security: usable.find((entry) => isSecurity(entry))?.uri,
  };
}

interface Source {
  /** Without the last slash. */
  uri: string;
  suites: string[];
}

function parseOneLine(text: string): Source[] {
  return [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/gm)].map((match) => ({
    uri: withoutSlash(match[1] ?? ''),
    suites: [match[2] ?? ''],
  }));
}

function parseDeb822(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t]+.*)*)`, 'im')
        .exec(stanza)?.[1]
        ?.split(/\s+/)
        .filter((word) => word !== '') ?? [];
    if (!field('Types').includes('deb') || field('Enabled').includes('no')) return [];
    return field('URIs').map((uri) => ({ uri: withoutSlash(uri), suites: field('Suites') }));
  });
}

function forwardedHeaders(request: IncomingMessage): Record<string, string> {
  const names = ['range', 'if-modified-since', 'if-range', 'cache-control', 'user-agent', 'accept'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

/** All but those that are about the connection to the mirror itself. */
function endToEndHeaders(answer: IncomingMessage): IncomingHttpHeaders {
  const hop = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'trailer', 'transfer-encoding', 'upgrade']);
  return Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !hop.has(name)));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}

function withoutSlash(uri: string): string {
  return uri.replace(/\/+$/, '');
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
