#!/usr/bin/env node
// The word model that writes in the reader's browser, on the page that shows it: against torch, by mouse, keyboard and touch.
//
//   node tests/browser/word_writer.mjs _build/html [--selftest[=WORDS]] [--shots DIR]
//
//   load      nothing is asked for before the button; then one script of at most 2.5 MB, as large as the button says
//   logits    within 1e-3 of torch's float32, from the same eight-bit weights;  greedy: 30 words as torch writes them
//   likely    the five likeliest words, their shares and the entropy as torch's, at three temperatures;  unk: left out, or not;  start: <s> never
//   take      a press on one of the five takes it;  back: One word back gives the state before
//   unread    a word that the model does not know is read as <unk>, and said
//   seed      the same seed, the same text, and another for another;  stop: Stop stops, Clear clears
//   keyboard, phone, missing, file, fallback, a11y, errors, offline   as in char_writer.mjs
// --selftest breaks the scripts, one thing at a time, and wants each found by the part that should. --shots writes light, dark and phone.png.
// PYTHON names the Python that has rnnlib. Ends with "N passed, N failed".

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NEAR, command, loadByKey, loading, looks, open, tabTo, withoutWeights } from './writer.mjs';

const LARGEST = 2_500_000; // bytes of the script with weights
const words = (w) => w.host.evaluate((e) => [...e.symbols]);
const shown = (w) => w.host.evaluate((e) => ({
  likely: e.values.likely, entropy: e.values.entropy, says: e.describe(e.values),
  rows: [...e.shadowRoot.querySelectorAll('.next button')].map((row) => row.innerText.split(/\s+/).filter(Boolean)),
}));

/** What is loaded, and that it computes and writes as torch does. */
async function compare(browser, book, name, note, swap, wanted) {
  const w = await open(browser, book, note, { swap });
  try {
    const size = await loading(w, book, name, note, LARGEST);
    if (!size) return '';

    const worst = await w.host.evaluate((e, { numbers, logits }) => {
      const found = e.model.logits(numbers.map((k) => e.model.symbols[k]));
      return Math.max(...found.map((row, t) => row.reduce((most, value, k) => Math.max(most, Number.isNaN(value) ? Infinity : Math.abs(value - logits[t][k])), 0)));
    }, wanted);
    if (!(worst <= NEAR)) note('logits', `differ by up to ${worst}`);

    await w.set({ beginning: wanted.beginning, choose: 'greedy', length: 30, speed: 3, unk: 'never' });
    for (const [temperature, { words: most, p, entropy }] of Object.entries(wanted.likely)) {
      await w.set({ temperature });
      const now = await shown(w);
      if (String(now.likely.map(([word]) => word)) !== String(most)) note('likely', `${now.likely.map(([word]) => word)}, torch has ${most}`);
      if (now.likely.some(([, value], n) => Math.abs(value - p[n]) > 1e-4)) note('likely', `${now.likely.map(([, value]) => value)}, torch has ${p}`);
      if (!(Math.abs(now.entropy - entropy) < 1e-3)) note('likely', `entropy ${now.entropy}, torch has ${entropy}`);
      if (now.rows.some(([word], n) => word !== (most[n] === '\n' ? '⏎' : most[n]))) note('likely', `the buttons say ${now.rows.map(([word]) => word)}`);
      if (now.rows.some((row, n) => !(Math.abs(parseFloat(row[1]) / 100 - p[n]) < 0.0051) && !row.join('').includes('<'))) note('likely', `the buttons say ${now.rows.join(' ')} of ${p}`);
    }
    await w.write();
    const given = wanted.beginning.split(' ').length;
    const greedy = (await words(w)).slice(given);
    if (String(greedy) !== String(wanted.greedy)) note('greedy', `${greedy.slice(0, 8)} …, torch: ${wanted.greedy.slice(0, 8)} …`);
    return `largest difference of a logit ${worst.toExponential(1)}, ${(size / 1000).toFixed(0)} kB, ${await w.host.evaluate((e) => e.wrote)}`;
  } finally {
    await w.close();
  }
}

