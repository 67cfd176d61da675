import type { FaultInjector } from '../../../activities/drill/fault-injector';

/** Faults that somebody has made in the network, by their ids; what is removed is gone from the list. */
export function faultsInNetwork(ids: string[]): FaultInjector {
  const refuse = () => Promise.reject(new Error('nothing is made here'));
  return {
    kind: 'lab',
    freeze: refuse,
    thaw: refuse,
    links: {
      list: async () => [...ids],
      has: async (id) => ids.includes(id),
      put: refuse,
      remove: async (id) => void ids.splice(0, ids.length, ...ids.filter((known) => known !== id)),
    },
  };
}
