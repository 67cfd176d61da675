import { HadbError } from '../errors';
import { timingOf } from '../timing';
import { FENCING_DEVICE, FENCING_MARKER, RESOURCES, renderCib, type CibInput } from './cib';
import {
  compareCib,
  describeDifference,
  HANDLER_ALIAS,
  modernProperty,
  parseCibConfiguration,
  type Difference,
} from './difference';
import { raiseEpoch } from './epoch';
import { attributeOf, childOf, childrenOf, parseXml } from './parse-xml';
import { element, renderXml, type XmlElement } from './xml';

/** Fencing put into the configuration of a cluster that was built without it, and nothing else changed. */

/** What deviates of fencing, and of the time-outs that follow from it, between the live CIB and the one of the input; the kind of fencing first. */
export function fencingDifferences(live: string, input: CibInput): Difference[] {
  const own = ownSettings(input);
  const differences = compareCib(parseCibConfiguration(renderCib(input)), parseCibConfiguration(live)).filter(
    ({ setting }) => own(setting),
  );
  return [...differences.filter(isOfKind), ...differences.filter((difference) => !isOfKind(difference))];
}

/** Whether the cluster fences in another way, or not at all; what else differs was set by somebody after that. */
export const isOfKind = ({ setting }: Difference): boolean => setting === `property ${FENCING_MARKER}`;

/**
 * The live CIB with the fencing of the input, one epoch later. What an operator has set besides is left alone.
 * @throws HadbError GuardRefused when the live CIB is not built as hadb builds it, so that the change would be another one than meant.
 */
export function withFencing(live: string, input: CibInput): string {
  const wanted = configurationOf(renderCib(input));
  const current = configurationOf(live);
  const changed = replaceChildren(current, {
    crm_config: (config) => changeProperties(config, childOf(wanted, 'crm_config')),
    resources: (resources) => changeResources(resources, childOf(wanted, 'resources')),
  });
  const next = raiseEpoch(
    live.replace(/^[ \t]*<configuration[ >][^]*?<\/configuration>\n?/m, () => renderXml(changed, '  ')),
  );
  const own = ownSettings(input);
  const wrong = [
    ...fencingDifferences(next, input),
    ...compareCib(parseCibConfiguration(live), parseCibConfiguration(next)).filter(({ setting }) => !own(setting)),
  ];
  if (wrong.length > 0) {
    throw new HadbError(
      'GuardRefused',
      'fencing cannot be put into this configuration without changing something else',
      {
        observed: wrong.slice(0, 5).map(describeDifference).join('; '),
        whatNow: 'Look at what deviates ("cibadmin --query"), put it back to what hadb has written, then retry.',
      },
    );
  }
  return next;
}

/** Whether a setting is of fencing: it is another one, or not there, in the same cluster without it. */
function ownSettings(input: CibInput): (setting: string) => boolean {
  if (input.specification.fencing === 'none') {
    return (setting) =>
      setting.startsWith(`${FENCING_DEVICE} `) ||
      [`property ${FENCING_MARKER}`, 'property fencing-enabled'].includes(setting);
  }
  const { fencing: _, ...rest } = input;
  const specification = { ...input.specification, fencing: 'none' as const };
  const without = renderCib({ ...rest, specification, timing: timingOf(specification) });
  const names = new Set(
    compareCib(parseCibConfiguration(renderCib(input)), parseCibConfiguration(without)).map(({ setting }) => setting),
  );
  return (setting) =>
    names.has(setting) || setting.startsWith(`${FENCING_DEVICE} `) || setting === `property ${HANDLER_ALIAS}`;
}

const PROPERTIES = new Set([
  FENCING_MARKER,
  HANDLER_ALIAS,
  'fencing-enabled',
  'fencing-action',
  'fencing-timeout',
  'priority-fencing-delay',
]);

const isOfFencing = (pair: XmlElement): boolean => PROPERTIES.has(modernProperty(attributeOf(pair, 'name') ?? ''));

