import type { Progress } from '../cluster/step';
import { FailoverDrill } from './inputs';
import type { FailoverDrillInput } from './messages';
import { runDrill } from './run-drill';
import { runRunbook } from './runbook';

/** One fault, measured from outside and proved, and the pair healthy again at the end. A failed verdict fails the run. */
export const failoverDrill = (input: FailoverDrillInput): Promise<Progress> =>
  runRunbook({
    runbook: 'failoverDrill',
    input,
    schema: FailoverDrill,
    body: async (run, { kind, pair }) => {
      run.verdict(await runDrill(run, { kind, pair, takesNodes: true }));
    },
  });
