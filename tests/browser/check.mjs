#!/usr/bin/env node
// Look at the built book as a reader does, in Debian's Chromium, with no network.
//
//   node tests/browser/check.mjs _build/html [--pages a,b] [--shots DIR] [--jobs 2]
//
// Every page is opened three times (desktop light, desktop dark, phone 390 px wide) and must have
//   offline   asked nobody but this book's own folder for anything
//   errors    no console error, no uncaught exception, no missing file
//   maths     every formula set, in KaTeX's fonts, with MathML for speech; copied, it is its TeX; no TeX left in the text;
//             at 1280 px a displayed formula fits its column
//   images    every image loaded, with a text alternative that is not a file name
//   a11y      no WCAG 2.1 A/AA violation that axe-core finds, with everything folded opened (ALLOWED: the theme's own)
//   sideways  at 390 px, at 320 px and with text twice as large, the page does not scroll sideways and nothing is cut off
//   keyboard  no stop on a formula that has nothing to scroll
//   contents  the contents beside the page mark the section that was gone to
//   links     every link into the book has a page, and every #anchor an element
// --pages takes parts of page names; --shots writes <page>.{light,dark,phone}.png.
// CHROMIUM names another browser. Ends with "N passed, N failed" (pages); exit 1 if one failed.

import { createServer } from 'node:http';
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

// Accessibility violations in markup that is the theme's: {rule, selector, reason}. What custom.css and
// a11y.js can mend does not belong here. An entry that no page needs any more is reported.
export const ALLOWED = [];

// Hosts that a page may ask: none.
export const ALLOWED_OUTSIDE = [];

export const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
// The phone is a first visit: nothing stored, the theme decides.
const VIEWS = [
  { name: 'light', theme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark', theme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: 'phone', theme: '', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true },
];
// Outside names resolve to nothing, so that every such request fails as it does without a network; look() records it.
// (Playwright's own routing would switch the browser's cache off, and every page would load everything anew.)
export const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', `--host-resolver-rules=${['MAP * ~NOTFOUND', '127.0.0.1', ...ALLOWED_OUTSIDE].join(', EXCLUDE ')}`];
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
export const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.gif': 'image/gif', '.webp': 'image/webp',
  '.woff': 'font/woff', '.woff2': 'font/woff2', '.ttf': 'font/ttf', '.ipynb': 'application/json', '.txt': 'text/plain; charset=utf-8' };
export const BASE = '/book/'; // served below a folder, as on GitHub Pages: a link to "/x" is then dead, as it would be there
const TIMEOUT = 45000;

function options(argv) {
  const o = { root: '', pages: [], shots: '', jobs: 2 };
  for (let i = 0; i < argv.length; i++) {
    const value = () => argv[++i] ?? usage(`${argv[i - 1]} needs a value`);
    if (argv[i] === '--pages') o.pages = value().split(',').filter(Boolean);
    else if (argv[i] === '--shots') o.shots = resolve(value());
    else if (argv[i] === '--jobs') o.jobs = Math.max(1, Number(value()) || 1);
    else if (argv[i].startsWith('-') || o.root) usage(`unknown argument: ${argv[i]}`);
    else o.root = resolve(argv[i]);
  }
  if (!o.root) usage('which folder?');
  if (!existsSync(o.root)) usage(`no such folder: ${o.root} (build the book first: make book)`);
  return o;
}

function usage(message) {
  console.error(`check: ${message}\nusage: node tests/browser/check.mjs _build/html [--pages a,b] [--shots DIR] [--jobs N]`);
  process.exit(2);
}

export function browserPath() {
  const path = process.env.CHROMIUM || BROWSERS.find((path) => existsSync(path));
  if (!path || !existsSync(path)) throw new Error('no Chromium found: install it (apt-get install chromium), or name one with CHROMIUM=/path/to/it');
  return path;
}

/** Every page of the book, sphinx's own folders (_static, _sources, ...) left out. */
export function pagesOf(root) {
  const found = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('_') || entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.name.endsWith('.html')) found.push(relative(root, path).split(sep).join('/'));
    }
  };
  walk(root);
  return found.sort();
}

