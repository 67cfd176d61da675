import type { ClusterSpecification } from '../specification/specification';
import type { ClusterTiming } from '../timing';

export const COROSYNC_CONFIGURATION = '/etc/corosync/corosync.conf';
/** 1024 random bits or more, mode 0400, the same on both nodes. */
export const COROSYNC_KEY = '/etc/corosync/authkey';

/** Node ids of Corosync and Pacemaker follow the order of the specification, from 1. */
export const nodeId = (specification: ClusterSpecification, node: string): number =>
  specification.nodes.findIndex(({ name }) => name === node) + 1;

/**
 * `corosync.conf`, the same text on both nodes: knet, because it is the only transport that encrypts.
 * `version` is raised with each change of a running cluster (`config_version`).
 */
export function renderCorosyncConfiguration(input: {
  specification: ClusterSpecification;
  timing: ClusterTiming;
  version?: number;
}): string {
  const { specification, timing, version = 1 } = input;
  const { corosync } = timing;
  return [
    block('totem', [
      'version: 2',
      `cluster_name: ${specification.name}`,
      `config_version: ${version}`,
      'transport: knet',
      'crypto_model: nss',
      'crypto_cipher: aes256',
      'crypto_hash: sha256',
      `token: ${corosync.tokenMs}`,
      `token_retransmits_before_loss_const: ${corosync.tokenRetransmitsBeforeLossConst}`,
      `join: ${corosync.joinMs}`,
      `consensus: ${corosync.consensusMs}`,
      `max_messages: ${corosync.maxMessages}`,
    ]),
    // Two nodes: each alone has quorum once both have been seen (two_node implies wait_for_all).
    block('quorum', ['provider: corosync_votequorum', 'expected_votes: 2', 'two_node: 1']),
    block(
      'nodelist',
      specification.nodes.map((node) =>
        block('node', [
          `ring0_addr: ${node.address}`,
          `name: ${node.name}`,
          `nodeid: ${nodeId(specification, node.name)}`,
        ]),
      ),
    ),
    block('logging', ['to_logfile: no', 'to_stderr: no', 'to_syslog: yes', 'timestamp: off']),
  ].join('\n');
}

/** Corosync needs the line break after each opening brace. */
function block(name: string, lines: readonly string[]): string {
  const body = lines.flatMap((line) => line.trimEnd().split('\n'));
  return `${name} {\n${body.map((line) => `  ${line}\n`).join('')}}\n`;
}
