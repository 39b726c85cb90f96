#!/usr/bin/env node
// The playground on a page made here, by mouse, keyboard and touch; its numbers against the same engine in Node (which playground.mjs holds against rnnlib).
//
//   node tests/browser/playground_page.mjs [--only=KIND] [--selftest[=WORDS]] [--shots DIR] [--write]
//
//   load      nothing is asked for before the button; then four scripts, as large as the button says and of at most 150 kB
//   numbers   the loss, accuracy and norm of every step, and what is measured after the last, as the engine's in Node: within 1e-10
//   central   gradients of the engine that the page has loaded, in float64, against central differences of its loss, by each weight of small networks: within 1e-7
//   learns    the loss falls to below half;  stop: Pause stops, One step takes one, Reset begins anew with the same numbers
//   address   settings to the address and back, no new entry in the history; what is unknown there is said; Copy link
//   wrong     what does not fit is named beside its control, and nothing runs on
//   views     each of them with each cell draws something, and says it without an unnamed NaN;  hidden: nothing is measured out of sight
//   stories   each sets what playground_stories.mjs measures, runs and says;  fuzz: 100 random settings and clicks, no exception, no NaN that is not named
//   spoken    steps, loss, accuracy at most every twelve seconds, and when it is paused or ends;  motion: a drawing every two seconds if less motion is wanted
//   keyboard, phone, missing, file, fallback, a11y, errors, offline   as in char_writer.mjs
// --selftest breaks the scripts, one thing at a time, and wants each found by the part that should. --shots writes light, dark and phone.png.
// --write makes the still picture, book/_static/figures/playground.png: the story of the wheel after 300 steps.
// Ends with "N passed, N failed".

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { central, CLOSE } from './central.mjs';
import { chosen, load } from './playground_stories.mjs';
import { audit, check, cramped, DESKTOP, focused, loadByKey, open, PHONE, selftest, still, tabTo } from './writer.mjs';

const SCRIPTS = resolve(dirname(fileURLToPath(import.meta.url)), '../../rnnlib/interactive/js');
const LATER = ['product', 'engine', 'views', 'worker'].map((name) => `rnn-playground-${name}.js`); // what the button loads
const LARGEST = 150_000; // bytes, of the playground's five scripts
const STILL = resolve(SCRIPTS, '../../../book/_static/figures/playground.png');
const NEAR = 1e-10;
const SOON = 20000; // milliseconds: much longer than anything takes here

const { RnnEngine: { Training, Random } } = load(); // the engine in Node

function make(folder) {
  mkdirSync(join(folder, '_static'));
  mkdirSync(join(folder, 'book'));
  for (const file of readdirSync(SCRIPTS)) copyFileSync(join(SCRIPTS, file), join(folder, '_static', file));
  const scripts = ['figure', 'playground'].map((name) => `<script src="../_static/rnn-${name}.js" defer></script>`);
  writeFileSync(join(folder, 'book/page.html'), `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main><h1>A page</h1>${scripts.join('')}
<rnn-playground><p class="fallback">A still picture.</p></rnn-playground><p style="margin-top: 120vh">The end</p></main></body></html>`);
}

