#!/usr/bin/env node
// The model that writes in the reader's browser, on the page that shows it: against torch, by mouse, keyboard and touch.
//
//   node tests/browser/char_writer.mjs _build/html [--selftest[=WORDS]] [--shots DIR]
//
//   load      nothing is asked for before the button; then one script of at most 700 kB, as large as the button says
//   logits    within 1e-3 of torch's float32 over 1,000 characters;  cells: tanh(c) and h as torch's
//   greedy    500 characters as torch writes them;  speed: at least 300 characters a second (of processor time where the machine is busy)
//   bars      probabilities and entropy as torch's;  temperature: the entropy rises with it, the text stays
//   seed      the same seed, the same text, also after a stop;  stop: Stop stops, Clear clears
//   unknown   a character that the model does not know: a message, and no text
//   colours   follow the cell, and stay legible;  said: the finished text, not each character
//   keyboard  all of it without a mouse;  phone: 390 px, nothing sideways, 44 px to touch
//   missing   no weights, damaged weights: a message, the still text stays, another try works
//   file, fallback, a11y, errors, offline   as in interactive.mjs
// --selftest breaks the scripts, one thing at a time, and wants each found by the part that should. --shots writes light, dark and phone.png.
// PYTHON names the Python that has rnnlib. Ends with "N passed, N failed" (models and what they share).

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AXE_TAGS, BASE, openBook, pagesOf, settle } from './check.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');
const TAG = 'rnn-char-writer';
const NEAR = 1e-3; // of a logit
const FAST = 300; // characters a second
const LARGEST = 700_000; // bytes of a script with weights
const WAIT = 60000;
const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

function expectations() {
  const python = process.env.PYTHON || join(ROOT, '.venv/bin/python');
  return JSON.parse(execFileSync(python, [join(HERE, 'char_writer_numbers.py')], { cwd: ROOT, maxBuffer: 1e8, env: { ...process.env, OMP_NUM_THREADS: '1' } }));
}

/** A page of the book with the writer on it, and what goes wrong there. `swap` replaces a script: [file, source]. */
async function open(browser, book, note, { options = DESKTOP, address = book.url, swap = null, quiet = false } = {}) {
  const context = await browser.newContext({ serviceWorkers: 'block', ...options });
  context.setDefaultTimeout(WAIT);
  if (options.javaScriptEnabled !== false) await context.addInitScript((theme) => { try { localStorage.setItem('mode', theme); localStorage.setItem('theme', theme); } catch { /* about:blank */ } }, options.colorScheme ?? 'light');
  const page = await context.newPage();
  if (swap) await page.route(`**/_static/${swap[0]}`, (route) => route.fulfill({ body: swap[1], contentType: 'text/javascript' }));
  const asked = [];
  page.on('request', (r) => {
    asked.push(r.url());
    if (!r.url().startsWith(`${book.origin}/`) && !/^(data|blob|about|file):/.test(r.url())) note('offline', `asked for ${r.url()}`);
  });
  page.on('pageerror', (e) => note('errors', `uncaught: ${e.message}`));
  page.on('console', (m) => m.type() === 'error' && !quiet && note('errors', m.text()));
  await page.goto(address, { waitUntil: 'load' });
  if (options.javaScriptEnabled !== false) await page.evaluate(settle);
  const host = page.locator(TAG).first();
  const part = (selector) => host.locator(selector);
  const named = (name) => part(`[name=${name}]`);
  const set = (settings) => host.evaluate((element, s) => element.set(s), settings);
  const get = () => host.evaluate((e) => ({
    text: e.text, wanted: e.inputs.beginning.value, writing: Boolean(e.frame), entropy: e.values.entropy, p: e.values.p && [...e.values.p], likely: e.values.likely,
    paper: e.paper.textContent, heard: e.heard.textContent, rows: [...e.shadowRoot.querySelectorAll('tbody tr, tfoot tr')].map((row) => row.innerText.replace(/\s+/g, ' ').trim()),
  }));
  const until = (what) => page.waitForFunction(([tag, code]) => new Function('e', `return ${code}`)(document.querySelector(tag)), [TAG, what], { timeout: WAIT });
  const load = async (model) => {
    await named('model').selectOption(model);
    if (await part('.load').isVisible()) await part('.load').click();
    await until(`e.hasAttribute('loaded') || e.status.classList.contains('bad')`);
  };
  const press = (name) => part('.presets button').filter({ hasText: name }).click();
  const write = async () => { await press('Write'); await until('!e.frame'); };
  return { page, host, part, named, set, get, until, load, press, write, asked, close: () => context.close() };
}

