import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readCodeVersion } from '../../lab/code-version';
import { useTemporaryDirectory } from '../temporary-directory';

describe('the version of the code that a process runs', () => {
  let directory: string;
  let main: string;
  const write = (name: string, text: string) => {
    const file = join(directory, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  useTemporaryDirectory((made) => {
    directory = made;
    main = write('wire/main.js', 'const a = require("./switch"); require("node:fs"); require("zod");');
    write('wire/switch.js', 'require("../model");');
    // Modules may need each other.
    write('model.js', 'require("./wire/main.js");');
    write('control/main.js', 'require("../model");');
  });

  it.each(['wire/main.js', 'wire/switch.js', 'model.js'])('changes with %s', (name) => {
    const before = readCodeVersion(main);

    write(name, 'module.exports = 1;');

    expect(readCodeVersion(main)).not.toBe(before);
  });

  it('stays when other code changes, and when a build writes the same code again', () => {
    const before = readCodeVersion(main);

    write('control/main.js', 'module.exports = 1;');
    utimesSync(main, new Date(), new Date(Date.now() + 60_000));

    expect(readCodeVersion(main)).toBe(before);
  });
});
