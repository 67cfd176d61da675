import { databaseProfile, renderClient } from '../../../cluster/database/profile';
import { renderServerSettings, renderUnitDropIn } from '../../../cluster/database/settings';
import { timingOf } from '../../../cluster/timing';
import { specificationOf } from '../specimens';

describe.each(['mariadb', 'mysql'] as const)('the settings of %s', (engine) => {
  const specification = specificationOf({ database: { engine, port: 3307, bufferPoolMiB: 256 } });
  const profile = databaseProfile(engine);
  const lines = renderServerSettings({ specification, profile }).split('\n');

  it('write every commit to disk before it is acknowledged, and answer clients from outside', () => {
    expect(lines).toEqual(
      expect.arrayContaining([
        'innodb_flush_log_at_trx_commit = 1',
        'sync_binlog = 1',
        'bind_address = 0.0.0.0',
        'port = 3307',
        'innodb_buffer_pool_size = 256M',
        'require_secure_transport = ON',
      ]),
    );
  });

  it('name each setting once', () => {
    const names = lines.filter((line) => line.includes('=')).map((line) => line.split(' =')[0]);

    expect(new Set(names).size).toBe(names.length);
  });

  it('leave starting and stopping to Pacemaker, and need the replicated file system', () => {
    const dropIn = renderUnitDropIn({ profile, timing: timingOf(specification) });

    expect(dropIn).toContain('Restart=no');
    expect(dropIn).toContain('Before=pacemaker.service');
    expect(dropIn).toContain('AssertPathIsMountPoint=/var/lib/mysql');
  });

  it('are asked of the server by socket, without any password', () => {
    expect(renderClient(profile)).toMatch(/^'\/usr\/bin\/(mysql|mariadb)' '--no-defaults' /);
    expect(renderClient(profile)).not.toContain('password');
  });
});
