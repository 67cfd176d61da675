import type { Clock } from '../../client/clock';
import type { ClientContext, Output } from '../../client/context';
import type { Embedded } from '../../client/embedded';
import type { Temporal } from '../../client/temporal';
import { readClientSettings } from '../../settings';

/** A command's surroundings without a process: streams are texts, time passes only when somebody sleeps. */

export interface TextOutput extends Output {
  text: string;
  lines(): string[];
}

export function textOutput(isTTY = false): TextOutput {
  return {
    text: '',
    isTTY,
    columns: 100,
    write(text) {
      this.text += text;
    },
    lines() {
      return this.text.split('\n').filter((line) => line !== '');
    },
  };
}

export interface ClockForTests extends Clock {
  onSleep: ((now: number) => void) | undefined;
}

export function clockForTests(start = Date.parse('2026-11-22T12:00:00Z')): ClockForTests {
  let now = start;
  return {
    onSleep: undefined,
    now: () => now,
    async sleep(ms) {
      now += ms;
      this.onSleep?.(now);
    },
  };
}

export interface ContextForTests extends Omit<ClientContext, 'process'> {
  process: { stdout: TextOutput; stderr: TextOutput; exitCode?: number | string | null };
  interruption: AbortController;
  /** JSON lines on standard output. */
  json(): Record<string, unknown>[];
}

export interface ContextOptions {
  environment?: Record<string, string>;
  temporal?: Temporal;
  embedded?: Partial<Embedded>;
  answer?: string;
  isTTY?: boolean;
  clock?: Clock;
  workingDirectory?: string;
  overrides?: Partial<Omit<ClientContext, 'process'>>;
}

export function contextForTests(options: ContextOptions = {}): ContextForTests {
  const interruption = new AbortController();
  const { temporal } = options;
  const stdout = textOutput();
  return {
    process: { stdout, stderr: textOutput(options.isTTY) },
    settings: readClientSettings({ HOME: '/home/ada', USER: 'ada', ...options.environment }),
    clock: options.clock ?? clockForTests(),
    interrupt: interruption.signal,
    interruption,
    workingDirectory: options.workingDirectory ?? '/nowhere',
    ask: async () => options.answer,
    connect: async () => {
      if (temporal === undefined) throw new Error('this test has no Temporal');
      return temporal;
    },
    embedded: () => ({ ...noEmbedded, ...options.embedded }),
    examine: async () => [],
    prepareHost: async () => undefined,
    json: () => stdout.lines().map((line) => JSON.parse(line) as Record<string, unknown>),
    ...options.overrides,
  };
}

const noEmbedded: Embedded = {
  up: () => Promise.reject(new Error('this test has no embedded pieces')),
  down: async () => undefined,
  status: async () => [],
  problem: () => undefined,
  target: () => undefined,
  specificationFile: () => undefined,
  workerEnvironment: () => ({}),
};
