#!/usr/bin/env node
// What the playground's stories say in numbers, measured anew with its engine in Node, with the settings that a story gives the page.
//
//   node tests/browser/playground_stories.mjs [--long] [--only=WORDS] [--selftest[=WORDS]]
//
// CLAIMS quotes the words of each story and measures them with the seeds that they name: words that are no longer there, words that are not what is
// measured, and a number of a story that no claim quotes are found. "Nearly all answers right" is said of the first training step whose last 20
// batches had at least 99 % of their answers right, "at chance" of an accuracy from 7.5 to 12.5 % over 20 batches: 1,280 answers, three standard errors.
// Each run is made twice, with float32, as on the page, and with float64: rounding alone makes some runs go another way, and another browser rounds
// otherwise, so what is said must be so of both. Steps are rounded to tens, other numbers to two digits.
// Claims that need many steps are left to --long, which takes minutes.
// --only: the stories whose name has these words. --selftest breaks words and engine, one thing at a time, and wants each found.
// Ends with "N passed, N failed".

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SCRIPTS = join(dirname(fileURLToPath(import.meta.url)), '../../rnnlib/interactive/js');
const SOURCES = Object.fromEntries(['-product', '-engine', '-views', ''].map((name) => [`rnn-playground${name}`, readFileSync(join(SCRIPTS, `rnn-playground${name}.js`), 'utf8')]));
const LAST = 20, NEARLY = 0.99; // batches, share of right answers
const CHANCE = Math.log(10); // the loss

/** The scripts in a world of their own: { RnnEngine, RnnViews, stories, usual }. */
export function load(sources = SOURCES) {
  const world = { WebAssembly, document: { createElement: () => ({}) } }, RnnFigure = class {};
  for (const name of ['-product', '-engine', '-views']) new Function('globalThis', 'RnnFigure', sources[`rnn-playground${name}`])(world, RnnFigure);
  const customElements = { get: () => null, define: (_, { stories, usual }) => Object.assign(world, { stories, usual }) };
  new Function('customElements', 'RnnFigure', 'document', sources['rnn-playground'])(customElements, RnnFigure, { baseURI: '' });
  return world;
}

/** What the engine takes for a story, or its twin, and a seed; `change` sets other controls. */
export function chosen({ stories, usual }, story, { twin = false, seed = 0, change = {} } = {}) {
  const { task, T, cell, H, start, forgetBias, method, lr, momentum, clip, truncation, N } = { ...usual, ...stories[story].settings, ...(twin && stories[story].other), ...change };
  return {
    task, cell, start, method, T, H, N, clip: clip === '' ? Infinity : clip, truncation: truncation === '' ? Infinity : truncation, seed,
    forgetBias: cell !== 'LSTM' || forgetBias === '' ? null : forgetBias, settings: { lr, ...(['momentum', 'Nesterov'].includes(method) && { momentum }) }, text: '',
  };
}

const mean = (values) => values.reduce((all, value) => all + value, 0) / values.length;

/** A training that goes on as far as it is asked to. */
class Run {
  constructor({ RnnEngine: { Training } }, settings, Float) {
    this.training = new Training({ ...settings, Float });
    Object.assign(this, { settings, seed: settings.seed, losses: [], accuracies: [], norms: [], ...this.training.measure(['flow', 'gates']) }); // before training
  }

  to(steps, each = () => {}) {
    while (this.losses.length < steps) {
      const { loss, accuracy, norm } = this.training.step();
      this.losses.push(loss);
      this.accuracies.push(accuracy);
      this.norms.push(norm);
      each(this.training.network.weights);
    }
    return this;
  }

  /** Means over the batches before a step. */
  accuracy(steps) { return mean(this.to(steps).accuracies.slice(steps - LAST, steps)); }

  loss(steps) { return mean(this.to(steps).losses.slice(steps - LAST, steps)); }

  about(share, steps) { return Math.abs(this.accuracy(steps) - share) <= 0.025; }

  chance(steps) { return this.about(0.1, steps); }

  /** The first step at which nearly all answers are right, if it comes. */
  right(most = 600) {
    for (let steps = LAST; steps <= most; steps++) if (this.accuracy(steps) >= NEARLY) return steps;
    return NaN;
  }

  /** How much longer the gradient by the last state is than that by the first, before training. */
  factor(by = 'h') { return this.flow[by].at(-1) / this.flow[by][0]; }
}