async function controls(browser, book, name, note, swap, shots, wanted) {
  const w = await open(browser, book, note, { swap });
  try {
    await w.load(name);
    await w.named('beginning').fill('The first xyzzy, of the');
    if (String(await words(w)) !== 'The,first,xyzzy,,,of,the') note('unread', `reads ${await words(w)}`);
    if (!(await shown(w)).says.includes('Read as <unk>') || !(await shown(w)).says.includes('xyzzy')) note('unread', `says "${(await shown(w)).says}"`);
    await w.named('beginning').fill(wanted.beginning);

    // one of the five is taken, and given back
    const before = await shown(w);
    await w.part('.next button').nth(1).click();
    const taken = await words(w), after = await shown(w);
    if (taken.length !== 6 || taken.at(-1) !== before.likely[1][0]) note('take', `${taken} after a press on ${before.likely[1][0]}`);
    if (String(after.rows) === String(before.rows)) note('take', 'the five stay as they were');
    await w.press('One word back');
    if ((await words(w)).length !== 5 || String((await shown(w)).likely) !== String(before.likely)) note('back', 'another state than before');
    await w.press('One word back');
    if ((await words(w)).length !== 5) note('back', 'takes of the beginning');

    // <unk>
    await w.set({ temperature: 1, unk: 'may' });
    const { p } = await w.get(), unk = await w.host.evaluate((e) => e.model.index.get('<unk>'));
    if (!(Math.abs(p[unk] - wanted.likely['1.0'].unk) < 1e-4)) note('unk', `${p[unk]}, torch has ${wanted.likely['1.0'].unk}`);
    const start = await w.host.evaluate((e) => e.model.index.get('<s>'));
    if (p[start] !== 0) note('start', `<s> has the probability ${p[start]}`);
    await w.set({ unk: 'never' });
    if ((await w.get()).p[unk] !== 0) note('unk', 'is not left out');

    // seeds, stop, clear
    await w.set({ choose: 'sample', length: 30, speed: 3 });
    const texts = [];
    for (const seed of [7, 7, 8]) {
      await w.named('seed').fill(String(seed));
      await w.press('Clear');
      await w.write();
      texts.push((await w.get()).text);
    }
    if (texts[0] !== texts[1] || (await words(w)).length !== 35) note('seed', `7 twice: "${texts[0]}" and "${texts[1]}"`);
    if (texts[0] === texts[2]) note('seed', '8 gives the text of 7');
    await w.set({ seed: 7, length: 1000, speed: 1.2 });
    await w.press('Write');
    await w.until('e.symbols.length > 8');
    await w.press('Stop');
    const stopped = (await words(w)).length;
    await w.page.waitForTimeout(400);
    const now = await w.get();
    if ((await words(w)).length !== stopped || now.writing) note('stop', `${stopped} words at Stop, ${(await words(w)).length} later`);
    if (!texts[0].startsWith(now.text)) note('seed', `stopped, "${now.text}" is not the beginning of "${texts[0]}"`);
    await w.press('Clear');
    if (String(await words(w)) !== String(wanted.beginning.split(' '))) note('stop', 'Clear leaves something');
    await w.named('beginning').fill('');
    await w.set({ length: 10 });
    await w.write();
    if ((await words(w)).length !== 10) note('unread', 'an empty beginning does not write');
  } finally {
    await w.close();
  }
}

async function byKeyboard(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    const { keyboard } = w.page;
    await loadByKey(w, note);
    await keyboard.press('Enter');
    await w.until('e.symbols.length > 4');
    await tabTo(w, 'Stop', note);
    await keyboard.press('Space');
    if ((await w.get()).writing) note('keyboard', 'did not stop');
    for (const control of ['Clear', 'Another text', 'One word back', 'paper', 'choose', 'temperature']) await tabTo(w, control, note);
    await keyboard.press('Tab');
    const before = (await words(w)).length;
    await keyboard.press('Enter');
    if ((await words(w)).length !== before + 1) note('keyboard', 'Enter on the likeliest word does not take it');
    for (const control of ['length', 'speed', 'seed', 'unk']) await tabTo(w, control, note);
  } finally {
    await w.close();
  }
}

const phone = {
  settings: { speed: 3 },
  least: 30,
  async onPhone(w, note, measure) {
    await w.named('beginning').fill('xyzzy'.repeat(50)); // the longest word
    await measure();
    await w.part('.next button').first().tap();
    if ((await words(w)).length !== 2) note('phone', 'a tap does not take a word');
  },
};

export const writer = {
  tag: 'rnn-word-writer',
  shown: '<rnn-word-writer',
  each: [compare],
  steps: new Map([ // what each of them may find
    [compare, ['a model', 'load logits likely greedy offline']],
    [controls, ['the controls', 'take back unread unk start seed stop']],
    [byKeyboard, ['the keyboard', 'keyboard']],
    [withoutWeights, ['without weights', 'missing']],
    [looks(phone), ['light, dark, phone, file', 'phone a11y fallback file']],
  ]),
  first: 'words_lstm',
  broken: [
    ['rnn-model', 'this.table.subarray(k * E, (k + 1) * E)', 'this.table.subarray(0, E)', 'logits'],
    ['rnn-model', 'q * step[Math.floor(n / shape[1])]', 'q * step[0]', 'logits'],
    ['rnn-word-writer', "this.model.index.get(END)); // as", '0); // as', 'likely'],
    ['rnn-word-writer', 'p[k] <= likely.at(-1)[1]', 'p[k] < 1', 'likely'],
    ['rnn-word-writer', "this.inputs.unk.value === 'never'", 'false', 'unk'],
    ['rnn-word-writer', '[START, ...', '[...', 'start'],
    ['rnn-word-writer', 'this.read(this.values.likely[n][2]);', 'this.read(this.values.likely[0][2]);', 'take'],
    ['rnn-word-writer', 'this.symbols.slice(this.given, -1)', 'this.symbols.slice(this.given)', 'back'],
    ['rnn-word-writer', "' $1 '", "'$1'", 'unread'],
    ['rnn-writer', 'this.random = generator(Number(this.inputs.seed.value));', 'this.random = Math.random;', 'seed'],
    ['rnn-word-writer', 'grid-template-columns: minmax(0, 7rem) minmax(0, 1fr) 4.2rem', 'grid-template-columns: 20rem 10rem 4.2rem', 'phone'],
  ],
};

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await command(writer, 'word_writer_numbers.py');
