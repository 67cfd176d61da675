import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labDirectory, labDown, labStatus, labUp, wireDirectory } from '../../lab/lab';
import { readControlHealth } from '../../lab/lab-client';
import { readLabDocument } from '../../lab/lab-document';
import { writeMachineSettings } from '../../lab/machine-settings';
import { MANAGEMENT_ADDRESS, METADATA_ADDRESS } from '../../lab/model';
import { createWireClient } from '../../lab/wire/client';
import { eventually } from '../eventually';
import { readProcesses } from '../process-table';
import { createFakeGuest } from './wire/fake-guest';
import { machinePort, networkPlan } from './wire/network-for-tests';

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
  });

  it('that were killed are begun again under the same address, and the end of the lab leaves none', async () => {
    const first = await up();
    const address = readLabDocument(labDirectory(settings()))?.armEndpoint;
    process.kill(first.control ?? 0, 'SIGKILL');
    process.kill(first.wire ?? 0, 'SIGKILL');
    await eventually('both are dead', () => processesOf(stateDirectory).length === 0);
    const dead = labStatus({ settings: settings() }).processes.map(({ state }) => state);

    const second = await up();
    const document = readLabDocument(labDirectory(settings()));
    const addressAfter = document?.armEndpoint;
    const health = document === undefined ? undefined : await readControlHealth(document);
    process.kill(second.control ?? 0, 'SIGKILL');
    process.kill(second.wire ?? 0, 'SIGKILL');
    await labDown({ settings: settings(), purge: true });

    expect(dead).toEqual(['dead', 'dead']);
    expect(second.warnings).toEqual([]);
    expect(second.wire).not.toBe(first.wire);
    expect(health).toMatchObject({ pid: second.control });
    expect(addressAfter).toBe(address);
    expect(readLabDocument(labDirectory(settings()))).toBeUndefined();
    expect(address).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(processesOf(stateDirectory)).toEqual([]);
    expect(readdirSync(stateDirectory).sort()).toEqual(['cache', 'image']);
  });

  it('do not begin on a port that another program has taken meanwhile, and say how to find it', async () => {
    await up();
    await labDown({ settings: settings() });
    const port = Number(new URL(readLabDocument(labDirectory(settings()))?.armEndpoint ?? '').port);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');

    try {
      await expect(up()).rejects.toMatchObject({
        code: 'ControlFailed',
        message: expect.stringContaining(`ss -ltnp 'sport = ${port}'`),
      });
    } finally {
      other.close();
    }
    expect(await up()).toMatchObject({ control: expect.any(Number), warnings: [] });
  });

  it('carry what a guest asks of the cloud to control, and refuse it while control is dead', async () => {
    const { control } = await up();
    const port = machinePort(1);
    const guest = await createFakeGuest(port);
    const wire = createWireClient(wireDirectory(labDirectory(settings())));
    const versions =
      'GET /metadata/versions HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n';
    try {
      await wire.putPlan(networkPlan({ generation: 1_000_000, ports: [port] }));

      expect(await guest.request(METADATA_ADDRESS, 80, versions)).toContain('{"apiVersions":["2017-03-01"');
      expect(await guest.connect(MANAGEMENT_ADDRESS, 443)).toBe('open');
      process.kill(control ?? 0, 'SIGKILL');
      await eventually('control is dead', () => labStatus({ settings: settings() }).processes[0]?.state === 'dead');
      expect(await guest.connect(MANAGEMENT_ADDRESS, 443)).toBe('refused');
      await up();
      expect(await guest.connect(MANAGEMENT_ADDRESS, 443)).toBe('open');
    } finally {
      await guest.close();
    }
  }, 120_000);

  it('move every packet while control is dead', async () => {
    const { control } = await up();
    const ports = [machinePort(1), machinePort(2)] as const;
    const guests = [await createFakeGuest(ports[0]), await createFakeGuest(ports[1])] as const;
    guests[1].listen(7789);
    const wire = createWireClient(wireDirectory(labDirectory(settings())));
    try {
      // Above any generation that control has sent of its empty network.
      await wire.putPlan(networkPlan({ generation: 1_000_000, ports }));
      expect(await guests[0].connect(guests[1].address, 7789)).toBe('open');

      process.kill(control ?? 0, 'SIGKILL');
      await eventually('control is dead', () => labStatus({ settings: settings() }).processes[0]?.state === 'dead');

      expect(await guests[0].connect(guests[1].address, 7789)).toBe('open');
      expect((await wire.status()).gateways[0]).toMatchObject({ state: 'running' });
    } finally {
      for (const guest of guests) await guest.close();
    }
    await labDown({ settings: settings(), purge: true });
    expect(processesOf(stateDirectory)).toEqual([]);
  });
});

/** Processes whose command line names the directory, or that stand in it: what a lab starts is told where its state is. */
function processesOf(directory: string): string[] {
  return readProcesses()
    .filter(({ pid }) => pid !== process.pid)
    .filter((entry) => entry.directory.startsWith(directory) || entry.words.join(' ').includes(directory))
    .map(({ words }) => words.join(' '));
}
