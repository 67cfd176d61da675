import { log } from '@temporalio/activity';
import { HadbError } from '../../cluster/errors';
import { METRICS, type MetricName } from '../../cluster/report/metrics';
import {
  alertMessage,
  isAlert,
  namesOf,
  type AlertMessage,
  type WatchFinding,
  type WatchNote,
} from '../../cluster/recovery/watch';
import type { StepContext, StepOutcome } from '../../cluster/step';
import { setGauges, type GetMeter } from '../measurements';

export interface AlertDependencies {
  alerts: {
    /** Where alerts are posted; its path and query may be a secret. */
    webhook?: string;
    /** A receiver that takes longer is tried again by the step; default 10 s. */
    webhookLimitMs?: number;
    getMeter: GetMeter;
    /** Takes secrets out of a text. */
    redact: (text: string) => string;
  };
}

const WEBHOOK_LIMIT_MS = 10_000;
/** Receivers have limits of their own; a chat message is a few lines. */
const TEXT_LENGTH = 2_000;

/** How a watch makes itself heard: log, metrics, webhook. */
export function createAlertActivities({ alerts }: AlertDependencies) {
  const { webhook, webhookLimitMs = WEBHOOK_LIMIT_MS, getMeter, redact } = alerts;
  return {
    /** Sets the metrics of the look; an alert is counted for each finding, and is a line of the log. */
    async noteLook(
      step: StepContext & { note: WatchNote; before?: WatchNote; observed: string },
    ): Promise<StepOutcome> {
      const { note, before, observed } = step;
      const cluster = step.specification.name;
      const meter = getMeter();
      setGauges(meter, [
        { name: 'hadb_cluster_whole', value: note.state === 'whole' ? 1 : 0, labels: { cluster } },
        { name: 'hadb_watch_last_look_timestamp_seconds', value: Date.now() / 1000, labels: { cluster } },
      ]);
      const name = 'hadb_watch_alerts_total' satisfies MetricName;
      const counter = meter.createCounter(name, undefined, METRICS[name].meaning);
      if (!isAlert(note, before)) return { result: 'unchanged', observed: `${note.state}, no alert` };
      for (const finding of namesOf(note.findings)) counter.add(1, { cluster, finding });
      log.warn('the watch has found something wrong', {
        code: 'HADB_W8001',
        cluster,
        findings: note.findings,
        observed,
      });
      return { result: 'changed', observed: note.state, done: `alert: ${namesOf(note.findings).join(', ')}` };
    },

    /**
     * Posts the alert, or its end, as JSON; `told` is false where no webhook is set. Errors: NotReady, which another try may mend; BadRequest when the receiver
     * does not want it. None of them tells more of the address than its host.
     */
    async postAlert(
      step: StepContext & { state: AlertMessage['state']; findings: WatchFinding[]; observed: string },
    ): Promise<StepOutcome & { told: boolean }> {
      if (webhook === undefined) return { result: 'unchanged', observed: 'no webhook is set', told: false };
      const { state, observed } = step;
      const message = alertMessage({
        state,
        cluster: step.specification.name,
        at: new Date().toISOString(),
        findings: step.findings,
        observed,
        workflowId: step.operation.workflowId,
      });
      const { host } = new URL(webhook);
      const body = redact(JSON.stringify({ ...message, text: shorten(message.text) }));
      const status = await post(webhook, body, webhookLimitMs);
      if (status >= 200 && status < 300) {
        return { result: 'changed', observed: state, done: `${host} took it (${status})`, told: true };
      }
      const passing = status >= 500 || status === 408 || status === 429;
      throw new HadbError(passing ? 'NotReady' : 'BadRequest', `${host} answers ${status} to the alert`, {
        subject: host,
        whatNow: 'Look at the receiver, and at HADB_ALERT_WEBHOOK of the worker.',
      });
    },
  };
}

async function post(webhook: string, body: string, limitMs: number): Promise<number> {
  try {
    const { status } = await fetch(webhook, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      // Another address than the one that was set learns nothing.
      redirect: 'manual',
      signal: AbortSignal.timeout(limitMs),
    });
    return status;
  } catch (error) {
    // What Node says of it may hold the whole address.
    const { host } = new URL(webhook);
    const why = codeOf(error);
    throw new HadbError('NotReady', `${host} cannot be told of the alert (${why})`, {
      subject: host,
      whatNow: 'Look whether the receiver runs and the worker reaches it (HADB_ALERT_WEBHOOK).',
    });
  }
}

/** `ECONNREFUSED`, `TimeoutError`, … */
function codeOf(error: unknown): string {
  const of = (value: unknown, key: string) =>
    typeof value === 'object' && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined;
  const [known = 'no answer'] = [of(of(error, 'cause'), 'code'), of(error, 'name')].filter(
    (word) => typeof word === 'string',
  );
  return known;
}

const shorten = (text: string): string => (text.length <= TEXT_LENGTH ? text : `${text.slice(0, TEXT_LENGTH - 1)}…`);
