import type { ClusterState } from '../cib/crm-mon';
import { describeFence, openFences } from '../cib/fence-history';
import { describeDrbd, isInSync } from '../drbd/state';
import type { NodeAudit } from '../node/audit-read';
import type { VerdictCheck } from '../step';
import { expectation } from './expectations';

/** What one node says of the cluster after a drill, or why it says nothing. */
export type AuditedNode =
  ({ node: string; silent?: never; cluster: ClusterState } & NodeAudit) | { node: string; silent: string };

type Answer = Exclude<AuditedNode, { silent: string }>;

/**
 * The audits of a pair that calls itself healthy, each node asked by itself: nothing here trusts what brought the pair back to health. A node that does not
 * answer leaves a check unknown, unless the other one says enough against it.
 */
export function auditCluster(nodes: readonly AuditedNode[], { kind }: { kind: string }): VerdictCheck[] {
  return [
    ...[auditCib, auditActions, auditConstraints, auditCopies].map((audit) => audit(nodes)),
    auditCores(nodes, kind),
  ];
}

const answersOf = (nodes: readonly AuditedNode[]): Answer[] => nodes.filter((node) => node.silent === undefined);

/** One check: holds when both nodes answer and neither says anything against it. */
function check(
  name: string,
  nodes: readonly AuditedNode[],
  { problems, detail }: { problems: readonly string[]; detail: string },
): VerdictCheck {
  const silences = nodes.flatMap(({ node, silent }) =>
    silent === undefined ? [] : [`${node} could not be asked: ${silent}`],
  );
  return silences.length === 0
    ? expectation({ name, problems, detail })
    : expectation({ name, problems, detail: silences.join('; '), unknown: true });
}

function auditCib(nodes: readonly AuditedNode[]): VerdictCheck {
  const name = 'CIB equal on both nodes';
  const [first, second] = answersOf(nodes);
  if (first === undefined || second === undefined) return check(name, nodes, { problems: [], detail: '' });
  const versions = `version ${first.cib.version} on ${first.node}, ${second.cib.version} on ${second.node}`;
  const isOther =
    first.cib.epochs !== second.cib.epochs ||
    first.cib.configuration !== second.cib.configuration ||
    (first.cib.version === second.cib.version && first.cib.whole !== second.cib.whole);
  if (isOther) return check(name, nodes, { problems: [`the two copies differ: ${versions}`], detail: '' });
  if (first.cib.version === second.cib.version) return check(name, nodes, { problems: [], detail: versions });
  const detail = `the same configuration, and a status that changed between all reads of the two copies: ${versions}`;
  return expectation({ name, problems: [], detail, unknown: true });
}

function auditActions(nodes: readonly AuditedNode[]): VerdictCheck {
  const problems = answersOf(nodes).flatMap(({ node, cluster }) =>
    (cluster.available ? actionProblems(cluster) : ['Pacemaker does not answer']).map(
      (problem) => `${node}: ${problem}`,
    ),
  );
  return check('no failed or pending action', nodes, { problems, detail: 'none, as each node tells it' });
}

function actionProblems(state: ClusterState): string[] {
  return [
    ...state.failures.map(
      ({ operation, resource, node, exitStatus }) => `${operation} of ${resource} failed on ${node} (${exitStatus})`,
    ),
    ...state.failCounts.map(({ resource, node, count }) => `${resource} has failed ${count} times on ${node}`),
    ...state.resources.flatMap(({ id, failed, blocked, pending, nodes }) => {
      const where = nodes.length === 0 ? '' : ` on ${nodes.join(' and ')}`;
      return [
        ...(failed ? [`${id} has failed${where}`] : []),
        ...(blocked ? [`${id} is blocked${where}`] : []),
        // A recurring monitor that runs just now is no action that is still to come.
        ...(pending === undefined || pending === 'Monitoring' ? [] : [`${id} is ${pending.toLowerCase()}${where}`]),
      ];
    }),
    ...state.nodes.flatMap(({ name, pending, unclean }) => [
      ...(pending ? [`${name} is still joining`] : []),
      ...(unclean ? [`${name} is unclean`] : []),
    ]),
    ...openFences(state).map(describeFence),
  ];
}

function auditConstraints(nodes: readonly AuditedNode[]): VerdictCheck {
  const problems = answersOf(nodes).flatMap(({ node, cib }) => [
    ...cib.leftovers.map((id) => `${node}: the constraint ${id} is left`),
    ...cib.heldBack.map((held) => `${node}: ${held.node} has the attribute ${held.attribute}`),
  ]);
  return check('no constraint left', nodes, {
    problems,
    detail: 'no location of a move, a ban or a fence-peer handler, no standby',
  });
}

function auditCopies(nodes: readonly AuditedNode[]): VerdictCheck {
  const seen = answersOf(nodes).map(({ node, drbd }) => ({
    isGood: isInSync(drbd),
    text: `${node}: ${describeDrbd(drbd)}`,
  }));
  return check('both copies current', nodes, {
    problems: seen.filter(({ isGood }) => !isGood).map(({ text }) => text),
    detail: seen.map(({ text }) => text).join('; '),
  });
}

const MOST_NAMED = 5;

function auditCores(nodes: readonly AuditedNode[], kind: string): VerdictCheck {
  const isExpected = (path: string) => kind === 'node-crash' && path.startsWith('/var/crash/');
  const found = answersOf(nodes).flatMap(({ node, cores }) => cores.map((path) => ({ node, path })));
  const [expected, wrong] = [
    found.filter(({ path }) => isExpected(path)),
    found.filter(({ path }) => !isExpected(path)),
  ];
  const name = ({ node, path }: { node: string; path: string }) => `${node}: ${path}`;
  return check('no core file', nodes, {
    problems: wrong.slice(0, MOST_NAMED).map(name),
    detail:
      expected.length === 0
        ? 'none was written since the drill began'
        : `only what the panic of the kernel left: ${expected.slice(0, MOST_NAMED).map(name).join('; ')}`,
  });
}
