import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTemporalPiece } from '../../client/temporal-piece';
import { readTemporalCliSettings } from '../../settings';
import { eventually } from '../eventually';

/** The embedded server as `hadb up` keeps it; how it is started and stopped has its own tests. */

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-temporal-piece-'));
});
afterEach(async () => {
  await piece().stop();
  rmSync(directory, { recursive: true, force: true });
});

const piece = () => createTemporalPiece({ ...readTemporalCliSettings(), stateDirectory: directory });
const quiet = () => undefined;
const portOf = (address: string) => Number(address.slice(address.lastIndexOf(':') + 1));

it('the embedded Temporal comes back at the same addresses after it was killed, and counts as dead until then', async () => {
  const first = await piece().ensure(quiet);
  process.kill(piece().status().pid ?? 0, 'SIGKILL');
  await eventually('it is dead', () => piece().status().state !== 'running');

  expect(piece().status().state).toBe('dead');
  const second = await piece().ensure(quiet);

  expect({ address: second.address, uiUrl: second.uiUrl }).toEqual({ address: first.address, uiUrl: first.uiUrl });
  expect(piece().target()).toEqual(second);
});

it('the embedded Temporal takes another port when somebody else has its own, and keeps that one', async () => {
  const { address } = await piece().ensure(quiet);
  await piece().stop();
  const squatter = await listen(portOf(address));

  const moved = await piece().ensure(quiet);
  await new Promise((resolve) => squatter.close(resolve));

  expect(moved.address).not.toBe(address);
  expect(piece().target()?.address).toBe(moved.address);
  expect(piece().status()).toMatchObject({ state: 'running', address: moved.address });
});

it('the embedded Temporal keeps its addresses while it runs, whatever the file of its ports has become', async () => {
  const target = await piece().ensure(quiet);
  writeFileSync(join(directory, 'temporal', 'ports.json'), '{"port": 72');

  expect(piece().target()).toEqual(target);
  expect(await piece().ensure(quiet)).toEqual(target);
  expect(JSON.parse(readFileSync(join(directory, 'temporal', 'ports.json'), 'utf8'))).toMatchObject({
    port: portOf(target.address),
  });
});

it.each(['', '{"port": 72', 'null', '{"port":"7233"}'])(
  'the ports %j of a Temporal that does not run are chosen anew',
  (damaged) => {
    mkdirSync(join(directory, 'temporal'));
    writeFileSync(join(directory, 'temporal', 'ports.json'), damaged);

    expect(piece().target()).toBeUndefined();
  },
);

it('a Temporal that was never started here has no address', () => {
  expect(piece().target()).toBeUndefined();
  expect(piece().status()).toEqual({ name: 'temporal', state: 'stopped' });
});

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