/** Loaded, and every step's numbers kept in e.kept. */
async function ready(browser, book, note, options = {}) {
  const w = await open(browser, book, note, options);
  if (!/#/.test(options.address ?? '')) await w.load('');
  await w.until('e.snapshot || e.problem');
  await w.host.evaluate((e) => {
    const hear = e.hear.bind(e);
    e.kept = [];
    e.hear = (message) => { if (message.curve) e.kept.push(...message.curve); hear(message); };
  });
  w.now = () => w.host.evaluate((e) => ({
    steps: e.steps, running: e.running, run: e.run, problem: e.problem, numbers: e.numbers.textContent, heard: e.heard.textContent, status: e.status.textContent,
    notes: Object.fromEntries([...e.shadowRoot.querySelectorAll('[id^=wrong-]')].filter((note) => note.textContent).map((note) => [note.id.slice(6), note.textContent])),
    captions: [...e.shadowRoot.querySelectorAll('figcaption')].map((caption) => caption.textContent), story: e.story.textContent,
  }));
  w.within = (what, kind) => w.page.waitForFunction(([tag, code]) => new Function('e', `return ${code}`)(document.querySelector(tag)), [book.tag, what], { timeout: SOON })
    .catch(() => note(kind, `not in ${SOON / 1000} seconds: ${what}`));
  w.begun = async (act, kind = 'page') => { // after a new network
    const { run } = await w.now();
    await act();
    await w.within(`e.run > ${run} || e.problem`, kind);
  };
  w.pause = async () => {
    await w.host.evaluate((e) => e.pause());
    await w.until('!e.running');
  };
  return w;
}

/** The settings of the engine for those of the page. */
const SMALL = { page: { task: 'palindrome', T: 6, cell: 'LSTM', H: 12, start: 'orthogonal', forgetBias: 1, method: 'Adam', lr: 0.01, clip: 1, truncation: '', N: 16, seed: 5 },
  engine: { task: 'palindrome', T: 6, cell: 'LSTM', H: 12, start: 'orthogonal', forgetBias: 1, method: 'Adam', settings: { lr: 0.01 }, clip: 1, N: 16, seed: 5 } };
const WANTED = ['flow', 'states', 'answers', 'gates', 'felt', 'eigenvalues', 'weights'];

/** The largest difference between two trees of numbers; of more numbers or other names it is Infinity. */
const off = (a, b) => {
  if (typeof a !== 'object' || a === null) return typeof a === 'number' ? (a === b ? 0 : Math.abs(a - b) || Infinity) : a === b ? 0 : Infinity;
  const [mine, other] = [a, b].map((tree) => Object.keys(tree ?? {}));
  return String(mine) === String(other) ? mine.reduce((most, key) => Math.max(most, off(a[key], b[key])), 0) : Infinity;
};

/** The page's numbers beside the engine's. */
async function numbers(w, note, kind) {
  const [kept, steps] = await w.host.evaluate((e) => [e.kept, e.steps]);
  const training = new Training(SMALL.engine), alone = [];
  for (let n = 0; n < steps; n++) { const { loss, accuracy, norm } = training.step(); alone.push(...Float32Array.of(loss, accuracy, norm)); }
  const far = off(kept, alone);
  if (!(far <= NEAR)) note(kind, `the steps' numbers differ by ${far}: ${kept.length / 3} steps on the page, ${steps} taken`);
  await w.host.evaluate((e, wanted) => { e.post({ type: 'show', show: wanted }); }, WANTED);
  await w.until('e.snapshot.measured?.weights && e.snapshot.measured.gates');
  const found = await w.host.evaluate((e) => JSON.parse(JSON.stringify(e.snapshot.measured, (_, value) => (ArrayBuffer.isView(value) ? [...value] : value))));
  const here = JSON.parse(JSON.stringify(training.measure(WANTED), (_, value) => (ArrayBuffer.isView(value) ? [...value] : value)));
  for (const name of Object.keys(here)) if (!(off(found[name], here[name]) <= NEAR)) note(kind, `${name} differs by ${off(found[name], here[name])} after ${steps} steps`);
  return alone;
}

async function trains(browser, book, name, note, swap) {
  const before = await open(browser, book, note, { swap });
  if (!await still(before, book)) note('fallback', 'nothing is shown before the playground is loaded');
  await before.page.waitForTimeout(200);
  const asked = () => before.asked.map((url) => url.split('/').at(-1)).filter((file) => LATER.includes(file));
  if (asked().length) note('load', `asked for ${asked()} before the button was pressed`);
  const said = await before.part('.load').textContent();
  await before.load('');
  await before.until('e.snapshot');
  if (String([...new Set(asked())]) !== String(LATER)) note('load', `asked for ${asked()}`);
  const size = (files) => files.reduce((all, file) => all + statSync(join(book.root, '_static', file)).size, 0);
  if (!said.includes(`(${Math.round(size(LATER) / 1000)} kB)`)) note('load', `the button says "${said}", the scripts have ${size(LATER)} bytes`);
  if (size([...LATER, 'rnn-playground.js']) > LARGEST) note('load', `${size([...LATER, 'rnn-playground.js'])} bytes`);
  if (await still(before, book)) note('fallback', 'the still picture stays');
  await before.close();

  const w = await ready(browser, book, note, { swap });
  try {
    await w.begun(() => w.set(SMALL.page));
    await w.host.evaluate((e) => { e.kept.length = 0; });
    for (let n = 1; n <= 3; n++) {
      await w.press('One step');
      await w.until(`e.steps >= ${n}`);
    }
    await w.page.waitForTimeout(150);
    if ((await w.now()).steps !== 3) note('stop', `three times One step: ${(await w.now()).steps} steps`);
    await w.press('Start');
    await w.until('e.running && e.steps > 300');
    await w.press('Pause');
    await w.until('!e.running');
    const { steps } = await w.now(), alone = await numbers(w, note, 'numbers');
    await w.page.waitForTimeout(300);
    if ((await w.now()).steps !== steps) note('stop', `paused at ${steps}, then ${(await w.now()).steps}`);
    const loss = (from) => { const some = alone.filter((_, n) => n % 3 === 0).slice(from, from + 10); return some.reduce((a, b) => a + b, 0) / some.length; };
    if (!(loss(steps - 10) < 0.5 * loss(0))) note('learns', `the loss is ${loss(0)} at first and ${loss(steps - 10)} after ${steps} steps`);
    if (!(await w.now()).numbers.startsWith(`Step ${steps}: loss `)) note('learns', `says "${(await w.now()).numbers}"`);
    await w.host.evaluate((e) => { e.kept.length = 0; });
    await w.begun(() => w.press('Reset'));
    if ((await w.now()).steps !== 0 || (await w.now()).running) note('stop', `after Reset: step ${(await w.now()).steps}`);
    await w.press('Start');
    await w.until('e.steps > 20');
    await w.press('One step'); // while it runs
    await w.page.waitForTimeout(500);
    if ((await w.now()).running) note('stop', 'One step does not pause a run');
    await w.pause();
    await numbers(w, note, 'stop');
    return `${steps} steps`;
  } finally {
    await w.close();
  }
}

/** Gradients against central differences, in the page. */
async function differences(browser, book, name, note, swap) {
  const w = await ready(browser, book, note, { swap });
  try {
    const found = await w.page.evaluate(`(${central})(globalThis.RnnEngine)`);
    for (const [what, error] of found) if (!(error <= CLOSE)) note('central', `${what}: ${error}`);
    if (found.length !== 4 * (5 + 6 + 5)) note('central', `${found.length} kinds of weights`);
    return `${found.length} kinds of weights within ${Math.max(...found.map(([, error]) => error)).toExponential(1)}`;
  } finally {
    await w.close();
  }
}

async function addresses(browser, book, name, note, swap) {
  const w = await ready(browser, book, note, { swap, quiet: true });
  try {
    const length = await w.page.evaluate(() => history.length);
    const text = 'to be & not = to be? #1 + 100 %; '.repeat(4);
    const settings = { task: 'text', T: 5, text, cell: 'LSTM', H: 7, start: 'chrono', forgetBias: -1.5, method: 'Nesterov', lr: 0.25, momentum: 0.5, clip: 2, truncation: 4, N: 3, seed: 11, left: 'felt', right: 'weights' };
    await w.begun(() => w.set(settings));
    await w.page.waitForTimeout(700);
    const address = w.page.url(), words = Object.fromEntries(new URLSearchParams(address.split('#playground?')[1]));
    const wanted = Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, String(value)]));
    for (const key of Object.keys(wanted)) if (words[key] !== wanted[key]) note('address', `${key} is ${words[key]} in the address, not ${wanted[key]}`);
    for (const n of [3, 4, 5, 6]) { await w.named('H').fill(String(n)); await w.named('H').press('Enter'); }
    await w.page.waitForTimeout(700);
    if (!w.page.url().includes('H=6&')) note('address', `after typing: ${w.page.url()}`);
    const after = await w.page.evaluate(() => history.length);
    if (after !== length) note('address', `${after - length} new entries in the history`);
    await w.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await w.press('Copy link');
    await w.until('e.status.textContent');
    if (await w.page.evaluate(() => navigator.clipboard.readText()) !== w.page.url()) note('address', 'Copy link copies something else');
    await w.begun(() => w.page.evaluate(() => { location.hash = '#playground?cell=GRU&T=9'; }), 'address');
    const taken = await w.host.evaluate((e) => [e.inputs.cell.value, e.inputs.T.value, e.inputs.task.value, e.inputs.H.value, e.snapshot.settings.cell, e.snapshot.settings.T]);
    if (String(taken) !== 'GRU,9,palindrome,32,GRU,9') note('address', `another address gives ${taken}`);

    await w.begun(() => w.page.evaluate(() => { location.hash = '#playground?story=zeros%20stay%20zeros'; }), 'address');
    const told = await w.host.evaluate((e) => [e.inputs.start.value, e.inputs.right.value, e.running, e.steps, e.shadowRoot.activeElement === e.go]);
    if (String(told) !== 'zero,weights,false,0,true' || !/All weights start at zero/.test((await w.now()).story)) note('address', `a story's address gives ${told}`);

    const linked = await ready(browser, book, note, { swap, address: address });
    const back = await linked.host.evaluate((e, keys) => ({ ...Object.fromEntries(keys.map((key) => [key, e.inputs[key].value])), steps: e.steps, running: e.running }), Object.keys(settings));
    if (off(back, { ...wanted, steps: 0, running: false })) note('address', `the link gives ${JSON.stringify(back)}`);
    const given = await linked.host.evaluate((e) => e.snapshot.settings), { left, right, lr, momentum, ...rest } = settings;
    if (off(given, { ...given, ...rest, settings: { lr, momentum } })) note('address', `the link trains ${JSON.stringify(given)}`);
    await linked.close();

    const odd = await ready(browser, book, note, { swap, address: `${book.url}#playground?story=%3Cb%3E&cell=Elman&colour=red&H=4&__proto__=1` });
    const { status } = await odd.now();
    if (!['no story “<b>”', 'Elman', 'colour', 'and 1 more'].every((part) => status.includes(part)) || (await odd.named('H').inputValue()) !== '4') note('address', `of what is unknown it says "${status}"`);
    await odd.close();
  } finally {
    await w.close();
  }
}

