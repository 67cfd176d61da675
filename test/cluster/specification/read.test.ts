import fc from 'fast-check';
import { stringify } from 'yaml';
import { describeProblem, readSpecification } from '../../../cluster/specification/read';
import { closest } from '../../../cluster/specification/closest';

const NETWORK = 'network:\n  clients: [203.0.113.0/24]\n  administrators: [198.51.100.0/24]\n';
const GUID = '5f0b1c3e-6a0e-4a57-9d20-0c8f3c1d2e4f';
const ROLE = `/subscriptions/${GUID}/providers/Microsoft.Authorization/roleDefinitions/${GUID}`;

const problems = (text: string): string[] => {
  const reading = readSpecification(text);
  return reading.ok ? [] : reading.problems.map(describeProblem);
};

describe('readSpecification', () => {
  it('reads YAML, and JSON as a kind of it', () => {
    const json = JSON.stringify({ network: { clients: ['203.0.113.0/24'], administrators: ['198.51.100.0/24'] } });

    expect(problems(NETWORK)).toEqual([]);
    expect(problems(json)).toEqual([]);
  });

  it('asks an empty file for what has no default', () => {
    expect(problems('')).toEqual([
      expect.stringMatching(/^network: clients: name the address ranges .* administrators: /),
    ]);
  });

  it('names every problem with its line at one reading, those between fields among them', () => {
    const text = `name: Hadb!
network:
  prefix: 10.10.10.0/24
  clients: [203.0.113.0/24]
  administratos: [198.51.100.0/24]
nodes:
  - { name: hadb01, address: 10.10.10.4, sshPort: 50001 }
  - { name: hadb01, address: 10.10.11.5, sshPort: 3306 }
loadBalancer:
  probePort: 3306
corosync:
  tokenMs: 500
`;

    expect(problems(text)).toEqual([
      'line 1: name: use 2 to 32 lower-case letters, digits and hyphens, beginning with a letter',
      'line 2: network.administrators: name the address ranges that may reach SSH; there is no default',
      'line 2: network: there is no field "administratos" here; did you mean "administrators"?',
      'line 12: corosync.tokenMs: Too small: expected number to be >=1000',
      'line 8: nodes[1].name: both nodes are called hadb01',
      'line 8: nodes[1].address: 10.10.11.5 is outside of 10.10.10.0/24',
      'line 10: loadBalancer.probePort: a probe on the database port makes the server count aborted handshakes',
      'line 8: nodes[1].sshPort: 3306 is also the database port',
    ]);
  });

  it.each([
    ['a tab', 'name: x\n\tlocation: y\n', /^line 2: /],
    ['a key twice', `name: aa\nname: bb\n${NETWORK}`, /^line 2: Map keys must be unique/],
    ['a list', '- 1\n', /expected object/],
    ['a sentence', 'build me a cluster', /expected object/],
  ])('refuses %s', (_, text, message) => {
    expect(problems(text).join('\n')).toMatch(message);
  });

  it.each([
    [
      'two nodes of one address',
      'nodes: [{name: aa, address: 10.10.10.4, sshPort: 1}, {name: bb, address: 10.10.10.4, sshPort: 2}]',
      'both nodes have the address 10.10.10.4',
    ],
    [
      'two nodes behind one port',
      'nodes: [{name: aa, address: 10.10.10.4, sshPort: 1}, {name: bb, address: 10.10.10.5, sshPort: 1}]',
      'both nodes have the SSH port 1',
    ],
    ['one node', 'nodes: [{name: aa, address: 10.10.10.4, sshPort: 1}]', 'nodes'],
    [
      'an address that Azure keeps',
      'nodes: [{name: aa, address: 10.10.10.3, sshPort: 1}, {name: bb, address: 10.10.10.5, sshPort: 2}]',
      '10.10.10.3 is one of the addresses that Azure reserves',
    ],
    ['a DRBD port that the database has', 'drbd: {port: 3306}', '3306 is also the DRBD port'],
    ['a database on the SSH port', 'database: {port: 22}', '22 is the SSH port'],
    ['a schema of the server itself', 'database: {schema: MySQL}', 'MySQL is a schema of the server itself'],
    ['the drills’ table', 'database: {table: hadb_writes}', "the table of the drills' writers"],
    ['an SLO that the token makes impossible', 'slo: {hardFailoverSeconds: 60}', '60 s cannot be kept: detection 66 s'],
    ['a probe too slow for the SLO', 'loadBalancer: {probeIntervalSeconds: 60, probeThreshold: 10}', 'cannot be kept'],
    ['an engine that does not exist', 'database: {engine: oracle}', 'expected one of "mysql"|"mariadb"'],
    ['a field far from any name', 'colour: red', 'there is no field "colour" here; the fields are name, location'],
    ['a role for fencing that is a name', 'fencing: azure\nfencingRole: Reader', 'use the id of a role definition'],
    [
      'a role for fencing that is the id of a machine',
      `fencing: azure\nfencingRole: /subscriptions/${GUID}/resourceGroups/hadb/providers/Microsoft.Compute/virtualMachines/hadb01`,
      'use the id of a role definition',
    ],
    [
      'a role for fencing without fencing',
      `fencing: none\nfencingRole: ${ROLE}`,
      'fencingRole: a role for fencing, and fencing is none',
    ],
    ['a nested slip', 'database: {engin: mysql}', 'did you mean "engine"?'],
    ['a number as text', 'dataDisk: {sizeGiB: "5"}', 'dataDisk.sizeGiB: Invalid input: expected number'],
  ])('refuses %s', (_, yaml, message) => {
    expect(problems(`${NETWORK}${yaml}\n`).join('\n')).toContain(message);
  });

  it.each([ROLE, `/providers${ROLE.split('/providers')[1]}`])('takes the ready-made role %s', (role) => {
    expect(problems(`${NETWORK}fencing: azure\nfencingRole: ${role}\n`)).toEqual([]);
  });

  it('refuses a prefix that is an address, and says the network', () => {
    expect(problems('network: {prefix: 10.10.10.7/24, clients: [0.0.0.0/0], administrators: [0.0.0.0/0]}')).toEqual([
      'line 1: network.prefix: 10.10.10.7/24 is an address in a network; the network is 10.10.10.0/24',
    ]);
  });

  it('answers whatever it is given, and never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map(String),
          fc.jsonValue().map((value) => stringify(value)),
        ),
        (text) => {
          const reading = readSpecification(text);

          expect(reading.ok || reading.problems.length > 0).toBe(true);
        },
      ),
    );
  });
});

describe('closest', () => {
  it.each([
    ['administratos', 'administrators'],
    ['Location', 'location'],
    ['tokenms', 'tokenMs'],
    ['zz', undefined],
  ])('%s is meant to be %s', (word, expected) => {
    expect(closest(word, ['administrators', 'location', 'tokenMs'])).toBe(expected);
  });
});
