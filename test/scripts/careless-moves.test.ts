import { createScriptBench, events2, prepareNode } from '../cluster/node/script-bench';
import type { DrbdView, ScriptBench } from '../cluster/node/script-bench';

/** What `npm run drills -- --show-loss` does to nodes by hand, run in this host's own shell with small fakes of the tools. */

interface CarelessMoves {
  readCopy: string;
  cutReplication: string;
  promoteStale: (peer: string) => string;
  giveUpWrites: string;
  connect: string;
  relaxFencing: string;
  protocolA: string;
  asConfigured: string;
  copyEverything: string;
}
const moves = require('../../scripts/careless-moves.js') as CarelessMoves;

const [NOT_YET, REFUSED] = [74, 75];
const SECONDARY: DrbdView = { role: 'Secondary', peerRole: 'Primary' };
const ALONE: DrbdView = { role: 'Secondary', peerRole: 'Unknown', connection: 'StandAlone', peerDisk: 'DUnknown' };
const STALE: DrbdView = { ...ALONE, disk: 'Outdated' };

let bench: ScriptBench;
beforeEach(() => {
  bench = createScriptBench();
  bench.program('uname', 'echo hadb02');
  bench.mover('crm_attribute');
  peerIs('online="false" unclean="false"');
});
afterEach(() => bench.remove());

function run(script: string, view: DrbdView | 'down' = {}, after?: DrbdView) {
  prepareNode(bench, view);
  bench.file('/proc/drbd', proc('C'));
  // What DRBD says once something was moved.
  if (after !== undefined && view !== 'down') {
    bench.program(
      'drbdsetup',
      `if [ -e /var/moved ]; then cat <<'A'\n${events2(after)}\nA\nelse cat <<'B'\n${events2(view)}\nB\nfi`,
    );
    bench.file('/var/place', '');
    bench.program('drbdadm', `: >/var/moved; moved drbdadm "$@"`);
  }
  const { code, stderr, stdout } = bench.run(script);
  return { code, stderr, stdout, moves: bench.moves().map((line) => line.replace(/^moved /, '')) };
}

const proc = (letter: string): string =>
  `version: 8.4.11 (api:1/proto:86-101)\n\n 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate ${letter} r-----\n    ns:0 nr:0\n`;

function peerIs(attributes: string): void {
  bench.program(
    'crm_mon',
    `cat <<'XML'\n<nodes>\n  <node name="hadb01" id="1" ${attributes} standby="false">\n  <node name="hadb02" id="2" online="true" unclean="false">\n</nodes>\nXML`,
  );
}

describe('what a copy says of itself', () => {
  it.each([
    [{}, 'Primary Connected UpToDate UpToDate C'],
    [STALE, 'Secondary StandAlone Outdated DUnknown C'],
  ])('%j', (view, line) => {
    expect(run(moves.readCopy, view).stdout.trim()).toBe(line);
  });

  it('is not yet anything where the resource is not up', () => {
    expect(run(moves.readCopy, 'down').code).toBe(NOT_YET);
  });
});

describe('taking the secondary off replication', () => {
  it('is an orderly leave, after which nobody would promote it', () => {
    const { code, moves: made } = run(moves.cutReplication, SECONDARY, STALE);

    expect(code).toBe(0);
    expect(made).toEqual([
      'drbdadm disconnect r0',
      'crm_attribute --node hadb02 --name master-drbd_mysql --lifetime reboot --delete',
    ]);
  });

  it('is done once', () => {
    expect(run(moves.cutReplication, STALE).moves).not.toContain('drbdadm disconnect r0');
  });

  it('is refused on the primary, and while the copies are not both current', () => {
    expect(run(moves.cutReplication, {})).toMatchObject({ code: REFUSED, moves: [] });
    expect(run(moves.cutReplication, { ...SECONDARY, disk: 'Inconsistent' })).toMatchObject({
      code: NOT_YET,
      moves: [],
    });
  });

  it('fails where DRBD stays connected', () => {
    expect(run(moves.cutReplication, SECONDARY, SECONDARY).code).toBe(REFUSED);
  });
});