export function serve(root) {
  const server = createServer((request, response) => {
    let path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    if (path === '/favicon.ico') return response.writeHead(204).end();
    path = path.startsWith(BASE) ? posix.normalize('/' + path.slice(BASE.length)) : null;
    if (path?.endsWith('/')) path += 'index.html';
    const file = path && join(root, path);
    if (!file || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end('not found');
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'cache-control': 'max-age=3600' });
    createReadStream(file).pipe(response);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done({ server, origin: `http://127.0.0.1:${server.address().port}` })));
}

/** The built book, served, and the browser that looks at it; close() ends both. */
export async function openBook(root) {
  const { chromium } = await import('playwright-core');
  const executablePath = browserPath();
  const { server, origin } = await serve(root);
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  return { browser, origin, close: async () => { await browser.close(); server.close(); } };
}

// ---- what runs inside the page ------------------------------------------------------------------

/** Wait until images and fonts are there, all is laid out, and the scripts of figures are asked for. */
export async function settle() {
  for (const image of document.images) image.loading = 'eager';
  await Promise.all([...document.images].map((image) => image.complete || new Promise((r) => { image.onload = image.onerror = r; })));
  await document.fonts.ready;
  const waits = () => document.querySelector('script[type="later"]') || [...document.querySelectorAll('article section > *')].some((e) => getComputedStyle(e).contentVisibility !== 'visible');
  while (waits()) await new Promise((r) => setTimeout(r, 20)); // a11y.js does it when the browser is idle
  await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
}

/** Unfold every dropdown, solution, hidden cell and tab, so that what is inside is checked as well. */
async function unfold() {
  for (const details of document.querySelectorAll('details')) details.open = true;
  for (const button of document.querySelectorAll('button.toggle-button-hidden')) button.click();
  const style = document.createElement('style');
  style.textContent = '.sd-tab-content { display: block !important } *, ::before, ::after { transition: none !important; animation: none !important }';
  document.head.append(style);
}

/** Boxes of the article that scroll sideways and cannot be reached by the keyboard. */
function unreached() {
  const scrolls = (e) => e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX);
  return [...document.querySelectorAll('article *')].filter((e) => e.tabIndex < 0 && e.checkVisibility() && scrolls(e) && !e.querySelector('a[href], button, input, select, summary, [tabindex="0"]'))
    .map((e) => `scrolls and is no stop of the keyboard: ${e.localName}.${e.className} ${e.textContent.trim().replace(/\s+/g, ' ').slice(0, 60)}`);
}

