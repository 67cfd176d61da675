import type { AzureFencing, CibInput } from '../../cluster/cib/cib';
import { databaseProfile } from '../../cluster/database/profile';
import type { Platform } from '../../cluster/platform';
import { timingOf } from '../../cluster/timing';
import type { NodeStep } from '../step';

/** A step that needs the whole configuration of the cluster; `fencing` exactly when the specification says azure. */
export type Configured = NodeStep & { platform: Platform; fencing?: AzureFencing };

export function cibInput(
  { specification, platform, fencing }: Pick<Configured, 'specification' | 'platform' | 'fencing'>,
  mode: CibInput['mode'],
): CibInput {
  return {
    specification,
    platform,
    profile: databaseProfile(specification.database.engine),
    timing: timingOf(specification),
    mode,
    ...(fencing === undefined ? {} : { fencing }),
  };
}
