// Takes the picture of docs/images: a page of the Temporal UI as a person sees it.
// Usage: node --experimental-websocket scripts/take-screenshot.js URL FILE.png [--text TEXT] [--width PX] [--height PX] [--click TEXT] [--settle MS] [--scheme light|dark]
// Waits until TEXT is on the page; needs Chromium (apt-get install chromium).
'use strict';
const { writeFileSync } = require('node:fs');
const { parseArgs } = require('node:util');
const { lookAs, until, withPage } = require('./headless-browser');

async function main() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      text: { type: 'string', default: '' },
      click: { type: 'string', multiple: true, default: [] },
      width: { type: 'string', default: '1400' },
      height: { type: 'string', default: '1000' },
      scheme: { type: 'string', default: 'light' },
      settle: { type: 'string', default: '1500' },
      program: { type: 'string', default: 'chromium' },
    },
  });
  const [url, file] = positionals;
  if (url === undefined || file === undefined) throw new Error('name the address and the file');
  const size = { width: Number(values.width), height: Number(values.height) };
  await withPage({ ...size, program: values.program }, async (page) => {
    await lookAs(page, { ...size, scheme: values.scheme });
    await page.send('Page.navigate', { url });
    for (const text of values.click) await until(() => page.evaluate(clickOn(text)), `"${text}" to click on`);
    await until(() => page.evaluate(`document.body.innerText.includes(${JSON.stringify(values.text)})`), values.text);
    await new Promise((resolve) => setTimeout(resolve, Number(values.settle)));
    const { data } = await page.send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(file, Buffer.from(data, 'base64'));
  });
}

function clickOn(text) {
  return `(() => {
    const wanted = [...document.querySelectorAll('button, a, [role=tab], summary')].find((element) => element.innerText.trim().startsWith(${JSON.stringify(text)}));
    wanted?.click();
    return wanted !== undefined;
  })()`;
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
