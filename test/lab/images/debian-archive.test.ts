import {
  chooseArchive,
  DEBIAN_KEYRING,
  parseSources,
  PUBLIC_ARCHIVE,
  renderSources,
} from '../../../lab/images/debian-archive';

const MIRROR = 'http://mirror.example/debian';

describe('parseSources', () => {
  it.each([
    ['plain', `deb ${MIRROR} bookworm main contrib\n`],
    ['with options', `deb [arch=amd64 trusted=yes] ${MIRROR} bookworm main\n`],
    ['whose key is told by its fingerprint', `deb [signed-by=6ED0E7B82643E131] ${MIRROR} bookworm main\n`],
    ['after blanks, with a comment', `  deb ${MIRROR} bookworm main # ours\n`],
  ])('reads a one-line source, %s', (_, text) => {
    expect(parseSources('sources.list', text)).toEqual([{ uris: [MIRROR], suites: ['bookworm'] }]);
  });

  it('reads where the keys of a mirror lie, in both formats', () => {
    const oneLine = `deb [arch=amd64 signed-by=/k.gpg] ${MIRROR} bookworm main\n`;
    const deb822 = `Types: deb\nURIs: ${MIRROR}\nSuites: bookworm\nComponents: main\nSigned-By: /k.gpg\n`;

    const source = { uris: [MIRROR], suites: ['bookworm'], keyring: '/k.gpg' };
    expect(parseSources('house.list', oneLine)).toEqual([source]);
    expect(parseSources('house.sources', deb822)).toEqual([source]);
  });

  it('takes a key that stands in the sources themselves for no file', () => {
    const key = 'Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----\n';
    const text = `Types: deb\nURIs: ${MIRROR}\nSuites: bookworm\nComponents: main\n${key}`;

    expect(parseSources('house.sources', text)).toEqual([{ uris: [MIRROR], suites: ['bookworm'] }]);
  });

  it.each([
    ['source packages', `deb-src ${MIRROR} bookworm main`],
    ['comments', `# deb ${MIRROR} bookworm main`],
    ['sources without main', `deb ${MIRROR} bookworm contrib`],
  ])('skips %s', (_, text) => {
    expect(parseSources('sources.list', text)).toEqual([]);
  });

  it('reads deb822 with comments, several suites and continuation lines', () => {
    const text = `Types: deb deb-src
# the mirror of the house
URIs: ${MIRROR}
Suites: bookworm
 bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
`;

    expect(parseSources('debian.sources', text)).toEqual([
      { uris: [MIRROR], suites: ['bookworm', 'bookworm-updates'] },
      { uris: ['http://mirror.example/debian-security/'], suites: ['bookworm-security'] },
    ]);
  });

  it('skips what deb822 has disabled', () => {
    const text = `Types: deb\nURIs: ${MIRROR}\nSuites: bookworm\nComponents: main\nEnabled: no\n`;

    expect(parseSources('debian.sources', text)).toEqual([]);
  });
});

describe('chooseArchive', () => {
  it('takes the configured mirror for both archives', () => {
    const archive = chooseArchive([
      { uris: ['http://mirror.example/debian-security/'], suites: ['bookworm-security'] },
      { uris: [`${MIRROR}/`], suites: ['bookworm'] },
    ]);

    expect(archive).toEqual({
      main: MIRROR,
      security: 'http://mirror.example/debian-security',
      keyrings: DEBIAN_KEYRING,
    });
  });

  it('does without security updates where the mirror has none, rather than ask a host that is not configured', () => {
    expect(chooseArchive([{ uris: [MIRROR], suites: ['trixie'] }])).toEqual({
      main: MIRROR,
      keyrings: DEBIAN_KEYRING,
    });
  });

  it("checks a mirror with its own keys and with Debian's, each named once", () => {
    const { keyrings } = chooseArchive([
      { uris: [MIRROR], suites: ['bookworm'], keyring: '/house.gpg' },
      { uris: [MIRROR], suites: ['bookworm-security'], keyring: DEBIAN_KEYRING },
    ]);

    expect(keyrings).toBe(`${DEBIAN_KEYRING},/house.gpg`);
  });

  it.each([
    ['nothing', []],
    ['another distribution', [{ uris: ['http://mirror.example/ubuntu'], suites: ['noble', 'noble-updates'] }]],
    ['a disk', [{ uris: ['cdrom:[Debian]/'], suites: ['bookworm'] }]],
  ])('takes the public archive when %s is configured', (_, entries) => {
    expect(chooseArchive(entries)).toEqual(PUBLIC_ARCHIVE);
  });
});

describe('renderSources', () => {
  it('names updates and security of a stable suite, and the keys of each', () => {
    expect(renderSources(PUBLIC_ARCHIVE, 'bookworm').split('\n')).toEqual([
      `deb [signed-by=${DEBIAN_KEYRING}] http://deb.debian.org/debian bookworm main`,
      `deb [signed-by=${DEBIAN_KEYRING}] http://deb.debian.org/debian bookworm-updates main`,
      `deb [signed-by=${DEBIAN_KEYRING}] http://deb.debian.org/debian-security bookworm-security main`,
      '',
    ]);
  });

  it('names only the suite itself of the unstable one', () => {
    expect(renderSources({ main: MIRROR, keyrings: '/k.gpg' }, 'sid')).toBe(
      `deb [signed-by=/k.gpg] ${MIRROR} sid main\n`,
    );
  });
});
