import { withFencing } from '../../../cluster/cib/change-fencing';
import { FENCING_DEVICE, renderCib, renderCibForSimulation, type CibInput } from '../../../cluster/cib/cib';
import { compareCib, parseCibConfiguration } from '../../../cluster/cib/difference';
import { CRM_EXIT, disruptions, parseCrmSimulate } from '../../../cluster/cib/tools';
import { databaseProfile } from '../../../cluster/database/profile';
import { concatenate, type NodeFile } from '../../../cluster/node/files';
import { renderAdjustFencing, renderFencingPatch } from '../../../cluster/node/fencing-moves';
import { NOT_READY } from '../../../cluster/node/guards';
import { renderSimulation } from '../../../cluster/node/pacemaker-moves';
import { EXIT } from '../../../cluster/node-scripts/exit-codes';
import type { Platform } from '../../../cluster/platform';
import { timingOf } from '../../../cluster/timing';
import { realTools, type RealTools } from '../real-tools';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';
import { events2, type DrbdView } from './script-bench';

/** Fencing put into force on a cluster that serves, by the real tools of Pacemaker; DRBD and the agent of Azure are small programs. */

const FILE = '/etc/drbd.d/r0.res';
const HANDLER = '/usr/lib/drbd/crm-fence-peer.sh';
const files: NodeFile[] = [{ path: FILE, content: 'resource r0 { new; }\n', mode: 0o600 }];

