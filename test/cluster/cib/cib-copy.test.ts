import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCibCopy } from '../../../cluster/cib/cib-copy';

/** As the Pacemaker of a real pair had it (2.1.5): whole again after a drill, and in the middle of a move. */
const captured = (name: string) => readFileSync(join(__dirname, 'captured', `cib-2.1.5-${name}.xml`), 'utf8');
const HEALTHY = captured('healthy');

describe("a node's own copy of the CIB", () => {
  it('tells its version, and nothing left over where nothing is', () => {
    expect(parseCibCopy(HEALTHY)).toMatchObject({
      version: '0.117.3',
      epochs: '0.117',
      leftovers: [],
      heldBack: [],
    });
  });

  it('names the constraint of a move', () => {
    expect(parseCibCopy(captured('move-left')).leftovers).toEqual(['cli-prefer-ms_drbd_mysql']);
  });

  it('names that of a fence-peer handler, and none that somebody has set for good', () => {
    const constraints = `<rsc_location id="drbd-fence-by-handler-r0-ms_drbd_mysql" rsc="ms_drbd_mysql"/><rsc_location id="not-on-hadb03" rsc="mysql"/></constraints>`;

    expect(parseCibCopy(HEALTHY.replace('</constraints>', constraints)).leftovers).toEqual([
      'drbd-fence-by-handler-r0-ms_drbd_mysql',
    ]);
  });

  it.each([
    ['on', [{ node: 'hadb02', attribute: 'standby' }]],
    ['off', []],
  ])('knows a node with standby=%s', (value, heldBack) => {
    const standby = `<node id="2" uname="hadb02"><instance_attributes id="nodes-2"><nvpair id="nodes-2-standby" name="standby" value="${value}"/></instance_attributes></node>`;

    expect(parseCibCopy(HEALTHY.replace(/<node id="2" uname="hadb02"\/>/, standby)).heldBack).toEqual(heldBack);
  });

  it('is the same whatever who wrote it last, and another with another setting or another status', () => {
    const copy = parseCibCopy(HEALTHY);
    const written = parseCibCopy(
      HEALTHY.replace(/cib-last-written="[^"]*"/, 'cib-last-written="Mon Nov 23 09:12:37 2026"'),
    );
    const configured = parseCibCopy(
      HEALTHY.replace('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"'),
    );
    const failed = parseCibCopy(HEALTHY.replace('rc-code="8"', 'rc-code="1"'));

    expect(written).toEqual(copy);
    expect(configured.configuration).not.toBe(copy.configuration);
    expect(failed.configuration).toBe(copy.configuration);
    expect(failed.whole).not.toBe(copy.whole);
  });

  it.each(['', 'Could not connect to the CIB: Transport endpoint is not connected\n', HEALTHY.slice(0, 9000)])(
    'is no CIB: %#',
    (text) => {
      expect(() => parseCibCopy(text)).toThrow(expect.objectContaining({ code: 'CommandFailed' }));
    },
  );
});