/** In the set that Pacemaker reads first; a value under a name that this version does not use goes. */
function changeProperties(config: XmlElement, wanted: XmlElement | undefined): XmlElement {
  const pairs = childrenOf(childOf(wanted, 'cluster_property_set'), 'nvpair').filter(isOfFencing);
  return replaceChildren(config, { cluster_property_set: (set) => withPairs(set, pairs) });
}

function changeResources(resources: XmlElement, wanted: XmlElement | undefined): XmlElement {
  const device = wanted?.children.find((child) => attributeOf(child, 'id') === FENCING_DEVICE);
  const clone = wanted?.children.find((child) => attributeOf(child, 'id') === RESOURCES.drbdClone);
  const drbd = childOf(clone, 'primitive');
  const others = resources.children.filter((child) => attributeOf(child, 'id') !== FENCING_DEVICE);
  return {
    ...resources,
    children: [
      ...others.map((child) =>
        attributeOf(child, 'id') === RESOURCES.drbdClone
          ? replaceChildren(child, { primitive: (primitive) => changeDrbd(primitive, drbd) })
          : child,
      ),
      ...(device === undefined ? [] : [device]),
    ],
  };
}

/** Its priority, and the promotion's time-out, which follows from how long a fencing may take. */
function changeDrbd(primitive: XmlElement, wanted: XmlElement | undefined): XmlElement {
  const meta = childOf(wanted, 'meta_attributes');
  const timeoutOf = (operation: XmlElement) =>
    attributeOf(
      childrenOf(childOf(wanted, 'operations'), 'op').find(
        (candidate) =>
          attributeOf(candidate, 'name') === attributeOf(operation, 'name') &&
          attributeOf(operation, 'name') === 'promote',
      ),
      'timeout',
    );
  const changed = replaceChildren(primitive, {
    meta_attributes: (set) => withPairs(set, childrenOf(meta, 'nvpair')),
    operations: (operations) => ({
      ...operations,
      children: operations.children.map((operation) => {
        const timeout = timeoutOf(operation);
        return timeout === undefined ? operation : { ...operation, attributes: { ...operation.attributes, timeout } };
      }),
    }),
  });
  if (meta === undefined || childOf(changed, 'meta_attributes') !== undefined) return changed;
  const place = changed.children.findIndex(({ name }) => name === 'operations');
  return { ...changed, children: changed.children.toSpliced(place < 0 ? changed.children.length : place, 0, meta) };
}

/** The set with these pairs instead of its own of fencing; one that is there already keeps its id and its place. */
function withPairs(set: XmlElement, wanted: readonly XmlElement[]): XmlElement {
  const nameOf = (pair: XmlElement) => attributeOf(pair, 'name');
  const names = new Set(wanted.map(nameOf));
  const kept = set.children.filter((pair) => names.has(nameOf(pair)) || !isOfFencing(pair));
  return {
    ...set,
    children: [
      ...kept.map((pair) => {
        const value = attributeOf(
          wanted.find((candidate) => nameOf(candidate) === nameOf(pair)),
          'value',
        );
        return value === undefined ? pair : element(pair.name, { ...pair.attributes, value }, pair.children);
      }),
      ...wanted.filter((pair) => !kept.some((candidate) => nameOf(candidate) === nameOf(pair))),
    ],
  };
}

/** Replaces the first child of each name; the others stay as they are. */
function replaceChildren(
  parent: XmlElement,
  changes: Readonly<Record<string, (child: XmlElement) => XmlElement>>,
): XmlElement {
  const seen = new Set<string>();
  return {
    ...parent,
    children: parent.children.map((child) => {
      const change = changes[child.name];
      if (change === undefined || seen.has(child.name)) return child;
      seen.add(child.name);
      return change(child);
    }),
  };
}

function configurationOf(cib: string): XmlElement {
  const configuration = childOf(parseXml(cib, { root: 'cib', tool: 'cibadmin --query' }), 'configuration');
  if (configuration === undefined) throw new HadbError('Internal', 'the CIB has no configuration');
  return configuration;
}
