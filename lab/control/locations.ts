import { ArmError } from './arm-error';

/** Azure regions the lab answers for; any of them is this computer. */
export const LOCATIONS = [
  'australiaeast',
  'australiasoutheast',
  'austriaeast',
  'belgiumcentral',
  'brazilsouth',
  'canadacentral',
  'canadaeast',
  'centralindia',
  'centralus',
  'chilecentral',
  'eastasia',
  'eastus',
  'eastus2',
  'francecentral',
  'germanywestcentral',
  'indonesiacentral',
  'israelcentral',
  'italynorth',
  'japaneast',
  'japanwest',
  'koreacentral',
  'malaysiawest',
  'mexicocentral',
  'newzealandnorth',
  'northcentralus',
  'northeurope',
  'norwayeast',
  'polandcentral',
  'qatarcentral',
  'southafricanorth',
  'southcentralus',
  'southeastasia',
  'southindia',
  'spaincentral',
  'swedencentral',
  'switzerlandnorth',
  'uaenorth',
  'uksouth',
  'ukwest',
  'westcentralus',
  'westeurope',
  'westus',
  'westus2',
  'westus3',
] as const;

/** `West Europe` and `westeurope` are the same place. */
function normalizeLocation(location: string): string {
  return location.replaceAll(' ', '').toLowerCase();
}

function isKnownLocation(location: string): boolean {
  return LOCATIONS.some((known) => known === normalizeLocation(location));
}

/** What Azure says of a location depends on what is put there. */
interface LocationErrors {
  unavailable(given: string): ArmError;
  /** It exists in another place, `location` is the one asked for. */
  elsewhere(location: string, current: string): ArmError;
}

/** The normalized location of a body; what exists cannot move. Errors: LocationRequired, and those given. */
export function assertLocation(
  body: Readonly<Record<string, unknown>>,
  current: { readonly location: string } | undefined,
  errors: LocationErrors,
): string {
  const given = body['location'];
  if (typeof given !== 'string' || given === '') {
    throw new ArmError(400, 'LocationRequired', 'The location property is required for this definition.');
  }
  const location = normalizeLocation(given);
  if (!isKnownLocation(location)) throw errors.unavailable(given);
  if (current !== undefined && current.location !== location) throw errors.elsewhere(location, current.location);
  return location;
}
