import { renderCib, type CibInput } from '../../../cluster/cib/cib';
import { compareCib, describeDifference, parseCibConfiguration } from '../../../cluster/cib/difference';
import { databaseProfile } from '../../../cluster/database/profile';
import type { Platform } from '../../../cluster/platform';
import { timingOf } from '../../../cluster/timing';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';

const cibInput = (changes: Partial<CibInput> = {}, platform: Platform = DEBIAN_12): CibInput => {
  const specification =
    changes.specification ?? specificationOf({ database: { engine: platform.engine ?? 'mariadb' } });
  return {
    specification,
    platform,
    profile: databaseProfile(specification.database.engine),
    timing: timingOf(specification),
    mode: 'managed',
    ...changes,
  };
};
const fenced = (changes: Partial<CibInput> = {}, platform: Platform = DEBIAN_12): CibInput =>
  cibInput(
    {
      specification: specificationOf({ fencing: 'azure', database: { engine: platform.engine ?? 'mariadb' } }),
      fencing: AZURE_FENCING,
      ...changes,
    },
    platform,
  );
const settingsOf = (input: CibInput) => parseCibConfiguration(renderCib(input)).settings;
const differences = (wanted: string, current: string) =>
  compareCib(parseCibConfiguration(wanted), parseCibConfiguration(current)).map(describeDifference);

describe('renderCib', () => {
  it('says plainly that nothing is fenced', () => {
    const cib = renderCib(cibInput());

    expect(cib).toContain('name="hadb-fencing" value="none"');
    expect(cib).toContain('name="stonith-enabled" value="false"');
  });

  it('uses the new name of fencing from 3.0.2 on, and tells DRBD’s handler by an alias that only it reads', () => {
    const cib = renderCib(cibInput({}, DEBIAN_SID));

    expect(cib).toContain('name="fencing-enabled" value="false"');
    expect(cib).toContain('name="stonith_enabled" value="false"');
    expect(cib).not.toContain('name="stonith-enabled"');
  });

  it.each([
    ['2.1.2', 'pacemaker-3.7'],
    ['2.1.5', 'pacemaker-3.9'],
    ['3.0.3', 'pacemaker-4.0'],
  ])('names a schema that Pacemaker %s has', (pacemakerVersion, schema) => {
    expect(renderCib(cibInput({ platform: { ...DEBIAN_12, pacemakerVersion } }))).toContain(
      `validate-with="${schema}"`,
    );
  });

  it('is in maintenance mode and elects quickly at the first start only', () => {
    const [first, managed] = [renderCib(cibInput({ mode: 'first-start' })), renderCib(cibInput())];

    expect(differences(managed, first)).toEqual([
      'property dc-deadtime is 2000 ms, wanted is 5000 ms',
      'property maintenance-mode is true, wanted is false',
    ]);
  });

  it('gives the database minutes to stop and the promotion more than the fence-peer handler needs', () => {
    const settings = settingsOf(cibInput());

    expect(settings.get('mysqld operation stop timeout')).toBe('300000 ms');
    expect(settings.get('drbd_mysql operation promote timeout')).toBe('130000 ms');
  });

  it('monitors every member of the group, and the responder, which waits for none of them', () => {
    const settings = settingsOf(cibInput());

    expect(settings.get('mysql order')).toBe('fs_mysql, mysqld');
    expect(settings.get('lb_mysql belongs to')).toBeUndefined();
    for (const id of ['fs_mysql', 'mysqld', 'lb_mysql']) {
      expect([...settings.keys()].filter((key) => key.startsWith(`${id} operation monitor every`))).not.toEqual([]);
    }
  });

  it('holds no password', () => {
    expect(renderCib(cibInput())).not.toMatch(/passw/i);
  });
});

