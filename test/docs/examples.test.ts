import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readSpecification } from '../../cluster/specification/read';
import { createDecisions } from '../../workflows/decisions';
import { BuildCluster } from '../../workflows/inputs';
import type { DecideInput } from '../../workflows/messages';
import { ROOT, blocks, documents, read } from './markdown';

/** Whoever pastes an example gets what the text promises. */

const all = documents().flatMap(blocks);
// The lab's page has faults in JSON, which the lab's own tests know, and docs/fencing.md a role with a test of its own.
const json = all
  .filter(({ file, language }) => language === 'json' && !file.startsWith('lab/') && file !== 'docs/fencing.md')
  .map((block) => ({ ...block, value: parse(block.text) as object }));

it.each(all.filter(({ language }) => language === 'yaml'))(
  'the YAML in $file is a possible specification',
  ({ text }) => {
    expect(readSpecification(text)).toMatchObject({ ok: true });
  },
);

it.each(readdirSync(join(ROOT, 'examples')))('examples/%s is a possible specification', (file) => {
  expect(readSpecification(read(join('examples', file)))).toMatchObject({ ok: true });
});

it('clusters of the lab can be there side by side', () => {
  const lab = readdirSync(join(ROOT, 'examples')).filter((file) => file.startsWith('lab'));
  const names = lab.map((file) => {
    const reading = readSpecification(read(join('examples', file)));
    return reading.ok ? `${reading.specification.name} ${reading.specification.dnsLabel}` : file;
  });

  expect(new Set(names).size).toBe(lab.length);
});

it('the README has the input of a build to paste into the UI', () => {
  expect(json.filter(({ file, value }) => file === 'README.md' && 'specification' in value)).toHaveLength(1);
});

it('the input in the README is the cluster that npm start builds: pasted on it, nothing is drift', () => {
  const pasted = json.find(({ file, value }) => file === 'README.md' && 'specification' in value)?.value;
  const built = readSpecification(read(join('examples', 'lab.yaml')));

  expect(built).toMatchObject({ ok: true });
  expect(BuildCluster.parse(pasted).specification).toEqual(built.ok ? built.specification : undefined);
});

it.each(json)('the JSON in $file is accepted by the workflow that it is for', ({ value }) => {
  const accept = 'specification' in value ? () => BuildCluster.parse(value) : () => acceptDecision(value);

  expect(accept).not.toThrow();
});

function acceptDecision(value: object): void {
  const decisions = createDecisions();
  const decision = value as DecideInput;
  decisions.ask(decision.step, ['retry', 'abort']);
  decisions.validate(decision);
}
