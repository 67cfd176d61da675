import { ArmError } from './arm-error';
import { LOCATIONS } from './locations';

/**
 * Versions the lab accepts per provider: the ones of the current JavaScript clients (2026), and the older ones that
 * Debian's Python clients, az and the fence agents send. The bodies of the properties used here did not change
 * between them.
 */
const NETWORK = [
  '2018-10-01',
  '2020-11-01',
  '2021-02-01',
  '2021-05-01',
  '2021-08-01',
  '2022-01-01',
  '2022-05-01',
  '2022-07-01',
  '2022-09-01',
  '2022-11-01',
  '2023-02-01',
  '2023-04-01',
  '2023-05-01',
  '2023-06-01',
  '2023-09-01',
  '2023-11-01',
  '2024-01-01',
  '2024-03-01',
  '2024-05-01',
  '2024-07-01',
  '2024-10-01',
  '2025-01-01',
  '2025-03-01',
  '2025-05-01',
  '2025-07-01',
  '2025-09-01',
  '2026-01-01',
];
const COMPUTE = [
  '2019-03-01',
  '2019-07-01',
  '2019-12-01',
  '2020-06-01',
  '2020-12-01',
  '2021-03-01',
  '2021-04-01',
  '2021-07-01',
  '2021-11-01',
  '2022-03-01',
  '2022-08-01',
  '2022-11-01',
  '2023-03-01',
  '2023-07-01',
  '2023-09-01',
  '2024-03-01',
  '2024-07-01',
  '2024-11-01',
  '2025-04-01',
  '2025-11-01',
  '2026-04-01',
];
const DISKS = [
  '2019-07-01',
  '2020-06-30',
  '2020-12-01',
  '2021-04-01',
  '2021-12-01',
  '2022-03-02',
  '2022-07-02',
  '2023-01-02',
  '2023-04-02',
  '2023-10-02',
  '2024-03-02',
  '2025-01-02',
  '2026-03-02',
];
const RESOURCES = [
  '2016-06-01',
  '2018-05-01',
  '2019-05-01',
  '2019-08-01',
  '2019-10-01',
  '2020-06-01',
  '2020-10-01',
  '2021-01-01',
  '2021-04-01',
  '2022-09-01',
  '2022-12-01',
  '2023-07-01',
  '2024-03-01',
  '2024-07-01',
  '2024-11-01',
  '2025-04-01',
];

const AUTHORIZATION = [
  '2015-07-01',
  '2018-01-01-preview',
  '2018-07-01',
  '2018-09-01-preview',
  '2020-03-01-preview',
  '2020-04-01-preview',
  '2020-08-01-preview',
  '2020-10-01-preview',
  '2021-04-01-preview',
  '2022-04-01',
  '2022-05-01-preview',
];

export function supportedApiVersions(type: string): readonly string[] {
  const lower = type.toLowerCase();
  if (lower === 'microsoft.compute/disks') return DISKS;
  if (lower.startsWith('microsoft.compute/locations')) return [...new Set([...COMPUTE, ...DISKS])];
  if (lower.startsWith('microsoft.compute/')) return COMPUTE;
  if (lower.startsWith('microsoft.network/')) return NETWORK;
  if (lower.startsWith('microsoft.authorization/')) return AUTHORIZATION;
  return RESOURCES;
}

export function assertApiVersion(version: string | null, type: string, location: string): void {
  if (version === null || version === '') {
    throw new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    );
  }
  const supported = supportedApiVersions(type);
  if (supported.includes(version.toLowerCase())) return;
  if (supported === RESOURCES) {
    throw new ArmError(
      400,
      'InvalidApiVersionParameter',
      `The api-version '${version}' is invalid. The supported versions are '${supported.toReversed().join(',')}'.`,
    );
  }
  throw new ArmError(
    400,
    'NoRegisteredProviderFound',
    `No registered resource provider found for location '${location}' and API version '${version}' for type ` +
      `'${type.slice(type.indexOf('/') + 1)}'. The supported api-versions are '${supported.toReversed().join(', ')}'. ` +
      `The supported locations are '${LOCATIONS.join(', ')}'.`,
  );
}
