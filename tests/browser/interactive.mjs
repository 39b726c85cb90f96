#!/usr/bin/env node
// The interactive figures as readers use them: mouse, touch, keyboard, no network, no server, no scripts.
//
//   node tests/browser/interactive.mjs [_build/html] [--write] [--selftest[=WORDS]]
//
// Always tried: three pages made here, one as a page of the book loads a figure, one as a built notebook shows
// it, one as JupyterLab puts an output into its page. With a folder, every page there that shows a figure too.
//   numbers   element.values is what rnnlib computes (interactive_numbers.py), to 1e-12, at many settings; what is drawn agrees
//   drawn     lines, dots and the colours of a heat map are where the numbers and the axes say
//   paths     an optimiser's path is rnnlib's to 1e-9 at each step, as long as rounding does not decide where it goes
//   mouse, touch, keyboard, drag, map, rows, buttons, choices   each moves what it should; drawing, description and text follow
//   sweep     the gradient that goes back: at each step the numbers known by then are drawn and said, and no others
//   ways      of counting perplexity: each number written and said, and the sentences drawn as long as they are
//   wheel     each digit's dot, name and bar where rnnlib says, and the digits named in their order
//   words     a map of words: looked for, chosen, walked to; moved and zoomed by mouse, touch and keyboard; drawn where rnnlib says
//   nodes     of a graph: pressed, and chosen from a list
//   text      said once after a quick series of changes, not at each
//   legible   at 390 px no text is cut off, overlaps another or is small;  size: 44 px to touch
//   sideways, a11y, errors, offline   as in check.mjs, inside the figure as well
//   file      works when opened as a file;  print: the drawing, no controls;  fallback: shown without scripts, and only then
//   instances several on a page do not disturb each other;  load: only pages with a figure load its script
//   svg       book/_static/figures/<figure>.svg is the figure's drawing (--write makes it so)
// --selftest breaks the scripts, one thing at a time, and wants each found (a quarter of an hour; WORDS: only breaks that hold these).
// PYTHON names the Python that has rnnlib (default: .venv/bin/python). Ends with "N passed, N failed" (pages).

import { mkdirSync, mkdtempSync, readFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AXE_TAGS, BASE, FLAGS, browserPath, pagesOf, serve, settle } from './check.mjs';
import { expectations } from './expectations.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const TOUCH_SIZE = 44;
const SMALLEST = 11.5; // CSS pixels of text
const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
const ELSEWHERE = ['rnn-char-writer', 'rnn-word-writer', 'rnn-poem-writer', 'rnn-playground']; // their own checks look at them
const drawingFile = (tag) => join(ROOT, 'book/_static/figures', `${tag.replace(/^rnn-/, '')}.svg`);

// ---- pages made here ------------------------------------------------------------------------------

