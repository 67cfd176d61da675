import { assign, quote } from '../shell';
import { PEER_IS_READY } from './drill-moves';
import { renderUndoNow, renderWithUndo } from './fault-guards';

/** The article's soft test. Whoever puts a node into standby may be gone when it should come out again: the node does that itself, by a timer. */

const lift = (node: string): string => `crm_standby --node ${quote(node)} --update off`;

/** The article's `crm_standby -v on`: everything leaves this node, DRBD included. */
export const renderStandbyOn = ({
  node,
  peer,
  undoSeconds,
}: {
  node: string;
  peer: string;
  undoSeconds: number;
}): string =>
  `${assign({ node, peer })}${PEER_IS_READY}
[ "$role" = Primary ] || refuse "this node is not primary ($seen)"
${renderWithUndo({
  fault: 'standby',
  undoSeconds,
  undo: lift(node),
  make: 'crm_standby --node "$node" --update on\n',
})}`;

/** Out of standby, and its timer with it. May come twice; prints `fault` or `timer` for each that was still there. */
export const renderStandbyOff = ({ node }: { node: string }): string =>
  `${STANDBY_OF}${renderUndoNow({
    fault: 'standby',
    undo: lift(node),
    isThere: `[ "$(standby_of ${quote(node)})" = on ]\n`,
  })}`;

/** Prints `on` or `off`. */
export const renderStandbyRead = ({ node }: { node: string }): string => `${STANDBY_OF}standby_of ${quote(node)}\n`;

const STANDBY_OF = `standby_of() {
  value=$(crm_standby --node "$1" --query --quiet 2>/dev/null) || value=off
  case $value in on|true) echo on ;; *) echo off ;; esac
}
`;
