import { z } from 'zod';
import { SpecificationFields } from './specification';

/** Where the schema is published, and how it is written anew after a change of the specification. */
export const SCHEMA_FILE = 'docs/specification.schema.json';
export const WRITE_SCHEMA = `npm run build && node -p 'require("./dist/cluster/specification/json-schema.js").renderJsonSchema()' > ${SCHEMA_FILE} && npx prettier --write ${SCHEMA_FILE}`;

/** JSON Schema of what a person writes, for editors and forms. How the fields fit together only hadb itself judges. */
export function renderJsonSchema(): string {
  const schema = z.toJSONSchema(SpecificationFields, { io: 'input' });
  return `${JSON.stringify(
    {
      title: 'Specification of a hadb cluster',
      ...schema,
      description: 'Everything has a default but the address ranges.',
    },
    undefined,
    2,
  )}\n`;
}