describe.each([
  ['Pacemaker 2.1.5', 'bookworm', DEBIAN_12],
  ['Pacemaker 3.0.3', 'sid', DEBIAN_SID],
] as const)('fencing for a cluster without it, %s', (_, suite, platform: Platform) => {
  const engine = platform.engine ?? 'mariadb';
  const inputOf = (fencing: 'none' | 'azure'): CibInput => {
    const specification = specificationOf({ fencing, database: { engine } });
    return {
      specification,
      platform,
      profile: databaseProfile(engine),
      timing: timingOf(specification),
      mode: 'managed',
      ...(fencing === 'azure' ? { fencing: AZURE_FENCING } : {}),
    };
  };
  let tools: RealTools;
  /** A cluster that runs, as `cibadmin --query` prints it. */
  let live: string;
  beforeAll(() => {
    tools = realTools(suite);
    const settle = `crm_simulate -x /online.xml -S -O /tmp/round >/dev/null && crm_simulate -x /tmp/round -S -O /run.xml >/dev/null
CIB_file=/run.xml cibadmin --query`;
    const online = renderCibForSimulation({ ...inputOf('none'), preferred: 'hadb01' });
    // A cluster that runs says so itself; without it crm_diff writes patches of a form that knows no order.
    live = tools
      .run(settle, { files: { '/online.xml': online } })
      .stdout.replace('<cib ', `<cib crm_feature_set="${suite === 'bookworm' ? '3.16.1' : '3.20.1'}" `);
  }, 900_000);

  interface Node {
    drbd?: DrbdView;
    suspended?: string;
    policy?: string;
    agent?: string;
    adjust?: string;
    cib?: string;
    before?: string;
  }
  const run = (script: string, input: string, node: Node = {}) => {
    const { drbd = {}, suspended = 'no', policy = 'resource-and-stonith', agent = 'exit 0', cib = live } = node;
    const { adjust = 'echo "drbdsetup disk-options 1 --set-defaults --fencing=resource-and-stonith"', before = '' } =
      node;
    const result = tools.run(
      `${before}
export CIB_file=/tmp/cib.xml
cp /cib.xml /tmp/cib.xml
code=0; dash -eu /move </input || code=$?
echo "exit $code"; echo calls; cat /tmp/calls 2>/dev/null || :; echo file; cat ${FILE}; ls /etc/drbd.d; echo cib; cibadmin --query`,
      {
        files: {
          '/move': script,
          '/input': input,
          '/cib.xml': cib,
          [FILE]: 'resource r0 { old; }\n',
          '/usr/local/bin/drbdsetup': `#!/bin/sh
case $1 in show) echo "    fencing         	${policy};" ;; *) cat <<'EVENTS'
${events2(drbd).replace('suspended:no', `suspended:${suspended}`)}
EVENTS
esac
`,
          '/usr/local/bin/drbdadm': `#!/bin/sh
case $1 in --dry-run) ${adjust} ;; *) echo "drbdadm $*" >>/tmp/calls ;; esac
`,
          '/usr/local/bin/fence_azure_arm': `#!/bin/sh\necho "fence_azure_arm $*" >>/tmp/calls\n${agent}\n`,
        },
      },
    );
    const [, calls = '', file = '', after = ''] =
      /\ncalls\n([^]*?)file\n([^]*?)\ncib\n([^]*)$/.exec(`\n${result.stdout}`) ?? [];
    return {
      code: Number(/^exit (\d+)$/m.exec(result.stdout)?.[1]),
      calls: calls.split('\n').filter(Boolean),
      file,
      cib: after,
      stderr: result.stderr,
    };
  };
  const adjust = (node: Node = {}, handler = HANDLER) =>
    run(renderAdjustFencing({ peer: 'hadb02', handler, files }), concatenate(files).toString(), node);
  const patch = (node: Node = {}) => {
    const next = withFencing(live, inputOf('azure'));
    const sizes = { oldBytes: Buffer.byteLength(live), newBytes: Buffer.byteLength(next) };
    return run(renderFencingPatch({ peer: 'hadb02', fencing: AZURE_FENCING, ...sizes }), live + next, node);
  };
  const differs = (wanted: string, current: string) =>
    compareCib(parseCibConfiguration(wanted), parseCibConfiguration(current));

  it('is the configuration that a new cluster has, and disturbs nothing that runs', () => {
    const next = withFencing(live, inputOf('azure'));
    const { stdout } = tools.run(renderSimulation(), { input: next });

    expect(differs(renderCib(inputOf('azure')), next)).toEqual([]);
    expect(disruptions(parseCrmSimulate(stdout))).toEqual([]);
    expect(stdout).not.toMatch(/Fencing hadb/);
    expect(parseCrmSimulate(stdout).actions).toContainEqual(
      expect.objectContaining({ action: 'start', resource: FENCING_DEVICE }),
    );
  });

  it('is patched in, after the agent has seen the peer run', () => {
    const result = patch();

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.calls).toEqual([
      `fence_azure_arm --msi --resourceGroup=hadb --subscriptionId=${AZURE_FENCING.subscriptionId} --plug=hadb02 --action=status`,
    ]);
    expect(differs(renderCib(inputOf('azure')), result.cib)).toEqual([]);
  });

  it('is not patched into a configuration that has moved since it was read', () => {
    const moved = live.replace(/ epoch="(\d+)"/, (_all, epoch) => ` epoch="${Number(epoch) + 5}"`);

    expect(patch({ cib: moved }).code).toBe(CRM_EXIT.old);
  });

  it.each<[string, Node, string]>([
    [
      'the agent does not see the peer’s machine',
      { agent: 'echo "Failed: AuthorizationFailed"; exit 1' },
      'AuthorizationFailed',
    ],
    ['the peer’s machine is off', { agent: 'echo "Status: OFF"; exit 2' }, 'Status: OFF'],
    ['DRBD does not hold writing up', { policy: 'resource-only' }, 'does not hold writing up'],
  ])('is refused while %s', (_case, node, reason) => {
    const result = patch(node);

    expect(result.code).toBe(EXIT.guardRefused);
    expect(result.stderr).toContain(reason);
    expect(differs(live, result.cib)).toEqual([]);
  });

  it('makes DRBD adjust its options, and leaves nothing beside the file', () => {
    const result = adjust();

    expect(result).toMatchObject({ code: 0, stderr: '', calls: ['drbdadm adjust r0'] });
    expect(result.file).toMatch(/^resource r0 \{ new; \}\n/);
    expect(result.file).not.toContain('hadb');
  });

  it.each([
    ['drbdadm would detach the disk', { adjust: 'echo "drbdsetup detach 1"' }, 'detach', HANDLER],
    [
      'drbdadm would make a connection',
      { adjust: 'echo "drbdsetup-84 connect r0 ipv4:a ipv4:b --shared-secret=x"' },
      'connect',
      HANDLER,
    ],
    [
      'drbdadm cannot read the file',
      { adjust: 'echo "r0.res:1: Parse error" >&2; exit 10' },
      'does not accept',
      HANDLER,
    ],
    ['the handler is not there', {}, 'is not there', '/usr/lib/hadb/no-handler.sh'],
  ])('does not adjust, and puts the file back, when %s', (_case, node: Node, reason, handler) => {
    const result = adjust(node, handler);

    expect(result).toMatchObject({ code: EXIT.guardRefused, calls: [] });
    expect(result.stderr).toContain(reason);
    expect(result.stderr).not.toContain('shared-secret');
    expect(result.file).toMatch(/^resource r0 \{ old; \}\n/);
  });

  it.each<[string, () => Node, number]>([
    ['the peer is not connected', () => ({ drbd: { connection: 'Connecting', peerDisk: 'DUnknown' } }), NOT_READY],
    ['a resync runs', () => ({ drbd: { peerDisk: 'Inconsistent' } }), NOT_READY],
    [
      `a node's Pacemaker is not there`,
      () => ({ cib: live.replace(/(uname="hadb01" [^>]*)crmd="online"/, '$1crmd="offline"') }),
      EXIT.guardRefused,
    ],
    ['nobody is primary', () => ({ drbd: { role: 'Secondary' } }), EXIT.guardRefused],
    ['writing is held up', () => ({ suspended: 'fencing' }), EXIT.guardRefused],
    [
      'the peer is offline',
      () => ({
        cib: live.replace(/(uname="hadb02" )in_ccm="true" crmd="online"/, '$1in_ccm="false" crmd="offline"'),
      }),
      EXIT.guardRefused,
    ],
    [
      'the peer is in standby',
      () => ({
        cib: live.replace(
          '<node id="2" uname="hadb02"/>',
          '<node id="2" uname="hadb02"><instance_attributes id="nodes-2"><nvpair id="nodes-2-standby" name="standby" value="on"/></instance_attributes></node>',
        ),
      }),
      EXIT.guardRefused,
    ],
    [
      'the cluster is in maintenance mode',
      () => ({ cib: live.replace('name="maintenance-mode" value="false"', 'name="maintenance-mode" value="true"') }),
      EXIT.guardRefused,
    ],
    ['there is no quorum', () => ({ cib: live.replace('have-quorum="1"', 'have-quorum="0"') }), EXIT.guardRefused],
    [
      'a constraint of a move is left',
      () => ({
        cib: live.replace(
          '</constraints>',
          '<rsc_location id="cli-ban-x" rsc="ms_drbd_mysql" role="Started" node="hadb02" score="-INFINITY"/></constraints>',
        ),
      }),
      EXIT.guardRefused,
    ],
    [
      'an operation has failed',
      () => ({
        before:
          'crm_simulate -x /cib.xml -S -i mysqld_monitor_10000@hadb01=1 -O /failed.xml >/dev/null; cp /failed.xml /cib.xml',
      }),
      EXIT.guardRefused,
    ],
  ])('neither move is made when %s', (_case, nodeOf, code) => {
    const node = nodeOf();
    expect(node).not.toEqual({ cib: live });

    for (const result of [adjust(node), patch(node)]) {
      expect(result).toMatchObject({ code, calls: [] });
      expect(result.file).toMatch(/^resource r0 \{ old; \}\n/);
      expect(result.cib).not.toContain(FENCING_DEVICE);
    }
  });
});
