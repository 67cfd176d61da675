/** Compares the leading dotted numbers of two versions; what follows them (`-1`, `~rc1`, `+deb12u1`) does not count. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [numbers(left), numbers(right)];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

export const isAtLeast = (version: string, minimum: string): boolean => compareVersions(version, minimum) >= 0;

/** The version without a Debian epoch and revision: `1:10.11.19-0+deb12u1` is `10.11.19`. */
export function upstreamVersion(packageVersion: string): string {
  const withoutEpoch = packageVersion.replace(/^\d+:/, '');
  return /^\d+(\.\d+)*/.exec(withoutEpoch)?.[0] ?? withoutEpoch;
}

function numbers(version: string): number[] {
  return upstreamVersion(version).split('.').map(Number);
}