describe('promoting the stale side', () => {
  it('forces DRBD, steps back, and leaves the rest to Pacemaker', () => {
    expect(run(moves.promoteStale('hadb01'), STALE)).toMatchObject({
      code: 0,
      moves: [
        'drbdadm primary --force r0',
        'drbdadm secondary r0',
        'crm_attribute --node hadb02 --name master-drbd_mysql --lifetime reboot --update 1000',
      ],
    });
  });

  it.each(['online="true" unclean="false"', 'online="false" unclean="true"'])(
    'waits while the peer may live: %s',
    (attributes) => {
      peerIs(attributes);

      expect(run(moves.promoteStale('hadb01'), STALE)).toMatchObject({ code: NOT_YET, moves: [] });
    },
  );

  it.each([
    ['is connected', { ...SECONDARY }],
    ['is current', ALONE],
    ['is inconsistent', { ...ALONE, disk: 'Inconsistent' }],
    ['is primary already', { ...STALE, role: 'Primary' }],
  ])('is refused for a copy that %s', (_, view) => {
    expect(run(moves.promoteStale('hadb01'), view)).toMatchObject({ code: REFUSED, moves: [] });
  });

  it('takes no name that is none', () => {
    expect(() => moves.promoteStale('a"; reboot; "')).toThrow('is no name of a node');
  });
});

describe('giving writes up', () => {
  it('connects anew, with the word that says so', () => {
    expect(run(moves.giveUpWrites, ALONE).moves).toEqual([
      'drbdadm disconnect r0',
      'drbdadm connect --discard-my-data r0',
    ]);
  });

  it('is nothing where the copies are connected, and refused for a primary or what is mounted', () => {
    expect(run(moves.giveUpWrites, SECONDARY)).toMatchObject({ code: 0, moves: [] });
    expect(run(moves.giveUpWrites, { ...ALONE, role: 'Primary' })).toMatchObject({ code: REFUSED, moves: [] });
    prepareNode(bench, ALONE);
    bench.file('/proc/mounts', '/dev/drbd1 /var/lib/mysql ext4 rw 0 0\n');
    expect(bench.run(moves.giveUpWrites).code).toBe(REFUSED);
  });

  it('needs the other side to connect, if it does not already', () => {
    expect(run(moves.connect, { ...ALONE, role: 'Primary' }).moves).toEqual(['drbdadm connect r0']);
  });

  it('leaves a connection that is being made alone', () => {
    expect(run(moves.connect, { ...ALONE, connection: 'Connecting' }).moves).toEqual([]);
  });
});

describe('protocol A', () => {
  it('goes with another policy of fencing, on a whole pair alone', () => {
    expect(run(moves.relaxFencing).moves).toEqual(['drbdadm disk-options --fencing=resource-only r0']);
    for (const script of [moves.relaxFencing, moves.protocolA]) {
      expect(run(script, { connection: 'Connecting' }).code).toBe(NOT_YET);
    }
  });

  it('is believed only when DRBD says so', () => {
    const { code, stderr } = run(moves.protocolA);

    expect(code).toBe(REFUSED);
    expect(stderr).toContain('the protocol in force is C, not A');
    bench.file('/proc/drbd', proc('A'));
    expect(bench.run(moves.protocolA).code).toBe(0);
    expect(bench.moves().at(-1)).toContain('net-options --protocol=A --ping-timeout=100 r0');
  });

  it('is taken back by the resource file', () => {
    expect(run(moves.asConfigured, { connection: 'Connecting' }).moves).toEqual(['drbdadm adjust r0']);
  });
});

describe('copying every block once more', () => {
  it('is for the secondary of a primary, both current', () => {
    expect(run(moves.copyEverything, SECONDARY).moves).toEqual(['drbdadm invalidate r0']);
  });

  it('is refused for a primary, and for the only current copy', () => {
    expect(run(moves.copyEverything, {})).toMatchObject({ code: REFUSED, moves: [] });
    expect(run(moves.copyEverything, { ...SECONDARY, peerDisk: 'Outdated' })).toMatchObject({
      code: NOT_YET,
      moves: [],
    });
    expect(run(moves.copyEverything, ALONE)).toMatchObject({ code: REFUSED, moves: [] });
  });
});
