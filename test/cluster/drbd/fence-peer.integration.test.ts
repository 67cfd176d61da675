import { renderCibForSimulation } from '../../../cluster/cib/cib';
import { parseCibConfiguration } from '../../../cluster/cib/difference';
import { databaseProfile } from '../../../cluster/database/profile';
import { FENCE_PEER_HANDLER, handlerPaths, renderFencePeerHandler } from '../../../cluster/drbd/fence-peer-handler';
import { timingOf } from '../../../cluster/timing';
import { realTools, type RealTools } from '../real-tools';
import { AZURE_FENCING, DEBIAN_12, DEBIAN_SID, specificationOf } from '../specimens';

/**
 * DRBD's own fence-peer handler on hadb01, promoted after the loss of hadb02, over hadb's CIB. Only the path of /proc/drbd is
 * another one, because no module is loaded here. Prints its exit code, the seconds it took, and the CIB.
 */
const handler = (timeoutSeconds: number): string => `mkdir -p /handler /var/lock /run/lock
sed 's#/proc/drbd#/proc-drbd#g' /usr/lib/drbd/crm-fence-peer.sh >/handler/crm-fence-peer.sh
printf 'version: 8.4.11\\n\\n 1: cs:WFConnection ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----\\n' >/proc-drbd
sed -i "/uname=\\"hadb02\\"/s/in_ccm=.*>/$LOST>/" /cib.xml
export CIB_file=/cib.xml DRBD_RESOURCE=r0 DRBD_PEER=hadb02 DRBD_MINOR=1
begin=$(cut -d. -f1 /proc/uptime); code=0
bash /handler/crm-fence-peer.sh --timeout ${timeoutSeconds} --dc-timeout ${timeoutSeconds + 1} >/dev/null 2>&1 || code=$?
echo "exit $code after $(($(cut -d. -f1 /proc/uptime) - begin)) s"
cibadmin --query
`;
/** The handler at its own path, for the promotion of hadb01 while Pacemaker says `state` of hadb02. */
const fenced = (what: {
  path: string;
  state: string;
  timeoutSeconds: number;
  disk: string;
}): string => `mkdir -p /var/lock /run/lock
sed -i 's#/proc/drbd#/proc-drbd#g' /usr/lib/drbd/crm-fence-peer.sh
printf 'version: 8.4.11\\n\\n 1: cs:WFConnection ro:Secondary/Unknown ds:${what.disk}/DUnknown C r-----\\n' >/proc-drbd
sed -i "/uname=\\"hadb02\\"/s/in_ccm=.*>/${what.state}>/" /cib.xml
export CIB_file=/cib.xml DRBD_RESOURCE=r0 DRBD_PEER=hadb02 DRBD_MINOR=1
begin=$(cut -d. -f1 /proc/uptime); code=0
${what.path} --timeout ${what.timeoutSeconds} --dc-timeout ${what.timeoutSeconds + 1} >/dev/null 2>&1 || code=$?
echo "exit $code after $(($(cut -d. -f1 /proc/uptime) - begin)) s"
cibadmin --query
`;
/** There is no syslog, and a logger that ends would end the handler. */
const LOGGER = { '/usr/local/bin/logger': '#!/bin/sh\nexec cat >/dev/null\n' };
/** How Pacemaker writes a node that it has lost: words before 2.1.7, times since. */
const LOST_BEFORE = 'in_ccm=\\"false\\" crmd=\\"offline\\" join=\\"down\\" expected=\\"down\\"';
const LOST_SINCE = 'in_ccm=\\"0\\" crmd=\\"0\\" join=\\"down\\" expected=\\"member\\"';

describe.each([
  ['bookworm', DEBIAN_12, LOST_BEFORE, 7],
  ['sid', DEBIAN_SID, LOST_SINCE, 5],
] as const)('the fence-peer handler of Debian %s', (suite, platform, lost, exitCode) => {
  const specification = specificationOf({ database: { engine: platform.engine ?? 'mariadb' } });
  const cib = renderCibForSimulation({
    specification,
    platform,
    profile: databaseProfile(specification.database.engine),
    timing: timingOf(specification),
    mode: 'managed',
  });
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);
  const run = (text: string, timeoutSeconds: number) => {
    const { stdout } = tools.run(`LOST='${lost}'\n${handler(timeoutSeconds)}`, {
      files: { '/cib.xml': text, ...LOGGER },
    });
    const [, code, seconds] = /^exit (\d+) after (\d+) s$/m.exec(stdout) ?? [];
    return { code: Number(code), seconds: Number(seconds), cib: stdout.slice(stdout.indexOf('<cib ')) };
  };

  it('lets the survivor be promoted without waiting for its time-out, and keeps the lost node from it', () => {
    const result = run(cib, 50);

    expect(result.code).toBe(exitCode);
    expect(result.seconds).toBeLessThan(50);
    expect(parseCibConfiguration(result.cib).leftovers).toEqual(['drbd-fence-by-handler-r0-ms_drbd_mysql']);
  });
});

