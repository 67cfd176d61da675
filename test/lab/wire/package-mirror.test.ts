import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silent } from '../../../lab/wire/log';
import type { MirrorBases, PackageMirror } from '../../../lab/wire/package-mirror';
import { createPackageMirror, readMirrorBases, resolveMirrorPath } from '../../../lab/wire/package-mirror';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'mirror-'))));
afterEach(() => rmSync(directory, { recursive: true }));

describe("this host's apt sources", () => {
  function write(name: string, text: string): void {
    mkdirSync(join(directory, 'sources.list.d'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }

  test('are read in the one-line form, with options and comments', () => {
    write(
      'sources.list',
      [
        '# deb http://old.example/debian bookworm main',
        'deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib',
        'deb-src http://src.example/debian bookworm main',
        'deb http://mirror.example/debian-security bookworm-security main',
      ].join('\n'),
    );

    expect(readMirrorBases(directory)).toEqual({
      archive: 'http://mirror.example/debian',
      security: 'http://mirror.example/debian-security',
    });
  });

  test('are read in the deb822 form, disabled stanzas and other archives left out', () => {
    write('sources.list.d/node.list', 'deb https://node.example/node_20.x nodistro main\n');
    write(
      'sources.list.d/debian.sources',
      [
        'Types: deb',
        'URIs: http://disabled.example/debian',
        'Suites: bookworm',
        'Enabled: no',
        '',
        'Types: deb deb-src',
        '# a comment',
        'URIs: https://mirror.example/debian',
        'Suites: bookworm bookworm-updates',
        'Components: main',
        '',
        'Types: deb',
        'URIs: https://mirror.example/debian-security',
        'Suites: bookworm-security',
      ].join('\n'),
    );

    expect(readMirrorBases(directory)).toEqual({
      archive: 'https://mirror.example/debian',
      security: 'https://mirror.example/debian-security',
    });
  });

  test('of another distribution name no Debian mirror', () => {
    write('sources.list', 'deb http://archive.example/ubuntu noble main\n');

    expect(readMirrorBases(directory)).toEqual({ archive: undefined, security: undefined });
  });
});

describe('the path of a guest', () => {
  const bases: MirrorBases = { archive: 'http://m.example/debian', security: undefined };

  it.each([
    ['/debian/dists/bookworm/InRelease', 'http://m.example/debian/dists/bookworm/InRelease'],
    ['/debian/pool/main/g/g++/g%2b%2b_1.deb', 'http://m.example/debian/pool/main/g/g++/g%2b%2b_1.deb'],
    ['http://other.example/debian/x', 'http://m.example/debian/x'],
    ['//other.example/debian/x', 'http://m.example/debian/x'],
  ])('%s leads to the mirror', (path, target) => {
    expect(resolveMirrorPath(bases, path)).toBe(target);
  });

  it.each([
    ['/', 403],
    ['/debian', 403],
    ['/debian/../secret', 403],
    ['/debian/%2e%2e/secret', 403],
    ['http://other.example/secret', 403],
    ['/debian-security/dists', 502],
  ])('%s leads nowhere', (path, status) => {
    expect(resolveMirrorPath(bases, path)).toMatchObject({ status });
  });
});

describe('the mirror', () => {
  let upstream: Server;
  let base: string;
  let asked: IncomingMessage[];
  let mirror: PackageMirror;

  beforeEach(async () => {
    asked = [];
    upstream = createServer((incoming, response) => {
      asked.push(incoming);
      if (incoming.url === '/debian/moved') response.writeHead(302, { location: '/elsewhere/file' }).end();
      else if (incoming.url === '/debian/round') response.writeHead(302, { location: '/debian/round' }).end();
      else if (incoming.url === '/debian/fresh') response.writeHead(304).end();
      else if (incoming.url === '/debian/missing') response.writeHead(404).end('no');
      else response.writeHead(200, { 'content-type': 'text/plain' }).end(`content of ${incoming.url}`);
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const address = upstream.address();
    base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/debian`;
    mirror = createPackageMirror({
      directory,
      socketName: 'mirror.sock',
      readBases: () => ({ archive: base, security: undefined }),
      log: silent,
    });
  });

  afterEach(async () => {
    await mirror.close();
    upstream.closeAllConnections();
    await new Promise((resolve) => upstream.close(resolve));
  });

  function get(
    path: string,
    options: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      request({ socketPath: join(directory, 'mirror.sock'), path, agent: false, ...options }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      })
        .on('error', reject)
        .end();
    });
  }

  test('passes files and what apt asks with them', async () => {
    expect(await mirror.setOpen(true)).toEqual([]);

    const answer = await get('/debian/dists/x', { headers: { 'if-modified-since': 'yesterday', range: 'bytes=1-' } });

    expect(answer).toEqual({ status: 200, text: 'content of /debian/dists/x' });
    expect(asked[0]?.headers).toMatchObject({ 'if-modified-since': 'yesterday', range: 'bytes=1-' });
  });

  it.each([
    ['/debian/missing', 404],
    ['/debian/fresh', 304],
    ['/debian/round', 502],
    ['/etc/passwd', 403],
    ['/debian-security/x', 502],
  ])('answers %s with %i', async (path, status) => {
    await mirror.setOpen(true);

    expect((await get(path)).status).toBe(status);
  });

  test('follows a redirection itself, as guests reach nothing else', async () => {
    await mirror.setOpen(true);

    expect(await get('/debian/moved')).toEqual({ status: 200, text: 'content of /elsewhere/file' });
  });

  test("keeps to itself how long the host's mirror would hold the connection", async () => {
    await mirror.setOpen(true);
    const headers = await new Promise<IncomingMessage['headers']>((resolve) => {
      const options = {
        socketPath: join(directory, 'mirror.sock'),
        path: '/debian/x',
        headers: { connection: 'close' },
      };
      request(options, (response) => resolve(response.resume().headers)).end();
    });

    expect(headers).toMatchObject({ 'content-type': 'text/plain', connection: 'close' });
    expect(headers).not.toHaveProperty('keep-alive');
  });

  test('only reads', async () => {
    await mirror.setOpen(true);

    expect((await get('/debian/x', { method: 'POST' })).status).toBe(405);
    expect(asked).toEqual([]);
  });

  test('is gone while the plan does not want it, and comes back', async () => {
    await expect(get('/debian/x')).rejects.toMatchObject({ code: 'ENOENT' });
    await mirror.setOpen(true);
    await mirror.setOpen(false);
    await expect(get('/debian/x')).rejects.toMatchObject({ code: 'ENOENT' });

    await mirror.setOpen(true);
    expect((await get('/debian/x')).status).toBe(200);
  });

  test('says that the mirror of the host does not answer', async () => {
    await mirror.setOpen(true);
    base = 'http://127.0.0.1:1/debian';

    const answer = await get('/debian/x');

    expect(answer.status).toBe(502);
    expect(answer.text).toContain('ECONNREFUSED');
  });
});
