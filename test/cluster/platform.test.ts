import { parsePlatform, platformDifferences, requireVersion } from '../../cluster/platform';
import { isAtLeast, upstreamVersion } from '../../cluster/versions';
import { DEBIAN_12, DEBIAN_SID } from './specimens';

const BASE = `osId=debian
osVersion=12
osCodename=bookworm
hostName=hadb01
kernel=6.1.0-40-cloud-amd64
bootId=3f0c3f8e-8a3c-4a55-9a62-0d5a4cbb2f11
`;
const GOLDEN = `${BASE}drbdModule=8.4.11
drbdLoaded=yes
package=corosync hi  3.1.7-1+deb12u1
package=crmsh ii  4.4.1-1
package=drbd-utils hi  9.22.0-1
package=mariadb-server ii  1:10.11.19-0+deb12u1
package=pacemaker hi  2.1.5-1+deb12u1
user=mysql:x:105:110:MySQL Server,,,:/nonexistent:/bin/false
dataDisk=/dev/disk/azure/scsi1/lun0
`;

describe('parsePlatform', () => {
  it('reads a golden Debian 12 node, held packages included', () => {
    expect(parsePlatform(GOLDEN)).toEqual(DEBIAN_12);
  });

  it('reads a clean node: nothing installed, what the archive offers', () => {
    const platform = parsePlatform(
      `${BASE}package=pacemaker un \npackage=drbd-utils rc  9.22.0-1\noffered=mariadb 1:10.11.19-0+deb12u1\nmissingAgent=linbit/drbd\n`,
    );

    expect(platform).toMatchObject({
      drbdModuleLoaded: false,
      offered: { mariadb: '10.11.19' },
      missingAgents: ['linbit/drbd'],
      fencePeerHandlerWorks: false,
    });
    expect(platform.pacemakerVersion).toBeUndefined();
    expect(platform.drbdUtilsVersion).toBeUndefined();
    expect(() => requireVersion(platform, 'pacemakerVersion')).toThrow('hadb01 has no Pacemaker');
  });

  it.each([
    ['9.22.0', '2.1.5', '', true],
    ['9.22.0', '2.1.6', '', true],
    ['9.22.0', '2.1.7', '', false],
    ['9.22.0', '3.0.3', '', false],
    ['9.15.0', '2.1.2', '', false],
    ['9.28.0', '3.0.3', 'handlerReadsTimestamps=yes\n', true],
  ])('drbd-utils %s beside Pacemaker %s: handler works', (utils, pacemaker, more, works) => {
    const platform = parsePlatform(
      `${BASE}package=drbd-utils ii  ${utils}-1\npackage=pacemaker ii  ${pacemaker}-1\n${more}`,
    );

    expect(platform.fencePeerHandlerWorks).toBe(works);
  });

  it('knows a stock agent that does not run', () => {
    expect(parsePlatform(GOLDEN).responderAgentWorks).toBe(true);
    expect(parsePlatform(`${GOLDEN}responderAgentBroken=yes\n`).responderAgentWorks).toBe(false);
  });

  it('refuses the answer of something that is no Debian', () => {
    expect(() => parsePlatform('sh: 1: .: cannot open /etc/os-release\n')).toThrow('platform probe');
  });
});

describe('platformDifferences', () => {
  it('names what differs between the nodes of a pair, and where', () => {
    expect(platformDifferences(DEBIAN_12, { ...DEBIAN_SID, hostName: 'hadb02' })).toContain(
      'database server: mariadb 10.11.19 on hadb01, mysql 9.7.4 on hadb02',
    );
  });

  it('finds none between equals', () => {
    expect(platformDifferences(DEBIAN_12, { ...DEBIAN_12, hostName: 'hadb02', bootId: 'other' })).toEqual([]);
  });
});

describe('versions', () => {
  it.each([
    ['2.1.7', '2.1.5', true],
    ['2.1.5', '2.1.7', false],
    ['3.0.0', '2.1.7', true],
    ['9.22', '9.22.0', true],
    ['10.0', '9.9.9', true],
    ['1:10.11.19-0+deb12u1', '10.11.19', true],
  ])('%s at least %s: %s', (version, minimum, expected) => {
    expect(isAtLeast(version, minimum)).toBe(expected);
  });

  it.each([
    ['5.0.0~rc1-1', '5.0.0'],
    ['8.0.46-0ubuntu0.24.04.1', '8.0.46'],
    ['9.7.4-2', '9.7.4'],
  ])('upstream version of %s is %s', (version, upstream) => {
    expect(upstreamVersion(version)).toBe(upstream);
  });
});
