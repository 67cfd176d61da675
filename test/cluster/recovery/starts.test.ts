import { addStart, parseStarts } from '../../../cluster/recovery/starts';

const at = (time: string) => Date.parse(`2026-11-23T${time}Z`);
const run = (name: string) => `${name.padEnd(8, '0')}-0000-7000-8000-000000000001`;

describe('the starts of a machine, in a tag', () => {
  it('are none before the first', () => {
    expect(parseStarts(undefined)).toEqual([]);
  });

  it('are kept with their times', () => {
    const first = addStart(undefined, { run: run('a'), at: at('06:57:10.250') });
    const second = addStart(first, { run: run('b'), at: at('07:20:00') });

    expect(parseStarts(second)).toEqual(['2026-11-23T06:57:10Z', '2026-11-23T07:20:00Z']);
  });

  it('count one run once, however often it tries', () => {
    const first = addStart('', { run: run('a'), at: at('06:57:10') });

    expect(addStart(first, { run: run('a'), at: at('06:59:00') })).toBe(first);
  });

  it('stay within the length of a tag, the newest kept', () => {
    const names = 'abcdef0123456789'.split('');
    const value = names.reduce((tag, name, hour) => addStart(tag, { run: run(name), at: at('00:00:00') + hour }), '');

    expect(value.length).toBeLessThanOrEqual(256);
    expect(value).toMatch(/\/90000000$/);
  });

  it('pass over what somebody typed', () => {
    expect(parseStarts('yesterday 2026-11-23T06:57:10Z/a0000000')).toEqual(['2026-11-23T06:57:10Z']);
  });
});