function maths() {
  const bad = [];
  const short = (text) => text.trim().replace(/\s+/g, ' ').slice(0, 90);
  const formulas = [...document.querySelectorAll('span.math, div.math')].filter((e) => !e.closest('pre, code'));
  const raw = formulas.filter((e) => !e.querySelector('.katex-html'));
  if (raw.length) bad.push(`${raw.length} of ${formulas.length} formulas not set: ${short(raw[0].textContent)}`);
  const set = formulas.filter((e) => e.querySelector('.katex-html'));
  const told = set.filter((e) => e.querySelector('.katex-mathml > math') && e.querySelector('.katex-html[aria-hidden=true]'));
  if (told.length < set.length) bad.push(`${set.length - told.length} of ${set.length} formulas without MathML for speech`);
  for (const e of document.querySelectorAll('.katex-error, .katex [style*="#cc0000"]')) bad.push(`KaTeX error: ${short(e.title || e.textContent)}`);
  const loaded = [...document.fonts].some((font) => /KaTeX_Main/.test(font.family) && font.status === 'loaded');
  if (set.length && !loaded) bad.push("KaTeX's fonts are not used");
  const skip = 'script, style, noscript, template, textarea, pre, code, kbd, .katex, .sr-only';
  const tex = /\$\$|\\[([]|\\(begin|end|frac|left|right|text|mathbf|partial|sum)\b|\$[^$\n]{0,200}[\\^_{][^$\n]{0,200}\$/;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (tex.test(node.data) && !node.parentElement.closest(skip)) bad.push(`raw TeX: ${short(node.data)}`);
  }
  if (tex.test(document.title)) bad.push(`raw TeX in the title: ${document.title}`);
  for (const e of document.querySelectorAll('.katex-display')) {
    if (e.checkVisibility() && e.scrollWidth > e.clientWidth + 1) bad.push(`${e.scrollWidth} px wide in a column of ${e.clientWidth}: ${short(e.querySelector('annotation').textContent)}`);
  }
  return { count: set.length, bad: [...new Set(bad)] };
}

/** Copies the page's first formula, as a reader does, and says what another program would get. */
async function copied() {
  const formula = [...document.querySelectorAll('.katex')].find((e) => e.checkVisibility());
  const tex = formula?.querySelector('annotation[encoding="application/x-tex"]')?.textContent;
  if (!tex) return [];
  let text = '';
  const listen = (event) => { text = event.clipboardData.getData('text/plain'); event.preventDefault(); };
  document.addEventListener('copy', listen); // after the page's own
  getSelection().selectAllChildren(formula);
  document.execCommand('copy');
  document.removeEventListener('copy', listen);
  getSelection().removeAllRanges();
  return text.includes(tex) ? [] : [`a copied formula is "${text.slice(0, 60)}", not its TeX ${tex.slice(0, 60)}`];
}

/** Formulas that stop the keyboard though nothing in them scrolls. */
function stops() {
  const boxes = [...document.querySelectorAll('span.math, div.math, .math *')].filter((e) => e.tabIndex >= 0 && !e.matches('a'));
  const idle = boxes.filter((e) => e.scrollWidth <= e.clientWidth + 1);
  return idle.length ? [`${idle.length} formulas stop the keyboard, the first: ${idle[0].textContent.slice(0, 40)}`] : [];
}

/** Goes to some headings by the contents, and back up; which entry is marked then? */
async function contents() {
  const bad = [];
  const links = [...document.querySelectorAll('#pst-page-toc-nav a[href^="#"]')].filter((a) => a.checkVisibility());
  const goals = [0, links.length >> 1, links.length - 2, links.length - 1, 1].map((n) => links[n]).filter(Boolean);
  for (const link of goals) {
    location.replace(link.hash);
    let marked;
    for (let i = 0; i < 50; i++) { // the mark comes a moment later
      await new Promise((r) => setTimeout(r, 100));
      marked = [...document.querySelectorAll('#pst-page-toc-nav a.active')];
      if (marked.length === 1 && marked[0] === link) break;
    }
    if (marked.length !== 1 || marked[0] !== link) bad.push(`at "${link.textContent.trim()}", marked: ${marked.map((a) => a.textContent.trim()).join(', ') || 'nothing'}`);
  }
  scrollTo({ top: 0, behavior: 'instant' });
  return bad;
}

function images() {
  const bad = [];
  for (const image of document.images) {
    const name = image.getAttribute('src')?.slice(0, 100);
    if (!image.complete || image.naturalWidth === 0) bad.push(`did not load: ${name}`);
    if (['presentation', 'none'].includes(image.getAttribute('role')) || image.closest('[aria-hidden="true"]')) continue;
    const alt = image.getAttribute('alt')?.trim() ?? '';
    if (!alt) bad.push(`no alt text: ${name}`);
    else if (/\.(png|jpe?g|gif|svg|webp)$/i.test(alt) && !/\s/.test(alt)) bad.push(`alt text is a file name: ${name}`);
  }
  return bad;
}

function sideways(width) {
  const bad = [];
  const path = (e) => e.tagName.toLowerCase() + (e.id ? `#${e.id}` : '') + [...e.classList].slice(0, 3).map((c) => `.${c}`).join('');
  const scrolls = document.scrollingElement.scrollWidth;
  if (scrolls > width) bad.push(`the page is ${scrolls} px wide on a ${width} px screen`);
  // An element that sticks out must lie in a box that fits and scrolls; otherwise it is cut off or widens the page.
  const article = document.querySelector('article') ?? document.body;
  const out = [...article.querySelectorAll(':not(.katex *)')].filter((e) => {
    if (e.closest('.sr-only, svg *') || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    const box = e.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || (box.right <= width + 1 && box.left >= -1)) return false;
    for (let up = e.parentElement; up && up !== document.body; up = up.parentElement) {
      const held = up.getBoundingClientRect();
      if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX) && held.right <= width + 1 && held.left >= -1) return false;
    }
    return true;
  });
  for (const e of out.filter((e) => !out.includes(e.parentElement)).slice(0, 5)) {
    const box = e.getBoundingClientRect();
    bad.push(`sticks out (${Math.round(box.left)} to ${Math.round(box.right)} px): ${path(e)} in ${path(e.parentElement)}`);
  }
  return bad;
}

