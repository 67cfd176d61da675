// Takes the picture of docs/images: a page of the Temporal UI as a person sees it.
// Usage: node --experimental-websocket scripts/take-screenshot.js URL FILE.png [--text TEXT] [--width PX] [--height PX] [--click TEXT] [--settle MS] [--scheme light|dark]
// Waits until TEXT is on the page; needs Chromium (apt-get install chromium).
'use strict';
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { parseArgs } = require('node:util');

const DEADLINE_MS = 180_000;

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
  const profile = mkdtempSync(join(tmpdir(), 'hadb-screenshot-'));
  const browser = spawn(
    values.program,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--disable-dev-shm-usage',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      `--window-size=${values.width},${values.height}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  try {
    const page = await openPage(await readEndpoint(browser));
    await page.send('Page.enable');
    await page.send('Emulation.setDeviceMetricsOverride', {
      width: Number(values.width),
      height: Number(values.height),
      deviceScaleFactor: 1,
      mobile: false,
    });
    await page.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: values.scheme }],
    });
    await page.send('Page.navigate', { url });
    for (const text of values.click) await until(() => page.evaluate(clickOn(text)), `"${text}" to click on`);
    await until(() => page.evaluate(`document.body.innerText.includes(${JSON.stringify(values.text)})`), values.text);
    await new Promise((resolve) => setTimeout(resolve, Number(values.settle)));
    const { data } = await page.send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(file, Buffer.from(data, 'base64'));
    page.close();
  } finally {
    process.kill(-browser.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 500));
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Chromium says on standard error where it listens. */
function readEndpoint(browser) {
  return new Promise((resolve, reject) => {
    let said = '';
    browser.stderr.on('data', (chunk) => {
      said += chunk;
      const found = /DevTools listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    browser.on('error', reject);
    browser.on('exit', () => reject(new Error(`the browser ended:\n${said}`)));
  });
}

async function openPage(browserEndpoint) {
  const { host } = new URL(browserEndpoint);
  const targets = await (await fetch(`http://${host}/json/list`)).json();
  const socket = new WebSocket(targets.find(({ type }) => type === 'page').webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  const waiting = new Map();
  let last = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(data);
    const entry = waiting.get(id);
    waiting.delete(id);
    if (error) entry?.reject(new Error(error.message));
    else entry?.resolve(result);
  });
  const send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  return {
    send,
    evaluate: async (expression) => (await send('Runtime.evaluate', { expression })).result.value,
    close: () => socket.close(),
  };
}

function clickOn(text) {
  return `(() => {
    const wanted = [...document.querySelectorAll('button, a, [role=tab], summary')].find((element) => element.innerText.trim().startsWith(${JSON.stringify(text)}));
    wanted?.click();
    return wanted !== undefined;
  })()`;
}

async function until(condition, what) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`the page does not show ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
