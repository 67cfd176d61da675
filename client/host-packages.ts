import type { PieceReport } from './embedded';
import { installCommand, isDebian } from './examination';
import type { Host } from './host';
import { ClientError } from './messages';

/**
 * Installs packages of the host on Debian and Ubuntu; says what it does before it does it. Elsewhere, and without the right
 * to, it names them and stops. Errors: HADB_E4009.
 */
export async function installHostPackages(host: Host, packages: readonly string[], report: PieceReport): Promise<void> {
  if (packages.length === 0) return;
  if (!isDebian(host)) {
    throw missing(
      `this computer lacks what the lab needs: install the equivalents of ${packages.join(' ')}, then start again.`,
    );
  }
  const [command = 'apt-get', ...args] = installCommand(host, packages);
  if (command === 'sudo' && host.findProgram('sudo') === undefined) {
    throw missing(`this computer lacks packages. As root, run: apt-get ${args.slice(1).join(' ')}`);
  }
  report('HADB_I5004', `installing packages of this computer: ${[command, ...args].join(' ')}`);
  const apt = (...words: string[]) => run(host, host.isRoot ? ['apt-get', ...words] : ['sudo', 'apt-get', ...words]);
  if (!host.hasPackageLists()) await apt('update');
  if ((await run(host, [command, ...args])) === 0) return;
  // The lists may be older than the mirror; once they are new, a second failure is real.
  await apt('update');
  const code = await run(host, [command, ...args]);
  if (code !== 0) throw missing(`apt-get ended with ${code}; its output is above. Mend it, then start again.`);
}

function run(host: Host, [command = '', ...args]: readonly string[]): Promise<number> {
  const environment = { DEBIAN_FRONTEND: 'noninteractive' };
  // sudo drops the environment, so that the variable has to stand behind it.
  if (command !== 'sudo') return host.run(command, args, environment);
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return host.run('sudo', [...settings, ...args]);
}

function missing(message: string): ClientError {
  return new ClientError('HADB_E4009', 'failed', message);
}
