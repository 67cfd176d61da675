import { createServer } from 'node:net';
import { findFreePort, isPortFree } from '../../processes/free-port';

it('a free port lies below those that the kernel gives to outgoing connections', async () => {
  const port = await findFreePort();

  expect(port).toBeGreaterThanOrEqual(30_000);
  expect(port).toBeLessThan(32_768);
  expect(await isPortFree(port ?? 0)).toBe(true);
});

it('a port that somebody listens on is not free, whichever address of the host is asked for', async () => {
  const port = (await findFreePort()) ?? 0;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve));

  try {
    expect(await isPortFree(port)).toBe(false);
    expect(await isPortFree(port, '127.0.0.2')).toBe(false);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  expect(await isPortFree(port)).toBe(true);
});
