import { drill as client } from '../chapters/activities';
import { whereAllowed } from '../drill-permission';
import { awaitOtherServes, clearMove, movePrimaryRole } from './pair';
import { inPhase } from './phases';
import { faultTimingOf, type Fault } from './stage';

/** The article's "soft" failover, as it should be done and as it was done. */

export const switchover = (): Fault => ({
  inject: async (stage) => {
    await movePrimaryRole(stage, (work) => whereAllowed(stage, work));
    return inPhase(stage, 'observe', () => awaitOtherServes(stage, 'soft'));
  },
  repair: (stage) => clearMove(stage),
  limit: 'soft',
});

export const standby = (): Fault => ({
  inject: async (stage) => {
    const { run, id, primary } = stage;
    const undoSeconds = faultTimingOf(run).standbyUndoSeconds;
    await run.step(
      { id: id('standby-on'), node: primary },
      'Put the primary into standby',
      whereAllowed(stage, (step) => client.setStandby({ ...step, node: primary, standby: 'on', undoSeconds })),
    );
    return inPhase(stage, 'observe', () => awaitOtherServes(stage, 'soft'));
  },
  during: async ({ run, id, standby }) => {
    await run.step(
      { id: id('see-no-replication'), node: standby },
      'See that a node in standby replicates nothing',
      (step) => client.readStandbyReplication({ ...step, node: standby }),
    );
  },
  repair: async ({ run, id, primary }) => {
    await run.step({ id: id('standby-off'), node: primary }, 'Take the node out of standby', (step) =>
      client.setStandby({ ...step, node: primary, standby: 'off' }),
    );
  },
  limit: 'soft',
});
