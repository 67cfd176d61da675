import { clusterOf, clusterState, renderStatus } from '../../client/status';
import type { ClusterState } from '../../client/status';
import {
  buildWorkflowId,
  destroyWorkflowId,
  drillWorkflowId,
  recoverWorkflowId,
  switchoverWorkflowId,
} from '../../cluster/ids';

const build = (status: string) => ({ type: 'buildCluster', status });
const drill = (status: string) => ({ type: 'failoverDrill', status });
const destroy = (status: string) => ({ type: 'destroyCluster', status });

describe('the state of a cluster, told by its runs (newest first)', () => {
  it.each<[string, { type: string; status: string }[], ClusterState]>([
    ['an open build', [build('RUNNING')], 'building'],
    ['a build', [build('COMPLETED')], 'built'],
    ['a failed build', [build('FAILED'), build('COMPLETED')], 'build failed'],
    ['a cancelled build', [build('CANCELLED')], 'build stopped'],
    ['a terminated build', [build('TERMINATED')], 'build stopped'],
    ['a drill on a built cluster', [drill('COMPLETED'), build('COMPLETED')], 'built'],
    ['an open drill', [drill('RUNNING'), build('COMPLETED')], 'in operation'],
    ['a failed drill', [drill('FAILED'), build('COMPLETED')], 'operation failed'],
    ['a destroyed cluster', [destroy('COMPLETED'), build('COMPLETED')], 'destroyed'],
    ['a failed destroy', [destroy('FAILED'), build('COMPLETED')], 'operation failed'],
    ['a cluster built again', [build('COMPLETED'), destroy('COMPLETED')], 'built'],
    ['a drill on a cluster whose build is forgotten', [drill('COMPLETED')], 'unknown'],
    ['nothing', [], 'unknown'],
  ])('%s', (_name, runs, state) => {
    expect(clusterState(runs)).toBe(state);
  });
});

it.each([
  buildWorkflowId,
  switchoverWorkflowId,
  recoverWorkflowId,
  destroyWorkflowId,
  (name: string) => drillWorkflowId(name, 'standby', 's'),
])('the cluster of an operation is read from its workflow id', (id) => {
  expect(clusterOf(id('orders-db'))).toBe('orders-db');
});

it('tells how to log in to a node, in a line to paste', () => {
  const lines = renderStatus({
    schema: '1.0',
    pieces: [],
    temporal: null,
    clusters: [
      {
        name: 'pair',
        state: 'built',
        lastRun: {
          workflowId: 'build-cluster/pair',
          runId: 'r1',
          type: 'buildCluster',
          status: 'COMPLETED',
          startedAt: '',
        },
        nodes: [
          {
            name: 'hadb01',
            host: 'pair.example',
            port: 50001,
            user: 'azureuser',
            keyFile: '/secrets/pair/admin-ssh-key',
          },
          {
            name: 'hadb02',
            host: 'pair.example',
            address: '127.0.0.2',
            port: 50002,
            user: 'ada',
            keyFile: '/my secrets/key',
          },
        ],
      },
    ],
  }).split('\n');

  expect(lines).toContain('  hadb01     ssh -i /secrets/pair/admin-ssh-key -p 50001 azureuser@pair.example');
  expect(lines).toContain("  hadb02     ssh -i '/my secrets/key' -p 50002 ada@127.0.0.2");
});
