import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderDrillPage } from '../../cluster/report/drill-page';
import { specimenDrill, specimenMilestones } from '../cluster/report/specimen-drill';

/** scripts/take-report-pictures.js: what a real browser makes of a report. Only `npm run test:all` asks for a Chromium; where one is, they always run. */

const SCRIPT = join(__dirname, '..', '..', 'scripts', 'take-report-pictures.js');
const hasChromium = spawnSync('chromium', ['--version'], { stdio: 'ignore' }).status === 0;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hadb-pictures-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function takePictures(html: string, ...flags: string[]) {
  const page = join(directory, 'page.html');
  writeFileSync(page, html);
  const command = ['--experimental-websocket', SCRIPT, page, join(directory, 'pictures'), ...flags];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 120_000 });
  return { status, stdout, stderr };
}

it('without a browser the pictures are no success, and it is said what to install', () => {
  const { status, stderr } = takePictures('<main></main>', '--program', join(directory, 'no-browser'));

  expect(status).toBe(1);
  expect(stderr).toContain('apt-get install chromium');
});

if (hasChromium) {
  describe('the pictures of a report', () => {
    it('are four, of a page that fits on a phone and on a desk, in light and dark', () => {
      const { status, stdout } = takePictures(renderDrillPage(specimenDrill({ milestones: specimenMilestones() })));

      expect(stdout.match(/fits into (?:390|1280) px/g)).toHaveLength(4);
      expect(status).toBe(0);
      const pictures = readdirSync(join(directory, 'pictures')).sort();
      expect(pictures).toEqual(['narrow-dark.png', 'narrow-light.png', 'wide-dark.png', 'wide-light.png']);
      const bytes = pictures.map((name) => readFileSync(join(directory, 'pictures', name)));
      expect(bytes.every((picture) => picture.subarray(1, 4).toString() === 'PNG')).toBe(true);
      expect(new Set(bytes.map((picture) => picture.toString('base64'))).size).toBe(4);
    }, 120_000);

    it('fail where the page is wider than the screen, and name what sticks out', () => {
      const wide =
        '<main><p>short</p><pre>a line that is wider than a phone</pre></main><style>pre{width:600px}</style>';

      const { status, stdout } = takePictures(`<meta name="viewport" content="width=device-width">${wide}`);

      expect(status).toBe(1);
      expect(stdout).toMatch(/narrow-light\.png: \d+ px wide on a screen of 390: pre "a line that is wider/);
      expect(stdout).toContain('wide-light.png: fits into 1280 px');
    }, 120_000);

    it('fail where a chart cuts its words off', () => {
      const chart = '<svg viewBox="0 0 100 20" width="100"><text x="60" y="15">until the cows come home</text></svg>';

      const { status, stdout } = takePictures(`<main>${chart}</main>`);

      expect(status).toBe(1);
      expect(stdout).toContain('words of a chart are cut off: "until the cows come home"');
    }, 120_000);
  });
} else {
  process.stderr.write(
    'not run: the pictures of a report, for there is no "chromium" here (npm run test:all installs it)\n',
  );
}
