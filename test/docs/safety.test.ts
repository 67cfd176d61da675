import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT, read, tableAfter } from './markdown';

/** docs/safety.md promises a test for each dangerous move, and that some moves are never made. */

const PAGE = 'docs/safety.md';
const [header = [], , ...rows] = tableAfter(PAGE, '# Dangerous moves');
const moves = rows.map((cells) => ({
  number: cells[0] ?? '',
  move: cells[1] ?? '',
  guard: cells[3] ?? '',
  where: cells[4] ?? '',
  tests: cells[5] ?? '',
}));

const testFiles = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name));

/** Its advice names the command, so that it has a test of its own. */
const SPLIT_BRAIN = 16;

interface NamedTest {
  number: string;
  file: string;
  /** Block and test, or the test alone. */
  path: string[];
}

/** "`a.test.ts`: block › test; another; `b.test.ts`: test". */
const named: NamedTest[] = moves.flatMap(({ number, tests }) => {
  let file = '';
  return tests
    .split(';')
    .map((part) => part.trim())
    .map((part) => {
      const [, name, rest] = /^`([^`]+)`: (.*)$/.exec(part) ?? [];
      file = name ?? file;
      return { number, file, path: (rest ?? part).split('›').map((word) => word.trim()) };
    });
});

describe('the table of dangerous moves', () => {
  it('has every move of the safety specification, each with a guard and a test', () => {
    expect(header).toHaveLength(6);
    expect([...new Set(moves.map(({ number }) => Number(number)))]).toEqual(
      Array.from({ length: 27 }, (_, i) => i + 1),
    );
    expect(moves.filter(({ guard, tests }) => guard.length < 5 || !/`[\w.-]+\.test\.ts`: \S/.test(tests))).toEqual([]);
  });

  it.each(moves.filter(({ where }) => where !== '–'))('the code of move $number is where it says', ({ where }) => {
    const files = [...where.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);

    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  it.each(named)('the test of move $number is in $file: $path', ({ file, path }) => {
    const found = testFiles.filter((name) => basename(name) === file);

    expect(found).toHaveLength(1);
    const titles = titlesOf(found[0] ?? '');
    expect(path.filter((word) => !titles.some((title) => matches(word, title)))).toEqual([]);
  });

  it.each(named)('the test of move $number, "$path", says that something is refused or not done', ({ path }) => {
    expect(path.at(-1)).toMatch(
      /refuse|\bno\b|\bnot\b|nothing|never|stops for a person|only when|unchanged|once more|apart|reports|moved since/,
    );
  });
});

describe('no source of a runbook can', () => {
  const sources = ['activities', 'cluster', 'workflows'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => ({
        name: join(folder, name),
        text: withoutComments(readFileSync(join(ROOT, folder, name), 'utf8')),
      })),
  );

  const NEVER: [moves: number[], what: string, pattern: RegExp, example: string][] = [
    [
      [5],
      'force a promotion or metadata',
      /(?:drbdadm|drbdsetup)(?! detach --force)[^\n]*--force|yes \|/,
      'drbdadm primary --force r0',
    ],
    [[10], 'declare a living node dead', /stonith_admin|crm node fence|crm_node[^\n]*--remove/, 'stonith_admin -C n'],
    [
      [12],
      'ignore a lost quorum',
      /no-quorum-policy['"]?\s*[:=]\s*['"]?(?!stop)[a-z]/,
      "'no-quorum-policy': 'ignore',",
    ],
    [
      [14],
      'erase or overwrite a CIB',
      /cibadmin[^\n]*(?:--erase|--replace|--force|-E\b|-R\b)|crm cluster remove/,
      'cibadmin --erase',
    ],
  ];

  const linesWith = (pattern: RegExp): string[] =>
    sources.flatMap(({ name, text }) =>
      text.split('\n').flatMap((line) => (pattern.test(line) ? [`${name}: ${line.trim()}`] : [])),
    );

  it.each(NEVER)('(move %j) %s', (_moves, _what, pattern, example) => {
    expect(example).toMatch(pattern);
    expect(sources.filter(({ text }) => pattern.test(text)).map(({ name }) => name)).toEqual([]);
  });

  it('make any move of which the page says that it is never made', () => {
    const promised = moves
      .filter(({ guard }) => /^(?:never|not) (?:made|rendered)/.test(guard))
      .map(({ number }) => Number(number));
    const checked = [...NEVER.flatMap(([numbers]) => numbers), SPLIT_BRAIN];

    expect(promised.length).toBeGreaterThan(4);
    expect(promised.filter((number) => !checked.includes(number))).toEqual([]);
  });

  it('clean failures up (move 11) but by two guarded scripts, and in the advice to a person', () => {
    const pattern =
      /crm_resource[^\n]*(?:--cleanup|--refresh|-C\b)|crm resource (?:cleanup|refresh)|crm_failcount[^\n]*--delete/;

    expect(linesWith(pattern)).toEqual([
      expect.stringMatching(/^activities\/drill\/failed-action-cleaner.ts: whatNow: /),
      'cluster/node/drill-moves.ts: crm_resource --cleanup --resource "$resource" --node "$node"',
      'cluster/node/pacemaker-moves.ts: crm_resource --refresh',
    ]);
  });

  it('run an online verification (move 25) but by one guarded script', () => {
    expect(linesWith(/(?:drbdadm|drbdsetup) verify/)).toEqual([
      'cluster/node/verify-moves.ts: drbdadm verify "$resource" </dev/null',
    ]);
  });

  it('remove anything from a CIB (move 15) but by one guarded script', () => {
    expect(linesWith(/cibadmin[^\n]*(?:--delete|-D\b)/)).toEqual([
      `cluster/node/recovery-moves.ts: cibadmin --delete --xpath "//rsc_location[@id='$id']"`,
    ]);
  });

  it('cut or spoil a link (move 27) but by the rules of a drill, which are made under their guard and with their timer', () => {
    const pattern =
      /\biptables\b|\bnft (?:add|insert|-f)\b|\btc (?:qdisc|filter) (?:add|replace)\b|ip link set|\/links\//;
    const lines = linesWith(pattern);

    expect('iptables -A INPUT').toMatch(pattern);
    expect(lines.map((line) => line.split(' ').slice(0, 4).join(' '))).toEqual([
      'cluster/node/network-faults.ts: make: `nft -f',
      'cluster/node/network-faults.ts: make: `tc qdisc',
      'cluster/node/network-faults.ts: tc qdisc add',
      'cluster/node/network-faults.ts: tc filter add',
    ]);
    expect(linesWith(/\b(?:partitionRules|resourceManagerRules|disturbance)\(fault\)/)).toEqual([
      'cluster/node/faults.ts: return partitionRules(fault);',
      'cluster/node/faults.ts: return disturbance(fault);',
      'cluster/node/faults.ts: return resourceManagerRules(fault);',
    ]);
  });

  it('detach a disk by force (move 17) but in a drill, under its guard and with its timer', () => {
    const scripts = linesWith(/detach --force/).filter((line) => line.startsWith('cluster/'));

    expect(scripts).toEqual([
      expect.stringContaining("return `${guard}${withUndo(fault, { guard: '', make: `drbdadm detach --force"),
      expect.stringContaining('return `drbdadm detach --force; it is attached again by itself'),
    ]);
  });

  it('give up the writes of one side of a split brain (move 16): it stands in the advice to a person only', () => {
    const lines = sources.flatMap(({ text }) => text.split('\n')).filter((line) => line.includes('discard-my-data'));

    expect(lines).toEqual([expect.stringMatching(/^\s*'Nothing is resolved by itself: /)]);
  });
});

/** What is quoted at the beginning of a `describe`, `it` or the last call of a table. */
function titlesOf(file: string): string[] {
  const text = read(file);
  return [
    ...text.matchAll(
      /(?:\b(?:describe|it)(?:\.each\b[^\n]*)?\(|\]\s*(?:as const\s*)?\)\(|\)\)\()\s*(['"`])((?:\\.|(?!\1).)*)\1/g,
    ),
  ].map(([, , title = '']) => title.replaceAll(/\\(.)/g, '$1'));
}

/** `…` stands for what the table of a test puts in, or for the rest. */
function matches(word: string, title: string): boolean {
  if (!word.endsWith('…')) return word === title;
  const beginning = word.slice(0, -1).trim();
  return beginning !== '' && title.startsWith(beginning);
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}
