import type { ClusterSpecification } from '../specification/specification';
import type { AzureIds } from './ids';
import type { Tags } from './tags';

/** What the article's affinity group became: both nodes in one data centre, so that DRBD's protocol C costs little. */
export function proximityPlacementGroupBody(specification: ClusterSpecification, tags: Tags) {
  return { location: specification.location, tags: { ...tags }, proximityPlacementGroupType: 'Standard' };
}

/** Two fault domains, so that no rack takes both nodes down; managed disks need the sku `Aligned`. */
export function availabilitySetBody(specification: ClusterSpecification, ids: AzureIds, tags: Tags) {
  return {
    location: specification.location,
    tags: { ...tags },
    sku: { name: 'Aligned' },
    platformFaultDomainCount: 2,
    platformUpdateDomainCount: 5,
    proximityPlacementGroup: { id: ids.proximityPlacementGroup },
  };
}
