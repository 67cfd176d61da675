import { statSync, writeFileSync } from 'node:fs';
import { createLabDocument, labFile, portOf, readLabDocument, writeLabDocument } from '../../lab/lab-document';
import { useTemporaryDirectory } from '../temporary-directory';

describe('lab.json', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  it('is absent before the first start', () => {
    expect(readLabDocument(directory)).toBeUndefined();
  });

  it('is read back as it was written, by its owner only', () => {
    const document = { ...createLabDocument(directory, 31_000), nameServer: '127.0.0.1:5353' };
    writeLabDocument(directory, document);

    expect(readLabDocument(directory)).toEqual(document);
    expect(statSync(labFile(directory)).mode & 0o777).toBe(0o600);
    expect(portOf(document)).toBe(31_000);
  });

  it('makes every lab another one', () => {
    const one = createLabDocument(directory, 1);
    const other = createLabDocument(directory, 1);

    for (const key of ['subscriptionId', 'tenantId', 'clientId', 'clientSecret', 'faultsToken'] as const) {
      expect(one[key]).not.toBe(other[key]);
    }
    expect(one.publicAddressPrefix).toMatch(/^127\.(1[6-9]|[2-9]\d|1\d\d|2[0-3]\d)\.\d+$/);
  });

  it.each([
    ['of another version', '{"format":99}', 'OtherVersion', /is of format 99, and this hadb works with format 1/],
    ['no JSON', '{', 'Damaged', /is not JSON.*hadb lab down --purge/s],
    ['empty', '', 'Damaged', /is not JSON.*hadb lab down --purge/s],
    ['not whole', '{"format":1}', 'Damaged', /is not whole.*hadb lab down --purge/s],
    ['of another shape', '[]', 'Damaged', /is not whole.*hadb lab down --purge/s],
    ['null', 'null', 'Damaged', /is not whole.*hadb lab down --purge/s],
  ])('that is %s is refused with what to do', (_what, content, code, message) => {
    writeFileSync(labFile(directory), content);

    expect(() => readLabDocument(directory)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});
