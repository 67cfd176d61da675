import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname, join } from 'node:path';
import { findTemporalCli, getTemporalCli, GO_MISSING, TEMPORAL_CLI_VERSION } from '../../processes/temporal-cli';
import type { TemporalCliSettings } from '../../settings';
import { useTemporaryDirectory } from '../temporary-directory';

let directory: string;
useTemporaryDirectory((made) => {
  directory = made;
});

const NOWHERE = 'http://127.0.0.1:9';
const says = (version: string) => `echo "temporal version 0.0.0-DEV (Server ${version}, UI 2.42.1)"`;

/** A program that is a line of shell. */
function program(path: string, line: string): string {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${line}\n`);
  chmodSync(file, 0o755);
  return file;
}

function settings(over: Partial<TemporalCliSettings> = {}): TemporalCliSettings {
  return {
    stateDirectory: directory,
    cacheDirectory: join(directory, 'cache'),
    searchPath: join(directory, 'bin'),
    ...over,
  };
}

const cachePath = `cache/temporal/${TEMPORAL_CLI_VERSION}/temporal`;

describe('the Temporal CLI', () => {
  it('is the one that TEMPORAL_CLI_PATH names, before the one in PATH, before the one in the cache', async () => {
    const named = program('named', says('1.3.0'));
    const inPath = program('bin/temporal', says('1.2.0'));
    const cached = program(cachePath, says('1.1.0'));

    expect(await findTemporalCli(settings({ cliPath: named }))).toEqual({
      path: named,
      serverVersion: '1.3.0',
      source: 'TEMPORAL_CLI_PATH',
    });
    expect(await findTemporalCli(settings())).toEqual({ path: inPath, serverVersion: '1.2.0', source: 'PATH' });
    expect(await findTemporalCli(settings({ searchPath: '' }))).toEqual({
      path: cached,
      serverVersion: '1.1.0',
      source: 'cache',
    });
  });

  it('is not there on a machine without any', async () => {
    expect(await findTemporalCli(settings())).toBeUndefined();
  });

  it.each([
    ['does not exist', undefined, 'does not run'],
    ['ends with an error', 'echo broken >&2; exit 3', 'does not run'],
    ['is something else', 'echo hello', 'says "hello"'],
  ])('that %s is refused with its path', async (_, line, problem) => {
    const cliPath = line === undefined ? join(directory, 'missing') : program('named', line);

    const refused = findTemporalCli(settings({ cliPath }));

    await expect(refused).rejects.toMatchObject({ code: 'CliBroken', message: expect.stringContaining(problem) });
    await expect(refused).rejects.toMatchObject({ message: expect.stringContaining(cliPath) });
  });

  it('is downloaded where that is possible, once', async () => {
    const { url, requests, close } = await serveArchive();
    const sentences: string[] = [];
    const options = { downloadUrl: url, onProgress: (sentence: string) => void sentences.push(sentence) };

    const first = await getTemporalCli(settings(), options);
    const second = await getTemporalCli(settings(), options);
    await close();

    expect(first).toEqual({ path: join(directory, cachePath), serverVersion: '1.29.1', source: 'download' });
    expect(second).toEqual({ ...first, source: 'cache' });
    expect(requests).toEqual([expect.stringMatching(/^\/cli\/archive\/v1\.5\.1\?platform=linux&arch=(amd64|arm64)$/)]);
    expect(sentences).toEqual([expect.stringContaining('Downloading')]);
    expect(readdirSync(dirname(first.path))).toEqual(['temporal']);
  });

  it('is built with Go where the download is out of reach, or answers without it', async () => {
    const calls = join(directory, 'calls');
    program(
      'bin/go',
      `echo "$@" >>${calls}; printf '#!/bin/sh\\n%s\\n' '${says('1.29.1')}' >"$GOBIN/temporal"; chmod +x "$GOBIN/temporal"`,
    );
    const withTools = settings({ searchPath: `${join(directory, 'bin')}:/usr/bin:/bin` });
    const empty = createServer((_, response) => response.writeHead(404).end());
    const url = await listen(empty);

    const built = await getTemporalCli(withTools, { downloadUrl: url });
    await new Promise((resolve) => empty.close(resolve));
    const later = await getTemporalCli(withTools, { downloadUrl: NOWHERE });

    expect(built).toEqual({ path: join(directory, cachePath), serverVersion: '1.29.1', source: 'go install' });
    expect(later.source).toBe('cache');
    expect(readFileSync(calls, 'utf8')).toBe('install github.com/temporalio/cli/cmd/temporal@v1.5.1\n');
  });

  it('that cannot be built fails with what Go said and what to do, and leaves nothing behind', async () => {
    program('bin/go', 'echo "go: no such module" >&2; exit 1');

    const failed = getTemporalCli(settings(), { downloadUrl: NOWHERE });

    await expect(failed).rejects.toMatchObject({
      code: 'InstallFailed',
      message: expect.stringContaining('go: no such module'),
    });
    expect(readdirSync(dirname(join(directory, cachePath)))).toEqual([]);
  });

  it('that cannot be had because Go is missing names the ways out', async () => {
    const failed = getTemporalCli(settings(), { downloadUrl: NOWHERE, goDirectory: join(directory, 'no-go') });

    await expect(failed).rejects.toMatchObject({ code: 'GoMissing', message: GO_MISSING });
    expect(GO_MISSING).toMatch(/install Go 1\.25[^]*TEMPORAL_CLI_PATH/);
  });
});

async function serveArchive(): Promise<{ url: string; requests: string[]; close: () => Promise<unknown> }> {
  program('archive/temporal', says('1.29.1'));
  const archive = join(directory, 'temporal.tar.gz');
  execFileSync('tar', ['-czf', archive, '-C', join(directory, 'archive'), 'temporal']);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.end(readFileSync(archive));
  });
  const url = await listen(server);
  return { url, requests, close: () => new Promise((resolve) => server.close(resolve)) };
}

async function listen(server: Server): Promise<string> {
  return await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`);
    });
  });
}
