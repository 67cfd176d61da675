import { HadbError } from '../errors';

/**
 * The text of a CIB, one epoch later: a patch that leads to no newer version is refused as "older".
 * @throws HadbError Internal when it has no epoch.
 */
export function raiseEpoch(cib: string): string {
  const epoch = /^<cib [^>]* epoch="(\d+)"/m.exec(cib)?.[1];
  if (epoch === undefined) throw new HadbError('Internal', 'the CIB has no epoch');
  return cib.replace(/^<cib [^>]*>/m, (root) =>
    root.replace(/ epoch="\d+"/, ` epoch="${Number(epoch) + 1}"`).replace(/ num_updates="\d+"/, ' num_updates="0"'),
  );
}
