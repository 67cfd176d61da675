import {
  isWeeklyVerify,
  parseVerifyView,
  renderVerifyRead,
  verifyAllowanceMinutes,
  verifyLeftOut,
  verifySeconds,
  type VerifyOccasion,
} from '../../../cluster/drbd/verify';
import { auditVerify, verifyNotRun } from '../../../cluster/verdict/audit-verify';
import { withExpectations } from '../../../cluster/verdict/expectations';
import { createScriptBench, events2, prepareNode } from '../node/script-bench';
import { specificationOf } from '../specimens';

const disk = (sizeGiB: number, over: object = {}) => specificationOf({ dataDisk: { sizeGiB }, ...over });

describe('whether both copies are compared', () => {
  const NOW = Date.parse('2026-11-22T02:30:00Z');
  const A_DAY = 86_400_000;
  const leftOut = (sizeGiB: number, over: object = {}, occasion: Partial<VerifyOccasion> = {}) =>
    verifyLeftOut(disk(sizeGiB, over), { at: NOW, ...occasion });

  it('is decided by the time that it takes at the rate of a resync', () => {
    expect(verifySeconds(disk(5))).toBe(52);
    expect(leftOut(1)).toBeUndefined();
    expect(leftOut(11)).toBeUndefined();
    expect(leftOut(11, {}, { lastAt: NOW - 1000 })).toBeUndefined();
    expect(leftOut(8192)).toBe(
      '8192 GiB take 23 h 18 min at 100 MiB/s, more than once a week is made by itself; "drill.verify: always" does it all the same',
    );
  });

  it('is yes once a week where it takes longer, and each seventh night it is', () => {
    expect(isWeeklyVerify(disk(11))).toBe(false);
    expect(isWeeklyVerify(disk(12))).toBe(true);
    expect(leftOut(512)).toBeUndefined();
    expect(leftOut(512, {}, { lastAt: NOW - 7 * A_DAY + 5_400_000 })).toBeUndefined();
    expect(leftOut(512, {}, { lastAt: NOW - 6 * A_DAY })).toBe(
      '512 GiB take 1 h 27 min at 100 MiB/s: made once a week, the last time on 2026-11-16; "drill.verify: always" does it all the same',
    );
  });

  it('is left to the drills by the tests of a build', () => {
    expect(leftOut(1, {}, { inBuild: true })).toContain('the tests of a build leave it to the drills');
    expect(leftOut(512, {}, { inBuild: true })).toContain('the tests of a build leave it to the drills');
  });

  it('may be decided by the specification', () => {
    expect(leftOut(512, { drill: { verify: 'always' } }, { lastAt: NOW - 1000, inBuild: true })).toBeUndefined();
    expect(leftOut(1, { drill: { verify: 'never' } })).toBe('the specification says "drill.verify: never"');
  });

  it('gives a drill more time where it takes long', () => {
    expect(verifyAllowanceMinutes(disk(5))).toBe(0);
    expect(verifyAllowanceMinutes(disk(512))).toBe(175);
    expect(verifyAllowanceMinutes(disk(512, { drill: { verify: 'never' } }))).toBe(0);
    expect(verifyAllowanceMinutes(disk(8192))).toBe(0);
  });
});

/** As DRBD 8.4 prints it while it compares (drbd_proc.c). */
const PROC_DRBD = `version: 8.4.11 (api:1/proto:86-101)
srcversion: DA6B55A41DED5E58CDBAB30

 1: cs:VerifyS ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:0 nr:0 dw:56740 dr:63387 al:27 bm:0 lo:0 pe:2 ua:0 ap:0 ep:1 wo:f oos:0
	[===>................] verified: 21.1% (828252/1046460)K
	finish: 0:00:08 speed: 102,400 (102,400) want: 102,400 K/sec
`;
const DONE = 'drbd r0/0 drbd1: Online verify done (total 11 sec; paused 0 sec; 95132 K/sec)';

describe('the comparison of both copies', () => {
  const read = (prepare: (bench: ReturnType<typeof createScriptBench>) => void) => {
    const bench = createScriptBench();
    try {
      prepareNode(bench);
      bench.program('journalctl', ':');
      prepare(bench);
      const { code, stdout } = bench.run(renderVerifyRead({ sinceSeconds: 1795423317.5 }));
      expect(code).toBe(0);
      return parseVerifyView(stdout);
    } finally {
      bench.remove();
    }
  };
  const running = events2().replace('replication:Established', 'replication:VerifyS');

  it('tells how far it is: DRBD 8.4', () => {
    const view = read((bench) => {
      bench.file('/proc/drbd', PROC_DRBD);
      bench.program('drbdsetup', `cat <<'EVENTS'\n${running}\nEVENTS`);
    });

    expect(view).toMatchObject({ runs: true, donePercent: 21.1 });
    expect(view.ended).toBeUndefined();
  });

  it('tells how far it is: DRBD 9', () => {
    const nine = running.replace('resync-suspended:no', 'resync-suspended:no done:42.50 out-of-sync:0');

    expect(read((bench) => bench.program('drbdsetup', `cat <<'EVENTS'\n${nine}\nEVENTS`))).toMatchObject({
      runs: true,
      donePercent: 42.5,
    });
  });

  it('tells what the kernel said at its end, since the time that was asked for', () => {
    const view = read((bench) =>
      bench.program(
        'journalctl',
        `case "$*" in *--dmesg*--since=@1795423317*) ;; *) exit 1 ;; esac
echo '1795423320.000001 kernel: drbd r0/0 drbd1: Starting Online Verify from sector 0'
echo '1795423331.000001 kernel: ${DONE}'`,
      ),
    );

    expect(view).toMatchObject({
      runs: false,
      ended: 'Online verify done (total 11 sec; paused 0 sec; 95132 K/sec)',
    });
  });

  it('has not ended where the kernel says nothing', () => {
    expect(read(() => undefined)).toMatchObject({ runs: false, drbd: { role: 'Primary' } });
    expect(read(() => undefined)).not.toHaveProperty('ended');
  });
});

describe('what the comparison found', () => {
  const both = (first: number, second: number) => [
    { node: 'hadb01', kib: first },
    { node: 'hadb02', kib: second },
  ];
  const ended = 'Online verify done (total 11 sec; paused 0 sec; 95132 K/sec)';

  it('is good where it came to its end and nothing is out of sync', () => {
    expect(auditVerify({ ended, outOfSync: both(0, 0) })).toEqual({
      name: 'both copies equal, block by block',
      passed: true,
      detail: `${ended}; out of sync: hadb01 0 KiB, hadb02 0 KiB`,
    });
  });

  it.each([
    ['one node', both(0, 12)],
    ['both', both(12, 12)],
  ])('is bad where %s counts blocks that differ', (_, outOfSync) => {
    expect(auditVerify({ ended, outOfSync })).toMatchObject({ passed: false });
    expect(auditVerify({ outOfSync })).not.toHaveProperty('unknown');
  });

  it('is not known where it was broken off', () => {
    expect(auditVerify({ outOfSync: both(0, 0) })).toMatchObject({ passed: false, unknown: true });
  });

  it('is said to be missing where it was left out, and changes no verdict', () => {
    const verdict = { passed: true, summary: '900 writes acknowledged, 0 lost', checks: [] };

    const judged = withExpectations(verdict, [verifyNotRun('512 GiB take 1 h 27 min')]);

    expect(judged).toMatchObject({
      passed: true,
      summary: '900 writes acknowledged, 0 lost; not run: both copies equal, block by block',
      checks: [{ notRun: true, detail: '512 GiB take 1 h 27 min' }],
    });
  });
});