const scripts = (asked) => asked.filter((url) => /rnn-weights/.test(url)).map((url) => url.split('/').at(-1));

/** One model on the desktop: what is loaded, and that it computes and writes as torch does. */
async function compare(browser, book, name, note, swap, wanted) {
  const w = await open(browser, book, note, { swap });
  try {
    if (!await w.page.locator(`${TAG} .fallback, ${TAG} img`).first().isVisible()) note('fallback', 'nothing is shown before the weights are there');
    await w.page.waitForTimeout(300);
    if (scripts(w.asked).length) note('load', `asked for ${scripts(w.asked)} before the button was pressed`);
    await w.named('model').selectOption(name);
    if (await w.part('.presets button').first().isEnabled()) note('load', 'Write is offered without a model');
    const said = await w.part('.load').textContent();
    await w.load(name);
    if (!await w.host.getAttribute('loaded').then((v) => v !== null)) return note('load', `did not load: ${await w.part('.status').textContent()}`);
    if (String(scripts(w.asked)) !== `rnn-weights-${name}.js`) note('load', `asked for ${scripts(w.asked)}`);
    const { size } = statSync(join(book.root, '_static', `rnn-weights-${name}.js`));
    if (size > LARGEST) note('load', `${size} bytes`);
    if (!said.includes(`(${Math.round(size / 1000)} kB)`)) note('load', `the button says "${said}", the file has ${size} bytes`);

    if (await w.host.evaluate((e) => e.model.symbols.join('')) !== wanted.symbols) note('logits', 'another vocabulary, or in another order');
    const logits = await w.host.evaluate((e, text) => e.model.logits(text).map((row) => [...row]), wanted.text);
    let worst = 0;
    logits.forEach((row, t) => row.forEach((value, k) => { worst = Math.max(worst, Number.isNaN(value) ? Infinity : Math.abs(value - wanted.logits[t][k])); }));
    if (logits.length !== 1000 || !(worst <= NEAR)) note('logits', `${logits.length} characters, differ by up to ${worst}`);

    await w.set({ beginning: wanted.beginning, choose: 'greedy', length: 1000, speed: 3, cell: 'none' });
    await w.write();
    const greedy = (await w.get()).text.slice(wanted.beginning.length, wanted.beginning.length + 500);
    if (greedy !== wanted.greedy) note('greedy', `differs from character ${[...greedy].findIndex((c, n) => c !== wanted.greedy[n]) + 1}: ${greedy.slice(0, 60)}`);

    const cdp = await w.page.context().newCDPSession(w.page);
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
    const busy = async () => (await cdp.send('Performance.getMetrics')).metrics.find((metric) => metric.name === 'ThreadTime').value;
    let fastest = 0, own = 0; // characters a second by the clock, and by the page's own processor time
    for (let i = 0; i < 3 && fastest < FAST; i++) {
      await w.set({ choose: 'sample', seed: i + 5, cell: 'c' });
      const began = Date.now(), used = await busy();
      await w.write();
      const seconds = (Date.now() - began) / 1000, written = (await w.get()).text.length - wanted.beginning.length;
      fastest = Math.max(fastest, written / seconds);
      own = Math.max(own, written / (await busy() - used));
    }
    const speed = `${fastest.toFixed(0)} characters a second, ${own.toFixed(0)} a second of processor time`;
    const shared = loadavg()[0] > availableParallelism(); // others use this machine: the clock says little
    if ((shared ? own : fastest) < FAST) note('speed', speed);

    await w.press('Clear');
    await w.set({ layer: 1 });
    for (const [n, temperature] of wanted.temperatures.entries()) {
      await w.set({ temperature });
      const { p, entropy, rows, likely } = await w.get();
      const off = Math.max(...p.map((value, k) => Math.abs(value - wanted.probabilities[n][k])));
      if (!(off < 1e-4)) note('bars', `probabilities differ by ${off} at temperature ${temperature}`);
      const bits = -wanted.probabilities[n].reduce((sum, value) => sum + (value && value * Math.log2(value)), 0);
      if (!(Math.abs(entropy - bits) < 1e-3)) note('bars', `entropy ${entropy}, torch has ${bits} at temperature ${temperature}`);
      const most = Math.max(...wanted.probabilities[n]);
      if (likely[0][0] !== wanted.symbols[wanted.probabilities[n].indexOf(most)] || !rows[0].endsWith(`${most >= 0.0995 ? Math.round(100 * most) : (100 * most).toFixed(1)} %`)) note('bars', `the first bar says "${rows[0]}", torch ${most}`);
      if (rows.at(-1) !== `entropy ${bits.toFixed(2)} bits`) note('bars', `"${rows.at(-1)}" for ${bits} bits`);
    }
    for (const kind of ['c', 'h']) {
      for (const layer of [1, 2]) {
        await w.set({ cell: kind, layer });
        const shown = [];
        for (let unit = 0; unit < 128; unit++) shown.push(await w.host.evaluate((e, u) => { e.inputs.unit.value = u; return e.activation(e.chars.length - 1); }, unit));
        const off = Math.max(...shown.map((value, unit) => Math.abs(value - wanted.cells[kind][layer - 1][unit])));
        if (!(off < NEAR)) note('cells', `${kind} of layer ${layer} differs by ${off}`);
      }
    }
    return `largest difference of a logit ${worst.toExponential(1)}, ${speed}, ${(size / 1000).toFixed(0)} kB`;
  } finally {
    await w.close();
  }
}

