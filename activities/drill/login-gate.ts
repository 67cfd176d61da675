/** Lets a few in at a time, the newest of those who wait first: the oldest is about to give up. Each calls what it got when it is done. */
export function createLoginGate(most: number): () => Promise<() => void> {
  const waiting: (() => void)[] = [];
  let inside = 0;
  const letIn = (): void => {
    if (inside >= most) return;
    const next = waiting.pop();
    if (next === undefined) return;
    inside += 1;
    next();
  };
  return async () => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      letIn();
    });
    let isInside = true;
    return () => {
      if (isInside) inside -= 1;
      isInside = false;
      letIn();
    };
  };
}
