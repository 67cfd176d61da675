import { XMLParser } from 'fast-xml-parser';
import { unreadable } from '../errors';
import type { XmlElement } from './xml';

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseAttributeValue: false,
  parseTagValue: false,
  // Values come back as they are: what is read may be written again.
  trimValues: false,
  htmlEntities: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
});

/** @throws HadbError CommandFailed when the text is no XML document of the given root; `tool` names who printed it. */
export function parseXml(text: string, { root, tool }: { root: string; tool: string }): XmlElement {
  // What a tool complains about before its document goes to standard error, but not with every version.
  const start = text.indexOf('<');
  let tree: Node[];
  try {
    tree = parser.parse(start < 0 ? '' : text.slice(start), true) as Node[];
  } catch {
    throw unreadable(tool, text);
  }
  const element = tree.flatMap(toElement).find(({ name }) => name === root);
  if (element === undefined) throw unreadable(tool, text);
  return element;
}

export const childrenOf = (parent: XmlElement | undefined, name: string): XmlElement[] =>
  parent?.children.filter((child) => child.name === name) ?? [];

export const childOf = (parent: XmlElement | undefined, name: string): XmlElement | undefined =>
  parent?.children.find((child) => child.name === name);

/** All elements of the name below the parent, in document order. */
export function descendantsOf(parent: XmlElement | undefined, name: string): XmlElement[] {
  return (parent?.children ?? []).flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...descendantsOf(child, name),
  ]);
}

export const attributeOf = (element: XmlElement | undefined, name: string): string | undefined => {
  const value = element?.attributes[name];
  return value === undefined ? undefined : String(value);
};

type Node = Record<string, unknown>;

function toElement(node: Node): XmlElement[] {
  const name = Object.keys(node).find((key) => key !== ':@');
  if (name === undefined || name === '#text') return [];
  const content = Array.isArray(node[name]) ? (node[name] as Node[]) : [];
  return [{ name, attributes: (node[':@'] ?? {}) as Record<string, string>, children: content.flatMap(toElement) }];
}
