import { auditTable, type TableRead } from '../../../cluster/verdict/audit-table';

const read = (over: Partial<TableRead> = {}): TableRead => ({
  node: 'hadb01',
  table: '`azureha`.`things`',
  rows: 1,
  checksum: '2834029',
  isQuiet: true,
  ...over,
});
const THERE = { node: 'hadb02' };

describe('the table of a planned move', () => {
  it('is the same on the other side', () => {
    expect(auditTable(read(), read(THERE))).toEqual({
      name: 'table equal on the other side',
      passed: true,
      detail:
        '`azureha`.`things`: 1 rows, checksum 2834029 on hadb01 before the move; 1 rows, checksum 2834029 on hadb02 after it',
    });
  });

  it.each([
    ['another checksum', { checksum: '1' }],
    ['another number of rows', { rows: 0 }],
  ])('is not the same with %s', (_, over) => {
    const check = auditTable(read(), read({ ...THERE, ...over }));

    expect(check).toMatchObject({ passed: false });
    expect(check).not.toHaveProperty('unknown');
  });

  it.each([
    ['somebody wrote to it', read(), read({ ...THERE, checksum: '1', isQuiet: false })],
    ['it was not read before', undefined, read(THERE)],
    ['it was not read after', read(), undefined],
    ['it was read on the same node', read(), read()],
  ])('is not known where %s', (_, before, after) => {
    expect(auditTable(before, after)).toMatchObject({ passed: false, unknown: true });
  });
});
