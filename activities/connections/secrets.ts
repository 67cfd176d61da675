import { publicHostName, secretNames } from '../../cluster/ids';
import type { ClusterSpecification } from '../../cluster/specification/specification';
import type { Certified } from './secret-generators';
import {
  createCertificateAuthority,
  createCorosyncKey,
  createPassword,
  createServerCertificate,
  createSshPrivateKey,
  readCertified,
} from './secret-generators';
import type { SecretStore } from './secret-store';
import type { PublicKey } from './ssh-keys';
import { readPublicKey } from './ssh-keys';

/** The secrets of one cluster, each made when it is first asked for. */
export interface ClusterSecrets {
  /** OpenSSH private key and its public half. */
  adminKey(): Promise<SshKeyPair>;
  hostKey(node: string): Promise<SshKeyPair>;
  drbdSecret(): Promise<string>;
  /** Raw bytes of `/etc/corosync/authkey`. */
  corosyncKey(): Promise<Buffer>;
  clientPassword(): Promise<string>;
  /** For clients: the certificate only, which the store also has by itself. The private key stays with hadb. */
  certificateAuthority(): Promise<Certified>;
  /** Valid for the public name, both nodes' names and addresses, and localhost. */
  serverCertificate(): Promise<Certified>;
}

export interface SshKeyPair {
  privateKey: string;
  publicKey: PublicKey;
}

export function clusterSecrets(
  store: SecretStore,
  specification: ClusterSpecification,
  now: () => Date = () => new Date(),
): ClusterSecrets {
  const names = secretNames(specification.name);
  const keyPair = async (name: string): Promise<SshKeyPair> => {
    const privateKey = await store.ensure(name, () => createSshPrivateKey(`hadb ${name}`));
    return { privateKey, publicKey: readPublicKey(privateKey, name) };
  };
  const certificateAuthority = async (): Promise<Certified> => {
    const authority = readCertified(
      await store.ensure(names.certificateAuthority, () =>
        createCertificateAuthority(`hadb ${specification.name} database`, now()),
      ),
    );
    const handOut = () => store.ensure(names.clientAuthority, () => authority.certificate);
    // Of an authority that somebody has replaced.
    if ((await handOut()) !== authority.certificate) {
      await store.remove(names.clientAuthority);
      await handOut();
    }
    return authority;
  };

  return {
    adminKey: () => keyPair(names.adminKey),
    hostKey: (node) => keyPair(names.hostKey(node)),
    drbdSecret: () => store.ensure(names.drbdSecret, () => createPassword()),
    corosyncKey: async () => Buffer.from(await store.ensure(names.corosyncKey, createCorosyncKey), 'base64'),
    clientPassword: () => store.ensure(names.clientPassword, () => createPassword()),
    certificateAuthority,
    async serverCertificate() {
      const host = publicHostName(specification);
      return readCertified(
        await store.ensure(names.serverCertificate, async () =>
          createServerCertificate(
            await certificateAuthority(),
            {
              name: host,
              names: [host, 'localhost', ...specification.nodes.map((node) => node.name)],
              addresses: ['127.0.0.1', ...specification.nodes.map((node) => node.address)],
            },
            now(),
          ),
        ),
      );
    },
  };
}
