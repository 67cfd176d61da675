import fc from 'fast-check';
import {
  AddressError,
  addressAt,
  contains,
  formatAddress,
  parseAddress,
  parseMac,
  parsePrefix,
  parseRemoteAddress,
} from '../../../lab/wire/addresses';

test('an address that is formatted and parsed again is the same number', () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), (address) => {
      expect(parseAddress(formatAddress(address))).toBe(address);
    }),
  );
});

test.each(['', '10.0.0', '10.0.0.256', '10.0.0.1.2', 'a.b.c.d', ' 10.0.0.1', '10.0.0.-1'])(
  '"%s" is refused as an address',
  (text) => {
    expect(() => parseAddress(text)).toThrow(AddressError);
  },
);

test.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', '300.0.0.0/8'])('"%s" is refused as a prefix', (text) => {
  expect(() => parsePrefix(text)).toThrow(AddressError);
});

test.each([
  ['10.10.10.0/24', '10.10.10.255', true],
  ['10.10.10.0/24', '10.10.11.0', false],
  ['10.10.10.77/24', '10.10.10.1', true],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['192.168.0.1', '192.168.0.1', true],
  ['192.168.0.1', '192.168.0.2', false],
  ['128.0.0.0/1', '200.1.1.1', true],
])('%s contains %s: %s', (prefix, address, expected) => {
  expect(contains(parsePrefix(prefix), parseAddress(address))).toBe(expected);
});

test('places in a prefix are counted from its start and from its end', () => {
  const prefix = parsePrefix('10.10.10.0/24');

  expect(formatAddress(addressAt(prefix, 1))).toBe('10.10.10.1');
  expect(formatAddress(addressAt(prefix, -3))).toBe('10.10.10.253');
});

test('a client that Node names by an IPv6 address is its IPv4 self', () => {
  expect(parseRemoteAddress('::ffff:127.0.0.7')).toBe(parseAddress('127.0.0.7'));
  expect(parseRemoteAddress('127.0.0.7')).toBe(parseAddress('127.0.0.7'));
});

test('a hardware address is six bytes, written either way', () => {
  expect(parseMac('52:54:00:aB:cd:01')).toEqual(Buffer.from([0x52, 0x54, 0, 0xab, 0xcd, 1]));
  expect(parseMac('52-54-00-ab-cd-01')).toEqual(parseMac('52:54:00:ab:cd:01'));
  expect(() => parseMac('52:54:00:ab:cd')).toThrow(AddressError);
});
