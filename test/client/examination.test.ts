import { examine, isFit } from '../../client/examination';
import type { ExaminationInput } from '../../client/examination';
import type { Host } from '../../client/host';
import { installHostPackages } from '../../client/host-packages';

const GIB = 1024 ** 3;

interface HostForTests extends Host {
  ran: string[];
}

function hostForTests(fields: Partial<Host> & { exits?: number[] } = {}): HostForTests {
  const ran: string[] = [];
  const exits = [...(fields.exits ?? [])];
  return {
    nodeVersion: '22.12.0',
    isRoot: true,
    systems: ['debian'],
    findProgram: (name) => `/usr/bin/${name}`,
    freeBytes: () => 50 * GIB,
    canListen: async () => true,
    hasPackageLists: () => true,
    canDownload: async () => true,
    ran,
    async run(command, args, environment = {}) {
      const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      ran.push([...settings, command, ...args].join(' '));
      return exits.shift() ?? 0;
    },
    ...fields,
  };
}

const input: ExaminationInput = {
  stateDirectory: '/s',
  cacheDirectory: '/c',
  missingPackages: [],
  temporal: { found: '/usr/bin/temporal' },
};

const stateOf = async (host: Host, name: string, changes: Partial<ExaminationInput> = {}) =>
  (await examine(host, { ...input, ...changes })).find((finding) => finding.name === name);

describe('the examination of this machine', () => {
  it('tells what of the state of the lab cannot be read', async () => {
    const labProblem = '/s/lab/lab.json is not JSON. Remove the state of the lab';

    const findings = await examine(hostForTests(), { ...input, labProblem });

    expect(findings).toContainEqual({ name: 'state of the lab', state: 'missing', detail: labProblem });
    expect(isFit(findings)).toBe(false);
  });

  it('is content with one that has everything', async () => {
    const findings = await examine(hostForTests(), input);

    expect(findings.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(isFit(findings)).toBe(true);
  });

  it.each([
    ['18.20.0', 'missing'],
    ['20.18.9', 'missing'],
    ['20.19.0', 'warning'],
    ['22.0.0', 'ok'],
    ['24.1.0', 'ok'],
  ])('judges Node.js %s as %s', async (nodeVersion, state) => {
    expect(await stateOf(hostForTests({ nodeVersion }), 'Node.js')).toMatchObject({ state });
  });

  it('gives the command that installs missing packages, with sudo for an ordinary user', async () => {
    const missing = { missingPackages: ['mmdebstrap', 'patchelf'] };

    expect(await stateOf(hostForTests(), 'programs of the lab', missing)).toMatchObject({
      state: 'missing',
      fix: 'apt-get install -y --no-install-recommends mmdebstrap patchelf',
    });
    expect(await stateOf(hostForTests({ isRoot: false }), 'programs of the lab', missing)).toMatchObject({
      fix: 'sudo apt-get install -y --no-install-recommends mmdebstrap patchelf',
    });
    expect(await stateOf(hostForTests({ systems: ['fedora'] }), 'programs of the lab', missing)).toMatchObject({
      fix: 'install the equivalents of mmdebstrap patchelf',
    });
  });

  it('tells how the Temporal server will be got, and what to do when there is no way', async () => {
    expect(
      await stateOf(hostForTests(), 'Temporal development server', { temporal: { obtainable: 'go install' } }),
    ).toMatchObject({ state: 'ok', detail: expect.stringContaining('go install') });
    expect(await stateOf(hostForTests(), 'Temporal development server', { temporal: undefined })).toMatchObject({
      state: 'missing',
      fix: expect.stringContaining('TEMPORAL_CLI_PATH'),
    });
  });

  it('wants space for images and machines, and names the variable that moves them', async () => {
    const full = hostForTests({ freeBytes: (directory) => (directory === '/c' ? GIB : 50 * GIB) });

    expect(await stateOf(full, 'disk space for images')).toMatchObject({
      state: 'missing',
      detail: '1.0 GiB free in /c; 4.0 GiB are needed',
      fix: expect.stringContaining('HADB_CACHE_DIR'),
    });
    expect(await stateOf(full, 'disk space for machines')).toMatchObject({ state: 'ok' });
  });

  it('warns of little shared memory and refuses a host without loopback addresses', async () => {
    const host = hostForTests({
      freeBytes: (directory) => (directory === '/dev/shm' ? GIB / 16 : 50 * GIB),
      canListen: async () => false,
    });

    expect(await stateOf(host, 'shared memory')).toMatchObject({ state: 'warning' });
    expect(await stateOf(host, 'loopback addresses')).toMatchObject({ state: 'missing' });
  });

  it('wants the package mirror only while there is no image', async () => {
    const packageMirror = { url: 'http://mirror/debian', reachable: false };

    expect(await stateOf(hostForTests(), 'Debian archive')).toBeUndefined();
    expect(await stateOf(hostForTests(), 'Debian archive', { packageMirror })).toMatchObject({ state: 'missing' });
  });
});

describe('installing packages of the host', () => {
  const install = async (host: HostForTests, packages = ['patchelf']) => {
    const said: string[] = [];
    await installHostPackages(host, packages, (_code, message) => said.push(message));
    return said;
  };

  it('does nothing when nothing is missing', async () => {
    const host = hostForTests();

    expect(await install(host, [])).toEqual([]);
    expect(host.ran).toEqual([]);
  });

  it('says the command before it runs it', async () => {
    const host = hostForTests();

    const said = await install(host);

    expect(said).toEqual(['installing packages of this computer: apt-get install -y --no-install-recommends patchelf']);
    expect(host.ran).toEqual(['DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends patchelf']);
  });

  it('fetches the package lists first on a machine that has none', async () => {
    const host = hostForTests({ hasPackageLists: () => false });

    await install(host);

    expect(host.ran.map((command) => command.split(' ').slice(1, 3).join(' '))).toEqual([
      'apt-get update',
      'apt-get install',
    ]);
  });

  it('fetches new lists when the old ones name what is gone, and then fails for good', async () => {
    const stale = hostForTests({ exits: [100, 0, 0] });
    const broken = hostForTests({ exits: [100, 0, 100] });

    await install(stale);

    expect(stale.ran).toHaveLength(3);
    await expect(install(broken)).rejects.toMatchObject({ code: 'HADB_E4009' });
  });

  it('asks sudo for the right, and keeps the settings behind it', async () => {
    const host = hostForTests({ isRoot: false });

    await install(host);

    expect(host.ran).toEqual([
      'sudo DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends patchelf',
    ]);
  });

  it('names the packages and stops where it cannot install', async () => {
    const fedora = hostForTests({ systems: ['fedora'] });
    const noSudo = hostForTests({ isRoot: false, findProgram: () => undefined });

    await expect(install(fedora)).rejects.toThrow(/equivalents of patchelf/);
    await expect(install(noSudo)).rejects.toThrow(/As root, run: apt-get install -y --no-install-recommends patchelf/);
    expect([...fedora.ran, ...noSudo.ran]).toEqual([]);
  });
});
