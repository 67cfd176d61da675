import { FENCING_DEVICE, renderCib, renderCibForSimulation, type CibInput } from '../../../cluster/cib/cib';
import { parseCibCopy, readCibCopy } from '../../../cluster/cib/cib-copy';
import { clusterProblems, nodesOf, parseCrmMon, promotedNodes } from '../../../cluster/cib/crm-mon';
import { compareCib, parseCibConfiguration } from '../../../cluster/cib/difference';
import { disruptions, parseCrmSimulate } from '../../../cluster/cib/tools';
import { databaseProfile } from '../../../cluster/database/profile';
import { timingOf } from '../../../cluster/timing';
import { realTools, type RealTools } from '../real-tools';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';

/** From `$1` to `$2`: everything started, DRBD promoted on the preferred node (two rounds: scores count once it runs). */
const SETTLE = `settle() { crm_simulate -x "$1" -S -O /tmp/round >/dev/null && crm_simulate -x /tmp/round -S -O "$2" >/dev/null; }\n`;

describe.each([
  ['bookworm', DEBIAN_12],
  ['sid', DEBIAN_SID],
] as const)('the Pacemaker of Debian %s', (suite, platform) => {
  const specification = specificationOf({ database: { engine: platform.engine ?? 'mariadb' } });
  const input = (mode: CibInput['mode']): CibInput => ({
    specification,
    platform,
    profile: databaseProfile(specification.database.engine),
    timing: timingOf(specification),
    mode,
  });
  const files = {
    '/managed.xml': renderCib(input('managed')),
    '/online.xml': renderCibForSimulation({ ...input('managed'), preferred: 'hadb01' }),
    '/first.xml': renderCibForSimulation({ ...input('first-start'), preferred: 'hadb01' }),
  };
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);
  const run = (script: string) => tools.run(SETTLE + script, { files });

  it.each(['/managed.xml', '/online.xml', '/first.xml'])('finds nothing wrong with %s', (file) => {
    expect(run(`crm_verify -V -x ${file}`)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it.each([
    ['a reference to nothing', 's/with-rsc="ms_drbd_mysql"/with-rsc="nothing"/'],
    ['an unknown element', 's/rsc_colocation/rsc_collocation/'],
    ['a schema from the future', 's/validate-with="[^"]*"/validate-with="pacemaker-9.9"/'],
  ])('complains about %s', (_, change) => {
    const { code, stderr } = run(`sed '${change}' /online.xml >/bad.xml; crm_verify -V -x /bad.xml`);

    expect(code).not.toBe(0);
    expect(stderr).not.toBe('');
  });

  it('starts everything on the preferred node, and crm_mon calls the result healthy', () => {
    const state = parseCrmMon(run('settle /online.xml /run.xml; CIB_file=/run.xml crm_mon -1 --output-as=xml').stdout);

    expect(clusterProblems(state, specification)).toEqual([]);
    expect(promotedNodes(state)).toEqual(['hadb01']);
  });

  it('shows a node its own copy of the CIB, with what a move has left and a node in standby', () => {
    const { stdout } = run(`settle /online.xml /run.xml
export CIB_file=/run.xml
crm_resource --move --resource ms_drbd_mysql --promoted --node hadb02 >/dev/null 2>&1
crm_standby -N hadb01 -v on
${readCibCopy()}`);

    expect(parseCibCopy(stdout)).toMatchObject({
      version: expect.stringMatching(/^0\.\d+\.\d+$/) as string,
      leftovers: ['cli-prefer-ms_drbd_mysql'],
      heldBack: [{ node: 'hadb01', attribute: 'standby' }],
    });
  });

  it('takes over in the right order when a node is lost', () => {
    const { stdout } = run('settle /online.xml /run.xml; crm_simulate -x /run.xml -S --node-fail hadb01');

    const { actions } = parseCrmSimulate(stdout);
    expect(
      actions
        .filter(({ action, node }) => ['promote', 'start'].includes(action) && node === 'hadb02')
        .map(({ action, resource }) => `${action} ${resource}`),
    ).toEqual(['promote drbd_mysql', 'start fs_mysql', 'start mysqld', 'start lb_mysql']);
  });

  it('lets the balancer find the node while the server starts', () => {
    const { stdout } = run(
      'settle /online.xml /run.xml; crm_simulate -x /run.xml -S --node-fail hadb01 -D /graph.dot >&2; cat /graph.dot',
    );

    const awaited = [...stdout.matchAll(/"([^ "]+)[^"]*" -> "lb_mysql_start_0 hadb02"/g)].map(([, action]) => action);
    expect(awaited).toEqual(['ms_drbd_mysql_confirmed-post_notify_promoted_0']);
  });

  it('restarts the responder alone when it fails, and the server alone when that fails', () => {
    const restarted = (resource: string) =>
      parseCrmSimulate(
        run(`settle /online.xml /run.xml; crm_simulate -x /run.xml -S -i ${resource}_monitor_10000@hadb01=7`).stdout,
      ).actions.flatMap(({ action, resource: touched }) => (action === 'stop' ? [touched] : []));

    expect(restarted('lb_mysql')).toEqual(['lb_mysql']);
    expect(restarted('mysqld')).toEqual(['mysqld']);
  });

  it('demotes without stopping DRBD when the promoted role is moved', () => {
    const move = `settle /online.xml /run.xml
CIB_file=/run.xml crm_resource --move --promoted -r ms_drbd_mysql >/dev/null 2>&1
settle /run.xml /moved.xml; crm_simulate -x /run.xml -S; CIB_file=/moved.xml crm_mon -1 --output-as=xml >/mon.xml
cat /mon.xml >&2; cibadmin() { CIB_file=/run.xml command cibadmin "$@"; }; cibadmin --query >&2`;
    const { stdout, stderr } = run(move);

    const { actions } = parseCrmSimulate(stdout);
    expect(actions.filter(({ resource, action }) => resource === 'drbd_mysql' && action === 'stop')).toEqual([]);
    expect(actions.map(({ action, resource, node }) => `${action} ${resource} ${node}`)).toEqual(
      expect.arrayContaining(['demote drbd_mysql hadb01', 'promote drbd_mysql hadb02', 'start mysqld hadb02']),
    );
    const [monitor = '', cib = ''] = stderr.split(/(?=<cib )/);
    expect(parseCibConfiguration(cib).leftovers).toEqual([expect.stringMatching(/^cli-/)]);
    expect(clusterProblems(parseCrmMon(monitor), specification)).toEqual([
      expect.stringContaining('is kept away from hadb01 by the constraint cli-'),
    ]);
  });

  it('stops DRBD, too, when the primary is put into standby', () => {
    const { stdout } = run(
      'settle /online.xml /run.xml; CIB_file=/run.xml crm_standby -N hadb01 -v on; crm_simulate -x /run.xml -S',
    );

    expect(disruptions(parseCrmSimulate(stdout))).toEqual(
      expect.arrayContaining(['demote of drbd_mysql on hadb01', 'stop of drbd_mysql on hadb01']),
    );
  });

  it('does nothing at all to what runs while the first start’s maintenance mode lasts', () => {
    const { stdout } = run(`settle /online.xml /run.xml
CIB_file=/run.xml crm_attribute -n maintenance-mode -v true; crm_simulate -x /run.xml -S`);

    expect(disruptions(parseCrmSimulate(stdout))).toEqual([]);
  });

  it('recovers a failed server on its node, and shows the failure', () => {
    const { stdout } = run(`settle /online.xml /run.xml
crm_simulate -x /run.xml -S -i mysqld_monitor_10000@hadb01=1 -O /failed.xml >/dev/null
CIB_file=/failed.xml crm_mon -1 --output-as=xml`);

    const state = parseCrmMon(stdout);
    expect(state.failures).toMatchObject([{ resource: 'mysqld', node: 'hadb01', operation: 'monitor' }]);
    expect(promotedNodes(state)).toEqual(['hadb01']);
  });

  it('reports nothing as drift after its own tools have written the CIB', () => {
    const { stdout } = run(`cp /managed.xml /cib.xml
CIB_file=/cib.xml crm_attribute -n maintenance-mode -v true
CIB_file=/cib.xml crm_attribute -n maintenance-mode -v false
CIB_file=/cib.xml crm_standby -N hadb01 -v on; CIB_file=/cib.xml crm_standby -N hadb01 -v off
CIB_file=/cib.xml cibadmin --query`);

    expect(compareCib(parseCibConfiguration(files['/managed.xml']), parseCibConfiguration(stdout))).toEqual([]);
  });

  it('answers with its status in XML when it does not run', () => {
    const { stdout } = run('crm_mon -1 --output-as=xml');

    expect(parseCrmMon(stdout).available).toBe(false);
  });
});

describe.each([
  ['bookworm', DEBIAN_12, 'stonith'],
  ['sid', DEBIAN_SID, 'fencing'],
] as const)('the Pacemaker of Debian %s with fencing through Azure', (suite, platform, prefix) => {
  const specification = specificationOf({ fencing: 'azure', database: { engine: platform.engine ?? 'mariadb' } });
  const input = (mode: CibInput['mode']): CibInput => ({
    specification,
    platform,
    profile: databaseProfile(specification.database.engine),
    timing: timingOf(specification),
    mode,
    fencing: AZURE_FENCING,
  });
  const files = {
    '/managed.xml': renderCib(input('managed')),
    '/online.xml': renderCibForSimulation({ ...input('managed'), preferred: 'hadb01' }),
    '/first-online.xml': renderCibForSimulation({ ...input('first-start'), preferred: 'hadb01' }),
  };
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);
  const run = (script: string) => tools.run(SETTLE + script, { files });

  // Without a status every node is one that was never seen, and that cannot be shot without quorum.
  it.each(['/online.xml', '/first-online.xml'])('finds nothing wrong with %s', (file) => {
    expect(run(`crm_verify -V -x ${file}`)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('reads every property of fencing under the name that it has here', () => {
    const names = [`${prefix}-enabled`, `${prefix}-action`, `${prefix}-timeout`, 'priority-fencing-delay'];
    const known =
      suite === 'bookworm'
        ? '/usr/lib/pacemaker/pacemaker-schedulerd metadata'
        : 'crm_attribute --list-options=cluster --all --output-as=xml';

    const { stdout } = run(known);

    for (const name of names) {
      expect(files['/managed.xml']).toContain(` name="${name}"`);
      expect(stdout).toContain(`<parameter name="${name}"`);
    }
  });

  it('starts the device with everything else, and crm_mon calls the result healthy', () => {
    const state = parseCrmMon(run('settle /online.xml /run.xml; CIB_file=/run.xml crm_mon -1 --output-as=xml').stdout);

    expect(state.fencingEnabled).toBe(true);
    expect(nodesOf(state, FENCING_DEVICE)).toHaveLength(1);
    expect(clusterProblems(state, specification)).toEqual([]);
  });

  it('shoots a lost primary by a power-off, promotes the survivor after it, and then comes to rest', () => {
    const { stdout } = run(`settle /online.xml /run.xml
crm_simulate -x /run.xml -S --node-fail hadb01 -O /after.xml
echo ROUND; crm_simulate -x /after.xml -S -O /rest.xml
echo ROUND; crm_simulate -x /rest.xml -S; CIB_file=/rest.xml crm_mon -1 --output-as=xml >&2`);

    const [failure = '', ...later] = stdout.split('ROUND\n');
    expect(fencingsIn(failure)).toEqual(['hadb01 off']);
    const lines = failure.split('\n');
    const at = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line));
    expect(at(/^  \* Fencing hadb01 \(off\)/)).toBeGreaterThan(-1);
    expect(at(/drbd_mysql +promote on hadb02/)).toBeGreaterThan(at(/^  \* Fencing hadb01 \(off\)/));
    expect(at(/mysqld +start on hadb02/)).toBeGreaterThan(at(/drbd_mysql +promote on hadb02/));
    expect(later).toHaveLength(2);
    expect(later.flatMap(fencingsIn)).toEqual([]);
    expect(parseCrmSimulate(later[1] ?? '').actions).toEqual([]);
  });

  it('leaves the primary alone when it shoots a lost secondary', () => {
    const { stdout } = run('settle /online.xml /run.xml; crm_simulate -x /run.xml -S --node-fail hadb02');

    expect(fencingsIn(stdout)).toEqual(['hadb02 off']);
    expect(disruptions(parseCrmSimulate(stdout)).filter((what) => what.endsWith('on hadb01'))).toEqual([]);
  });

  it.each([
    ['hadb01', 'the primary, after the head start', '30'],
    ['hadb02', 'the secondary, at once', '0'],
  ])('in a partition, the other side shoots %s, %s', (lost, _, delay) => {
    const { stdout } = run(`settle /online.xml /run.xml
crm_simulate -x /run.xml -S --node-fail ${lost} -G /graph.xml >/dev/null; grep -o 'priority_fencing_delay="[^"]*"' /graph.xml | sort -u`);

    expect(/priority_fencing_delay="(\d+)"/.exec(stdout)?.[1]).toBe(delay);
  });

  it('at the first start does not shoot a member whose Pacemaker is not there yet', () => {
    const { stdout } = run(
      `sed -i '/uname="hadb02" in_ccm/s/crmd="online"\\(.*\\)join="member" expected="member"/crmd="offline"\\1join="down" expected="down"/' /first-online.xml
grep -c 'crmd="offline"' /first-online.xml; crm_simulate -x /first-online.xml -S`,
    );

    expect(stdout).toMatch(/^1\n/);
    expect(fencingsIn(stdout)).toEqual([]);
  });

  it('loses nothing of the configuration to its own tools', () => {
    const { stdout } = run(`cp /managed.xml /cib.xml
CIB_file=/cib.xml crm_attribute -n maintenance-mode -v true; CIB_file=/cib.xml crm_attribute -n maintenance-mode -v false
CIB_file=/cib.xml cibadmin --query`);

    expect(compareCib(parseCibConfiguration(files['/managed.xml']), parseCibConfiguration(stdout))).toEqual([]);
  });

  it('knows every pcmk_ parameter of the device', () => {
    const known =
      suite === 'bookworm'
        ? '/usr/lib/pacemaker/pacemaker-fenced metadata'
        : 'crm_resource --list-options=fencing --all --output-as=xml';

    const { stdout } = run(known);

    const names = deviceParameters(files['/managed.xml']).filter((name) => name.startsWith('pcmk_'));
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) expect(stdout).toContain(`<parameter name="${name}"`);
  });
});

