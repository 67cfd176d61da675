import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The documentation as tests read it. */

export const ROOT = join(__dirname, '..', '..');

export interface Block {
  file: string;
  language: string;
  text: string;
}

/** Relative to the root. */
export function documents(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name));
  return ['README.md', 'CHANGELOG.md', 'lab/README.md', ...docs].sort((a, b) => a.localeCompare(b));
}

export function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Fenced blocks, those inside lists included. */
export function blocks(file: string): Block[] {
  return [...read(file).matchAll(/^( *)```(\w+)\n([\s\S]*?)^\1```$/gm)].map(
    ([, indent = '', language = '', text = '']) => ({
      file,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

/** What stands between single backticks in running text. */
export function inlineCode(file: string): string[] {
  const running = read(file).replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
  return [...running.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** Cells of the first table after the text, without the padding that the formatter adds. */
export function tableAfter(file: string, mark: string): string[][] {
  const rest = read(file).split(mark)[1] ?? '';
  return tableOf(rest);
}

export function tableOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^-+$/, '---')),
    );
}
