import { messageOf } from '../../processes/error-message';

/** Something of the plan that could not be brought about. The rest works, and wire tries again by itself. */
export interface Problem {
  code:
    | 'PortInUse'
    | 'AddressNotAvailable'
    | 'FrontendConflict'
    | 'UnknownBackend'
    | 'GatewayFailed'
    | 'QemuMissing'
    | 'NameServerFailed'
    | 'PackageMirrorFailed'
    | 'SocketFailed';
  /** What it is about: a port, a frontend, a virtual network. */
  subject: string;
  message: string;
}

/** A problem out of a failed bind or listen: says which address, and what to do about it. */
export function bindProblem(
  subject: string,
  address: string,
  port: number,
  protocol: 'TCP' | 'UDP',
  error: unknown,
): Problem {
  const code = errorCode(error);
  if (code === 'EADDRINUSE') {
    const list = protocol === 'TCP' ? 'ss -ltnp' : 'ss -lunp';
    return {
      code: 'PortInUse',
      subject,
      message: `${protocol} port ${port} on ${address} is in use by another program; find it with "${list} 'sport = ${port}'" and end it. Wire tries again every few seconds.`,
    };
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    return {
      code: 'AddressNotAvailable',
      subject,
      message: `${protocol} port ${port} on ${address} cannot be used (${code}): ports below 1024 need a privilege, and the address has to be one of this host.`,
    };
  }
  return { code: 'SocketFailed', subject, message: `${protocol} ${address}:${port}: ${messageOf(error)}` };
}

export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
