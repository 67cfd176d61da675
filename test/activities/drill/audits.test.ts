import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuditActivities } from '../../../activities/drill/audits';
import { createNodeLogActivities, readClocks, readLogs } from '../../../activities/drill/node-logs';
import { readCrmMon } from '../../../cluster/cib/crm-mon';
import { databaseProfile, renderClient } from '../../../cluster/database/profile';
import { renderClockRead } from '../../../cluster/logs/clock';
import { renderRoleRead } from '../../../cluster/node/role-read';
import { events2 } from '../../cluster/node/script-bench';
import { capturedText } from '../../cluster/logs/captured-logs';
import { runActivity, specification, step } from '../node/model-pair';
import { HEALTHY } from './seen-pair';
import type { NodeSession, NodeSessions } from '../../../activities/connections/node-session';

/** The audits as activities: whom they ask, how often, and what silence is worth. What they judge is proved with the judgement. */

const DRILL = '0190a0a0-node-power-off';
const CIB = readFileSync(join(__dirname, '../../cluster/cib/captured/cib-2.1.5-healthy.xml'), 'utf8');
const NODES = ['hadb01', 'hadb02'] as const;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-audits-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Said {
  cib: () => string;
  log: string;
  role: string;
  checksum: () => string;
  silent: boolean;
  /** Its clock minus ours. */
  aheadMs: number;
}

/** A healthy pair; `over` says what is other on hadb02, `both` what is on either. */
function pairThat(over: Partial<Said> = {}, both: Partial<Said> = {}) {
  const asked: { node: string; script: string }[] = [];
  const said = (node: string): Said => ({
    cib: () => CIB,
    log: capturedText(`node-power-off.${node}`),
    role: node === 'hadb01' ? 'Primary' : 'Secondary',
    checksum: () => 'azureha.things\t2834029\n1\n',
    silent: false,
    aheadMs: 0,
    ...both,
    ...(node === 'hadb02' && over),
  });
  const sessions = {
    close: async () => undefined,
    open: async (_: unknown, node: string) => {
      const { silent, aheadMs, role, ...says } = said(node);
      if (silent) throw new Error('connect ETIMEDOUT');
      const read = async (script: string) => {
        asked.push({ node, script });
        const stdout =
          script === renderClockRead()
            ? `${((Date.now() + aheadMs) / 1000).toFixed(9)}\n`
            : script === readCrmMon()
              ? HEALTHY
              : script === renderRoleRead()
                ? `bootId=b\ndrbd:\n${events2({ role })}`
                : script.startsWith(renderClient(databaseProfile(specification.database.engine)))
                  ? says.checksum()
                  : script.includes('journalctl')
                    ? says.log
                    : `drbd:\n${events2({ role, peerRole: role === 'Primary' ? 'Secondary' : 'Primary' })}\ncib:\n${says.cib()}`;
        return { code: 0, stdout, stderr: '' };
      };
      return { node, read } as unknown as NodeSession;
    },
  } as NodeSessions;
  const dependencies = { sessions, writers: { directory: () => directory }, auditPauseMs: 0 };
  const activities = { ...createAuditActivities(dependencies), ...createNodeLogActivities(dependencies) };
  const context = { ...step('hadb01', 'audit'), drill: DRILL, kind: 'node-power-off', since: Date.now() };
  return {
    asked,
    auditCluster: () => runActivity(() => activities.auditCluster(context)),
    recordNodeLogs: (since = context.since) => runActivity(() => activities.recordNodeLogs({ ...context, since })),
    auditLogs: (since: number, seen: { faultAt?: number; wholeAt?: number } = {}) =>
      runActivity(() => activities.auditLogs({ ...context, since, ...seen })),
    readTable: () => runActivity(() => activities.readTable(context)),
    reads: (of: string) => asked.filter(({ script }) => script.includes(of)),
  };
}

describe('the audit of the cluster', () => {
  it('asks each node itself, once where the copies of the CIB agree', async () => {
    const pair = pairThat();

    const { checks, result } = await pair.auditCluster();

    expect(result).toBe('unchanged');
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(
      pair
        .reads('cibadmin --query --local')
        .map(({ node }) => node)
        .sort(),
    ).toEqual([...NODES]);
  });

  it('looks for core files since the drill began, by the clock of the node', async () => {
    const pair = pairThat({ aheadMs: 3_600_000 });

    await pair.auditCluster();

    const since = pair
      .reads('newermt')
      .map(({ node, script }) => ({ node, at: Number(/since='@(\d+)'/.exec(script)?.[1]) }))
      .sort((one, other) => one.node.localeCompare(other.node));
    expect((since[1]?.at ?? 0) - (since[0]?.at ?? 0)).toBeGreaterThanOrEqual(3599);
  });

  it('reads again while the status moves, and not for ever', async () => {
    let update = 3;
    const moving = pairThat({ cib: () => CIB.replace('num_updates="3"', `num_updates="${(update += 1)}"`) });
    const settling = pairThat({
      cib: () => CIB.replace('num_updates="3"', `num_updates="${Math.max(3, (update -= 1))}"`),
    });

    const moved = await moving.auditCluster();
    const settled = await settling.auditCluster();

    expect(moved.checks[0]).toMatchObject({ unknown: true });
    expect(moving.reads('cibadmin')).toHaveLength(10);
    expect(settled.checks[0]).toMatchObject({ passed: true });
  });

  it('knows nothing of a node that does not answer, and does not wait for it again', async () => {
    const pair = pairThat({ silent: true });

    const { checks } = await pair.auditCluster();

    expect(
      checks.every(({ unknown, detail }) => unknown === true && detail.includes('hadb02 could not be asked')),
    ).toBe(true);
    expect(pair.reads('cibadmin')).toHaveLength(1);
  });

  it('knows nothing where a node shows something that is no CIB', async () => {
    const { checks } = await pairThat({ cib: () => 'Could not connect to the CIB\n' }).auditCluster();

    expect(checks[0]).toMatchObject({ unknown: true });
  });
});

