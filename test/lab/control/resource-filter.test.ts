import { parseFilter } from '../../../lab/control/resource-filter';
import type { Resource } from '../../../lab/control/resources/resource';
import { publicAddress } from './resources-for-tests';

const tagged: Resource = { ...publicAddress('ip', '127.1.2.1'), tags: { Owner: "o'brien", env: 'test' } };

describe('$filter', () => {
  it.each([
    [undefined, true],
    ["tagName eq 'owner'", true],
    ["tagName eq 'owner' and tagValue eq 'o''brien'", true],
    ["tagName eq 'owner' and tagValue eq 'test'", false],
    ["tagName eq 'none'", false],
    ["resourceType eq 'microsoft.network/publicipaddresses'", true],
    ["resourceType ne 'Microsoft.Network/publicIPAddresses'", false],
    ["name eq 'IP' and resourceGroup eq 'G'", true],
    ["location eq 'northeurope'", false],
  ])('%s', (filter, expected) => {
    expect(parseFilter(filter)(tagged)).toBe(expected);
  });

  it.each(["tagValue eq 'x'", 'name', "color eq 'red'", "name eq 'a' or name eq 'b'"])('refuses %s', (filter) => {
    expect(() => parseFilter(filter)).toThrow(expect.objectContaining({ code: 'InvalidFilterInQueryString' }));
  });
});
