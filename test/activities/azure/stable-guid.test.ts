import { stableGuid } from '../../../activities/azure/stable-guid';
import { fencingNames } from '../../../cluster/ids';

it('a text has one GUID, of version 5, for ever', () => {
  expect(stableGuid('hadb')).toBe(stableGuid('hadb'));
  expect(stableGuid('hadb')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

it('clusters, subscriptions, identities, machines and roles are told apart; letters are not', () => {
  const of = (subscription: string, cluster: string) => fencingNames(subscription, cluster);
  const assignment = { role: '/role', principalId: 'p', machineId: '/vm1' };
  const texts = [
    of('s1', 'hadb').role,
    of('s2', 'hadb').role,
    of('s1', 'hadb2').role,
    of('s1', 'hadb').assignment(assignment),
    of('s1', 'hadb').assignment({ ...assignment, machineId: '/vm2' }),
    of('s1', 'hadb').assignment({ ...assignment, principalId: 'q' }),
    of('s1', 'hadb').assignment({ ...assignment, role: '/other' }),
  ];

  expect(new Set(texts.map(stableGuid)).size).toBe(texts.length);
  expect(of('S1', 'hadb').assignment({ ...assignment, machineId: '/VM1' })).toBe(texts[3]);
});
