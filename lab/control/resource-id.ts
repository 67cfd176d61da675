/**
 * Ids are compared without regard to case and echoed as first written; paths may hold doubled slashes (`az` sends
 * them), so everything goes through `parsePath`.
 */
export interface ArmPath {
  subscription?: string;
  group?: string;
  provider?: string;
  /** What follows `providers/{namespace}`, as given: type, name, child type, child name, action. */
  rest: readonly string[];
}

export function parsePath(path: string): ArmPath {
  const parts = path.split('/').filter((part) => part !== '');
  const parsed: { subscription?: string; group?: string; provider?: string; rest: string[] } = { rest: [] };
  if (parts[0]?.toLowerCase() !== 'subscriptions') return { rest: parts };
  parts.shift();
  const subscription = parts.shift();
  if (subscription !== undefined) parsed.subscription = subscription;
  if (parts[0]?.toLowerCase() === 'resourcegroups' && parts.length > 1) {
    parts.shift();
    const group = parts.shift();
    if (group !== undefined) parsed.group = group;
  }
  if (parts[0]?.toLowerCase() === 'providers' && parts.length > 1) {
    parts.shift();
    const provider = parts.shift();
    if (provider !== undefined) parsed.provider = provider;
  }
  parsed.rest = parts;
  return parsed;
}

export function resourceGroupId(subscription: string, group: string): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}`;
}

export function resourceId(subscription: string, group: string, type: string, name: string): string {
  return `${resourceGroupId(subscription, group)}/providers/${type}/${name}`;
}

/** The form in which ids are compared. */
export function idKey(id: string): string {
  return `/${id
    .split('/')
    .filter((part) => part !== '')
    .join('/')
    .toLowerCase()}`;
}

export function sameId(a: string, b: string): boolean {
  return idKey(a) === idKey(b);
}

/** Splits `{parent}/{childType}/{childName}`. */
export function splitChildId(id: string): { parent: string; childType: string; childName: string } {
  const parts = id.split('/').filter((part) => part !== '');
  const childName = parts.pop() ?? '';
  const childType = parts.pop() ?? '';
  return { parent: `/${parts.join('/')}`, childType, childName };
}

export function groupOf(id: string): string {
  return parsePath(id).group ?? '';
}
