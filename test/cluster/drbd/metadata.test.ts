import { isVirgin, parseDumpMdExit, parseGi } from '../../../cluster/drbd/metadata';

/** drbd-utils 9.22.0, right after create-md. */
const VIRGIN = '0000000000000004:0000000000000000:0000000000000000:0000000000000000:0:0:0:0:0:0:0\n';
const USED = 'C49420BC4882444C:0000000000000000:F19420BC4882444C:0000000000000000:1:1:0:1:0:0:0\n';

describe('isVirgin', () => {
  it('is true right after create-md', () => {
    expect(isVirgin(parseGi(VIRGIN))).toBe(true);
  });

  it.each([
    ['used metadata', USED],
    ['a bitmap UUID', VIRGIN.replace(':0000000000000000:', ':00000000000000F0:')],
    ['a history', VIRGIN.replace('0000000000000000:0:', '1C9420BC4882444C:0:')],
  ])('is false with %s', (_, text) => {
    expect(isVirgin(parseGi(text))).toBe(false);
  });

  it('is not asked about text that get-gi does not print', () => {
    expect(() => parseGi('No valid meta data found')).toThrow('drbdadm get-gi');
  });
});

describe('parseDumpMdExit', () => {
  it.each([
    ['present', { code: 0, stdout: '# DRBD meta data dump\nversion "v08";\n', stderr: '' }],
    ['absent', { code: 1, stdout: '', stderr: 'No valid meta data found\n' }],
    ['attached', { code: 20, stdout: '', stderr: "Device '1' is configured!\n" }],
    ['present', { code: 255, stdout: '', stderr: 'Found meta data is "unclean", please apply-al first\n' }],
    ['unknown', { code: 1, stdout: '', stderr: 'open(/dev/sdc1) failed: No such file or directory\n' }],
    ['unknown', { code: 0, stdout: '', stderr: '' }],
    ['unknown', { code: 127, stdout: '', stderr: 'No valid meta data found\n' }],
  ])('calls metadata %s after %j', (presence, result) => {
    expect(parseDumpMdExit(result)).toBe(presence);
  });
});
