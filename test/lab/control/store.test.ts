import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResourceGroup } from '../../../lab/control/resources/resource-group';
import { openStore, readStoredResources } from '../../../lab/control/store';
import { useTemporaryDirectory } from '../../temporary-directory';

const group = (name: string, etag = 'e'): ResourceGroup => ({
  id: `/subscriptions/s/resourceGroups/${name}`,
  name,
  type: 'Microsoft.Resources/resourceGroups',
  location: 'westeurope',
  etag,
  guid: 'g',
  provisioningState: 'Succeeded',
  createdAt: '2026-01-01T00:00:00.000Z',
  properties: {},
});

describe('the store', () => {
  let directory: string;
  useTemporaryDirectory((made) => {
    directory = made;
  });

  it('finds a resource by its id in any casing, with doubled slashes, also after a restart', () => {
    openStore(directory).put(group('One'));

    const store = openStore(directory);

    expect(store.get('/SUBSCRIPTIONS/s//resourcegroups/one')?.name).toBe('One');
    expect(readStoredResources(directory)).toEqual([group('One')]);
  });

  it('keeps one document per resource, readable by its owner only', () => {
    const store = openStore(directory);
    store.put(group('one'));
    store.put(group('ONE', 'second'));

    const files = readdirSync(join(directory, 'resources'));
    expect(files).toHaveLength(1);
    expect(statSync(join(directory, 'resources', files[0] ?? '')).mode & 0o777).toBe(0o600);
    expect(store.get('/subscriptions/s/resourceGroups/one')?.etag).toBe('second');
  });

  it('removes a document, and says each change once', () => {
    const store = openStore(directory);
    let changes = 0;
    store.onChange(() => (changes += 1));
    store.put(group('one'));
    store.remove('/subscriptions/s/resourcegroups/ONE');
    store.remove('/subscriptions/s/resourcegroups/ONE');

    expect([changes, readdirSync(join(directory, 'resources'))]).toEqual([2, []]);
  });

  it('drops what a killed process had not finished writing', () => {
    mkdirSync(join(directory, 'resources'), { recursive: true });
    writeFileSync(join(directory, 'resources', 'abc.json.123.tmp'), '{"half":');

    expect(openStore(directory).all()).toEqual([]);
    expect(readdirSync(join(directory, 'resources'))).toEqual([]);
  });

  it('names the file that something else has damaged', () => {
    mkdirSync(join(directory, 'resources'), { recursive: true });
    writeFileSync(join(directory, 'resources', 'abc.json'), '{"half":');

    expect(() => openStore(directory)).toThrow(/abc\.json is not readable as JSON .* hadb lab down --purge/);
  });
});