const WRONG = [ // settings, the control, the sentence beside it
  [{ H: 0 }, 'H', 'Units H must be a whole number above 0, got 0.'], [{ H: 129 }, 'H', 'Units H must be at most 128, got 129.'], [{ H: 'many' }, 'H', 'Units H must be a number, got many.'], [{ H: '' }, 'H', 'Units H must be a number, got nothing.'],
  [{ H: '1e999' }, 'H', 'Units H must be a number, got 1e999.'], [{ task: 'palindrome', T: 1 }, 'T', 'Length T must be a whole number from 2 up, got 1.'], [{ T: 200, N: 256, H: 128 }, 'T', 'Length T must be smaller'], [{ N: 2.5 }, 'N', 'Batch size N must be a whole number from 1 up, got 2.5.'],
  [{ lr: -1 }, 'lr', 'Learning rate η must be a number from 0 up, got -1.'], [{ method: 'momentum', momentum: 'x' }, 'momentum', 'Momentum μ must be'], [{ clip: 0 }, 'clip', 'Clip norm at must be above 0, got 0.'], [{ truncation: 1.5 }, 'truncation', 'Truncate after must be'],
  [{ seed: -1 }, 'seed', 'Seed must be'], [{ seed: '' }, 'seed', 'Seed must be a number, got nothing.'], [{ cell: 'RNN', start: 'chrono' }, 'start', 'Initialisation must be another for the RNN: it has no gates, got chrono.'], [{ cell: 'LSTM', forgetBias: 'no' }, 'forgetBias', 'Forget bias must be a number'],
  [{ cell: 'GRU', start: 'chrono', T: 2 }, 'T', 'Length T must be at least 3, got 2.'], [{ task: 'text', text: 'short' }, 'text', 'Your text must be longer than T x N'], [{ task: 'text', text: 'a'.repeat(2001) }, 'text', 'Your text must be at most 2000 characters long, got 2001.'],
];
const GOOD = { task: 'parity', T: 4, text: 'abc', cell: 'RNN', H: 4, start: 'uniform', forgetBias: '', method: 'Adam', lr: 0.01, momentum: 0.9, clip: 1, truncation: '', N: 4, seed: 0 };

