#!/usr/bin/env node
// What a reader with a slow phone waits for: 390 x 844 px, a processor four times slower, 150 ms of latency, 1.6 Mbit/s, gzip.
//
//   node tests/browser/phone.mjs _build/html [--pages a,b] [--times]
//
// Every page, on a first visit, must
//   bytes     load at most 0.8 MB before the reader does anything, and ask nobody but the book's own folder
//   shift     move by less than 0.05 (the layout shifts that the browser counts, summed)
//   images    give every image its size; those of the first screen are fetched at once, the others when they are near
//   dark      be dark where the reader's system is, before any script file has arrived
//   plain     show equations, text and images with scripts switched off, in the colours of the reader's system
// and with --times (which a busy or slow machine cannot promise)
//   times     have every equation standing after 2.5 s, and have loaded after 6 s
// Ends with a table and "N passed, N failed" (pages); exit 1 if one failed.

import { createServer } from 'node:http';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { extname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { BASE, FLAGS, TYPES, browserPath, pagesOf } from './check.mjs';

const LIMIT = { bytes: 800_000, shift: 0.05, equations: 2500, load: 6000 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, serviceWorkers: 'block' };
const LINE = { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 94_000 }; // bytes a second
const ZIPPED = /text|javascript|json|svg/;

/** The book as a host sends it: text is compressed. */
function serve(root) {
  const sent = new Map();
  const server = createServer((request, response) => {
    let path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    if (path === '/favicon.ico') return response.writeHead(204).end();
    path = path.startsWith(BASE) ? join(root, posix.normalize('/' + path.slice(BASE.length))) : '';
    if (!existsSync(path) || !statSync(path).isFile()) return response.writeHead(404).end('not found');
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    if (!sent.has(path)) sent.set(path, ZIPPED.test(type) ? gzipSync(readFileSync(path)) : readFileSync(path));
    response.writeHead(200, { 'content-type': type, ...(ZIPPED.test(type) && { 'content-encoding': 'gzip' }), 'content-length': sent.get(path).length });
    response.end(sent.get(path));
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done({ server, origin: `http://127.0.0.1:${server.address().port}` })));
}

/** Runs before the page's own scripts: notes when every equation stands, and what moved. */
function watch() {
  window.seen = { equations: null, shift: 0, moved: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.seen.shift += entry.value;
      for (const { node } of entry.sources) window.seen.moved.push(node?.nodeName.toLowerCase() + (node?.id ? `#${node.id}` : '') + (node?.className?.length ? `.${String(node.className).split(' ')[0]}` : ''));
    }
  }).observe({ type: 'layout-shift', buffered: true });
  const near = (e) => e.checkVisibility({ contentVisibilityAuto: true }); // the browser lays out the rest when it comes near
  const look = () => {
    if (document.readyState !== 'loading' && performance.getEntriesByName('first-contentful-paint').length && ![...document.fonts].some((font) => /KaTeX/.test(font.family) && font.status === 'loading')) {
      const set = (e) => e.querySelector('.katex-html, mjx-container');
      const standing = [...document.querySelectorAll('span.math, div.math')].every((e) => set(e) && (!near(e) || set(e).getBoundingClientRect().height > 0));
      if (standing) { window.seen.equations = performance.now(); return; }
    }
    setTimeout(look, 50);
  };
  setTimeout(look, 50);
}

/** One page on the slow phone. */
async function visit(browser, origin, page) {
  const context = await browser.newContext({ ...PHONE, colorScheme: 'dark' });
  const tab = await context.newPage();
  await tab.addInitScript(watch);
  const cdp = await context.newCDPSession(tab);
  await cdp.send('Network.enable');
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  await cdp.send('Network.emulateNetworkConditions', LINE);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  const bad = [], addresses = new Map(), sizes = new Map();
  let last = Date.now(); // when the line was last used
  cdp.on('Network.dataReceived', () => { last = Date.now(); });
  cdp.on('Network.requestWillBeSent', ({ requestId, request }) => {
    last = Date.now();
    addresses.set(requestId, request.url);
    if (!request.url.startsWith(`${origin}/`) && !/^(data|blob|about):/.test(request.url)) bad.push(`bytes: asked for ${request.url.slice(0, 100)}`);
  });
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(addresses.get(requestId), encodedDataLength));
  await tab.goto(`${origin}${BASE}${page}`, { waitUntil: 'load', timeout: 120_000 });
  const load = await tab.evaluate(() => performance.getEntriesByType('navigation')[0].loadEventStart);
  await tab.waitForFunction(() => window.seen.equations, null, { timeout: 60_000 }).catch(() => bad.push('equations: some do not stand after a minute'));
  const { metrics } = await cdp.send('Performance.getMetrics');
  const busy = metrics.find(({ name }) => name === 'ThreadTime').value; // of the slow processor, whoever else uses this machine
  while (Date.now() - last < 2000) await tab.waitForTimeout(200);
  const { equations, shift, moved, images } = await tab.evaluate(() => ({ ...window.seen, images: [...document.querySelectorAll('article img')].map((i) => ({ src: i.getAttribute('src'), sized: i.hasAttribute('width') && i.hasAttribute('height'), lazy: i.loading === 'lazy', screens: i.checkVisibility({ contentVisibilityAuto: true }) ? i.getBoundingClientRect().top / innerHeight : Infinity })) }));
  await context.close();
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  if (bytes > LIMIT.bytes) bad.push(`bytes: ${bytes}; the largest: ${[...sizes].sort((a, b) => b[1] - a[1]).slice(0, 4).map(([url, size]) => `${url.split('/').at(-1).slice(-40)} ${size}`).join(', ')}`);
  if (!(shift < LIMIT.shift)) bad.push(`shift: ${shift.toFixed(3)}, ${[...new Set(moved)].slice(0, 5).join(' ')}`);
  for (const { src, sized, lazy, screens } of images) {
    if (!sized) bad.push(`images: no size: ${src}`);
    if (lazy ? screens < 0.7 : screens > 1.5) bad.push(`images: ${lazy ? 'waits' : 'does not wait'}, ${screens.toFixed(1)} screens down: ${src}`);
  }
  return { bad, bytes, requests: sizes.size, equations, load, busy, shift, list: [...sizes] };
}

