import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatEntry, type LedgerEntry } from '../../cluster/verdict/write-ledger';

/**
 * The ledger of a probe, on disk line by line. What is noted while the disk is at work goes out together with the next batch, so that a slow disk makes
 * batches larger and not the queue longer.
 */
export interface LedgerFile {
  /** Resolves when the entry is on disk, and all that was noted before it. Rejects for good once the disk has failed. */
  note(entry: LedgerEntry): Promise<void>;
  /** Waits for what was noted; rejects when any of it may not be on disk. */
  close(): Promise<void>;
}

/** Of a file, what a ledger needs; `datasync` is fdatasync(2). */
export interface DurableFile {
  write(text: string): Promise<unknown>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** Creates it: one that is there already is somebody else's. Also its name is on disk then. */
export async function createDurableFile(path: string): Promise<DurableFile> {
  const file = await open(path, 'ax', 0o600);
  const directory = await open(dirname(path), 'r');
  await directory.sync();
  await directory.close();
  return {
    write: (text) => file.appendFile(text),
    datasync: () => file.datasync(),
    close: () => file.close(),
  };
}

export interface LedgerFileOptions {
  now: () => number;
  /** The disk took longer than this for a batch: while it does, nothing can be sent. */
  slowMs: number;
  /** Ends of attempts wait so long for company; intents, for which an attempt waits, do not. */
  gatherMs: number;
}

export function createLedgerFile(file: DurableFile, { now, slowMs, gatherMs }: LedgerFileOptions): LedgerFile {
  let lines: string[] = [];
  let batch = newBatch();
  let isWriting = false;
  let isGathering = false;
  let isClosing = false;
  let failure: unknown;

  const flush = async (): Promise<void> => {
    if (isWriting || lines.length === 0) return;
    isWriting = true;
    const [text, current, begun] = [lines.join(''), batch, now()];
    [lines, batch] = [[], newBatch()];
    try {
      if (failure !== undefined) throw failure;
      await file.write(text);
      await file.datasync();
      current.done();
    } catch (error) {
      failure = error;
      current.failed(error);
    }
    isWriting = false;
    const tookMs = now() - begun;
    const isMore = lines.length > 0;
    if (tookMs > slowMs && !isClosing) {
      lines.push(formatEntry({ kind: 'lag', at: now(), ms: Math.round(tookMs), of: 'disk' }));
    }
    // What only tells of the slow disk goes with the next batch.
    if (isMore) void flush();
  };

  const isIdle = (): boolean => lines.length === 0 && !isWriting;

  const gather = (): void => {
    if (isGathering) return;
    isGathering = true;
    setTimeout(() => {
      isGathering = false;
      void flush();
    }, gatherMs);
  };

  return {
    note(entry) {
      lines.push(formatEntry(entry));
      const { onDisk } = batch;
      // Whatever is due in the same turn of the event loop belongs to the same batch.
      if (entry.kind === 'ack' || entry.kind === 'unknown' || entry.kind === 'fail') gather();
      else setImmediate(() => void flush());
      return onDisk;
    },
    async close() {
      isClosing = true;
      while (!isIdle()) {
        void flush();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await file.close();
      if (failure !== undefined) throw failure;
    },
  };
}

function newBatch(): { onDisk: Promise<void>; done: () => void; failed: (error: unknown) => void } {
  let [done, failed]: [() => void, (error: unknown) => void] = [() => undefined, () => undefined];
  const onDisk = new Promise<void>((resolve, reject) => {
    [done, failed] = [resolve, reject];
  });
  // Who waits for it is told; a batch that nobody waits for has failed its process all the same at the next note.
  onDisk.catch(() => undefined);
  return { onDisk, done, failed };
}
