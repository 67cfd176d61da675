import type { AzureActivities } from '../../activities/azure';
import type { DrillActivities } from '../../activities/drill';
import type { NodeActivities } from '../../activities/node';
import type { RecoveryActivities } from '../../activities/recovery';
import { stepActivities } from '../activity-proxies';

/** The steps' hands, as the chapters call them. */
export const azure = stepActivities<AzureActivities>();
export const nodes = stepActivities<NodeActivities>();
export const drill = stepActivities<DrillActivities>();
export const recovery = stepActivities<RecoveryActivities>();