/** What does not depend on the model: the controls. */
async function controls(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    await w.load(name);
    // a beginning that is typed, and what it leads to
    await w.named('beginning').fill('');
    await w.named('beginning').pressSequentially('Once upon');
    let now = await w.get();
    if (now.text !== 'Once upon' || !now.paper.startsWith('Once upon')) note('beginning', `typed "Once upon", the text is "${now.text}"`);
    const first = now.rows.join();
    await w.named('beginning').pressSequentially(' a');
    if ((await w.get()).rows.join() === first) note('beginning', 'the bars stay as they were');

    // the temperature moves bars and entropy, and nothing else
    const slider = w.named('temperature');
    await slider.focus();
    await w.page.keyboard.press('Home');
    let last = await w.get();
    for (let i = 0; i < 6; i++) {
      for (let n = 0; n < 6; n++) await w.page.keyboard.press('ArrowRight');
      now = await w.get();
      if (!(now.entropy > last.entropy)) note('temperature', `the entropy goes from ${last.entropy} to ${now.entropy}`);
      if (now.rows.join() === last.rows.join()) note('temperature', 'the bars stay as they were');
      if (now.text !== last.text) note('temperature', 'changes the text');
      last = now;
    }
    await w.set({ choose: 'greedy' });
    if ((await w.get()).entropy !== 0 || await slider.isEnabled()) note('temperature', 'greedy has an entropy or a temperature');

    // the same seed, the same text; a stop in between changes nothing; another seed changes it
    await w.set({ choose: 'sample', temperature: 1, length: 100, speed: 3, seed: 7 });
    const texts = [];
    for (const seed of [7, 7, 8]) {
      await w.named('seed').fill(String(seed));
      await w.press('Clear');
      await w.write();
      texts.push((await w.get()).text);
    }
    if (texts[0] !== texts[1] || texts[0].length !== 111) note('seed', `7 twice: "${texts[0]}" and "${texts[1]}"`);
    if (texts[0] === texts[2]) note('seed', '8 gives the text of 7');
    await w.set({ seed: 7, length: 5000, speed: 1.6 });
    await w.press('Write');
    await w.until('e.chars.length > 20');
    if ((await w.get()).heard) note('said', 'speaks while it writes');
    await w.press('Stop');
    const stopped = await w.get();
    await w.page.waitForTimeout(400);
    now = await w.get();
    if (now.text !== stopped.text || now.writing || now.text.length >= 5000) note('stop', `${stopped.text.length} characters at Stop, ${now.text.length} later`);
    if (now.heard !== now.text.slice(11)) note('said', `says "${now.heard}" of "${now.text}"`);
    await w.set({ speed: 3 });
    await w.press('Write');
    await w.until('e.chars.length > 200');
    await w.press('Stop');
    if ((await w.get()).text.slice(0, 111) !== texts[0]) note('seed', 'a stop changes what comes after it');
    await w.press('Clear');
    if ((await w.get()).text !== 'Once upon a') note('stop', 'Clear leaves something');
    await w.press('Another');
    await w.until('!e.frame || e.chars.length > 120');
    await w.press('Stop');
    if ((await w.get()).text.slice(0, 111) !== texts[2]) note('seed', 'Another is not the next seed');

    // a character that it does not know
    await w.named('beginning').fill('Once ☃');
    await w.part('.presets button').first().click();
    now = await w.get();
    const problem = await w.part('.problem').textContent();
    if (!/“☃”, character 6,/.test(problem) || !problem.includes('space') || !await w.part('.problem').isVisible()) note('unknown', `says "${problem}"`);
    if (now.text || now.writing) note('unknown', `writes "${now.text}"`);
    if (await w.named('beginning').getAttribute('aria-invalid') !== 'true') note('unknown', 'the field is not marked');
    await w.named('beginning').fill('');
    await w.set({ length: 100 });
    await w.write();
    now = await w.get();
    if (await w.part('.problem').textContent() || now.text.length < 100) note('unknown', 'an empty beginning does not write');

    // colours
    const painted = () => w.host.evaluate((e) => [...e.paper.children].map((span) => span.className).join());
    await w.set({ cell: 'c', layer: 2, unit: 3 });
    const before = await painted();
    await w.named('unit').focus();
    await w.page.keyboard.press('ArrowRight');
    if (await painted() === before) note('colours', 'another unit has the same');
    await w.set({ cell: 'none' });
    if (/[pn]\d/.test(await painted()) || await w.part('.legend').isVisible()) note('colours', 'are there without a cell');
    await w.named('find').selectOption('gap');
    const { cell } = await w.host.evaluate((e) => e.values);
    if (cell !== 'c' || !/correlation (−?0\.\d\d|1\.00|−1\.00) over/.test(await w.part('.legend').textContent())) note('colours', 'no cell is found for spaces');
    const lost = await w.host.evaluate((e) => { // each shade has a line on its own side, and enough contrast
      const span = e.paper.firstChild, bad = [];
      for (const [kind, side] of [['p', '-'], ['n', '']]) {
        let last = 0;
        for (let n = 1; n <= 8; n++) {
          span.className = kind + n;
          const { boxShadow, backgroundColor } = getComputedStyle(span), thick = boxShadow.match(/0px (-?)([\d.]+)px/);
          if (!thick || thick[1] !== side || !(Number(thick[2]) > last)) bad.push(`${kind}${n}: ${boxShadow}`);
          last = Number(thick?.[2]);
          if (Number(backgroundColor.match(/[\d.]+/g)[3]) > 0.4) bad.push(`${kind}${n}: ${backgroundColor}`);
        }
      }
      return bad;
    });
    for (const text of lost) note('colours', text);
  } finally {
    await w.close();
  }
}

