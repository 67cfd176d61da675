import { parseJobState } from '../../../cluster/node-scripts/remote-job';

describe('parseJobState', () => {
  it.each([
    ['running\nline 1\nline 2\n', { state: 'running', tail: 'line 1\nline 2\n' }],
    ['finished exited 0\n', { state: 'finished', code: 0, tail: '' }],
    ['finished exited 100\nE: no\n', { state: 'finished', code: 100, tail: 'E: no\n' }],
    ['finished timeout killed TERM\n', { state: 'ended', reason: 'timeout killed TERM', tail: '' }],
    ['finished oom-kill killed KILL\n', { state: 'ended', reason: 'oom-kill killed KILL', tail: '' }],
    ['lost 1b2c-boot\nhalf\n', { state: 'lost', boot: '1b2c-boot', tail: 'half\n' }],
    ['vanished\n', { state: 'vanished', tail: '' }],
    ['absent\n', { state: 'absent', tail: '' }],
    ['absent', { state: 'absent', tail: '' }],
  ])('reads %j', (text, expected) => {
    expect(parseJobState(text)).toEqual(expected);
  });

  it('refuses what no wait has written', () => {
    expect(() => parseJobState('bash: systemctl: command not found')).toThrow('not the state of a job');
  });
});
