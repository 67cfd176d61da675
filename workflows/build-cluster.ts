import type { Progress } from '../cluster/step';
import { manualFailover, MANUAL_FAILOVER, mustProve } from './chapters/manual-failover';
import { preparing } from './chapters/preparing';
import { setUpCorosync } from './chapters/setting-up-corosync';
import { setUpMySql } from './chapters/setting-up-mysql';
import { setUpPacemaker } from './chapters/setting-up-pacemaker';
import { lookForCluster, reachTheNodes, setUpTheCluster } from './chapters/setting-up-the-cluster';
import { tests } from './chapters/tests';
import { BuildCluster } from './inputs';
import type { BuildClusterInput } from './messages';
import { runRunbook, type Run } from './runbook';

/** The article, end to end. Safe to run again: what is done is seen, what serves is left alone. */
export const buildCluster = (input: BuildClusterInput): Promise<Progress> =>
  runRunbook({ runbook: 'buildCluster', input, schema: BuildCluster, body: (run) => build(run) });

async function build(run: Run): Promise<void> {
  await preparing(run);
  await reachTheNodes(run);
  const found = await lookForCluster(run);
  const pair = await setUpTheCluster(run, found);
  await setUpMySql(run, pair);
  if (!pair.managed && (await mustProve(run, MANUAL_FAILOVER))) await manualFailover(run, pair);
  await setUpCorosync(run, pair);
  await setUpPacemaker(run, pair);
  await tests(run, pair);
}
