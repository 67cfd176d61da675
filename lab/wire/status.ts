import type { BackendHealth } from '../model';
import type { ActiveFault } from './faults';
import type { FrontendStatus } from './frontends';
import type { GatewayStatus } from './gateway';
import type { Problem } from './problem';
import type { Denial, PortCounters } from './switch';

/** All that wire can say about itself. Holds no cookie: whoever may read it may not plug in. */
export interface WireStatus {
  pid: number;
  startedAt: string;
  /** Of the plan in force; undefined before the first one. */
  generation?: number;
  ports: PortCounters[];
  gateways: GatewayStatus[];
  frontends: FrontendStatus[];
  backends: BackendHealth[];
  /** Where the names of the public addresses resolve, as `address:port`. */
  nameServer?: string;
  packageMirror: boolean;
  faults: ActiveFault[];
  /** The last packets and connections that security groups have denied. */
  denials: readonly Denial[];
  /** What of the plan could not be brought about so far. */
  problems: Problem[];
}

/** The answer to a plan: accepted even where parts have to wait for a port to become free. */
export interface PlanResult {
  generation: number;
  problems: Problem[];
}
