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

import { availableParallelism, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BASE } from './check.mjs';
import { DESKTOP, NEAR, command, loadByKey, loading, looks, open, tabTo, withoutWeights } from './writer.mjs';

const FAST = 300; // characters a second
const LARGEST = 700_000; // bytes of a script with weights

/** One model on the desktop: what is loaded, and that it computes and writes as torch does. */
async function compare(browser, book, name, note, swap, wanted) {
  const w = await open(browser, book, note, { swap });
  try {
    const size = await loading(w, book, name, note, LARGEST, async () => {
      await w.named('model').selectOption(name);
      if (await w.part('.presets button').first().isEnabled()) note('load', 'Write is offered without a model');
    });
    if (!size) return '';

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
        for (let unit = 0; unit < 128; unit++) shown.push(await w.host.evaluate((e, u) => { e.inputs.unit.value = u; return e.activation(e.symbols.length - 1); }, unit));
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
    await w.until('e.symbols.length > 20');
    if ((await w.get()).heard) note('said', 'speaks while it writes');
    await w.press('Stop');
    const stopped = await w.get();
    await w.page.waitForTimeout(400);
    now = await w.get();
    if (now.text !== stopped.text || now.writing || now.text.length >= 5000) note('stop', `${stopped.text.length} characters at Stop, ${now.text.length} later`);
    if (now.heard !== now.text.slice(11)) note('said', `says "${now.heard}" of "${now.text}"`);
    await w.set({ speed: 3 });
    await w.press('Write');
    await w.until('e.symbols.length > 200');
    await w.press('Stop');
    if ((await w.get()).text.slice(0, 111) !== texts[0]) note('seed', 'a stop changes what comes after it');
    await w.press('Clear');
    if ((await w.get()).text !== 'Once upon a') note('stop', 'Clear leaves something');
    await w.press('Another');
    await w.until('!e.frame || e.symbols.length > 120');
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
    await w.named('model').focus();
    await page.keyboard.press(name === 'grimm' ? 'ArrowUp' : 'ArrowDown');
    await tabTo(w, 'load', note);
    await loadByKey(w, note);
    await w.named('model').focus();
    await tabTo(w, 'beginning', note);
    await page.keyboard.press('Control+A');
    await page.keyboard.type('The king');
    await tabTo(w, 'write', note);
    await page.keyboard.press('Enter');
    await w.until('e.symbols.length > 12');
    await tabTo(w, 'Stop', note);
    await page.keyboard.press('Space');
    const stopped = await w.get();
    if (stopped.writing || !stopped.text.startsWith('The king')) note('keyboard', `did not write and stop: "${stopped.text}"`);
    for (const control of ['Clear', 'Another text', 'paper', 'choose', 'temperature', 'length', 'speed', 'seed', 'cell', 'find', 'layer', 'unit']) await tabTo(w, control, note);
    await page.keyboard.press('End');
    if (await w.host.evaluate((e) => e.values.unit) !== 127) note('keyboard', 'End does not move the unit');
  } finally {
    await w.close();
  }
}

/** On the start page the playground stands on the first screen, the small writer on the second, and one press makes it write. */
async function startPage(browser, book, name, note, swap) {
  if (name !== 'grimm') return; // it has one model
  const w = await open(browser, book, note, { address: `${book.origin}${BASE}book/index.html`, swap });
  try {
    const { y, height } = await w.host.boundingBox(), first = await w.page.locator('rnn-playground').boundingBox();
    if (y + height > 2 * DESKTOP.viewport.height) note('start', `it ends ${Math.round(y + height)} px below the top`);
    if (first.y + first.height > DESKTOP.viewport.height) note('start', `the playground ends ${Math.round(first.y + first.height)} px below the top`);
    await w.part('.load').click();
    await w.until('e.symbols.length >= e.given + 100');
    await w.part('button', 'Stop').filter({ hasText: 'Stop' }).click();
    const { text, wanted } = await w.get();
    if (!text.startsWith(wanted)) note('start', `it wrote ${text} after ${wanted}`);
  } finally {
    await w.close();
  }
}

const phone = {
  settings: { speed: 3, cell: 'c' },
  least: 300,
  async onPhone(w, note, measure) {
    await w.named('beginning').fill('☃'.repeat(90)); // the longest message
    await measure();
    await w.named('beginning').fill('A');
    await w.part('.write').tap();
    await w.until('e.symbols.length > 20');
  },
};

