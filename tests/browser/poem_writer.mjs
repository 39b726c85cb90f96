#!/usr/bin/env node
// The poem writer, by mouse, keyboard and touch: a model of random weights on a page made here, and the book's page where there are trained ones.
//
//   node tests/browser/poem_writer.mjs [_build/html] [--selftest[=WORDS]] [--shots DIR]
//
//   load      nothing is asked for before the button; then one script of at most 2.5 MB, as large as the button says
//   logits    within 1e-9 of torch's float64, relative to the largest, from the same eight-bit weights
//   greedy    poems as torch writes them, in both forms, from first characters and as acrostics
//   likely    the likeliest, their shares, the entropy and what the form leaves as torch's, at three temperatures and at each kind of place
//   form      whatever is drawn: characters at their places, the signs at theirs, the acrostic, and no end, start or unknown character
//   unknown   a character that the model does not know, one that is none, too many, too few: a message that names it, and no poem
//   given     examples, spaces and typed signs are taken; half a character, still being composed, is not
//   take      a press on one of the five takes it;  back: One character back gives the state before;  whole: then another poem of the next seed
//   seed      the same seed, the same poem, and another for another;  stop: Stop stops, Clear clears;  said: the finished poem
//   chinese   Chinese text is marked as such;  print: the poem, no controls
//   keyboard, phone, missing, file, fallback, a11y, errors, offline   as in char_writer.mjs
// --selftest breaks the scripts, one thing at a time, and wants each found by the part that should. --shots writes light, dark and phone.png.
// PYTHON names the Python that has rnnlib. Ends with "N passed, N failed".

import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command, loadByKey, loading, looks, open, tabTo, withoutWeights } from './writer.mjs';

const SCRIPTS = resolve(dirname(fileURLToPath(import.meta.url)), '../../rnnlib/interactive/js');
const LARGEST = 2_500_000; // bytes of the script with weights
const NEAR = 1e-9; // of a logit, relative to the largest; of a probability
const HAN = /^\p{Script=Han}$/u;

/** A page that shows the writer with a model whose weights are random. */
function make(folder, { script }) {
  mkdirSync(join(folder, '_static'));
  mkdirSync(join(folder, 'book'));
  for (const file of readdirSync(SCRIPTS)) copyFileSync(join(SCRIPTS, file), join(folder, '_static', file));
  writeFileSync(join(folder, '_static/rnn-weights-tang_made.js'), script);
  const scripts = ['figure', 'model', 'writer', 'likely-writer', 'poem-writer'].map((name) => `<script src="../_static/rnn-${name}.js" defer></script>`);
  writeFileSync(join(folder, 'book/page.html'), `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main><h1>A page</h1>${scripts.join('')}
<rnn-poem-writer model="tang_made" kb="${Math.round(script.length / 1000)}"><p class="fallback">A poem.</p></rnn-poem-writer></main></body></html>`);
}

const shown = (w) => w.host.evaluate((e) => ({
  text: e.text, likely: e.values.likely, entropy: e.values.entropy, own: e.values.own, says: e.describe(e.values), seed: e.inputs.seed.value,
  rows: [...e.shadowRoot.querySelectorAll('.next button')].filter((row) => !row.hidden).map((row) => row.innerText.split(/\s+/).filter(Boolean)),
  problem: e.shadowRoot.querySelector('.problem').textContent, lines: e.paper.innerText.split('\n').filter(Boolean), heard: e.heard.textContent,
}));
const give = (w, { how, given, form }, more = {}) => w.set({ how, beginning: given, form, ...more });

