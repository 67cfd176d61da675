// Looks at a page that hadb has written (report.html of a drill, trend.html) as people do: light and dark, on a narrow and a wide screen. Writes four pictures
// of the whole page, and fails when it is wider than the screen, with the elements that stick out, or when a chart cuts its words off.
// Usage: node --experimental-websocket scripts/take-report-pictures.js PAGE.html DIRECTORY [--program chromium]
'use strict';
const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { pathToFileURL } = require('node:url');
const { parseArgs } = require('node:util');
const { lookAs, until, withPage } = require('./headless-browser');

const SCHEMES = ['light', 'dark'];
/** A phone held upright, and a window on a desk. */
const SCREENS = { narrow: { width: 390, height: 844 }, wide: { width: 1280, height: 900 } };
/** Chromium draws no picture that is higher. */
const HIGHEST_PX = 16_000;

async function main() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { program: { type: 'string', default: 'chromium' } },
  });
  const [name, directory] = positionals;
  if (name === undefined || directory === undefined) throw new Error('name the page and the directory of its pictures');
  const file = resolve(name);
  if (!existsSync(file)) throw new Error(`there is no ${file}`);
  mkdirSync(directory, { recursive: true });
  await withPage({ ...SCREENS.wide, program: values.program }, async (page) => {
    for (const [screen, size] of Object.entries(SCREENS)) {
      for (const scheme of SCHEMES) {
        await lookAs(page, { ...size, scheme });
        await page.send('Page.navigate', { url: pathToFileURL(file).href });
        await until(() => page.evaluate(LOADED), 'its main part');
        const seen = await page.evaluate(MEASURE);
        const picture = join(directory, `${screen}-${scheme}.png`);
        const { data } = await page.send('Page.captureScreenshot', {
          format: 'png',
          captureBeyondViewport: true,
          clip: { x: 0, y: 0, width: seen.width, height: Math.min(seen.height, HIGHEST_PX), scale: 1 },
        });
        writeFileSync(picture, Buffer.from(data, 'base64'));
        const problems = [
          ...(seen.width > size.width
            ? [`${seen.width} px wide on a screen of ${size.width}: ${seen.wide.join('; ')}`]
            : []),
          ...(seen.cut.length > 0 ? [`words of a chart are cut off: ${seen.cut.join('; ')}`] : []),
        ];
        if (problems.length > 0) process.exitCode = 1;
        console.log(`${picture}: ${problems.join('; ') || `fits into ${size.width} px`}`);
      }
    }
  });
}

const LOADED = `document.readyState === 'complete' && document.querySelector('main') !== null`;
/** Whoever may be scrolled by itself hides what sticks out of it. */
const MEASURE = `(() => {
  const limit = window.innerWidth;
  const scrolls = (element) => element !== null && (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement));
  const wide = [...document.body.querySelectorAll('*')]
    .filter((element) => element.getBoundingClientRect().right > limit + 0.5 && !scrolls(element.parentElement))
    .map((element) => element.tagName.toLowerCase() + ' "' + (element.textContent ?? '').trim().slice(0, 60) + '"');
  const cut = [...document.querySelectorAll('svg text')]
    .filter((text) => {
      const [own, chart] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return own.width > 0 && (own.left < chart.left - 0.5 || own.right > chart.right + 0.5);
    })
    .map((text) => '"' + text.textContent + '"');
  const { scrollWidth, scrollHeight } = document.documentElement;
  return { width: scrollWidth, height: scrollHeight, wide: wide.slice(0, 5), cut: cut.slice(0, 5) };
})()`;

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
