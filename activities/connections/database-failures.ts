import { HadbError } from '../../cluster/errors';

/** Errors of mysql2: the server's own have a SQL state, the protocol's a name, and a connection's those of the network. */
export function explainDatabaseError(error: unknown): HadbError | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'string')
    return undefined;
  const fromServer = 'sqlState' in error && 'errno' in error;
  const fromProtocol = error.code.startsWith('PROTOCOL_') || error.code === 'HANDSHAKE_SSL_ERROR';
  if (!fromServer && !fromProtocol) return undefined;
  const message = 'message' in error ? String(error.message) : error.code;
  return new HadbError('QueryFailed', `the database answers ${error.code}: ${message}`, { observed: message });
}