// ---- numbers in words ----

const tens = (value) => (Math.round(value / 10) * 10).toLocaleString('en-GB'); // of steps
const two = (value) => Number(value.toPrecision(2)).toLocaleString('en-GB');
const span = (values, word = two) => [...new Set([Math.min(...values), Math.max(...values)].map(word))].join(' to ');
const percent = (value) => `${Math.round(100 * value)} %`;

// ---- what is looked at beside the curves ----

const degrees = (x, y) => Math.atan2(y, x) * 180 / Math.PI;
/** The eigenvalues of W_h outside the unit circle, the largest first; of a pair the one above the real line. */
const outside = (eigenvalues) => eigenvalues.map(([a, b]) => ({ size: Math.hypot(a, b), angle: degrees(a, b) })).filter(({ size, angle }) => size > 1 && angle >= 0).sort((a, b) => b.size - a.size);

/** The means of the first digits' states as the playground draws them: [step][digit] = [x, y], in the plane that suits the last step. */
function ring({ RnnViews }, { training, settings: { H, N, task } }) {
  const measured = training.measure(['states', 'answers']), { states, answers } = measured, axes = RnnViews.plane(measured, N, H, task);
  return Array.from({ length: answers.length / N }, (_, t) => {
    const found = new Map();
    for (let n = 0; n < N; n++) {
      const h = states.subarray((t * N + n) * H, (t * N + n + 1) * H), digit = answers[t * N + n];
      found.set(digit, [...(found.get(digit) ?? []), axes.map((axis) => axis.reduce((all, value, k) => all + value * h[k], 0))]);
    }
    const means = [...found].map(([digit, rows]) => [digit, [0, 1].map((k) => mean(rows.map((row) => row[k])))]), middle = [0, 1].map((k) => mean(means.map(([, place]) => place[k])));
    return new Map(means.map(([digit, place]) => [digit, place.map((value, k) => value - middle[k])]));
  });
}

/** The angle, 0 to 180 degrees, by which the means turn from step to step. */
function turn(places) {
  return mean(places.slice(1).map((now, t) => {
    let cosine = 0, sine = 0;
    for (const [digit, [x, y]] of now) {
      const [a, b] = places[t].get(digit);
      cosine += a * x + b * y;
      sine += a * y - b * x;
    }
    return Math.abs(degrees(cosine, sine));
  }));
}

/** Whether the places stand around their middle: none nearer than half of what is usual, no gap of a quarter. */
function around(places) {
  const sizes = places.map(([x, y]) => Math.hypot(x, y)), angles = places.map(([x, y]) => degrees(x, y)).sort((a, b) => a - b);
  return Math.min(...sizes) > mean(sizes) / 2 && angles.every((angle, n) => (n ? angle - angles[n - 1] : angle + 360 - angles.at(-1)) < 90);
}

// ---- the claims: of each story and its twin, [words, measured(runs, world), long]. runs(seeds, change): trainings with these seeds, or 0 to 2, in float32
//      and in float64.
//      measured returns the words as they should be, or whether they are true ----

const SIX = [0, 1, 2, 3, 4, 5];

