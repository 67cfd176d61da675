import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDurableFile, createLedgerFile, type DurableFile } from '../../../activities/drill/ledger-file';
import { formatEntry, parseLedger, type LedgerEntry } from '../../../cluster/verdict/write-ledger';

const intent = (seq: number): LedgerEntry => ({ kind: 'intent', seq, at: seq, due: seq });
const ack = (seq: number): LedgerEntry => ({ kind: 'ack', seq, at: seq });

/** A disk that a test lets go on step by step. */
function fakeDisk() {
  const steps: string[] = [];
  let hold: Promise<void> | undefined;
  let failure: Error | undefined;
  const file: DurableFile = {
    write: async (text) => void steps.push(text),
    datasync: async () => {
      await hold;
      if (failure !== undefined) throw failure;
      steps.push('sync');
    },
    close: async () => void steps.push('close'),
  };
  return {
    file,
    steps,
    stall: (): (() => void) => {
      let goOn = (): void => undefined;
      hold = new Promise((resolve) => {
        goOn = () => {
          hold = undefined;
          resolve();
        };
      });
      return goOn;
    },
    fail: (error: Error) => void (failure = error),
  };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 20));
const textOf = (...entries: LedgerEntry[]) => entries.map(formatEntry).join('');

describe('the ledger of a probe', () => {
  it('has a line on disk before it says so, and what is due at the same time goes together', async () => {
    const disk = fakeDisk();
    const ledger = createLedgerFile(disk.file, { now: () => 0, slowMs: 50, gatherMs: 5 });
    const goOn = disk.stall();
    let onDisk = 0;

    const noted = [1, 2].map((seq) => ledger.note(intent(seq)).then(() => (onDisk += 1)));
    await settle();
    expect([disk.steps, onDisk]).toEqual([[textOf(intent(1), intent(2))], 0]);
    goOn();
    await Promise.all(noted);

    expect([disk.steps, onDisk]).toEqual([[textOf(intent(1), intent(2)), 'sync'], 2]);
  });

  it('gathers what comes while the disk is at work, in its order', async () => {
    const disk = fakeDisk();
    const ledger = createLedgerFile(disk.file, { now: () => 0, slowMs: 50, gatherMs: 1 });
    const goOn = disk.stall();

    void ledger.note(intent(1));
    await settle();
    void ledger.note(ack(1));
    const last = ledger.note(intent(2));
    await settle();
    goOn();
    await last;

    expect(disk.steps).toEqual([textOf(intent(1)), 'sync', textOf(ack(1), intent(2)), 'sync']);
  });

  it('tells of a disk that was slow, because nothing could be sent meanwhile', async () => {
    const disk = fakeDisk();
    let now = 0;
    const ledger = createLedgerFile(disk.file, { now: () => now, slowMs: 50, gatherMs: 1 });
    const goOn = disk.stall();

    const first = ledger.note(intent(1));
    await settle();
    now = 300;
    goOn();
    await first;
    await ledger.note(intent(2));

    expect(disk.steps[2]).toBe(textOf({ kind: 'lag', at: 300, ms: 300, of: 'disk' }, intent(2)));
  });

  it('never says again that a line is on disk once the disk has failed', async () => {
    const disk = fakeDisk();
    const ledger = createLedgerFile(disk.file, { now: () => 0, slowMs: 50, gatherMs: 1 });
    disk.fail(new Error('ENOSPC'));

    await expect(ledger.note(intent(1))).rejects.toThrow('ENOSPC');
    await expect(ledger.note(ack(1))).rejects.toThrow('ENOSPC');
    await expect(ledger.close()).rejects.toThrow('ENOSPC');
  });

  it('is a file of its own, complete when it is closed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hadb-ledger-'));
    const path = join(directory, 'ledger.jsonl');
    try {
      const ledger = createLedgerFile(await createDurableFile(path), { now: () => 0, slowMs: 50, gatherMs: 1 });
      const entries = Array.from({ length: 500 }, (_, seq) => (seq % 2 === 0 ? intent(seq) : ack(seq)));

      for (const entry of entries) void ledger.note(entry);
      await ledger.close();

      expect(parseLedger(readFileSync(path, 'utf8'))).toEqual(entries);
      await expect(createDurableFile(path)).rejects.toThrow('EEXIST');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