const DOT = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='200' height='100'%3E%3C/svg%3E";
const frame = (body) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main><h1>A page</h1>${body}</main></body></html>`;

function makePages(folder, { figures, scripts }) {
  mkdirSync(join(folder, '_static'), { recursive: true });
  mkdirSync(join(folder, 'book'));
  mkdirSync(join(folder, 'notebooks'));
  for (const [name, source] of Object.entries(scripts)) writeFileSync(join(folder, '_static', `${name}.js`), source);
  const tags = Object.keys(figures);
  const outputs = [...tags, ...tags].map((tag) => figures[tag].html);
  writeFileSync(join(folder, 'book/page.html'), frame(Object.keys(scripts).map((name) => `<script src="../_static/${name}.js" defer></script>`).join('')
    + tags.map((tag) => `<${tag}${figures[tag].attributes ?? ''}><figure><img alt="The drawing" src="${DOT}"><figcaption>A caption.</figcaption></figure></${tag}>`).join('')));
  writeFileSync(join(folder, 'notebooks/notebook.html'), frame(outputs.map((html) => `<div class="output">${html}</div>`).join('')));
  // JupyterLab: innerHTML, then each script made anew so that it runs. It takes every key for a shortcut unless it
  // is told not to, old versions on the way down and new ones on the way up.
  writeFileSync(join(folder, 'notebooks/lab.html'), frame(`<script>
  addEventListener('keydown', (event) => { if (event.key !== 'Tab' && !event.target.closest('[data-lm-suppress-shortcuts]')) event.preventDefault(); }, true);
  addEventListener('keydown', (event) => { if (event.key !== 'Tab') event.preventDefault(); });
  addEventListener('load', () => {
    for (const html of ${JSON.stringify(outputs).replaceAll('</', '<\\/')}) {
      const output = document.querySelector('main').appendChild(document.createElement('div'));
      output.innerHTML = html;
      for (const old of output.querySelectorAll('script')) {
        const script = document.createElement('script');
        script.textContent = old.textContent;
        old.replaceWith(script);
      }
    }
  });</script>`));
}

// ---- one figure -----------------------------------------------------------------------------------

const range = ([low, high], share) => low + share * (high - low);

/** What can be seen of a figure now. */
const snapshot = (host) => host.evaluate((element) => ({
  values: element.values,
  drawing: element.shadowRoot.querySelector('svg > g').innerHTML,
  description: element.shadowRoot.querySelector('desc').textContent,
  said: element.shadowRoot.querySelector('.says').textContent,
  shown: Object.fromEntries([...element.shadowRoot.querySelectorAll('input[type=range]')].map((input) => [input.name, input.closest('.row').querySelector('.value').textContent])),
}));

/** Wait until the text has been said; false if it is not. */
const said = (host) => host.evaluate(async (element) => {
  for (let i = 0; i < 60; i++) {
    if (element.shadowRoot.querySelector('.says').textContent === element.shadowRoot.querySelector('desc').textContent) return true;
    await new Promise((r) => setTimeout(r, 30));
  }
  return false;
});

/** Do something to a figure: setting `name` must change, and all that is seen with it. */
async function moves(host, name, kind, note, action, right = () => true, speaks = false) {
  const before = await snapshot(host);
  await action();
  const spoken = !speaks || await said(host); // takes a while
  const after = await snapshot(host);
  const what = `${name}: `;
  if (after.values[name] === before.values[name]) return note(kind, `${what}did not move from ${before.values[name]}`);
  if (!right(after.values[name])) note(kind, `${what}moved to ${after.values[name]}`);
  const others = Object.keys(after.shown).filter((other) => other !== name && after.values[other] !== before.values[other]);
  if (others.length) note(kind, `${what}moved ${others} as well`);
  if (after.drawing === before.drawing) note(kind, `${what}the drawing stayed the same`);
  if (after.description === before.description) note(kind, `${what}the description stayed the same`);
  if (!spoken) note(kind, `${what}the text was not said`);
  if (name in before.shown && after.shown[name] === before.shown[name]) note(kind, `${what}the number beside the slider stayed the same`);
}

/** Every slider to a place away from its ends, so that each of them matters. */
const reset = (host, ranges) => host.evaluate((element, settings) => {
  for (const input of Object.values(element.inputs)) if (input.type === 'checkbox') settings[input.name] = true;
  element.set(settings);
}, Object.fromEntries(Object.entries(ranges).map(([name, ends]) => [name, range(ends, 0.4)])));

async function byKeyboard(page, host, ranges, note) {
  for (const name of Object.keys(ranges)) {
    const input = host.locator(`input[name=${name}]`);
    await reset(host, ranges);
    const from = (await snapshot(host)).values[name];
    await input.focus();
    await moves(host, name, 'keyboard', note, () => page.keyboard.press('ArrowRight'), (v) => v > from, true);
    await moves(host, name, 'keyboard', note, () => page.keyboard.press('ArrowLeft'), (v) => v === from);
    await moves(host, name, 'keyboard', note, () => page.keyboard.press('End'), (v) => v === ranges[name][1]);
  }
  const names = Object.keys(ranges);
  await host.locator(`input[name=${names[0]}]`).focus();
  const reached = [];
  for (let i = 0; i < 2 * names.length && reached.length < names.length; i++) { // switches lie between
    const [name, type] = await host.evaluate(({ shadowRoot: { activeElement: control } }) => [control?.name, control?.type]);
    if (type !== 'checkbox') reached.push(name);
    await page.keyboard.press('Tab');
  }
  if (String(reached) !== String(names)) note('keyboard', `Tab goes to ${reached}, expected ${names}`);
}

async function byMouse(page, host, ranges, note) {
  for (const [name, ends] of Object.entries(ranges)) {
    await reset(host, ranges);
    const input = host.locator(`input[name=${name}]`);
    await input.scrollIntoViewIfNeeded();
    const box = await input.boundingBox();
    const y = box.y + box.height / 2;
    await moves(host, name, 'mouse', note, () => page.mouse.click(box.x + 0.25 * box.width, y), (v) => v < range(ends, 0.4));
    await moves(host, name, 'mouse', note, async () => {
      await page.mouse.move(box.x + 0.25 * box.width, y);
      await page.mouse.down();
      const { drawing } = await snapshot(host);
      await page.mouse.move(box.x + 0.8 * box.width, y, { steps: 4 });
      if ((await snapshot(host)).drawing === drawing) note('mouse', `${name}: the drawing waits until the mouse is let go`);
      await page.mouse.up();
    }, (v) => v > range(ends, 0.6));
  }
}

async function fingerMoves(page, from, to) {
  const client = await page.context().newCDPSession(page);
  const at = (type, points) => client.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
  await at('touchStart', [from]);
  for (let i = 1; i <= 5; i++) await at('touchMove', [[from[0] + (to[0] - from[0]) * i / 5, from[1] + (to[1] - from[1]) * i / 5]]);
  await at('touchEnd', []);
  await client.detach();
}

/** Until the figure has stood still for twenty frames: on a busy machine a scroll comes late, and so do frames. */
const atRest = (host) => host.evaluate(async (element) => {
  const top = () => element.getBoundingClientRect().top;
  for (let last = NaN, still = 0; still < 20;) {
    await new Promise(requestAnimationFrame);
    still = top() === last ? still + 1 : 0;
    last = top();
  }
});

/** Until it holds, for ten seconds at most: true if it did. */
async function until(holds) {
  for (let i = 0; i < 200; i++) {
    if (await holds()) return true;
    await new Promise((r) => setTimeout(r, 50));
  }
  return false;
}

/** A busy machine makes a slow touch, which the browser takes for something else: try again, as a reader would. */
async function untilMoved(host, name, action) {
  const { values } = await snapshot(host);
  for (let i = 0; i < 4; i++) {
    await action();
    if ((await snapshot(host)).values[name] !== values[name]) return;
    await new Promise((r) => setTimeout(r, 500));
  }
}

async function byTouch(page, host, ranges, note) {
  const [text, sliders] = [await host.locator('.says').boundingBox(), await host.locator('.sliders').boundingBox()];
  if (text.y < sliders.y + sliders.height) note('text', 'stands above the sliders, and moves them when it grows');
  for (const [name, ends] of Object.entries(ranges)) {
    await reset(host, ranges);
    const input = host.locator(`input[name=${name}]`);
    await input.scrollIntoViewIfNeeded();
    const box = await input.boundingBox();
    if (box.height < TOUCH_SIZE) note('size', `${name}: ${box.height} px high`);
    const y = box.y + 3; // all of its height is to touch
    await moves(host, name, 'touch', note, () => untilMoved(host, name, () => page.touchscreen.tap(box.x + 0.25 * box.width, y)), (v) => v < range(ends, 0.4));
    await moves(host, name, 'touch', note, () => untilMoved(host, name, () => fingerMoves(page, [box.x + 0.25 * box.width, y], [box.x + 0.8 * box.width, y])), (v) => v > range(ends, 0.6));
  }
  await sizes(host, note);
}

async function sizes(host, note) {
  for (const button of await host.locator('button, select, input[type=search], .switch').all()) {
    const { width, height } = await button.boundingBox();
    if (Math.min(width, height) < TOUCH_SIZE) note('size', `${await button.textContent()}: ${width} by ${height} px`);
  }
}

/** Pull each drag point 40 px to the right. */
async function byDragging(page, host, note, touch) {
  const names = await host.evaluate((element) => element.handles?.(element.values, element.width).map((handle) => handle.name) ?? []);
  for (const name of names) {
    await host.evaluate((element) => element.set({ tau: 20, s: 10, r_on: 0.4 }));
    await host.locator('svg').first().scrollIntoViewIfNeeded();
    const from = await host.evaluate((element, n) => {
      const { x, y } = element.handles(element.values, element.width).find((handle) => handle.name === n);
      const box = element.svg.getBoundingClientRect();
      const scale = box.width / element.width;
      return { at: [box.left + x * scale, box.top + y * scale], px: box.width * (element.width - 58) / element.width / 100 };
    }, name);
    const before = (await snapshot(host)).values;
    const [x, y] = from.at;
    const goal = { tau: before.tau + 40 / from.px, s: before.s + 40 / from.px, r_on: before.r_on + 40 / from.px / before.tau }[name];
    await moves(host, name, 'drag', note, async () => {
      if (touch) return untilMoved(host, name, () => fingerMoves(page, [x, y], [x + 40, y]));
      await page.mouse.move(x + 5, y - 5); // near is enough
      await page.mouse.down();
      await page.mouse.move(x + 40, y, { steps: 4 });
      await page.mouse.up();
    }, (v) => Math.abs(v - Math.min(goal, name === 'r_on' ? 1 : 50)) < 0.04 * goal);
    const held = (await snapshot(host)).values[name];
    await page.mouse.move(x - 30, y);
    if ((await snapshot(host)).values[name] !== held) note('drag', `${name}: moves on after it was let go`);
  }
}

async function byButtons(host, { buttons, ranges }, note) {
  for (const [text, wanted] of Object.entries(buttons ?? {})) {
    await reset(host, ranges);
    const before = await snapshot(host);
    await host.getByRole('button', { name: text, exact: true }).click();
    const after = await snapshot(host);
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(ranges)])) {
      const value = wanted[name] ?? before.values[name];
      if (JSON.stringify(after.values[name]) !== JSON.stringify(value)) note('buttons', `${text}: ${name} = ${after.values[name]}, not ${value}`);
    }
    if (after.drawing === before.drawing && JSON.stringify(after.values) !== JSON.stringify(before.values)) note('buttons', `${text}: the drawing stayed the same`);
  }
}

/** The buttons that go one step on and one back, and not beyond the ends. */
async function bySteps(host, { stepped: name, ranges }, note) {
  if (!name) return;
  const [first, last] = ranges[name];
  for (const [text, from, wanted] of [['next', 4, 5], ['back', 4, 3], ['next', last, last], ['back', first, first]]) {
    await host.evaluate((element, settings) => element.set(settings), { [name]: from });
    await host.getByRole('button', { name: text, exact: true }).click();
    const found = (await snapshot(host)).values[name];
    if (found !== wanted) note('buttons', `${text} leads from ${name} = ${from} to ${found}, not ${wanted}`);
  }
}

/** Each option of a choice: the drawing, the description and the text follow. */
async function byOptions(host, { options }, note) {
  for (const [name, wanted] of Object.entries(options ?? {})) {
    const select = host.locator(`select[name=${name}]`);
    const offered = await select.locator('option').evaluateAll((all) => all.map((option) => option.value));
    if (String(offered) !== String(wanted)) note('choices', `${name} offers ${offered}, rnnlib says ${wanted}`);
    await select.selectOption(offered.at(-1));
    for (const value of offered) {
      const before = await snapshot(host);
      await select.selectOption(value);
      const after = await snapshot(host);
      if (after.values[name] !== value) note('choices', `${name} is ${after.values[name]}, not ${value}`);
      if (after.drawing === before.drawing || after.description === before.description) note('choices', `${name} = ${value}: nothing follows`);
    }
    if (!await said(host)) note('choices', `${name}: the text was not said`);
  }
}

/** A press on a row of the heat map chooses it, the one before stays as the other; the two can be exchanged. */
async function onRows(page, host, { ranges }, note, touch) {
  const H = ranges.row[1], order = Array.from({ length: H }, (_, n) => (n + 3) % H + 1);
  const press = async (share, row) => {
    const box = await host.locator('.heat').boundingBox();
    const at = [box.x + share * box.width, box.y + (row - 0.5) * box.height / H];
    return touch ? page.touchscreen.tap(...at) : page.mouse.click(...at);
  };
  const wants = async (what, row, other) => {
    const { values } = await snapshot(host);
    if (values.row !== row || values.other !== other) note('rows', `${what}: rows ${values.row} and ${values.other}, not ${row} and ${other}`);
    if (values.unit !== values.order[row - 1]) note('rows', `${what}: row ${row} is unit ${values.order[row - 1]}, chosen is ${values.unit}`);
    const [bold, title] = await host.evaluate((element) => [...element.shadowRoot.querySelectorAll('[font-weight=bold]')].map((text) => text.textContent));
    if (bold !== String(values.unit) || title !== `unit ${values.unit}:`) note('rows', `${what}: “${bold}” and “${title}” for unit ${values.unit}`);
    return values;
  };
  await host.evaluate((element, own) => element.set({ order: own, row: 1, other: 2 }), order);
  await host.locator('svg').first().scrollIntoViewIfNeeded();
  let last = 1;
  for (const row of [H, 5, 11]) {
    await untilMoved(host, 'row', () => press(0.3, row));
    await wants(touch ? 'a tap' : 'a click', row, last);
    last = row;
  }
  await press(0.9, 11);
  await wants('the same row again', 11, 5);
  await press(-0.06, 3);
  await press(0.5, H + 2);
  await wants('beside the map', 11, 5);
  if (!await said(host)) note('rows', 'the text was not said');
  const button = host.getByRole('button', { name: 'exchange rows' });
  await untilMoved(host, 'row', () => (touch ? button.tap() : button.click()));
  const values = await wants('exchange', 5, 11);
  const swapped = order.map((unit, n) => (n === 4 ? order[10] : n === 10 ? order[4] : unit));
  if (String(values.order) !== String(swapped)) note('rows', `exchange: ${values.order}, not ${swapped}`);
}

const near = (a, b) => Math.abs(a - b) < 0.011 + 0.01 * Math.abs(b);

/** A click, a tap and the arrow keys move the start to where they say; what lies beside the map moves nothing. */
async function onMap(page, host, note, touch) {
  const spot = (w1, w2) => host.evaluate((element, [a, b]) => {
    const box = element.svg.getBoundingClientRect(), map = element.shadowRoot.querySelector('.map'); // its own box holds what it hides
    const [x, y, size] = ['x', 'y', 'width'].map((name) => map.getAttribute(name) * box.width / element.width);
    return [box.left + x + size * (a + 2) / 4, box.top + y + size * (2 - b) / 4];
  }, [w1, w2]);
  const start = async () => { const { values } = await snapshot(host); return [values.w1, values.w2]; };
  const go = (x, y) => (touch ? page.touchscreen.tap(x, y) : page.mouse.click(x, y));
  const wants = async (what, w1, w2) => {
    const [a, b] = await start();
    if (!near(a, w1) || !near(b, w2)) note('map', `${what} put the start at (${a}, ${b}), expected (${w1}, ${w2})`);
    const ring = await host.evaluate((element) => {
      const map = element.shadowRoot.querySelector('.map'), circle = map.querySelector('.handle');
      return [4 * circle.getAttribute('cx') / map.getAttribute('width') - 2, 2 - 4 * circle.getAttribute('cy') / map.getAttribute('height')];
    });
    if (!near(ring[0], a) || !near(ring[1], b)) note('map', `the ring is at (${ring}), the start at (${a}, ${b})`);
  };
  await host.evaluate((element) => element.set({ surface: 'plateau', w1: -1, w2: 1 }));
  await host.locator('svg').first().scrollIntoViewIfNeeded();
  for (const [w1, w2] of [[0.5, -1], [-1.5, 0.25], [1.9, 1.9]]) {
    const [x, y] = await spot(w1, w2);
    const { drawing } = await snapshot(host);
    for (let i = 0; i < 4 && (await snapshot(host)).drawing === drawing; i++) await go(x, y);
    await wants(touch ? 'a tap' : 'a click', w1, w2);
  }
  if (!await said(host)) note('map', 'the text was not said');
  const [left, middle] = await spot(-2, 0);
  await go(left - 8, middle);
  await wants('beside the map', 1.9, 1.9);
  if (touch) return;
  await page.mouse.move(...await spot(1, 1));
  await page.mouse.down();
  await page.mouse.move(...await spot(-1, 0.5), { steps: 4 });
  await wants('dragging', -1, 0.5);
  await page.mouse.up();
  await page.mouse.move(...await spot(0, 0));
  await wants('after letting go', -1, 0.5);
  await host.evaluate((element) => element.set({ w1: 1, w2: 1 }));
  await host.locator('svg').first().focus();
  const top = await page.evaluate(() => scrollY);
  for (const [key, w1, w2] of [['ArrowRight', 1.05, 1], ['ArrowUp', 1.05, 1.05], ['ArrowLeft', 1, 1.05], ['ArrowDown', 1, 1]]) {
    await page.keyboard.press(key);
    const [a, b] = await start();
    if (Math.abs(a - w1) + Math.abs(b - w2) > 1e-9) note('map', `${key} put the start at (${a}, ${b}), expected (${w1}, ${w2})`);
  }
  if (await page.evaluate(() => scrollY) !== top) note('map', 'an arrow key scrolls the page');
}

/** The choice of a surface, the switches and the buttons of the optimisers' paths. */
async function byChoice(page, host, { starts, settings, shown }, note) {
  const values = async () => (await snapshot(host)).values;
  const differs = (found, wanted) => Object.keys(wanted).filter((name) => String(found[name]) !== String(wanted[name]) && Math.abs(found[name] - wanted[name]) > 1e-9);
  for (const [surface, wanted] of Object.entries(starts)) {
    await host.locator('select').selectOption(surface);
    const { steps: _, ...brought } = Object.fromEntries(Object.entries(wanted).filter(([name]) => !name.startsWith('show_')));
    const bad = differs(await values(), brought);
    if (bad.length) note('choices', `${surface} brings ${bad.map((name) => `${name} = ${brought[name]}`)} in rnnlib only`);
  }
  await host.evaluate((element, first) => element.set(first), Object.fromEntries(Object.entries(settings).map(([name, v]) => [name, { true: true, false: false }[v] ?? v])));
  for (const name of Object.keys(shown)) {
    const before = await snapshot(host);
    await host.locator(`input[name=${name}]`).focus();
    await page.keyboard.press(' ');
    const after = await snapshot(host);
    const method = name.slice(5);
    if (method in before.values.paths === method in after.values.paths || before.drawing === after.drawing) note('choices', `${name} changes nothing`);
    if (after.drawing.includes(`data-method="${method}"`) !== after.values[name]) note('choices', `${name} is ${after.values[name]}, the drawing says otherwise`);
  }
  await host.getByRole('button', { name: 'all methods' }).click();
  const bad = differs(await values(), shown);
  if (bad.length) note('buttons', `all methods leaves ${bad} out`);
  await host.evaluate((element) => element.set({ steps: 30 }));
  const seen = await host.evaluate(async (element) => {
    [...element.shadowRoot.querySelectorAll('button')].find((button) => button.textContent === 'replay').click();
    const numbers = [];
    for (let i = 0; i < 400 && numbers.at(-1) !== 30; i++) {
      await new Promise((r) => setTimeout(r, 20));
      if (element.values.steps !== numbers.at(-1) && (numbers.length || element.values.steps !== 30)) numbers.push(element.values.steps);
    }
    return numbers;
  });
  if (seen.length < 8 || seen.at(-1) !== 30 || seen.some((n, i) => i && n < seen[i - 1])) note('buttons', `replay shows steps ${seen}`);
  await host.evaluate((element) => element.set({ steps: 300 }));
  await host.getByRole('button', { name: 'replay' }).click();
  await host.locator('input[name=steps]').focus();
  await page.keyboard.press('End'); // the reader takes over
  await new Promise((r) => setTimeout(r, 300));
  if ((await values()).steps !== 300) note('buttons', 'replay goes on against the reader');
}

// ---- a map of words ---------------------------------------------------------------------------------

/** The figure's words by rnnlib. */
const wordsOf = async (host, figure) => figure.sets[await host.getAttribute('words')];

/** Words chosen at random: their nearest on the map and in all dimensions, to what a whole number of steps can tell. */
async function wordNumbers(host, figure, note) {
  const { cases, units } = await wordsOf(host, figure);
  const seen = await host.evaluate((element, all) => all.map((settings) => { element.set(settings); return element.values; }), cases.map(([settings]) => settings));
  seen.forEach((values, n) => {
    const [settings, expected] = cases[n];
    const at = JSON.stringify(settings);
    for (const [name, value] of Object.entries(settings)) if (values[name] !== value) note('numbers', `${name} is ${values[name]} at ${at}`);
    for (const [name, off] of [['near', 2 * units[settings.map]], ['full', 0.0051]]) {
      const sorted = expected[name].map(([, value]) => value), known = new Map(expected[name]);
      values[name].forEach(([word, value], k) => {
        if (!(Math.abs(value - known.get(word)) <= off) || !(Math.abs(value - sorted[k]) <= 2 * off)) note('numbers', `${name} ${k + 1} is ${word} ${value}, not ${sorted[k]} (or ${known.get(word)}) at ${at}`);
      });
      if (values[name].length !== 5 || new Set(values[name].map(([word]) => word)).size !== 5) note('numbers', `${name} has ${values[name].length} words at ${at}`);
    }
    const both = values.near.filter(([word]) => values.full.some(([own]) => own === word)).length;
    if (values.same !== both) note('numbers', `${values.same} are the same, not ${both}, at ${at}`);
    if (!(Math.abs(values.kept - expected.kept) < 0.02)) note('numbers', `${values.kept} are kept, not ${expected.kept}, at ${at}`);
  });
}

/** Where a word must be on the screen, by rnnlib's places and the figure's x, y and zoom; in the drawing's pixels too. */
async function wordSpot(host, { words, maps }, word) {
  const { values, box, width, height } = await host.evaluate((element) => {
    const { left, top, width: wide } = element.svg.getBoundingClientRect();
    const map = element.shadowRoot.querySelector('.map');
    return { values: element.values, box: { left, top, grow: wide / element.width }, width: element.width, height: Number(map.getAttribute('height')) };
  });
  const places = maps[values.map], axes = [0, 1].map((axis) => places.map((place) => place[axis]));
  const middle = axes.map((all) => (Math.min(...all) + Math.max(...all)) / 2), far = axes.map((all, axis) => Math.max(...all) - middle[axis]);
  const k = values.zoom * Math.min((width / 2 - 16) / far[0], (height / 2 - 16) / far[1]);
  const [x, y] = places[words.indexOf(word)].map((value, axis) => value - middle[axis] - [values.x, values.y][axis]);
  const drawn = [width / 2 + k * x, height / 2 - k * y];
  return { drawn, at: [box.left + box.grow * drawn[0], box.top + box.grow * drawn[1]], inside: drawn[0] > 8 && drawn[0] < width - 8 && drawn[1] > 8 && drawn[1] < height - 8, values, k };
}

const chosenMark = (host) => host.evaluate((element) => element.shadowRoot.querySelector('.map path[fill="#1a1a1a"]')?.getAttribute('transform').match(/-?[\d.]+/g).map(Number));

async function wordSeen(host, set, word, what, note) {
  const { drawn, values } = await wordSpot(host, set, word);
  if (values.word !== word) return note('words', `${what}: “${values.word}” is chosen, not “${word}”`);
  const mark = await chosenMark(host);
  if (!mark || Math.hypot(mark[0] - drawn[0], mark[1] - drawn[1]) > 1.5) note('words', `${what}: “${word}” is marked at ${mark}, not at ${drawn}`);
  const { bold, lists } = await host.evaluate((element) => ({
    bold: element.shadowRoot.querySelector('.map [font-weight=bold]')?.textContent,
    lists: ['near', 'full'].map((name) => [...element.shadowRoot.getElementById(name).parentNode.querySelectorAll('button')].map((button) => button.textContent.split(' '))),
  }));
  if (bold !== word) note('words', `${what}: “${bold}” is labelled as chosen, not “${word}”`);
  for (const [n, name] of ['near', 'full'].entries()) {
    if (lists[n].some(([own, number], k) => own !== values[name][k][0] || !(Math.abs(Number(number.replace('−', '-')) - values[name][k][1]) <= 0.0051 * Math.max(1, values[name][k][1])))) note('words', `${what}: the list ${name} is ${lists[n].join('; ')}`);
  }
  if (!await said(host)) return note('words', `${what}: the text was not said`);
  const { said: text } = await snapshot(host);
  if (!text.includes(`“${word}”, number ${set.words.indexOf(word) + 1} `) || ![...values.near, ...values.full].every(([own]) => text.includes(`“${own}” `))) note('words', `${what}: the text is ${text}`);
}

/** Everything at once: search, choices, buttons, lists, mouse, touch and keys. */
async function onWords(page, host, figure, note, touch) {
  const set = await wordsOf(host, figure), { words, maps } = set;
  const map = Object.keys(maps)[0], counts = [...new Set(set.cases.map(([{ count }]) => count))].sort((a, b) => a - b), all = counts.at(-1);
  const values = async () => (await snapshot(host)).values;
  const whole = (more = {}) => host.evaluate((element, settings) => element.set(settings), { map, count: all, word: '', zoom: 1, x: 0, y: 0, ...more });
  const centred = async (word, what) => {
    await wordSeen(host, set, word, what, note);
    const mark = await chosenMark(host), { x, y } = await host.evaluate((e) => ({ x: e.width / 2, y: e.shadowRoot.querySelector('.map').getAttribute('height') / 2 }));
    if (!mark || Math.hypot(mark[0] - x, mark[1] - y) > 1.5) note('words', `${what}: “${word}” is not in the middle`);
  };
  await whole();
  await host.locator('svg').first().scrollIntoViewIfNeeded();

  // the whole map: every word a dot or a mark, the more frequent ones with labels
  const labels = () => host.evaluate((e) => [...e.shadowRoot.querySelectorAll('.map text')].map((text) => text.textContent));
  const dots = () => host.evaluate((e) => e.shadowRoot.querySelector('.map path').getAttribute('d').split('M').slice(1).map((p) => p.match(/-?[\d.]+/g).slice(0, 2).map(Number)));
  for (const count of counts) {
    await whole({ count });
    const [found, at] = [await labels(), await dots()];
    if (at.length !== Number(count)) note('words', `${at.length} dots, not ${count}`);
    for (const n of [0, 7, count - 1]) {
      const { drawn } = await wordSpot(host, set, words[n]);
      if (!at.some(([x, y]) => Math.hypot(x - drawn[0], y - drawn[1]) < 1.5)) note('words', `no dot at the place of “${words[n]}”`);
    }
    if (found.length < 20 || found[0] !== words[0]) note('words', `${found.length} labels, the first is “${found[0]}”`);
    const places = found.map((word) => words.indexOf(word));
    if (places.some((n, k) => k && n < places[k - 1])) note('words', 'a rare word has its label before a frequent one');
  }
  const few = (await labels()).length;
  const open = host.locator('button').filter({ hasText: 'zoom +' });
  for (let i = 0; i < 3; i++) await (touch ? open.tap() : open.click());
  if (Math.abs((await values()).zoom - 1.5 ** 3) > 1e-9) note('words', `zoom + three times: ${(await values()).zoom}`);
  const inView = (await dots()).length;
  if (!((await labels()).length / inView > few / all)) note('words', `zoomed: ${(await labels()).length} labels of ${inView} words, before ${few} of ${all}`);
  await host.locator('button').filter({ hasText: 'zoom −' }).click();
  if (Math.abs((await values()).zoom - 1.5 ** 2) > 1e-9) note('words', `zoom −: ${(await values()).zoom}`);
  await host.locator('button').filter({ hasText: 'whole map' }).click();
  const { zoom, x, y } = await values();
  if (zoom !== 1 || x || y) note('words', `whole map: zoom ${zoom} at (${x}, ${y})`);

  // a word that can be pressed: alone for 25 pixels around
  const alone = async () => {
    const spots = [];
    for (const word of words) spots.push(word);
    const first = await wordSpot(host, set, words[0]);
    const place = (n) => maps[first.values.map][n];
    const far = (a, b) => first.k * Math.hypot(place(a)[0] - place(b)[0], place(a)[1] - place(b)[1]);
    const free = words.map((_, n) => [n, Math.min(...words.map((__, m) => (m === n ? Infinity : far(n, m))))]).sort((a, b) => b[1] - a[1]);
    for (const [n, apart] of free) {
      const spot = await wordSpot(host, set, words[n]);
      if (apart > 8 && spot.inside) return [words[n], spot];
    }
    throw new Error('words: none stands alone');
  };
  const [word, { at }] = await alone();
  await (touch ? page.touchscreen.tap(...at) : page.mouse.click(at[0] + 2, at[1] - 1));
  await wordSeen(host, set, word, touch ? 'a tap' : 'a click', note);
  if ((await values()).zoom !== 1) note('words', 'a word that is pressed moves the map');
  await sizes(host, note);

  // from list to list
  const entry = host.locator('#full + ol button').nth(1);
  const next = (await values()).full[1][0];
  await (touch ? entry.tap() : entry.click());
  await centred(next, 'the list');

  if (touch) {
    await whole({ zoom: 3 });
    await host.locator('svg').first().scrollIntoViewIfNeeded();
    const from = await wordSpot(host, set, words[0]);
    const [a, b] = await host.evaluate((e) => { const { left, top, width } = e.svg.getBoundingClientRect(); return [left + width / 2, top + width / 2]; });
    await untilMoved(host, 'x', () => fingerMoves(page, [a, b], [a - 30, b + 60]));
    const to = await wordSpot(host, set, words[0]);
    if (Math.hypot(to.at[0] - from.at[0] + 30, to.at[1] - from.at[1] - 60) > 10) note('words', `a finger moved the map by ${to.at[0] - from.at[0]}, ${to.at[1] - from.at[1]}`);
    if ((await values()).word) note('words', 'a finger that moves chooses a word');
    await whole();
    const client = await page.context().newCDPSession(page);
    const pinch = (type, r, up = 0) => client.send('Input.dispatchTouchEvent', { type, touchPoints: r ? [{ x: a, y: b - r - up, id: 0 }, { x: a, y: b + r - up, id: 1 }] : [] });
    await untilMoved(host, 'zoom', async () => {
      await pinch('touchStart', 30);
      for (const r of [40, 60, 75, 90]) await pinch('touchMove', r);
      await pinch('touchEnd', 0);
    });
    const after = await values();
    await whole();
    await untilMoved(host, 'y', async () => {
      await pinch('touchStart', 30);
      for (const up of [10, 25, 40, 60]) await pinch('touchMove', 30, up);
      await pinch('touchEnd', 0);
    });
    const higher = await wordSpot(host, set, words[0]);
    if (Math.abs(-higher.values.y * higher.k - 60) > 10) note('words', `two fingers moved the whole map up by ${-higher.values.y * higher.k}`);
    await client.detach();
    if (!(after.zoom > 2 && after.zoom < 3.6) || after.word) note('words', `two fingers from 60 to 180 px: zoom ${after.zoom}, chosen “${after.word}”`);
    const top = await page.evaluate(() => scrollY);
    await whole();
    await fingerMoves(page, [a, b], [a, b - 120]);
    if (!await until(() => page.evaluate((y) => scrollY !== y || document.scrollingElement.scrollHeight <= innerHeight + scrollY + 200, top))) note('words', 'the whole map holds the page');
    await whole({ word });
    return;
  }

  // the search field
  const field = host.locator('input[type=search]');
  const rare = words.at(-1);
  await whole({ count: counts[0] });
  await field.fill(rare);
  await centred(rare, 'search');
  if ((await values()).count !== all || (await values()).zoom !== 2) note('words', `a rare word is shown among ${(await values()).count}, zoom ${(await values()).zoom}`);
  await field.fill('');
  await field.pressSequentially(words[1]);
  await centred(words[1], 'typing');
  const begins = words.slice(20).find((own) => words.findIndex((other) => other.startsWith(own.slice(0, 3))) === words.indexOf(own) && own.length > 3 && !words.includes(own.slice(0, 3)));
  await field.fill(begins.slice(0, 3).toUpperCase());
  await page.keyboard.press('Enter');
  await centred(begins, 'the beginning of a word');
  if (await field.inputValue() !== begins) note('words', `the field says “${await field.inputValue()}”`);
  await field.fill('qqq<b>');
  await page.keyboard.press('Enter');
  const problem = await host.locator('.problem').textContent();
  if (problem !== `“qqq<b>” is none of the ${all} words of this map.` || await field.getAttribute('aria-invalid') !== 'true') note('words', `an unknown word: ${problem}`);
  await field.fill('');
  if ((await values()).word || await host.locator('.lists').isVisible() || await host.locator('.problem').isVisible()) note('words', `an empty field leaves “${(await values()).word}” chosen`);
  if (await host.locator('datalist option').count() !== words.length) note('words', 'not every word is offered');

  // choices
  await host.evaluate((element, own) => element.set({ word: own }), rare);
  for (const name of Object.keys(maps)) {
    await host.locator('select[name=map]').selectOption(name);
    await centred(rare, `the map ${name}`);
  }
  await host.locator('select[name=count]').selectOption(counts[0]);
  if (counts.length > 1 && (await values()).word) note('words', 'a word stays chosen that is not shown');

  // mouse
  await field.fill(rare);
  await whole({ zoom: 4 }); // what stands in the field chooses nothing when it is left
  await host.locator('svg').first().scrollIntoViewIfNeeded();
  const one = await wordSpot(host, set, words[0]), { x: left, y: top, width, height } = await host.locator('svg').first().boundingBox();
  const [mx, my] = [left + 0.5 * width, top + 0.5 * height];
  await page.mouse.move(mx, my);
  await page.mouse.down();
  await page.mouse.move(mx + 90, my - 50, { steps: 5 });
  await page.mouse.up();
  const two = await wordSpot(host, set, words[0]);
  if (Math.hypot(two.at[0] - one.at[0] - 90, two.at[1] - one.at[1] + 50) > 1) note('words', `the mouse moved the map by ${two.at[0] - one.at[0]}, ${two.at[1] - one.at[1]}`);
  await page.mouse.move(mx, my);
  const still = await values();
  if (still.x !== two.values.x || still.word) note('words', 'the map moves after it was let go, or a word was chosen');
  await atRest(host);
  const stood = await host.boundingBox();
  await page.mouse.wheel(0, -10);
  if (!await until(async () => (await host.boundingBox()).y !== stood.y)) note('words', 'the wheel alone does not scroll the page');
  if ((await values()).zoom !== 4) note('words', 'the wheel alone zooms');
  await host.locator('svg').first().scrollIntoViewIfNeeded();
  await atRest(host);
  await page.keyboard.down('Control');
  const under = await wordSpot(host, set, words[3]);
  await page.mouse.move(...under.inside ? under.at : [mx, my]);
  await page.mouse.wheel(0, -100);
  await page.keyboard.up('Control');
  await until(async () => (await values()).zoom !== 4);
  const grown = await wordSpot(host, set, words[3]);
  if (Math.abs(grown.values.zoom - 8) > 1e-9) note('words', `Ctrl and the wheel: zoom ${grown.values.zoom}`);
  if (under.inside && Math.hypot(grown.at[0] - under.at[0], grown.at[1] - under.at[1]) > 2) note('words', 'the wheel does not zoom where the mouse is');

  // keys
  await whole({ zoom: 4 });
  const svg = host.locator('svg').first();
  await svg.focus();
  await atRest(host); // the focus has brought it into sight
  const scroll = await page.evaluate(() => scrollY);
  for (const [key, dx, dy] of [['ArrowRight', -40, 0], ['ArrowUp', 0, 40], ['ArrowLeft', 40, 0], ['ArrowDown', 0, -40]]) {
    const before = await wordSpot(host, set, words[0]);
    await page.keyboard.press(key);
    const after = await wordSpot(host, set, words[0]);
    if (Math.hypot(after.drawn[0] - before.drawn[0] - dx, after.drawn[1] - before.drawn[1] - dy) > 0.01) note('words', `${key} moves the map by ${after.drawn[0] - before.drawn[0]}, ${after.drawn[1] - before.drawn[1]}`);
  }
  for (const [key, wanted] of [['+', 6], ['-', 4], ['Home', 1]]) {
    await page.keyboard.press(key);
    if (Math.abs((await values()).zoom - wanted) > 1e-9) note('words', `${key}: zoom ${(await values()).zoom}`);
  }
  for (const [key, n] of [['PageDown', 0], ['PageDown', 1], ['PageUp', 0]]) {
    await page.keyboard.press(key);
    await centred(words[n], key);
  }
  for (const [key, right, up] of [['ArrowRight', 1, 0], ['ArrowDown', 0, -1], ['ArrowLeft', -1, 0], ['ArrowUp', 0, 1]]) {
    await host.evaluate((element, own) => element.set({ word: own }), words[4]);
    const here = maps[map][4];
    const ahead = words.slice(0, (await values()).count).map((own, n) => [own, maps[map][n][0] - here[0], maps[map][n][1] - here[1]])
      .filter(([own, dx, dy]) => own !== words[4] && right * dx + up * dy > Math.abs(up * dx) + Math.abs(right * dy)).sort((a, b) => Math.hypot(a[1], a[2]) - Math.hypot(b[1], b[2]));
    await page.keyboard.press(`Shift+${key}`);
    if (ahead.length) await centred(ahead[0][0], `Shift and ${key}`);
  }
  if (await page.evaluate(() => scrollY) !== scroll) note('words', 'a key scrolls the page');
  await svg.focus();
  const reached = [];
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press('Tab');
    reached.push(await host.evaluate((element) => element.shadowRoot.activeElement?.textContent));
  }
  const { near, full } = await values();
  const wanted = ['zoom +', 'zoom −', 'whole map', ...near.map(([own]) => own), ...full.map(([own]) => own)];
  if (wanted.some((own, n) => reached[n]?.split(' ')[0] !== own.split(' ')[0])) note('words', `Tab goes to ${reached}`);
  await whole({ word });
}

/** The nodes of a graph: chosen from the list, pressed, and the buttons; the numbers stand beside them. */
async function onNodes(page, host, note, touch) {
  const values = async () => (await snapshot(host)).values;
  await host.evaluate((element) => element.set({ source: 'A', what: 'walks', layers: 3, lam: 1 }));
  const written = await host.evaluate((element) => [...element.svg.querySelectorAll('text')].map((text) => text.textContent));
  for (const amount of (await values()).amounts) if (!written.includes(String(amount))) note('numbers', `the drawing does not say ${amount}`);
  await host.locator('svg').first().scrollIntoViewIfNeeded();
  for (const name of 'EBAC') {
    const at = await host.evaluate((element, node) => {
      const box = element.svg.getBoundingClientRect(), [x, y] = element.place(node, element.width);
      return [box.left + x * box.width / element.width, box.top + y * box.width / element.width];
    }, name);
    for (let i = 0; i < 4 && (await values()).source !== name; i++) await (touch ? page.touchscreen.tap(...at) : page.mouse.click(...at));
    const { source, hops } = await values();
    if (source !== name || hops['ABCDEF'.indexOf(name)] !== 0) note('nodes', `${name} was pressed, ${source} sends`);
    if (await host.locator('select[name=source]').inputValue() !== name) note('nodes', `the list does not say ${name}`);
  }
  if (!await said(host)) note('nodes', 'the text was not said');
  await sizes(host, note);
  if (touch) return;
  const { layers } = await values();
  await host.getByRole('button', { name: 'one layer more' }).click();
  if ((await values()).layers !== layers + 1) note('buttons', `one layer more than ${layers} is ${(await values()).layers}`);
}

/** The text is said once after a quick series of changes. */
async function isQuiet(host, name, note) {
  await said(host);
  await host.evaluate((element, n) => element.set({ [n]: 0 }), name);
  await said(host);
  await host.evaluate((element) => {
    element.heard = 0;
    new MutationObserver((changes) => { element.heard += changes.length > 0; }).observe(element.shadowRoot.querySelector('.says'), { childList: true, characterData: true, subtree: true });
  });
  await host.evaluate(async (element, n) => { // in the page: a busy machine would press keys too slowly
    for (let i = 0; i < 10; i++) {
      if (!element.inputs[n].stepUp) element.set({ [n]: 2 + i / 10 });
      else {
        element.inputs[n].stepUp();
        element.inputs[n].dispatchEvent(new Event('input', { bubbles: true }));
      }
      await new Promise((r) => setTimeout(r, 30));
    }
  }, name);
  await said(host);
  const heard = await host.evaluate((element) => element.heard);
  if (heard > 3) note('text', `said ${heard} times during ten quick changes`);
  const politeness = await host.locator('.says').getAttribute('aria-live');
  if (politeness !== 'polite') note('text', `aria-live is ${politeness}`);
}

// ---- numbers and drawing --------------------------------------------------------------------------

/** Sets every case, reads values and measures the drawing. */
const readCases = (host, cases) => host.evaluate((element, every) => every.map((settings) => {
  element.set(settings);
  const svg = element.svg;
  const all = (selector, what, inside = svg) => [...inside.querySelectorAll(selector)].map(what);
  const given = (node, ...names) => names.map((name) => Number(node.getAttribute(name)));
  const pair = (text) => text.trim().split(/[ ,]/).map(Number);
  const frame = svg.getBoundingClientRect();
  const texts = all('text', (text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    return { left, right, top, bottom, size: parseFloat(getComputedStyle(text).fontSize) * frame.width / element.width, text: text.textContent, turned: text.hasAttribute('transform') };
  });
  const curve = element.localName === 'rnn-time-gate' && svg.querySelector('svg svg, g svg');
  const map = svg.querySelector('.map'), rim = svg.querySelector('.rim');
  return {
    values: element.values,
    says: svg.querySelector('desc').textContent,
    labels: all('text[x]:not([transform])', (text) => ({ x: Number(text.getAttribute('x')), y: Number(text.getAttribute('y')), anchor: text.getAttribute('text-anchor'), text: text.textContent })),
    plots: all('.plot', (plot) => ({
      kind: plot.getAttribute('class'), x: pair(plot.dataset.x), y: pair(plot.dataset.y), box: given(plot, 'x', 'y', 'width', 'height'),
      lines: all('[data-line]', (g) => ({ name: g.dataset.line, first: Number(g.dataset.first), points: g.querySelector('polyline').getAttribute('points').split(' ').map(pair) }), plot),
      dots: all('[data-points]', (g) => ({ name: g.dataset.points, points: [...g.children].map((dot) => given(dot, 'cx', 'cy')) }), plot),
      radii: all('[data-radius]', (circle) => ({ name: circle.dataset.radius, r: Number(circle.getAttribute('r')) }), plot),
    })),
    heat: all('.heat path', (path) => ({ level: Number(path.dataset.level), fill: path.getAttribute('fill').match(/\d+/g).map(Number), d: path.getAttribute('d') })),
    ways: Object.fromEntries(all('[data-way]', (node) => [node.dataset.way, node.textContent])),
    bars: all('[data-bar]', (bar) => ({ x: given(bar, 'x')[0], width: given(bar, 'width')[0], fill: bar.getAttribute('fill') })),
    known: Object.fromEntries(all('[data-of]', (node) => [node.dataset.of, node.textContent])),
    wheel: rim && {
      rim: given(rim, 'cx', 'cy', 'r'), dots: all('[data-digit]', (dot) => [dot.dataset.digit, ...given(dot, 'cx', 'cy'), dot.getAttribute('fill')]),
      names: all('[data-name]', (name) => [name.textContent, ...given(name, 'x', 'y')]), bars: all('[data-right]', (bar) => bar.getAttribute('d').match(/[-\d.]+/g).map(Number)),
    },
    frame: { left: frame.left, right: frame.right, top: frame.top, bottom: frame.bottom },
    texts,
    drawn: map && Object.fromEntries(all('[data-method]', (g) => [g.dataset.method,
      g.querySelector('polyline').getAttribute('points').split(' ').map((p) => pair(p).map((n, i) => (i ? -1 : 1) * (4 * n / map.getAttribute('width') - 2)))], map)),
    gate: curve && { width: Number(curve.getAttribute('width')), points: curve.querySelector('polyline').getAttribute('points').split(' ').map(pair) },
  };
}), cases);

function difference(found, expected) {
  if (Array.isArray(expected)) {
    if (found?.length !== expected.length) return Infinity;
    return Math.max(...expected.map((value, n) => difference(found[n], value)));
  }
  return typeof found === 'number' && Number.isFinite(found) ? Math.abs(found - expected) : Infinity;
}

/** The largest distance between the drawn gate and its values, jumps left out. */
function drawnGate({ width, points }, { t, k, tau, r_on }) {
  if (tau * r_on < 1) return 0; // steeper than a hundredth of a pixel can tell
  const line = points.map(([x, y]) => [100 * x / width, (93 - y) / 90]);
  let worst = 0;
  t.forEach((time, n) => {
    const next = line.findIndex(([x]) => x > time);
    if (next < 1 || line.some(([x]) => Math.abs(x - time) < 0.05)) return;
    const [[x0, y0], [x1, y1]] = [line[next - 1], line[next]];
    worst = Math.max(worst, Math.abs(y0 + (y1 - y0) * (time - x0) / (x1 - x0) - k[n]));
  });
  return worst;
}

/** What a tick says, as a number: −1, 0.01, 10⁻²⁰. */
const tickNumber = (text) => Number(text.replace(/^10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)$/, (_, power) => `1e${[...power].map((sign) => '-0123456789'['⁻⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(sign)]).join('')}`).replace('−', '-'));

/** Lines, dots and circles against their values, and ticks against the axis, to a twentieth of a pixel and a pixel. */
function drawnPlots({ plots, labels, values }, lines, note, at) {
  const names = plots.flatMap((plot) => plot.lines.map(({ name }) => name));
  if (String(names) !== String(lines)) note('drawn', `lines ${names}, not ${lines}`);
  for (const { kind, x: [x0, x1], y: [y0, y1], box: [left, top, wide, high], lines: drawn, dots, radii } of plots) {
    const [kx, ky] = [(wide - 6) / (x1 - x0), (high - 6) / (y1 - y0)]; // pixels of one unit; 3 pixels are around
    const spot = (x, y) => [3 + kx * (x - x0), 3 + ky * (y1 - y)];
    const off = (points, wanted) => (points.length === wanted.length ? Math.max(...points.map((p, n) => difference(p, spot(...wanted[n])))) : Infinity);
    for (const { name, first, points } of drawn) {
      const error = off(points, values[name].map((value, n) => [first + n, kind.includes('log') ? Math.log10(value) : value]));
      if (!(error <= 0.05)) note('drawn', `the line ${name} is off by ${error} px at ${at}`);
    }
    for (const { name, points } of dots) if (!(off(points, values[name]) <= 0.05)) note('drawn', `${name} are off by ${off(points, values[name])} px at ${at}`);
    for (const { name, r } of radii) if (!(Math.abs(r - kx * values[name]) <= 0.05)) note('drawn', `the circle ${name} is off at ${at}`);
    const ticks = labels.filter(({ anchor, x, y }) => anchor === 'end' && x > left - 10 && x < left && y > top && y < top + high + 6);
    if (ticks.length < 3) note('drawn', `${ticks.length} ticks beside ${drawn.map(({ name }) => name)}`);
    for (const { y, text } of ticks) {
      const value = tickNumber(text), error = y - 4.5 - top - spot(0, kind.includes('powers') ? Math.log10(value) : value)[1];
      if (!(Math.abs(error) <= 0.06 * ky + 0.1) || kind.includes('powers') && Math.abs(error) > 0.1) note('drawn', `the tick ${text} beside ${drawn.map(({ name }) => name)} is off by ${error} px`);
    }
    for (const { x, text } of labels.filter((label) => label.anchor === 'middle' && label.x > left && label.x < left + wide && label.y > top + high + 10 && label.y < top + high + 22)) {
      const error = x - left - spot(tickNumber(text), 0)[0];
      if (!(Math.abs(error) <= 0.1)) note('drawn', `the tick ${text} below ${drawn.map(({ name }) => name)} is off by ${error} px`);
    }
  }
}

/** Each cell of a heat map: its level, a twentieth of the limit, and that stronger levels are darker, blue above zero and red below. */
function drawnHeat({ heat, values: { rows, limit } }, note, at) {
  const cells = heat.flatMap(({ level, d }) => d.match(/M[^M]+/g).map((one) => { const [x, y, end, high] = one.match(/-?[\d.]+/g).map(Number); return { level, x, y, end, high }; }));
  const left = Math.min(...cells.map(({ x }) => x)), right = Math.max(...cells.map(({ end }) => end)), top = Math.min(...cells.map(({ y }) => y));
  const wide = (right - left) / rows[0].length;
  if (cells.length !== rows.length * rows[0].length) note('drawn', `${cells.length} cells at ${at}`);
  for (const { level, x, y, end, high } of cells) {
    const row = (y - top) / high, t = Math.round((x - left) / wide);
    if (!(Math.abs(x - left - t * wide) < 0.05 && Math.abs(end - x - wide) < 0.05)) note('drawn', `a cell from ${x} to ${end} at ${at}`);
    else if (!(Math.abs(20 * rows[row][t] / limit - level) <= 0.5 + 1e-9)) note('drawn', `row ${row + 1}, step ${t + 1} has level ${level} for ${rows[row][t]} of ${limit} at ${at}`);
  }
  for (const sign of [-1, 1]) {
    const side = heat.filter(({ level }) => sign * level > 0).sort((a, b) => sign * (a.level - b.level));
    if (side.some(({ fill: [red, , blue] }) => sign * (blue - red) <= 0)) note('drawn', 'a colour on the wrong side of zero');
    if (side.some(({ fill }, n) => n && fill.reduce((a, b) => a + b) >= side[n - 1].fill.reduce((a, b) => a + b))) note('drawn', 'a stronger colour that is lighter');
  }
}

/** A number as the drawings have it. */
const rounded = (value, digits = 3) => (Number(value.toFixed(digits)) === 0 ? (0).toFixed(digits) : value.toFixed(digits).replace('-', '−'));

/** What is drawn and said after a step of the sweep: every number that is known, the new ones as results, and nothing that comes later. */
function drawnSweep({ known, says, texts }, { drawn, results }, note, at) {
  const wanted = Object.fromEntries(Object.entries(drawn).map(([name, value]) => [name, rounded(value)]));
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(known)])) {
    if (wanted[name] !== known[name]) note('sweep', `${name} is drawn as ${known[name]}, not ${wanted[name]}, at ${at}`);
  }
  const named = texts.map(({ text }) => text.replaceAll('\u200b', '')).filter((text) => /^δ[ah]?[123p]$/.test(text)).sort(); // in the boxes
  const come = Object.keys(drawn).filter((name) => name.startsWith('δ')).map((name) => name.replace('_', '')).sort();
  if (String(named) !== String(come)) note('sweep', `the boxes name ${named}, not ${come}, at ${at}`);
  for (const value of results) {
    const end = `= ${rounded(value)}`;
    if (!says.includes(end)) note('sweep', `not said: ${end} at ${at}`);
    if (!texts.some(({ text }) => text.endsWith(end))) note('sweep', `no equation ends with ${end} at ${at}`);
  }
}

