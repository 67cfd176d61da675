import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';
import { messageOf } from '../../processes/error-message';
import type { GuestService } from '../guest-services';
import { GUEST_ACCEPTED, GUEST_SERVICES, renderIntroduction } from '../guest-services';
import { formatAddress, parseAddress } from './addresses';
import type { TcpSegment } from './frame';
import { TCP_FLAG, buildTcpDatagram, parseTcpDatagram } from './frame';
import type { Log } from './log';
import type { ServiceConnection } from './service-connection';
import { createServiceConnection } from './service-connection';
import { openSocketPath } from './socket-path';

/** The connections that guests have to the cloud itself, each carried to control over its socket. */
export interface GuestServices {
  /** A frame for a service, from the machine whose port it came in at. */
  receive(virtualNetwork: string, service: string, source: number, datagram: Buffer): void;
  close(): void;
}

export interface GuestServicesOptions {
  /** Control's Unix socket. */
  socketFile: string;
  /** The machine with that address; undefined when there is none. */
  machineAt: (virtualNetwork: string, address: string) => string | undefined;
  send: (virtualNetwork: string, service: string, datagram: Buffer) => void;
  log: Log;
}

interface Guest {
  virtualNetwork: string;
  service: GuestService;
  source: number;
  machine: string;
}

/** A fence agent has a handful. */
const MOST_PER_MACHINE = 200;
const ACCEPT_TIMEOUT_MS = 5000;

export function createGuestServices(options: GuestServicesOptions): GuestServices {
  /** `opening` while control has not said yes: a SYN that comes again then is not another connection. */
  const connections = new Map<string, ServiceConnection | 'opening'>();
  const perMachine = new Map<string, number>();

  const count = (machine: string, change: number) =>
    perMachine.set(machine, Math.max(0, (perMachine.get(machine) ?? 0) + change));

  function transmit(guest: Guest, segment: TcpSegment): void {
    const datagram = buildTcpDatagram(parseAddress(guest.service.address), guest.source, segment);
    options.send(guest.virtualNetwork, guest.service.name, datagram);
  }

  function refuse(guest: Guest, received: TcpSegment): void {
    const acknowledges = (received.flags & TCP_FLAG.ack) !== 0;
    const length = received.payload.length + ((received.flags & (TCP_FLAG.syn | TCP_FLAG.fin)) === 0 ? 0 : 1);
    transmit(guest, {
      sourcePort: received.destinationPort,
      destinationPort: received.sourcePort,
      sequence: acknowledges ? received.acknowledgement : 0,
      acknowledgement: (received.sequence + length) >>> 0,
      flags: TCP_FLAG.rst | (acknowledges ? 0 : TCP_FLAG.ack),
      window: 0,
      payload: Buffer.alloc(0),
    });
  }

  function open(key: string, guest: Guest, syn: TcpSegment): void {
    connections.set(key, 'opening');
    count(guest.machine, 1);
    const forget = () => {
      if (connections.delete(key)) count(guest.machine, -1);
    };
    openStream(options.socketFile, guest).then(
      (stream) => {
        // The machine has gone, or wire ends.
        if (connections.get(key) !== 'opening') {
          stream.destroy();
          return;
        }
        connections.set(
          key,
          createServiceConnection({
            guestPort: syn.sourcePort,
            servicePort: syn.destinationPort,
            guestSequence: syn.sequence,
            guestWindow: syn.window,
            sequence: randomInt(2 ** 32),
            stream,
            send: (segment) => transmit(guest, segment),
            onClosed: forget,
          }),
        );
      },
      (error: unknown) => {
        options.log('guest-service-refused', {
          service: guest.service.name,
          machine: guest.machine,
          reason: messageOf(error),
        });
        forget();
        refuse(guest, syn);
      },
    );
  }

  return {
    receive(virtualNetwork, name, source, datagram) {
      const service = GUEST_SERVICES.find((candidate) => candidate.name === name);
      const machine = options.machineAt(virtualNetwork, formatAddress(source));
      const segment = parseTcpDatagram(datagram);
      // Nothing but these ports answers, as behind a firewall.
      if (service === undefined || machine === undefined || segment?.destinationPort !== service.port) return;
      const guest: Guest = { virtualNetwork, service, source, machine };
      const key = `${virtualNetwork} ${name} ${source} ${segment.sourcePort}`;
      const connection = connections.get(key);
      if (connection === 'opening') return;
      if (connection !== undefined) {
        connection.receive(segment);
        return;
      }
      const begins = (segment.flags & (TCP_FLAG.syn | TCP_FLAG.ack | TCP_FLAG.rst)) === TCP_FLAG.syn;
      if (begins && (perMachine.get(machine) ?? 0) < MOST_PER_MACHINE) open(key, guest, segment);
      else if ((segment.flags & TCP_FLAG.rst) === 0) refuse(guest, segment);
    },
    close() {
      for (const [key, connection] of connections) {
        connections.delete(key);
        if (connection !== 'opening') connection.abort();
      }
    },
  };
}

/** A stream to control that has been told who the guest is, and that control has accepted. */
function openStream(socketFile: string, { service, machine }: Guest): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socketPath = openSocketPath(dirname(socketFile), basename(socketFile));
    const stream = connect({ path: socketPath.path, allowHalfOpen: true });
    const finish = (act: () => void) => {
      clearTimeout(timer);
      socketPath.close();
      stream.off('error', fail).off('close', onClose).off('data', onData);
      stream.pause();
      act();
    };
    const fail = (error: Error) =>
      finish(() => {
        stream.on('error', () => undefined);
        stream.destroy();
        reject(error);
      });
    const timer = setTimeout(() => fail(new Error('control does not answer')), ACCEPT_TIMEOUT_MS);
    stream.once('error', fail);
    const onClose = () => fail(new Error('control does not take the connection'));
    stream.once('close', onClose);
    stream.once('connect', () => stream.write(renderIntroduction({ service: service.name, machine })));
    let answer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const said = answer.toString('latin1', 0, GUEST_ACCEPTED.length);
      if (!GUEST_ACCEPTED.startsWith(said)) fail(new Error(`control answers ${JSON.stringify(said)}`));
      if (said !== GUEST_ACCEPTED) return;
      finish(() => {
        if (answer.length > said.length) stream.unshift(answer.subarray(said.length));
        resolve(stream);
      });
    };
    stream.on('data', onData);
  });
}
