import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLabDocument, writeLabDocument } from '../../lab/lab-document';
import {
  assertSpace,
  environmentOf,
  labDirectory,
  labDown,
  labStatus,
  labUp,
  readStoppedMachines,
} from '../../lab/lab';
import { useTemporaryDirectory } from '../temporary-directory';

describe('the lab as a whole', () => {
  let stateDirectory: string;
  useTemporaryDirectory((made) => {
    stateDirectory = made;
  });
  const settings = () => ({ stateDirectory, cacheDirectory: join(stateDirectory, 'cache') });

  it('does not come up over the state of another version', async () => {
    const directory = labDirectory(settings());
    writeLabDocument(directory, { ...createLabDocument(directory, 1), format: 7 as never });

    await expect(labUp({ settings: settings() })).rejects.toMatchObject({ code: 'OtherVersion' });
  });

  it('does not come up over a damaged state, and says what to do', async () => {
    const directory = labDirectory(settings());
    writeLabDocument(directory, createLabDocument(directory, 1));
    writeFileSync(join(directory, 'machine-settings.json'), '{"engine":"uml","images":[{}]}');

    await expect(labUp({ settings: settings() })).rejects.toMatchObject({
      code: 'Damaged',
      message: expect.stringMatching(/machine-settings\.json is not whole.*hadb lab down --purge/s),
    });
  });

  it('knows which machines its end has stopped, and that a damaged file names none', () => {
    const file = join(stateDirectory, 'stopped-by-down.json');
    const read = (text: string) => {
      writeFileSync(file, text);
      return readStoppedMachines(file);
    };

    expect(read('["a","b"]')).toEqual(['a', 'b']);
    expect(['', '["a"', '{}', '[1]', 'null'].map(read)).toEqual(Array(5).fill(undefined));
  });

  it('does not begin on a file system that it would fill', () => {
    expect(() => assertSpace('/lab', 2 ** 30)).toThrow(
      expect.objectContaining({ code: 'NoSpace', message: expect.stringContaining('1.0 GiB free') }),
    );
    expect(() => assertSpace('/lab', 2 ** 36)).not.toThrow();
  });

  it('is nothing before the first start, and going down is fine then', async () => {
    await labDown({ settings: settings() });

    expect(labStatus({ settings: settings() })).toEqual({
      directory: labDirectory(settings()),
      processes: [],
      machines: [],
    });
  });

  it('tells a worker all that it needs, and leaves the name server out until there is one', () => {
    const document = createLabDocument('/lab', 31_000);

    const environment = environmentOf(document);

    expect(environment).toEqual({
      HADB_ARM_ENDPOINT: 'https://127.0.0.1:31000',
      HADB_CA_FILE: '/lab/control/ca.pem',
      HADB_FAULTS_ENDPOINT: `https://127.0.0.1:31000/lab/faults/${document.faultsToken}`,
      AZURE_SUBSCRIPTION_ID: document.subscriptionId,
      AZURE_AUTHORITY_HOST: 'https://127.0.0.1:31000',
      AZURE_TENANT_ID: document.tenantId,
      AZURE_CLIENT_ID: document.clientId,
      AZURE_CLIENT_SECRET: document.clientSecret,
    });
    expect(environmentOf({ ...document, nameServer: '127.0.0.1:5300' })).toHaveProperty(
      'HADB_NAME_SERVER',
      '127.0.0.1:5300',
    );
  });
});