/** Dots where the values are, names in the same direction outside the rim, a bar for each step; the digits said in their order. */
function drawnWheel({ wheel: { rim: [cx, cy, r], dots, names, bars }, values, says, texts }, { most, facts }, note, at) {
  if (dots.length !== values.x.length || names.length !== dots.length) note('wheel', `${dots.length} dots and ${names.length} names at ${at}`);
  for (const [digit, x, y, fill] of dots) {
    const [own, up] = [values.x[digit], values.y[digit]], off = Math.hypot((x - cx) / r * most - own, (cy - y) / r * most - up);
    if (!(off < 0.002 * most)) note('wheel', `the dot of ${digit} is off by ${off} at ${at}`);
    if ((fill === '#D55E00') !== (digit === values.digit)) note('wheel', `${digit} is drawn in ${fill}, ${values.digit} is followed at ${at}`);
    const [, nx, ny] = names.find(([name]) => name === digit) ?? [];
    const turn = Math.atan2(cy - (ny - 4.5), nx - cx) - Math.atan2(up, own);
    if (!(Math.abs(Math.sin(turn / 2)) < 0.005) || Math.hypot(nx - cx, ny - 4.5 - cy) < r + 10) note('wheel', `the name ${digit} is not where its dot is at ${at}`);
  }
  if (bars.length !== facts.right.length || bars.some(([, from, , to], t) => Math.abs(from - to - Math.max(0.5, facts.right[t] / 2)) > 0.01)) note('wheel', `the bars are not those of the readout at ${at}`);
  const turns = values.x.map((x, d) => Math.atan2(values.y[d], x)), from = turns[values.digit], full = 2 * Math.PI;
  const order = [...turns.keys()].sort((a, b) => (turns[a] - from + full) % full - (turns[b] - from + full) % full);
  if (!says.includes(`stand ${order.join(', ')}; ${values.digit} is at ${rounded((from + full) % full * 360 / full, 0)}°`)) note('wheel', `not said: ${order} at ${at}`);
  const all = texts.map(({ text }) => text);
  for (const text of [`${rounded(facts.angle, 1)}°`, values.t ? `${rounded(values.turn, 1)}°` : '–', `${rounded(values.turned / 360, 2)} turns`, rounded(values.size, 1),
    ...['share', 'named', 'right'].map((name) => `${values[name]} %`)]) {
    if (!all.includes(text)) note('wheel', `the drawing does not say ${text} at ${at}`);
    if (text !== '–' && (values.t || !/°|turns/.test(text)) && !says.includes(text)) note('wheel', `not said: ${text} at ${at}`);
  }
}

