// The opposite of a drill that passes: acknowledged writes are lost on purpose, in the lab, and the drill has to report them.
//   stale  the secondary is taken off replication, writes go on, the primary dies, and the stale copy is promoted by force
//   late   protocol A and a late link, then the power of the primary is cut
//   mend   puts the pair right, after either was interrupted
// Usage: npm run build && node scripts/show-loss.js [stale] [late] | mend     (both by default)
// Exit code 0 only when each loss was reported and the pair is whole again; 1 otherwise, with what is left; 64 usage.
'use strict';
const { spawn } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { createInterface } = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');
const moves = require('./careless-moves.js');

const ROOT = join(__dirname, '..');
const PROGRAM = join(ROOT, 'bin', 'hadb.js');
const SPECIFICATION = join(ROOT, 'examples', 'lab.yaml');
const LINK = 'show-loss';
/** Twenty rows a second and connection are enough to see which are gone. */
const WRITING_MS = 5_000;
/** Round trip 0.6 s: below Corosync's 1.5 s for a ping at a token of 3 s. With the loss, TCP carries some 20 KB/s, less than the commits make. */
const LATE_LINK = { delayMs: 300, loss: 0.02, ttlSeconds: 900 };
const NOT_YET = 74;
const LOST = 'no acknowledged row lost';

/** What the drill says of rows, from the last line of `hadb drill --json`. */
function judgeReport({ code, result }) {
  const check = result?.verdict?.checks?.find(({ name }) => name === LOST);
  const count = Number(/^(\d+) of \d+ lost/.exec(check?.detail ?? '')?.[1] ?? 0);
  const isReported = code === 1 && check?.passed === false && check.unknown !== true && count > 0;
  return { isReported, sentence: check === undefined ? (result?.summary ?? 'no result') : `${LOST}: ${check.detail}` };
}

/** Runs a drill; `when` has a function for steps that reach a state, such as `hold running`: each is called once. */
async function drillWith(tools, kind, when) {
  const deeds = [];
  const done = new Set();
  const ended = await tools.hadb(['drill', kind, SPECIFICATION, '--json', '--wait', '--on-failure', 'fail'], (line) => {
    if (line.type !== 'step') return;
    const moment = `${String(line.id).replace(`${kind}-`, '')} ${line.state}`;
    if (when[moment] === undefined || done.has(moment)) return;
    done.add(moment);
    deeds.push(
      when[moment]().then(
        () => undefined,
        (error) => error,
      ),
    );
  });
  const failed = (await Promise.all(deeds)).filter((error) => error !== undefined);
  for (const error of failed) tools.say(`this could not be done: ${error.message}`);
  const missed = Object.keys(when).filter((moment) => !done.has(moment));
  for (const moment of missed) tools.say(`the drill never came to "${moment}"`);
  return { ...ended, isAsPlanned: failed.length === 0 && missed.length === 0 };
}

async function showStale(tools) {
  const { primary, standby } = await readPair(tools);
  const { isAsPlanned, ...ended } = await drillWith(tools, 'network-loss', {
    // Nothing is looked at any more before the end: the drill watches for a minute what moves on a bad network.
    'hold running': () =>
      makeStalePrimary(tools, { primary, standby }).catch(async (error) => {
        // The drill waits for a whole pair.
        await tools.tryOnNode(standby, moves.connect);
        throw error;
      }),
  });
  return told(tools, 'stale', ended, isAsPlanned);
}

async function makeStalePrimary(tools, { primary, standby }) {
  tools.say(`${standby}: taking its leave from replication`);
  await tools.onNode(standby, moves.cutReplication);
  await tools.sleep(WRITING_MS);
  tools.say(`${primary}: its power is cut, with what only it has`);
  await tools.killMachine(primary);
  await persist(tools, standby, moves.promoteStale(primary), `${standby}: waiting until ${primary} is fenced`);
  tools.say(`${standby}: its stale copy counts as current now`);
  await giveUp(tools, { loser: primary, keeper: standby });
  tools.say(`${primary}: what only it had is given up`);
}

