import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createControl } from '../../../lab/control/control';
import { createFakeMachines } from './fake-machines';
import { startTestLab } from './lab-fixture';

describe('the HTTPS server of control', () => {
  it('refuses to start on a port that another program has, and says how to find it', async () => {
    const lab = await startTestLab();
    const { document, stateDirectory } = lab;

    await expect(
      createControl({
        stateDirectory: `${stateDirectory}/other`,
        document,
        host: createFakeMachines(),
        network: { putPlan: async () => [], generation: async () => 0 },
        links: {
          put: async () => undefined,
          remove: async () => undefined,
          list: async () => [],
          clear: async () => undefined,
        },
      }),
    ).rejects.toThrow(/port \d+ on 127\.0\.0\.1 is in use by another program; find it with: ss -ltnp/);
    await lab.close();
  });

  it('ends although a client is in the middle of its handshake', async () => {
    const lab = await startTestLab();
    const { hostname, port } = new URL(lab.document.armEndpoint);
    const silent = connect(Number(port), hostname);
    silent.on('error', () => undefined);
    await once(silent, 'connect');

    await lab.close();

    if (!silent.closed) await once(silent, 'close');
    expect(silent.destroyed).toBe(true);
  });

  it('is trusted through the lab’s authority alone', async () => {
    const lab = await startTestLab();

    await expect(fetch(`${lab.document.armEndpoint}/lab/health`)).rejects.toMatchObject({
      cause: { code: 'SELF_SIGNED_CERT_IN_CHAIN' },
    });
    expect((await lab.request('GET', '/lab/health', { authorization: null })).body).toMatchObject({
      pid: process.pid,
      subscriptionId: lab.document.subscriptionId,
      machines: 0,
      operationsInProgress: 0,
    });
    await lab.close();
  });

  it('listens on loopback only', async () => {
    const lab = await startTestLab();
    const port = Number(new URL(lab.document.armEndpoint).port);

    // Another address of this host on the same port is free.
    const other = createServer();
    await new Promise<void>((resolve, reject) => {
      other.once('error', reject);
      other.listen(port, '127.0.0.2', resolve);
    });
    expect(other.listening).toBe(true);
    await new Promise((resolve) => other.close(resolve));
    await lab.close();
  });

  it('writes no secret into its log', async () => {
    const lab = await startTestLab();
    const { token } = await lab.clients().credential.getToken('https://management.azure.com/.default');
    await lab.request('GET', `${lab.document.faultsEndpoint}/machines`, { authorization: null });
    await lab.request('GET', `/subscriptions?api-version=2022-12-01`);

    const text = lab.log.join('\n');
    expect(text).toContain('/lab/faults/');
    for (const secret of [token, lab.document.clientSecret, lab.document.faultsToken])
      expect(text).not.toContain(secret);
    await lab.close();
  });
});