/** The four perplexities are written beside their lines and said; the bars of sentences are as long as the settings say. */
function drawnWays({ ways, bars, values, says }, { lines }, note, at) {
  for (const line of lines) {
    const name = line.slice(3), value = rounded(Math.exp(values[name]), 1);
    if (ways[name] !== value) note('ways', `${name} is written ${ways[name]}, not ${value}, at ${at}`);
    if (!says.match(/\d+\.\d/g).includes(value)) note('ways', `${name} = ${value} is not said at ${at}`);
  }
  if (!says.includes(`and ${rounded(Math.exp(values.padded), 1)} with padding counted`)) note('ways', `said: ${says}`);
  const { padding, lengths } = values, half = lengths * Math.min(padding, 1 - padding);
  const left = bars[0].x, whole = bars[0].width + bars[1].width;
  for (let n = 0; n < bars.length / 2; n++) {
    const [own, rest] = bars.slice(2 * n, 2 * n + 2), share = 1 - padding + half * (4 * n / (bars.length - 2) - 1);
    const off = Math.max(Math.abs(own.width - share * whole), Math.abs(rest.x - left - share * whole), Math.abs(own.width + rest.width - whole), Math.abs(own.x - left));
    if (!(off < 0.05) || own.fill !== '#0072B2' || rest.fill === own.fill) note('ways', `sentence ${n + 1} is off by ${off} px, in ${own.fill}, at ${at}`);
  }
}