async function wrongs(browser, book, name, note, swap) {
  const w = await ready(browser, book, note, { swap });
  try {
    for (const [settings, control, sentence] of WRONG) {
      await w.begun(() => w.set(GOOD));
      await w.host.evaluate((e) => e.train());
      await w.until('e.running');
      await w.set(settings);
      await w.within('e.problem', 'wrong');
      await w.within('!e.running', 'wrong');
      const { notes, heard, run } = await w.now(), what = JSON.stringify(settings).slice(0, 60);
      if (String(Object.keys(notes)) !== control || !notes[control].startsWith(sentence)) note('wrong', `${what}: says ${JSON.stringify(notes)}`);
      const marked = await w.host.evaluate((e) => [...e.shadowRoot.querySelectorAll('[aria-invalid=true]')].map((input) => input.name));
      if (String(marked) !== control) note('wrong', `${what}: marked is ${marked}`);
      if (heard !== notes[control] && !heard.startsWith('Paused')) note('wrong', `${what}: "${heard}" is heard`);
      const [field, value] = Object.entries(settings)[0];
      if (await w.named(field).inputValue() !== String(value)) note('wrong', `${what}: changed to ${await w.named(field).inputValue()}`);
      if (!await w.part('.go').isDisabled()) note('wrong', `${what}: Start can be pressed`);
      await w.host.evaluate((e) => { e.train(); e.step(); e.reset(); });
      if ((await w.now()).run !== run) note('wrong', `${what}: another network`);
    }
    await w.begun(() => w.set({ ...GOOD, lr: '0,02', forgetBias: '−1', cell: 'LSTM' })); // as they are typed in many countries
    const typed = await w.host.evaluate((e) => [e.snapshot.settings.settings.lr, e.snapshot.settings.forgetBias]);
    if (String(typed) !== '0.02,-1') note('wrong', `0,02 and −1 are taken for ${typed}`);
    await w.begun(() => w.set({ ...GOOD, method: 'SGD', lr: 1e30, clip: '', task: 'adding' }));
    await w.part('.go').focus();
    await w.host.evaluate((e) => e.train());
    await w.within('e.finite === false', 'wrong');
    const { status, heard, numbers: line } = await w.now();
    if (await focused(w) !== 'reset') note('wrong', `at the end of a run the focus is on ${await focused(w)}`);
    if (!/no finite number/.test(status) || !/ended/.test(heard) || /NaN|Infinity/.test(line)) note('wrong', `at the end of a run: "${status}", "${heard}", "${line}"`);
    await w.begun(() => w.press('Reset'));
    if ((await w.now()).status || await w.part('.go').isDisabled()) note('wrong', 'Reset does not begin anew');
  } finally {
    await w.close();
  }
}

/** How many pixels of a canvas are not white. */
const inked = (w, side) => w.host.evaluate((e, at) => {
  const { canvas } = e[at], { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let n = 0; n < data.length; n += 4) found += data[n + 3] > 0 && data[n] + data[n + 1] + data[n + 2] < 600;
  return found;
}, side);

async function views(browser, book, name, note, swap) {
  const w = await ready(browser, book, note, { swap });
  try {
    await w.within('e.left.caption.textContent && e.right.caption.textContent', 'views'); // as it is loaded
    const names = await w.host.evaluate((e) => [...e.inputs.left.options].map(({ value }) => value));
    if (names.length !== 8) note('views', `${names}`);
    for (const [cell, task] of [['RNN', 'palindrome'], ['GRU', 'adding'], ['LSTM', 'copying'], ['RNN', 'text'], ['LSTM', 'parity']]) {
      await w.begun(() => w.set({ ...GOOD, cell, task, T: 5, H: 8, text: 'abcdefg '.repeat(20), method: 'Adam' }));
      await w.press('One step');
      await w.until('e.steps === 1');
      for (let n = 0; n < names.length; n += 2) {
        await w.set({ left: names[n], right: names[n + 1] });
        for (const side of ['left', 'right']) await w.host.evaluate((e, at) => { e[at].caption.textContent = ''; e[at].canvas.width = 1; }, side);
        await w.host.evaluate((e) => e.show());
        await w.within('e.left.caption.textContent && e.right.caption.textContent', 'views');
        for (const [side, view] of [['left', names[n]], ['right', names[n + 1]]]) {
          const ink = await inked(w, side), text = await w.host.evaluate((e, at) => e[at].caption.textContent, side), title = await w.host.evaluate((e, at) => e[at].name.textContent, side);
          if (ink < 300) note('views', `${cell}, ${task}: ${view} has ${ink} dark pixels`);
          if (text.length < 30 || /NaN|Infinity|undefined|no finite/.test(text + title) || !title.includes('step 1 ')) note('views', `${cell}, ${task}: ${view} says "${title}: ${text}"`);
        }
      }
    }
    // the plane stays put until it is asked for
    await w.begun(() => w.set({ ...SMALL.page, T: 8, N: 40, left: 'states', right: 'loss' }));
    await w.host.evaluate((e) => e.show());
    await w.until('e.plane');
    const first = await w.host.evaluate((e) => e.plane.axes.map((axis) => [...axis]));
    await w.press('Start');
    await w.until('e.steps > 60');
    await w.pause();
    const later = await w.host.evaluate((e) => e.plane.axes.map((axis) => [...axis]));
    if (off(first, later)) note('views', 'the plane moves');
    const products = [[0, 0], [0, 1], [1, 1]].map(([a, b]) => later[a].reduce((all, value, k) => all + value * later[b][k], 0));
    if (off(products.map((value) => Math.round(value * 1e6) / 1e6), [1, 0, 1])) note('views', `the plane's directions have the products ${products}`);
    await w.part('.turn').click();
    if (!off(first, await w.host.evaluate((e) => e.plane.axes.map((axis) => [...axis])))) note('views', 'New plane takes the old one');
    await w.part('[name=t]').focus();
    await w.page.keyboard.press('Home');
    if (!(await w.now()).captions[0].startsWith('After step 1 of 7')) note('views', `at the first step: ${(await w.now()).captions[0]}`);

    // out of sight
    await w.press('Start');
    await w.page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await w.within('!e.seen && e.snapshot.measured && !e.snapshot.measured.states', 'hidden');
    const painted = await w.host.evaluate((e) => new Promise((done) => { e.right.caption.textContent = ''; setTimeout(() => done(e.right.caption.textContent), 400); }));
    if (painted) note('hidden', 'drawn out of sight');
    await w.page.evaluate(() => scrollTo(0, 0));
    await w.within('e.right.caption.textContent', 'hidden');
  } finally {
    await w.close();
  }
}

