import { userInfo } from 'node:os';
import {
  readClientSettings,
  readDirectorySettings,
  readLabSettings,
  readShellSettingsOfWorker,
  readTemporalCliSettings,
  readWorkerSettings,
} from '../settings';

describe('settings', () => {
  it('keep state and cache in the home directory unless told otherwise', () => {
    expect(readDirectorySettings({ HOME: '/home/ada' })).toEqual({
      stateDirectory: '/home/ada/.local/state/hadb',
      cacheDirectory: '/home/ada/.cache/hadb',
    });
    expect(readDirectorySettings({ HOME: '/home/ada', HADB_STATE_DIR: '/s', HADB_CACHE_DIR: '/c' })).toEqual({
      stateDirectory: '/s',
      cacheDirectory: '/c',
    });
  });

  it('take a known engine and refuse an unknown one by naming those there are', () => {
    expect(readLabSettings({ HOME: '/h', HADB_LAB_ENGINE: 'uml' }).engine).toBe('uml');
    expect(readLabSettings({ HOME: '/h' }).engine).toBeUndefined();
    expect(() => readLabSettings({ HOME: '/h', HADB_LAB_ENGINE: 'xen' })).toThrow(/"xen"; use one of kvm, uml, tcg/);
  });

  it('of a worker mean the real Azure where nothing is set', () => {
    const settings = readWorkerSettings({ HOME: '/h', HADB_ARM_ENDPOINT: '' });

    expect(settings.armEndpoint).toBeUndefined();
    expect(settings.nameServer).toBeUndefined();
    expect(settings.taskQueue).toBe('hadb');
  });

  it('name who asks: as told, by the login, or by the account that runs it', () => {
    const userOf = (environment: Record<string, string>) => readClientSettings({ HOME: '/h', ...environment }).user;

    expect(userOf({ HADB_USER: 'ada', USER: 'root' })).toBe('ada');
    expect(userOf({ HADB_USER: '', USER: 'root' })).toBe('root');
    expect(userOf({ LOGNAME: 'grace' })).toBe('grace');
    expect(userOf({})).toBe(userInfo().username);
  });

  it.each([
    ['', undefined],
    ['9464', '127.0.0.1:9464'],
    ['0.0.0.0:9464', '0.0.0.0:9464'],
    ['[::1]:9464', '[::1]:9464'],
  ])('let metrics listen nowhere, on loopback or where they are told: "%s"', (value, address) => {
    expect(readWorkerSettings({ HOME: '/h', HADB_METRICS_ADDRESS: value }).metricsAddress).toBe(address);
  });

  it('let the nodes make faults of the network where that is asked for, also a worker that "hadb up" starts', () => {
    expect(readWorkerSettings({ HOME: '/h', HADB_NETWORK_FAULTS: '' })).not.toHaveProperty('networkFaultsBy');
    expect(readWorkerSettings({ HOME: '/h', HADB_NETWORK_FAULTS: 'nodes' }).networkFaultsBy).toBe('nodes');
    expect(readShellSettingsOfWorker({ HADB_NETWORK_FAULTS: 'nodes' })).toEqual({ HADB_NETWORK_FAULTS: 'nodes' });
    expect(() => readWorkerSettings({ HOME: '/h', HADB_NETWORK_FAULTS: 'lab' })).toThrow(/"lab"; use nodes/);
  });

  it('prefer the named Temporal CLI to the search path', () => {
    expect(readTemporalCliSettings({ HOME: '/h', PATH: '/bin', TEMPORAL_CLI_PATH: '/opt/temporal' })).toMatchObject({
      cliPath: '/opt/temporal',
      searchPath: '/bin',
    });
  });
});