/** The one that was off comes back by the drill; it must not find its peer before it has given its writes up. */
async function giveUp(tools, { loser, keeper }) {
  await persist(tools, loser, moves.giveUpWrites, `${loser}: waiting until it is back`);
  await persist(tools, keeper, moves.connect, `${keeper}: connecting`);
}

async function showLate(tools) {
  const { primary, standby } = await readPair(tools);
  for (const node of [standby, primary]) await tools.onNode(node, moves.relaxFencing);
  for (const node of [standby, primary]) await tools.onNode(node, moves.protocolA);
  await tools.putLink({ id: LINK, from: primary, to: standby, ...LATE_LINK });
  tools.say(`protocol A, and a link from ${primary} to ${standby} that is ${LATE_LINK.delayMs} ms late each way`);
  const { isAsPlanned, ...ended } = await drillWith(tools, 'node-power-off', {
    'power-off done': async () => {
      await tools.removeLink(LINK);
      // Before the other one is back: with another protocol it would not connect.
      await persist(tools, standby, moves.asConfigured, `${standby}: back to what its resource file says`);
      tools.say(`${standby}: the link is good again, and the protocol as configured`);
    },
  });
  return told(tools, 'late', ended, isAsPlanned);
}

function told(tools, name, ended, isAsPlanned) {
  const { isReported, sentence } = judgeReport(ended);
  const page = ended.result?.run?.workflowId ?? 'no run';
  tools.say(
    `${name}: ${isReported ? 'the loss is reported' : 'THE LOSS IS NOT REPORTED'} (${page}, exit code ${ended.code})`,
  );
  tools.say(`${name}: ${sentence}`);
  return isReported && isAsPlanned;
}

const PERSIST_MS = 10 * 60_000;

/** Until it is done: a node that is away, or not so far, is asked again; a refusal ends it. */
async function persist(tools, node, script, sentence) {
  const until = tools.now() + PERSIST_MS;
  let last = '';
  for (let tries = 0; tools.now() < until; tries += 1) {
    if (tries === 1) tools.say(sentence);
    const { code, stderr } = await tools.tryOnNode(node, script);
    if (code === 0) return;
    if (code !== undefined && code !== NOT_YET) throw new Error(`${node}: exit code ${code}: ${stderr}`);
    last = stderr;
    await tools.sleep(1_000);
  }
  throw new Error(`${node}: not within ${PERSIST_MS / 60_000} minutes: ${last}`);
}

async function readPair(tools) {
  const copies = await Promise.all(tools.nodes.map((node) => readCopy(tools, node)));
  const primary = copies.find((copy) => copy?.role === 'Primary');
  const standby = copies.find((copy) => copy?.role === 'Secondary');
  if (primary === undefined || standby === undefined || !copies.every(isCurrent)) {
    throw new Error(`the pair is not whole: ${copies.map(describeCopy).join(' | ')}`);
  }
  return { primary: primary.node, standby: standby.node };
}

/** Undefined where nobody answers, or r0 is not up. */
async function readCopy(tools, node) {
  const { code, stdout } = await tools.tryOnNode(node, moves.readCopy);
  if (code !== 0) return undefined;
  const [role, connection, disk, peerDisk, protocol] = stdout.trim().split(' ');
  return { node, role, connection, disk, peerDisk, protocol };
}

const isCurrent = (copy) =>
  copy?.connection === 'Connected' && copy.disk === 'UpToDate' && copy.peerDisk === 'UpToDate';
const describeCopy = (copy) =>
  copy === undefined
    ? 'no answer'
    : `${copy.node}: ${copy.role} ${copy.connection} ${copy.disk}/${copy.peerDisk} ${copy.protocol}`;

const MEND_MS = 20 * 60_000;
/** After this a resource that is connected anew either is, or has found that the copies have parted. */
const CONNECT_MS = 15_000;
/** A failover that is under way. */
const NO_PRIMARY_MS = 3 * 60_000;

/** Whatever was left: network, options, machines, copies; at last every block from the primary to the other one. True when the pair is whole. */
async function mend(tools) {
  tools.say('putting the pair right');
  try {
    await tools.removeLink(LINK);
    await mendCopies(tools);
    const { code, result } = await recover(tools);
    if (code !== 0) throw new Error(result?.summary ?? `the recovery ended with ${code}`);
    tools.say(`the pair is right again: ${result.summary}`);
    return true;
  } catch (error) {
    tools.say(`THE PAIR IS LEFT AS IT IS: ${error.message}`);
    tools.say(
      'look at "drbdadm status r0" on both nodes, try "npm run drills -- --show-loss mend", or take the lab away: npx hadb lab down --purge',
    );
    return false;
  }
}

