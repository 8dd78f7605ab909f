// Drives a wall's page in Debian's chromium, as told line by line on standard input, and answers each line with one.
//
// node drive.mjs URL [WIDTH HEIGHT]: opens URL, then reads expectations as JSON objects:
//   {"changes": 3}                          the picture becomes another one that often, by number and by its pixels
//   {"says": "STALE", "in": "li"}           an element of that selector holds the text
//   {"hidden": "#trouble"}                  it is not shown
//   {"fill": "input", "with": "…"}          types into it and sends its form
//   {"press": "button", "then": {"says": …}}  clicks it, again while that does not come true
//   {"key": "ArrowRight"}                   presses a key
//   {"holds": "nvr.play.at > 0"}            a JavaScript expression in the page becomes true; the answer is its value
//   {"size": [360, 740]}                    another size of the window, in which nothing sticks out at the side
//   {"at": "/"}                             the address is this one, with nothing behind it
//   {"calm": true}                          no error was logged, no policy violated, no script failed, so far
//   {"shot": "FILE.png"}                    a picture of the whole page
// An expectation has "within_ms" (10000) to come true. Answers: {"ok": …} or {"failed": "why"}.
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// `require` finds packages by NODE_PATH, `import` does not.
const { chromium } = createRequire(import.meta.url)('playwright-core');

const [url, width = '1280', height = '800'] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'nvr-browser-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: Number(width), height: Number(height) },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const troubles = [];
const page = browser.pages()[0] ?? await browser.newPage();
page.on('console', line => {
  // Reading the picture back is what this program does, not the page.
  const ours = line.text().includes('willReadFrequently');
  if ((line.type() === 'error' || line.type() === 'warning') && !ours) troubles.push(line.text());
});
page.on('pageerror', error => troubles.push(String(error)));
page.on('dialog', dialog => { troubles.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on('request', request => {
  if (new URL(request.url()).origin !== new URL(url).origin) troubles.push(`it asks ${request.url()}`);
});

const pause = ms => new Promise(done => setTimeout(done, ms));

/** Number and pixels of the picture that is shown. */
const picture = () => page.evaluate(() => {
  const canvas = document.querySelector('#picture');
  const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let hash = 0;
  for (let at = 0; at < bytes.length; at += 4) hash = (hash * 31 + bytes[at] + bytes[at + 1] + bytes[at + 2]) | 0;
  return { number: canvas.dataset.number, hash, size: [canvas.width, canvas.height] };
});

async function changes({ changes: wanted }, deadline) {
  let last = await picture();
  for (let seen = 0; seen < wanted;) {
    if (Date.now() > deadline) throw new Error(`the picture changed ${seen} times of ${wanted}`);
    await pause(50);
    const now = await picture();
    if (now.number !== last.number && now.hash !== last.hash) { seen += 1; last = now; }
  }
  return last;
}

async function says({ says: text, in: selector }, deadline) {
  let found;
  do {
    try {
      found = await page.locator(selector).allInnerTexts();
    } catch (error) {
      // The page is on its way to another address: the next look finds the new one.
      if (!String(error).includes('context was destroyed')) throw error;
      continue;
    }
    const one = found.find(one => one.includes(text));
    if (one !== undefined) return one;
    await pause(50);
  } while (Date.now() < deadline);
  throw new Error(`no ${selector} says ${JSON.stringify(text)}: ${JSON.stringify(found)}`);
}

async function hidden({ hidden: selector }, deadline) {
  await page.locator(selector).waitFor({ state: 'hidden', timeout: deadline - Date.now() });
}

async function fill({ fill: selector, with: text }) {
  await page.locator(selector).fill(text);
  await page.locator(selector).press('Enter');
}

// A page that is still being laid out may move what is clicked away from under the pointer: people click again.
async function press({ press: selector, then }, deadline) {
  for (;;) {
    await page.locator(selector).click();
    if (then === undefined) return undefined;
    try {
      return await says(then, Math.min(deadline, Date.now() + 3000));
    } catch (error) {
      if (Date.now() >= deadline) throw error;
    }
  }
}

async function key({ key: name }) {
  await page.keyboard.press(name);
}

async function holds({ holds: expression }, deadline) {
  for (;;) {
    const value = await page.evaluate(expression);
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${expression} is ${JSON.stringify(value)}`);
    await pause(50);
  }
}

async function size({ size: [width, height] }) {
  await page.setViewportSize({ width, height });
  await pause(300);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) throw new Error(`the page is ${wide} wide in a window of ${width}`);
  return wide;
}

async function at({ at: path }, deadline) {
  const wanted = new URL(path, url).href;
  while (page.url() !== wanted) {
    if (Date.now() > deadline) throw new Error(`the address is ${page.url()}`);
    await pause(50);
  }
}

async function calm() {
  if (troubles.length > 0) throw new Error(troubles.join('\n'));
}

async function shot({ shot: path }) {
  await page.screenshot({ path, fullPage: true });
}

const steps = { changes, says, hidden, fill, press, key, holds, size, at, calm, shot };
const answer = object => process.stdout.write(`${JSON.stringify(object)}\n`);

try {
  await page.goto(url);
  answer({ ok: 'open' });
  for await (const line of createInterface({ input: process.stdin })) {
    const wish = JSON.parse(line);
    const name = Object.keys(steps).find(name => name in wish);
    try {
      answer({ ok: await steps[name](wish, Date.now() + (wish.within_ms ?? 10000)) ?? name });
    } catch (error) {
      answer({ failed: String(error.message ?? error) });
    }
  }
} catch (error) {
  answer({ failed: String(error.message ?? error) });
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
