import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateHelpTextForAllCommands } from '@stricli/core';
import { application, runCommandLine } from '../../client/application';
import { MESSAGES } from '../../client/messages';
import { isFailureCode } from '../../cluster/errors';
import { renderJournal } from '../../cluster/report/journal';
import { contextForTests } from '../client/client-for-tests';
import { specimenDrill } from '../cluster/report/specimen-drill';
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
    // A drill was made here.
    mkdirSync(join(directory, 'drills', 'one'), { recursive: true });
    writeFileSync(join(directory, 'drills', 'one', 'journal.json'), JSON.stringify(renderJournal(specimenDrill())));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each(named('hadb', shell).filter(({ words }) => words[1] !== 'lab'))(
    'knows "$line" ($file)',
    async ({ words }) => {
      const context = contextForTests({
        temporal: temporalForCommands({
          schedules: [
            { name: 'nightly', cluster: 'orders' },
            { name: 'eyes', cluster: 'orders', purpose: 'watch' },
          ],
        }),
        environment: { TEMPORAL_ADDRESS: '127.0.0.1:7233', HADB_STATE_DIR: directory },
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
    async ({ words: [, , command = '', verb = '', ...rest] }) => {
      const usage = await helpOf('lab', '--help');

      const wanted = command === 'faults' ? `faults .*\\b${verb}\\b` : `${command}(?: |$)`;
      expect(usage).toMatch(new RegExp(`^  ${wanted}`, 'm'));
      const flags = [verb, ...rest].filter((word) => word.startsWith('-'));
      const known = usage.split('\n').filter((line) => new RegExp(`^  ${command}\\b`).test(line));
      expect(flags.filter((flag) => !known.some((line) => line.includes(flag)))).toEqual([]);
    },
  );

  // In running text a command stands without its arguments.
  it.each(named('hadb', inline))('knows `$line` ($file)', async ({ words: [, command = ''] }) => {
    const context = contextForTests();

    await runCommandLine(['--help'], context);

    expect(context.process.stdout.text).toMatch(new RegExp(`^  hadb ${command} `, 'm'));
  });

  it.each(
    named('hadb', inline).filter(({ words }) => words[1] !== 'lab' && words.some((word) => word.startsWith('--'))),
  )('knows the options of `$line` ($file)', async ({ words: [, command = '', ...rest] }) => {
    const help = await helpOf(command, '--help');

    expect(rest.filter((word) => word.startsWith('--') && !help.includes(word))).toEqual([]);
  });

  // `--force` and its like are other programs' options, of which these pages talk.
  it.each(
    documents()
      .filter((file) =>
        ['README.md', 'docs/guide.md', 'docs/drills.md', 'docs/exit-codes.md', 'docs/messages.md'].includes(file),
      )
      .flatMap((file) => inlineCode(file).map((code) => ({ file, option: /^--[a-z-]+/.exec(code)?.[0] ?? '' })))
      .filter(({ option }) => option !== ''),
  )('some command has the option $option ($file)', ({ option }) => {
    const pages = generateHelpTextForAllCommands(application as never).map(([, page]) => page);

    expect(pages.some((page) => page.includes(option))).toBe(true);
  });

  async function helpOf(...words: string[]): Promise<string> {
    const context = contextForTests();
    await runCommandLine(words, context);
    return context.process.stdout.text;
  }
});

it('fields of the specification that the documentation names are there', () => {
  interface Schema {
    properties?: Record<string, Schema>;
  }
  const schema = JSON.parse(read('docs/specification.schema.json')) as Schema;
  const paths = documents()
    .flatMap(inlineCode)
    .filter((code) => /^[a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)+$/.test(code));
  const fields = paths.filter(
    (path) => !path.endsWith('.conf') && schema.properties?.[path.split('.')[0] ?? ''] !== undefined,
  );
  const exists = (path: string) =>
    path.split('.').reduce<Schema | undefined>((part, key) => part?.properties?.[key], schema) !== undefined;

  expect(fields.length).toBeGreaterThan(3);
  expect(fields.filter((path) => !exists(path))).toEqual([]);
});

it('messages and failures that the documentation names are there', () => {
  const text = documents().map(read).join('\n');
  const codes = [...new Set(text.match(/HADB_[EWI]\d{4}/g))];
  const failures = ['README.md', 'docs/guide.md', 'docs/drills.md', 'docs/runbook.md', 'docs/safety.md']
    .flatMap(inlineCode)
    .filter(
      (code) =>
        /^[A-Z][a-z]+(?:[A-Z][a-z]+)*$/.test(code) &&
        /(?:Refused|Mismatch|Met|Denied|Owner|Ours|Ready|Failed)$/.test(code),
    );

  expect(codes.filter((code) => !Object.hasOwn(MESSAGES, code))).toEqual([]);
  expect(failures.length).toBeGreaterThan(8);
  expect(failures.filter((code) => !isFailureCode(code))).toEqual([]);
});

it.each(named('npm'))('npm knows "$line" ($file)', ({ words: [, verb, script] }) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const name = verb === 'run' ? script : verb;

  expect(['ci', ...Object.keys(scripts)]).toContain(name);
});

it.each(named('node'))('the script of "$line" exists ($file)', ({ words: [, ...words] }) => {
  const script = words.find((word) => !word.startsWith('--')) ?? '';
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
    .trim()
    .replace(/^eval "\$\((.*)\)"$/, '$1')
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
