import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderJsonSchema, SCHEMA_FILE, WRITE_SCHEMA } from '../../../cluster/specification/json-schema';
import { readSpecification } from '../../../cluster/specification/read';
import type { ClusterSpecification } from '../../../cluster/specification/specification';

const ROOT = join(__dirname, '..', '..', '..');
const read = (name: string): ClusterSpecification => {
  const reading = readSpecification(readFileSync(join(ROOT, 'examples', name), 'utf8'));
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  return reading.specification;
};

describe('examples', () => {
  it.each(readdirSync(join(ROOT, 'examples')))('%s is a possible cluster', (name) => {
    expect(read(name).nodes.map((node) => node.name)).toEqual(['hadb01', 'hadb02']);
  });

  it('article.yaml is the article', () => {
    expect(read('article.yaml')).toMatchObject({
      name: 'hadb',
      nodes: [
        { name: 'hadb01', address: '10.10.10.4' },
        { name: 'hadb02', address: '10.10.10.5' },
      ],
      dataDisk: { sizeGiB: 5 },
      drbd: { port: 7789 },
      database: { schema: 'azureha', table: 'things', port: 3306 },
      loadBalancer: { probeIntervalSeconds: 5 },
      corosync: { tokenMs: 30_000 },
      fencingDelaySeconds: 30,
    });
  });

  it('lab.yaml opens the cluster to this computer only, and notices and fences soon', () => {
    expect(read('lab.yaml')).toMatchObject({
      network: { clients: ['127.0.0.0/8'], administrators: ['127.0.0.0/8'] },
      corosync: { tokenMs: 3000 },
      fencingDelaySeconds: 5,
      vm: { image: { sku: 'golden' } },
      database: { engine: 'mariadb' },
    });
  });

  it('lab-sid.yaml runs MySQL on the image that has it', () => {
    expect(read('lab-sid.yaml')).toMatchObject({ database: { engine: 'mysql' }, vm: { image: { sku: 'debian-sid' } } });
  });
});

describe('the published schema', () => {
  it(`is that of the specification; after a change: ${WRITE_SCHEMA}`, () => {
    const published: unknown = JSON.parse(readFileSync(join(ROOT, SCHEMA_FILE), 'utf8'));

    expect(published).toEqual(JSON.parse(renderJsonSchema()));
  });

  it('describes every field that has a rule of its own, and asks for the address ranges', () => {
    const schema = JSON.parse(renderJsonSchema()) as {
      required: string[];
      properties: { network: { required: string[]; additionalProperties: boolean } };
    };

    expect(schema.required).toEqual(['network']);
    expect(schema.properties.network).toMatchObject({
      required: ['clients', 'administrators'],
      additionalProperties: false,
    });
  });
});
