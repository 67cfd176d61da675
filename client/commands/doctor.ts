import type { ClientContext } from '../context';
import { isFit } from '../examination';
import type { Finding } from '../examination';
import { exitCode } from '../exit-codes';
import { paintFor } from '../reporting/paint';
import { isClientError } from '../messages';
import type { Paint } from '../reporting/paint';

export interface DoctorFlags {
  json: boolean;
  /** Installs packages of the host before it looks. */
  install: boolean;
}

/** Says what is missing on this machine and the command that installs it; exit 1 when something is. */
export async function doctor(context: ClientContext, flags: DoctorFlags): Promise<void> {
  if (flags.install) {
    try {
      await context.prepareHost((_code, message) => context.process.stderr.write(`${message}\n`));
    } catch (error) {
      if (!isClientError(error)) throw error;
      context.process.stderr.write(`${error.code} ${error.message}\n`);
      context.process.exitCode = exitCode(error.exit);
      return;
    }
  }
  const findings = await context.examine();
  const { stdout } = context.process;
  const fit = isFit(findings);
  if (flags.json) {
    stdout.write(`${JSON.stringify({ schema: '1.0', fit, findings }, undefined, 2)}\n`);
  } else {
    const paint = paintFor(stdout, context.settings);
    for (const finding of findings) stdout.write(`${renderFinding(finding, paint)}\n`);
    stdout.write(fit ? 'This machine has what hadb needs.\n' : 'Something is missing: see above.\n');
  }
  context.process.exitCode = exitCode(fit ? 'passed' : 'failed');
}

const MARKS = { ok: ['green', '✔'], warning: ['yellow', '!'], missing: ['red', '✖'] } as const;

function renderFinding({ name, state, detail, fix }: Finding, paint: Paint): string {
  const [format, mark] = MARKS[state];
  const line = `${paint(format, mark)} ${name}: ${detail}`;
  return fix === undefined || state === 'ok' ? line : `${line}\n    ${fix}`;
}