/** The same page with scripts switched off, then with script files that never arrive; nothing is slow. */
async function plain(browser, origin, page) {
  const bad = [];
  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({ ...PHONE, colorScheme, javaScriptEnabled: false });
    const tab = await context.newPage();
    await tab.goto(`${origin}${BASE}${page}`, { waitUntil: 'load' });
    const seen = await tab.evaluate(() => {
      document.documentElement.dataset.whole = ''; // all of it laid out, as it is when the reader comes near
      const shown = (e) => e && e.getBoundingClientRect().height > 0;
      const formulas = [...document.querySelectorAll('article :is(span.math, div.math)')].filter((e) => e.checkVisibility());
      const numbers = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
      const light = (colour) => numbers(colour).reduce((a, b) => a + b) / 3;
      return {
        words: document.querySelector('article')?.innerText.split(/\s+/).length ?? 0,
        unset: formulas.filter((e) => !shown(e.querySelector('.katex-html'))).length, formulas: formulas.length,
        images: [...document.querySelectorAll('article img')].filter((i) => i.checkVisibility() && !shown(i)).map((i) => i.getAttribute('src')),
        paper: light(getComputedStyle(document.body).backgroundColor), ink: light(getComputedStyle(document.querySelector('article p') ?? document.body).color),
      };
    });
    await context.close();
    if (seen.words < 20) bad.push(`plain: ${seen.words} words`);
    if (seen.unset) bad.push(`plain: ${seen.unset} of ${seen.formulas} equations do not stand`);
    for (const src of seen.images) bad.push(`plain: not shown: ${src}`);
    if (colorScheme === 'dark' ? !(seen.paper < 60 && seen.ink > 150) : !(seen.paper > 200 && seen.ink < 100)) bad.push(`plain: ${colorScheme} has ink ${seen.ink.toFixed(0)} on paper ${seen.paper.toFixed(0)} (of 255)`);
  }
  const context = await browser.newContext({ ...PHONE, colorScheme: 'dark' });
  const tab = await context.newPage();
  await tab.route(/\.js(\?|$)/, (route) => route.abort());
  await tab.goto(`${origin}${BASE}${page}`, { waitUntil: 'load' });
  const theme = await tab.evaluate(() => document.documentElement.dataset.theme);
  if (theme !== 'dark') bad.push(`dark: data-theme is "${theme}" before any script file has arrived`);
  await context.close();
  return bad;
}

async function main(words) {
  const times = words.includes('--times');
  const at = words.indexOf('--pages');
  const parts = at < 0 ? [] : words[at + 1].split(',');
  const root = resolve(words[0] ?? '');
  if (!words[0] || !existsSync(join(root, 'index.html'))) throw new Error('usage: node tests/browser/phone.mjs _build/html [--pages a,b] [--times]');
  const { chromium } = await import('playwright-core');
  const { server, origin } = await serve(root);
  const browser = await chromium.launch({ executablePath: browserPath(), args: FLAGS });
  const rows = [];
  let failed = 0;
  const pages = pagesOf(root).filter((page) => (!parts.length || parts.some((part) => page.includes(part))) && readFileSync(join(root, page), 'utf8').includes('<article') && !/^(genindex|search|proof)/.test(page));
  try {
    for (const page of pages) {
      const { bad, ...seen } = await visit(browser, origin, page);
      bad.push(...await plain(browser, origin, page));
      if (times && !(seen.equations <= LIMIT.equations)) bad.push(`times: equations stand after ${((seen.equations ?? NaN) / 1000).toFixed(2)} s`);
      if (times && !(seen.load <= LIMIT.load)) bad.push(`times: loaded after ${(seen.load / 1000).toFixed(2)} s`);
      rows.push([page, (seen.bytes / 1000).toFixed(0), seen.requests, ((seen.equations ?? NaN) / 1000).toFixed(2), (seen.load / 1000).toFixed(2), seen.busy.toFixed(2), seen.shift.toFixed(3)]);
      console.log(`${bad.length ? 'FAIL' : 'ok  '} ${page}`);
      for (const text of new Set(bad)) console.log(`       ${text}`);
      if (words.includes('--files')) for (const [url, size] of seen.list) console.log(`       ${size} ${url.slice(origin.length)}`);
      failed += bad.length > 0;
    }
  } finally {
    await browser.close();
    server.close();
  }
  const table = [['page', 'kB', 'requests', 'equations s', 'load s', 'processor s', 'shift'], ...rows];
  const widths = table[0].map((_, n) => Math.max(...table.map((row) => String(row[n]).length)));
  for (const row of table) console.log(row.map((cell, n) => (n ? String(cell).padStart(widths[n]) : String(cell).padEnd(widths[n]))).join('  '));
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  return failed;
}

try {
  process.exitCode = await main(process.argv.slice(2)) ? 1 : 0;
} catch (error) {
  console.error(`phone: ${error.code === 'ERR_MODULE_NOT_FOUND' ? 'run tools/vendor.sh first (playwright-core is not installed)' : error.message}`);
  process.exitCode = 2;
}
