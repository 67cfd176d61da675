import { ArmError, invalidParameter } from '../arm-error';

export interface VmSize {
  name: string;
  cores: number;
  memoryGiB: number;
}

/**
 * General-purpose families whose number says the cores (Standard_D2s_v5 has two) with their memory per core; enough
 * to validate a size and to count quota. Guests get what `guestMemoryMiB` says, not this.
 */
const FAMILIES: readonly [pattern: RegExp, gibPerCore: number][] = [
  [/^Standard_D(\d+)(?:-\d+)?[a-z]*_v\d$/, 4],
  [/^Standard_E(\d+)(?:-\d+)?[a-z]*_v\d$/, 8],
  [/^Standard_F(\d+)[a-z]*(?:_v\d)?$/, 2],
  [/^Standard_DC(\d+)[a-z]*_v\d$/, 4],
  [/^Standard_EC(\d+)[a-z]*_v\d$/, 8],
  [/^Standard_L(\d+)[a-z]*_v\d$/, 8],
  [/^Standard_M(\d+)[a-z]*(?:_v\d)?$/, 14],
];
const BURSTABLE: Readonly<Record<string, readonly [cores: number, memoryGiB: number]>> = {
  Standard_B1ls: [1, 0.5],
  Standard_B1s: [1, 1],
  Standard_B1ms: [1, 2],
  Standard_B2s: [2, 4],
  Standard_B2ms: [2, 8],
  Standard_B4ms: [4, 16],
  Standard_B8ms: [8, 32],
  Standard_B2ls_v2: [2, 4],
  Standard_B2s_v2: [2, 8],
  Standard_B4s_v2: [4, 16],
  Standard_B2as_v2: [2, 8],
  Standard_B2ats_v2: [2, 1],
  Standard_B2als_v2: [2, 4],
  Standard_A1_v2: [1, 2],
  Standard_A2_v2: [2, 4],
  Standard_A4_v2: [4, 8],
  Standard_DS1_v2: [1, 3.5],
  Standard_DS2_v2: [2, 7],
  Standard_DS3_v2: [4, 14],
  Standard_D1_v2: [1, 3.5],
  Standard_D2_v2: [2, 7],
  Standard_D3_v2: [4, 14],
};

export function parseVmSize(name: string): VmSize {
  const burstable = Object.entries(BURSTABLE).find(([known]) => known.toLowerCase() === name.toLowerCase());
  if (burstable !== undefined) {
    const [known, [cores, memoryGiB]] = burstable;
    return { name: known, cores, memoryGiB };
  }
  for (const [pattern, gibPerCore] of FAMILIES) {
    const cores = Number(new RegExp(pattern.source, 'i').exec(name)?.[1]);
    if (cores >= 1 && cores <= 416) return { name, cores, memoryGiB: cores * gibPerCore };
  }
  throw invalidParameter(
    `The value ${name} provided for the VM size is not valid. The lab knows the sizes of the families B, Av2, Dv2, Dv3 and ` +
      'later, Ev3 and later, F, L and M, for instance Standard_D2s_v5.',
    'vmSize',
  );
}

/**
 * Memory of a lab guest, MiB. Measured need of the whole stack: about 420 MiB with MariaDB; with MySQL 9 and Pacemaker 3
 * 760 MiB (the server alone 490), so a size's real memory would only waste the host's.
 */
export function guestMemoryMiB(size: VmSize): number {
  if (size.memoryGiB < 2) return 512;
  if (size.memoryGiB <= 8) return 768;
  return 1280;
}

export function assertCoreQuota(input: { limit: number; used: number; required: number; location: string }): void {
  const { limit, used, required, location } = input;
  if (used + required <= limit) return;
  throw new ArmError(
    409,
    'OperationNotAllowed',
    'Operation could not be completed as it results in exceeding approved Total Regional Cores quota. Additional details - ' +
      `Deployment Model: Resource Manager, Location: ${location}, Current Limit: ${limit}, Current Usage: ${used}, ` +
      `Additional Required: ${required}, (Minimum) New Limit Required: ${used + required}. Setup Alerts when Quota reaches ` +
      'threshold. Learn more at https://aka.ms/quotamonitoringalerting .',
  );
}
