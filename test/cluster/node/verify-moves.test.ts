import { renderStartVerify } from '../../../cluster/node/verify-moves';
import { createScriptBench, events2, prepareNode, type DrbdView, type ScriptBench } from './script-bench';

/** As `drbdsetup show` prints what is in force: DRBD 8.4, the file that hadb writes. */
const IN_FORCE = `resource r0 {
    net {
        cram-hmac-alg   	"sha256";
        shared-secret   	"a-secret";
        verify-alg      	"sha256";
        max-buffers     	8000;
    }
    volume 0 {
        disk {
            on-io-error     	detach;
            fencing         	resource-and-stonith;
            resync-rate     	102400k; # bytes/second
            al-extents      	3389;
            c-plan-ahead    	0; # 1/10 seconds
        }
    }
}`;

let bench: ScriptBench;
beforeEach(() => {
  bench = createScriptBench();
});
afterEach(() => bench.remove());

function start(view: DrbdView = {}, { shown = IN_FORCE, replication = 'Established' } = {}) {
  prepareNode(bench, view);
  const events = events2(view).replace('replication:Established', `replication:${replication}`);
  bench.program(
    'drbdsetup',
    `case $1 in show) cat <<'SHOWN'\n${shown}\nSHOWN\n;; *) cat <<'EVENTS'\n${events}\nEVENTS\n;; esac`,
  );
  return bench.run(renderStartVerify());
}

describe('comparing both copies', () => {
  it('is begun on the primary of a pair that is in sync, at the rate of the configuration', () => {
    expect(start()).toMatchObject({ code: 0 });
    expect(bench.moves()).toEqual(['moved drbdadm verify r0']);
  });

  it('is begun where the controller of DRBD has a highest rate', () => {
    const shown = IN_FORCE.replace(/c-plan-ahead.*\n/, 'c-max-rate          102400k; # bytes/second\n');

    expect(start({}, { shown })).toMatchObject({ code: 0 });
    expect(bench.moves()).toEqual(['moved drbdadm verify r0']);
  });

  it.each(['VerifyS', 'VerifyT'])('is not begun once more while it runs (%s)', (replication) => {
    expect(start({}, { replication })).toMatchObject({ code: 0 });
    expect(bench.moves()).toEqual([]);
  });

  it.each([
    ['is not primary', { role: 'Secondary', peerRole: 'Primary' }, {}, 75],
    ['has no peer', { connection: 'Connecting', peerDisk: 'DUnknown' }, {}, 74],
    ['has a peer that is not current', { peerDisk: 'Inconsistent' }, {}, 74],
    ['copies something', {}, { replication: 'SyncSource' }, 74],
    ['has nothing to compare by', {}, { shown: IN_FORCE.replace(/verify-alg.*\n/, '') }, 75],
    ['is held to no rate', {}, { shown: IN_FORCE.replace(/resync-rate.*\n/, '') }, 75],
    ['has a controller without a highest rate', {}, { shown: IN_FORCE.replace(/c-plan-ahead.*\n/, '') }, 75],
    ['does not tell what is in force', {}, { shown: '' }, 75],
  ])('is refused on a node that %s', (_, view, options, code) => {
    expect(start(view, options)).toMatchObject({ code });
    expect(bench.moves()).toEqual([]);
  });

  it('shows nobody the secret', () => {
    const { stdout, stderr } = start({}, { shown: IN_FORCE.replace(/verify-alg.*\n/, '') });

    expect(stdout + stderr).not.toContain('a-secret');
  });
});
