import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../../../processes/owned-process';
import type { RoleAssignment, RoleDefinition } from './roles';
import { BUILT_IN_ROLES, scopeKey } from './roles';

/** Roles and assignments on disk: written whole before anybody is told. */
export interface RoleRegistry {
  definition(name: string): RoleDefinition | undefined;
  definitions(): readonly RoleDefinition[];
  putDefinition(definition: RoleDefinition): void;
  removeDefinition(name: string): void;
  assignment(name: string): RoleAssignment | undefined;
  assignments(): readonly RoleAssignment[];
  putAssignment(assignment: RoleAssignment): void;
  removeAssignments(gone: (assignment: RoleAssignment) => boolean): void;
}

interface Document {
  definitions: RoleDefinition[];
  assignments: RoleAssignment[];
}

export function openRoleRegistry(directory: string): RoleRegistry {
  const file = join(directory, 'authorization.json');
  let document: Document = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Document)
    : { definitions: [], assignments: [] };
  const save = (changed: Partial<Document>) => {
    const wanted = { ...document, ...changed };
    writeFileAtomically(file, JSON.stringify(wanted, undefined, 1));
    document = wanted;
  };
  const named = (name: string) => (other: { name: string }) => other.name.toLowerCase() === name.toLowerCase();
  const without = <Item extends { name: string }>(items: readonly Item[], name: string): Item[] =>
    items.filter((item) => !named(name)(item));

  return {
    definition: (name) => [...BUILT_IN_ROLES, ...document.definitions].find(named(name)),
    definitions: () => [...BUILT_IN_ROLES, ...document.definitions],
    putDefinition: (definition) =>
      save({ definitions: [...without(document.definitions, definition.name), definition] }),
    removeDefinition: (name) => save({ definitions: without(document.definitions, name) }),
    assignment: (name) => document.assignments.find(named(name)),
    assignments: () => document.assignments,
    putAssignment: (assignment) =>
      save({ assignments: [...without(document.assignments, assignment.name), assignment] }),
    removeAssignments(gone) {
      const kept = document.assignments.filter((assignment) => !gone(assignment));
      if (kept.length < document.assignments.length) save({ assignments: kept });
    },
  };
}

/** Name of a role as it stands in ids: the last part, whatever scope is in front. */
export function roleNameOf(roleDefinitionId: string): string {
  return scopeKey(roleDefinitionId).split('/').at(-1) ?? '';
}
