import { DRILL_SECONDS } from '../../cluster/drill-limits';
import type { StepRecord, Verdict, VerdictCheck } from '../../cluster/step';
import { withExpectations } from '../../cluster/verdict/expectations';
import { drill as client } from '../chapters/activities';
import { auditPair } from './audits';
import { evidence } from './evidence';
import type { PairLeft } from './pair';
import { inPhase } from './phases';
import { limitSeconds, type OutageLimit, type Stage } from './stage';

export interface Writer {
  awaitSteady(after: number): Promise<void>;
}

/** What a drill tells beside what its client noted. */
export interface Findings extends PairLeft {
  expectations: VerdictCheck[];
}

/**
 * Runs `work` while a client writes and both nodes are asked for their roles; then judges what the client noted against what is there, whether there were
 * ever two primaries, and whether what is left is a whole pair.
 */
export async function withWriter(
  stage: Stage,
  limit: OutageLimit,
  work: (writer: Writer) => Promise<Findings>,
): Promise<Verdict> {
  const { run, title, id, drill, noted } = stage;
  noted.limitSeconds = limitSeconds(run, limit);
  let writing = false;
  const firstStep = run.steps.length;
  /** Until the fault is ordered, the last look at the client before it stands for it; what is then counted from it is too long rather than too short. */
  const noteFault = () => {
    const movedAt = run.steps.slice(firstStep).find(isMove)?.outcome?.movedAt;
    if (movedAt !== undefined) noted.faultAt = movedAt;
  };
  const stop = (name: string) =>
    run.step({ id: id(name) }, 'End the client that writes', (step) => client.stopWriter({ ...step, drill }));
  return run.withUndo(
    async () => {
      writing = true;
      await run.step({ id: id('start-writer') }, 'Start the clients that write, ten rows a second each', (step) =>
        client.startWriter({ ...step, drill }),
      );
      const seen = await run.step({ id: id('see-it-write') }, 'See it write', (step) =>
        client.readWriter({ ...step, drill }),
      );
      if (!seen.running) {
        await stop('stop-writer');
        writing = false;
        return notProved(stage, seen.observed);
      }
      const { at: writingAt } = seen;
      noted.faultAt = writingAt;
      const [{ cleanedUp, expectations }] = await run.parallel([
        // The roles are asked for until the client is ended, whatever the end of the work.
        () =>
          run.withUndo(
            async () => {
              const findings = await work({
                awaitSteady: async (since) => {
                  await run.step({ id: id('steady') }, 'Wait until the client is answered steadily again', (step) =>
                    client.awaitWriterSteady({ ...step, drill, since, withinSeconds: DRILL_SECONDS.steady }),
                  );
                },
              });
              await inPhase(stage, 'steady', async () => {
                const sentence = `Query from outside, after the drill, the database on ${findings.primary}`;
                await run.step({ id: id('query-after') }, sentence, (step) =>
                  client.remoteQuery({ ...step, primary: findings.primary }),
                );
                // Ended while it is served: a hiccup of the last moment is no outage that nobody saw the end of.
                const { at } = await run.step({ id: id('see-it-end') }, 'See it write before it is ended', (step) =>
                  client.readWriter({ ...step, drill }),
                );
                await run.step({ id: id('steady-to-the-end') }, 'See it answered steadily once more', (step) =>
                  client.awaitWriterSteady({ ...step, drill, since: at, withinSeconds: DRILL_SECONDS.steady }),
                );
                await stop('stop-writer');
              });
              writing = false;
              return findings;
            },
            async () => {
              if (!writing) return;
              await stop('undo-stop-writer');
              writing = false;
            },
          ),
        () =>
          inPhase(stage, 'observe', () =>
            evidence(
              run,
              id('roles'),
              'Ask both nodes for their roles, each second',
              (step) => client.sampleRoles({ ...step, drill }),
              'so that it is not known whether there were two primaries',
            ),
          ),
      ]);
      noteFault();
      const faultAt = noted.faultAt ?? writingAt;
      const { verdict, report } = await inPhase(stage, 'audits', () =>
        run.step({ id: id('judge') }, 'Compare what was acknowledged with what is there', (step) =>
          client.judgeDrill({ ...step, drill, faultAt, limitSeconds: limitSeconds(run, limit) }),
        ),
      );
      noted.writes = report;
      const { checks } = await inPhase(stage, 'audits', () =>
        run.step({ id: id('judge-roles') }, 'See that there were never two primaries', (step) =>
          client.judgeRoles({ ...step, drill, from: writingAt }),
        ),
      );
      const audits = await inPhase(stage, 'audits', () => auditPair(stage));
      const judged = withExpectations(verdict, [...expectations, ...checks, ...audits]);
      const named = { ...judged, summary: `${title}: ${judged.summary}` };
      return cleanedUp.length === 0 ? named : withCleanUp(named, cleanedUp);
    },
    async () => {
      noteFault();
      if (writing) await stop('undo-stop-writer');
    },
  );
}

const isMove = ({ outcome }: StepRecord): boolean => outcome?.movedAt !== undefined;

/** Without its client a fault would only do harm. */
const notProved = ({ title }: Stage, observed: string): Verdict => ({
  passed: false,
  unknown: true,
  summary: `${title}: the client that writes had ended before the fault, so that nothing was broken and nothing is proved`,
  checks: [{ name: 'the client writes before the fault', passed: false, unknown: true, detail: observed }],
});

/** The pair is as before only because something was wiped away: that is told where the verdict is. */
function withCleanUp(verdict: Verdict, cleanedUp: readonly string[]): Verdict {
  const count = cleanedUp.length === 1 ? 'a failed action was' : `${cleanedUp.length} failed actions were`;
  return {
    ...verdict,
    summary: `${verdict.summary}; ${count} cleaned up afterwards`,
    checks: [
      ...verdict.checks,
      {
        name: 'failed actions cleaned up',
        passed: true,
        detail: `the resource runs again and nothing else is wrong: ${cleanedUp.join('; ')}`,
      },
    ],
  };
}