describe('renderCib with fencing through Azure', () => {
  it('fences from the first second, in the same document as everything else', () => {
    const settings = settingsOf(fenced({ mode: 'first-start' }));

    expect(settings.get('property hadb-fencing')).toBe('azure');
    expect(settings.get('property fencing-enabled')).toBe('true');
    expect(settings.get('st-azure kind')).toBe('stonith:fence_azure_arm');
  });

  it('knows the machine of each node and asks with the identity of the machine that it runs on', () => {
    const settings = settingsOf(
      fenced({
        fencing: {
          ...AZURE_FENCING,
          hosts: [
            { node: 'hadb01', vm: 'vm-a' },
            { node: 'hadb02', vm: 'vm-b' },
          ],
        },
      }),
    );

    expect(settings.get('st-azure parameter pcmk_host_map')).toBe('hadb01:vm-a;hadb02:vm-b');
    expect(settings.get('st-azure parameter msi')).toBe('true');
    expect(settings.get('st-azure parameter resourceGroup')).toBe('hadb');
    expect(settings.get('st-azure parameter subscriptionId')).toBe(AZURE_FENCING.subscriptionId);
  });

  it('leaves a machine off that was shot, whoever asks', () => {
    const settings = settingsOf(fenced());

    expect(settings.get('property fencing-action')).toBe('off');
    expect(settings.get('st-azure parameter pcmk_reboot_action')).toBe('off');
  });

  it('gives the primary a head start, and something that the delay can weigh', () => {
    const settings = settingsOf(fenced());

    expect(settings.get('property priority-fencing-delay')).toBe('30000 ms');
    expect(settings.get('drbd_mysql meta priority')).toBe('10');
  });

  it('has the head start that the specification names', () => {
    const specification = specificationOf({ fencing: 'azure', fencingDelaySeconds: 5 });

    expect(settingsOf(fenced({ specification })).get('property priority-fencing-delay')).toBe('5000 ms');
  });

  it('gives up a fencing later than its agent, and promotes only after both', () => {
    const settings = settingsOf(fenced());
    const milliseconds = (name: string) => Number(settings.get(name)?.replace(' ms', ''));

    expect(milliseconds('st-azure parameter pcmk_off_timeout')).toBe(120_000);
    expect(milliseconds('property fencing-timeout')).toBeGreaterThan(150_000);
    expect(milliseconds('drbd_mysql operation promote timeout')).toBeGreaterThan(66_000 + 150_000);
  });

  it('uses the new names from 3.0.2 on, and tells DRBD’s handler by its alias', () => {
    const [old, renamed] = [renderCib(fenced()), renderCib(fenced({}, DEBIAN_SID))];

    for (const name of ['enabled', 'action', 'timeout']) {
      expect(old).toContain(`name="stonith-${name}"`);
      expect(old).not.toContain(`name="fencing-${name}"`);
      expect(renamed).toContain(`name="fencing-${name}"`);
      expect(renamed).not.toContain(`name="stonith-${name}"`);
    }
    expect(renamed).toContain('name="stonith_enabled" value="true"');
  });

  it.each<[string, () => CibInput]>([
    ['without a device', () => cibInput({ specification: specificationOf({ fencing: 'azure' }) })],
    ['with a device that nobody asked for', () => cibInput({ fencing: AZURE_FENCING })],
    ['with the time-outs of a cluster without fencing', () => fenced({ timing: timingOf(specificationOf()) })],
    [
      'without the machine of a node',
      () => fenced({ fencing: { ...AZURE_FENCING, hosts: AZURE_FENCING.hosts.slice(0, 1) } }),
    ],
    [
      'with the machine of a stranger',
      () =>
        fenced({
          fencing: {
            ...AZURE_FENCING,
            hosts: [
              { node: 'hadb01', vm: 'a' },
              { node: 'other', vm: 'b' },
            ],
          },
        }),
    ],
    [
      'with one machine for both nodes',
      () =>
        fenced({
          fencing: {
            ...AZURE_FENCING,
            hosts: [
              { node: 'hadb01', vm: 'a' },
              { node: 'hadb02', vm: 'a' },
            ],
          },
        }),
    ],
    [
      'with a machine whose name would be read as a further one',
      () =>
        fenced({
          fencing: {
            ...AZURE_FENCING,
            hosts: [
              { node: 'hadb01', vm: 'a;x:b' },
              { node: 'hadb02', vm: 'c' },
            ],
          },
        }),
    ],
  ])('refuses %s', (_, input) => {
    expect(() => renderCib(input())).toThrow(expect.objectContaining({ code: 'Internal' }) as Error);
  });
});