const CLAIMS = {
  'the wheel': [[
    ['after 110 to 510 steps with seeds 0 to 2', (runs) => `after ${span(runs().map((run) => run.right()), tens)} steps with seeds 0 to 2`],
    ['the means of the ten first digits stand around a ring', (runs, world) => runs().every((run) => { run.right(); const last = ring(world, run).at(-1); return last.size === 10 && around([...last.values()]); })],
    ['it turns by about the angle of the eigenvalues that are farthest outside the circle', (runs, world) => runs().every((run) => {
      run.right();
      return Math.abs(turn(ring(world, run)) - outside(run.training.measure(['eigenvalues']).eigenvalues.h)[0].angle) < 8;
    })],
    ['with seed 1 two pairs of eigenvalues share the work', (runs) => runs().every((run) => {
      run.right();
      const found = outside(run.training.measure(['eigenvalues']).eigenvalues.h);
      return found.filter(({ size, angle }) => size > found[0].size / 2 && angle > 0 && angle < 180).length === (run.seed === 1 ? 2 : 1);
    })],
    ['from an orthogonal start there are many', (runs) => runs([0, 1, 2], { start: 'orthogonal' }).every((run) => {
      run.right();
      return outside(run.training.measure(['eigenvalues']).eigenvalues.h).length >= 10;
    })],
  ]],

  'the RNN that forgets': [[
    ['11,000 to 34,000 times shorter', (runs) => `${span(runs().map((run) => run.factor()))} times shorter`],
    ['after 1,000 steps seeds 1 and 2 are still at chance and seed 0 at about 20 %', (runs) => runs().every((run) => (run.seed ? run.chance(1000) : run.about(0.2, 1000))), 'long'],
  ], [
    ['loses less than half of its length', (runs) => runs().every((run) => run.factor() > 1 && run.factor() < 2)],
    ['seeds 0 to 2 have nearly all answers right after 110 to 140 steps', (runs) => `seeds 0 to 2 have nearly all answers right after ${span(runs().map((run) => run.right()), tens)} steps`],
  ]],

  'forget bias 0 and 1': [[
    ['Forget gates near one half', (runs) => runs(SIX).every((run) => Math.abs(mean(run.gates.f) - 0.5) < 0.01)],
    ['a factor of 430 to 530 over 19 steps', (runs) => `a factor of ${span(runs(SIX).map((run) => run.factor('c')))} over ${runs()[0].flow.c.length} steps`],
    ['after 500 steps seeds 0 to 2 and 4 are at chance, and seeds 3 and 5 no longer', (runs) => runs(SIX).every((run) => run.chance(500) === ![3, 5].includes(run.seed)), 'long'],
    ['over 10 digits seeds 0 to 2 have nearly all answers right after 180 to 270 steps, with bias 1 after 130 to 160', (runs) => {
      const [none, one] = [0, 1].map((forgetBias) => span(runs([0, 1, 2], { T: 10, forgetBias }).map((run) => run.right()), tens));
      return `over 10 digits seeds 0 to 2 have nearly all answers right after ${none} steps, with bias 1 after ${one}`;
    }, 'long'],
  ], [
    ['Forget gates near 0.73', (runs) => `Forget gates near ${span(runs().map((run) => mean(run.gates.f)))}`],
    ['the factor is about 4', (runs) => `the factor is about ${span(runs().map((run) => run.factor('c')), (value) => String(Math.round(value)))}`],
    ['seeds 0 to 2 have nearly all answers right after 250 to 450 steps', (runs) => `seeds 0 to 2 have nearly all answers right after ${span(runs().map((run) => run.right()), tens)} steps`, 'long'],
  ]],

  'a run that explodes': [[
    ['Within 50 steps the loss is far above chance, on average 5 to 10 instead of 2.3, and stays there with seeds 0 to 2', (runs) => {
      const after = Array.from({ length: 431 }, (_, n) => n + 70), all = runs().flatMap((run) => after.map((steps) => run.loss(steps)));
      return runs().every((run) => run.loss(50) > 2 * CHANCE) && `Within 50 steps the loss is far above chance, on average ${span(all, (loss) => String(Math.round(loss)))} instead of ${two(CHANCE)}, and stays there with seeds 0 to 2`;
    }, 'long'],
    ['goes beyond 30', (runs) => runs().every((run) => Math.max(...run.to(500).norms.slice(0, 500)) > 30), 'long'],
    ['with rate 0.5 a step is half as long', (runs) => runs()[0].settings.method === 'SGD' && runs()[0].settings.settings.lr === 0.5],
    ['after 500 steps at most 22 % of the answers are right', (runs) => `after 500 steps at most ${percent(Math.max(...runs().map((run) => run.accuracy(500))))} of the answers are right`, 'long'],
  ], [
    ['gradients that are longer than 1', (runs) => `gradients that are longer than ${runs()[0].settings.clip}`],
    ['seeds 1 and 2 have nearly all answers right after 120 to 160 steps', (runs) => `seeds 1 and 2 have nearly all answers right after ${span(runs([1, 2]).map((run) => run.right()), tens)} steps`, 'long'],
    ['seed 0 after 190 or not within 500', (runs) => { // in one kind of number, and in the other
      const [single, double] = runs([0]).map((run) => run.right(500));
      return Number.isNaN(single) !== Number.isNaN(double) && `seed 0 after ${tens(single || double)} or not within 500`;
    }, 'long'],
    ['11 to 220 before they are cut', (runs) => `${span(runs().map((run) => Math.max(...run.to(500).norms.slice(0, 500))))} before they are cut`, 'long'],
  ]],

  'zeros stay zeros': [[
    ['the matrices, which stay zero at every step', (runs) => runs().every((run) => {
      let still = true;
      run.to(150, ({ W_x, W_h, W_ph }) => { still &&= [W_x, W_h, W_ph].every((W) => W.every((w) => w === 0)); });
      return still;
    })],
    ['the loss, which stays at chance', (runs) => runs().every((run) => [50, 100, 150].every((steps) => Math.abs(run.loss(steps) / CHANCE - 1) < 0.01))],
    ['only the bias of the readout moves', (runs) => runs().every((run) => Object.entries(run.to(150).training.network.weights).every(([name, w]) => w.some(Boolean) === (name === 'b_p')))],
    ['those change, but all units alike', (runs) => runs([7]).every((run) => { // one of its own
      const { weights, H } = run.training.network;
      for (const w of Object.values(weights)) w.fill(0.1);
      run.to(30);
      return ['W_x', 'W_h'].every((name) => {
        const wide = weights[name].length / 4 / H;
        return weights[name].some((w) => Math.abs(w - 0.1) > 0.01) && weights[name].every((w, n) => w === weights[name][Math.floor(n / wide / H) * H * wide + n % wide]);
      });
    })],
  ]],

  'too small a rate behind chrono': [[
    ['on average 0.87 and 0.13', (runs) => `on average ${['f', 'i'].map((gate) => two(mean(runs().map((run) => mean(run.gates[gate]))))).join(' and ')}`],
    ['after 400 steps the loss of seeds 0 to 2 is still 2.3, as by chance', (runs) => {
      const all = runs().map((run) => run.loss(400));
      return Math.max(...all.map((loss) => Math.abs(loss / CHANCE - 1))) < 0.01 && `after 400 steps the loss of seeds 0 to 2 is still ${span(all)}, as by chance`;
    }, 'long'],
    ['after 600 they have about 20 % right', (runs) => runs().every((run) => run.about(0.2, 600)), 'long'],
  ], [
    ['a rate 33 times as large', (runs, world) => { const { settings, other } = world.stories['too small a rate behind chrono']; return `a rate ${two(other.lr / settings.lr)} times as large`; }],
    ['seeds 0 to 2 have nearly all answers right after 170 to 260 steps', (runs) => `seeds 0 to 2 have nearly all answers right after ${span(runs().map((run) => run.right()), tens)} steps`],
    ['0.1 gets there after 90 to 200', (runs) => `0.1 gets there after ${span(runs([0, 1, 2], { lr: 0.1 }).map((run) => run.right()), tens)}`, 'long'],
  ]],
};

