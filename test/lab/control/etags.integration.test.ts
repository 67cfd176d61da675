import { GROUP, buildNetwork, idOf } from './cluster-build';
import { LOCATION, startTestLab } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

describe('etags', () => {
  let lab: TestLab;
  let azure: AzureClients;

  beforeAll(async () => {
    lab = await startTestLab();
    azure = lab.clients();
    await buildNetwork(lab, azure);
  });
  afterAll(() => lab.close());

  const putGroup = (headers: Record<string, string>, name = 'nsg') =>
    azure.network.networkSecurityGroups.createOrUpdate(
      GROUP,
      name,
      { location: LOCATION },
      { requestOptions: { headers } },
    );

  it('a GET shows the etag in body and header, weak', async () => {
    const path = `${idOf(lab, 'Microsoft.Network/networkSecurityGroups', 'nsg')}?api-version=2026-01-01`;

    const answer = await lab.request('GET', path);

    expect(answer.header('etag')).toMatch(/^W\/"[0-9a-f-]{36}"$/);
    expect(answer.body['etag']).toBe(answer.header('etag'));
  });

  it('a PUT with a stale If-Match is refused with 412 and changes nothing', async () => {
    const before = await azure.network.networkSecurityGroups.get(GROUP, 'nsg');
    await putGroup({ 'If-Match': before.etag ?? '' });

    await expect(putGroup({ 'If-Match': before.etag ?? '' })).rejects.toMatchObject({
      statusCode: 412,
      code: 'PreconditionFailed',
    });
  });

  it('If-Match on something that is not there is 412, too', async () => {
    await expect(putGroup({ 'If-Match': 'W/"x"' }, 'other')).rejects.toMatchObject({ statusCode: 412 });
    await expect(azure.network.networkSecurityGroups.get(GROUP, 'other')).rejects.toMatchObject({ statusCode: 404 });
  });

  it('If-None-Match * creates once and then refuses', async () => {
    await putGroup({ 'If-None-Match': '*' }, 'third');

    await expect(putGroup({ 'If-None-Match': '*' }, 'third')).rejects.toMatchObject({ statusCode: 412 });
  });

  it('a DELETE honours If-Match', async () => {
    const path = `${idOf(lab, 'Microsoft.Network/networkSecurityGroups', 'third')}?api-version=2026-01-01`;

    expect((await lab.request('DELETE', path, { headers: { 'If-Match': 'W/"stale"' } })).status).toBe(412);
    expect((await lab.request('GET', path)).status).toBe(200);
  });
});
