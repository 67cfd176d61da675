import { describeDrbd, isInSync, parseEvents2 } from '../../../cluster/drbd/state';

/** Field order and names as drbdsetup-84 9.22.0 prints them. */
const CONNECTED = `exists resource name:r0 role:Primary suspended:no write-ordering:flush
exists connection name:r0 local:ipv4:10.10.10.4:7789 peer:ipv4:10.10.10.5:7789 connection:Connected role:Secondary congested:no
exists device name:r0 volume:0 minor:1 disk:UpToDate size:5241660 read:1204 written:88 al-writes:4 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no
exists peer-device name:r0 local:ipv4:10.10.10.4:7789 peer:ipv4:10.10.10.5:7789 volume:0 replication:Established peer-disk:UpToDate resync-suspended:no received:0 sent:88 out-of-sync:0 pending:0 unacked:0
exists -
`;
const SYNCING = CONNECTED.replace(
  'replication:Established peer-disk:UpToDate',
  'replication:SyncSource peer-disk:Inconsistent',
).replace('out-of-sync:0', 'out-of-sync:4194304');
/** DRBD 9 adds the peer's node id and name, and the percentage. */
const NINE = `exists resource name:r0 role:Secondary suspended:no write-ordering:flush
exists connection name:r0 peer-node-id:1 conn-name:hadb02 connection:Connected role:Primary congested:no
exists device name:r0 volume:0 minor:1 backing_dev:/dev/sdb1 disk:Inconsistent client:no quorum:yes size:5241660
exists peer-device name:r0 peer-node-id:1 conn-name:hadb02 volume:0 replication:SyncTarget peer-disk:UpToDate peer-client:no resync-suspended:no received:1048576 sent:0 out-of-sync:4193084 pending:0 unacked:0 done:20.01
exists -
`;
const ALONE = `exists resource name:r0 role:Primary suspended:fencing
exists device name:r0 volume:0 minor:1 disk:UpToDate size:5241660
exists -
`;

describe('parseEvents2', () => {
  it('reads a healthy pair', () => {
    const state = parseEvents2(CONNECTED);

    expect(state).toEqual({
      up: true,
      role: 'Primary',
      peerRole: 'Secondary',
      connection: 'Connected',
      disk: 'UpToDate',
      peerDisk: 'UpToDate',
      replication: 'Established',
      outOfSyncKiB: 0,
      sizeKiB: 5_241_660,
      suspended: false,
    });
    expect(isInSync(state)).toBe(true);
  });

  it('does not call a pair in sync while blocks are still copied', () => {
    const state = parseEvents2(SYNCING);

    expect(state).toMatchObject({ replication: 'SyncSource', peerDisk: 'Inconsistent', outOfSyncKiB: 4_194_304 });
    expect(isInSync(state)).toBe(false);
  });

  it('does not call a pair in sync when a verify has found differing blocks', () => {
    expect(isInSync(parseEvents2(CONNECTED.replace('out-of-sync:0', 'out-of-sync:8')))).toBe(false);
  });

  it('reads DRBD 9, which tells the percentage', () => {
    expect(parseEvents2(NINE)).toMatchObject({
      role: 'Secondary',
      peerRole: 'Primary',
      disk: 'Inconsistent',
      donePercent: 20.01,
    });
  });

  it('reads a resource without a connection, its I/O frozen', () => {
    expect(parseEvents2(ALONE)).toMatchObject({
      connection: 'StandAlone',
      peerDisk: 'DUnknown',
      replication: 'Off',
      suspended: true,
    });
  });

  it.each(['', 'exists -\n', 'r0: No such resource\n'])('takes %j for a resource that is not up', (text) => {
    expect(parseEvents2(text)).toMatchObject({ up: false, connection: 'Unconfigured' });
  });

  it('refuses what is not the output of events2', () => {
    expect(() => parseEvents2('bash: drbdsetup: command not found\n')).toThrow(
      'cannot read the output of drbdsetup events2',
    );
  });

  it('says a state in the words of DRBD', () => {
    expect(describeDrbd(parseEvents2(SYNCING))).toBe(
      'Primary/Secondary Connected UpToDate/Inconsistent SyncSource, 4194304 KiB out of sync',
    );
  });
});