/** All claims of the stories whose name holds `only`, or up to the first that fails. Returns what failed, and how many held. */
function check(world, { long = false, only = '', first = false, log = () => {} } = {}) {
  const failed = [], kept = new Map(), { stories } = world;
  let passed = 0;
  const want = (good, text) => { good ? passed++ : failed.push(text); };
  for (const name of new Set([...Object.keys(stories), ...Object.keys(CLAIMS)])) {
    if (!name.includes(only)) continue;
    const says = stories[name]?.says ?? [], claims = CLAIMS[name] ?? [], from = process.cpuUsage().user;
    want(says.length === claims.length, `${name}: ${says.length} texts, claims of ${claims.length}`);
    says.forEach((text, side) => {
      const where = `${name}${side ? ', its twin' : ''}`, sentences = text.split(/(?<=\.) (?=[A-Z])/);
      const runs = (seeds = [0, 1, 2], change = {}) => [Float32Array, Float64Array].flatMap((Float) => seeds.map((seed) => {
        const settings = chosen(world, name, { twin: Boolean(side), seed, change }), key = Float.name + JSON.stringify(settings);
        if (!kept.has(key)) kept.set(key, new Run(world, settings, Float));
        return kept.get(key);
      }));
      let rest = text;
      for (const [words, measured, needs] of claims[side] ?? []) {
        if (first && failed.length) return;
        const sentence = sentences.findIndex((one) => one.includes(words)) + 1;
        rest = rest.replace(words, '');
        if (!sentence) { failed.push(`${where}: no sentence says "${words}" any more`); continue; }
        if (needs && !long) continue;
        const found = measured(runs, world);
        want(found === true || found === words, `${where}, sentence ${sentence}: says "${words}", ${typeof found === 'string' ? `measured is "${found}"` : 'which is not so'}`);
      }
      want(!/\d/.test(rest.replace(/\bbias [01]\b/g, '')), `${where}: no claim measures a number of "${rest}"`);
    });
    log(`${name}: ${((process.cpuUsage().user - from) / 1e6).toFixed(1)} s of a core`);
  }
  return { failed, passed };
}

