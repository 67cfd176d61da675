import { isMap, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { ClusterSpecification, type ClusterSpecificationInput } from './specification';

export interface SpecificationProblem {
  /** Such as `nodes[1].address`; empty for the whole. */
  path: string;
  message: string;
  /** Line in the text, from 1, where it is known. */
  line?: number;
}

export type SpecificationReading =
  | { ok: true; specification: ClusterSpecification; input: ClusterSpecificationInput }
  | { ok: false; problems: SpecificationProblem[] };

/** Reads YAML or JSON; an impossible specification is answered with every problem, each with path and line. */
export function readSpecification(text: string): SpecificationReading {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.map(({ message, pos }) => ({ path: '', message, line: lines.linePos(pos[0]).line })),
    };
  }
  let input: unknown;
  try {
    // An empty file means "all defaults"; what has none is then asked for.
    input = document.toJS() ?? {};
  } catch (error) {
    // An alias without its anchor.
    return { ok: false, problems: [{ path: '', message: error instanceof Error ? error.message : String(error) }] };
  }
  const parsed = ClusterSpecification.safeParse(input);
  if (parsed.success) return { ok: true, specification: parsed.data, input: input as ClusterSpecificationInput };
  return {
    ok: false,
    problems: parsed.error.issues.map((issue) => {
      const path = issue.path.filter((part) => typeof part !== 'symbol');
      const line = lineOf(document, path, lines);
      return { path: formatPath(path), message: issue.message, ...(line === undefined ? {} : { line }) };
    }),
  };
}

export const describeProblem = ({ path, message, line }: SpecificationProblem): string =>
  `${line === undefined ? '' : `line ${line}: `}${path === '' ? '' : `${path}: `}${message}`;

/** `nodes[1].address`. */
export function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
}

/** The line of the nearest part that is written in the text. */
function lineOf(document: Document.Parsed, path: readonly (string | number)[], lines: LineCounter): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] | null } | undefined;
    const start = keyStart(document, path.slice(0, length)) ?? node?.range?.[0];
    if (start !== undefined) return lines.linePos(start).line;
  }
  return undefined;
}

/** Where the key stands, which for a nested part is above its value. */
function keyStart(document: Document.Parsed, path: readonly (string | number)[]): number | undefined {
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (isSeq(parent) || !isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => String(key) === String(path.at(-1)));
  return (pair?.key as { range?: [number, number, number] | null } | undefined)?.range?.[0];
}
