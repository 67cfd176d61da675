import { assign, quote } from '../shell';
import { renderInstall } from './packages';

/** Debian's own agent, asked on the node as Pacemaker will ask it. */

export const FENCE_AGENT = 'fence_azure_arm';

const AGENT_FILE = `/usr/sbin/${FENCE_AGENT}`;

export interface FenceAgentState {
  /** Package and version that brings the agent. */
  agent?: string;
  held: boolean;
  /** Azure's modules for Python, which Debian 12 only suggests: the agent starts without them, and then fails. */
  modules: boolean;
}

/** Changes nothing. */
export function renderFenceAgentRead(): string {
  return `if [ -x ${quote(AGENT_FILE)} ] && package=$(dpkg-query -S ${quote(AGENT_FILE)}); then
  dpkg-query -W -f 'agent=\${Package} \${Version}\nstate=\${db:Status-Abbrev}\n' "\${package%%:*}"
fi
if python3 -c '
import sys
from importlib.util import find_spec
sys.exit(not (find_spec("azure.mgmt.compute") and (find_spec("azure.identity") or find_spec("msrestazure"))))
' 2>/dev/null; then echo modules=yes; fi
`;
}

export function parseFenceAgent(text: string): FenceAgentState {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim();
  const agent = value('agent');
  return {
    ...(agent === undefined ? {} : { agent }),
    held: value('state')?.startsWith('h') === true,
    modules: value('modules') === 'yes',
  };
}

/** The agent has a package of its own in Debian 13 and later, and is in a collection elsewhere. */
export const renderFenceAgentInstall = (lockSeconds: number): string =>
  renderInstall(
    // Units of the cluster may run by now, and start at boot: none of them is touched.
    { packages: [], units: [], agents: [] },
    {
      firstOf: ['fence-agents-azure-arm', 'fence-agents-extra', 'fence-agents'],
      optional: ['python3-azure'],
      lockSeconds,
    },
  );

/** An upgrade changes the agent when somebody means it to. */
export const renderFenceAgentHold = (): string =>
  `package=$(dpkg-query -S ${quote(AGENT_FILE)})
printf '%s hold\n' "\${package%%:*}" | dpkg --set-selections
`;

/** As in the CIB: the identity of the node's machine, and where both machines are. */
export interface FenceTarget {
  subscriptionId: string;
  resourceGroup: string;
  /** Names of the virtual machines. */
  machines: readonly string[];
}

/** The agent loads Azure's modules for seconds, on a slow machine for half a minute; Pacemaker's own monitor has 120 s. */
export const FENCE_ANSWER_SECONDS = 100;

/**
 * Asks the agent for the list of machines and for the power of each; changes nothing. The list comes first because it is
 * what Pacemaker's monitor of the fence device is.
 */
export function renderFenceProof({ subscriptionId, resourceGroup, machines }: FenceTarget): string {
  return `${assign({ agent: FENCE_AGENT, group: resourceGroup, subscription: subscriptionId, seconds: FENCE_ANSWER_SECONDS })}
command -v "$agent" >/dev/null || { echo 'answer list 127'; echo "err $agent is not installed"; exit 0; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
ask() {
  about=$1
  shift
  code=0
  timeout -k 5 "$seconds" "$agent" --msi --resourceGroup="$group" --subscriptionId="$subscription" "$@" \\
    </dev/null >"$directory/out" 2>"$directory/err" || code=$?
  printf 'answer %s %s\\n' "$about" "$code"
  sed 's/^/out /' "$directory/out"
  tail -n 20 "$directory/err" | grep . | cut -c 1-400 | sed 's/^/err /' || :
}
ask list -o list
${machines.map((machine) => `ask ${quote(`status/${machine}`)} -o status -n ${quote(machine)}`).join('\n')}
`;
}

export interface FenceAnswer {
  /** `list`, or `status/` and the machine. */
  about: string;
  code: number;
  output: string[];
  errors: string[];
}

/** Total: what is no answer is left out, and a missing answer is a problem of its own. */
export function parseFenceProof(text: string): FenceAnswer[] {
  const answers: FenceAnswer[] = [];
  for (const line of text.split('\n')) {
    const [, about, code] = /^answer (\S+) (\d+)$/.exec(line) ?? [];
    if (about !== undefined) answers.push({ about, code: Number(code), output: [], errors: [] });
    else if (line.startsWith('out ')) answers.at(-1)?.output.push(line.slice(4).trim());
    else if (line.startsWith('err ')) answers.at(-1)?.errors.push(line.slice(4).trim());
  }
  return answers;
}

/** Exit code of a status that is a machine switched off: an answer as well. */
const STATUS_OFF = 2;

/** What keeps the agent from fencing each machine, one line each; empty when it is proved. */
export function fenceProblems(answers: readonly FenceAnswer[], machines: readonly string[]): string[] {
  return [
    ...listProblems(answers, machines),
    ...machines.flatMap((machine) => {
      const answer = answers.find(({ about }) => about === `status/${machine}`);
      if (answer === undefined) return [`the power of ${machine} was not told`];
      const power = powerOf(answer);
      return power === undefined ? [`the power of ${machine} is refused: ${describeFailedAnswer(answer)}`] : [];
    }),
  ];
}

