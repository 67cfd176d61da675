import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MetricMeter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { createRedactor } from '../../../activities/connections/redactor';
import { createAlertActivities } from '../../../activities/recovery/alerts';
import type { AlertMessage, WatchNote } from '../../../cluster/recovery/watch';
import { specification, step } from '../node/model-pair';

/** Log, metrics and webhook of the watch, the latter with a real receiver. */

const SECRET = 'T0123/B4567/a-key-that-nobody-may-see';
const logged: LogEntry[] = [];
const measured: string[] = [];
const meter = {
  createGauge: (name: string) => ({
    set: (value: number, labels: object) => measured.push(`${name} ${JSON.stringify(labels)} ${value}`),
  }),
  createCounter: (name: string) => ({
    add: (value: number, labels: object) => measured.push(`${name} ${JSON.stringify(labels)} +${value}`),
  }),
} as unknown as MetricMeter;

interface Received {
  method?: string;
  type?: string;
  path?: string;
  message: AlertMessage;
}
let received: Received[];
let answer: { status: number; headers?: Record<string, string> } | 'silence';
let receiver: Server;
let address: string;
beforeEach(async () => {
  [received, answer, logged.length, measured.length] = [[], { status: 204 }, 0, 0];
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { method, url: path, headers } = request;
      const message = JSON.parse(body || '{}') as AlertMessage;
      received.push({
        message,
        ...(method !== undefined && { method }),
        ...(path !== undefined && { path }),
        ...(headers['content-type'] !== undefined && { type: headers['content-type'] }),
      });
      if (answer !== 'silence') response.writeHead(answer.status, answer.headers).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterEach(() => {
  receiver.closeAllConnections();
  receiver.close();
});

const redactor = createRedactor();
redactor.register('the-password-of-the-database');

const activities = (webhook: string | undefined, webhookLimitMs = 5_000) =>
  createAlertActivities({
    alerts: {
      ...(webhook !== undefined && { webhook }),
      webhookLimitMs,
      getMeter: () => meter,
      redact: (text) => redactor.redact(text),
    },
  });
const run = <Result>(work: () => Promise<Result>) =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('INFO', (entry) => void logged.push(entry)) }).run(work);

const findings = [
  { finding: 'split-brain', sentence: 'r0 is StandAlone on hadb01; the-password-of-the-database', whatNow: 'Look.' },
];
const post = (webhook: string | undefined, limitMs?: number) =>
  run(() =>
    activities(webhook, limitMs).postAlert({
      ...step('hadb01', 'tell'),
      state: 'alert',
      findings,
      observed: 'all of it',
    }),
  );
const errorOf = async (posting: Promise<unknown>) =>
  posting.then(
    () => {
      throw new Error('nothing was refused');
    },
    (error: unknown) => error as { code: string; message: string; details: object },
  );

describe('an alert', () => {
  it('is posted as JSON, without secrets', async () => {
    expect(await post(`${address}/services/${SECRET}`)).toMatchObject({ result: 'changed', told: true });

    expect(received).toMatchObject([
      {
        method: 'POST',
        type: 'application/json',
        path: `/services/${SECRET}`,
        message: {
          version: 1,
          source: 'hadb',
          code: 'HADB_W8001',
          state: 'alert',
          cluster: specification.name,
          text: 'hadb: the pair hadb is not whole: r0 is StandAlone on hadb01; [redacted]',
          findings: [{ finding: 'split-brain' }],
          observed: 'all of it',
        },
      },
    ]);
  });

  it('goes nowhere when no webhook is set', async () => {
    expect(await post(undefined)).toMatchObject({ result: 'unchanged', told: false });
  });

  it.each([
    [503, 'NotReady'],
    [429, 'NotReady'],
    [404, 'BadRequest'],
    [302, 'BadRequest'],
  ])('that is answered with %i is %s, and follows no other address', async (status, code) => {
    answer = { status, headers: { location: `${address}/elsewhere` } };

    const error = await errorOf(post(`${address}/${SECRET}`));

    expect(error.code).toBe(code);
    expect(received).toHaveLength(1);
  });

  it('is given up after a time when nobody answers, and when nobody is there', async () => {
    answer = 'silence';
    const silent = await errorOf(post(`${address}/${SECRET}`, 200));
    receiver.closeAllConnections();
    receiver.close();
    const gone = await errorOf(post(`${address}/${SECRET}`));

    expect(silent).toMatchObject({ code: 'NotReady', message: expect.stringContaining('TimeoutError') as string });
    expect(gone).toMatchObject({ code: 'NotReady', message: expect.stringContaining('ECONNREFUSED') as string });
    for (const error of [silent, gone]) expect(JSON.stringify({ ...error, m: error.message })).not.toContain(SECRET);
  });
});

describe('the note of a look', () => {
  const note = (state: WatchNote['state'], before?: WatchNote) =>
    run(() =>
      activities(undefined).noteLook({
        ...step('hadb01', 'note'),
        note: { state, findings: state === 'whole' ? [] : findings },
        ...(before !== undefined && { before }),
        observed: 'all of it',
      }),
    );

  it('of a whole pair sets the gauges', async () => {
    expect(await note('whole')).toMatchObject({ result: 'unchanged' });
    expect(measured).toEqual([
      'hadb_cluster_whole {"cluster":"hadb"} 1',
      expect.stringMatching(/^hadb_watch_last_look_timestamp_seconds \{"cluster":"hadb"\} \d{10}/),
    ]);
    expect(logged).toEqual([]);
  });

  it('of something wrong is a line of the log with its code, and counts each finding', async () => {
    expect(await note('wrong')).toMatchObject({ result: 'changed', done: 'alert: split-brain' });
    expect(measured).toContain('hadb_cluster_whole {"cluster":"hadb"} 0');
    expect(measured).toContain('hadb_watch_alerts_total {"cluster":"hadb","finding":"split-brain"} +1');
    expect(logged).toMatchObject([
      { level: 'WARN', meta: { code: 'HADB_W8001', cluster: 'hadb', observed: 'all of it' } },
    ]);
  });

  it('of what is under way is no alert at first', async () => {
    await note('under-way', { state: 'whole', findings: [] });

    expect(measured).toContain('hadb_cluster_whole {"cluster":"hadb"} 0');
    expect(logged).toEqual([]);
  });
});
