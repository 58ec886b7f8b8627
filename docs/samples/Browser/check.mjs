// node check.mjs <picture> <probabilities.json> [screenshot.png]: drops the picture on the page in Chromium and compares what it shows with
// the probabilities that .NET gave, a JSON object from class name to probability.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { chromium } from 'playwright-core';
import { serve } from './serve.mjs';

const [picture, expectedFile, screenshot] = process.argv.slice(2);
const expected = JSON.parse(await readFile(expectedFile, 'utf8'));
const server = await serve(0);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 800 } });
  const errors = [];
  page.on('pageerror', error => errors.push(error.message));
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForSelector('body[data-ready]', { timeout: 30000 });

  const bytes = [...await readFile(picture)];
  const transfer = await page.evaluateHandle(({ bytes, name }) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    return data;
  }, { bytes, name: basename(picture) });
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: transfer });
  await page.waitForSelector('.row', { timeout: 30000 });

  const shown = await page.$$eval('.row', rows => rows.map(row => [row.querySelector('.name').textContent, Number(row.dataset.probability)]));
  if (screenshot)
    await page.screenshot({ path: screenshot });
  const largest = Math.max(...shown.map(([name, probability]) => Math.abs(probability - expected[name])));
  console.log(shown, `largest difference ${largest}`, errors);
  process.exitCode = largest <= 1e-3 && errors.length === 0 ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
