import { startTestLab, LOCATION } from './lab-fixture';
import type { AzureClients, TestLab } from './lab-fixture';

describe('tags', () => {
  let lab: TestLab;
  let azure: AzureClients;
  let scope: string;

  beforeAll(async () => {
    lab = await startTestLab();
    azure = lab.clients();
    const group = await azure.resources.resourceGroups.createOrUpdate('tagged', {
      location: LOCATION,
      tags: { Owner: 'a' },
    });
    scope = group.id ?? '';
  });
  afterAll(() => lab.close());

  const patch = (operation: 'Merge' | 'Replace' | 'Delete', tags: Record<string, string>) =>
    azure.resources.tagsOperations.updateAtScope(scope, { operation, properties: { tags } });
  const read = async () => (await azure.resources.tagsOperations.getAtScope(scope)).properties.tags;

  it('merge keeps the others and the first writer’s casing', async () => {
    await patch('Merge', { owner: 'b', 'hadb-gate': 'open' });

    expect(await read()).toEqual({ Owner: 'b', 'hadb-gate': 'open' });
  });

  it('delete takes a tag by name and value, or by name with an empty value', async () => {
    await patch('Delete', { owner: 'other' });
    await patch('Delete', { 'HADB-GATE': '' });

    expect(await read()).toEqual({ Owner: 'b' });
  });

  it('replace and PUT leave nothing else', async () => {
    await patch('Replace', { one: '1' });
    expect(await read()).toEqual({ one: '1' });
    await azure.resources.tagsOperations.createOrUpdateAtScope(scope, { properties: { tags: { two: '2' } } });
    expect(await read()).toEqual({ two: '2' });
    await azure.resources.resourceGroups.update('tagged', { tags: { three: '3' } });
    expect((await azure.resources.resourceGroups.get('tagged')).tags).toEqual({ three: '3' });
  });

  it('a PUT of the group without tags drops them', async () => {
    const group = await azure.resources.resourceGroups.createOrUpdate('tagged', { location: LOCATION });

    expect(group.tags).toBeUndefined();
  });

  it.each([
    ['a name with a reserved character', { 'a/b': 'x' }, 'InvalidTagNameCharacters'],
    ['a value of 257 characters', { a: 'x'.repeat(257) }, 'InvalidTagValueLength'],
    ['51 tags', Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, ''])), 'TooManyTags'],
  ])('refuses %s', async (_what, tags, code) => {
    await expect(patch('Replace', tags)).rejects.toMatchObject({ statusCode: 400, code });
  });

  it('finds groups by tag', async () => {
    await patch('Replace', { 'hadb-cluster': 'alpha' });
    await azure.resources.resourceGroups.createOrUpdate('untagged', { location: LOCATION });

    const names = [];
    for await (const group of azure.resources.resourceGroups.list({
      filter: "tagName eq 'hadb-cluster' and tagValue eq 'alpha'",
    })) {
      names.push(group.name);
    }
    expect(names).toEqual(['tagged']);
  });
});