const largest = (numbers) => Math.max(...numbers.map(Math.abs));

/** The paths of optimisers: each step to 1e-9 of its size, as long as the path is to be believed; and as drawn. */
function comparePaths({ values, drawn }, [settings, expected], note) {
  const at = (name) => `${name} on ${settings.surface} at rate ${expected.rates[name]} from (${settings.w1}, ${settings.w2})`;
  for (const [name, path] of Object.entries(expected.paths)) {
    const found = values.paths[name] ?? [];
    if (values.rates[name] !== expected.rates[name]) note('paths', `${at(name)}: the rate is ${values.rates[name]}`);
    if (found.length !== path.length) { note('paths', `${at(name)}: ${found.length} points, not ${path.length}`); continue; }
    // or, where a step ends at zero but for rounding, to that of the numbers around 1 that it came from: processors round differently
    const off = (w, t) => !(largest(w.map((value, n) => value - path[t][n])) <= Math.max(1e-9 * largest(path[t]), 1e-15));
    const until = expected.until[name], bad = found.slice(0, until + 1).findIndex(off);
    if (bad >= 0) note('paths', `${at(name)}: step ${bad} is (${found[bad]}), not (${path[bad]})`);
    if (until === settings.steps && !(Math.abs(values.losses[name] - expected.losses[name]) <= 1e-9 * Math.max(1, expected.losses[name]))) {
      note('paths', `${at(name)}: the loss is ${values.losses[name]}, not ${expected.losses[name]}`);
    }
    const line = drawn[name] ?? [];
    if (line.length !== found.length || line.some((w, t) => largest(w.map((value, n) => value - Math.min(9, Math.max(-9, found[t][n])))) > 0.01)) note('paths', `${at(name)}: drawn otherwise`);
  }
}