/** From the top of the page to a text with Tab, Enter, arrows and letters alone. */
async function byKeyboard(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    const { page } = w;
    const at = () => w.host.evaluate(({ shadowRoot: { activeElement: e } }) => e && (e.name || e.className || e.textContent));
    const tabTo = async (wanted) => {
      for (let i = 0; i < 40; i++) {
        if (await at() === wanted) return true;
        await page.keyboard.press('Tab');
      }
      note('keyboard', `Tab does not reach ${wanted}`);
      return false;
    };
    await w.named('model').focus();
    await page.keyboard.press(name === 'grimm' ? 'ArrowUp' : 'ArrowDown');
    await tabTo('load');
    await page.keyboard.press('Enter');
    await w.until(`e.hasAttribute('loaded') || e.status.classList.contains('bad')`);
    if (await at() !== 'write') note('keyboard', `after loading the focus is on ${await at()}`);
    await w.named('model').focus();
    await tabTo('beginning');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('The king');
    await tabTo('write');
    await page.keyboard.press('Enter');
    await w.until('e.chars.length > 12');
    await tabTo('Stop');
    await page.keyboard.press('Space');
    const stopped = await w.get();
    if (stopped.writing || !stopped.text.startsWith('The king')) note('keyboard', `did not write and stop: "${stopped.text}"`);
    for (const control of ['Clear', 'Another text', 'paper', 'choose', 'temperature', 'length', 'speed', 'seed', 'cell', 'find', 'layer', 'unit']) await tabTo(control);
    await page.keyboard.press('End');
    if (await w.host.evaluate((e) => e.values.unit) !== 127) note('keyboard', 'End does not move the unit');
  } finally {
    await w.close();
  }
}

