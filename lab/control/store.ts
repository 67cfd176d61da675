import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../../processes/owned-process';
import type { Operation } from './operations';
import { groupOf, idKey } from './resource-id';
import type { Resource, ResourceOfType, ResourceType } from './resources/resource';
import { messageOf } from '../../processes/error-message';

/**
 * Resources and operations, one JSON file each, read at start and written before memory changes: what a client was
 * told is on disk. A file appears by rename only, so a kill at any moment leaves whole documents.
 */
export interface Store {
  get(id: string): Resource | undefined;
  ofType<Type extends ResourceType>(type: Type): ResourceOfType<Type>[];
  all(): readonly Resource[];
  /** Everything below a resource group, the group itself excepted. */
  inGroup(group: string): Resource[];
  put(resource: Resource): void;
  remove(id: string): void;
  operation(id: string): Operation | undefined;
  operations(): Operation[];
  putOperation(operation: Operation): void;
  removeOperation(id: string): void;
  /** Called after every change of a resource. */
  onChange(listener: () => void): void;
}

export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** The resources on disk, for a reader beside the process that owns the store. */
export function readStoredResources(directory: string): Resource[] {
  return readDocuments<Resource>(join(directory, 'resources'));
}

/** For the one process that owns the directory. */
export function openStore(directory: string): Store {
  const resourceDirectory = join(directory, 'resources');
  const operationDirectory = join(directory, 'operations');
  for (const each of [resourceDirectory, operationDirectory]) {
    mkdirSync(each, { recursive: true, mode: 0o700 });
    removeUnfinished(each);
  }
  const resources = new Map<string, Resource>();
  for (const resource of readDocuments<Resource>(resourceDirectory)) resources.set(idKey(resource.id), resource);
  const operations = new Map<string, Operation>();
  for (const operation of readDocuments<Operation>(operationDirectory)) operations.set(operation.id, operation);
  const listeners: (() => void)[] = [];
  const changed = () => {
    for (const listener of listeners) listener();
  };

  return {
    get: (id) => resources.get(idKey(id)),
    ofType: <Type extends ResourceType>(type: Type) =>
      [...resources.values()].filter((resource): resource is ResourceOfType<Type> => resource.type === type),
    all: () => [...resources.values()],
    inGroup: (group) =>
      [...resources.values()].filter(
        ({ id, type }) =>
          type !== 'Microsoft.Resources/resourceGroups' && groupOf(id).toLowerCase() === group.toLowerCase(),
      ),
    put(resource) {
      writeFileAtomically(resourceFile(resourceDirectory, resource.id), JSON.stringify(resource, undefined, 1));
      resources.set(idKey(resource.id), resource);
      changed();
    },
    remove(id) {
      rmSync(resourceFile(resourceDirectory, id), { force: true });
      if (resources.delete(idKey(id))) changed();
    },
    operation: (id) => operations.get(id),
    operations: () => [...operations.values()],
    putOperation(operation) {
      writeFileAtomically(join(operationDirectory, `${operation.id}.json`), JSON.stringify(operation, undefined, 1));
      operations.set(operation.id, operation);
    },
    removeOperation(id) {
      rmSync(join(operationDirectory, `${id}.json`), { force: true });
      operations.delete(id);
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}

/** Ids hold slashes and any casing, so the file is named by a digest; the id stands inside. */
function resourceFile(directory: string, id: string): string {
  return join(directory, `${createHash('sha256').update(idKey(id)).digest('hex').slice(0, 32)}.json`);
}

/** Left by a process that was killed between writing a file and giving it its name. */
function removeUnfinished(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.endsWith('.tmp')) rmSync(join(directory, name), { force: true });
  }
}

function readDocuments<Document>(directory: string): Document[] {
  if (!existsSync(directory)) return [];
  const documents: Document[] = [];
  for (const name of readdirSync(directory)) {
    const file = join(directory, name);
    if (!name.endsWith('.json')) continue;
    try {
      documents.push(JSON.parse(readFileSync(file, 'utf8')) as Document);
    } catch (error) {
      if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') continue;
      throw new StoreError(
        `${file} is not readable as JSON (${messageOf(error)}). The lab writes such ` +
          'files whole, so something else changed it: restore it, or start anew with: hadb lab down --purge',
      );
    }
  }
  return documents;
}
