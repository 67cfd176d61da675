import { X509Certificate } from 'node:crypto';
import { createPassword } from '../../../activities/connections/secret-generators';
import type { SecretStore } from '../../../activities/connections/secret-store';
import { clusterSecrets } from '../../../activities/connections/secrets';
import { publicHostName } from '../../../cluster/ids';
import { ClusterSpecification } from '../../../cluster/specification/specification';

const specification = ClusterSpecification.parse({
  network: { clients: ['192.0.2.0/24'], administrators: ['192.0.2.0/24'] },
});

function memoryStore(): SecretStore & { values: Map<string, string> } {
  const values = new Map<string, string>();
  return {
    values,
    read: async (name) => values.get(name),
    async ensure(name, create) {
      const value = values.get(name) ?? (await create());
      values.set(name, value);
      return value;
    },
    locate: (name) => name,
    remove: async (name) => void values.delete(name),
  };
}

describe('the secrets of a cluster', () => {
  it('are made when they are asked for, and stay', async () => {
    const store = memoryStore();
    const secrets = clusterSecrets(store, specification);

    const [first, second] = [await secrets.drbdSecret(), await secrets.drbdSecret()];

    expect(first).toBe(second);
    expect([...store.values.keys()]).toEqual(['hadb/drbd-shared-secret']);
    expect(first.length).toBeLessThanOrEqual(64);
  });

  it('each node has a host key of its own, and the administrator another one', async () => {
    const secrets = clusterSecrets(memoryStore(), specification);

    const keys = await Promise.all([secrets.hostKey('hadb01'), secrets.hostKey('hadb02'), secrets.adminKey()]);

    expect(new Set(keys.map((key) => key.publicKey.line)).size).toBe(3);
  });

  it('Corosync gets the raw bytes of its key', async () => {
    expect(await clusterSecrets(memoryStore(), specification).corosyncKey()).toHaveLength(256);
  });

  it('the server certificate holds for the public name, both nodes and the local socket, and is signed by the authority', async () => {
    const secrets = clusterSecrets(memoryStore(), specification);

    const server = new X509Certificate((await secrets.serverCertificate()).certificate);
    const authority = new X509Certificate((await secrets.certificateAuthority()).certificate);

    for (const name of [publicHostName(specification), 'hadb01', 'hadb02', 'localhost']) {
      expect(server.checkHost(name)).toBe(name);
    }
    for (const address of ['10.10.10.4', '10.10.10.5', '127.0.0.1']) expect(server.checkIP(address)).toBe(address);
    expect(server.verify(authority.publicKey)).toBe(true);
  });

  it('clients get the certificate of the authority without its key, and the new one when it was replaced', async () => {
    const store = memoryStore();
    const first = await clusterSecrets(store, specification).certificateAuthority();
    const handedOut = store.values.get('hadb/database-ca-certificate');

    store.values.delete('hadb/database-certificate-authority');
    const second = await clusterSecrets(store, specification).certificateAuthority();

    expect(handedOut).toBe(first.certificate);
    expect(handedOut).not.toContain('PRIVATE KEY');
    expect(second.certificate).not.toBe(first.certificate);
    expect(store.values.get('hadb/database-ca-certificate')).toBe(second.certificate);
  });

  it('no two passwords are alike', async () => {
    const secrets = clusterSecrets(memoryStore(), specification);

    expect(await secrets.clientPassword()).not.toBe(await secrets.drbdSecret());
    expect(createPassword()).not.toBe(createPassword());
  });
});
