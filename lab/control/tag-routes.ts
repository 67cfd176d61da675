import type { Arm } from './arm';
import { methodNotAllowed } from './arm';
import { ArmError, notInLab, resourceGroupBeingDeleted, resourceGroupNotFound, resourceNotFound } from './arm-error';
import { bodyObject, isObject } from './arm-http';
import type { ArmRequest, ArmResponse } from './arm-http';
import { parsePath } from './resource-id';
import type { Resource } from './resources/resource';

type Tags = Record<string, string>;

/** Limits of Azure: 50 tags, 512 characters a name, 256 a value. */
const MOST_TAGS = 50;

/** Tags of a body, checked; `fallback` when the body says nothing about them. */
export function assertTags(given: unknown, fallback: Tags | undefined): Tags | undefined {
  if (given === undefined || given === null) return fallback;
  if (!isObject(given)) {
    throw new ArmError(400, 'InvalidRequestContent', 'The request content was invalid: tags must be an object.');
  }
  const entries = Object.entries(given);
  if (entries.length > MOST_TAGS) {
    throw new ArmError(
      400,
      'TooManyTags',
      `The maximum number of tags is ${MOST_TAGS}. Provided number of tags is '${entries.length}'.`,
    );
  }
  const seen = new Set<string>();
  for (const [name, value] of entries) {
    if (/[<>%&\\?/]/.test(name)) {
      throw new ArmError(
        400,
        'InvalidTagNameCharacters',
        `The tag names '${name}' have reserved characters '<,>,%,&,\\,?,/' or control characters.`,
      );
    }
    if (name === '' || name.length > 512) {
      throw new ArmError(400, 'InvalidTagNameLength', `Tag name '${name}' must have 1 to 512 characters.`);
    }
    if (typeof value !== 'string') {
      throw new ArmError(
        400,
        'InvalidRequestContent',
        `The request content was invalid: tag '${name}' is not a string.`,
      );
    }
    if (value.length > 256) {
      throw new ArmError(
        400,
        'InvalidTagValueLength',
        `Tag value too large. Following tag value '${value}' exceeded the maximum length. Maximum allowed length for tag value ` +
          `- '256' characters.`,
      );
    }
    const key = name.toLowerCase();
    if (seen.has(key)) {
      throw new ArmError(
        400,
        'DuplicateTagNames',
        `Found duplicate tag names '${name}'. Tag names are case-insensitive.`,
      );
    }
    seen.add(key);
  }
  return given as Tags;
}

/** `{scope}/providers/Microsoft.Resources/tags/default`. */
export function createTagRoutes(arm: Arm) {
  const { store, world } = arm;

  const find = (scope: string): Resource => {
    const resource = store.get(scope);
    if (resource !== undefined) return resource;
    const path = parsePath(scope);
    if (path.group === undefined)
      throw notInLab('The lab keeps tags of groups and resources, not of the subscription.');
    if (path.provider === undefined) throw resourceGroupNotFound(path.group);
    throw resourceNotFound(`${path.provider}/${path.rest[0] ?? ''}`, path.rest[1] ?? '', path.group);
  };

  const render = (resource: Resource): ArmResponse => ({
    status: 200,
    body: {
      id: `${resource.id}/providers/Microsoft.Resources/tags/default`,
      name: 'default',
      type: 'Microsoft.Resources/tags',
      properties: { tags: resource.tags ?? {} },
    },
  });

  const write = (resource: Resource, tags: Tags): ArmResponse => {
    if (resource.provisioningState === 'Deleting') throw resourceGroupBeingDeleted(parsePath(resource.id).group ?? '');
    const updated: Resource = { ...resource, tags, etag: world.newGuid() };
    store.put(updated);
    return render(updated);
  };

  return {
    /** The scope, when the path is one of a tags resource. */
    scopeOf(path: string): string | undefined {
      const match = /^(.*)\/providers\/microsoft\.resources\/tags\/default\/*$/i.exec(path.replaceAll(/\/{2,}/g, '/'));
      return match?.[1];
    },

    handle(scope: string, request: ArmRequest): ArmResponse {
      const resource = find(scope);
      const body = bodyObject(request);
      const properties = isObject(body['properties']) ? body['properties'] : {};
      switch (request.method) {
        case 'GET':
          return render(resource);
        case 'PUT':
          return write(resource, assertTags(properties['tags'], {}) ?? {});
        case 'PATCH':
          return write(
            resource,
            patched(resource.tags ?? {}, assertTags(properties['tags'], {}) ?? {}, body['operation']),
          );
        case 'DELETE':
          write(resource, {});
          return { status: 200 };
        default:
          throw methodNotAllowed(request);
      }
    },
  };
}

/** Merge, Replace or Delete; names are case-insensitive, and the first writer's casing stays. */
function patched(before: Tags, given: Tags, operation: unknown): Tags {
  const find = (name: string) => Object.keys(before).find((known) => known.toLowerCase() === name.toLowerCase());
  switch (operation) {
    case 'Replace':
      return given;
    case 'Delete': {
      const gone = new Set(
        Object.entries(given).flatMap(([name, value]) => {
          const known = find(name);
          return known !== undefined && (value === '' || before[known] === value) ? [known] : [];
        }),
      );
      return Object.fromEntries(Object.entries(before).filter(([name]) => !gone.has(name)));
    }
    case 'Merge': {
      const merged = { ...before };
      for (const [name, value] of Object.entries(given)) merged[find(name) ?? name] = value;
      return assertTags(merged, undefined) ?? {};
    }
    default:
      throw new ArmError(
        400,
        'InvalidTagsPatchOperation',
        `The tags patch operation '${String(operation)}' is invalid. Use Merge, Replace or Delete.`,
      );
  }
}
