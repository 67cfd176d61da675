import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandLine } from '../../client/application';
import { contextForTests } from '../client/client-for-tests';
import { temporalForCommands } from '../client/temporal-for-commands';
import { ROOT, blocks, documents, inlineCode, read } from './markdown';

/** Every command of the documentation is one that there is. */

interface Command {
  file: string;
  words: string[];
}

const shell = documents()
  .flatMap(blocks)
  .filter(({ language }) => language === 'sh')
  .flatMap(({ file, text }) => text.split('\n').flatMap((line) => commandsOf(file, line)));
const inline = documents().flatMap((file) =>
  inlineCode(file)
    .filter((code) => /^(?:npx hadb|hadb|npm) [a-z]/.test(code))
    .flatMap((code) => commandsOf(file, code)),
);
const named = (program: string, commands: readonly Command[] = [...shell, ...inline]) =>
  commands
    .filter(({ words }) => words[0] === program)
    .map(({ file, words }) => ({ file, words, line: words.join(' ') }));

describe('hadb', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'hadb-docs-'));
    const [specification] = blocks('docs/guide.md').filter(({ language }) => language === 'yaml');
    writeFileSync(join(directory, 'cluster.yaml'), specification?.text ?? '');
    writeFileSync(join(directory, 'hadb.yaml'), specification?.text ?? '');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each(named('hadb', shell).filter(({ words }) => words[1] !== 'lab'))(
    'knows "$line" ($file)',
    async ({ words }) => {
      const context = contextForTests({
        temporal: temporalForCommands(),
        environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233' },
        workingDirectory: directory,
        answer: 'orders',
        embedded: { up: async () => ({ address: 'a', namespace: 'n', configured: true }) },
      });

      await runCommandLine(words.slice(1), context);

      expect({ exit: context.process.exitCode, said: context.process.stderr.text }).toMatchObject({ exit: 0 });
    },
  );

  it.each(named('hadb', [...shell, ...inline]).filter(({ words }) => words[1] === 'lab' && words.length > 2))(
    'knows "$line" of the lab ($file)',
    async ({ words: [, , command = '', verb = ''] }) => {
      const context = contextForTests();
      await runCommandLine(['lab', '--help'], context);

      const wanted = command === 'faults' ? `faults .*\\b${verb}\\b` : `${command}(?: |$)`;
      expect(context.process.stdout.text).toMatch(new RegExp(`^  ${wanted}`, 'm'));
    },
  );

  // In running text a command stands without its arguments.
  it.each(named('hadb', inline))('knows `$line` ($file)', async ({ words: [, command = ''] }) => {
    const context = contextForTests();

    await runCommandLine(['--help'], context);

    expect(context.process.stdout.text).toMatch(new RegExp(`^  hadb ${command} `, 'm'));
  });
});

it.each(named('npm'))('npm knows "$line" ($file)', ({ words: [, verb, script] }) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const name = verb === 'run' ? script : verb;

  expect(['ci', ...Object.keys(scripts)]).toContain(name);
});

it.each(named('node'))('the script of "$line" exists ($file)', ({ words: [, script = ''] }) => {
  // Compiled code is there only after a build; its source is what the text is about.
  const source = script.startsWith('dist/') ? script.replace(/^dist\//, '').replace(/\.js$/, '.ts') : script;

  expect(existsSync(join(ROOT, source))).toBe(true);
});

it('shell blocks hold nothing that these tests do not know', () => {
  const known = ['hadb', 'npm', 'node', 'docker'];

  expect(shell.filter(({ words: [program = ''] }) => !known.includes(program))).toEqual([]);
});

describe('settings', () => {
  const settings = read('settings.ts');
  const inSettings = new Set(
    [...settings.matchAll(/environment\['(HADB_\w+)'\]|\('(HADB_\w+)'\)/g)].map(([, a, b]) => a ?? b ?? ''),
  );
  const inDocs = new Set(documents().flatMap((file) => read(file).match(/\bHADB_[A-Z_]+\b(?!\d)/g) ?? []));

  it('that the documentation names are read', () => {
    const codes = /^HADB_[EWI]$/;

    expect([...inDocs].filter((name) => !codes.test(name) && !inSettings.has(name))).toEqual([]);
  });

  it('that are read are documented', () => {
    expect([...inSettings].filter((name) => !inDocs.has(name))).toEqual([]);
  });
});

describe('links', () => {
  const links = documents().flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)#\s]+)(?:#([\w-]+))?\)/g)]
      .map(([, target = '', anchor]) => ({ file, target, anchor }))
      .filter(({ target }) => !/^[a-z]+:/.test(target)),
  );

  it.each(links)('of $file to $target lead somewhere', ({ file, target, anchor }) => {
    const path = join(file, '..', target);

    expect(existsSync(join(ROOT, path))).toBe(true);
    expect(anchor === undefined || headings(path).includes(anchor)).toBe(true);
  });
});

it('the README fits a screen', () => {
  expect(read('README.md').split('\n').length).toBeLessThan(75);
});

/** `npm ci && npm start` is two; settings in front of a command and comments behind it are left out. */
function commandsOf(file: string, line: string): Command[] {
  return line
    .replace(/(^|\s)#.*$/, '')
    .split('&&')
    .map((part) => splitWords(part.trim()).filter((word) => word !== 'npx'))
    .map((words) => words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word))))
    .filter((words) => words.length > 0)
    .map((words) => ({ file, words }));
}

function splitWords(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** As GitHub makes them. */
function headings(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}
