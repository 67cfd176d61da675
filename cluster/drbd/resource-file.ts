import { HadbError } from '../errors';
import { DEFAULT_DATA_DISK, partitionOf, type Platform } from '../platform';
import { DRBD_DEVICE, DRBD_MINOR, DRBD_RESOURCE, type ClusterSpecification } from '../specification/specification';
import type { ClusterTiming } from '../timing';
import { handlerPaths, hasDrbd9 } from './fence-peer-handler';

export const RESOURCE_FILE = `/etc/drbd.d/${DRBD_RESOURCE}.res`;

/**
 * `manual`: no fencing policy and no handlers, until Pacemaker runs: with handlers and no Pacemaker any lost link freezes
 * the primary. `cluster`: both, put into force by `drbdadm adjust`.
 */
export type ResourceFileForm = 'manual' | 'cluster';

export interface ResourceFileInput {
  specification: ClusterSpecification;
  form: ResourceFileForm;
  /** Shared secret of the two peers, at most 64 characters (the kernel's limit). */
  secret: string;
  timing: ClusterTiming;
  platform: Platform;
}

/**
 * `resource-only`: the peer's copy is outdated and writing goes on. `resource-and-stonith`: writing is held up meanwhile, so that nothing is acknowledged
 * by a primary that is about to be shot; only where somebody shoots.
 */
export const fencingPolicy = ({
  fencing,
}: Pick<ClusterSpecification, 'fencing'>): 'resource-only' | 'resource-and-stonith' =>
  fencing === 'none' ? 'resource-only' : 'resource-and-stonith';

/** The backing device of the resource: the one partition of the data disk. */
export const backingDevice = (platform: Pick<Platform, 'dataDisk'>): string =>
  partitionOf(platform.dataDisk ?? DEFAULT_DATA_DISK);

/**
 * `r0.res` for the DRBD version that the node's kernel has; the same text on both nodes. Holds the secret: mode 0600.
 * @throws HadbError PlatformUnsupported without a DRBD module, Internal for a secret that does not fit the syntax.
 */
export function renderResourceFile(input: ResourceFileInput): string {
  if (!/^[A-Za-z0-9._+/=-]{16,64}$/.test(input.secret)) {
    throw new HadbError('Internal', 'the DRBD secret must be 16 to 64 letters, digits and . _ + / = -');
  }
  const isNine = hasDrbd9(input.platform);
  const {
    specification,
    timing: { drbd },
  } = input;
  // In 8.4 the fencing policy belongs into `disk`, in 9 into `net`; in the other place it is a syntax error.
  const fencing = input.form === 'cluster' ? [`fencing ${fencingPolicy(specification)};`] : [];
  const sections = [
    // DRBD 9 promotes by itself when a device is opened; only Pacemaker and the runbook may promote.
    ...(isNine ? [section('options', ['auto-promote no;', 'quorum off;'])] : []),
    section('disk', [
      'on-io-error detach;',
      // A fixed rate: measured faster and steadier than the controller's, whose defaults are made for slow links.
      'c-plan-ahead 0;',
      `resync-rate ${specification.drbd.resyncMiBPerSecond}M;`,
      'al-extents 3389;',
      ...(isNine ? [] : fencing),
    ]),
    section('net', [
      'protocol C;',
      'cram-hmac-alg sha256;',
      `shared-secret "${input.secret}";`,
      'verify-alg sha256;',
      'max-buffers 8000;',
      // Tenths of a second, but the first.
      `ping-int ${drbd.pingSeconds};`,
      `ping-timeout ${drbd.pingAnswerSeconds * 10};`,
      `timeout ${drbd.answerSeconds * 10};`,
      // Automatic recovery policies are automatic data loss: a person chooses the victim of a split brain.
      'after-sb-0pri disconnect;',
      'after-sb-1pri disconnect;',
      'after-sb-2pri disconnect;',
      'rr-conflict disconnect;',
      ...(isNine ? fencing : []),
    ]),
    ...(input.form === 'cluster' ? [section('handlers', handlers(input))] : []),
    // The cluster decides what to do about an absent peer; a boot script must not wait for it.
    section('startup', ['wfc-timeout 1;', 'degr-wfc-timeout 1;']),
    ...specification.nodes.map((node, index) =>
      section(`on ${node.name}`, [
        `device ${DRBD_DEVICE} minor ${DRBD_MINOR};`,
        `disk ${backingDevice(input.platform)};`,
        `address ${node.address}:${specification.drbd.port};`,
        'meta-disk internal;',
        ...(isNine ? [`node-id ${index};`] : []),
      ]),
    ),
  ];
  return `resource ${DRBD_RESOURCE} {\n${sections.join('')}}\n`;
}

/** The file with its secret left out: what may be shown, compared and kept as evidence. */
export const withoutSecret = (resourceFile: string): string =>
  resourceFile.replace(/shared-secret "[^"]*";/, 'shared-secret "(hidden)";');

function handlers({ specification, platform, timing }: ResourceFileInput): string[] {
  const { fence, unfence } = handlerPaths(specification, platform);
  const { fencePeerSeconds, fencePeerDcSeconds } = timing.drbd;
  return [
    `fence-peer "${fence} --timeout ${fencePeerSeconds} --dc-timeout ${fencePeerDcSeconds}";`,
    `unfence-peer "${unfence}";`,
  ];
}

function section(name: string, lines: readonly string[]): string {
  return `  ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
}
