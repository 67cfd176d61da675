import { assertNever } from '../../cluster/errors';
import type { Clock } from '../clock';
import type { Output } from '../context';
import { exitCode } from '../exit-codes';
import { messageLevel } from '../messages';
import type { RunEvent } from '../run-events';
import { countResults } from './reporter';
import type { Reporter } from './reporter';

/**
 * JSON lines on standard output: the first is `version`, the last `result`. Readers must ignore fields and types they do
 * not know; what is there keeps its meaning within a major version of the schema.
 */
export const JSON_SCHEMA_VERSION = '1.0';

export function createJsonReporter(output: Output, clock: Clock, hadbVersion: string): Reporter {
  const line = (fields: object) => output.write(`${JSON.stringify(fields)}\n`);
  const time = () => new Date(clock.now()).toISOString();
  line({ type: 'version', schema: JSON_SCHEMA_VERSION, hadb: hadbVersion, time: time() });
  return {
    started({ attached, watched, ...run }) {
      const code = attached ? 'HADB_I1002' : watched ? 'HADB_I1001' : 'HADB_I1004';
      line({ type: 'run', code, time: time(), ...run, attached, watched });
    },
    event: (event) => line(renderEvent(event, time())),
    look: () => undefined,
    detached: (run) => line({ type: 'detached', code: 'HADB_I1003', time: time(), ...run }),
    notice: (code, message) => line({ type: 'notice', code, level: messageLevel(code), time: time(), message }),
    result({ exit, summary, run, verdict, progress, changes, schedules, series, files, failure }) {
      line({
        type: 'result',
        code: 'HADB_I9001',
        time: time(),
        outcome: exit,
        exitCode: exitCode(exit),
        summary,
        verdict: verdict ?? null,
        ...(run === undefined ? {} : { run }),
        ...(progress === undefined
          ? {}
          : {
              cluster: progress.cluster,
              fencing: progress.fencing,
              steps: countResults(progress),
            }),
        ...(progress?.skipped === undefined ? {} : { skipped: progress.skipped }),
        ...(progress?.warnings === undefined ? {} : { warnings: progress.warnings }),
        ...(changes === undefined ? {} : { changes }),
        ...(schedules === undefined ? {} : { schedules }),
        ...(series === undefined ? {} : { series }),
        ...(files === undefined ? {} : { files }),
        ...(failure === undefined ? {} : { failure }),
      });
    },
  };
}

function renderEvent(event: RunEvent, time: string): object {
  switch (event.type) {
    case 'step': {
      const { code, step, record, previous } = event;
      return { type: 'step', code, time, step, ...record, ...(previous === undefined ? {} : { previous }) };
    }
    case 'wait':
      return { type: 'wait', code: event.code, time, ...event.wait };
    case 'notice':
      return { type: 'notice', code: event.code, level: messageLevel(event.code), time, message: event.message };
    case 'retry':
      return { time, ...event };
    default:
      return assertNever(event);
  }
}
