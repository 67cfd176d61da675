import { ArmError } from './arm-error';
import { groupOf } from './resource-id';
import type { Resource } from './resources/resource';

type Match = (resource: Resource) => boolean;

/**
 * The part of ARM's `$filter` that clients use on lists: `tagName eq 'a' and tagValue eq 'b'`, `resourceType eq '...'`,
 * `name eq '...'`, `resourceGroup eq '...'`, `location eq '...'`, joined by `and`.
 */
export function parseFilter(filter: string | undefined): Match {
  if (filter === undefined || filter.trim() === '') return () => true;
  const terms = filter.split(/\s+and\s+/i).map((term) => {
    const match = /^\s*\(?\s*(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'\s*\)?\s*$/i.exec(term);
    const [, field, operator, value] = match ?? [];
    if (field === undefined || operator === undefined || value === undefined) throw invalidFilter(filter);
    return { field: field.toLowerCase(), negated: operator.toLowerCase() === 'ne', value: value.replaceAll("''", "'") };
  });
  const tagName = terms.find(({ field }) => field === 'tagname');
  const tagValue = terms.find(({ field }) => field === 'tagvalue');
  if (tagValue !== undefined && tagName === undefined) throw invalidFilter(filter);
  const tagMatch: Match = (resource) => {
    if (tagName === undefined) return true;
    const found = Object.entries(resource.tags ?? {}).find(
      ([name]) => name.toLowerCase() === tagName.value.toLowerCase(),
    );
    return found !== undefined && (tagValue === undefined || found[1] === tagValue.value);
  };
  const others = terms
    .filter(({ field }) => field !== 'tagname' && field !== 'tagvalue')
    .map(({ field, value, negated }): Match => {
      const read = FIELDS[field];
      if (read === undefined) throw invalidFilter(filter);
      return (resource) => (read(resource).toLowerCase() === value.toLowerCase()) !== negated;
    });
  return (resource) => tagMatch(resource) && others.every((matches) => matches(resource));
}

const FIELDS: Readonly<Record<string, (resource: Resource) => string>> = {
  resourcetype: ({ type }) => type,
  name: ({ name }) => name,
  resourcegroup: ({ id }) => groupOf(id),
  location: ({ location }) => location,
};

function invalidFilter(filter: string): ArmError {
  return new ArmError(400, 'InvalidFilterInQueryString', `Invalid $filter '${filter}' specified in the query string.`);
}