it('the agent of Azure takes the rest of the device’s parameters, and knows the actions that are asked of it', () => {
  const specification = specificationOf({ fencing: 'azure' });
  const cib = renderCib({
    specification,
    platform: DEBIAN_12,
    profile: databaseProfile('mariadb'),
    timing: timingOf(specification),
    mode: 'managed',
    fencing: AZURE_FENCING,
  });

  const { stdout } = realTools('fencing').run('fence_azure_arm -o metadata');

  const names = deviceParameters(cib).filter((name) => !name.startsWith('pcmk_'));
  expect(names).toEqual(['msi', 'subscriptionId', 'resourceGroup', 'power_timeout']);
  for (const name of names) expect(stdout).toContain(`<parameter name="${name}"`);
  for (const action of ['off', 'monitor', 'status']) expect(stdout).toContain(`<action name="${action}"`);
}, 900_000);

const fencingsIn = (simulation: string): string[] =>
  [...simulation.matchAll(/^  \* Fencing (\S+) \((\S+)\)$/gm)].map(([, node, action]) => `${node} ${action}`);

const deviceParameters = (cib: string): string[] =>
  [...parseCibConfiguration(cib).settings.keys()].flatMap((name) => name.match(/^st-azure parameter (.*)$/)?.[1] ?? []);
