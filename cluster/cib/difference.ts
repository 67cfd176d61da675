import { MODERN_ROLES } from './crm-mon';
import { attributeOf, childOf, childrenOf, descendantsOf, parseXml } from './parse-xml';
import type { XmlElement } from './xml';

/** The configuration inside of a CIB as names and values, in which order, ids of helper elements and spelling do not count. */
export interface CibConfiguration {
  settings: ReadonlyMap<string, string>;
  /** Constraints that tools leave behind: `cli-*` of moves, `drbd-fence-by-handler-*` of the fence-peer handler. */
  leftovers: string[];
}

export interface Difference {
  /** Such as `property no-quorum-policy` or `mysqld operation monitor every 10s timeout`. */
  setting: string;
  wanted?: string;
  current?: string;
}

/** @throws HadbError CommandFailed when the text is no CIB. */
export function parseCibConfiguration(text: string): CibConfiguration {
  const root = parseXml(text, { root: 'cib', tool: 'cibadmin --query' });
  const configuration = childOf(root, 'configuration');
  const constraints = childOf(configuration, 'constraints')?.children ?? [];
  const isLeftover = (constraint: XmlElement) =>
    /^(cli-|drbd-fence-by-handler-)/.test(attributeOf(constraint, 'id') ?? '');
  const settings = [
    ...properties(childOf(configuration, 'crm_config')),
    ...childrenOf(childOf(configuration, 'nodes'), 'node').flatMap(nodeSettings),
    ...(childOf(configuration, 'resources')?.children ?? []).flatMap((resource) => resourceSettings(resource)),
    ...constraints.filter((constraint) => !isLeftover(constraint)).flatMap(constraintSettings),
    ...nvpairs(childOf(configuration, 'rsc_defaults')).map(setting('resource default')),
    ...nvpairs(childOf(configuration, 'op_defaults')).map(setting('operation default')),
  ];
  return {
    settings: new Map(settings),
    leftovers: constraints.filter(isLeftover).map((constraint) => attributeOf(constraint, 'id') ?? ''),
  };
}

/** What deviates between two configurations; empty when they mean the same. */
export function compareCib(wanted: CibConfiguration, current: CibConfiguration): Difference[] {
  const names = new Set([...wanted.settings.keys(), ...current.settings.keys()]);
  return [...names].sort().flatMap((name) => {
    const [left, right] = [wanted.settings.get(name), current.settings.get(name)];
    if (left === right) return [];
    return [
      {
        setting: name,
        ...(left === undefined ? {} : { wanted: left }),
        ...(right === undefined ? {} : { current: right }),
      },
    ];
  });
}

export function describeDifference({ setting: name, wanted, current }: Difference): string {
  if (current === undefined) return `${name} is not set, wanted is ${wanted}`;
  return wanted === undefined
    ? `${name} is ${current}, and is not wanted`
    : `${name} is ${current}, wanted is ${wanted}`;
}

type Entry = [name: string, value: string];

/** Pacemaker writes these itself. */
const OWN_PROPERTIES = new Set(['cluster-infrastructure', 'dc-version', 'have-watchdog', 'last-lrm-refresh']);
/** Names until 3.0.1 and from 3.0.2 on. */
const MODERN_PROPERTIES: Record<string, string> = {
  'stonith-enabled': 'fencing-enabled',
  'stonith-timeout': 'fencing-timeout',
  'stonith-action': 'fencing-action',
  'stonith-max-attempts': 'fencing-max-attempts',
  'stonith-watchdog-timeout': 'fencing-watchdog-timeout',
  'fence-reaction': 'fencing-reaction',
};
/** The name from Pacemaker 3.0.2 on. */
export const modernProperty = (name: string): string => MODERN_PROPERTIES[name] ?? name;
/** An alias that only the fence-peer handler reads. */
export const HANDLER_ALIAS = 'stonith_enabled';

function properties(config: XmlElement | undefined): Entry[] {
  const entries = nvpairs(config).map(([name, value]): Entry => [modernProperty(name), value]);
  const enabled = new Map(entries).get('fencing-enabled') ?? 'true';
  return (
    entries
      // The alias counts where it tells the handler something else than Pacemaker is told.
      .filter(([name, value]) => !OWN_PROPERTIES.has(name) && !(name === HANDLER_ALIAS && value === enabled))
      .map(setting('property'))
  );
}

