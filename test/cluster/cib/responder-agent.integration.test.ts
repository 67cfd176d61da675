import {
  RESPONDER_AGENT,
  renderResponderAgent,
  renderResponderAgentProbe,
  STOCK_RESPONDER_AGENT,
} from '../../../cluster/cib/responder-agent';
import { realTools, type RealTools } from '../real-tools';
import { DEBIAN_12, DEBIAN_SID } from '../specimens';

/** Starts an agent, asks it and its port, stops it, asks again; prints the exit code of each action. */
const life = (
  path: string,
): string => `export OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=lb_mysql OCF_RESKEY_port=61000
export OCF_RESKEY_nc=/usr/local/bin/socat OCF_RESKEY_CRM_meta_timeout=20000
for action in start monitor stop monitor; do
  code=0
  ${path} "$action" >/dev/null 2>&1 || code=$?
  printf '%s=%s ' "$action" "$code"
done
`;
/** The agent only starts and ends it; `which` is not among the extracted packages. */
const HELPERS = {
  '/usr/local/bin/socat': '#!/bin/sh\nexec sleep 60\n',
  '/usr/local/bin/which': '#!/bin/sh\ncommand -v "$1"\n',
};

describe.each([
  ['bookworm', DEBIAN_12],
  ['sid', DEBIAN_SID],
] as const)('the agent azure-lb of Debian %s', (suite, { responderAgentWorks }) => {
  let tools: RealTools;
  beforeAll(() => {
    tools = realTools(suite);
  }, 900_000);

  it('runs as it is, or the probe says that it does not', () => {
    const lived = tools.run(life(STOCK_RESPONDER_AGENT.path), { files: HELPERS }).stdout.trim();
    const probed = tools.run(renderResponderAgentProbe(), {}).stdout.trim();

    expect(lived === 'start=0 monitor=0 stop=0 monitor=7').toBe(responderAgentWorks);
    expect(probed).toBe(responderAgentWorks ? '' : 'responderAgentBroken=yes');
  });

  it('runs under bash', () => {
    const { stdout } = tools.run(`chmod 755 ${RESPONDER_AGENT.path}; ${life(RESPONDER_AGENT.path)}`, {
      files: { ...HELPERS, [RESPONDER_AGENT.path]: renderResponderAgent() },
    });

    expect(stdout.trim()).toBe('start=0 monitor=0 stop=0 monitor=7');
  });
});