/** What is loaded, and that it computes and writes as torch does. */
async function compare(browser, book, name, note, swap, wanted) {
  const w = await open(browser, book, note, { swap });
  try {
    const size = await loading(w, book, name, note, LARGEST);
    if (!size) return '';

    const worst = await w.host.evaluate((e, { numbers, logits }) => {
      const found = e.model.logits(numbers.map((k) => e.model.symbols[k])), most = Math.max(...logits.flat().map(Math.abs));
      return Math.max(...found.map((row, t) => row.reduce((off, value, k) => Math.max(off, Number.isNaN(value) ? Infinity : Math.abs(value - logits[t][k]) / most), 0)));
    }, wanted);
    if (!(worst <= NEAR)) note('logits', `differ by up to ${worst}`);
    const han = await w.host.evaluate((e) => [...e.han.keys()].filter((k) => e.han[k]));
    if (String(han) !== String(wanted.han)) note('form', `${han.length} symbols are Chinese characters, not ${wanted.han.length}`);

    for (const poem of wanted.poems) {
      await give(w, poem, { choose: 'greedy', speed: 3 });
      await w.write();
      const { text, lines } = await shown(w);
      if (text !== poem.text) note('greedy', `${text}, torch: ${poem.text}`);
      if (lines.length !== 4 || lines.join('') !== text) note('form', `on the page: ${lines.join(' / ')}`);
    }

    for (const place of wanted.places) {
      await give(w, place);
      await w.host.evaluate((e, text) => { for (const letter of [...text].slice(e.symbols.length)) e.read(e.model.index.get(letter)); }, place.text);
      for (const [temperature, { letters, p, entropy, own }] of Object.entries(place.at)) {
        await w.set({ temperature });
        const now = await shown(w), at = `${place.how} ${place.given}, ${place.form}, after “${place.text}”, temperature ${temperature}`;
        const whole = letters[0] === '\n';
        if (now.text !== place.text) note('likely', `the text is ${now.text}, ${at}`);
        if (!(Math.abs(now.own - own) < NEAR)) note('likely', `the form leaves ${now.own}, torch has ${own}, ${at}`);
        if (whole) {
          if (now.likely.length || now.rows.length) note('likely', `${now.rows.join(' ')} after a whole poem, ${at}`);
          if (!now.says.includes('The poem is whole.')) note('likely', `says “${now.says}”, ${at}`);
          continue;
        }
        if (String(now.likely.map(([letter]) => letter)) !== String(letters)) note('likely', `${now.likely.map(([letter]) => letter)}, torch has ${letters}, ${at}`);
        if (now.likely.some(([, value], n) => !(Math.abs(value - p[n]) < NEAR))) note('likely', `${now.likely.map(([, value]) => value)}, torch has ${p}, ${at}`);
        if (!(Math.abs(now.entropy - entropy) < NEAR)) note('likely', `entropy ${now.entropy}, torch has ${entropy}, ${at}`);
        if (now.rows.some(([letter], n) => letter !== letters[n]) || now.rows.length !== letters.length) note('likely', `the buttons say ${now.rows.join(' ')}, ${at}`);
        if (now.rows.some((row, n) => !row.join('').includes('<') && !(Math.abs(parseFloat(row[1]) / 100 - p[n]) < 0.0051))) note('likely', `the buttons say ${now.rows.join(' ')} of ${p}, ${at}`);
        if (!now.says.includes(`“${letters[0]}”`)) note('likely', `says “${now.says}”, ${at}`);
      }
    }
    return `largest difference of a logit ${worst.toExponential(1)}, ${(size / 1000).toFixed(0)} kB`;
  } finally {
    await w.close();
  }
}

/** Whatever is drawn keeps the form. */
async function forms(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    await w.load(name);
    await w.set({ choose: 'sample', temperature: 2, speed: 3 });
    for (let n = 0; n < 12; n++) {
      const width = n % 2 ? 7 : 5, acrostic = n % 4 > 1, given = acrostic ? '風花雪月' : '月';
      await give(w, { how: acrostic ? 'acrostic' : 'first', given, form: width }, { seed: n });
      await w.write();
      const { text, heard } = await shown(w), lines = text.match(/[^，。]*[，。]?/g).filter(Boolean).map((line) => [...line]);
      const right = lines.length === 4 && lines.every((line, k) => line.length === width + 1 && line.slice(0, -1).every((letter) => HAN.test(letter)) && line.at(-1) === '，。'[k % 2]);
      if (!right) note('form', `lines of ${width}: ${text}`);
      if (acrostic ? lines.map((line) => line[0]).join('') !== given : !text.startsWith(given)) note('form', `${given} gives ${text}`);
      if (heard !== (acrostic ? text : text.slice(1))) note('said', `says “${heard}” of ${text}`);
    }
  } finally {
    await w.close();
  }
}