describe('the logs of the nodes', () => {
  const BEGAN = Date.parse('2026-11-23T08:41:57Z');

  it('are fetched with the clocks, kept, and judged', async () => {
    const pair = pairThat();

    const { observed } = await pair.recordNodeLogs(BEGAN);
    const { checks } = await pair.auditLogs(BEGAN);

    expect(observed).toMatch(/^hadb01: \d+ lines; hadb02: \d+ lines$/);
    expect(
      readClocks(directory)
        .map(({ node }) => node)
        .sort(),
    ).toEqual([...NODES]);
    expect(readLogs(directory, NODES)).toMatchObject([{ log: { complete: true } }, { log: { complete: true } }]);
    expect(checks).toMatchObject([{ passed: true }]);
  });

  it('are asked for by the clock of the node', async () => {
    const pair = pairThat({ aheadMs: -60_000 });

    await pair.recordNodeLogs(BEGAN);

    const [own, other] = NODES.map((name) => {
      const script = pair.reads('journalctl').find(({ node }) => node === name)?.script ?? '';
      return Number(/since='@(\d+)'/.exec(script)?.[1]);
    });
    expect((own ?? 0) - (other ?? 0)).toBeGreaterThanOrEqual(59);
    expect(readClocks(directory).find(({ node }) => node === 'hadb02')?.offsetMs).toBeLessThan(-59_000);
  });

  it('of a node that does not answer are not known', async () => {
    const pair = pairThat({ silent: true });

    await pair.recordNodeLogs(BEGAN);

    expect((await pair.auditLogs(BEGAN)).checks).toMatchObject([
      {
        unknown: true,
        detail: expect.stringContaining('the log of hadb02 could not be read: connect ETIMEDOUT') as string,
      },
    ]);
  });

  it('that were never fetched are not known', async () => {
    expect((await pairThat().auditLogs(BEGAN)).checks).toMatchObject([{ passed: false, unknown: true }]);
  });

  it('tell when both copies were current again, by our clock', async () => {
    const aheadMs = Date.parse('2026-11-23T08:44:00Z') - Date.now();
    const pair = pairThat({}, { aheadMs });
    const faultAt = Date.parse('2026-11-23T08:42:05.920Z') - aheadMs;

    await pair.recordNodeLogs(BEGAN);
    const { checks } = await pair.auditLogs(BEGAN, { faultAt, wholeAt: faultAt + 70_000 });

    expect(checks).toMatchObject([
      { passed: true },
      {
        name: 'redundancy restored within 900 s',
        passed: true,
        detail: expect.stringMatching(
          /current again 6[78][.\d]* s ± \d+ ms after the fault, by the log of hadb01/,
        ) as string,
      },
    ]);
  });

  it('that tell nothing of the copies leave it to when the pair was whole, and without that to nobody', async () => {
    const faultAt = BEGAN;
    const pair = pairThat();

    const [, known] = (await pair.auditLogs(BEGAN, { faultAt, wholeAt: faultAt + 70_000 })).checks;
    const [, unknown] = (await pair.auditLogs(BEGAN, { faultAt })).checks;

    expect(known).toMatchObject({ passed: true, detail: expect.stringContaining('whole 70 s after') as string });
    expect(unknown).toMatchObject({ passed: false, unknown: true });
  });
});

describe('the table', () => {
  it('is read at the primary, twice', async () => {
    const pair = pairThat();

    expect((await pair.readTable()).table).toEqual({
      node: 'hadb01',
      table: '`azureha`.`things`',
      rows: 1,
      checksum: '2834029',
      isQuiet: true,
    });
    expect(pair.asked.filter(({ script }) => script.startsWith("'/usr/bin/mariadb'"))).toHaveLength(2);
  });

  it('is not read where both call themselves primary', async () => {
    await expect(pairThat({ role: 'Primary' }).readTable()).rejects.toMatchObject({ code: 'QueryFailed' });
  });
});
