import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where packages of Debian come from: one archive base serves every suite. */
export interface DebianArchive {
  /** For example `http://deb.debian.org/debian`. */
  main: string;
  /** Base of the `-security` suites; a configured mirror without one gets none. */
  security?: string;
  /** Files of the keys that the archive is checked with, several with commas between them, as apt takes them. */
  keyrings: string;
}

export const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export const PUBLIC_ARCHIVE: DebianArchive = {
  main: 'http://deb.debian.org/debian',
  security: 'http://deb.debian.org/debian-security',
  keyrings: DEBIAN_KEYRING,
};

interface SourceEntry {
  uris: readonly string[];
  suites: readonly string[];
  /** A file; a mirror that signs by itself has one of its own. */
  keyring?: string;
}

const DEBIAN_SUITE =
  /^(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)(-|\/|$)/;

/** The Debian archive this computer is configured for; on other systems (Ubuntu) the public one. */
export function readConfiguredArchive(aptDirectory = '/etc/apt'): DebianArchive {
  return chooseArchive(readSourceFiles(aptDirectory).flatMap(({ name, text }) => parseSources(name, text)));
}

export function chooseArchive(entries: readonly SourceEntry[]): DebianArchive {
  const debian = entries.flatMap(({ uris, suites, keyring }) =>
    uris
      .filter((uri) => /^https?:\/\//.test(uri))
      .flatMap((uri) => suites.filter((suite) => DEBIAN_SUITE.test(suite)).map((suite) => ({ uri, suite, keyring }))),
  );
  const isSecurity = ({ suite }: { suite: string }): boolean => /(-security|\/updates)$/.test(suite);
  const main = debian.find((source) => !isSecurity(source));
  if (main === undefined) return PUBLIC_ARCHIVE;
  const security = debian.find(isSecurity);
  // Debian's own beside it: the keys of some mirrors lie where apt looks by itself, and what is asked for here is Debian.
  const keyrings = new Set([DEBIAN_KEYRING, main.keyring, security?.keyring].filter((file) => file !== undefined));
  return {
    main: withoutSlash(main.uri),
    ...(security === undefined ? {} : { security: withoutSlash(security.uri) }),
    keyrings: [...keyrings].join(','),
  };
}

/** The keys are named: mmdebstrap finds them by itself only where gpg is installed or the host trusts Debian anyway. */
export function renderSource(base: string, suite: string, keyrings: string): string {
  return `deb [signed-by=${keyrings}] ${base} ${suite} main\n`;
}

/** Sources of a suite with its updates. */
export function renderSources({ main, security, keyrings }: DebianArchive, suite: string): string {
  if (suite === 'sid') return renderSource(main, suite, keyrings);
  return [
    renderSource(main, suite, keyrings),
    renderSource(main, `${suite}-updates`, keyrings),
    ...(security === undefined ? [] : [renderSource(security, `${suite}-security`, keyrings)]),
  ].join('');
}

/** Reads both of apt's formats: one line each (`.list`) and deb822 (`.sources`). */
export function parseSources(fileName: string, text: string): SourceEntry[] {
  return fileName.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text);
}

function parseOneLine(text: string): SourceEntry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    const [, options = '', uri, suite, components] = match ?? [];
    if (uri === undefined || suite === undefined || !(components ?? '').split(/\s+/).includes('main')) return [];
    return [{ uris: [uri], suites: [suite], ...keyringOf(/(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1]) }];
  });
}

function parseDeb822(text: string): SourceEntry[] {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      const fields = new Map<string, string[]>();
      for (const match of stanza.matchAll(/^([A-Za-z0-9-]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
        const [, name, value] = match;
        if (name !== undefined && value !== undefined) {
          fields.set(name.toLowerCase(), value.split(/\s+/).filter(Boolean));
        }
      }
      const field = (name: string): string[] => fields.get(name) ?? [];
      if (field('enabled')[0] === 'no' || !field('types').includes('deb') || !field('components').includes('main')) {
        return [];
      }
      return [{ uris: field('uris'), suites: field('suites'), ...keyringOf(field('signed-by').join(' ')) }];
    });
}

/** Fingerprints, and keys that stand in the sources themselves, are no files. */
function keyringOf(signedBy: string | undefined): { keyring?: string } {
  return signedBy !== undefined && /^\/[^\s,]+$/.test(signedBy) ? { keyring: signedBy } : {};
}

function readSourceFiles(aptDirectory: string): { name: string; text: string }[] {
  const directory = join(aptDirectory, 'sources.list.d');
  const files = [
    join(aptDirectory, 'sources.list'),
    ...namesIn(directory)
      .filter((name) => /\.(list|sources)$/.test(name))
      .sort()
      .map((name) => join(directory, name)),
  ];
  return files.flatMap((name) => {
    try {
      return [{ name, text: readFileSync(name, 'utf8') }];
    } catch {
      return [];
    }
  });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function withoutSlash(uri: string): string {
  return uri.replace(/\/+$/, '');
}
