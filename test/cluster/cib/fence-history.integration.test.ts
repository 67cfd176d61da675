import { realTools } from '../real-tools';
import { FENCE_EVENTS } from './fence-events';

describe.each(['bookworm', 'sid'] as const)('the schema of crm_mon in Debian %s', (suite) => {
  const validate = (event: string) =>
    realTools(suite).run(
      'xmllint --noout --relaxng "$(ls /usr/share/pacemaker/api/fence-event-*.rng | sort -V | tail -n 1)" /event.xml',
      { files: { '/event.xml': event } },
    );

  it.each(Object.entries(FENCE_EVENTS))('has events like the one that is %s', (_, event) => {
    expect(validate(event)).toMatchObject({ code: 0 });
  });

  it('has none of another status', () => {
    expect(validate(FENCE_EVENTS.confirmed.replace('"success"', '"done"')).code).not.toBe(0);
  });
});
