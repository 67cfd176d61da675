import { chooseArchive, parseSources, PUBLIC_ARCHIVE } from '../../../lab/images/debian-archive';
import { renderSources } from '../../../lab/images/image';

const MIRROR = 'http://mirror.example/debian';

describe('parseSources', () => {
  it.each([
    ['plain', `deb ${MIRROR} bookworm main contrib\n`],
    ['with options', `deb [arch=amd64 signed-by=/k.gpg] ${MIRROR} bookworm main\n`],
    ['after blanks, with a comment', `  deb ${MIRROR} bookworm main # ours\n`],
  ])('reads a one-line source, %s', (_, text) => {
    expect(parseSources('sources.list', text)).toEqual([{ uris: [MIRROR], suites: ['bookworm'] }]);
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

    expect(archive).toEqual({ main: MIRROR, security: 'http://mirror.example/debian-security' });
  });

  it('does without security updates where the mirror has none, rather than ask a host that is not configured', () => {
    expect(chooseArchive([{ uris: [MIRROR], suites: ['trixie'] }])).toEqual({ main: MIRROR });
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
  it('names updates and security of a stable suite', () => {
    expect(renderSources(PUBLIC_ARCHIVE, 'bookworm').split('\n')).toEqual([
      'deb http://deb.debian.org/debian bookworm main',
      'deb http://deb.debian.org/debian bookworm-updates main',
      'deb http://deb.debian.org/debian-security bookworm-security main',
      '',
    ]);
  });

  it('names only the suite itself of the unstable one', () => {
    expect(renderSources({ main: MIRROR }, 'sid')).toBe(`deb ${MIRROR} sid main\n`);
  });
});