const STEPS = new Map([ // what each of them may find
  [compare, ['a model', 'load logits greedy speed bars cells offline']],
  [controls, ['the controls', 'beginning temperature seed stop said unknown colours']],
  [byKeyboard, ['the keyboard', 'keyboard']],
  [withoutWeights, ['without weights', 'missing']],
  [looks(phone), ['light, dark, phone, file', 'phone a11y fallback file']],
  [startPage, ['the start page', 'start offline']],
]);

export const writer = {
  tag: 'rnn-char-writer', shown: '<rnn-char-writer>', /* not the small one of the start page */ steps: STEPS, each: [compare], first: 'grimm',
  broken: [
    ['rnn-model', 'g = Math.tanh(a[2 * H + j]), o = sigmoid(a[3 * H + j])', 'g = Math.tanh(a[3 * H + j]), o = sigmoid(a[2 * H + j])', 'logits'],
    ['rnn-model', 'i = sigmoid(a[j]), f = sigmoid(a[H + j])', 'f = sigmoid(a[j]), i = sigmoid(a[H + j])', 'logits'],
    ['rnn-model', 'Float64Array.from(b); // (4H)', 'new Float64Array(4 * H); // (4H)', 'logits'],
    ['rnn-model', 'Float64Array.from(this.b)', 'new Float64Array(K)', 'logits'],
    ['rnn-model', 'W_x[row * K + k]', 'W_x[row * K + K - 1 - k]', 'logits'],
    ['rnn-model', 'fraction / 1024)', 'fraction / 1030)', 'logits'],
    ['rnn-model', 'h[j] = Math.tanh(c[j]) * o', 'h[j] = c[j] * o', 'logits'],
    ['rnn-weights-grimm', 'ab', 'ba', 'logits'],
    ['rnn-model', '(logit - most) / temperature', '(logit - most) * temperature', 'temperature'],
    ['rnn-model', 'Math.log2(value)', 'Math.log(value)', 'bars'],
    ['rnn-model', 'shown.set(h, (state', 'shown.set(c, (state', 'cells'],
    ['rnn-model', 'if (place < 0) return', 'if (place < 9) return', 'unknown'],
    ['rnn-writer', "this.random = generator(Number(this.inputs.seed.value));", 'this.random = Math.random;', 'seed'],
    ['rnn-writer', "this.random = generator(Number(this.inputs.seed.value));", 'this.random = generator(1);', 'seed'],
    ['rnn-writer', "this.inputs.choose.value === 'greedy' ? 0 : ", '', 'greedy'],
    ['rnn-writer', "      cancelAnimationFrame(this.frame);\n      this.frame = 0;\n      this.heard", "      this.frame = 0;\n      this.heard", 'stop'],
    ['rnn-writer', 'this.heard.textContent = this.said(this.from);', '', 'said'],
    ['rnn-writer', '        this.redraw();\n      };', "        this.heard.textContent = this.text;\n        this.redraw();\n      };", 'said'],
    ['rnn-char-writer', 'if (key !== this.painted)', 'if (false)', 'colours'],
    ['rnn-char-writer', 'inset 0 ${0.45 * n}px', 'inset 0 -${0.45 * n}px', 'colours'],
    ['rnn-char-writer', 'kB: 664, beg', 'kB: 500, beg', 'load'],
    ['rnn-writer', 'const ready = {}', 'document.head.append(Object.assign(document.createElement(`script`), { src: new URL(`rnn-weights-grimm.js`, HOME) })); const ready = {}', 'load'],
    ['rnn-writer', ':host(:not([loaded])) ::slotted(.fallback) { display: block !important; }', '', 'missing'],
    ['rnn-model', "fail('Nothing came.')", "fail('')", 'missing'],
    ['rnn-model', 'delete coming[name];', '', 'missing'],
    ['rnn-writer', 'grid-template-columns: minmax(0, 6.8rem) minmax(0, 1fr) minmax(0, 3.6rem)', 'grid-template-columns: 14rem 14rem 3.6rem', 'phone'],
    ['rnn-writer', 'this.buttons[0].focus();', 'void 0;', 'keyboard'],
    ['rnn-char-writer', 'this.trace.push(', 'for (let n = 0; n < 20; n++) this.model.logits("a"); this.trace.push(', 'speed'],
    ['rnn-writer', 'the beginning<textarea', '<textarea', 'a11y'],
    ['rnn-model', 'new URL(`rnn-weights-${name}.js`, home)', '`https://example.org/rnn-weights-${name}.js`', 'offline'],
  ],
};

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await command(writer, 'char_writer_numbers.py');
