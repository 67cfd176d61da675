export interface XmlElement {
  name: string;
  attributes: Readonly<Record<string, string | number>>;
  children: readonly XmlElement[];
}

export const element = (
  name: string,
  attributes: XmlElement['attributes'] = {},
  children: readonly XmlElement[] = [],
): XmlElement => ({ name, attributes, children });

export function renderXml(root: XmlElement, indentation = ''): string {
  const attributes = Object.entries(root.attributes)
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join('');
  if (root.children.length === 0) return `${indentation}<${root.name}${attributes}/>\n`;
  const children = root.children.map((child) => renderXml(child, `${indentation}  `)).join('');
  return `${indentation}<${root.name}${attributes}>\n${children}${indentation}</${root.name}>\n`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' };
const escape = (text: string): string => text.replace(/[&<>"\n]/g, (character) => ENTITIES[character] ?? character);