function listProblems(answers: readonly FenceAnswer[], machines: readonly string[]): string[] {
  const list = answers.find(({ about }) => about === 'list');
  if (list === undefined) return ['the list of machines was not told'];
  if (list.code !== 0) return [`the list of machines is refused: ${describeFailedAnswer(list)}`];
  // One "name,alias" a line; Azure leaves out what the identity may not see.
  const listed = list.output.map((line) => line.split(',')[0]?.trim().toLowerCase());
  return machines
    .filter((machine) => !listed.includes(machine.toLowerCase()))
    .map((machine) => `the list of machines lacks ${machine}`);
}

function powerOf({ code, output }: FenceAnswer): 'on' | 'off' | undefined {
  const status = output.map((line) => /^Status: (ON|OFF)$/.exec(line)?.[1]).find((found) => found !== undefined);
  if (status === 'ON' && code === 0) return 'on';
  if (status === 'OFF' && code === STATUS_OFF) return 'off';
  return undefined;
}

/** For evidence: `list hadb01, hadb02; hadb01 on; hadb02 on`. */
export function describeFenceProof(answers: readonly FenceAnswer[]): string {
  return answers
    .map((answer) => {
      if (answer.about === 'list' && answer.code === 0) {
        return `list ${answer.output.map((line) => line.split(',')[0]).join(', ')}`;
      }
      const power = powerOf(answer);
      const about = answer.about.replace('status/', '');
      return power === undefined ? `${about}: ${describeFailedAnswer(answer)}` : `${about} ${power}`;
    })
    .join('; ');
}

/** How the agent ends each complaint. */
const USAGE_HINT = "Please use '-h' for usage";

function describeFailedAnswer({ code, output, errors }: FenceAnswer): string {
  if (code === 124 || code === 137) return `no answer within ${FENCE_ANSWER_SECONDS} s`;
  const said = errors.filter((line) => !line.startsWith(USAGE_HINT)).join(' ');
  return (said || output.join(' ') || `exit code ${code}`).slice(0, 300);
}

/** Where fencing breaks, in the order in which it is needed. */
export const FENCE_LINKS = ['dns', 'arm', 'token', 'role', 'agent'] as const;
export type FenceLink = (typeof FENCE_LINKS)[number];

/**
 * Goes the agent's way step by step, to tell where it ends: name, Resource Manager, token of the metadata service, and what
 * the token lets see. Python's own modules only; the token stays in the process, and goes to Resource Manager alone.
 */
export function renderFenceDiagnosis({ subscriptionId, resourceGroup, machines }: FenceTarget): string {
  return `command -v python3 >/dev/null || { echo 'agent=python3 is not installed'; exit 0; }
timeout -k 5 100 python3 - ${[subscriptionId, resourceGroup, ...machines].map(quote).join(' ')} <<'PYTHON' || echo 'agent=the diagnosis did not end'
import json, socket, sys, urllib.error, urllib.request
subscription, group, *machines = sys.argv[1:]
HOST = 'management.azure.com'
METADATA = 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F'
MACHINES = f'/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines'
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def say(link, text='ok'):
    print(f"{link}={' '.join(str(text).split())[:300]}", flush=True)
def answer(error):
    return f'HTTP {error.code} {error.read(400).decode(errors="replace")}'
def ask(path, token=None):
    request = urllib.request.Request(f'https://{HOST}{path}')
    if token: request.add_header('Authorization', f'Bearer {token}')
    with direct.open(request, timeout=15) as response: response.read()
try:
    socket.getaddrinfo(HOST, 443, proto=socket.IPPROTO_TCP)
    say('dns')
except OSError as error:
    say('dns', error)
    sys.exit()
try:
    ask('/subscriptions?api-version=2022-12-01')
    say('arm')
except urllib.error.HTTPError as error:
    say('arm', 'ok' if error.code < 500 and error.code != 429 else answer(error))
except Exception as error:
    say('arm', error)
token = None
try:
    request = urllib.request.Request(METADATA, headers={'Metadata': 'true'})
    with direct.open(request, timeout=15) as response: token = json.load(response)['access_token']
    say('token')
except urllib.error.HTTPError as error:
    say('token', answer(error))
except Exception as error:
    say('token', error)
if token:
    for about, path in [('list', ''), *((machine, f'/{machine}') for machine in machines)]:
        try:
            ask(f'{MACHINES}{path}?api-version=2021-07-01', token)
            say('role')
        except urllib.error.HTTPError as error:
            say('role' if error.code in (403, 404) else 'token' if error.code == 401 else 'arm', f'{about}: {answer(error)}')
        except Exception as error:
            say('arm', f'{about}: {error}')
PYTHON
`;
}

/** The first link that is broken; `agent` when all of them hold and the agent still fails. */
export function parseFenceDiagnosis(text: string): { link: FenceLink; said: string } {
  const broken = text.split('\n').flatMap((line) => {
    const [, link, said = ''] = /^([a-z]+)=(.*)$/.exec(line.trim()) ?? [];
    const known = FENCE_LINKS.find((name) => name === link);
    return known === undefined || said === 'ok' ? [] : [{ link: known, said }];
  });
  for (const link of FENCE_LINKS) {
    const first = broken.find((one) => one.link === link);
    if (first !== undefined) return first;
  }
  return { link: 'agent', said: 'name, Resource Manager, token and role are as they should be' };
}
