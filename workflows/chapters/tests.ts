import type { Verdict } from '../../cluster/step';
import type { DrillKind } from '../messages';
import { runDrill } from '../run-drill';
import type { Run } from '../runbook';
import { azure } from './activities';
import { MANUAL_FAILOVER, mustProve } from './manual-failover';
import type { Pair } from './setting-up-the-cluster';

/** The article's two ways, soft and hard: the planned move, and the power of the primary cut. */
const TESTS = ['switchover', 'node-power-off'] as const satisfies readonly DrillKind[];

/**
 * "Tests": each failover test is made once for a cluster (`prove`), and then known by its evidence. Every test begins and ends
 * with a healthy pair, so that they may follow one another.
 */
export async function tests(run: Run, { built }: Pair): Promise<void> {
  const verdicts: Verdict[] = [];
  await run.chapter('Tests', async () => {
    for (const kind of built ? (['manual', ...TESTS] as const) : TESTS) {
      const test = kind === 'manual' ? MANUAL_FAILOVER : kind;
      if (!(await mustProve(run, test))) continue;
      const verdict = await runDrill(run, { kind });
      verdicts.push(verdict);
      if (!verdict.passed) break;
      await run.step({ id: `record-${test}` }, `Record the test ${test} as passed`, (step) =>
        azure.writeEvidence({ ...step, test, value: `passed ${new Date().toISOString()}` }),
      );
    }
  });
  run.verdict(together(verdicts, run.specification.prove));
}

function together(verdicts: readonly Verdict[], prove: 'once' | 'always' | 'never'): Verdict {
  const failed = verdicts.find(({ passed }) => !passed);
  const without = prove === 'never' ? 'no failover test was asked for' : 'its failover tests were passed before';
  const tested = verdicts.length === 0 ? without : verdicts.map(({ summary }) => summary).join('; ');
  return {
    passed: failed === undefined,
    ...(failed?.unknown === true && { unknown: true as const }),
    summary: failed?.summary ?? `The cluster is built and healthy; ${tested}`,
    checks: verdicts.flatMap(({ checks }) => checks),
  };
}
