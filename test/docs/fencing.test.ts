import { FENCE_ACTIONS, missingFenceActions } from '../../cluster/azure/fencing-role';
import { describeProblem, readSpecification } from '../../cluster/specification/read';
import { FENCE_LINKS } from '../../cluster/node/fence-agent';
import { read, tableAfter } from './markdown';

/** docs/fencing.md hands out a role and a piece of a specification. */

const PAGE = 'docs/fencing.md';
const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(read(PAGE))?.[1] ?? '';

it('its role gives what the fence agent needs, and the same as the one that the build makes', () => {
  const role = JSON.parse(block('json')) as { Actions: string[] };

  expect(missingFenceActions([{ actions: role.Actions }])).toEqual([]);
  expect(role.Actions).toEqual([...FENCE_ACTIONS]);
});

it('its specification is possible, and names a role', () => {
  const reading = readSpecification(block('yaml'));

  expect(reading.ok ? [] : reading.problems.map(describeProblem)).toEqual([]);
  expect(reading).toMatchObject({ specification: { fencing: 'azure', fencingRole: expect.any(String) as string } });
});

it('explains each link that can be lacking', () => {
  const [, , ...rows] = tableAfter(PAGE, '## When the proof fails');

  expect(rows).toHaveLength(FENCE_LINKS.length);
});
