import { fencingDifferences, withFencing } from '../../../cluster/cib/change-fencing';
import { renderCib, renderCibForSimulation, type CibInput } from '../../../cluster/cib/cib';
import { compareCib, describeDifference, parseCibConfiguration } from '../../../cluster/cib/difference';
import { databaseProfile } from '../../../cluster/database/profile';
import { timingOf } from '../../../cluster/timing';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';

describe.each([
  ['2.1.5', DEBIAN_12],
  ['3.0.3', DEBIAN_SID],
] as const)('fencing put into a live CIB of Pacemaker %s', (_, platform) => {
  const inputOf = (fencing: 'none' | 'azure'): CibInput => {
    const specification = specificationOf({ fencing });
    return {
      specification,
      platform,
      profile: databaseProfile('mariadb'),
      timing: timingOf(specification),
      mode: 'managed',
      ...(fencing === 'azure' ? { fencing: AZURE_FENCING } : {}),
    };
  };
  const [none, azure] = [inputOf('none'), inputOf('azure')];
  const live = renderCibForSimulation(none);
  const differences = (wanted: string, current: string) =>
    compareCib(parseCibConfiguration(wanted), parseCibConfiguration(current)).map(describeDifference);

  it('gives what a new cluster has, one epoch later, with the status as it was', () => {
    const next = withFencing(live, azure);

    expect(differences(renderCib(azure), next)).toEqual([]);
    expect(next).toMatch(/^<cib [^>]* epoch="101"/m);
    expect(next.slice(next.indexOf('<status'))).toBe(live.slice(live.indexOf('<status')));
  });

  it('is there once it was put in, and changes nothing the second time', () => {
    const next = withFencing(live, azure);

    expect(fencingDifferences(live, azure)).not.toEqual([]);
    expect(fencingDifferences(next, azure)).toEqual([]);
    expect(withFencing(next, azure).replace('epoch="102"', 'epoch="101"')).toBe(next);
  });

  it('leaves alone what an operator has set besides', () => {
    const odd = live
      .replace('name="no-quorum-policy" value="stop"', 'name="no-quorum-policy" value="freeze"')
      .replace(
        '</resources>',
        `<primitive id="mail" class="ocf" provider="heartbeat" type="MailTo"><instance_attributes id="m"><nvpair id="m-s" name="subject" value=" two &lt;lines&gt;&#10;&quot;quoted&quot; &amp;c "/></instance_attributes></primitive></resources>`,
      );

    const next = withFencing(odd, azure);

    expect(differences(renderCib(azure), next)).toEqual(
      expect.arrayContaining(['property no-quorum-policy is freeze, wanted is stop']),
    );
    expect(next).toContain('value=" two &lt;lines&gt;&#10;&quot;quoted&quot; &amp;c "');
    expect(fencingDifferences(next, azure)).toEqual([]);
  });

  it('takes a machine of another name for a difference, and puts it right', () => {
    const renamed = withFencing(live, azure).replace('hadb02:hadb02', 'hadb02:old');

    expect(fencingDifferences(renamed, azure).map(describeDifference)).toEqual([
      'st-azure parameter pcmk_host_map is hadb01:hadb01;hadb02:old, wanted is hadb01:hadb01;hadb02:hadb02',
    ]);
    expect(fencingDifferences(withFencing(renamed, azure), azure)).toEqual([]);
  });

  it.each<[string, (cib: string) => string]>([
    ['without DRBD', (cib) => cib.replace(/<clone id="ms_drbd_mysql"[^]*?<\/clone>/, '')],
    ['without a promotion to give time to', (cib) => cib.replace(/<op id="drbd_mysql-promote-0"[^>]*>/, '')],
    ['without properties', (cib) => cib.replace(/<cluster_property_set[^]*?<\/cluster_property_set>/, '')],
  ])('is refused for a configuration %s', (_case, spoil) => {
    expect(spoil(live)).not.toBe(live);
    expect(() => withFencing(spoil(live), azure)).toThrow(expect.objectContaining({ code: 'GuardRefused' }) as Error);
  });

  it('is seen where the specification has none', () => {
    expect(fencingDifferences(live, none)).toEqual([]);
    expect(fencingDifferences(withFencing(live, azure), none).map(describeDifference)).toEqual(
      expect.arrayContaining(['property hadb-fencing is azure, wanted is none']),
    );
  });
});
