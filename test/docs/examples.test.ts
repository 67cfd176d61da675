import { parse } from 'yaml';
import { readSpecification } from '../../cluster/specification/read';
import { createDecisions } from '../../workflows/decisions';
import { BuildCluster } from '../../workflows/inputs';
import type { DecideInput } from '../../workflows/messages';
import { blocks, documents } from './markdown';

/** Whoever pastes an example gets what the text promises. */

const all = documents().flatMap(blocks);
const json = all
  .filter(({ language }) => language === 'json')
  .map((block) => ({ ...block, value: parse(block.text) as object }));

it.each(all.filter(({ language }) => language === 'yaml'))(
  'the YAML in $file is a possible specification',
  ({ text }) => {
    expect(readSpecification(text)).toMatchObject({ ok: true });
  },
);

it('the README has the input of a build to paste into the UI', () => {
  expect(json.filter(({ file, value }) => file === 'README.md' && 'specification' in value)).toHaveLength(1);
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