const STORIES = 'rnn-playground', ENGINE = 'rnn-playground-engine';
const BROKEN = [ // script, what, by what, the story that should find it
  [STORIES, 'after 110 to 510 steps', 'after 130 to 590 steps', 'the wheel'],
  [STORIES, "H: 64, start: 'uniform', lr: 0.002", "H: 64, start: 'uniform', lr: 0.003", 'the wheel'],
  [STORIES, '11,000 to 34,000 times', '11,000 to 35,000 times', 'the RNN that forgets'],
  [STORIES, "other: { start: 'orthogonal' }", "other: { start: 'identity' }", 'the RNN that forgets'],
  [STORIES, 'a factor of 430 to 530', 'a factor of 43 to 53', 'forget bias'],
  [STORIES, 'over 19 steps', 'over 20 steps', 'forget bias'],
  [STORIES, 'near 0.73', 'near 0.37', 'forget bias'],
  [STORIES, 'goes beyond 30', 'goes beyond 40', 'explodes'],
  [STORIES, 'that are longer than 1', 'that are longer than 2', 'explodes'],
  [STORIES, 'which stay zero at every step', 'which stay zero for 99 steps', 'zeros'],
  [STORIES, 'on average 0.87 and 0.13', 'on average 0.9 and 0.1', 'chrono'],
  [STORIES, 'a rate 33 times as large', 'a rate 30 times as large', 'chrono'],
  [STORIES, 'It does not show the best rate:', 'It does not show the best rate of 7:', 'chrono'],
  [ENGINE, 'b.fill(forgetBias, H, 2 * H)', 'b.fill(forgetBias, 0, H)', 'forget bias'],
  [ENGINE, 'dc_[u] += dc[u] * a[f];', 'dc_[u] += dc[u] * a[f] * 0.95;', 'forget bias'],
  [ENGINE, 'da[u] = dh[u] * (1 - a[u] * a[u]);', 'da[u] = dh[u];', 'the wheel'],
  [ENGINE, 'beta1: 0.9,', 'beta1: 0.99,', 'the RNN that forgets'],
  [ENGINE, 'initial.uniform(W, 1 / Math.sqrt(H), random)', 'initial.uniform(W, 0.9 / Math.sqrt(H), random)', 'the RNN that forgets'],
  [ENGINE, 'random.uniform(1, T_max - 1)', 'random.uniform(1, T_max + 4)', 'chrono'],
  [ENGINE, "start === 'zero' ? W.fill(0)", "start === 'zero' ? W.fill(1e-3)", 'zeros'],
];

/** Each break must change the source, and be found in its story. */
function selftest(words) {
  const chosenBreaks = BROKEN.filter((entry) => entry.join(' ').includes(words));
  let missed = 0;
  for (const [file, from, to, story] of chosenBreaks) {
    let failed = [];
    if (SOURCES[file].includes(from)) try { ({ failed } = check(load({ ...SOURCES, [file]: SOURCES[file].replace(from, () => to) }), { only: story, first: true })); } catch (error) { failed = [String(error)]; }
    missed += !failed.length;
    console.log(`${failed.length ? 'ok  ' : 'FAIL'} ${story}: ${from.slice(0, 60)} -> ${to.slice(0, 60)}: ${failed[0] ?? (SOURCES[file].includes(from) ? 'is not found' : 'nothing to break')}`);
  }
  console.log(`${chosenBreaks.length - missed} passed, ${missed} failed`);
  return missed;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const words = process.argv.slice(2), breaks = words.find((word) => word.startsWith('--selftest'));
  if (breaks) process.exitCode = selftest(breaks.slice('--selftest='.length)) ? 1 : 0;
  else {
    const { failed, passed } = check(load(), { long: words.includes('--long'), only: words.find((word) => word.startsWith('--only='))?.slice(7) ?? '', log: console.log });
    for (const line of failed) console.log(`FAIL ${line}`);
    console.log(`${passed} passed, ${failed.length} failed`);
    process.exitCode = failed.length ? 1 : 0;
  }
}
