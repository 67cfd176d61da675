/** Everything that the worker runs. */
export { buildCluster } from './build-cluster';
export { destroyCluster } from './destroy-cluster';
export { failoverDrill } from './failover-drill';
export { clusterLock } from './lock';
export { orderDrills } from './order-drills';
export { planCluster } from './plan-cluster';
export { recoverCluster } from './recover-cluster';
export { scheduledDrill } from './scheduled-drill';
export { switchover } from './switchover';
export { watchCluster } from './watch-cluster';