async function controls(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    await w.load(name);
    const first = await shown(w);
    if (first.text !== '日') note('given', `it begins with ${first.text}`);

    // what is given
    const field = w.named('beginning');
    for (const [how, typed, wanted] of [
      ['first', '日\u3000紅 山\n夜湖海', '日紅山夜湖，海'], ['first', '日紅山夜湖，海', '日紅山夜湖，海'], ['first', '日紅山夜湖，', '日紅山夜湖，'], ['first', '', ''], ['acrostic', '風花雪月', ''],
    ]) {
      await w.set({ how });
      await field.fill(typed);
      const now = await shown(w);
      if (now.text !== wanted || now.problem) note('given', `${how} “${typed}” gives “${now.text}” ${now.problem}`);
    }
    await w.named('example').selectOption('月');
    let now = await w.host.evaluate((e) => [e.text, e.values.how, e.inputs.beginning.value, e.inputs.example.value]);
    if (String(now) !== '月,first,月,') note('given', `the example 月 gives ${now}`);
    await w.named('how').selectOption('acrostic');
    now = await w.host.evaluate((e) => [e.text, e.inputs.beginning.value, e.shadowRoot.querySelector('.beginning').textContent]);
    if (String(now) !== ',春夏秋冬,four characters, for the four lines to begin with') note('given', `an acrostic begins with ${now}`);
    await w.named('how').selectOption('first');
    if ((await shown(w)).text !== '日') note('given', `first characters again: ${(await shown(w)).text}`);
    await w.host.evaluate((e) => { // an input method: half of a character is in the field
      e.inputs.beginning.value = 'yue';
      e.inputs.beginning.dispatchEvent(new InputEvent('input', { isComposing: true }));
    });
    if ((await shown(w)).text !== '日' || (await shown(w)).problem) note('given', `while a character is composed: ${(await shown(w)).problem}`);
    await w.host.evaluate((e) => { e.inputs.beginning.value = '月'; e.inputs.beginning.dispatchEvent(new CompositionEvent('compositionend')); });
    if ((await shown(w)).text !== '月') note('given', `a composed character gives ${(await shown(w)).text}`);

    // what cannot be read
    const known = await w.host.evaluate((e) => e.han.filter(Boolean).length.toLocaleString('en-GB'));
    const strange = await w.host.evaluate((e) => [...'龘靐囍𪚥'].find((letter) => !e.model.index.has(letter)));
    for (const [how, typed, ...says] of [
      ['first', `日${strange}`, `“${strange}”, character 2,`, `not among the ${known} Chinese characters`], ['first', '日A', '“A”, character 2,', 'no Chinese character'], ['first', '日<unk>', '“<”, character 2,'],
      ['first', '日，紅', '“，”, character 2,', 'no line ends there'], ['first', '日紅山夜湖。', '“。”, character 6,'], ['first', '日'.repeat(21), 'has 20 characters'],
      ['acrostic', '春夏秋', 'takes 4 characters', 'this has 3'], ['acrostic', '春夏秋冬日', 'this has 5'], ['acrostic', '', 'this has 0'], ['acrostic', `春夏秋${strange}`, `“${strange}”, character 4,`], ['acrostic', '春，秋冬', '“，”, character 2,'],
    ]) {
      await w.set({ how, form: 5 });
      await field.fill(typed);
      await w.part('.presets button').first().click();
      const { problem, text } = await shown(w);
      if (!says.every((part) => problem.includes(part)) || !await w.part('.problem').isVisible()) note('unknown', `${how} “${typed}”: says “${problem}”`);
      if (text || (await w.get()).writing) note('unknown', `${how} “${typed}”: writes “${text}”`);
      if (await field.getAttribute('aria-invalid') !== 'true') note('unknown', 'the field is not marked');
    }
    await w.set({ how: 'first', form: 7 });
    await field.fill('日'.repeat(28));
    if ((await shown(w)).problem || [...(await shown(w)).text].length !== 31) note('given', `28 characters: ${(await shown(w)).problem}`);
    await field.fill('日');
    if (await field.getAttribute('aria-invalid') !== 'false') note('unknown', 'the message stays');

    // one of the five is taken, and given back
    await w.set({ form: 5, temperature: 1, choose: 'sample', speed: 3 });
    const before = await shown(w);
    await w.part('.next button').nth(1).click();
    const after = await shown(w);
    if (after.text !== `日${before.likely[1][0]}`) note('take', `${after.text} after a press on ${before.likely[1][0]}`);
    if (String(after.rows) === String(before.rows)) note('take', 'the five stay as they were');
    await w.press('One character back');
    const again = await shown(w);
    if (again.text !== '日' || String(again.likely) !== String(before.likely)) note('back', 'another state than before');
    await w.press('One character back');
    if ((await shown(w)).text !== '日') note('back', 'takes of the beginning');

    // seeds, whole poems, stop, clear
    const texts = [];
    for (const seed of [7, 7, 8]) {
      await w.named('seed').fill(String(seed));
      await w.press('Clear');
      await w.write();
      texts.push((await shown(w)).text);
    }
    if (texts[0] !== texts[1]) note('seed', `7 twice: “${texts[0]}” and “${texts[1]}”`);
    if (texts[0] === texts[2]) note('seed', '8 gives the poem of 7');
    await w.set({ seed: 7 });
    await w.write();
    await w.write();
    const next = await shown(w);
    if (next.text !== texts[2] || next.seed !== '8') note('whole', `after the poem of 7 comes that of ${next.seed}: ${next.text}`);
    await w.press('One character back');
    if ((await shown(w)).text !== texts[2].slice(0, -1) || (await shown(w)).rows.join() !== '。,100,%') note('back', `from a whole poem: ${(await shown(w)).rows}`);
    await w.set({ seed: 7, speed: 1 });
    await w.press('Clear');
    await w.press('Write');
    // heard and stopped within the page: on a busy machine a press from here may come after the poem's end
    const heard = await w.until(`e.symbols.length > 3 && [e.heard.textContent, [...e.shadowRoot.querySelectorAll('button')].find((b) => b.textContent === 'Stop').click()]`);
    if ((await heard.jsonValue())[0]) note('said', 'speaks while it writes');
    const stopped = (await shown(w)).text;
    await w.page.waitForTimeout(400);
    if ((await shown(w)).text !== stopped || (await w.get()).writing) note('stop', `${stopped} at Stop, ${(await shown(w)).text} later`);
    if (!texts[0].startsWith(stopped) || stopped === texts[0]) note('seed', `stopped, “${stopped}” is not the beginning of “${texts[0]}”`);
    await w.press('Clear');
    if ((await shown(w)).text !== '日') note('stop', 'Clear leaves something');

    // Chinese
    const other = await w.host.evaluate((e) => [...e.shadowRoot.querySelectorAll('.paper, textarea, .heard, .word')].filter((part) => part.lang !== 'zh-Hant').map((part) => part.className || part.name));
    if (other.length) note('chinese', `${other} are not marked as Chinese`);

    // paper
    await w.set({ speed: 3 });
    await w.write();
    await w.page.emulateMedia({ media: 'print' });
    const { text, lines } = await shown(w);
    const cut = await w.host.evaluate((e) => e.paper.scrollHeight > e.paper.clientHeight + 1);
    if (lines.join('') !== text || cut || !await w.part('.paper').isVisible()) note('print', 'the poem is not printed whole');
    if (await w.part('select, input, .presets button, .load').filter({ visible: true }).count()) note('print', 'controls are printed');
    await w.page.emulateMedia({ media: 'screen' });
  } finally {
    await w.close();
  }
}

