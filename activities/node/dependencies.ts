import { HadbError } from '../../cluster/errors';
import type { Node } from '../../cluster/specification/specification';
import type { StepContext } from '../../cluster/step';
import type { NodeSession, NodeSessions } from '../connections/node-session';
import type { SecretStore } from '../connections/secret-store';

/** What the activities on nodes take from outside. */
export interface NodeDependencies {
  sessions: NodeSessions;
  secrets: SecretStore;
}

/** The node itself and its peer, as the specification knows them. */
export function pairOf(context: Pick<StepContext, 'specification'>, name: string): { self: Node; peer: Node } {
  const [first, second] = context.specification.nodes;
  if (name === first.name) return { self: first, peer: second };
  if (name === second.name) return { self: second, peer: first };
  throw new HadbError('BadSpecification', `${name} is not a node of cluster ${context.specification.name}`, {
    subject: name,
    whatNow: `Name ${first.name} or ${second.name}.`,
  });
}

export interface SessionPair {
  own: NodeSession;
  peer: NodeSession;
}

export async function openPair(
  { sessions }: Pick<NodeDependencies, 'sessions'>,
  context: Pick<StepContext, 'specification'>,
  name: string,
): Promise<SessionPair> {
  const { self, peer } = pairOf(context, name);
  const [own, other] = await Promise.all([sessions.open(context, self.name), sessions.open(context, peer.name)]);
  return { own, peer: other };
}