function themeIs(theme) {
  const root = document.documentElement;
  if (!root.dataset.theme) return []; // not a page of this theme
  const colour = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number);
  const dark = colour.reduce((a, b) => a + b) / 3 < 100;
  return root.dataset.theme === theme && dark === (theme === 'dark') ? [] : [`asked for ${theme}, got ${root.dataset.theme} on rgb(${colour})`];
}

function links() {
  return {
    ids: [...document.querySelectorAll('[id], a[name]')].map((e) => e.id || e.name),
    hrefs: [...document.querySelectorAll('a[href]')].map((a) => ({ href: a.href, raw: a.getAttribute('href'), text: a.textContent.trim().slice(0, 40) })),
    hints: [...document.querySelectorAll('link[rel~=preconnect], link[rel~=dns-prefetch], link[rel~=prefetch]')].map((l) => l.href),
  };
}

async function accessibility({ tags, allowed }) {
  // The many parts of a formula have the colour of the text around it; what is told is its MathML.
  const result = await window.axe.run({ exclude: ['.katex-html'] }, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'], reporter: 'v2' });
  const used = [];
  const bad = [];
  for (const violation of result.violations) {
    for (const node of violation.nodes) {
      const target = node.target.flat().join(' ');
      const element = document.querySelector(target);
      const entry = allowed.findIndex((a) => a.rule === violation.id && element?.matches(a.selector));
      if (entry >= 0) used.push(entry);
      else {
        const d = [...node.any, ...node.all, ...node.none].find((c) => c.data)?.data;
        const more = d?.contrastRatio ? ` (${d.fgColor} on ${d.bgColor}: ${d.contrastRatio}, needs ${d.expectedContrastRatio})` : '';
        bad.push(`${violation.id}: ${target}${more}`);
      }
    }
  }
  return { bad, used };
}

// ---- driving ------------------------------------------------------------------------------------

const idsOf = new Map();
function staticIds(file) {
  if (!idsOf.has(file)) idsOf.set(file, new Set([...readFileSync(file, 'utf8').matchAll(/\s(?:id|name)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))/g)].map((m) => m[1] ?? m[2] ?? m[3])));
  return idsOf.get(file);
}

function deadLinks(root, origin, url, { ids, hrefs, hints }) {
  const bad = [];
  const own = new Set(ids);
  for (const { href, raw, text } of hrefs) {
    let target;
    try { target = new URL(href); } catch { bad.push(`not an address: ${raw}`); continue; }
    if (target.protocol === 'file:' || /^(localhost|127\.)/.test(target.hostname) && target.origin !== origin) bad.push(`points to this machine: ${raw}`);
    if (target.origin !== origin) continue;
    if (!target.pathname.startsWith(BASE)) { bad.push(`leaves the book's folder: ${raw} (${text})`); continue; }
    let path = decodeURIComponent(target.pathname.slice(BASE.length));
    if (path === '' || path.endsWith('/')) path += 'index.html';
    const file = join(root, path);
    if (!existsSync(file) || !statSync(file).isFile()) { bad.push(`no such page: ${raw} (${text})`); continue; }
    const [anchor] = decodeURIComponent(target.hash.slice(1)).split('?'); // behind it stand a playground's settings
    if (!anchor || !file.endsWith('.html')) continue;
    const known = target.pathname === new URL(url).pathname ? own : staticIds(file);
    if (!known.has(anchor)) bad.push(`no such anchor: ${raw} (${text})`);
  }
  for (const hint of hints) if (new URL(hint).origin !== origin) bad.push(`tells the browser to connect to ${hint}`);
  return [...new Set(bad)];
}

