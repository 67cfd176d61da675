import { drillRefusal } from '../../cluster/drill-refusals';
import { ClusterSpecification } from '../../cluster/specification/specification';
import { type DrillKind } from '../../workflows/messages';
import { createFakeCluster, type FakeCluster } from './fake-cluster';
import {
  specificationFor,
  SHIPPED,
  startTemporalForTests,
  type RunningWorker,
  type TemporalForTests,
} from './temporal-for-tests';

/** The real workflows on a real server, with a cluster that is played. */

export interface Played<Result> {
  result: Result;
  cluster: FakeCluster;
}

/** A server for this test file, and a worker and a new cluster for each call. */
export function playClusters(): <Result>(
  work: (worker: RunningWorker, cluster: FakeCluster) => Promise<Result>,
) => Promise<Played<Result>> {
  let temporal: TemporalForTests;
  beforeAll(async () => {
    temporal = await startTemporalForTests(SHIPPED);
  }, 240_000);
  afterAll(() => temporal?.stop());

  return async (work) => {
    const cluster = createFakeCluster();
    const result = await temporal.withWorker(cluster.activities, (worker) => work(worker, cluster));
    return { result, cluster };
  };
}

export const input = (over: object = {}) => ({ specification: specificationFor(), onFailure: 'fail', ...over });

/** A drill of this kind, on a cluster that may make it. */
export function drillInput(kind: DrillKind) {
  const specification = { ...specificationFor(), fencing: 'none' as const };
  const refused = drillRefusal(kind, ClusterSpecification.parse(specification)) !== undefined;
  return input({ kind, specification: { ...specification, ...(refused && { fencing: 'azure' as const }) } });
}

/** Those of the calls that matter, in their order. */
export const among = (cluster: FakeCluster, names: string[]) =>
  cluster.order().filter((call) => names.some((name) => call === name || call.startsWith(`${name}/`)));

/** What breaks or moves something. */
export const FAULTS = [
  'movePrimary',
  'setStandby',
  'submitPowerOff',
  'orderShutdown',
  'stopPacemaker',
  'release',
  'injectFault',
  'freezeNode',
];

/** Calls that do more than write something down. */
export const withoutEvidence = (cluster: FakeCluster) =>
  cluster.order().filter((call) => !['recordClusterState', 'recordNodeLogs', 'writeDrillReport'].includes(call));
