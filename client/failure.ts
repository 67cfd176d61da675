import type { ExitName } from './exit-codes';
import { isClientError } from './messages';
import type { MessageCode } from './messages';
import { isTemporalUnreachable } from './watched-run';

/** How an error that ends a command is told. */

export function exitOfError(error: unknown): ExitName {
  if (isClientError(error)) return error.exit;
  if (isSettingsError(error)) return 'usage';
  return isTemporalUnreachable(error) ? 'unreachable' : 'internal';
}

export function codeOfError(error: unknown): MessageCode {
  if (isClientError(error)) return error.code;
  if (isSettingsError(error)) return 'HADB_E4008';
  return isTemporalUnreachable(error) ? 'HADB_E4003' : 'HADB_E4070';
}

/** Text for people; an error nobody expected keeps its stack, because it is a defect. */
export function describeError(error: unknown): string {
  if (isClientError(error) || isSettingsError(error) || isTemporalUnreachable(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A variable of the environment is as wrong as an argument would be. By name: tests have classes of their own. */
function isSettingsError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'SettingsError';
}