const recover = (tools) => tools.hadb(['recover', SPECIFICATION, '--json', '--wait', '--on-failure', 'fail']);

async function mendCopies(tools) {
  const until = tools.now() + MEND_MS;
  let primaryAt = tools.now();
  let [copied, recovered] = [false, false];
  for (;;) {
    const copies = await Promise.all(tools.nodes.map((node) => readCopy(tools, node)));
    const seen = copies.filter((copy) => copy !== undefined);
    const primary = seen.find(({ role }) => role === 'Primary');
    const other = seen.find(({ role }) => role === 'Secondary');
    if (primary !== undefined) primaryAt = tools.now();
    if (tools.now() > until) throw new Error(copies.map(describeCopy).join(' | '));
    if (tools.now() - primaryAt > NO_PRIMARY_MS) {
      throw new Error(
        `nobody is primary, and nobody here can tell whose writes count: ${copies.map(describeCopy).join(' | ')}`,
      );
    }
    const odd = seen.find(({ protocol }) => protocol === 'A');
    if (odd !== undefined) {
      await tools.onNode(odd.node, moves.asConfigured);
    } else if (copies.every(isCurrent) && primary !== undefined && other !== undefined) {
      if (copied) return;
      // Also the policy of fencing, which no state shows.
      for (const { node } of seen) await tools.onNode(node, moves.asConfigured);
      await tools.onNode(other.node, moves.copyEverything);
      tools.say(`${other.node}: every block is copied from ${primary.node}`);
      copied = true;
    } else if (seen.some(({ connection }) => PARTED.includes(connection))) {
      await connectAgain(tools, seen, { primary, other });
    } else if (seen.length < copies.length && !recovered) {
      recovered = true;
      const { result } = await recover(tools);
      tools.say(`recovery: ${result?.summary ?? 'no result'}`);
    }
    await tools.sleep(2_000);
  }
}

/** `none`: DRBD tells of no connection at all. */
const PARTED = ['StandAlone', 'none'];

/** First as nodes that have only been taken apart; where they refuse each other, the one that is not primary gives its writes up. */
async function connectAgain(tools, seen, { primary, other }) {
  for (const { node } of seen) await tools.tryOnNode(node, moves.connect);
  await tools.sleep(CONNECT_MS);
  if (primary === undefined || other === undefined) return;
  const again = await Promise.all([primary, other].map(({ node }) => readCopy(tools, node)));
  if (!again.some((copy) => PARTED.includes(copy?.connection))) return;
  tools.say(`the copies have parted: ${other.node} gives its writes up for those of ${primary.node}`);
  await giveUp(tools, { loser: other.node, keeper: primary.node });
}

const SHOWS = { stale: showStale, late: showLate };

/** The exit code. */
async function showLoss(tools, words) {
  const names = words.length === 0 ? Object.keys(SHOWS) : words;
  const isMend = names.length === 1 && names[0] === 'mend';
  if (!isMend && !names.every((name) => Object.hasOwn(SHOWS, name))) {
    tools.say(`"${words.join(' ')}": use ${Object.keys(SHOWS).join(', ')}, both, or mend`);
    return 64;
  }
  let good = true;
  for (const name of isMend ? [] : names) {
    try {
      good = (await SHOWS[name](tools)) && good;
    } catch (error) {
      tools.say(`${name}: ${error.message}`);
      good = false;
    }
    // A second show on top of a first one that is not put right would show nothing.
    if (!(await mend(tools))) return 1;
  }
  if (isMend) good = await mend(tools);
  return good ? 0 : 1;
}