function within(milliseconds, job, message) {
  let timer;
  const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error(message)), milliseconds); });
  return Promise.race([job, late]).finally(() => clearTimeout(timer));
}

/** What is still unreached when a11y.js, which works when the browser is idle, has had its time. */
async function unreachedAtLast(tab) {
  let found;
  for (let n = 0; n < 100 && (found = await tab.evaluate(unreached)).length; n++) await tab.waitForTimeout(50);
  return found;
}

async function look(context, view, page, book) {
  const { root, origin, axe, shots, allowed } = book;
  const problems = [];
  const note = (kind, list) => { for (const text of list) problems.push({ kind, text, view: view.name }); };
  const tab = await context.newPage();
  const url = origin + BASE + page.split('/').map(encodeURIComponent).join('/');
  const outside = new Set();
  const own = (address) => address.startsWith(origin + '/') || /^(data|blob|about):/.test(address);
  tab.on('request', (r) => own(r.url()) || ALLOWED_OUTSIDE.includes(new URL(r.url()).host) || outside.add(r.url().slice(0, 200)));
  tab.on('websocket', (s) => outside.add(s.url()));
  tab.on('response', (r) => r.status() >= 400 && own(r.url()) && note('errors', [`${r.status()} ${r.url().slice(origin.length + BASE.length)}`]));
  tab.on('pageerror', (e) => note('errors', [`uncaught: ${e.message}`]));
  tab.on('console', (m) => {
    if (m.type() !== 'error') return;
    // A refused outside request, or a file that is missing, is listed above under its own name.
    if (/^Failed to load resource/.test(m.text()) || (/ERR_FAILED|CORS policy/.test(m.text()) && outside.size)) return;
    note('errors', [`console: ${m.text().slice(0, 200)}`]);
  });
  let formulas = 0;
  let used = [];
  try {
    await tab.goto(url, { waitUntil: 'load', timeout: TIMEOUT });
    await within(TIMEOUT, tab.evaluate(settle), 'the page did not settle (images or fonts)');
    note('theme', await tab.evaluate(themeIs, view.theme || 'light'));
    if (shots) {
      const file = join(shots, `${page.replace(/\.html$/, '').replaceAll('/', '__')}.${view.name}.png`);
      const screen = tab.viewportSize();
      const height = await tab.evaluate(() => document.documentElement.scrollHeight);
      await tab.setViewportSize({ ...screen, height }); // fullPage alone repeats tiles of tall pages
      await tab.screenshot({ path: file });
      await tab.setViewportSize(screen);
    }
    if (view.name === 'light') note('contents', await tab.evaluate(contents));
    await tab.evaluate(unfold);
    if (view.name === 'light') {
      const found = await tab.evaluate(maths);
      formulas = found.count;
      note('maths', found.bad);
      note('maths', await tab.evaluate(copied));
      note('images', await tab.evaluate(images));
      note('links', deadLinks(root, origin, url, await tab.evaluate(links)));
    }
    note('keyboard', await tab.evaluate(stops));
    note('keyboard', await unreachedAtLast(tab));
    if (view.name === 'phone') {
      note('sideways', await tab.evaluate(sideways, view.viewport.width));
      await tab.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
      note('sideways', (await tab.evaluate(sideways, view.viewport.width)).map((text) => `text twice as large: ${text}`));
      await tab.evaluate(() => { document.documentElement.style.fontSize = ''; });
      await tab.setViewportSize({ width: 320, height: view.viewport.height });
      note('sideways', (await tab.evaluate(sideways, 320)).map((text) => `320 px: ${text}`));
      await tab.setViewportSize(view.viewport);
    }
    await tab.evaluate(axe);
    const report = await tab.evaluate(accessibility, { tags: AXE_TAGS, allowed });
    note('a11y', report.bad);
    used = report.used;
  } catch (error) {
    note('page', [error.message.split('\n')[0]]);
  } finally {
    await tab.close();
  }
  note('offline', [...outside].map((address) => `asked for ${address}`));
  return { problems, formulas, used };
}