/** A living peer, as each writes it. */
const ALIVE_BEFORE = 'in_ccm=\\"true\\" crmd=\\"online\\" join=\\"member\\" expected=\\"member\\"';
const ALIVE_SINCE = 'in_ccm=\\"1763871000\\" crmd=\\"1763871001\\" join=\\"member\\" expected=\\"member\\"';
const shot = (state: string): string => state.replace('expected=\\"member\\"', 'expected=\\"down\\"');

describe.each([
  ['bookworm, its own', 'bookworm', DEBIAN_12, LOST_BEFORE, ALIVE_BEFORE],
  ['sid, by ours', 'sid', DEBIAN_SID, LOST_SINCE, ALIVE_SINCE],
] as const)('with fencing, the fence-peer handler of Debian %s', (_, suite, platform, lost, alive) => {
  const specification = specificationOf({ fencing: 'azure', database: { engine: platform.engine ?? 'mariadb' } });
  const cib = renderCibForSimulation({
    specification,
    platform,
    profile: databaseProfile(specification.database.engine),
    timing: timingOf(specification),
    mode: 'managed',
    fencing: AZURE_FENCING,
  });
  const path = handlerPaths(specification, platform).fence;
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);
  const run = (state: string, { timeoutSeconds = 50, disk = 'UpToDate', crmadmin = 'exit 1' } = {}) => {
    const { stdout } = tools.run(fenced({ path, state, timeoutSeconds, disk }), {
      files: {
        '/cib.xml': cib,
        [FENCE_PEER_HANDLER.path]: renderFencePeerHandler(),
        '/usr/local/bin/crmadmin': `#!/bin/sh\ncase "$*" in *--version*) exit 0 ;; esac\n${crmadmin}\n`,
        ...LOGGER,
      },
    });
    const [, code, seconds] = /^exit (\d+) after (\d+) s$/m.exec(stdout) ?? [];
    const { leftovers } = parseCibConfiguration(stdout.slice(stdout.indexOf('<cib ')));
    return { code: Number(code), seconds: Number(seconds), leftovers };
  };
  const CONSTRAINT = 'drbd-fence-by-handler-r0-ms_drbd_mysql';

  it('is the one that the resource file names', () => {
    expect(path === FENCE_PEER_HANDLER.path).toBe(suite === 'sid');
  });

  it('says at once that a peer that was shot is dead, and keeps it from being promoted', () => {
    const result = run(shot(lost));

    expect(result).toMatchObject({ code: 7, leftovers: [CONSTRAINT] });
    expect(result.seconds).toBeLessThan(5);
  });

  it('waits for the shot as long as it may', () => {
    const result = run(lost.replace('expected=\\"down\\"', 'expected=\\"member\\"'), { timeoutSeconds: 8 });

    expect(result.code).toBe(5);
    expect(result.seconds).toBeGreaterThanOrEqual(8);
  });

  it('does not take a copy that may be old for the better one because the peer was shot', () => {
    expect(run(shot(lost), { disk: 'Consistent' })).toMatchObject({ code: 5, leftovers: [] });
  });

  it('outdates a peer that lives and has only lost its link', () => {
    const result = run(alive, { crmadmin: 'echo "Controller on hadb02 in state S_IDLE: ok"' });

    expect(result).toMatchObject({ code: 4, leftovers: [CONSTRAINT] });
    expect(result.seconds).toBeLessThan(5);
  });
});

it('is replaced for a reason: the stock handler of sid waits its whole time-out for a peer that was shot', () => {
  const specification = specificationOf({ fencing: 'azure', database: { engine: 'mysql' } });
  const cib = renderCibForSimulation({
    specification,
    platform: DEBIAN_SID,
    profile: databaseProfile('mysql'),
    timing: timingOf(specification),
    mode: 'managed',
    fencing: AZURE_FENCING,
  });
  const stock = {
    path: '/usr/lib/drbd/crm-fence-peer.sh',
    state: shot(LOST_SINCE),
    timeoutSeconds: 8,
    disk: 'UpToDate',
  };

  const { stdout } = realTools('sid').run(fenced(stock), { files: { '/cib.xml': cib, ...LOGGER } });

  expect(/^exit (\d+)/m.exec(stdout)?.[1]).toBe('5');
  expect(Number(/after (\d+) s/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(8);
});

it('would wait its whole time-out on Pacemaker 3 without the alias of the fencing property', () => {
  const specification = specificationOf({ database: { engine: 'mysql' } });
  const cib = renderCibForSimulation({
    specification,
    platform: DEBIAN_SID,
    profile: databaseProfile('mysql'),
    timing: timingOf(specification),
    mode: 'managed',
  }).replace('name="stonith_enabled"', 'name="nobody-reads-this"');

  const { stdout } = realTools('sid').run(`LOST='${LOST_SINCE}'\n${handler(8)}`, {
    files: { '/cib.xml': cib, ...LOGGER },
  });

  expect(Number(/after (\d+) s/.exec(stdout)?.[1])).toBeGreaterThanOrEqual(8);
});
