import { renderCib, renderCibForSimulation, type CibInput } from '../../../cluster/cib/cib';
import { clusterProblems, parseCrmMon, promotedNodes } from '../../../cluster/cib/crm-mon';
import { compareCib, parseCibConfiguration } from '../../../cluster/cib/difference';
import { disruptions, parseCrmSimulate } from '../../../cluster/cib/tools';
import { databaseProfile } from '../../../cluster/database/profile';
import { timingOf } from '../../../cluster/timing';
import { realTools, type RealTools } from '../real-tools';
import { DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';

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

  it('takes over in the right order when a node is lost', () => {
    const { stdout } = run('settle /online.xml /run.xml; crm_simulate -x /run.xml -S --node-fail hadb01');

    const { actions } = parseCrmSimulate(stdout);
    expect(
      actions
        .filter(({ action, node }) => ['promote', 'start'].includes(action) && node === 'hadb02')
        .map(({ action, resource }) => `${action} ${resource}`),
    ).toEqual(['promote drbd_mysql', 'start fs_mysql', 'start mysqld', 'start lb_mysql']);
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
