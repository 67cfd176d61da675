import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { ensureImage, type Image } from '../../lab/images/image';
import { consoleLogFile } from '../../lab/machines/console';
import { createMachineDriver } from '../../lab/machines/driver';
import type { MachineDriver, MachineState } from '../../lab/model';
import { createGuest, DATA_DISK_BYTES, type Guest } from './guest';
import { readEndToEndOptions } from './options';

const { lab, engines } = readEndToEndOptions();

/** An image may have to be built first; an emulated boot takes half a minute. */
jest.setTimeout(900_000);

const BOOT_LIMIT_MS = 300_000;
const SHUTDOWN_LIMIT_MS = 60_000;

/** The tests of one engine share a machine and go on from each other's end: a boot is what costs. */
describe.each(engines)('a machine under %s', (engine) => {
  let image: Image;
  let driver: MachineDriver;
  let guest: Guest;

  const readBootId = async (): Promise<string> => {
    const { output } = await guest.run('cat /proc/sys/kernel/random/boot_id', { timeoutMs: BOOT_LIMIT_MS });
    return output;
  };
  const startAndWait = async (): Promise<void> => {
    await driver.start(guest.machine);
    await driver.awaitProvisioned(guest.machine, BOOT_LIMIT_MS);
  };
  /** Which of the two its data disk does. */
  const tryDataDisk = async (): Promise<string[]> => {
    const { output } = await guest.run(
      'disk=/dev/disk/azure/scsi1/lun0; sudo dd if="$disk" of=/dev/null bs=4096 count=1 iflag=direct status=none && echo read; ' +
        'sudo dd if=/dev/zero of="$disk" bs=4096 count=1 seek=2000 oflag=direct conv=notrunc status=none && echo write',
    );
    return output.split('\n').filter((line) => line === 'read' || line === 'write');
  };
  const stateOnceStopped = async (): Promise<MachineState> => {
    const deadline = performance.now() + SHUTDOWN_LIMIT_MS;
    while (driver.state(guest.machine) !== 'stopped' && performance.now() < deadline) await sleep(100);
    return driver.state(guest.machine);
  };

  beforeAll(async () => {
    image = await ensureImage('golden', { cacheDirectory: lab.cacheDirectory, onProgress: () => undefined });
    driver = createMachineDriver(engine, image);
    guest = await createGuest(image, { name: 'hadb01', memoryMiB: 1024 });
    const startedAt = performance.now();
    await startAndWait();
    await guest.run('true', { timeoutMs: BOOT_LIMIT_MS });
    const seconds = (performance.now() - startedAt) / 1000;
    process.stderr.write(`first start to SSH under ${engine}: ${seconds.toFixed(1)} s\n`);
  });

  afterAll(async () => {
    await driver.stop(guest.machine, 'hard', 0);
    await guest.close();
  });

  it('answers SSH with the host key of its custom data', async () => {
    await expect(guest.readServedHostKey(BOOT_LIMIT_MS)).resolves.toBe(guest.hostKey);
  });

  it('has the name, the user and the address it was given', async () => {
    const { output } = await guest.run(
      'uname -n; sudo -n id -un; ip -4 -oneline address show eth0 | tr -s " " | cut -d" " -f2,4; cat /etc/hostname',
    );

    expect(output.split(/\s+/)).toEqual(['hadb01', 'root', 'eth0', '10.10.10.4/24', 'hadb01']);
  });

  it('tells an operator its vmId and the end of its set-up as cloud-init does', async () => {
    const { output } = await guest.run(
      'cat /var/lib/cloud/data/instance-id; test -s /var/lib/cloud/instance/boot-finished && echo finished; cat /run/cloud-init/result.json',
    );

    const [id, finished, result = ''] = output.split('\n');
    expect(id).toBe(guest.machine.id);
    expect(finished).toBe('finished');
    expect(JSON.parse(result)).toMatchObject({ v1: { errors: [] } });
  });

  it('has carried out its custom data', async () => {
    const { output } = await guest.run(
      "sudo sh -c 'cat /etc/motd-of-the-test; echo; stat -c %a /etc/motd-of-the-test; cat /var/log/times-custom-data-ran'",
    );

    expect(output.split('\n')).toEqual(["it's written", '640', 'ran']);
  });

  it('shows its data disk, blank and of the right size, under the name Azure gives it', async () => {
    const { output } = await guest.run(
      'disk=/dev/disk/azure/scsi1/lun0; sudo blockdev --getsize64 "$disk"; sudo blkid -p "$disk"; echo "blkid $?"; readlink -f /dev/disk/azure/root',
    );

    const [size, blank, root] = output.split('\n');
    expect(Number(size)).toBe(DATA_DISK_BYTES);
    expect(blank).toBe('blkid 2');
    expect(root).toBe(engine === 'uml' ? '/dev/ubda' : '/dev/vda');
  });

  it('names a partition of the data disk after it', async () => {
    const { output } = await guest.run(
      'disk=/dev/disk/azure/scsi1/lun0; echo "label: gpt\n,,L" | sudo sfdisk -q "$disk" && sudo udevadm settle && test -b "$disk-part1" && lsblk -no TYPE "$disk-part1"',
    );

    expect(output).toBe('part');
  });

  it('loads the DRBD 8.4 of its kernel', async () => {
    const { output } = await guest.run('sudo modprobe drbd && head -1 /proc/drbd');

    expect(output).toMatch(/^version: 8\.4\.\d+ /);
  });

  it('has every program of the runbook, and starts none of them by itself', async () => {
    const { output } = await guest.run(
      'for name in corosync pacemakerd crm_mon cibadmin crm_simulate crm drbdadm mkfs.xfs mkfs.ext4 sfdisk socat mariadbd fence_azure_arm; do command -v "$name" >/dev/null || sudo which "$name" >/dev/null || echo "no $name"; done; ' +
        'for unit in corosync pacemaker drbd mariadb; do systemctl is-enabled "$unit"; systemctl is-active "$unit"; done; systemctl --failed --no-legend',
    );

    expect(output.split('\n')).toEqual(Array.from({ length: 4 }, () => ['disabled', 'inactive']).flat());
  });

  it('runs the database server as packaged', async () => {
    const { output } = await guest.run(
      'sudo systemctl start mariadb && sudo mysql -N -e "select 6 * 7"; sudo systemctl stop mariadb',
      {
        timeoutMs: BOOT_LIMIT_MS,
      },
    );

    expect(output).toBe('42');
  });

  it('stands still while paused, and its clock is right when it goes on', async () => {
    await guest.run(
      'sh -c "while sleep 0.1; do date +%s.%N; done >/tmp/ticks" >/dev/null 2>&1 & until [ "$(wc -l </tmp/ticks)" -ge 2 ]; do sleep 0.1; done',
    );

    await driver.pause(guest.machine);
    const paused = driver.state(guest.machine);
    await sleep(4000);
    await driver.resume(guest.machine);

    expect(paused).toBe('paused');
    expect(driver.state(guest.machine)).toBe('running');
    const askedAt = Date.now() / 1000;
    const { output } = await guest.run(
      "sleep 1; awk 'last && $1 - last > most { most = $1 - last } { last = $1 } END { print most }' /tmp/ticks; date +%s",
    );
    const [longestGap = '', now] = output.split('\n');
    expect(Number(longestGap)).toBeGreaterThan(3.5);
    expect(Number(now)).toBeGreaterThan(askedAt - 3);
    expect(Number(now)).toBeLessThan(Date.now() / 1000 + 3);
  });

  it.each(engine === 'uml' ? (['write'] as const) : (['read', 'write'] as const))(
    'fails each %s of its data disk while told to, and no longer',
    async (operations) => {
      const { possible, obstacle } = await driver.possibleDiskFaults(guest.machine);
      const canFail = possible.includes(`${operations}-errors`);
      if (canFail) await driver.setDiskFault(guest.machine, 0, { kind: 'failing', operations });
      else process.stderr.write(`not tried, a ${operations} that fails under ${engine}: ${obstacle}\n`);
      const during = await tryDataDisk();
      await driver.setDiskFault(guest.machine, 0, undefined);

      expect(during).toEqual(['read', 'write'].filter((other) => !canFail || other !== operations));
      await expect(tryDataDisk()).resolves.toEqual(['read', 'write']);
    },
  );

  it('is found again by a driver that did not start it', () => {
    const other = createMachineDriver(engine, image);

    expect(other.state(guest.machine)).toBe('running');
  });

  it('keeps running, with a new boot, when the guest reboots itself', async () => {
    const before = await readBootId();

    await guest.run('sudo systemctl reboot');
    const deadline = performance.now() + BOOT_LIMIT_MS;
    let after = before;
    while (after === before && performance.now() < deadline) after = await readBootId().catch(() => before);

    expect(after).not.toBe(before);
    expect(driver.state(guest.machine)).toBe('running');
    await driver.awaitProvisioned(guest.machine, BOOT_LIMIT_MS);
    const { output } = await guest.run('cat /var/log/times-custom-data-ran');
    expect(output).toBe('ran');
  });

  it('stops in order when its power button is pressed', async () => {
    await driver.stop(guest.machine, 'graceful', SHUTDOWN_LIMIT_MS);

    expect(driver.state(guest.machine)).toBe('stopped');
    expect(readFileSync(consoleLogFile(guest.machine), 'latin1')).toContain('reboot: Power down');
  });

  it('starts again with what was on its disks, the host key included', async () => {
    await startAndWait();

    await expect(guest.readServedHostKey(BOOT_LIMIT_MS)).resolves.toBe(guest.hostKey);
    const { output } = await guest.run(
      'test -b /dev/disk/azure/scsi1/lun0-part1 && cat /var/log/times-custom-data-ran',
    );
    expect(output).toBe('ran');
  });

  it('is stopped after a panic', async () => {
    await guest.run('sudo sh -c "(sleep 0.2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &"');

    await expect(stateOnceStopped()).resolves.toBe('stopped');
  });

  it('keeps what was synced, and nothing runs on, when its power is cut', async () => {
    await startAndWait();
    await guest.run('echo kept >/home/azureuser/kept && sync');

    await driver.stop(guest.machine, 'hard', 0);

    expect(driver.state(guest.machine)).toBe('stopped');
    await startAndWait();
    const { output } = await guest.run('cat kept; sudo dmesg | grep -c "EXT4-fs.*recovery complete"');
    expect(output.split('\n')).toEqual(['kept', '1']);
  });

  it('boots anew when it is reset', async () => {
    const before = await readBootId();

    await driver.reset(guest.machine);

    await driver.awaitProvisioned(guest.machine, BOOT_LIMIT_MS);
    expect(await readBootId()).not.toBe(before);
  });

  it('can be told to start and to stop twice', async () => {
    const before = await readBootId();

    await driver.start(guest.machine);

    expect(await readBootId()).toBe(before);
    await driver.stop(guest.machine, 'hard', 0);
    await driver.stop(guest.machine, 'hard', 0);
    expect(driver.state(guest.machine)).toBe('stopped');
  });

  it('is stopped when the guest powers itself off', async () => {
    await startAndWait();

    await guest.run('sudo systemctl poweroff');

    await expect(stateOnceStopped()).resolves.toBe('stopped');
  });
});