async function stories(browser, book, name, note, swap) {
  const world = load();
  const w = await ready(browser, book, note, { swap });
  try {
    const names = await w.part('.presets:not(.run) button').allTextContents();
    if (names.length !== 6) note('stories', `${names}`);
    for (const story of names) {
      const tell = async (act, twin) => {
        const { run } = await w.now();
        await act();
        await w.until(`e.run > ${run} && e.running && e.steps > 1`);
        const { story: says, problem } = await w.now();
        if (problem || !/It does not show/.test(says) || says.match(/\. [A-Z]/g)?.length !== 1) note('stories', `${story}${twin}: "${says}" ${problem ?? ''}`);
        const [found, told] = await w.host.evaluate((e) => [e.snapshot.settings, e.story.textContent]), wanted = chosen(world, story, { twin: Boolean(twin) && !/back/.test(twin) });
        if (off(found, Object.fromEntries(Object.keys(found).map((key) => [key, wanted[key]])))) note('stories', `${story}${twin}: trains ${JSON.stringify(found)}, measured are ${JSON.stringify(wanted)}`);
        return [JSON.stringify(found), told];
      };
      const first = await tell(() => w.press(story), '');
      if (await w.part('.twin').isVisible()) {
        if ((await tell(() => w.part('.twin').click(), ', its twin')).some((own, n) => own === first[n])) note('stories', `${story}: the twin is the same`);
        if (String(await tell(() => w.part('.twin').click(), ', back')) !== String(first)) note('stories', `${story}: back is something else`);
      } else if (!/wheel|zeros/.test(story)) note('stories', `${story} has no twin`);
    }
  } finally {
    await w.close();
  }
}

