import type { VerdictCheck } from '../step';
import { expectation } from './expectations';

/** The article's table as the server on one node has it; the ledger of the drill's clients is another table. */
export interface TableRead {
  node: string;
  table: string;
  rows: number;
  /** Of `CHECKSUM TABLE`. */
  checksum: string;
  /** It was read twice, and was the same: nobody wrote to it. */
  isQuiet: boolean;
}

/**
 * Whether a planned move has carried the table over as it was. Another checksum while somebody wrote is no loss, so that nothing is known then; the same holds
 * where the table was never read on the other side.
 */
export function auditTable(before: TableRead | undefined, after: TableRead | undefined): VerdictCheck {
  const name = 'table equal on the other side';
  const reads = [before, after].map((read, index) => {
    const when = index === 0 ? 'before the move' : 'after it';
    return read === undefined
      ? `it could not be read ${when}`
      : `${read.rows} rows, checksum ${read.checksum} on ${read.node} ${when}`;
  });
  const detail = `${before?.table ?? after?.table ?? 'the table'}: ${reads.join('; ')}`;
  if (before === undefined || after === undefined) return expectation({ name, problems: [], detail, unknown: true });
  if (before.node === after.node) {
    return expectation({ name, problems: [], detail: `${detail}; it is the same node`, unknown: true });
  }
  if (before.checksum === after.checksum && before.rows === after.rows)
    return expectation({ name, problems: [], detail });
  return before.isQuiet && after.isQuiet
    ? expectation({ name, problems: [detail], detail })
    : expectation({ name, problems: [], detail: `${detail}; somebody wrote to it meanwhile`, unknown: true });
}
