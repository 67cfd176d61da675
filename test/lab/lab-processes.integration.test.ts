import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labDirectory, labDown, labStatus, labUp } from '../../lab/lab';
import { writeMachineSettings } from '../../lab/machine-settings';

/** Control and wire as real processes of the compiled lab, without a machine. */
describe('the processes of the lab', () => {
  let stateDirectory: string;
  const settings = () => ({ stateDirectory, cacheDirectory: join(stateDirectory, 'cache'), engine: 'uml' as const });

  beforeEach(() => {
    stateDirectory = mkdtempSync(join(tmpdir(), 'hadb-lab-processes-'));
    const image = join(stateDirectory, 'image');
    mkdirSync(image);
    mkdirSync(labDirectory(settings()));
    writeFileSync(join(image, 'root.img'), '');
    writeMachineSettings(labDirectory(settings()), {
      engine: 'uml',
      images: [
        {
          kind: 'golden',
          hash: '0'.repeat(32),
          directory: image,
          rootImage: join(image, 'root.img'),
          kernel: { qemu: { kernel: '', initrd: '' } },
        },
      ],
    });
  });
  afterEach(async () => {
    await labDown({ settings: settings(), purge: true });
    rmSync(stateDirectory, { recursive: true, force: true });
  });

  const up = async () => {
    const warnings: string[] = [];
    await labUp({ settings: settings(), onWarning: (sentence) => warnings.push(sentence) });
    const [control, wire] = labStatus({ settings: settings() }).processes;
    return { control: control?.pid, wire: wire?.pid, warnings };
  };

  it('are adopted while their code is the same; of other code control is begun anew, and the wire is kept with a warning', async () => {
    const first = await up();
    const again = await up();
    for (const name of ['control', 'wire']) {
      const file = join(labDirectory(settings()), `${name}-process.code`);
      expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{16}$/);
      writeFileSync(file, 'of another hadb');
    }
    const updated = await up();
    await labDown({ settings: settings() });
    const down = labStatus({ settings: settings() }).processes.map(({ state }) => state);
    const anew = await up();

    expect(first).toEqual({ control: expect.any(Number), wire: expect.any(Number), warnings: [] });
    expect(again).toEqual(first);
    expect(updated.wire).toBe(first.wire);
    expect(updated.control).not.toBe(first.control);
    expect(updated.warnings).toEqual([expect.stringMatching(/wire.*hadb lab down, then hadb lab up/s)]);
    expect(down).toEqual(['stopped', 'stopped']);
    expect(anew.warnings).toEqual([]);
  }, 120_000);
});
