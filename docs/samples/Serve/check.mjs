// node check.mjs <address> <picture> [screenshot.png]: drops the picture on the page of a running service in Chromium and compares what it
// shows with what the service answers. Needs npm install playwright-core, and Chromium (CHROMIUM names another than /usr/bin/chromium).
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { chromium } from 'playwright-core';

const [address, picture, screenshot] = process.argv.slice(2);
const file = await readFile(picture);
const expected = await (await fetch(new URL('predict', address), { method: 'POST', body: file })).json();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 800 } });
  const errors = [];
  page.on('pageerror', error => errors.push(error.message));
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));
  await page.goto(address);
  await page.waitForSelector('body[data-ready]', { timeout: 30000 });

  const transfer = await page.evaluateHandle(({ bytes, name }) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    return data;
  }, { bytes: [...file], name: basename(picture) });
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: transfer });
  await page.waitForSelector('.row', { timeout: 30000 });

  const shown = await page.$$eval('.row', rows => rows.map(row => ({
    name: row.querySelector('.name').textContent,
    probability: Number(row.dataset.probability),
    inside: !row.classList.contains('outside'),
  })));
  const verdict = await page.textContent('#verdict');
  if (screenshot)
    await page.screenshot({ path: screenshot });
  console.log(verdict, await page.textContent('#promise'), shown, errors);
  const set = expected.set?.length === 0 && expected.emptyMeansSure ? [expected.classes[0].name] : expected.set;
  const same = shown.every(({ name, probability, inside }, i) => name === expected.classes[i].name
    && probability === expected.classes[i].probability && inside === (set?.includes(name) ?? true));
  const undecided = expected.accepted === false || (set && set.length !== 1);
  process.exitCode = same && errors.length === 0 && verdict.includes('rather not') === Boolean(undecided) ? 0 : 1;
} finally {
  await browser.close();
}
