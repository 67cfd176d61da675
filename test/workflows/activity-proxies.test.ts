import { createActivities, type ActivityDependencies } from '../../activities';
import { activityClass, EXCEPTIONAL_ACTIVITIES } from '../../workflows/activity-proxies';

describe('the time-outs of an activity', () => {
  it.each([
    ['readClusterState', 'read'],
    ['probePlatform', 'read'],
    ['checkPeerReachable', 'read'],
    ['describeLockHolder', 'read'],
    ['createMetadata', 'change'],
    ['ensureResourceGroup', 'change'],
    ['installPackages', 'job'],
    ['submitVirtualMachine', 'submit'],
    ['awaitAzureOperation', 'azureWait'],
    ['awaitConnected', 'wait'],
    ['awaitInSync', 'syncWait'],
    ['remoteQuery', 'wait'],
  ])('of the name %s are those of its class: %s', (name, expected) => {
    expect(activityClass(name)).toBe(expected);
  });

  it('are given to activities that exist: an exception for a name that is gone is a mistake', () => {
    const nothing = new Proxy({}, { get: () => () => undefined });
    const names = Object.keys(createActivities(nothing as ActivityDependencies));

    expect(EXCEPTIONAL_ACTIVITIES.filter((name) => !names.includes(name))).toEqual([]);
  });
});
