/** Maps values to pixels, and knows where its ticks are. */
export interface Scale {
  (value: number): number;
  ticks: { value: number; label: string }[];
}

interface Range {
  from: number;
  to: number;
}

/** At most about `most` ticks, on multiples of 1, 2 or 5 times a power of ten. */
export function linearScale(domain: Range, pixels: Range, most: number, label = shortNumber): Scale {
  const span = Math.max(domain.to - domain.from, 1e-9);
  const step = niceStep(span / Math.max(1, most));
  const ticks: Scale['ticks'] = [];
  for (let value = Math.ceil(domain.from / step - 1e-9) * step; value <= domain.to + step * 1e-9; value += step) {
    const exact = Number(value.toPrecision(12));
    ticks.push({ value: exact, label: label(exact) });
  }
  const scale = (value: number) => pixels.from + ((value - domain.from) / span) * (pixels.to - pixels.from);
  return Object.assign(scale, { ticks });
}

/** Ticks at powers of ten; with few of them, at 2 and 5 as well. Values below the domain lie on its edge. */
export function logScale(domain: Range, pixels: Range, label = shortNumber): Scale {
  const [low, high] = [Math.log10(domain.from), Math.log10(domain.to)];
  const span = Math.max(high - low, 1e-9);
  const multiples = span > 2.2 ? [1] : [1, 2, 5];
  const ticks: Scale['ticks'] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    for (const multiple of multiples) {
      const value = Number((multiple * 10 ** power).toPrecision(12));
      if (value >= domain.from * 0.999 && value <= domain.to * 1.001) ticks.push({ value, label: label(value) });
    }
  }
  const scale = (value: number) => {
    const share = (Math.log10(Math.max(value, domain.from)) - low) / span;
    return pixels.from + Math.min(1, share) * (pixels.to - pixels.from);
  };
  return Object.assign(scale, { ticks });
}

function niceStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  const multiple = [1, 2, 5, 10].find((factor) => factor * power >= atLeast * (1 - 1e-9)) ?? 10;
  return multiple * power;
}

/** `0.5`, `20`, `1 200`. */
export function shortNumber(value: number): string {
  const rounded = Number(value.toPrecision(4));
  return Math.abs(rounded) < 1000 ? String(rounded) : String(Math.round(rounded)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}