describe('compareCib', () => {
  const wanted = renderCib(cibInput());

  it('finds nothing between a CIB and itself', () => {
    expect(differences(wanted, wanted)).toEqual([]);
  });

  it('does not mind what Pacemaker adds, how values are spelt, ids of helper elements, or the order of operations', () => {
    const current = wanted
      .replace(
        '<nvpair id="cib-bootstrap-options-cluster-name"',
        '<nvpair id="x1" name="dc-version" value="2.1.5-a3f44794f94"/><nvpair id="x2" name="have-watchdog" value="false"/>$&',
      )
      .replace('name="maintenance-mode" value="false"', 'name="maintenance-mode" value="off"')
      .replace('interval="10s" timeout="30s"', 'interval="10000ms" timeout="30"')
      .replace(/id="mysqld-monitor-10"/, 'id="renamed"')
      .replaceAll('"Promoted"', '"Master"')
      .replace(/(<op id="fs_mysql-start-0"[^>]*>)\s*(<op id="fs_mysql-stop-0"[^>]*>)/, '$2$1')
      .replace(
        '<node id="1" uname="hadb01"/>',
        '<node id="1" uname="hadb01"><instance_attributes id="n"><nvpair id="n1" name="standby" value="off"/></instance_attributes></node>',
      );

    expect(current).not.toBe(wanted);
    expect(differences(wanted, current)).toEqual([]);
  });

  it('takes the names before and after Pacemaker 3.0.2 for the same', () => {
    const platform = { ...DEBIAN_SID, responderAgentWorks: true };

    expect(differences(renderCib(cibInput()), renderCib({ ...cibInput(), platform }))).toEqual([]);
  });

  it('takes the names of fencing before and after Pacemaker 3.0.2 for the same', () => {
    const platform = { ...DEBIAN_SID, responderAgentWorks: true };

    expect(differences(renderCib(fenced()), renderCib({ ...fenced(), platform }))).toEqual([]);
  });

  it('names all that separates a cluster without fencing from one with it', () => {
    expect(differences(renderCib(fenced()), wanted)).toEqual(
      expect.arrayContaining([
        'property hadb-fencing is none, wanted is azure',
        'property fencing-enabled is false, wanted is true',
        'property priority-fencing-delay is not set, wanted is 30000 ms',
        'drbd_mysql meta priority is not set, wanted is 10',
        'st-azure kind is not set, wanted is stonith:fence_azure_arm',
      ]),
    );
  });

  it.each<[string, (cib: string) => string, string]>([
    [
      'fencing that was switched off',
      (cib) => cib.replace('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"'),
      'property fencing-enabled is false, wanted is true',
    ],
    [
      'a reboot instead of a power-off',
      (cib) => cib.replace('name="pcmk_reboot_action" value="off"', 'name="pcmk_reboot_action" value="reboot"'),
      'st-azure parameter pcmk_reboot_action is reboot, wanted is off',
    ],
    [
      'a machine of another name',
      (cib) => cib.replace('hadb02:hadb02', 'hadb02:old'),
      'st-azure parameter pcmk_host_map is hadb01:hadb01;hadb02:old, wanted is hadb01:hadb01;hadb02:hadb02',
    ],
    [
      'a head start that was taken away',
      (cib) => cib.replace(/<nvpair [^>]*name="priority-fencing-delay"[^>]*>/, ''),
      'property priority-fencing-delay is not set, wanted is 30000 ms',
    ],
    [
      'a device that is gone',
      (cib) => cib.replace(/<primitive id="st-azure"[^]*?<\/primitive>/, ''),
      'st-azure kind is not set, wanted is stonith:fence_azure_arm',
    ],
  ])('reports %s', (_, change, expected) => {
    const cib = renderCib(fenced());

    expect(differences(cib, change(cib))).toContain(expected);
  });

  it('reports a fence-peer handler that is told something else than Pacemaker', () => {
    const cib = renderCib(fenced({}, DEBIAN_SID));
    const deceived = cib.replace('name="stonith_enabled" value="true"', 'name="stonith_enabled" value="false"');

    expect(differences(cib, deceived)).toEqual(['property stonith_enabled is false, and is not wanted']);
  });

  it.each<[string, (cib: string) => string, string]>([
    [
      'a quorum policy set by hand',
      (cib) => cib.replace('value="stop"', 'value="ignore"'),
      'property no-quorum-policy is ignore, wanted is stop',
    ],
    [
      'a shorter stop time-out',
      (cib) =>
        cib.replace(
          '"mysqld-stop-0" name="stop" interval="0s" timeout="300s"',
          '"mysqld-stop-0" name="stop" interval="0s" timeout="20s"',
        ),
      'mysqld operation stop timeout is 20000 ms, wanted is 300000 ms',
    ],
    [
      'a lost monitor',
      (cib) => cib.replace(/<op id="lb_mysql-monitor-10"[^>]*>/, ''),
      'lb_mysql operation monitor every 10000 ms timeout is not set, wanted is 20000 ms',
    ],
    [
      'a lost constraint',
      (cib) => cib.replace(/<rsc_colocation[^>]*>/, ''),
      'constraint mysql_on_drbd is not set, wanted is rsc_colocation',
    ],
    [
      'a further property',
      (cib) =>
        cib.replace(
          '</cluster_property_set>',
          '<nvpair id="y" name="symmetric-cluster" value="false"/></cluster_property_set>',
        ),
      'property symmetric-cluster is false, and is not wanted',
    ],
    [
      'another agent',
      (cib) => cib.replace('provider="hadb" type="mysql"', 'provider="heartbeat" type="mysql"'),
      'mysqld kind is ocf:heartbeat:mysql, wanted is ocf:hadb:mysql',
    ],
    [
      'a node in standby',
      (cib) =>
        cib.replace(
          '<node id="1" uname="hadb01"/>',
          '<node id="1" uname="hadb01"><instance_attributes id="n"><nvpair id="n1" name="standby" value="on"/></instance_attributes></node>',
        ),
      'node hadb01 attribute standby is true, and is not wanted',
    ],
    [
      'another order of the group',
      (cib) =>
        cib
          .replace(/<primitive id="mysqld"[^]*?<\/primitive>/, '')
          .replace('<group id="mysql">', `$&${/<primitive id="mysqld"[^]*?<\/primitive>/.exec(cib)?.[0]}`),
      'mysql order is mysqld, fs_mysql, wanted is fs_mysql, mysqld',
    ],
    [
      'a responder that waits for the server again',
      (cib) =>
        cib
          .replace(/<primitive id="lb_mysql"[^]*?<\/primitive>/, '')
          .replace('</group>', `${/<primitive id="lb_mysql"[^]*?<\/primitive>/.exec(cib)?.[0]}$&`),
      'mysql order is fs_mysql, mysqld, lb_mysql, wanted is fs_mysql, mysqld',
    ],
  ])('reports %s', (_, change, expected) => {
    expect(differences(wanted, change(wanted))).toContain(expected);
  });

  it('tells leftovers of moves and of the fence-peer handler apart from configuration', () => {
    const current = wanted.replace(
      '</constraints>',
      `<rsc_location id="cli-ban-ms_drbd_mysql-on-hadb01" rsc="ms_drbd_mysql" role="Promoted" node="hadb01" score="-INFINITY"/>
       <rsc_location rsc="ms_drbd_mysql" id="drbd-fence-by-handler-r0-ms_drbd_mysql"><rule role="Master" score="-INFINITY" id="r"><expression attribute="#uname" operation="ne" value="hadb02" id="e"/></rule></rsc_location></constraints>`,
    );

    expect(differences(wanted, current)).toEqual([]);
    expect(parseCibConfiguration(current).leftovers).toEqual([
      'cli-ban-ms_drbd_mysql-on-hadb01',
      'drbd-fence-by-handler-r0-ms_drbd_mysql',
    ]);
  });

  it.each(['', 'Call cib_query failed (-107): Transport endpoint is not connected', '<cib><configuration>'])(
    'refuses %j, which is no CIB',
    (text) => {
      expect(() => parseCibConfiguration(text)).toThrow('cibadmin --query');
    },
  );
});