/** Without weights, with damaged ones, and with them after all. */
async function withoutWeights(browser, book, name, note, swap) {
  const file = `rnn-weights-${name}.js`;
  for (const [what, answer, word] of [
    ['missing', (route) => route.abort(), 'Nothing came'],
    ['damaged', (route) => route.fulfill({ body: readFileSync(join(book.root, '_static', file), 'utf8').replace(/"data": ".{400}/, '"data": "'), contentType: 'text/javascript' }), 'bytes of weights'],
    ['empty', (route) => route.fulfill({ body: '', contentType: 'text/javascript' }), 'holds no weights'],
  ]) {
    const w = await open(browser, book, note, { quiet: true, swap });
    try {
      await w.page.route(`**/${file}`, answer);
      await w.load(name);
      const text = await w.part('.status').textContent();
      if (!text.includes(file) || !text.includes(word) || !/still works/.test(text)) note('missing', `${what}: says "${text}"`);
      if (!await w.page.locator(`${TAG} .fallback, ${TAG} img`).first().isVisible()) note('missing', `${what}: the still text is gone`);
      await w.page.unroute(`**/${file}`);
      await w.load(name);
      if (await w.part('.status').textContent() || await w.page.locator(`${TAG} .fallback, ${TAG} img`).first().isVisible()) note('missing', `${what}: another try does not work`);
    } finally {
      await w.close();
    }
  }
}

/** The small writer of the start page stands on the first screen, and one press makes it write. */
async function startPage(browser, book, name, note, swap) {
  if (name !== 'grimm') return; // it has one model
  const w = await open(browser, book, note, { address: `${book.origin}${BASE}book/index.html`, swap });
  try {
    const { y, height } = await w.host.boundingBox();
    if (y + height > DESKTOP.viewport.height) note('start', `it ends ${Math.round(y + height)} px below the top`);
    await w.part('.load').click();
    await w.until('e.chars.length >= e.given + 100');
    await w.part('button', 'Stop').filter({ hasText: 'Stop' }).click();
    const { text, wanted } = await w.get();
    if (!text.startsWith(wanted)) note('start', `it wrote ${text} after ${wanted}`);
  } finally {
    await w.close();
  }
}

async function looks(browser, book, name, note, swap, shots) {
  for (const [view, options] of [['light', DESKTOP], ['dark', { ...DESKTOP, colorScheme: 'dark' }], ['phone', PHONE]]) {
    const w = await open(browser, book, note, { options, swap });
    try {
      await w.load(name);
      await w.set({ speed: 3, cell: 'c' });
      await w.write();
      if (shots) await w.host.screenshot({ path: join(shots, `${view}.png`) });
      if (view === 'phone') {
        await w.named('beginning').fill('☃'.repeat(90)); // the longest message
        const bad = await w.page.evaluate(([tag, width]) => {
          const found = document.scrollingElement.scrollWidth > width ? [`the page is ${document.scrollingElement.scrollWidth} px wide`] : [];
          const root = document.querySelector(tag).shadowRoot;
          for (const e of root.querySelectorAll('.card, .card *')) {
            const { left, right, width: wide } = e.getBoundingClientRect();
            if (wide > 1 && (right > width || left < 0)) found.push(`${e.localName}.${e.className} from ${Math.round(left)} to ${Math.round(right)} px`);
          }
          for (const e of root.querySelectorAll('.paper, .note')) if (e.scrollWidth > e.clientWidth) found.push(`${e.className} scrolls sideways`);
          for (const e of root.querySelectorAll('button, select, input, textarea')) {
            const { height } = e.getBoundingClientRect();
            if (height && height < 44) found.push(`${e.name || e.textContent} is ${height} px high`);
          }
          return found;
        }, [TAG, options.viewport.width]);
        for (const text of bad) note('phone', text);
        await w.named('beginning').fill('A');
        await w.part('.write').tap();
        await w.until('e.chars.length > 20');
      }
      await w.page.evaluate(book.axe);
      for (const text of await w.page.evaluate(async ([tag, values]) => {
        const { violations } = await window.axe.run({ include: [[tag]] }, { runOnly: { type: 'tag', values } });
        return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.flat().join(' ')}`));
      }, [TAG, AXE_TAGS])) note('a11y', `${text} [${view}]`);
    } finally {
      await w.close();
    }
  }
  let w = await open(browser, book, note, { options: { ...DESKTOP, javaScriptEnabled: false } });
  if (!await w.page.locator(`${TAG} .fallback, ${TAG} img`).first().isVisible()) note('fallback', 'nothing is shown without scripts');
  await w.close();
  w = await open(browser, book, note, { address: pathToFileURL(join(book.root, book.path)).href });
  await w.load(name);
  await w.set({ speed: 3 });
  await w.write();
  if ((await w.get()).text.length < 300) note('file', `opened as a file it writes "${(await w.get()).text}"`);
  await w.close();
}

const STEPS = new Map([ // what each of them may find
  [compare, ['a model', 'load logits greedy speed bars cells offline']],
  [controls, ['the controls', 'beginning temperature seed stop said unknown colours']],
  [byKeyboard, ['the keyboard', 'keyboard']],
  [withoutWeights, ['without weights', 'missing']],
  [looks, ['light, dark, phone, file', 'phone a11y fallback file']],
  [startPage, ['the start page', 'start offline']],
]);

export async function check(expected, root, { only = '', swap = null, names = Object.keys(expected), shots = '', log = console.log } = {}) {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const path = pagesOf(root).find((page) => readFileSync(join(root, page), 'utf8').includes(`<${TAG}>`)); // not the small one of the start page
  if (!path) throw new Error(`no page in ${root} shows ${TAG}`);
  if (!names.length) throw new Error('there are no weights in data/weights');
  if (shots) mkdirSync(shots, { recursive: true });
  const { browser, origin, close } = await openBook(root);
  const book = { root, origin, axe, path, url: origin + BASE + path };
  const result = { passed: 0, failed: 0, problems: [] };
  const step = async (title, job) => {
    const problems = new Set();
    let detail = '';
    try {
      detail = await job((kind, text) => problems.add(`${kind}: ${text}`)) ?? '';
    } catch (error) {
      problems.add(`page: ${error.message.split('\n')[0]}`);
    }
    result[problems.size ? 'failed' : 'passed']++;
    result.problems.push(...problems);
    log(`${problems.size ? 'FAIL' : 'ok  '} ${path}, ${title}${detail && `: ${detail}`}`);
    for (const text of [...problems].slice(0, 12)) log(`       ${text}`);
  };
  try {
    const [name] = names.slice(-1);
    for (const [job, [title, kinds]] of STEPS) {
      if (only && !kinds.includes(only)) continue;
      if (job === compare) for (const model of names) await step(model, (note) => compare(browser, book, model, note, swap, expected[model]));
      else await step(title, (note) => job(browser, book, name, note, swap, shots));
    }
  } finally {
    await close();
  }
  log(`${result.passed} passed, ${result.failed} failed`);
  return result;
}

// ---- does it find what it should? -------------------------------------------------------------------

// [script, what is replaced, by what, the kind of problem that must be found]
const BROKEN = [
  ['rnn-char-model', 'g = Math.tanh(a[2 * H + j]), o = sigmoid(a[3 * H + j])', 'g = Math.tanh(a[3 * H + j]), o = sigmoid(a[2 * H + j])', 'logits'],
  ['rnn-char-model', 'i = sigmoid(a[j]), f = sigmoid(a[H + j])', 'f = sigmoid(a[j]), i = sigmoid(a[H + j])', 'logits'],
  ['rnn-char-model', 'Float64Array.from(b); // (4H)', 'new Float64Array(4 * H); // (4H)', 'logits'],
  ['rnn-char-model', 'Float64Array.from(this.b)', 'new Float64Array(K)', 'logits'],
  ['rnn-char-model', 'W_x[row * K + k]', 'W_x[row * K + K - 1 - k]', 'logits'],
  ['rnn-char-model', 'fraction / 1024)', 'fraction / 1030)', 'logits'],
  ['rnn-char-model', 'h[j] = Math.tanh(c[j]) * o', 'h[j] = c[j] * o', 'logits'],
  ['rnn-weights-grimm', 'ab', 'ba', 'logits'],
  ['rnn-char-model', '(logit - most) / temperature', '(logit - most) * temperature', 'temperature'],
  ['rnn-char-model', 'Math.log2(value)', 'Math.log(value)', 'bars'],
  ['rnn-char-model', 'shown.set(h, (state', 'shown.set(c, (state', 'cells'],
  ['rnn-char-model', 'if (place < 0) return', 'if (place < 9) return', 'unknown'],
  ['rnn-char-writer', "this.random = generator(Number(seed.value));", 'this.random = Math.random;', 'seed'],
  ['rnn-char-writer', "this.random = generator(Number(seed.value));", 'this.random = generator(1);', 'seed'],
  ['rnn-char-writer', "choose === 'greedy' ? 0 : temperature);\n          this.read", "temperature);\n          this.read", 'greedy'],
  ['rnn-char-writer', "      cancelAnimationFrame(this.frame);\n      this.frame = 0;\n      this.heard", "      this.frame = 0;\n      this.heard", 'stop'],
  ['rnn-char-writer', "this.heard.textContent = this.chars.slice(this.from).join('');", '', 'said'],
  ['rnn-char-writer', '        this.redraw();\n      };', "        this.heard.textContent = this.text;\n        this.redraw();\n      };", 'said'],
  ['rnn-char-writer', 'if (key !== this.painted)', 'if (false)', 'colours'],
  ['rnn-char-writer', 'inset 0 ${0.45 * n}px', 'inset 0 -${0.45 * n}px', 'colours'],
  ['rnn-char-writer', 'kB: 664, beg', 'kB: 500, beg', 'load'],
  ['rnn-char-writer', 'const ready = {}', 'document.head.append(Object.assign(document.createElement(`script`), { src: new URL(`rnn-weights-grimm.js`, HOME) })); const ready = {}', 'load'],
  ['rnn-char-writer', ':host(:not([loaded])) ::slotted(.fallback) { display: block !important; }', '', 'missing'],
  ['rnn-char-writer', "fail('Nothing came.')", "fail('')", 'missing'],
  ['rnn-char-writer', 'delete coming[name];', '', 'missing'],
  ['rnn-char-writer', 'grid-template-columns: 6.8rem 1fr 3.6rem', 'grid-template-columns: 14rem 14rem 3.6rem', 'phone'],
  ['rnn-char-writer', 'this.buttons[0].focus();', 'void 0;', 'keyboard'],
  ['rnn-char-writer', 'this.trace.push(', 'for (let n = 0; n < 20; n++) this.model.logits("a"); this.trace.push(', 'speed'],
  ['rnn-char-writer', 'the beginning<textarea', '<textarea', 'a11y'],
  ['rnn-char-writer', 'new URL(`rnn-weights-${name}.js`, HOME)', '`https://example.org/rnn-weights-${name}.js`', 'offline'],
];

async function selftest(expected, root, some) {
  let wrong = 0;
  for (const [script, from, to, kind] of BROKEN.filter((entry) => entry.join().includes(some))) {
    const source = readFileSync(join(root, '_static', `${script}.js`), 'utf8');
    if (source.split(from).length !== 2 && script !== 'rnn-weights-grimm') { wrong++; console.log(`FAIL ${script}: does not hold once: ${from}`); continue; }
    const { problems } = await check(expected, root, { only: kind, names: ['grimm'], swap: [`${script}.js`, source.replace(from, () => to)], log: () => {} });
    const kinds = [...new Set(problems.map((text) => text.split(':')[0]))];
    wrong += !kinds.includes(kind);
    console.log(`${kinds.includes(kind) ? 'ok  ' : 'FAIL'} ${script}, ${to.slice(0, 50) || `without ${from.slice(0, 40)}`}: wanted ${kind}, found ${kinds.join(', ') || 'nothing'}`);
  }
  console.log(wrong ? `${wrong} breaks were not found` : 'the check finds what it should');
  return wrong;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2);
  const shots = words.includes('--shots') ? resolve(words.splice(words.indexOf('--shots'), 2)[1]) : '';
  const breaks = words.find((word) => word.startsWith('--selftest'));
  const root = words.find((word) => !word.startsWith('--'));
  try {
    if (!root || !existsSync(root)) throw new Error(`which folder? (build the book first: make book), got ${root}`);
    const expected = expectations();
    const failed = breaks ? await selftest(expected, resolve(root), breaks.slice('--selftest='.length)) : (await check(expected, resolve(root), { shots })).failed;
    process.exitCode = failed ? 1 : 0;
  } catch (error) {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
    console.error(`char_writer: ${missing ? 'run tools/vendor.sh first (playwright-core and axe-core are not installed)' : error.message}`);
    process.exitCode = 2;
  }
}