async function numbers(host, tag, { cases, ranges, ...figure }, note) {
  if (figure.sets) return wordNumbers(host, figure, note);
  const inputs = await host.evaluate((element) => Object.fromEntries(Object.entries(element.inputs).filter(([, input]) => input.type === 'range').map(([name, input]) => [name, [Number(input.min), Number(input.max)]])));
  if (JSON.stringify(inputs) !== JSON.stringify(ranges)) note('numbers', `sliders go ${JSON.stringify(inputs)}, rnnlib says ${JSON.stringify(ranges)}`);
  const seen = await readCases(host, cases.map(([settings]) => settings));
  seen.forEach((found, n) => {
    const [settings, { sweep, ...expected }] = cases[n], { values, gate, texts, drawn } = found;
    const at = JSON.stringify(settings);
    if (expected.paths) {
      for (const [name, value] of Object.entries(settings)) if (values[name] !== value) note('numbers', `${name} is ${values[name]} at ${at}`);
      return comparePaths({ values, drawn }, cases[n], note);
    }
    for (const [name, value] of Object.entries({ ...settings, ...expected })) {
      const error = typeof value === 'string' ? Number(values[name] !== value) : difference(values[name], value);
      if (error > (name in settings ? 0 : 1e-12)) note('numbers', `${name} is off by ${error} at ${at}`);
    }
    if (figure.lines) drawnPlots(found, figure.lines, note, at);
    if (expected.rows) drawnHeat(found, note, at);
    if (sweep) drawnSweep(found, sweep, note, at);
    if (tag === 'rnn-perplexity') drawnWays(found, figure, note, at);
    if (found.wheel) drawnWheel(found, figure, note, at);
    if (gate && drawnGate(gate, values) > 0.03) note('numbers', `the drawn gate is off by ${drawnGate(gate, values).toFixed(2)} at ${at}`);
    if (tag === 'rnn-lstm-step') {
      const all = texts.map(({ text }) => text.replaceAll('\u200b', ''));
      const two = (v) => rounded(v, 2);
      const written = { ct: values.c, ht: values.h, gt: values.g, 'ct−1': values.c_old, it: values.i, ft: values.f, ot: values.o };
      for (const [name, value] of Object.entries(written)) if (!all.includes(`${name} = ${two(value)}`)) note('numbers', `the drawing does not say ${name} = ${two(value)} at ${at}`);
      for (const [end, value] of [['ft', values.dc], ['ct)', values.dh]]) if (!all.some((line) => line.startsWith('∂') && line.endsWith(`${end} = ${two(value)}`))) note('numbers', `the drawing does not say a derivative = ${two(value)} at ${at}`);
    }
  });
}

async function legible(host, figure, note) {
  const found = new Set();
  const { cases } = figure.sets ? await wordsOf(host, figure) : figure;
  for (const { texts, frame } of await readCases(host, cases.map(([settings]) => settings))) {
    texts.forEach((a, n) => {
      if (a.size < SMALLEST) found.add(`"${a.text}" is ${a.size.toFixed(1)} px`);
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1) found.add(`"${a.text}" is cut off`);
      for (const b of texts.slice(n + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 4) found.add(`"${a.text}" over "${b.text}"`);
      }
    });
  }
  for (const text of found) note('legible', text);
}

// ---- one page -------------------------------------------------------------------------------------

const within = (list, note) => { for (const text of list) note('sideways', text); };

function sticksOut(width) {
  const bad = [];
  if (document.scrollingElement.scrollWidth > width) bad.push(`the page is ${document.scrollingElement.scrollWidth} px wide on a ${width} px screen`);
  for (const host of document.querySelectorAll('*')) {
    if (!host.localName.startsWith('rnn-') || !host.shadowRoot) continue;
    for (const e of host.shadowRoot.querySelectorAll('.card, .card > *, .row, .row > *, button')) {
      const { left, right } = e.getBoundingClientRect();
      if (right > width || left < 0) bad.push(`${host.localName}: ${e.localName} from ${Math.round(left)} to ${Math.round(right)} px`);
    }
  }
  return bad;
}