async function byKeyboard(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    const { keyboard } = w.page;
    await loadByKey(w, note);
    await w.named('how').focus();
    await keyboard.press('ArrowDown');
    if (await w.host.evaluate((e) => e.values.how) !== 'acrostic') note('keyboard', 'an arrow does not choose an acrostic');
    for (const control of ['form', 'example', 'beginning']) await tabTo(w, control, note);
    await keyboard.press('Control+A');
    await keyboard.insertText('東西南北');
    await tabTo(w, 'write', note);
    await keyboard.press('Enter');
    await w.until('e.symbols.length > 2');
    await tabTo(w, 'Stop', note);
    await keyboard.press('Space');
    const stopped = await w.get();
    if (stopped.writing || !stopped.text.startsWith('東')) note('keyboard', `did not write and stop: “${stopped.text}”`);
    for (const control of ['Clear', 'Another text', 'One character back', 'paper', 'choose', 'temperature']) await tabTo(w, control, note);
    await keyboard.press('Tab');
    const { length } = stopped.text;
    await keyboard.press('Enter');
    if ((await w.get()).text.length <= length) note('keyboard', 'Enter on the likeliest character does not take it');
    for (const control of ['speed', 'seed']) await tabTo(w, control, note);
  } finally {
    await w.close();
  }
}

