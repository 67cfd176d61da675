/** Exit codes that hadb's own scripts use, beyond what the tools give: the last of BSD's sysexits, so that no tool is mistaken. */
export const EXIT = {
  /** The guard refused; standard error says what was seen. Becomes `GuardRefused`. */
  guardRefused: 75,
  /** The owner file names another operation. Becomes `NotOwner`. */
  notOwner: 76,
  /** Another command of hadb held the node's lock for too long; standard error names it. Becomes `NotReady`. */
  lockBusy: 77,
} as const;
