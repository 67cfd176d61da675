import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const IMAGES = join(__dirname, '../../../lab/images');
const OVERLAY = join(IMAGES, 'overlay');

const scripts = [
  join(IMAGES, 'customize.sh'),
  join(IMAGES, 'py3compile'),
  ...readdirSync(join(OVERLAY, 'usr/lib/hadb-lab')).map((name) => join(OVERLAY, 'usr/lib/hadb-lab', name)),
];

describe('what the image carries of ours', () => {
  it.each(scripts)('%s is a POSIX shell script without syntax errors', (script) => {
    expect(readFileSync(script, 'utf8')).toMatch(/^#!\/bin\/sh\n[^]*\nset -eu\n/);
    expect(spawnSync('sh', ['-n', script])).toMatchObject({ status: 0 });
    expect(statSync(script).mode & 0o100).toBe(0o100);
  });

  it('starts only programs that it brings', () => {
    const units = readdirSync(join(OVERLAY, 'etc/systemd/system')).filter((name) => name.endsWith('.service'));

    const commands = units.map(
      (unit) => /^ExecStart=(\S+)$/m.exec(readFileSync(join(OVERLAY, 'etc/systemd/system', unit), 'utf8'))?.[1],
    );

    expect(units).toHaveLength(2);
    for (const command of commands) expect(statSync(join(OVERLAY, command ?? '')).isFile()).toBe(true);
  });

  it('has sudo rules that visudo accepts', () => {
    const output = execFileSync('/usr/sbin/visudo', ['-cf', join(OVERLAY, 'etc/sudoers.d/10-hadb-lab')]).toString();

    expect(output).toContain('parsed OK');
  });
});
