/** Compares what is wanted of a resource with what Azure says, and brings both together for a PUT. */

type Path = readonly (string | number)[];

/**
 * Where `current` lacks something of `wanted`, one line each; empty when all of it is there. What is there beyond that does
 * not matter: Azure fills in defaults and other steps add rules.
 *
 * Named children are matched by name and references by id, in any order, as Azure does; ids, names and locations compare
 * without regard to case.
 */
export function findDeviations(wanted: unknown, current: unknown, path: Path = []): string[] {
  if (wanted === undefined) return [];
  if (Array.isArray(wanted)) return compareLists(wanted, Array.isArray(current) ? current : [], path);
  if (isRecord(wanted)) {
    if (!isRecord(current)) return [`${show(path)} is missing`];
    return Object.entries(wanted).flatMap(([key, value]) => findDeviations(value, current[key], [...path, key]));
  }
  if (isEqual(wanted, current, path.at(-1))) return [];
  return [
    `${show(path)} is ${current === undefined ? 'not set' : JSON.stringify(current)}, not ${JSON.stringify(wanted)}`,
  ];
}

function compareLists(wanted: readonly unknown[], current: readonly unknown[], path: Path): string[] {
  const missing = wanted.flatMap((item, index) => {
    const key = identityOf(item);
    if (key !== undefined) {
      const match = current.find((candidate) => identityOf(candidate)?.toLowerCase() === key.toLowerCase());
      const label = key.slice(key.lastIndexOf('/') + 1);
      return match === undefined ? [`${show(path)} lacks ${label}`] : findDeviations(item, match, [...path, label]);
    }
    if (isRecord(item)) return findDeviations(item, current[index], [...path, index]);
    const found = current.some((candidate) => isEqual(item, candidate, path.at(-1)));
    return found ? [] : [`${show(path)} lacks ${JSON.stringify(item)}`];
  });
  // A list of plain values is wanted as it is: one address range more may open a port to the world.
  const added =
    wanted.length === 0 || wanted.some((item) => typeof item === 'object')
      ? []
      : current.filter((candidate) => !wanted.some((item) => isEqual(item, candidate, path.at(-1))));
  return [...missing, ...added.map((item) => `${show(path)} also has ${JSON.stringify(item)}`)];
}

/** Elements of a wanted list of named children that are in the current one and not in the wanted one. */
export function findAdditions(wanted: readonly unknown[], current: readonly unknown[]): string[] {
  const known = new Set(wanted.map((item) => identityOf(item)?.toLowerCase()));
  return current.map(identityOf).filter((key) => key !== undefined && !known.has(key.toLowerCase())) as string[];
}

/**
 * `current` with everything of `wanted` put in. Named children that are only in `current` stay: a PUT replaces the whole
 * resource, and a rule that another step has added must not vanish with it. Lists without names are replaced.
 */
export function mergeWanted<Wanted>(current: unknown, wanted: Wanted): Wanted {
  return merge(current, wanted) as Wanted;
}

function merge(current: unknown, wanted: unknown): unknown {
  if (wanted === undefined) return current;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(current) || wanted.some((item) => nameOf(item) === undefined)) return wanted;
    const find = (list: readonly unknown[], name: string) =>
      list.find((item) => nameOf(item)?.toLowerCase() === name.toLowerCase());
    return [
      ...current.map((item: unknown) => merge(item, find(wanted, nameOf(item) ?? ''))),
      ...wanted.filter((item) => find(current, nameOf(item) ?? '') === undefined),
    ];
  }
  if (isRecord(wanted) && isRecord(current)) {
    const merged: Record<string, unknown> = { ...current };
    for (const [key, value] of Object.entries(wanted)) merged[key] = merge(current[key], value);
    return merged;
  }
  return wanted;
}

function identityOf(item: unknown): string | undefined {
  return nameOf(item) ?? (isRecord(item) && typeof item['id'] === 'string' ? item['id'] : undefined);
}

function nameOf(item: unknown): string | undefined {
  return isRecord(item) && typeof item['name'] === 'string' ? item['name'] : undefined;
}

const CASELESS = new Set<string | number | undefined>([
  'id',
  'name',
  'location',
  'sku',
  'storageAccountType',
  'vmSize',
]);

function isEqual(wanted: unknown, current: unknown, key: string | number | undefined): boolean {
  if (wanted === current) return true;
  if (typeof wanted !== 'string' || typeof current !== 'string' || !CASELESS.has(key)) return false;
  const plain = (text: string) => (key === 'location' ? text.replaceAll(' ', '') : text).toLowerCase();
  return plain(wanted) === plain(current);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(path: Path): string {
  return path.length === 0 ? 'the resource' : path.join('.');
}
