import { evidenceTag } from '../../cluster/ids';
import type { Run } from '../runbook';
import { azure, nodes } from './activities';
import { remoteQuery } from './remote-query';
import type { Pair } from './setting-up-the-cluster';

export const MANUAL_FAILOVER = 'manual-failover';

type Places = Pick<Pair, 'active' | 'standby'>;

/** "Manuelles Failover", before Pacemaker: release on one node, take on the other, ask from outside, and back. */
export const manualFailover = (run: Run, { active, standby }: Places): Promise<void> =>
  run.chapter('Manual failover', async () => {
    await move(run, { from: active, to: standby, id: 'fail-over' });
    await remoteQuery(run, 'fail-over-query', `Query from outside, the database now on ${standby}`, standby);
    await move(run, { from: standby, to: active, id: 'fail-back' });
  });

/** The last query, and the evidence: the load balancer needs its seconds, in which other things may go on. */
export const proveManualFailover = (run: Run, { active }: Places): Promise<void> =>
  run.chapter('Manual failover', async () => {
    await remoteQuery(run, 'fail-back-query', `Query from outside, the database back on ${active}`, active);
    await run.step({ id: 'record-manual-failover' }, 'Record the manual failover as passed', (step) =>
      azure.writeEvidence({ ...step, test: MANUAL_FAILOVER, value: `passed ${new Date().toISOString()}` }),
    );
  });

async function move(run: Run, { from, to, id }: { from: string; to: string; id: string }): Promise<void> {
  await run.step({ id: `${id}-release`, node: from }, 'Stop the server, unmount, demote', (step) =>
    nodes.release({ ...step, node: from }),
  );
  await run.step({ id: `${id}-take`, node: to }, 'Promote, mount, start the server', (step) =>
    nodes.take({ ...step, node: to }),
  );
}

/** The tests of the build run once, each time, or never (`prove`); what has run is known by a tag of the resource group. */
export async function mustProve(run: Run, test: string): Promise<boolean> {
  if (run.specification.prove !== 'once') return run.specification.prove === 'always';
  const { tags } = await run.step(
    { id: `read-evidence-${test}` },
    `Look whether the test ${test} was passed before`,
    (step) => azure.readEvidence(step),
  );
  return tags[evidenceTag(test)] === undefined;
}
