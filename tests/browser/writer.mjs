// What the checks of the writers share (char_writer.mjs, word_writer.mjs, poem_writer.mjs): a page with the writer on it, and the walk through the steps.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AXE_TAGS, BASE, openBook, pagesOf, settle } from './check.mjs';
import { expectations } from './expectations.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const NEAR = 1e-3; // of a logit
export const WAIT = 60000;
const NARROW = 320; // CSS pixels: the narrowest phone
export const DESKTOP = { viewport: { width: 1280, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/** A page of the book with the writer on it, and what goes wrong there. `swap` replaces a script: [file, source]. */
export async function open(browser, book, note, { options = DESKTOP, address = book.url, swap = null, quiet = false } = {}) {
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
  const host = page.locator(book.tag).first();
  const part = (selector) => host.locator(selector);
  const named = (name) => part(`[name=${name}]`);
  const set = (settings) => host.evaluate((element, s) => element.set(s), settings);
  const get = () => host.evaluate((e) => ({
    text: e.text, wanted: e.inputs.beginning.value, writing: Boolean(e.frame), entropy: e.values.entropy, p: e.values.p && [...e.values.p], likely: e.values.likely,
    paper: e.paper.textContent, heard: e.heard.textContent, rows: [...e.shadowRoot.querySelectorAll('tbody tr, tfoot tr')].map((row) => row.innerText.replace(/\s+/g, ' ').trim()),
  }));
  const until = (what) => page.waitForFunction(([tag, code]) => new Function('e', `return ${code}`)(document.querySelector(tag)), [book.tag, what], { timeout: WAIT });
  const load = async (model) => {
    if (await named('model').count()) await named('model').selectOption(model);
    if (await part('.load').isVisible()) await part('.load').click();
    await until(`e.hasAttribute('loaded') || e.status.classList.contains('bad')`);
  };
  const press = (name) => part('.presets button').filter({ hasText: name }).click();
  const write = async () => { await press('Write'); await until('!e.frame'); };
  return { page, host, part, named, set, get, until, load, press, write, asked, close: () => context.close() };
}

/** Tab until the control of this name, class or text has the focus. */
export async function tabTo(w, wanted, note) {
  for (let i = 0; i < 40; i++) {
    if (await focused(w) === wanted) return true;
    await w.page.keyboard.press('Tab');
  }
  note('keyboard', `Tab does not reach ${wanted}`);
  return false;
}

export const focused = (w) => w.host.evaluate(({ shadowRoot: { activeElement: e } }) => e && (e.name || e.className || e.textContent));

/** The button that loads is pressed by a key; what comes next then has the focus. */
export async function loadByKey(w, note, next = 'write', loaded = `e.hasAttribute('loaded') || e.status.classList.contains('bad')`) {
  await w.part('.load').focus();
  await w.page.keyboard.press('Enter');
  await w.until(loaded);
  if (await focused(w) !== next) note('keyboard', `after loading the focus is on ${await focused(w)}`);
}

/** What is too wide for a phone, or too small for a finger. */
export const cramped = (w, book, width) => w.page.evaluate(([tag, most]) => {
  const found = document.scrollingElement.scrollWidth > most ? [`the page is ${document.scrollingElement.scrollWidth} px wide`] : [];
  const root = document.querySelector(tag).shadowRoot;
  for (const e of root.querySelectorAll('.card, .card *')) {
    const { left, right, width: wide } = e.getBoundingClientRect();
    if (wide > 1 && (right > most || left < 0)) found.push(`${e.localName}.${e.className} from ${Math.round(left)} to ${Math.round(right)} px`);
  }
  for (const e of root.querySelectorAll('.paper, .note')) if (e.scrollWidth > e.clientWidth) found.push(`${e.className} scrolls sideways`);
  for (const e of root.querySelectorAll('button, select, input, textarea')) {
    const { height } = e.getBoundingClientRect();
    if (height && height < 44) found.push(`${e.name || e.textContent} is ${height} px high`);
  }
  return found;
}, [book.tag, width]);

/** What axe-core finds in the writer. */
export async function audit(w, book) {
  await w.page.evaluate(book.axe);
  return w.page.evaluate(async ([tag, values]) => {
    const { violations } = await window.axe.run({ include: [[tag]] }, { runOnly: { type: 'tag', values } });
    return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.flat().join(' ')}`));
  }, [book.tag, AXE_TAGS]);
}

/** Is what stands inside the element, the still text, to be seen? */
export const still = (w, book) => w.page.locator(`${book.tag} .fallback, ${book.tag} img`).first().isVisible();

export const scripts = (asked) => asked.filter((url) => /rnn-weights/.test(url)).map((url) => url.split('/').at(-1));

/**
 * Nothing is asked for before the button, which says how large the script is; then the one script with the weights, of at most `largest` bytes.
 * Returns its size, or nothing if it did not load. `before` looks at the writer before it has a model.
 */
export async function loading(w, book, name, note, largest, before = () => {}) {
  if (!await still(w, book)) note('fallback', 'nothing is shown before the weights are there');
  await w.page.waitForTimeout(300);
  if (scripts(w.asked).length) note('load', `asked for ${scripts(w.asked)} before the button was pressed`);
  await before();
  const said = await w.part('.load').textContent();
  await w.load(name);
  if (await w.host.getAttribute('loaded') === null) return note('load', `did not load: ${await w.part('.status').textContent()}`);
  if (String(scripts(w.asked)) !== `rnn-weights-${name}.js`) note('load', `asked for ${scripts(w.asked)}`);
  const { size } = statSync(join(book.root, '_static', `rnn-weights-${name}.js`));
  if (size > largest) note('load', `${size} bytes`);
  if (!said.includes(`(${Math.round(size / 1000).toLocaleString('en-GB')} kB)`)) note('load', `the button says "${said}", the file has ${size} bytes`);
  return size;
}

/**
 * In light, in the dark and on a phone, without scripts, and as a file. `settings` are those of the text that is written, of at least `least`
 * symbols; `onPhone` writes what is widest, and tries a finger when it has been measured (`measure`).
 */
export const looks = ({ settings, least, onPhone }) => async (browser, book, name, note, swap, shots) => {
  for (const [view, options] of [['light', DESKTOP], ['dark', { ...DESKTOP, colorScheme: 'dark' }], ['phone', PHONE]]) {
    const w = await open(browser, book, note, { options, swap });
    try {
      await w.load(name);
      await w.set(settings);
      await w.write();
      if (shots) await w.host.screenshot({ path: join(shots, `${view}.png`) });
      if (view === 'phone') {
        await onPhone(w, note, async () => {
          for (const width of [NARROW, options.viewport.width]) {
            await w.page.setViewportSize({ ...options.viewport, width });
            for (const text of await cramped(w, book, width)) note('phone', `${text} [${width} px]`);
          }
        });
      }
      for (const text of await audit(w, book)) note('a11y', `${text} [${view}]`);
    } finally {
      await w.close();
    }
  }
  let w = await open(browser, book, note, { options: { ...DESKTOP, javaScriptEnabled: false } });
  if (!await still(w, book)) note('fallback', 'nothing is shown without scripts');
  await w.close();
  w = await open(browser, book, note, { address: pathToFileURL(join(book.root, book.path)).href });
  await w.load(name);
  await w.set({ speed: 3 });
  await w.write();
  const { length } = await w.host.evaluate((e) => e.symbols);
  if (length < least) note('file', `opened as a file it writes ${length} symbols: "${(await w.get()).text}"`);
  await w.close();
};

/** Without weights, with damaged ones, with those of another model, from a server that does not answer, and with the weights after all. */
export async function withoutWeights(browser, book, name, note, swap) {
  const file = `rnn-weights-${name}.js`, own = readFileSync(join(book.root, '_static', file), 'utf8');
  const gives = (body) => (route) => route.fulfill({ body, contentType: 'text/javascript' });
  const other = (change) => { // weights of which something is different
    const [, head, json] = own.match(/^(.*? = )(.*);\n$/), weights = JSON.parse(json);
    change(weights);
    return gives(`${head}${JSON.stringify(weights)};\n`);
  };
  const symbol = await needed(browser, book, note, swap); // one without which the writer cannot do
  for (const [what, answer, word] of [
    ['missing', (route) => route.abort(), 'Nothing came'],
    ['damaged', gives(own.replace(/"data": ".{400}/, '"data": "')), 'bytes of weights'],
    ['empty', gives(''), 'holds no weights'],
    ['a tensor missing', other(({ tensors }) => { tensors['another.bias'] = tensors['readout.bias']; delete tensors['readout.bias']; }), 'has no readout.bias'],
    ['other sizes', other((weights) => { weights.hidden -= 4; }), 'numbers, not'],
    ['fewer layers', other((weights) => { weights.cells.pop(); }), 'no layer'],
    ['a symbol twice', other((weights) => { weights.symbols = [...weights.symbols].with(1, [...weights.symbols][0]); }), 'stands twice'],
    ['odd sizes', other((weights) => { weights.hidden -= 1; }), 'not a multiple of 4'],
    ['a longer vocabulary', other((weights) => { weights.symbols = [...weights.symbols, '☃']; }), 'numbers, not'],
    ...(symbol ? [['another vocabulary', other((weights) => { weights.symbols = weights.symbols.map((own) => (own === symbol ? '☃' : own)); }), `has no ${symbol === '\n' ? 'newline' : `“${symbol}”`}`]] : []),
    ['no answer', () => {}, 'Nothing came in 120 seconds'],
  ]) {
    const w = await open(browser, book, note, { quiet: true, swap });
    try {
      await w.page.route(`**/${file}`, answer);
      if (what === 'no answer') {
        const clock = w.page.clock;
        await clock.install();
        await w.part('.load').click();
        for (const [seconds, wanted] of [[1, /^Loading/], [16, /^Still loading .* does not answer/], [110, /could not be loaded/]]) {
          await clock.runFor(1000 * seconds);
          const said = await w.part('.status').textContent();
          if (!wanted.test(said)) note('missing', `${what}: says "${said}" after ${seconds} seconds more`);
        }
        await clock.resume();
      } else await w.load(name);
      const text = await w.part('.status').textContent();
      if (!text.includes(file) || !text.includes(word) || !/still works/.test(text)) note('missing', `${what}: says "${text}"`);
      if (!await still(w, book)) note('missing', `${what}: the still text is gone`);
      await w.page.unroute(`**/${file}`);
      await w.load(name);
      if (await w.part('.status').textContent() || await still(w, book)) note('missing', `${what}: another try does not work`);
    } finally {
      await w.close();
    }
  }
}

/** The last of the symbols that a model's vocabulary must hold, if there is any. */
async function needed(browser, book, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    return await w.host.evaluate((e) => e.constructor.needs.at(-1));
  } finally {
    await w.close();
  }
}

/**
 * All steps, Map(job: [title, the kinds of problems it may find]), on the page that shows <tag ...>; a job in `each` once a model.
 * `page` is a pattern of the element's tag, where several pages show one.
 */
export async function check(writer, expected, root, { only = '', swap = null, names = Object.keys(expected), shots = '', log = console.log } = {}) {
  const { tag, shown, steps, each } = writer;
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const path = pagesOf(root).find((page) => readFileSync(join(root, page), 'utf8').includes(shown));
  if (!path) throw new Error(`no page in ${root} shows ${shown}`);
  if (!names.length) throw new Error('there are no weights in data/weights');
  if (shots) mkdirSync(shots, { recursive: true });
  const { browser, origin, close } = await openBook(root);
  const book = { root, origin, axe, path, tag, url: origin + BASE + path };
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
    for (const [job, [title, kinds]] of steps) {
      if (only && !kinds.includes(only)) continue;
      if (each.includes(job)) for (const model of names) await step(model, (note) => job(browser, book, model, note, swap, expected[model]));
      else await step(title, (note) => job(browser, book, name, note, swap, shots, expected[name]));
    }
  } finally {
    await close();
  }
  log(`${result.passed} passed, ${result.failed} failed`);
  return result;
}

/** Each of `broken`, [script, what is replaced, by what, the kind of problem that must be found], is found by its kind. */
export async function selftest(writer, expected, root, some) {
  let wrong = 0;
  for (const [script, from, to, kind] of writer.broken.filter((entry) => entry.join().includes(some))) {
    const source = readFileSync(join(root, '_static', `${script}.js`), 'utf8');
    if (source.split(from).length !== 2 && !script.startsWith('rnn-weights')) { wrong++; console.log(`FAIL ${script}: does not hold once: ${from}`); continue; }
    const { problems } = await check(writer, expected, root, { only: kind, names: [writer.first], swap: [`${script}.js`, source.replace(from, () => to)], log: () => {} });
    const kinds = [...new Set(problems.map((text) => text.split(':')[0]))];
    wrong += !kinds.includes(kind);
    console.log(`${kinds.includes(kind) ? 'ok  ' : 'FAIL'} ${script}, ${to.slice(0, 50) || `without ${from.slice(0, 40)}`}: wanted ${kind}, found ${kinds.join(', ') || 'nothing'}`);
  }
  console.log(wrong ? `${wrong} breaks were not found` : 'the check finds what it should');
  return wrong;
}

/**
 * The command line of a check: FOLDER [--selftest[=WORDS]] [--shots DIR]. A writer that gives make(folder, expected) has a page of its own made
 * in a folder, with the model `first`; the book's page is looked at where there are other weights.
 */
export async function command(writer, numbers) {
  const words = process.argv.slice(2);
  const shots = words.includes('--shots') ? resolve(words.splice(words.indexOf('--shots'), 2)[1]) : '';
  const breaks = words.find((word) => word.startsWith('--selftest'));
  const root = words.find((word) => !word.startsWith('--'));
  const made = writer.make && mkdtempSync(join(tmpdir(), 'writer-'));
  try {
    if (root ? !existsSync(root) : !made) throw new Error(`which folder? (build the book first: make book), got ${root}`);
    const expected = expectations(numbers), own = made ? [writer.first] : Object.keys(expected), rest = Object.keys(expected).filter((name) => !own.includes(name));
    if (made) writer.make(made, expected[writer.first]);
    const first = made || resolve(root);
    let failed = 0;
    if (breaks) failed = await selftest(writer, expected, first, breaks.slice('--selftest='.length));
    else {
      failed += (await check(writer, expected, first, { shots, names: own })).failed;
      if (made && root && rest.length) failed += (await check(writer, expected, resolve(root), { names: rest })).failed;
    }
    process.exitCode = failed ? 1 : 0;
  } catch (error) {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
    console.error(`${writer.tag}: ${missing ? 'run tools/vendor.sh first (playwright-core and axe-core are not installed)' : error.message}`);
    process.exitCode = 2;
  } finally {
    if (made) rmSync(made, { recursive: true, force: true });
  }
}
