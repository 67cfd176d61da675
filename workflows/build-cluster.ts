import type { Progress } from '../cluster/step';
import { proveFencing, putFencingIntoForce } from './chapters/fencing';
import { manualFailover, MANUAL_FAILOVER, mustProve, proveManualFailover } from './chapters/manual-failover';
import { preparing } from './chapters/preparing';
import { setUpCorosync } from './chapters/setting-up-corosync';
import { installMySql, startMySql } from './chapters/setting-up-mysql';
import { setUpPacemaker } from './chapters/setting-up-pacemaker';
import { lookForCluster, prepareTheNodes, reachTheNodes, setUpDrbd } from './chapters/setting-up-the-cluster';
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
  const pair = await prepareTheNodes(run, found);
  const inForce = pair.built ? await putFencingIntoForce(run, pair) : undefined;

  // The server is installed while DRBD synchronises.
  const [, installed] = await run.parallel([() => setUpDrbd(run, pair), () => installMySql(run, pair)]);
  await startMySql(run, pair, installed);

  const byHand = !pair.managed && (await mustProve(run, MANUAL_FAILOVER));
  if (byHand) await manualFailover(run, pair);
  // Corosync forms its cluster, and Azure makes the role known, while the load balancer notices the way back.
  const [fencing] = await run.parallel([
    async () => inForce ?? (await proveFencing(run)),
    () => setUpCorosync(run, pair),
    async () => {
      if (byHand) await proveManualFailover(run, pair);
    },
  ]);

  await setUpPacemaker(run, pair, fencing);
  await tests(run, pair);
}
