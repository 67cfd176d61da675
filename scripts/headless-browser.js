// Chromium without a window, spoken to by its DevTools protocol: what the scripts that take pictures share. Needs Node's WebSocket (from 22 on, or
// --experimental-websocket), and Chromium (apt-get install chromium).
'use strict';
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const DEADLINE_MS = 180_000;

/** Opens a browser with one empty page, and ends it whatever comes of `work`. */
async function withPage({ program = 'chromium', width, height }, work) {
  const profile = mkdtempSync(join(tmpdir(), 'hadb-browser-'));
  const browser = spawn(
    program,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--disable-dev-shm-usage',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      `--window-size=${width},${height}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  try {
    const page = await openPage(await readEndpoint(browser));
    await page.send('Page.enable');
    const result = await work(page);
    page.close();
    return result;
  } finally {
    if (browser.pid !== undefined) {
      process.kill(-browser.pid, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    rmSync(profile, { recursive: true, force: true });
  }
}

/** How the page is looked at: its size, and the colours that the reader prefers. */
async function lookAs(page, { width, height, scheme }) {
  await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
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
    browser.on('error', (error) => reject(new Error(`no browser: ${error.message} (apt-get install chromium)`)));
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
    evaluate: async (expression) => (await send('Runtime.evaluate', { expression, returnByValue: true })).result.value,
    close: () => socket.close(),
  };
}

async function until(condition, what) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`the page does not show ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

module.exports = { withPage, lookAs, until };
