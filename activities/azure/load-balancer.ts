import type { LoadBalancer } from '@azure/arm-network';
import { restorePoller } from '@azure/arm-network';
import { mergeWanted } from '../../cluster/azure/compare';
import { databaseRuleBody, loadBalancerBody } from '../../cluster/azure/load-balancer';
import { HadbError } from '../../cluster/errors';
import type { AzureScope, PutOptions, ResourceKind } from './resource-kind';

const balancer = ({ step, ids, tags }: AzureScope) => loadBalancerBody(step.specification, ids, tags);

const put = ({ arm, names }: AzureScope, body: LoadBalancer, options: PutOptions) =>
  arm.network.loadBalancers.createOrUpdate(names.resourceGroup, names.loadBalancer, body, options).serialize();

/** Step 2. What step 15 has added stays: the whole resource is read, completed, and written back if nobody else wrote it. */
export const loadBalancer: ResourceKind<LoadBalancer> = {
  kind: 'load-balancer',
  title: 'load balancer',
  name: ({ names }) => names.loadBalancer,
  get: ({ arm, names }) => arm.network.loadBalancers.get(names.resourceGroup, names.loadBalancer),
  wanted: balancer,
  put: (scope, current, options) => put(scope, mergeWanted(current, balancer(scope)), options),
  restore: ({ arm }, state, options) =>
    restorePoller(arm.network, state, arm.network.loadBalancers.createOrUpdate, options),
  describe: ({ inboundNatRules, loadBalancingRules }) =>
    `${inboundNatRules?.length ?? 0} NAT rules, ${loadBalancingRules?.length ?? 0} load-balancing rules`,
};

/** Step 15: the article's endpoint, on the load balancer that is there. */
export const databaseRule: ResourceKind<LoadBalancer> = {
  ...loadBalancer,
  kind: 'database-rule',
  title: 'load-balancing rule of',
  wanted: ({ step, ids }) => databaseRuleBody(step.specification, ids),
  async put(scope, current, options) {
    if (current === undefined) {
      throw new HadbError('NotReady', `there is no load balancer ${scope.names.loadBalancer} for the rule`, {
        subject: scope.names.loadBalancer,
        whatNow: 'Run the build from its beginning: it makes what is missing.',
      });
    }
    const { step, ids, tags } = scope;
    return put(
      scope,
      mergeWanted(current, { ...databaseRuleBody(step.specification, ids), tags: { ...tags } }),
      options,
    );
  },
  describe: ({ loadBalancingRules, probes }) =>
    [
      ...(loadBalancingRules ?? []).map(
        (rule) => `${rule.name ?? ''} ${rule.frontendPort ?? 0} to ${rule.backendPort ?? 0}`,
      ),
      ...(probes ?? []).map((probe) => `probe ${probe.port ?? 0} every ${probe.intervalInSeconds ?? 0} s`),
    ].join(', ') || 'no rule',
};