function nodeSettings(node: XmlElement): Entry[] {
  const name = attributeOf(node, 'uname') ?? '';
  return [
    [`node ${name} id`, attributeOf(node, 'id') ?? ''],
    ...nvpairs(node)
      // Standby that was switched off again is no deviation.
      .filter(([attribute, value]) => !(attribute === 'standby' && value === 'false'))
      .map(setting(`node ${name} attribute`)),
  ];
}

function resourceSettings(resource: XmlElement, parent?: string): Entry[] {
  const id = attributeOf(resource, 'id') ?? '';
  const members = resource.children.filter(({ name }) => ['primitive', 'group', 'clone', 'master'].includes(name));
  const { class: standard = '', provider = '', type = '' } = resource.attributes;
  return [
    [
      `${id} kind`,
      resource.name === 'primitive' ? [standard, provider, type].filter(Boolean).join(':') : resource.name,
    ],
    ...(parent === undefined ? [] : [[`${id} belongs to`, parent] satisfies Entry]),
    ...(members.length > 1
      ? [[`${id} order`, members.map((member) => attributeOf(member, 'id')).join(', ')] satisfies Entry]
      : []),
    ...childrenOf(resource, 'instance_attributes')
      .flatMap(nvpairs)
      .map(setting(`${id} parameter`)),
    ...childrenOf(resource, 'meta_attributes')
      .flatMap(nvpairs)
      .map(setting(`${id} meta`)),
    ...childrenOf(childOf(resource, 'operations'), 'op').flatMap((operation) => operationSettings(id, operation)),
    ...members.flatMap((member) => resourceSettings(member, id)),
  ];
}

function operationSettings(resource: string, operation: XmlElement): Entry[] {
  const { id: _, name = '', interval = '0', role, ...others } = operation.attributes;
  const which = [
    `${resource} operation ${name}`,
    ...(role === undefined ? [] : [`role ${MODERN_ROLES[role] ?? role}`]),
    ...(inMilliseconds(String(interval)) === '0 ms' ? [] : [`every ${inMilliseconds(String(interval))}`]),
  ].join(' ');
  const given = { timeout: '20s', ...others };
  return Object.entries(given).map(([attribute, value]) => [
    `${which} ${attribute}`,
    attribute === 'timeout' ? inMilliseconds(value) : value,
  ]);
}

function constraintSettings(constraint: XmlElement): Entry[] {
  const { id = '', ...attributes } = constraint.attributes;
  return [
    [`constraint ${id}`, constraint.name],
    ...Object.entries(attributes).map(([name, value]): Entry => [
      `constraint ${id} ${name}`,
      MODERN_ROLES[String(value)] ?? String(value),
    ]),
    ...descendantsOf(constraint, 'expression').map((expression): Entry => {
      const { attribute, operation, value } = expression.attributes;
      return [`constraint ${id} where ${attribute}`, `${operation} ${value ?? ''}`];
    }),
  ];
}

function nvpairs(parent: XmlElement | undefined): Entry[] {
  return descendantsOf(parent, 'nvpair').flatMap((pair) => {
    const [name, value] = [attributeOf(pair, 'name'), attributeOf(pair, 'value')];
    return name === undefined || value === undefined
      ? []
      : [[name, /[-_]action$/.test(name) ? value : normalise(value)] satisfies Entry];
  });
}

const setting =
  (kind: string) =>
  ([name, value]: Entry): Entry => [`${kind} ${name}`, value];

/** Pacemaker takes all of these for the same. */
function normalise(value: string): string {
  if (/^(true|yes|on|y|1)$/i.test(value) && value !== '1') return 'true';
  if (/^(false|no|off|n)$/i.test(value)) return 'false';
  if (/^\d+\s*(ms|msec|s|sec|m|min|h|hr)$/i.test(value)) return inMilliseconds(value);
  return MODERN_ROLES[value] ?? value;
}

const UNITS: Record<string, number> = {
  us: 0.001,
  ms: 1,
  msec: 1,
  '': 1000,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
};

function inMilliseconds(value: string): string {
  const [, number, unit = ''] = /^(\d+)\s*([a-z]*)$/i.exec(value.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return number === undefined || factor === undefined ? value : `${Number(number) * factor} ms`;
}
