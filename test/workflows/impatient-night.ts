import type { Progress } from '../../cluster/step';
import { ScheduledDrill } from '../../workflows/inputs';
import type { ScheduledDrillInput } from '../../workflows/messages';
import { runScheduledDrill } from '../../workflows/scheduled-drill';

/** The worker's workflows, and a night whose deadline nobody has to wait half an hour for; long enough to come to the fault on a busy host. */
export * from '../../workflows';

export const impatientNight = (input: ScheduledDrillInput): Promise<Progress> =>
  runScheduledDrill(
    input,
    ScheduledDrill.transform((night) => ({ ...night, deadlineMinutes: 0.4 })),
  );
