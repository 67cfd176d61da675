import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** The arrows of the design: which folder may import which, and what nobody may do at all. */

const ROOT = join(__dirname, '..');
const FOLDERS = ['activities', 'client', 'cluster', 'lab', 'processes', 'worker', 'workflows'] as const;
type Folder = (typeof FOLDERS)[number];

interface Import {
  /** Relative to the root, without extension. */
  from: string;
  /** Relative to the root for our own modules, else the name of the package. */
  to: string;
  own: boolean;
  typeOnly: boolean;
  /** `require(...)` or `import(...)` inside the code, loaded only when it is needed. */
  late: boolean;
}

const files = FOLDERS.flatMap((folder) => listSources(join(ROOT, folder))).concat(join(ROOT, 'settings.ts'));
const imports = files.flatMap(readImports);

/** Other folders that each may import at run time; itself always. */
const ARROWS: Record<Folder, readonly string[]> = {
  cluster: [],
  workflows: ['cluster'],
  activities: ['cluster', 'settings', 'processes'],
  worker: ['workflows', 'activities', 'cluster', 'settings', 'processes'],
  client: ['workflows/messages', 'cluster', 'settings', 'processes'],
  processes: ['settings'],
  lab: ['settings', 'processes'],
};

/** What may be imported beyond that as types only. */
const TYPE_ARROWS: Partial<Record<Folder, readonly string[]>> = { workflows: ['activities'] };

/** `npm start` brings lab and worker up: it alone may load them, and only when it runs. */
const START = { file: 'client/start', mayLoad: ['lab', 'worker'] } as const;

describe('imports point one way', () => {
  it.each(FOLDERS)('%s', (folder) => {
    const offences = imports
      .filter(({ from, own }) => own && inside(from, folder))
      .filter((edge) => !isAllowed(folder, edge))
      .map(({ from, to }) => `${from} imports ${to}`);

    expect(offences).toEqual([]);
  });

  it('settings import nothing of ours', () => {
    expect(imports.filter(({ from, own }) => own && from === 'settings').map(({ to }) => to)).toEqual([]);
  });

  it('are seen by this test at all', () => {
    const seen = FOLDERS.filter((folder) => imports.some(({ from, own }) => own && inside(from, folder)));

    expect(seen).toEqual(FOLDERS.filter((folder) => listSources(join(ROOT, folder)).length > 0));
  });
});

describe('cluster/ is pure knowledge', () => {
  const PURE_PACKAGES = ['zod', 'yaml', 'fast-xml-parser'];

  it('imports no package but parsers', () => {
    const offences = packagesOf('cluster').filter(({ to }) => !PURE_PACKAGES.includes(to));

    expect(offences).toEqual([]);
  });

  it('knows neither time nor chance', () => {
    expect(linesWith('cluster', /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(/)).toEqual([]);
  });
});

describe('workflows/ are deterministic', () => {
  it('import the workflow SDK and parsers only', () => {
    const offences = packagesOf('workflows').filter(
      ({ to }) => !['@temporalio/workflow', '@temporalio/common', 'zod'].includes(to),
    );

    expect(offences).toEqual([]);
  });

  it('read no environment and no file', () => {
    expect(linesWith('workflows', /\bprocess\.|\brequire\(/)).toEqual([]);
  });
});

it('settings.ts is the one reader of the environment; processes/ hands it on to its children', () => {
  const readers = files
    .filter((file) => /\bprocess\.env\b/.test(withoutComments(readFileSync(file, 'utf8'))))
    .map(moduleName)
    .sort((a, b) => a.localeCompare(b));

  expect(readers).toEqual(['processes/owned-process', 'settings']);
});

it('nothing but the start-up knows that there is a lab', () => {
  const knowing = imports.filter(({ from, to, own }) => own && inside(to, 'lab') && !inside(from, 'lab'));

  expect(new Set(knowing.map(({ from }) => from))).toEqual(new Set([START.file]));
});

it('every package that is installed for running is used', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  // The Temporal packages load it; named here for its version only.
  const unnamed = ['protobufjs'];
  const used = (name: string) => imports.some(({ to, own }) => !own && (to === name || to.startsWith(`${name}/`)));

  expect(Object.keys(dependencies).filter((name) => !used(name) && !unnamed.includes(name))).toEqual([]);
});

it('no file has a name that says nothing', () => {
  const nothing = /(?:^|[/-])(?:utils?|helpers?|common|misc|managers?)(?:$|[/.-])/;

  expect(files.map(moduleName).filter((name) => nothing.test(name))).toEqual([]);
});

it('no module has a default export', () => {
  expect(files.filter((file) => /^export default\b/m.test(readFileSync(file, 'utf8'))).map(moduleName)).toEqual([]);
});

function isAllowed(folder: Folder, { from, to, typeOnly, late }: Import): boolean {
  if (inside(to, folder)) return true;
  if (ARROWS[folder].some((target) => inside(to, target))) return true;
  if (typeOnly && (TYPE_ARROWS[folder] ?? []).some((target) => inside(to, target))) return true;
  return from === START.file && (late || typeOnly) && START.mayLoad.some((target) => inside(to, target));
}

function packagesOf(folder: Folder): { from: string; to: string }[] {
  return imports
    .filter(({ from, own, typeOnly }) => !own && !typeOnly && inside(from, folder))
    .map(({ from, to }) => ({ from, to }));
}

function linesWith(folder: Folder, pattern: RegExp): string[] {
  return files
    .filter((file) => inside(moduleName(file), folder))
    .flatMap((file) =>
      withoutComments(readFileSync(file, 'utf8'))
        .split('\n')
        .filter((line) => pattern.test(line))
        .map((line) => `${moduleName(file)}: ${line.trim()}`),
    );
}

function inside(module: string, target: string): boolean {
  return module === target || module.startsWith(`${target}/`);
}

function readImports(file: string): Import[] {
  const text = withoutComments(readFileSync(file, 'utf8'));
  const found: Import[] = [];
  const add = (specifier: string | undefined, typeOnly: boolean, late: boolean) => {
    if (specifier === undefined) return;
    const own = specifier.startsWith('.');
    const to = own ? moduleName(resolve(dirname(file), specifier)) : specifier;
    found.push({ from: moduleName(file), to, own, typeOnly, late });
  };
  for (const [, clause, specifier] of text.matchAll(/^(?:import|export)\s+([^'";]*?)\s*from\s+'([^']+)'/gm)) {
    add(specifier, isTypeOnly(clause ?? ''), false);
  }
  for (const [, specifier] of text.matchAll(/^import\s+'([^']+)'/gm)) add(specifier, false, false);
  for (const [, specifier] of text.matchAll(/\b(?:require|import)\(\s*'([^']+)'\s*\)/g)) add(specifier, false, true);
  return found;
}

/** `type { A }`, `type * as A`, or braces in which every name is marked. */
function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{([^}]*)\}$/.exec(clause.trim())?.[1];
  const parts = (names ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  return parts.length > 0 && parts.every((part) => part.startsWith('type '));
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}

function listSources(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(directory, name));
}

function moduleName(file: string): string {
  const name = relative(ROOT, file).split(sep).join('/').replace(/\.ts$/, '');
  return name.replace(/\/index$/, '');
}
