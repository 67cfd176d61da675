import { styleText } from 'node:util';
import type { ClientSettings } from '../../settings';
import type { Output } from '../context';

export type Paint = (format: Parameters<typeof styleText>[0], text: string) => string;

/** Colours for a stream: none when it is no terminal or `NO_COLOR` is set, always with `FORCE_COLOR`. */
export function paintFor(output: Output, settings: Pick<ClientSettings, 'color'>): Paint {
  const on = settings.color === 'always' || (settings.color === 'auto' && output.isTTY === true);
  return on ? (format, text) => styleText(format, text, { validateStream: false }) : (_format, text) => text;
}