async function tryPage(browser, book, path) {
  const problems = new Set();
  const note = (kind, text) => problems.add(`${kind}: ${text}`);
  const url = book.origin + BASE + path;
  const open = async (options, address = url) => {
    const context = await browser.newContext({ serviceWorkers: 'block', ...options });
    if (options.javaScriptEnabled !== false) {
      await context.addInitScript((theme) => { try { localStorage.setItem('mode', theme); localStorage.setItem('theme', theme); } catch { /* about:blank */ } }, options.colorScheme ?? 'light');
    }
    const page = await context.newPage();
    page.setDefaultTimeout(60000);
    const own = (a) => a.startsWith(`${book.origin}/`) || /^(data|blob|about|file):/.test(a);
    page.on('request', (r) => own(r.url()) || note('offline', `asked for ${r.url()}`));
    page.on('pageerror', (e) => note('errors', `uncaught: ${e.message}`));
    page.on('console', (m) => m.type() === 'error' && note('errors', m.text()));
    page.on('response', (r) => r.status() >= 400 && note('errors', `${r.status()} ${r.url()}`));
    await page.goto(address, { waitUntil: 'load' });
    await page.evaluate(() => { for (const fold of document.querySelectorAll('details')) fold.open = true; });
    if (options.javaScriptEnabled === false) return page;
    await page.evaluate(settle);
    const defined = () => [...document.querySelectorAll('*')].every((e) => !e.localName.startsWith('rnn-') || customElements.get(e.localName));
    await page.waitForFunction(defined, null, { timeout: 10000 }).catch(() => {}); // said below
    return page;
  };
  const close = (page) => page.context().close();
  const tags = (page) => page.evaluate((elsewhere) => [...document.querySelectorAll('*')].map((e) => e.localName).filter((name) => name.startsWith('rnn-') && !elsewhere.includes(name)), ELSEWHERE);
  const hostsOf = async (page) => {
    const count = {};
    return (await tags(page)).map((tag) => [tag, page.locator(tag).nth(count[tag] = (count[tag] ?? -1) + 1), count[tag]]);
  };
  const figureOf = async (tag, host) => { // with the numbers of the data that the element names
    const figure = book.figures[tag];
    return figure?.data ? { ...figure, ...figure.data[await host.getAttribute(figure.attribute)] } : figure;
  };
  const axe = async (page, view) => {
    await page.evaluate(book.axe);
    for (const text of await page.evaluate(async (values) => {
      const result = await window.axe.run({ include: [...new Set([...document.querySelectorAll('*')].map((e) => e.localName).filter((n) => n.startsWith('rnn-')))].map((n) => [n]) }, { runOnly: { type: 'tag', values } });
      return result.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.flat().join(' ')}`));
    }, AXE_TAGS)) note('a11y', `${text} [${view}]`);
  };

  let hosts = [];
  try {
    let page = await open(DESKTOP);
    hosts = await hostsOf(page);
    const undefined_ = await page.evaluate((names) => names.filter((name) => !customElements.get(name)), hosts.map(([tag]) => tag));
    if (undefined_.length) throw new Error(`no script defines ${[...new Set(undefined_)].join(', ')} (load rnn-figure.js, then the figure's own)`);
    for (const [tag, host, n] of hosts) {
      if (n) continue; // every further one is looked at under "instances"
      const figure = await figureOf(tag, host);
      if (!figure) throw new Error(`${tag}: not in interactive_numbers.py`);
      const others = hosts.filter(([, other]) => other !== host).map(([, other]) => other);
      const before = await Promise.all(others.map(snapshot));
      await numbers(host, tag, figure, note);
      if (!figure.sets) await byKeyboard(page, host, figure.ranges, note);
      await byMouse(page, host, figure.ranges, note);
      await byDragging(page, host, note, false);
      await byButtons(host, figure, note);
      await bySteps(host, figure, note);
      await byOptions(host, figure, note);
      if (tag === 'rnn-lstm-units') await onRows(page, host, figure, note, false);
      if (tag === 'rnn-graph-hops') await onNodes(page, host, note, false);
      if (figure.starts) {
        await onMap(page, host, note, false);
        await byChoice(page, host, figure, note);
      }
      if (figure.sets) await onWords(page, host, figure, note, false);
      if (figure.attribute && !await page.evaluate((name) => {
        const bare = document.body.appendChild(document.createElement(name));
        bare.remove();
        return !bare.shadowRoot;
      }, tag)) note('fallback', `${tag}: without its data it hides the still drawing`);
      await isQuiet(host, Object.keys(figure.ranges)[1] ?? Object.keys(figure.ranges)[0] ?? 'zoom', note);
      const after = await Promise.all(others.map(snapshot));
      after.forEach((state, m) => state.drawing === before[m].drawing && state.said === before[m].said || note('instances', `${tag} changes another figure`));
      await page.emulateMedia({ media: 'print' });
      if (!await host.locator('svg').first().isVisible()) note('print', `${tag}: no drawing`);
      if (await host.locator('input, select, button').filter({ visible: true }).count()) note('print', `${tag}: controls are printed`);
      if (!figure.sets && !await host.locator('.value').first().isVisible()) note('print', `${tag}: the settings are not printed`);
      await page.emulateMedia({ media: 'screen' });
      if (await host.locator('img, .fallback').filter({ visible: true }).count()) note('fallback', `${tag}: shown beside the drawing`);
      for (const caption of await host.locator('figcaption').all()) if (!await caption.isVisible()) note('fallback', `${tag}: its caption is hidden`);
    }
    await axe(page, 'light');
    await close(page);

    page = await open({ ...DESKTOP, colorScheme: 'dark' });
    await axe(page, 'dark');
    await close(page);

    page = await open(PHONE);
    hosts = await hostsOf(page);
    within(await page.evaluate(sticksOut, PHONE.viewport.width), note);
    for (const [tag, host, n] of hosts) {
      if (n) continue;
      const figure = await figureOf(tag, host);
      await legible(host, figure, note);
      within(await page.evaluate(sticksOut, PHONE.viewport.width), note);
      if (figure.sets) {
        await onWords(page, host, figure, note, true);
        continue;
      }
      await byTouch(page, host, figure.ranges, note);
      await byDragging(page, host, note, true);
      if (tag === 'rnn-graph-hops') await onNodes(page, host, note, true);
      if (figure.starts) await onMap(page, host, note, true);
      if (tag === 'rnn-lstm-units') await onRows(page, host, figure, note, true);
    }
    await axe(page, 'phone');
    await close(page);

    page = await open(DESKTOP, pathToFileURL(join(book.root, path)).href);
    hosts = await hostsOf(page);
    for (const [tag, host, n] of hosts) {
      if (n) continue;
      const name = Object.keys((await figureOf(tag, host)).ranges)[0] ?? 'zoom';
      await host.locator(name === 'zoom' ? 'svg' : `input[name=${name}]`).first().focus();
      const full = await host.evaluate((element, n) => element.inputs[n].max && element.inputs[n].value === element.inputs[n].max, name);
      await moves(host, name, 'file', note, () => page.keyboard.press(name === 'zoom' ? '+' : full ? 'ArrowLeft' : 'ArrowRight'), undefined, true);
    }
    await close(page);

    page = await open({ ...DESKTOP, javaScriptEnabled: false });
    for (const [tag, host] of await hostsOf(page)) {
      if (!await host.locator('img, .fallback').filter({ visible: true }).count()) note('fallback', `${tag}: nothing is shown without scripts`);
    }
    await close(page);
  } catch (error) {
    note('page', error.message.split('\n')[0]);
  }
  return { problems: [...problems], count: hosts.length };
}

/** Compare the committed drawings with those of the scripts at 640 px. */
async function drawings(browser, book, write) {
  const problems = [];
  const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
  await page.goto(`${book.origin}${BASE}book/page.html`);
  const stills = Object.entries(book.figures).flatMap(([tag, figure]) => Object.entries(figure.stills ?? { '': '' }).map(([name, script]) => [tag, name, script, figure.attribute]));
  for (const [tag, name, script, attribute] of stills) { // of recorded data a page shows each, of those made up none
    const svg = await page.locator(tag).first().evaluate((shown, [data, source, given]) => {
      let element = shown;
      if (data) {
        document.head.append(Object.assign(document.createElement('script'), { textContent: source }));
        element = document.createElement(shown.localName);
        element.setAttribute(given, data);
        shown.after(element);
        element.redraw();
      }
      const [, , width, height] = element.svg.getAttribute('viewBox').split(' ');
      const { title } = element.constructor;
      return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="#1a1a1a">\n`
        + `<title>${title}</title>\n<rect width="${width}" height="${height}" fill="#fff"/>\n`
        + new XMLSerializer().serializeToString(element.svg.querySelector('g')).replaceAll(' xmlns="http://www.w3.org/2000/svg"', '').replace(/(<(path|text|rect|circle|polyline|polygon|svg|g(?= ))\b)/g, '\n$1') + '\n</svg>\n';
    }, [name, script, attribute]);
    const file = drawingFile(name ? `${tag}-${name}` : tag);
    if (write) writeFileSync(file, svg);
    else if (!existsSync(file) || readFileSync(file, 'utf8') !== svg) problems.push(`svg: ${file.slice(ROOT.length + 1)} is not the figure's drawing. Run: node tests/browser/interactive.mjs --write`);
  }
  await page.close();
  return problems;
}

/** Pages of a built book that show a figure, and complaints about pages that load a script for nothing. */
function shown(root) {
  const pages = [], problems = [];
  for (const path of pagesOf(root)) {
    const html = readFileSync(join(root, path), 'utf8');
    const tags = [...html.matchAll(/<(rnn-[a-z-]+)[\s>]/g)].map(([, tag]) => tag);
    if (tags.some((tag) => !ELSEWHERE.includes(tag))) pages.push(path);
    else if (!tags.length && /<script [^>]*src="[^"]*rnn-[a-z-]+\.js/.test(html)) problems.push(`load: ${path} loads a figure's script and shows none`);
  }
  return { pages, problems };
}

const MADE = ['book/page.html', 'notebooks/notebook.html', 'notebooks/lab.html'];

export async function check(expected, { root = '', made = MADE, write = false, log = console.log } = {}) {
  const { chromium } = await import('playwright-core');
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'interactive-'));
  const browser = await chromium.launch({ executablePath: browserPath(), args: FLAGS });
  const result = { passed: 0, failed: 0, problems: [] };
  const report = (name, problems, detail = '') => {
    result[problems.length ? 'failed' : 'passed']++;
    result.problems.push(...problems);
    log(`${problems.length ? 'FAIL' : 'ok  '} ${name}${detail}`);
    for (const text of problems.slice(0, 12)) log(`       ${text}`);
    if (problems.length > 12) log(`       and ${problems.length - 12} more`);
  };
  try {
    makePages(folder, expected);
    for (const place of [folder, root].filter(Boolean)) {
      const { server, origin } = await serve(place);
      const book = { root: place, origin, axe, figures: expected.figures };
      try {
        const { pages, problems } = place === folder ? { pages: made, problems: [] } : shown(place);
        if (place === folder) report('drawings', await drawings(browser, book, write));
        else report('scripts', problems);
        const queue = [...pages];
        const work = async () => {
          for (let path = queue.shift(); path; path = queue.shift()) {
            const start = Date.now();
            const { problems, count } = await tryPage(browser, book, path);
            if (!count) problems.push('page: shows no figure');
            report(path, problems, ` (${count} figures, ${((Date.now() - start) / 1000).toFixed(0)} s)`);
          }
        };
        await Promise.all([work(), work()]);
        const text = pages.map((path) => readFileSync(join(place, path), 'utf8')).join();
        for (const tag of Object.keys(expected.figures)) if (!text.includes(`<${tag}`)) log(`note: no page of this book shows ${tag}`);
      } finally {
        server.close();
      }
    }
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
  log(`${result.passed} passed, ${result.failed} failed`);
  return result;
}

// ---- does it find what it should? -------------------------------------------------------------------

// [script, what is replaced, by what, the kind of problem that must be found, on which page]
const BROKEN = [
  ['rnn-time-gate', '2 - ramp', '1.999 - ramp', 'numbers'],
  ['rnn-time-gate', 'if (rest < 0) rest += tau;', '', 'numbers'],
  ['rnn-time-gate', 'leak * phi;', 'leak;', 'numbers'],
  ['rnn-time-gate', '[start + r_on * tau / 2, 1]', '[start + r_on * tau / 3, 1]', 'numbers'],
  ['rnn-time-gate', 'max: 50, step: 0.5, value: 20', 'max: 40, step: 0.5, value: 20', 'numbers'],
  ['rnn-time-gate', 'value: (at) => time(at) - s', 'value: (at) => time(at)', 'drag'],
  ['rnn-time-gate', "'text-anchor=\"middle\"');\n      for (const [low", "'text-anchor=\"start\" font-size=\"40\"');\n      for (const [low", 'legible'],
  ['rnn-lstm-step', 'const h = Math.tanh(c) * o;', 'const h = c * o;', 'numbers'],
  ['rnn-lstm-step', 'o * (1 - Math.tanh(c) ** 2)', 'o * (1 - c ** 2)', 'numbers'],
  ['rnn-lstm-step', "name('h'), v.h, 1", "name('h'), v.c, 1", 'numbers'],
  ['rnn-lstm-step', 'write: { f: 0, i: 1 }', 'write: { f: 1, i: 0 }', 'buttons'],
  ['rnn-gradient-disc', 'length + k * Math.log10(gain)', 'length + (k + 1) * Math.log10(gain)', 'numbers'],
  ['rnn-gradient-disc', '0.5327807129873', '0.5327807129973', 'numbers'],
  ['rnn-gradient-disc', '1 / (1 + Math.exp(-bias))', '1 / (1 + Math.exp(-2 * bias))', 'numbers'],
  ['rnn-gradient-disc', 'cy="${px(y(b))}"', 'cy="${px(y(Math.abs(b)))}"', 'drawn'],
  ['rnn-gradient-disc', '`10${raised(tick)}`', '`10${raised(tick / 2)}`', 'drawn'],
  ['rnn-gradient-disc', '[[a, b], [a, -b]]', '[[a, -b], [a, b]]', 'numbers'],
  ['rnn-gradient-disc', 'gain: 1.69', 'gain: 1.96', 'buttons'],
  ['rnn-gradient-disc', "orthogonal: 'orthogonal' }", "orthogonal: 'orthogonal', both: 'both' }", 'choices'],
  ['rnn-adam-spike', 'beta2 * v + (1 - beta2) * g * g', 'beta2 * v + (1 - beta2) * g', 'numbers'],
  ['rnn-adam-spike', 'm / (1 - beta1 ** t)', 'm', 'numbers'],
  ['rnn-adam-spike', 'if (t >= AT) {', 'if (t > AT) {', 'numbers'],
  ['rnn-adam-spike', 'const LONG = 10000;', 'const LONG = 5000;', 'numbers'],
  ['rnn-adam-spike', 'PAD + y(Math.log10(value))', 'PAD + y(Math.log2(value))', 'drawn'],
  ['rnn-adam-spike', "'shorter memory': { beta2: 0.99 }", "'shorter memory': { beta1: 0.99 }", 'buttons'],
  ['rnn-adam-spike', 'of the usual, in all:', 'of the usual, those that are not shown too:', 'legible'],
  ['rnn-lstm-units', 'map((value) => value / 100)', 'map((value) => value / 99)', 'numbers'],
  ['rnn-lstm-units', 'map(Math.tanh)', 'map(Math.sin)', 'numbers'],
  ['rnn-lstm-units', 'Math.round(LEVELS * value / v.limit)', 'Math.floor(LEVELS * value / v.limit)', 'drawn'],
  ['rnn-lstm-units', '${TOP + HIGH * n}H', '${TOP + HIGH * (v.rows.length - 1 - n)}H', 'drawn'],
  ['rnn-lstm-units', 'level < 0 ? [178, 24, 43]', 'level < -9 ? [178, 24, 43]', 'drawn'],
  ['rnn-lstm-units', '- TOP) / HIGH)', '- TOP) / HIGH + 0.6)', 'rows'],
  ['rnn-lstm-units', 'this.set({ order, row: other, other: row });', 'this.set({ order });', 'rows'],
  ['rnn-lstm-units', 'this.set({ row, other: this.values.row });', 'this.set({ row });', 'rows'],
  ['rnn-lstm-units', "cell: (unit) => sum(this.hundredths('c', unit).map(Math.abs))", "cell: (unit) => sum(this.hundredths('c', unit))", 'buttons'],
  ['rnn-lstm-units', 'if (!this.data || this.shadowRoot) return;', 'if (this.shadowRoot) return;', 'errors'],
  ['rnn-graph-hops', 'Array(6).fill(lam)', 'Array(6).fill(1)', 'numbers'],
  ['rnn-graph-hops', 'heard[b] += sent[a];', '', 'numbers'],
  ['rnn-graph-hops', 'hops[a] === k - 1 && ', '', 'numbers'],
  ['rnn-graph-hops', 'this.set({ source: name });', ';', 'nodes'],
  ['rnn-graph-hops', 'layers + 1', 'layers + 2', 'buttons'],
  ['rnn-bptt-graph', '(1 - h[t] ** 2) * arriving', '(1 - h[t]) ** 2 * arriving', 'numbers'],
  ['rnn-bptt-graph', 'arriving = w_hh * da[t];', 'arriving = w_hh * dh[t];', 'numbers'],
  ['rnn-bptt-graph', '-Math.log(y_hat)', '-Math.log2(y_hat)', 'numbers'],
  ['rnn-bptt-graph', 'value * (h[t - 1] ?? 0)', 'value * h[t]', 'sweep'],
  ['rnn-bptt-graph', '<= step);', '< step);', 'sweep'],
  ['rnn-bptt-graph', 'name === back && !known(back)) continue;', 'false) continue;', 'sweep'],
  ['rnn-bptt-graph', 'if (known(name)) svg += number', 'svg += number', 'sweep'],
  ['rnn-bptt-graph', '= ${times(w, n(da[t]))} = ${n(dh[now])}', '= ${times(w, n(da[t]))} = ${n(dh[t])}', 'sweep'],
  ['rnn-bptt-graph', 'step: figure.values.step - 1', 'step: figure.values.step - 2', 'buttons'],
  ['rnn-bptt-graph', 'pitch - 14) / 2', 'pitch - 44) / 2', 'legible'],
  ['rnn-perplexity', 'H + spread ** 2 / 2,', 'H - spread ** 2 / 2,', 'numbers'],
  ['rnn-perplexity', '(l * spread) ** 2 / 2', 'l * spread ** 2 / 2', 'numbers'],
  ['rnn-perplexity', '(1 - shares.padding) * H + shares', '(1 - shares.padding) * H - shares', 'numbers'],
  ['rnn-perplexity', 'lengths * Math.min(padding, 1 - padding)', 'lengths * padding', 'numbers'],
  ['rnn-perplexity', '0) / LENGTHS),', '0) / (LENGTHS - 1)),', 'numbers'],
  ['rnn-perplexity', 'PAD + x(n), PAD + y(log)', 'PAD + x(n), PAD + y(log / 2)', 'drawn'],
  ['rnn-perplexity', 'cx="${px(PAD + x(at))}"', 'cx="${px(PAD + x(90 - at))}"', 'drawn'],
  ['rnn-perplexity', '10 ** power, ', '2 ** power, ', 'drawn'],
  ['rnn-perplexity', 'at, perplexity(v[name])', 'at, perplexity(v.counted)', 'ways'],
  ['rnn-perplexity', 'bar(0, l, n, blue) + bar(l, 1, n, grey)', 'bar(0, l, n, grey) + bar(l, 1, n, blue)', 'ways'],
  ['rnn-perplexity', '${perplexity(v.padded)} with padding', '${perplexity(v.counted)} with padding', 'ways'],
  ['rnn-perplexity', 'spread: 1.2, lengths: 1', 'spread: 1, lengths: 1', 'buttons'],
  ['rnn-perplexity', 'text(52, at, label)', 'text(252, at, label)', 'legible'],
  ['rnn-wheel', 'turned[t] - turned[t - 1] : 0', 'turned[t] : 0', 'numbers'],
  ['rnn-wheel', '2 * (t * this.count + d) + axis', '2 * (t * this.count + d) + 1 - axis', 'numbers'],
  ['rnn-wheel', 'middle - k * y]', 'middle + k * y]', 'wheel'],
  ['rnn-wheel', "text(nx, ny + 4.5, d,", "text(nx, ny + 4.5, (d + 1) % 10,", 'wheel'],
  ['rnn-wheel', 'foot - Math.max(0.5, right / 2)', 'foot - Math.max(0.5, right)', 'wheel'],
  ['rnn-wheel', '!free(taken[level] ??= [])', 'false && level', 'legible'],
  ['rnn-wheel', 't: figure.values.t + 1', 't: figure.values.t + 4', 'buttons'],
  ['rnn-wheel', '(a[1] - at[digit] + 360) % 360 - (b[1] - at[digit] + 360) % 360', 'a[1] - b[1]', 'wheel'],
  ['rnn-wheel', 'if (!this.data) return; // the still drawing stays', '', 'errors'],
  ['rnn-optimizer-paths', 'Math.sqrt(m.v) + 1e-8);', 'Math.sqrt(m.v + 1e-8));', 'paths'],
  ['rnn-optimizer-paths', '0.999 ** t', '0.999 ** (t + 1)', 'paths'],
  ['rnn-optimizer-paths', '(m.b = t === 1 ? g : MOMENTUM * m.b + g),\n    },\n    nesterov', '(m.b = MOMENTUM * (m.b ?? 0) + 0.1 * g),\n    },\n    nesterov', 'paths'],
  ['rnn-optimizer-paths', 'g + MOMENTUM * (m.b', 'MOMENTUM * (m.b', 'paths'],
  ['rnn-optimizer-paths', '(4 * u - 300 * v) / 5', '(4 * u + 300 * v) / 5', 'paths'],
  ['rnn-optimizer-paths', 'y * (y * y - 1)]', 'y * (y * y - 1.0000001)]', 'paths'],
  ['rnn-optimizer-paths', '(x * x + 100 * y * y) / 2, gradient', '(x * x + 100 * y * y), gradient', 'paths'],
  ['rnn-optimizer-paths', 'apart(w) <= BOUND ?', 'true ?', 'paths'],
  ['rnn-optimizer-paths', 'through(path.map(inside)', 'through(path.slice(1).map(inside)', 'paths'],
  ['rnn-optimizer-paths', 'adagrad: 1, adadelta: 79', 'adagrad: 2, adadelta: 79', 'choices'],
  ['rnn-optimizer-paths', "this.svg.addEventListener('click',", "this.svg.addEventListener('dblclick',", 'map'],
  ['rnn-optimizer-paths', 'ArrowUp: [0, 1]', 'ArrowUp: [0, -1]', 'map'],
  ['rnn-optimizer-paths', 'event.buttons === 1', 'true', 'map'],
  ['rnn-optimizer-paths', "this.shadowRoot.addEventListener('input', () => this.stop());", '', 'buttons'],
  ['rnn-optimizer-paths', 'this.playing = setInterval(tick, 40);', '', 'buttons'],
  ['rnn-word-map', 'if (m === n || best.length', 'if (best.length', 'numbers'],
  ['rnn-word-map', 'best.sort((p, q) => p[1] - q[1]).splice(most);', 'best.splice(most);', 'numbers'],
  ['rnn-word-map', 'cosine[NEAREST * n + k] / 100', 'cosine[NEAREST * n + k + 1] / 100', 'numbers'],
  ['rnn-word-map', '(sum, m) => sum + this.same', '(sum, m) => Math.max(sum, 0) + 2 * this.same', 'numbers'],
  ['rnn-word-map', 'middle[1] - k * (b - y)', 'middle[1] + k * (b - y)', 'words'],
  ['rnn-word-map', 'Math.max(2, next.zoom)', 'Math.max(1, next.zoom)', 'words'],
  ['rnn-word-map', 'for (const n of [...first, ...pixels.keys()])', 'for (const n of [...first, ...[...pixels.keys()].reverse()])', 'words'],
  ['rnn-word-map', '(own && places.sort', '(places.sort', 'legible'],
  ['rnn-word-map', '].filter(inside);', '];', 'legible'],
  ['rnn-word-map', "row-gap: 0.3rem;", 'grid-template-columns: 30rem;', 'sideways'],
  ['rnn-word-map', 'find((count) => count > n && ', 'find((count) => ', 'words'],
  ['rnn-word-map', 'if (!value || this.rank.has(value)) this', 'if (this.rank.has(value)) this', 'words'],
  ['rnn-word-map', 'event.stopPropagation(); // a letter', '// a letter', 'words'],
  ['rnn-word-map', 'own.toLowerCase().startsWith(low)', 'own.startsWith(typed)', 'words'],
  ['rnn-word-map', "v.zoom > 1 ? 'none' : 'pan-y'", "'none'", 'words'],
  ['rnn-word-map', "v.zoom > 1 ? 'none' : 'pan-y'", "'pan-y'", 'words'],
  ['rnn-word-map', '|| moved > TAP) return;', ') return;', 'words'],
  ['rnn-word-map', 'this.zoom(apart / before.apart', 'this.zoom(1', 'words'],
  ['rnn-word-map', 'if (!event.ctrlKey && !event.metaKey) return;', '', 'words'],
  ['rnn-word-map', 'event.preventDefault(); // no scrolling\n', '\n', 'words'],
  ['rnn-word-map', '/ 50), at(event));', '/ 50));', 'words'],
  ['rnn-word-map', 'if (!event.ctrlKey && !event.metaKey) return; // the page scrolls', '', 'words'],
  ['rnn-word-map', '> Math.abs(up * dx)', '> 2 * Math.abs(up * dx)', 'words'],
  ['rnn-word-map', "svg.tabIndex = 0;", '', 'words'],
  ['rnn-word-map', '.lists, .hint { display: none; }', '', 'print'],
  ['rnn-word-map', '<ol aria-labelledby="${name}">', '<ol aria-labelledby="${name}" role="img">', 'a11y'],
  ['rnn-figure', "box.addEventListener('change', () => this.changed());", '', 'choices'],
  ['rnn-figure', "input.addEventListener('input', () => this.changed());", "input.addEventListener('change', () => this.changed());", 'mouse'],
  ['rnn-figure', "input.addEventListener('input', () => this.changed());", '', 'keyboard'],
  ['rnn-figure', "this.setAttribute('data-lm-suppress-shortcuts', 'true');", '', 'keyboard'],
  ['rnn-figure', 'if (KEYS.test(event.key)) event.stopPropagation();', '', 'keyboard'],
  ['rnn-figure', 'const PAUSE = 400;', 'const PAUSE = 0;', 'text'],
  ['rnn-figure', 'const PAUSE = 400;', 'const PAUSE = 1e6;', 'keyboard'],
  ['rnn-figure', '.card { max-width', '.card { display: flex; flex-direction: column-reverse; max-width', 'text'],
  ['rnn-figure', 'height: 44px; margin: 0;', 'height: 24px; margin: 0;', 'size'],
  ['rnn-figure', 'minmax(0, 7.5rem) minmax(0, 1fr) minmax(0, 4.2rem)', '17.5rem 9rem 4.2rem', 'sideways'],
  ['rnn-figure', '${title}<input type="range"', '${title}</label><label><input type="range"', 'a11y'],
  ['rnn-figure', ': `<span>${label}</span>`', ': `<span hidden>${label}</span>`', 'a11y'],
  ['rnn-figure', 'color: ${INK}; background: #f2f2f2;', 'color: #aaa; background: #f2f2f2;', 'a11y'],
  ['rnn-figure', '@media print { input, select, .presets { display: none; }', '@media print {', 'print'],
  ['rnn-figure', '::slotted(.fallback) { display: none !important; }', '', 'fallback'],
  ['rnn-figure', '<slot></slot>', '', 'fallback', 'book/page.html'],
  ['rnn-figure', 'this.svg = root', "fetch('https://example.org/x').catch(() => {}); this.svg = root", 'offline'],
  ['rnn-figure', 'this.inputs = {};', 'this.inputs = (globalThis.shared ??= {});', 'numbers'],
  ['rnn-figure', 'globalThis.RnnFigure ??=', 'const RnnFigure =', 'errors'],
];

async function selftest(expected, some) {
  let wrong = 0;
  for (const one of Object.values(expected.figures).flatMap((figure) => [figure, ...Object.values(figure.data ?? {})])) one.cases = one.cases?.slice(0, 22);
  for (const [script, from, to, kind, page = 'notebooks/lab.html'] of BROKEN.filter((entry) => entry.join().includes(some))) {
    const source = expected.scripts[script];
    if (source.split(from).length !== 2) { wrong++; console.log(`FAIL ${script}: does not hold once: ${from}`); continue; }
    const broken = source.replace(from, () => to);
    const own = expected.figures[script]; // what the others share is tried on all
    const figures = structuredClone(own ? { [script]: own } : expected.figures);
    for (const figure of Object.values(figures)) figure.html = figure.html.replace(source, () => broken);
    const { problems } = await check({ figures, scripts: { ...expected.scripts, [script]: broken } }, { made: [page], log: () => {} });
    const kinds = [...new Set(problems.map((text) => text.split(':')[0]))];
    const found = kinds.includes(kind);
    wrong += !found;
    console.log(`${found ? 'ok  ' : 'FAIL'} ${script}, ${to.slice(0, 50) || `without ${from.slice(0, 40)}`}: wanted ${kind}, found ${kinds.join(', ') || 'nothing'}`);
  }
  console.log(wrong ? `${wrong} breaks were not found` : 'the check finds what it should');
  return wrong;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2);
  const root = words.find((word) => !word.startsWith('--'));
  try {
    if (root && !existsSync(root)) throw new Error(`no such folder: ${root} (build the book first: make book)`);
    const expected = expectations('interactive_numbers.py');
    const breaks = words.find((word) => word.startsWith('--selftest'));
    const failed = breaks ? await selftest(expected, breaks.slice('--selftest='.length)) : (await check(expected, { root: root && resolve(root), write: words.includes('--write') })).failed;
    process.exitCode = failed ? 1 : 0;
  } catch (error) {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
    console.error(`interactive: ${missing ? 'run tools/vendor.sh first (playwright-core and axe-core are not installed)' : error.message}`);
    process.exitCode = 2;
  }
}