/** Random settings and clicks, the same ones each time. */
async function fuzz(browser, book, name, note, swap) {
  const w = await ready(browser, book, note, { swap });
  try {
    const random = new Random(20), pick = (list) => list[random.integer(0, list.length)];
    const options = await w.host.evaluate((e) => Object.fromEntries(['task', 'cell', 'start', 'method', 'left', 'right'].map((key) => [key, [...e.inputs[key].options].map(({ value }) => value)])));
    const values = { ...options, T: [1, 2, 3, 5, 12, -4, 1e9, 'x'], H: [1, 2, 7, 16, 0, 200, ''], forgetBias: ['', 0, 1, -30, 1e30, '?'], lr: [0, 1e-4, 0.01, 1, 1e6, 1e30, -1, ''], momentum: [0, 0.9, 2, 'm'], clip: ['', 1, 1e-9, 0],
      truncation: ['', 1, 3, 0.5], N: [1, 2, 8, 33, 0], seed: [0, 1, 2 ** 32 - 1, 2 ** 32, 1.5], text: ['', 'a', 'aaaa aaaa', 'ab\ncd\tef \u{1F600}x'.repeat(9), '<b>"&'.repeat(30)] };
    const small = { T: 5, H: 8, N: 8 };
    let ran = 0;
    for (let n = 0; n < 100; n++) {
      const act = pick(['set', 'set', 'set', 'click', 'click', 'repair']);
      if (act === 'click') await w.host.evaluate((e, part) => e.shadowRoot.querySelector(part).click(), pick(['.go', '.one', '.reset', '.turn', '.twin', '.presets button:nth-child(2)', '.go']));
      else await w.set(act === 'repair' ? { ...GOOD, task: pick(options.task.slice(0, 4)), cell: pick(options.cell), left: pick(options.left), ...small } : Object.fromEntries(Array.from({ length: random.integer(1, 4) }, () => { const key = pick(Object.keys(values)); return [key, pick(values[key])]; })));
      if (act === 'repair') await w.host.evaluate((e) => e.train());
      await w.page.waitForTimeout(40);
      const { numbers: line, captions, heard, status, notes, problem, steps } = await w.now(), all = [line, ...captions, heard, ...Object.values(notes), status].join(' | ');
      if (/NaN|Infinity|undefined|null|\[object/.test(all)) note('fuzz', `${n}: ${all}`);
      if (problem && !Object.keys(notes).length && !status) note('fuzz', `${n}: "${problem}" is not said`);
      ran = Math.max(ran, steps);
    }
    if (!ran) note('fuzz', 'nothing was trained');
  } finally {
    await w.close();
  }
}

async function spoken(browser, book, name, note, swap) {
  const w = await ready(browser, book, note, { swap, options: { ...DESKTOP, reducedMotion: 'reduce' } });
  try {
    await w.begun(() => w.set({ ...SMALL.page, left: 'loss', right: 'flow' }));
    await w.host.evaluate((e) => {
      e.lines = [];
      e.drawings = 0;
      new MutationObserver(() => e.lines.push([performance.now(), e.heard.textContent])).observe(e.heard, { childList: true, characterData: true, subtree: true });
      new MutationObserver(() => e.drawings++).observe(e.numbers, { childList: true, characterData: true, subtree: true });
      e.speak('');
      e.train();
    });
    await w.page.waitForTimeout(13500);
    const running = await w.host.evaluate((e) => [e.lines.filter(([, text]) => text), e.drawings, e.steps]);
    await w.pause();
    const lines = await w.host.evaluate((e) => e.lines.map(([, text]) => text));
    if (running[0].length !== 1 || !/^Step \d+: loss .*accuracy/.test(running[0][0]?.[1])) note('spoken', `in 13.5 seconds: ${JSON.stringify(running[0])}`);
    if (running[1] > 8 || running[1] < 2) note('motion', `${running[1]} drawings in 13.5 seconds, though less motion is wanted`);
    if (!/^Paused. Step \d+: loss .*accuracy/.test(lines.at(-1))) note('spoken', `paused: "${lines.at(-1)}"`);
  } finally {
    await w.close();
  }
}

async function byKeyboard(browser, book, name, note, swap) {
  const w = await open(browser, book, note, { swap });
  try {
    const { keyboard } = w.page;
    await loadByKey(w, note, 'go', 'e.snapshot');
    for (const control of ['one', 'reset', 'link', 'left', 'right']) await tabTo(w, control, note);
    await keyboard.press('End');
    if (await w.host.evaluate((e) => e.inputs.right.value) !== 'norm') note('keyboard', 'End does not choose the last view');
    for (const control of ['task', 'T']) await tabTo(w, control, note);
    await keyboard.press('Control+A');
    await keyboard.type('5');
    await keyboard.press('Tab');
    await w.page.waitForTimeout(500);
    if (await w.host.evaluate((e) => e.snapshot.settings.T) !== 5) note('keyboard', 'a typed length is not taken');
    for (const control of ['H', 'start', 'method', 'lr', 'clip', 'truncation', 'N', 'seed']) await tabTo(w, control, note);
    await w.part('.go').focus();
    await keyboard.press('Enter');
    await w.until('e.running && e.steps > 5');
    if (await focused(w) !== 'go') note('keyboard', 'Start loses the focus');
    await keyboard.press('Space');
    await w.until('!e.running');
  } finally {
    await w.close();
  }
}

async function looks(browser, book, name, note, swap, shots) {
  for (const [view, options] of [['light', DESKTOP], ['dark', { ...DESKTOP, colorScheme: 'dark' }], ['phone', PHONE]]) {
    const w = await ready(browser, book, note, { options, swap });
    try {
      await w.begun(() => w.set({ ...SMALL.page, T: 10, H: 24, N: 64, ...(view === 'dark' ? { left: 'gates', right: 'felt' } : { left: 'states', right: 'eigenvalues' }) }));
      await w.host.evaluate((e) => { e.show(); e.train(); });
      await w.until('e.steps > 60');
      await w.pause();
      if (view === 'phone') {
        await w.part('.turn').tap();
        if (await w.part('figure.right').isVisible()) note('phone', 'two views beside each other');
        if (await w.named('H').isVisible()) note('phone', 'the settings are open at first');
        await w.set({ H: 1000 }); // a message
        await w.until('e.problem');
        if (!await w.part('#wrong-H').isVisible()) note('phone', 'a message is hidden with the settings');
        await w.part('summary').tap();
        await w.part('summary').tap();
        for (const width of [320, options.viewport.width]) {
          await w.page.setViewportSize({ ...options.viewport, width });
          await w.page.waitForTimeout(100);
          for (const text of await cramped(w, book, width)) note('phone', `${text} [${width} px]`);
        }
        const { run } = await w.now();
        await w.part('.presets button').first().tap();
        await w.within(`e.run > ${run} && e.running`, 'phone');
        await w.pause();
      } else if (!await w.part('figure.right').isVisible()) note('views', 'one view on a wide page');
      if (shots) await w.host.screenshot({ path: join(shots, `${view}.png`) });
      const blurred = await w.host.evaluate((e) => e.shown.map((side) => e[side].canvas).map((c) => [c.width, c.height, c.getBoundingClientRect().width * devicePixelRatio, c.getBoundingClientRect().height * devicePixelRatio]));
      if (blurred.some(([a, b, c, d]) => Math.abs(a - c) > 1 || Math.abs(b - d) > 1)) note('views', `canvases of other sizes than they are shown: ${blurred.join('; ')} [${view}]`);
      for (const text of await audit(w, book)) note('a11y', `${text} [${view}]`);
    } finally {
      await w.close();
    }
  }
  const w = await open(browser, book, note, { options: { ...DESKTOP, javaScriptEnabled: false } });
  if (!await still(w, book)) note('fallback', 'nothing is shown without scripts');
  await w.close();
}

/** Opened as a file: a worker all the same; without one: trained in the page, with the same numbers; and where a script does not come. */
async function without(browser, book, name, note, swap) {
  const same = async (w, inpage) => {
    if (await w.host.evaluate((e) => e.hasAttribute('inpage')) !== inpage) note('file', `there is ${inpage ? 'a' : 'no'} worker`);
    await w.begun(() => w.set(SMALL.page));
    await w.host.evaluate((e) => { e.kept.length = 0; e.train(); });
    await w.until('e.steps > 100');
    await w.pause();
    await numbers(w, note, 'file');
  };
  const w = await ready(browser, book, note, { address: pathToFileURL(join(book.root, book.path)).href, swap, quiet: true });
  try {
    await same(w, false);
  } finally {
    await w.close();
  }
  const bare = await ready(browser, book, note, { swap: ['rnn-playground-worker.js', `delete globalThis.Worker;\n${readFileSync(join(book.root, '_static', LATER[3]), 'utf8')}`] });
  try {
    await same(bare, true);
  } finally {
    await bare.close();
  }
  for (const file of [LATER[1], LATER[3]]) {
    const v = await open(browser, book, note, { quiet: true, swap });
    try {
      await v.page.route(`**/${file}`, (route) => route.abort());
      await v.load('');
      const text = await v.part('.status').textContent();
      if (!text.includes(file) || !/still works/.test(text) || !await still(v, book)) note('missing', `${file}: says "${text}"`);
      await v.page.unroute(`**/${file}`);
      await v.part('.load').click();
      await v.until('e.snapshot').catch(() => note('missing', `${file}: another try does not work`));
    } finally {
      await v.close();
    }
  }
}

/** The two views of the story of the wheel, beside each other, at 200 dots an inch as the book's other figures, in the few colours that they have. */
async function picture(browser, book, name, note) {
  const w = await ready(browser, book, note, { options: { viewport: { width: 780, height: 900 }, deviceScaleFactor: 2 } });
  await w.begun(() => w.host.evaluate((e) => { e.tell('the wheel'); e.pause(); e.reset(); }));
  await w.until('!e.running && e.steps === 0');
  await w.host.evaluate((e) => { for (let n = 0; n < 300; n++) e.post({ type: 'step' }); });
  await w.until('e.steps === 300');
  await w.host.evaluate((e) => e.turn());
  const url = await w.host.evaluate((e) => {
    const [a, b] = [e.left.canvas, e.right.canvas], both = Object.assign(document.createElement('canvas'), { width: a.width + b.width, height: a.height }), c = both.getContext('2d');
    c.fillStyle = '#fff';
    c.fillRect(0, 0, both.width, both.height);
    c.drawImage(a, 0, 0);
    c.drawImage(b, a.width, 0);
    return both.toDataURL('image/png');
  });
  const few = 'import io, sys; from PIL import Image; Image.open(io.BytesIO(sys.stdin.buffer.read())).convert("RGB").quantize(32).save(sys.argv[1], dpi=(200, 200), optimize=True)';
  execFileSync(process.env.PYTHON || resolve(SCRIPTS, '../../../.venv/bin/python'), ['-c', few, STILL], { input: Buffer.from(url.split(',')[1], 'base64') });
  await w.close();
}

const playground = {
  tag: 'rnn-playground',
  shown: '<rnn-playground',
  each: [],
  steps: new Map([ // what each of them may find
    [trains, ['numbers', 'load numbers learns stop fallback offline']],
    [differences, ['gradients against central differences', 'central']],
    [addresses, ['the address', 'address']],
    [wrongs, ['what does not fit', 'wrong']],
    [views, ['the views', 'views hidden']],
    [stories, ['the stories', 'stories']],
    [fuzz, ['random settings and clicks', 'fuzz errors']],
    [spoken, ['what is said', 'spoken motion']],
    [byKeyboard, ['the keyboard', 'keyboard']],
    [looks, ['light, dark, phone', 'phone a11y']],
    [without, ['as a file, and what is missing', 'file missing']],
  ]),
  first: 'made',
  broken: [
    ['rnn-playground', 'const KB = 75;', 'const KB = 72;', 'load'],
    ['rnn-playground', 'could not be loaded: ${error.message} What', 'could not be loaded. What', 'missing'],
    ['rnn-playground', 'seed: { label:', 'seed: { none: 3, label:', 'wrong'],
    ['rnn-playground-worker', 'curve.push(loss, accuracy, norm);', 'curve.push(loss, accuracy, norm * 1.000001);', 'numbers'],
    ['rnn-playground-worker', 'step() { if (!running && finite) step(); }', 'step() { step(); step(); }', 'stop'],
    ['rnn-playground', "step() { if (this.post && !this.problem) this.post({ type: this.running ? 'pause' : 'step' }); }", "step() { this.post({ type: 'step' }); }", 'stop'],
    ['rnn-playground', "given[name] = number;", "given[name] = Math.min(number, 6);", 'numbers'],
    ['rnn-playground', 'history.replaceState(history.state, \'\', this.link), LATER)', 'history.pushState(history.state, \'\', this.link), LATER)', 'address'],
    ['rnn-playground', "addEventListener('hashchange', () => { if (this.follow())", 'void (() => { if (this.follow())', 'address'],
    ['rnn-playground', 'if (run) this.train();', 'this.train();', 'address'],
    ['rnn-playground', "strange.push(`there is no story “${brief(this.linked)}”`);", '{}', 'address'],
    ['rnn-playground', ".replace(',', '.'), number", ', number', 'wrong'],
    ['rnn-playground', 'if (held) again.focus();', '', 'wrong'],
    ['rnn-playground', 'for (const [name, value] of Object.entries({ ...usual, left:', 'for (const [name, value] of Object.entries({ left:', 'address'],
    ['rnn-playground', "if (!input) { strange.push(`“${brief(name)}” is no setting here`); continue; }", 'if (!input) continue;', 'address'],
    ['rnn-playground', 'if (number > most) throw', 'if (number > 9 * most) throw', 'wrong'],
    ['rnn-playground', 'if (size > LARGEST) throw', 'if (size > 9 * LARGEST) throw', 'wrong'],
    ['rnn-playground', 'if (message && this.running) this.pause();', '', 'wrong'],
    ['rnn-playground', 'const ENGINE = { settings:', 'const ENGINE = { T_max: \'T_max\' } ?? { settings:', 'wrong'],
    ['rnn-playground', "this.inputs[own].setAttribute('aria-invalid', bad);", '', 'wrong'],
    ['rnn-playground', 'reset() { if (this.post && !this.problem)', 'reset() { if (this.post)', 'wrong'],
    ['rnn-playground-views', "if (!Number.isFinite(value)) return 'no finite number';", '', 'wrong'],
    ['rnn-playground-views', 'along(row, e); for (let k = 0; k < H; k++) row[k] -= a * e[k]; }', 'along(row, e); }', 'views'],
    ['rnn-playground', 'this.plane = null;\n      this.ranges', 'this.ranges', 'views'],
    ['rnn-playground', 'if (flat) this.plane ??= {', 'if (flat) this.plane = {', 'views'],
    ['rnn-playground', 'if (!this.seen || document.hidden) return [];', '', 'hidden'],
    ['rnn-playground', 'if (!this.seen || document.hidden) return;', '', 'hidden'],
    ['rnn-playground-engine', 'da[u] = dh[u] * (1 - a[u] * a[u]);', 'da[u] = dh[u] * (1 - a[u]);', 'central'],
    ['rnn-playground-engine', 'dm[c] = da[c] * a[r];', 'dm[c] = da[c];', 'central'],
    ['rnn-playground-engine', 'dc_[u] += dc[u] * a[f];', 'dc_[u] += dc[u] * a[f] * 1.00001;', 'central'],
    ['rnn-playground', 'const { lr, momentum, forgetBias = null, ...rest } = given', 'const { lr, momentum, ...rest } = { ...given, N: 32 }, forgetBias = given.forgetBias ?? null', 'stories'],
    ['rnn-playground', 'this.twin.hidden = !other;', 'this.twin.hidden = true;', 'stories'],
    ['rnn-playground', '...settings, ...(twin && other), left, right });', '...settings, left, right });', 'stories'],
    ['rnn-playground', 'running && now - this.said >= TOLD', 'running', 'spoken'],
    ['rnn-playground', 'if (ended || !running) this.paint();', 'if (ended || running) this.paint();', 'motion'],
    ['rnn-playground', 'else if (ended) this.speak(', 'else if (!this) this.speak(', 'spoken'],
    ['rnn-playground', "if (this.go.textContent !== text) this.go.textContent = text;", "if (this.go.textContent !== text) { this.go.blur(); this.go.textContent = text; }", 'keyboard'],
    ['rnn-playground', 'if (focused) this.go.focus();', '', 'keyboard'],
    ['rnn-playground', 'this.settings.open = true;', '', 'phone'],
    ['rnn-playground', '.row.wide { grid-column: 1 / -1; }', '.row { min-width: 24rem; }', 'phone'],
    ['rnn-playground', '.row small { grid-column: 2; color: #595959;', '.row small { grid-column: 2; color: #aaa;', 'a11y'],
    ['rnn-playground-worker', 'try { return new Worker(address); }', 'try { throw new Error(); }', 'file'],
    ['rnn-playground-engine', 'return { make, CELLS', 'return { CELLS', 'file'],
    ['rnn-playground', ':host(:not([loaded])) ::slotted(.fallback) { display: block !important; }', '', 'fallback'],
  ],
};

const words = process.argv.slice(2), breaks = words.find((word) => word.startsWith('--selftest')), folder = mkdtempSync(join(tmpdir(), 'playground-'));
try {
  make(folder);
  const shots = words.includes('--shots') ? resolve(words[words.indexOf('--shots') + 1]) : '', only = words.find((word) => word.startsWith('--only='))?.slice(7) ?? '';
  if (words.includes('--write')) Object.assign(playground, { steps: new Map([[picture, ['the still picture', 'picture']]]) });
  process.exitCode = (breaks ? await selftest(playground, { made: null }, folder, breaks.slice('--selftest='.length)) : (await check(playground, { made: null }, folder, { shots, only })).failed) ? 1 : 0;
} catch (error) {
  console.error(`rnn-playground: ${['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(error.code) ? 'run tools/vendor.sh first (playwright-core and axe-core are not installed)' : error.message}`);
  process.exitCode = 2;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
