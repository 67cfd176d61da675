/** Text of XML, HTML and SVG, built by strings: the same input gives the same bytes. */

/** Control characters that XML 1.0 has no way to write are left out. */
export const escapeMarkup = (text: string): string =>
  text
    // oxlint-disable-next-line no-control-regex -- these are the ones that XML forbids
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element; `content` is markup already. */
export function element(name: string, attributes: Attributes = {}, content?: string): string {
  const list = Object.entries(attributes)
    .filter((entry): entry is [string, string | number] => entry[1] !== undefined)
    .map(([key, value]) => ` ${key}="${escapeMarkup(typeof value === 'number' ? number(value) : value)}"`)
    .join('');
  return content === undefined ? `<${name}${list}/>` : `<${name}${list}>${content}</${name}>`;
}

/** At most one digit behind the point: a tenth of a pixel is not seen. */
export const number = (value: number): string => String(Math.round(value * 10) / 10);