/** Everything on this computer as its users have it. */
async function createTools() {
  const say = (text) => process.stderr.write(`${text}\n`);
  const hadb = (args, onLine = () => undefined) => runHadb(args, onLine);
  for (const args of [
    ['up', '--image', 'golden'],
    ['build', SPECIFICATION, '--wait', '--on-failure', 'fail'],
  ]) {
    const { code } = await hadb([...args, '--json']);
    if (code !== 0) throw new Error(`hadb ${args[0]} ended with ${code}: look at it with "npx hadb ${args[0]}"`);
  }
  const { readClientSettings } = require('../dist/settings.js');
  const { labStatus } = require('../dist/lab/lab.js');
  const { callLab } = require('../dist/lab/lab-client.js');
  const { readSpecification } = require('../dist/cluster/specification/read.js');
  const { createNameResolver } = require('../dist/activities/connections/name-resolver.js');
  const { createRedactor } = require('../dist/activities/connections/redactor.js');
  const { createDirectorySecretStore } = require('../dist/activities/connections/secret-store.js');
  const { createNodeSessions } = require('../dist/activities/connections/ssh-sessions.js');
  const settings = readClientSettings();
  const { environment } = labStatus({ settings });
  if (environment === undefined) throw new Error('there is no lab: only there may writes be lost on purpose');
  const reading = readSpecification(readFileSync(SPECIFICATION, 'utf8'));
  if (!reading.ok) throw new Error(`${SPECIFICATION} is no possible cluster`);
  const { specification } = reading;
  const name = String(specification.name);
  const redactor = createRedactor();
  const sessions = createNodeSessions({
    secrets: createDirectorySecretStore(environment.HADB_SECRETS_DIR ?? settings.secretsDirectory, redactor),
    redactor,
    resolve: createNameResolver(environment.HADB_NAME_SERVER),
  });
  const lab = async (method, path, body) => {
    const url = `${environment.HADB_FAULTS_ENDPOINT}/${path}`;
    const answer = await callLab({ caFile: environment.HADB_CA_FILE }, method, url, body);
    if (answer.status >= 300)
      throw new Error(`the lab: ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const group = `/resourcegroups/${name}/`;
  const vmIdOf = async (node) => {
    const { value } = await lab('GET', 'machines');
    const found = value.filter(
      (machine) => machine.computerName === node && machine.resourceId.toLowerCase().includes(group.toLowerCase()),
    );
    if (found.length !== 1) throw new Error(`the lab has ${found.length} machines ${node} of ${name}`);
    return found[0].vmId;
  };
  const tryOnNode = async (node, script) => {
    try {
      const session = await sessions.open({ specification }, node);
      return await session.read(script, { timeoutMs: 180_000, accept: [...Array(124).keys()] });
    } catch (error) {
      // A node that is away is no failure here.
      return { code: undefined, stdout: '', stderr: error.message };
    }
  };
  return {
    nodes: specification.nodes.map((node) => node.name),
    say,
    now: () => Date.now(),
    sleep: (ms) => sleep(ms),
    hadb,
    tryOnNode,
    onNode: async (node, script) => {
      const { code, stderr } = await tryOnNode(node, script);
      if (code !== 0) throw new Error(`${node}: ${code === undefined ? '' : `exit code ${code}: `}${stderr}`);
    },
    killMachine: async (node) => lab('POST', `machines/${await vmIdOf(node)}/kill`, {}),
    putLink: async ({ id, from, to, ...link }) =>
      lab('PUT', `links/${id}`, { from: await vmIdOf(from), to: await vmIdOf(to), bothDirections: true, ...link }),
    removeLink: (id) => lab('DELETE', `links/${id}`),
    close: () => sessions.close(),
  };
}

function runHadb(args, onLine) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let result;
    createInterface({ input: child.stdout }).on('line', (text) => {
      if (!text.startsWith('{"')) return;
      const line = JSON.parse(text);
      if (line.type === 'result') result = line;
      if (line.type === 'step' && line.state !== 'running') process.stderr.write(`  ${line.sentence}: ${line.state}\n`);
      onLine(line);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, result }));
  });
}

async function main(words) {
  process.on('SIGINT', () => {
    process.stderr.write(
      'interrupted: the pair may be broken. Put it right with: npm run drills -- --show-loss mend\n',
    );
    process.exit(4);
  });
  const tools = await createTools();
  try {
    return await showLoss(tools, words);
  } finally {
    await tools.close();
  }
}

module.exports = { judgeReport, main, showLoss };
