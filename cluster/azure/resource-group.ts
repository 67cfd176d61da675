import type { ClusterSpecification } from '../specification/specification';
import type { Tags } from './tags';

export function resourceGroupBody(specification: ClusterSpecification, tags: Tags) {
  return { location: specification.location, tags: { ...tags } };
}
