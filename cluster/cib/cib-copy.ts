import { attributeOf, childOf, childrenOf, descendantsOf, parseXml } from './parse-xml';
import { renderXml } from './xml';

/** One node's own copy of the CIB, status included. */
export interface CibCopy {
  /** `admin_epoch.epoch.num_updates`: the last one counts changes of the status as well. */
  version: string;
  /** The first two: changes of the configuration. */
  epochs: string;
  /** Text of the configuration, and of configuration and status, in one form whatever the tool's indentation. */
  configuration: string;
  whole: string;
  /** Ids of location constraints that moves, bans and fence-peer handlers make. */
  leftovers: string[];
  /** Nodes with an attribute that keeps them from working, and the attribute. */
  heldBack: { node: string; attribute: string }[];
}

/** `--local`: the node's own copy, not that of whoever coordinates the cluster. */
export const readCibCopy = (): string => 'cibadmin --query --local\n';

/** @throws HadbError CommandFailed when the text is no CIB. */
export function parseCibCopy(text: string): CibCopy {
  const root = parseXml(text, { root: 'cib', tool: 'cibadmin --query' });
  const [configuration, status] = [childOf(root, 'configuration'), childOf(root, 'status')];
  const numbers = ['admin_epoch', 'epoch', 'num_updates'].map((name) => attributeOf(root, name) ?? '?');
  const form = configuration === undefined ? '' : renderXml(configuration);
  const nodes = childrenOf(childOf(configuration, 'nodes'), 'node').map((element) => ({
    element,
    name: attributeOf(element, 'uname') ?? '',
  }));
  const states = childrenOf(status, 'node_state').map((element) => ({
    element,
    name: attributeOf(element, 'uname') ?? '',
  }));
  return {
    version: numbers.join('.'),
    epochs: numbers.slice(0, 2).join('.'),
    configuration: form,
    whole: form + (status === undefined ? '' : renderXml(status)),
    leftovers: descendantsOf(childOf(configuration, 'constraints'), 'rsc_location')
      .map((constraint) => attributeOf(constraint, 'id') ?? '')
      .filter((id) => /^(?:cli-|drbd-fence-by-handler-)/.test(id)),
    heldBack: [...nodes, ...states].flatMap(({ element, name }) =>
      descendantsOf(element, 'nvpair')
        .map((pair) => ({ attribute: attributeOf(pair, 'name') ?? '', value: attributeOf(pair, 'value') ?? '' }))
        .filter(({ attribute, value }) => HOLD_BACK.has(attribute) && /^(?:true|on|yes|y|1)$/i.test(value))
        .map(({ attribute }) => ({ node: name, attribute })),
    ),
  };
}

const HOLD_BACK = new Set(['standby', 'maintenance', 'terminate']);