function redirect(root, page) {
  const to = readFileSync(join(root, page), 'utf8').slice(0, 2000).match(/http-equiv="refresh"\s+content="[\d.]+;\s*url=([^"]+)"/i)?.[1];
  if (!to) return null;
  if (/^(https?:)?\/\//.test(to)) return { to, bad: [`redirects outside: ${to}`] };
  return { to, bad: existsSync(join(root, dirname(page), to.split('#')[0])) ? [] : [`redirects to nothing: ${to}`] };
}

/** Checks a folder; returns {passed, failed, problems: {page: [{kind, text, view}]}}. */
export async function check(root, { pages = [], shots = '', jobs = 2, allowed = ALLOWED, log = console.log } = {}) {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const todo = pagesOf(root).filter((p) => !pages.length || pages.some((part) => p.includes(part)));
  if (!todo.length) throw new Error(`no page to check in ${root}`);
  if (shots) mkdirSync(shots, { recursive: true });
  const began = Date.now();
  const { browser, origin, close } = await openBook(root);
  const book = { root, origin, axe, shots, allowed };
  const result = { passed: 0, failed: 0, problems: {} };
  const needed = new Set();
  try {
    const contexts = [];
    for (const view of VIEWS) {
      const { name, theme, ...screen } = view;
      const context = await browser.newContext({ ...screen, colorScheme: theme || 'light', reducedMotion: 'reduce', serviceWorkers: 'block' });
      if (theme) await context.addInitScript((t) => { try { localStorage.setItem('mode', t); localStorage.setItem('theme', t); } catch { /* about:blank */ } }, theme);
      contexts.push([context, view]);
    }
    const queue = [...todo];
    const work = async () => {
      for (let page = queue.shift(); page; page = queue.shift()) {
        const start = Date.now();
        const moved = redirect(root, page);
        let problems = moved ? moved.bad.map((text) => ({ kind: 'links', text, view: 'light' })) : [];
        let formulas = 0;
        for (const [context, view] of moved ? [] : contexts) {
          const seen = await look(context, view, page, book);
          problems.push(...seen.problems);
          formulas ||= seen.formulas;
          seen.used.forEach((u) => needed.add(u));
        }
        const merged = new Map(); // the same problem in several views is one line
        for (const p of problems) {
          const key = `${p.kind}: ${p.text}`;
          if (!merged.has(key)) merged.set(key, { ...p, views: [] });
          if (!merged.get(key).views.includes(p.view)) merged.get(key).views.push(p.view);
        }
        result.problems[page] = [...merged.values()];
        const bad = merged.size;
        result[bad ? 'failed' : 'passed']++;
        const what = moved ? `redirects to ${moved.to}` : `${formulas} formulas`;
        log(`${bad ? 'FAIL' : 'ok  '} ${page} (${what}, ${((Date.now() - start) / 1000).toFixed(1)} s)`);
        for (const [key, p] of merged) log(`       ${key}${p.views.length === VIEWS.length ? '' : ` [${p.views.join(', ')}]`}`);
      }
    };
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await close();
  }
  if (!pages.length) allowed.forEach((a, i) => needed.has(i) || log(`note: no page needs this allowance any more, remove it: ${a.rule} ${a.selector}`));
  log(`${todo.length} pages in ${((Date.now() - began) / 1000).toFixed(0)} s`);
  log(`${result.passed} passed, ${result.failed} failed`);
  return result;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const o = options(process.argv.slice(2));
  try {
    const { failed } = await check(o.root, o);
    process.exitCode = failed ? 1 : 0;
  } catch (error) {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
    console.error(`check: ${missing ? 'run tools/vendor.sh first (playwright-core and axe-core are not installed)' : error.message}`);
    process.exitCode = 2;
  }
}
