import type { DrillOrder } from '../cluster/drill-permission';
import { assertNever } from '../cluster/errors';
import type { Progress } from '../cluster/step';
import { drill as client } from './chapters/activities';
import { OrderDrills } from './inputs';
import type { OrderDrillsInput } from './messages';
import { runRunbook } from './runbook';

/** Turns the safety switch of a cluster's drills, or sets its freeze windows. Without the lock: what runs must not keep it from being stopped. */
export const orderDrills = (input: OrderDrillsInput): Promise<Progress> =>
  runRunbook({
    runbook: 'orderDrills',
    input,
    schema: OrderDrills,
    lock: 'none',
    body: async (run, { order }) => {
      await run.chapter('Drills', () =>
        run.step({ id: `drills-${order.order}` }, sentenceOf(order), (step) => client.orderDrills({ ...step, order })),
      );
      run.note(`${resultOf(order)} on cluster ${run.specification.name}`);
    },
  });

function sentenceOf({ order }: DrillOrder): string {
  return order === 'freeze'
    ? 'Set the freeze windows on the resource group'
    : 'Turn the safety switch on the resource group';
}

function resultOf(order: DrillOrder): string {
  switch (order.order) {
    case 'stop':
      return 'No drill begins any more';
    case 'allow':
      return 'Drills are allowed again';
    case 'freeze':
      return order.windows === '' ? 'There is no freeze window any more' : `No drill begins within ${order.windows}`;
    default:
      return assertNever(order);
  }
}