const phone = {
  settings: { speed: 3, form: 7, how: 'acrostic', beginning: '春夏秋冬' },
  least: 24,
  async onPhone(w, note, measure) {
    await measure();
    await w.named('beginning').fill('A'.repeat(300)); // a message
    await measure();
    await w.named('beginning').fill('東西南北');
    await w.part('.next button').first().tap();
    if ((await w.get()).text !== '東') note('phone', 'a tap does not take a character');
  },
};

export const writer = {
  tag: 'rnn-poem-writer',
  shown: '<rnn-poem-writer',
  make,
  each: [compare],
  steps: new Map([ // what each of them may find
    [compare, ['a model', 'load logits greedy likely form offline']],
    [forms, ['the form', 'form said']],
    [controls, ['the controls', 'unknown given take back whole seed stop said chinese print']],
    [byKeyboard, ['the keyboard', 'keyboard']],
    [withoutWeights, ['without weights', 'missing']],
    [looks(phone), ['light, dark, phone, file', 'phone a11y fallback file']],
  ]),
  first: 'tang_made',
  broken: [
    ['rnn-model', 'if (n) addProduct(a, W_x, state[n - 1].h);', 'if (n) addProduct(a, W_x, h);', 'logits'],
    ['rnn-model', 'q * step[Math.floor(n / shape[1])]', 'q * step[0]', 'logits'],
    ['rnn-poem-writer', 'this.model.index.get(START));', 'this.model.index.get(END));', 'likely'],
    ['rnn-poem-writer', '\\u{20000}-\\u{3ffff}]$/u', ']$/u', 'form'],
    ['rnn-poem-writer', '[\\u3007\\u3400', '[\\u3005-\\u3007\\u3400', 'form'],
    ['rnn-poem-writer', '(may(k) ? p : -Infinity)', 'p', 'greedy'],
    ['rnn-poem-writer', '(k) => this.han[k];', '(k) => this.model.symbols[k] !== END;', 'form'],
    ['rnn-poem-writer', "['，', '。', '，', '。'];", "['，', '，', '，', '。'];", 'greedy'],
    ['rnn-poem-writer', 'this.form[line * (width + 1)] = letter;', 'this.form[line * width] = letter;', 'form'],
    ['rnn-poem-writer', 'if (wanted && wanted !== letter)', 'if (false)', 'given'],
    ['rnn-poem-writer', '(may(k) ? sum + p : sum)', '(may(k) ? sum : sum + p)', 'likely'],
    ['rnn-poem-writer', ': { p: [], entropy: 0, likely: [] }), own };', ': super.compute(settings)), own };', 'likely'],
    ['rnn-poem-writer', 'place < this.goal ? this.form[place] : END;', 'this.form[place];', 'likely'],
    ['rnn-poem-writer', '!index.has(letter)', '!index', 'unknown'],
    ['rnn-poem-writer', 'character ${n + 1},`', 'character ${n},`', 'unknown'],
    ['rnn-poem-writer', 'if (!HAN.test(letter)) {', 'if (false) {', 'unknown'],
    ['rnn-poem-writer', 'acrostic || letter !== form[place]', 'acrostic', 'unknown'],
    ['rnn-poem-writer', 'acrostic || letter !== form[place]', 'true', 'given'],
    ['rnn-poem-writer', 'letters.length !== SIGNS.length', 'letters.length < 3', 'unknown'],
    ['rnn-poem-writer', 'if (place >= form.length) return', 'if (place > 2 * form.length) return', 'unknown'],
    ['rnn-poem-writer', 'if (this.problem) return;', '', 'unknown'],
    ['rnn-poem-writer', 'this.set({ seed: Number(this.inputs.seed.value) + 1 });', 'this.clear();', 'whole'],
    ['rnn-poem-writer', ", this.inputs.form.value].join()", '].join()', 'likely'],
    ['rnn-poem-writer', 'filter((letter) => letter.trim())', "filter((letter) => letter !== ' ')", 'given'],
    ['rnn-poem-writer', "part.lang = 'zh-Hant';", 'part.dir = "ltr";', 'chinese'],
    ['rnn-poem-writer', '`${letter}\\n` : letter', 'letter : letter', 'form'],
    ['rnn-poem-writer', 'font-size: 1.5rem; line-height', 'font-size: 4.5rem; min-width: 25rem; line-height', 'phone'],
    ['rnn-poem-writer', '.paper { height: auto;', '.paper { height: 4rem !important; min-height: 0 !important;', 'print'],
    ['rnn-writer', 'isComposing || this.changed()', 'this.changed()', 'given'],
    ['rnn-writer', "['input', 'compositionend']", "['input']", 'given'],
    ['rnn-writer', 'Math.min(limit, this.goal)', 'Math.min(limit, from + 30)', 'form'],
    ['rnn-writer', 'this.random = generator(Number(this.inputs.seed.value));', 'this.random = Math.random;', 'seed'],
    ['rnn-writer', 'this.constructor.needs);', '[]);', 'missing'],
    ['rnn-writer', 'const late = setTimeout(', 'const late = (', 'missing'],
    ['rnn-likely-writer', 'this.symbols.slice(this.given, -1)', 'this.symbols.slice(this.given)', 'back'],
    ['rnn-likely-writer', 'this.read(this.values.likely[n][2]);', 'this.read(this.values.likely[0][2]);', 'take'],
    ['rnn-likely-writer', 'if (!p[k] || (', 'if ((', 'likely'],
    ['rnn-model', '1000 * PATIENCE', '1e7 * PATIENCE', 'missing'],
    ['rnn-model', "if (!type) throw new Error(`It has no ${name}.`);", 'if (!type) return new Float32Array(1e5);', 'missing'],
    ['rnn-model', 'if (String(found) !== String(shape))', 'if (false)', 'missing'],
    ['rnn-model', 'if (size % 4)', 'if (false)', 'missing'],
    ['rnn-model', 'if (missing.length)', 'if (false)', 'missing'],
    ['rnn-model', 'if (left.length)', 'if (false)', 'missing'],
    ['rnn-model', 'if (this.index.size < K)', 'if (false)', 'missing'],
  ],
};

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await command(writer, 'poem_writer_numbers.py');
