#!/usr/bin/env node
// The playground's engine against rnnlib, in Node: no page and no browser.
//
//   node tests/browser/playground.mjs [--selftest[=WORDS]] [--only=PART,PART] [--speed] [--numbers FILE]
//
//   product    C += A B and C += A^T B, every size, both number types, in WebAssembly and without: as a plain triple loop
//   forward    states, outputs, loss and accuracy of each case of playground_numbers.py: within 1e-10 of rnnlib's (of the largest number)
//   gradients  of every weight, also truncated; flow: the gradient's length at each step; felt: that of the output by each input
//   steps      losses, norms before clipping, and the weights after up to 100 steps of each optimizer, clipped or not
//   central    gradients against central differences of the engine's own loss
//   starts     each initialisation by its defining property
//   random     the generator word for word, and the distribution of what is drawn from it
//   tasks      each sequence by its definition; a text's windows as rnnlib.text's; the scores of a guess
//   eigen      eigenvalues of matrices of up to 128 rows: within 1e-8 of NumPy's
//   training   repeats by seed, learns, carries a text's state, names what does not fit
//   worker     what it is told and what it answers: at most 20 snapshots a second, each step once, nothing lost, wrong settings refused
// --selftest breaks the engine, one thing at a time, and wants each found by the part that should. --speed: steps a second, beside rnnlib's in the same minute.
// --numbers reads what playground_numbers.py printed before. PYTHON names the Python that has rnnlib. Ends with "N passed, N failed".

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { central, CLOSE } from './central.mjs';
import { expectations } from './expectations.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const NEAR = 1e-10; // of rnnlib's numbers in float64
const FILES = ['rnn-playground-product', 'rnn-playground-engine'], WORKER = 'rnn-playground-worker';
const SOURCES = Object.fromEntries([...FILES, WORKER].map((name) => [name, readFileSync(join(ROOT, 'rnnlib/interactive/js', `${name}.js`), 'utf8')]));

/** The scripts in a world of their own; without WebAssembly where asked. */
function load({ sources = SOURCES, plain = false } = {}) {
  const world = plain ? {} : { WebAssembly };
  for (const name of FILES) new Function('globalThis', sources[name])(world);
  world.sources = sources;
  return world;
}

/** The worker in a world of its own, with a clock of ours: each time it looks, `tick` milliseconds have passed. */
function employ(sources) {
  const heard = [], world = {
    WebAssembly, tick: 1, slow: 0, time: 0, later: [],
    performance: { now: () => (world.time += world.tick) },
    setTimeout: (act, wait) => { world.later.push({ act, at: world.time + wait }); return world.later.length; },
    clearTimeout: (n) => { if (n) world.later[n - 1].act = null; },
    MessageChannel: class { constructor() { this.port1 = {}; this.port2 = { postMessage: () => world.later.push({ act: () => this.port1.onmessage({}), at: 0 }) }; } },
    postMessage: (message) => { heard.push({ ...structuredClone(message), at: world.time }); world.time += world.slow; },
  };
  for (const name of [...FILES, WORKER]) new Function('globalThis', sources[name])(world);
  const tell = world.RnnTrainer((message) => world.postMessage(message), 12);
  /** Tell it something, if anything, and let `time` milliseconds pass. Returns what it said. */
  const pass = (data, time = 0) => {
    const from = heard.length, until = world.time + time;
    if (data) tell(data);
    while (world.time < until) {
      const next = world.later.find(({ act, at }) => act && at <= world.time), { act } = next ?? {};
      if (next) { next.act = null; act(); } else world.time++;
    }
    return heard.slice(from);
  };
  return { heard, pass, world };
}

/** The largest difference of two arrays, of the largest number in the second; Infinity where one is no number. */
function off(found, wanted) {
  if (found.length !== wanted.length) return Infinity;
  let most = 0, worst = 0;
  for (let n = 0; n < wanted.length; n++) {
    const d = Math.abs(found[n] - wanted[n]);
    if (Number.isNaN(d)) return Infinity;
    worst = Math.max(worst, d);
    most = Math.max(most, Math.abs(wanted[n]));
  }
  return worst && worst / (most || 1);
}
const all = (weights, wanted) => (Object.keys(weights).join() === Object.keys(wanted).join() ? Math.max(...Object.keys(wanted).map((name) => off(weights[name], wanted[name]))) : Infinity);
const named = (c) => [c.cell, c.task, c.every ? 'every' : 'last', c.one_hot ? '' : 'numbers', c.truncation && `k=${c.truncation}`, c.clip && `clip=${c.clip}`, c.method, JSON.stringify(c.settings)].filter(Boolean).join(' ');

/** A network with a case's weights, and its batches. */
function built({ RnnEngine: E }, c) {
  const adding = c.task === 'adding';
  const network = new E.Network({ cell: c.cell, D: c.D, H: c.H, K: c.K, every: c.every, loss: adding ? 'squared error' : 'cross-entropy' });
  for (const [name, w] of Object.entries(c.weights)) network.weights[name].set(w);
  const X = c.one_hot && !adding ? Int32Array : Float64Array, Y = adding ? Float64Array : Int32Array;
  return { network, space: network.space(c.x_steps, c.N), batches: c.batches.map(({ x, y, begins }) => ({ x: X.from(x), y: Y.from(y), begins })), truncation: c.truncation ?? Infinity };
}

/** Forward, judged, and back: one case's first batch. */
function first(world, c) {
  const { network, space, batches: [{ x, y }], truncation } = built(world, c);
  network.forward(space, x);
  const found = network.judge(space, y), gradients = network.backward(space, x, truncation);
  return { network, space, x, y, found, gradients };
}

const generic = (E, seed, n, Float = Float64Array) => { const random = new E.Random(seed); return Float.from({ length: n }, () => random.normal()); };

// name: (world, numbers, want, full): want(what, largest error, limit) or want(what, true or false)
const PARTS = {
  product({ RnnProduct: P, RnnEngine: E }, numbers, want, full) {
    const sizes = full ? [[1, 1, 1], [3, 5, 7], [4, 8, 4], [5, 9, 65], [13, 10, 130], [64, 256, 64], [7, 3, 1], [2, 64, 576]] : [[3, 5, 7], [13, 10, 130], [4, 8, 4]];
    for (const [n, [M, N, K]] of sizes.entries()) {
      for (const [Float, limit] of [[Float64Array, 1e-14], [Float32Array, 1e-5]]) {
        const A = generic(E, n, M * K, Float), B = generic(E, n + 100, K * N, Float), C = generic(E, n + 200, M * N, Float);
        for (const name of ['add', 'addTransposed']) {
          const wanted = Float64Array.from(C);
          for (let i = 0; i < M; i++) for (let j = 0; j < N; j++) for (let k = 0; k < K; k++) wanted[i * N + j] += A[name === 'add' ? i * K + k : k * M + i] * B[k * N + j];
          for (const [where, product] of [['fast', P], ['plain', P.plain]]) {
            const found = C.slice();
            product[name](found, A, B, M, N, K);
            want(`${where} ${name} (${M}, ${K}) (${K}, ${N}) ${Float.name}`, off(found, wanted), limit);
          }
        }
      }
    }
    want('WebAssembly is used where there is one', P.fast === true);
  },

  forward(world, { cases }, want) {
    for (const c of cases) {
      const { space, found } = first(world, c);
      want(`h: ${named(c)}`, off(space.h.subarray(c.N * c.H), c.first.h), NEAR);
      want(`p: ${named(c)}`, off(space.p, c.first.p), NEAR);
      want(`loss: ${named(c)}`, off([found.loss, found.accuracy], [c.first.loss, c.first.accuracy]), NEAR);
    }
  },

  gradients(world, { cases }, want) {
    for (const c of cases) {
      const { network, space, x, y, gradients } = first(world, c);
      want(`gradients: ${named(c)}`, all(gradients, c.first.gradients), NEAR);
      network.judge(space, y);
      network.sweep(space);
      const flow = network.flow(space);
      want(`flow: ${named(c)}`, all(flow, c.first.flow), NEAR);
      const single = network.space(c.x_steps, 1), each = x.length / c.x_steps / c.N;
      network.forward(single, x.filter((_, n) => n % (c.N * each) < each));
      network.felt(single, c.x_steps - 1, 0);
      want(`felt: ${named(c)}`, off(network.felt(single, c.x_steps - 1, c.K - 1), c.first.felt), NEAR);
    }
  },

  steps(world, { cases }, want) {
    const { Optimizer, clip } = world.RnnEngine;
    for (const c of cases) {
      const { network, space, batches, truncation } = built(world, c), optimizer = new Optimizer(c.method, network.weights, c.settings), losses = [], norms = [];
      let state = null;
      for (let step = 0; step < c.steps; step++) {
        const { x, y, begins } = batches[step % batches.length];
        network.forward(space, x, begins || !step ? null : state);
        if (c.task === 'text') state = network.last(space);
        losses.push(network.judge(space, y).loss);
        norms.push(clip(network.backward(space, x, truncation), c.clip ?? Infinity));
        optimizer.step(network.gradients);
      }
      want(`losses: ${named(c)}`, off(losses, c.losses), NEAR);
      want(`norms: ${named(c)}`, off(norms, c.norms), NEAR);
      want(`weights after ${c.steps} steps: ${named(c)}`, all(network.weights, c.after), NEAR);
      if (c.clip) want(`some are clipped: ${named(c)}`, norms.some((norm) => norm > c.clip));
    }
  },

  central({ RnnEngine }, numbers, want) {
    for (const [what, error] of central(RnnEngine)) want(what, error, CLOSE);
  },

  starts({ RnnEngine: E }, numbers, want) {
    const H = 24, D = 40, K = 10, make = (cell, start, more) => {
      const network = new E.Network({ cell, D, H, K });
      E.initialise(network, start, new E.Random(3), more);
      return network.weights;
    };
    const within = (w, low, high) => w.every((value) => value >= low && value <= high), filled = (w, value) => w.every((one) => one === value), bound = 1 / Math.sqrt(H);
    const blocks = (w) => Array.from({ length: w.length / H / H }, (_, g) => w.subarray(g * H * H, (g + 1) * H * H));
    /** The largest entry of W^T W - I. */
    const turned = (W) => { let worst = 0; for (let i = 0; i < H; i++) for (let j = 0; j < H; j++) { let p = 0; for (let k = 0; k < H; k++) p += W[k * H + i] * W[k * H + j]; worst = Math.max(worst, Math.abs(p - (i === j))); } return worst; };
    const variance = (w) => w.reduce((squares, value) => squares + value * value, 0) / w.length;
    for (const cell of ['RNN', 'GRU', 'LSTM']) {
      const uniform = make(cell, 'uniform'), every = Object.values(uniform);
      want(`uniform ${cell}: in the bound, and near it`, every.every((w) => within(w, -bound, bound) && Math.max(...w.map(Math.abs)) > 0.7 * bound));
      want(`uniform ${cell}: variance bound^2 / 3`, Math.abs(variance(uniform.W_h) / (bound * bound / 3) - 1), 0.15);
      want(`zero ${cell}`, Object.values(make(cell, 'zero')).every((w) => filled(w, 0)));
      for (const start of ['xavier', 'orthogonal', 'identity']) {
        const w = make(cell, start);
        want(`${start} ${cell}: biases 0`, filled(w.b, 0) && (!w.b_nh || filled(w.b_nh, 0)));
        want(`${start} ${cell}: W_x, W_ph, b_p uniform`, ['W_x', 'W_ph', 'b_p'].every((name) => within(w[name], -bound, bound) && Math.max(...w[name].map(Math.abs)) > 0.7 * bound));
      }
      const a = Math.sqrt(6 / (2 * H)), { W_h: xavier } = make(cell, 'xavier');
      want(`xavier ${cell}: in its bound, and near it`, within(xavier, -a, a) && Math.max(...xavier.map(Math.abs)) > 0.97 * a);
      for (const W of blocks(xavier)) want(`xavier ${cell}: variance 1 / H`, Math.abs(variance(W) * H - 1), 0.15);
      const turns = blocks(make(cell, 'orthogonal').W_h);
      for (const W of turns) want(`orthogonal ${cell}: W^T W = I`, turned(W), 1e-12);
      want(`orthogonal ${cell}: each block another`, new Set(turns.map((W) => W[0])).size === turns.length);
      for (const W of blocks(make(cell, 'identity').W_h)) want(`identity ${cell}`, W.every((value, n) => value === Number(n % (H + 1) === 0)));
    }
    const wide = new Float64Array(200 * 300);
    E.initial.xavier(wide, 200, 300, new E.Random(0));
    want('xavier (200, 300): variance 2 / 500, of 60,000 draws', Math.abs(variance(wide) * 250 - 1), 0.02);
    want('xavier (200, 300): bound', Math.abs(Math.max(...wide.map(Math.abs)) / Math.sqrt(6 / 500) - 1), 1e-3);
    let corner = 0, signs = 0; // uniform over the orthogonal matrices: entries have mean 0 and mean square 1 / H, the diagonal too
    for (let seed = 0; seed < 2000; seed++) {
      const Q = new Float64Array(9);
      E.initial.orthogonal(Q, 3, new E.Random(seed));
      corner += Q[0] * Q[0] / 2000;
      signs += Q[0] / 2000;
    }
    want('orthogonal: mean square 1 / 3 of an entry, of 2,000', Math.abs(corner - 1 / 3), 0.025);
    want('orthogonal: mean 0 of an entry, of 2,000', Math.abs(signs), 0.05);
    const T_max = 50, top = Math.log(T_max - 1);
    const lstm = make('LSTM', 'chrono', { T_max }).b, gru = make('GRU', 'chrono', { T_max }), f = lstm.subarray(H, 2 * H);
    want('chrono LSTM: b_f in [0, ln(T_max - 1)], b_i = -b_f, others 0', within(f, 0, top) && f.every((b, k) => lstm[k] === -b) && filled(lstm.subarray(2 * H), 0));
    want('chrono LSTM: b_f spread', Math.max(...f) > 0.9 * top && new Set(f).size === H);
    want('chrono GRU: b_z in [0, ln(T_max - 1)], others 0', within(gru.b.subarray(H, 2 * H), 0, top) && Math.max(...gru.b) > 0.9 * top && filled(gru.b.subarray(0, H), 0) && filled(gru.b.subarray(2 * H), 0) && filled(gru.b_nh, 0));
    const many = new Float64Array(4 * 20000);
    E.initial.chrono(many, 20000, E.CELLS.LSTM.gates, T_max, new E.Random(1));
    want('chrono: e^b_f has the mean T_max / 2, of 20,000', Math.abs(many.subarray(20000, 40000).map(Math.exp).reduce((x, y) => x + y) / 20000 / (T_max / 2) - 1), 0.02);
    want('chrono: W_h orthogonal', turned(blocks(make('LSTM', 'chrono', { T_max }).W_h)[2]), 1e-12);
    for (const start of ['uniform', 'orthogonal', 'chrono', 'zero']) {
      const plain = make('LSTM', start, { T_max }).b, b = make('LSTM', start, { T_max, forgetBias: 1.5 }).b;
      want(`forget bias 1.5 on ${start}: f alone`, b.every((value, k) => (k >= H && k < 2 * H ? value === 1.5 : value === plain[k])));
    }
  },

  random({ RnnEngine: { Random } }, { words }, want) {
    for (const [seed, wanted] of Object.entries(words)) {
      const random = new Random(Number(seed));
      want(`the first words of seed ${seed}`, wanted.every((word) => word === random.bits()));
    }
    const random = new Random(9), draws = 50000, u = Float64Array.from({ length: draws }, () => random.uniform(-1, 3)), z = Float64Array.from({ length: draws }, () => random.normal());
    const moment = (x, k) => x.reduce((total, value) => total + value ** k, 0) / draws;
    want('U(-1, 3): in it', u.every((value) => value >= -1 && value < 3));
    want('U(-1, 3): mean 1, variance 4 / 3', Math.max(Math.abs(moment(u, 1) - 1), Math.abs(moment(u, 2) - 7 / 3) / 2), 0.03);
    want('uniform: 53 bits', new Set(u.map((value) => (value + 1) / 4 * 2 ** 53 % 64)).size === 64);
    want('N(0, 1): mean 0, variance 1, third moment 0, fourth 3', Math.max(Math.abs(moment(z, 1)), Math.abs(moment(z, 2) - 1), Math.abs(moment(z, 3)) / 3, Math.abs(moment(z, 4) / 3 - 1)), 0.04);
    const counts = Array(7).fill(0);
    for (let n = 0; n < 70000; n++) counts[random.integer(2, 9) - 2]++;
    want('whole numbers 2 to 8, each alike', Math.max(...counts.map((count) => Math.abs(count / 10000 - 1))), 0.05);
  },

  tasks({ RnnEngine: E }, { cases, text, baselines }, want) {
    const rows = (task, N = 400) => { const random = new E.Random(2); return Array.from({ length: N }, () => task.one(random)); };
    for (const T of [2, 3, 9, 10]) {
      const drawn = rows(E.TASKS.palindrome({ T })), first = Array(10).fill(0);
      want(`palindrome ${T}`, drawn.every(({ x, y }) => { const digits = [...x, y.at(-1)]; return digits.length === T && digits.join() === [...digits].reverse().join() && y.every((d) => d === x[0]); }));
      for (const { x } of rows(E.TASKS.palindrome({ T }), 4000)) first[x[0]]++;
      want(`palindrome ${T}: digits alike`, Math.max(...first.map((n) => Math.abs(n / 400 - 1))), 0.25);
      want(`palindrome ${T}: digits apart`, T < 4 || drawn.some(({ x }) => x[0] !== x[1]));
      const sums = rows(E.TASKS.adding({ T })), half = Math.floor(T / 2);
      want(`adding ${T}: a mark in each half`, sums.every(({ x }) => x.length === T && [x.slice(0, half), x.slice(half)].every((part) => part.reduce((n, [, mark]) => n + mark, 0) === 1)));
      want(`adding ${T}: every place`, sums[0].x.every((_, t) => sums.some(({ x }) => x[t][1])));
      want(`adding ${T}: sums`, Math.max(...sums.map(({ x, y }) => off(y, y.map((_, t) => x.slice(0, t + 1).reduce((total, [number, mark]) => total + number * mark, 0))))), 1e-15);
      want(`adding ${T}: U(0, 1)`, sums.every(({ x }) => x.every(([number]) => number >= 0 && number < 1)));
      const odd = rows(E.TASKS.parity({ T }));
      want(`parity ${T}`, odd.every(({ x, y }) => x.length === T && y.every((bit, t) => bit === x.slice(0, t + 1).reduce((a, b) => a + b, 0) % 2)));
      want(`parity ${T}: bits alike`, Math.abs(odd.reduce((n, { x }) => n + x.at(-1), 0) / 200 - 1), 0.2);
    }
    for (const T of [1, 5, 10]) {
      const task = E.TASKS.copying({ T }), drawn = rows(task);
      want(`copying ${T}`, drawn.every(({ x, y }) => x.length === T + 20 && y.length === T + 20 && x.every((symbol, t) => (t < 10 ? symbol >= 1 && symbol <= 8 : symbol === (t === T + 9 ? 9 : 0)) && (t < T + 10 ? y[t] === 0 : y[t] === x[t - T - 10]))));
      want(`copying ${T}: eight symbols`, new Set(drawn.map(({ x }) => x[0])).size === 8);
      want(`copying ${T}: a guess`, off([task.chance.loss], [baselines.copying[T]]), 1e-12);
    }
    want('adding: a guess', off([E.TASKS.adding({ T: 5 }).chance.loss], [baselines.adding]), 1e-12);
    const close = rows(E.TASKS.adding({ T: 5 }), 40000).filter(({ y }) => Math.abs(y.at(-1) - 1) < 0.04).length / 40000;
    want('adding: right by chance', Math.abs(close / E.TASKS.adding({ T: 5 }).chance.accuracy - 1), 0.1);
    const c = cases.find((one) => one.task === 'text'), task = E.TASKS.text({ T: c.T, N: c.N, text });
    want('text: symbols', task.D === c.D && task.symbols.join('') === [...new Set(text)].sort((a, b) => a.codePointAt() - b.codePointAt()).join(''));
    c.batches.forEach(({ x, y, begins }, k) => {
      const found = E.batch(task, c.N, null, { k });
      want(`text: window ${k}`, found.x.join() === x.join() && found.y.join() === y.join() && task.begins(k) === begins);
    });
    const letters = [...text], p = (letter) => letters.filter((other) => other === letter).length / letters.length;
    want('text: a guess', off([task.chance.loss, task.chance.accuracy], [-letters.reduce((total, letter) => total + Math.log(p(letter)), 0) / letters.length, Math.max(...letters.map(p))]), 1e-12);
    const digits = E.TASKS.palindrome({ T: 4 }), symbols = E.batch(digits, 3, new E.Random(1)), plain = E.batch(digits, 3, new E.Random(1), { oneHot: false });
    want('symbols, or numbers', symbols.x instanceof Int32Array && plain.x instanceof Float64Array && symbols.x.join() === plain.x.join());
    const pairs = E.batch(E.TASKS.adding({ T: 3 }), 2, new E.Random(1)), random = new E.Random(1), [a, b] = [0, 1].map(() => E.TASKS.adding({ T: 3 }).one(random));
    want('time first', pairs.x.join() === [0, 1, 2].flatMap((t) => [...a.x[t], ...b.x[t]]).join() && pairs.y.join() === [0, 1, 2].flatMap((t) => [a.y[t], b.y[t]]).join());
  },

  eigen({ RnnEngine: { eigenvalues } }, { matrices }, want) {
    for (const { name, n, W, eigenvalues: wanted } of matrices) {
      const found = eigenvalues(W, n), left = [...found], largest = Math.max(...wanted.map(([re, im]) => Math.hypot(re, im)));
      let worst = 0;
      for (const [re, im] of wanted) { // the nearest that is left
        const apart = left.map(([a, b]) => Math.hypot(a - re, b - im)), nearest = Math.min(...apart);
        worst = Math.max(worst, nearest);
        left.splice(apart.indexOf(nearest), 1);
      }
      want(name, found.length === n && Number.isFinite(worst) ? worst && worst / (largest || 1) : Infinity, 1e-8);
    }
    try { eigenvalues([1, NaN, 0, 1], 2); want('NaN is refused', false); } catch (error) { want('NaN is refused', error instanceof RangeError); }
  },

  training({ RnnEngine: E }, { text }, want, full) {
    const { Training } = E, run = (chosen, steps) => { const training = new Training(chosen); let last; for (let n = 0; n < steps; n++) last = training.step(); return { training, last }; };
    const small = { task: 'palindrome', T: 5, cell: 'LSTM', H: 8, N: 8, settings: { lr: 0.02 } };
    const [one, same, other] = [4, 4, 5].map((seed) => run({ ...small, seed }, 5).last.loss);
    want('the same seed, the same loss; another, another', one === same && one !== other);
    want('seed 2^32 - 1', Number.isFinite(run({ ...small, seed: 2 ** 32 - 1 }, 2).last.loss));
    const measured = run({ ...small, seed: 4 }, 3).training, before = JSON.stringify(measured.measure()), after = (measured.measure(), measured.step(), measured.step().loss);
    want('measuring changes nothing', after === one && before !== JSON.stringify(measured.measure()));
    want('the same sequences for every seed', new Training({ ...small, seed: 5 }).measure([]).x.join() === measured.measure([]).x.join());
    want('its weights are copies', (() => { const { weights } = measured.measure(['weights']); weights.W_h.fill(9); return measured.network.weights.W_h.every((w) => w !== 9); })());
    const m = measured.measure(), some = measured.measure(['felt']), { answers, y } = measured.measure(['answers']);
    want('the answers of all sequences', answers.length === y.length * measured.N && y.every((one, t) => one === answers[t * measured.N]) && new Set(answers).size > 1);
    want('only what is wanted', Object.keys(some).join() === 'x,y,felt' && some.felt.join() === m.felt.join());
    want('eigenvalues of each block', Object.keys(m.eigenvalues).join('') === 'ifgo' && Object.values(m.eigenvalues).every((values) => values.length === 8));
    want('gates of the first sequence', m.gates.i.length === 4 * 8 && m.gates.h.every((h, u) => Math.fround(h) === m.states[Math.floor(u / 8) * 64 + u % 8]) && m.gates.h.every((h, u) => Math.abs(h - Math.tanh(m.gates.c[u]) * m.gates.o[u]) < 1e-6));
    want('the first sequence', m.x.length === 4 && m.y.every((d) => d === m.x[0]) && m.felt.length === 4 && m.flow.c.length === 4);
    for (const cell of full ? ['RNN', 'GRU', 'LSTM'] : ['GRU']) {
      const { training, last } = run({ ...small, cell, H: 16, N: 32, start: 'orthogonal', seed: 1 }, 200);
      want(`${cell} learns`, last.loss < training.chance.loss / 4 && last.accuracy > 0.7);
    }
    const zero = run({ ...small, start: 'zero' }, 20).training.network.weights;
    want('zeros stay zeros, all but b_p', Object.entries(zero).every(([name, w]) => name === 'b_p' || w.every((value) => value === 0)) && zero.b_p.some(Boolean));
    const double = run({ ...small, Float: Float64Array }, 20).last, single = run(small, 20).last;
    want('float32 beside float64', off([single.loss, single.norm], [double.loss, double.norm]), 1e-3);
    const written = run({ task: 'text', text, T: 4, N: 2, cell: 'GRU', H: 8, Float: Float64Array, method: 'SGD', settings: { lr: 0 } }, 2).training, { network } = written;
    const whole = network.space(8, 2), [a, b] = [0, 1].map((k) => E.batch(written.task, 2, null, { k }).x);
    network.forward(whole, Int32Array.from([...a, ...b]));
    want('a text is read on', off(written.state.h, network.last(whole).h), 1e-14);
    const round = run({ task: 'text', text, T: 40, N: 2, cell: 'RNN', H: 8, Float: Float64Array, method: 'SGD', settings: { lr: 0 } }, 1).training, start = round.step();
    want('and begins anew with zeros', start.loss === new Training({ task: 'text', text, T: 40, N: 2, cell: 'RNN', H: 8, Float: Float64Array }).step().loss);
    want('no chance level where another place is judged', new Training({ ...small, every: true }).chance === null && new Training(small).chance.accuracy === 0.1);
    const wild = run({ ...small, cell: 'RNN', task: 'adding', method: 'SGD', settings: { lr: 1e30 } }, 30).last;
    want('an endless weight is said at once', run({ ...small, method: 'SGD', settings: { lr: 1e300 } }, 1).last.finite === false);
    want('what is no number is said', wild.finite === false && run(small, 2).last.finite === true);
    const wrong = [[{ cell: 'rnn' }, 'cell must be RNN, GRU, LSTM, got rnn'], [{ H: 0 }, 'H must be'], [{ N: 1.5 }, 'N must be'], [{ T: 1 }, 'T must be'], [{ task: 'x' }, 'task must be'],
      [{ start: 'x' }, 'start must be'], [{ method: 'x' }, 'method must be'], [{ settings: { momentum: 1 } }, 'settings must be'], [{ settings: { lr: NaN } }, 'lr must be'], [{ clip: 0 }, 'clip must be'],
      [{ truncation: 0 }, 'truncation must be'], [{ seed: -1 }, 'seed must be'], [{ cell: 'RNN', start: 'chrono' }, 'start must be'], [{ start: 'chrono', T_max: 2 }, 'T_max must be'],
      [{ cell: 'GRU', forgetBias: 1 }, 'forgetBias must be'], [{ task: 'text', text: 'short' }, 'text must be']];
    for (const [chosen, says] of wrong) {
      let message = 'nothing';
      try { new Training({ ...small, ...chosen }); } catch (error) { message = error instanceof RangeError ? error.message : `${error}`; }
      want(`${JSON.stringify(chosen)} is refused`, message.startsWith(says));
    }
  },

  worker({ sources }, numbers, want) {
    const settings = { task: 'parity', T: 3, cell: 'RNN', H: 4, N: 4, seed: 3 }, { Training } = load().RnnEngine;
    const alone = (steps) => { const training = new Training(settings), losses = []; for (let n = 0; n < steps; n++) losses.push(training.step().loss); return Float32Array.from(losses); };
    const losses = (said) => said.flatMap(({ curve }) => [...curve].filter((_, n) => n % 3 === 0));
    const w = employ(sources);
    want('nothing before configure', w.pass({ type: 'start' }).map(({ type, message }) => type + message).join() === 'refusedconfigure must come first, got start');
    const [first, ...more] = w.pass({ type: 'configure', settings, show: ['flow'] }, 60);
    want('configure: a snapshot', !more.length && first.type === 'snapshot' && first.run === 1 && !first.running && first.steps === 0 && first.finite && first.chance.accuracy === 0.5 && Object.keys(first.measured).join() === 'x,y,flow' && first.curve.length === 0);
    const stepped = [w.pass({ type: 'step' }, 60), w.pass({ type: 'step' }, 60)].flat();
    want('step: one each', stepped.map(({ steps }) => steps).join() === '1,2' && off(losses(stepped), alone(2)) === 0);
    const hurried = [...Array.from({ length: 10 }, () => w.pass({ type: 'step' }, 1)).flat(), ...w.pass(null, 200)];
    want('step: ten in a hurry', hurried.at(-1).steps === 12 && hurried.length <= 3);
    const trained = w.pass({ type: 'start' }, 1000);
    want('start: many steps', trained.length > 5 && trained.at(-1).running && trained.at(-1).steps > 200 && trained.every(({ speed }) => speed >= 0) && trained.at(-1).speed > 0);
    const paused = w.pass({ type: 'pause' }, 100), still = w.pass(null, 500), all = [...stepped, ...hurried, ...trained, ...paused];
    want('pause: it stops', paused.length === 1 && !paused[0].running && still.length === 0);
    want('each step is told once', off(losses(all), alone(paused[0].steps)) === 0);
    const apart = (said) => Math.min(...said.slice(1).map(({ at }, n) => at - said[n].at));
    want('at most 20 a second', apart(w.heard.filter(({ type }) => type === 'snapshot')) >= 50);
    w.pass({ type: 'start' });
    w.pass({ type: 'pause' });
    const waiting = w.world.later.length;
    w.pass({ type: 'start' });
    want('start twice: one loop', w.world.later.length === waiting);
    w.world.slow = 80; // a machine on which a snapshot takes so many ms
    const slow = w.pass(null, 6000);
    want('a slow snapshot leaves time to train', slow.length > 9 && apart(slow.slice(1)) >= 400);
    w.world.slow = 0;
    const refused = w.pass({ type: 'configure', settings: { ...settings, H: 0 } }, 1), wrong = w.pass({ type: 'show', show: ['x'] }, 1), odd = w.pass({ type: 'jump' }, 1);
    want('what does not fit is refused', [refused, wrong, odd].map((said) => said.find(({ type }) => type === 'refused')?.message.slice(0, 6)).join() === 'H must,wanted,type m');
    const on = w.pass(null, 400);
    want('and training goes on', on.length > 0 && on.at(-1).running && on.at(-1).run === 1 && on.at(-1).measured.flow.h.length === 3);
    const again = w.pass({ type: 'reset' }, 400);
    want('reset: the beginning, paused', again.length === 1 && again[0].steps === 0 && again[0].run === 2 && !again[0].running && again[0].curve.length === 0);
    want('reset: the same again', off(losses(w.pass({ type: 'step' }, 400)), alone(1)) === 0);
    const shown = w.pass({ type: 'show', show: ['eigenvalues', 'weights'] }, 400);
    want('show', shown.length === 1 && Object.keys(shown[0].measured).join() === 'x,y,eigenvalues,weights' && shown[0].measured.eigenvalues.h.length === 4);
    w.pass({ type: 'configure', settings: { ...settings, task: 'adding', method: 'SGD', settings: { lr: 1e30 } }, show: ['eigenvalues'] }, 400);
    const wild = w.pass({ type: 'start' }, 2000).at(-1), after = w.pass({ type: 'start' }, 400).at(-1);
    want('no number any more: it stops, and says so', wild.finite === false && !wild.running && wild.measured === null && wild.run === 3 && after.steps === wild.steps && !after.running);
  },
};

/** Run some parts. Returns what failed, how much passed, and the largest error of each part. */
function check(world, numbers, names = Object.keys(PARTS), full = true) {
  const failed = [], worst = {};
  let passed = 0;
  for (const name of names) {
    const want = (what, found, limit) => {
      const good = limit === undefined ? found === true : found <= limit, kind = `${name} ${what.split(/[:(]/)[0].replace(/\d+ /g, '')}`.trim();
      if (limit !== undefined) worst[kind] = Math.max(worst[kind] ?? 0, found);
      good ? passed++ : failed.push(`${name}: ${what}${limit === undefined ? '' : `: ${found} > ${limit}`}`);
    };
    try { PARTS[name](world, numbers, want, full); } catch (error) { failed.push(`${name}: ${error.stack}`); }
  }
  return { failed, passed, worst };
}

const [PRODUCT, ENGINE] = FILES;
const BROKEN = [ // file, what, by what, the part that should find it
  [PRODUCT, 'p0 += a0 * p;', 'p0 -= a0 * p;', 'product'],
  [PRODUCT, 'Math.min(from + 64, K)', 'Math.min(from + 63, K)', 'product'],
  [PRODUCT, 'for (let j = i < wholeM ? wholeN : 0; j < N; j++)', 'for (let j = wholeN; j < N; j++)', 'product'],
  [PRODUCT, 'times, plus, set', 'plus, plus, set', 'product'],
  [PRODUCT, 'raise(a(r), get(columnA))', 'raise(a(r), get(rowA))', 'product'],
  [PRODUCT, 'rowA, (transposed ? rows : 1) * bytes', 'rowA, bytes', 'product'],
  [PRODUCT, 'const up = (n, to) => Math.ceil(n / to) * to', 'const up = (n, to) => Math.floor(n / to + 0.5) * to', 'product'],
  [PRODUCT, 'globalThis.WebAssembly ? compiled(Float) : null', 'null', 'product'],
  [ENGINE, 'const sigmoid = (a) => 1 / (1 + Math.exp(-a))', 'const sigmoid = (a) => 1 / (1 + Math.exp(a))', 'forward'],
  [ENGINE, 'a[c] = tanh(a[c] + a[r] * q[u]);', 'a[c] = tanh(a[c] + q[u]);', 'forward'], // the forgotten reset gate
  [ENGINE, 'q[u] = m[c] + b_nh[k];', 'q[u] = m[c];', 'forward'],
  [ENGINE, 'h[u] = (1 - a[z]) * a[c] + a[z] * h_[u];', 'h[u] = a[z] * a[c] + (1 - a[z]) * h_[u];', 'forward'],
  [ENGINE, 'i = 4 * H * n, f = i + H, g = f + H, o = g + H; k < H; k++, u++, i++, f++, g++, o++) {\n            a[i]', 'i = 4 * H * n, f = i + H, o = f + H, g = o + H; k < H; k++, u++, i++, f++, g++, o++) {\n            a[i]', 'forward'],
  [ENGINE, 'q[u] = tanh(c[u]);', 'q[u] = c[u];', 'forward'],
  [ENGINE, 'transpose(turned.W_h, W_h, wide, H);', 'turned.W_h.set(W_h);', 'forward'], // a matrix that is not transposed
  [ENGINE, 'a.set(b, row * wide);', 'a.fill(0, row * wide, (row + 1) * wide);', 'forward'],
  [ENGINE, 'if (state) { h.set(state.h); c.set(state.c); }', 'if (state) h.set(state.h);', 'steps'],
  [ENGINE, 'h.subarray((from + 1) * N * H), turned.W_ph', 'h.subarray(from * N * H), turned.W_ph', 'forward'],
  [ENGINE, 'loss: loss / R, accuracy', 'loss: loss / N, accuracy', 'forward'],
  [ENGINE, 'right += most === answer', 'right += most <= answer', 'forward'],
  [ENGINE, 'Math.abs(e) < 0.04', 'Math.abs(e) < 0.4', 'forward'],
  [ENGINE, 'dp[n] = 2 * e / R;', 'dp[n] = e / R;', 'gradients'],
  [ENGINE, 'dp[answer] -= 1 / R;', 'dp[answer] -= 1;', 'gradients'],
  [ENGINE, 'da[u] = dh[u] * (1 - a[u] * a[u]);', 'da[u] = dh[u] * (1 - a[u]);', 'gradients'],
  [ENGINE, 'da[z] = dm[z] = dh[u] * (h_[u] - a[c])', 'da[z] = dm[z] = dh[u] * (a[c] - h_[u])', 'gradients'], // the wrong sign in one gate
  [ENGINE, 'da[z] = dm[z] = dh[u] * (h_[u] - a[c])', 'da[z] = dm[z] = dh[u] * (a[c] - h_[u])', 'central'],
  [ENGINE, 'dm[c] = da[c] * a[r];', 'dm[c] = da[c];', 'gradients'],
  [ENGINE, 'dh_[u] += dh[u] * a[z];', '', 'gradients'],
  [ENGINE, 'dc[u] += dh[u] * a[o] * (1 - q[u] * q[u]);', 'dc[u] += dh[u] * a[o];', 'gradients'],
  [ENGINE, 'da[f] = dc[u] * c_[u] * a[f] * (1 - a[f]);', 'da[f] = dc[u] * c_[u] * a[f];', 'central'],
  [ENGINE, 'dc_[u] += dc[u] * a[f];', 'dc_[u] += dc[u];', 'gradients'],
  [ENGINE, 'dc_[u] += dc[u] * a[f];', '', 'central'],
  [ENGINE, '(T - t) % truncation === 0', '(T - t) % truncation === 1', 'gradients'],
  [ENGINE, '(T - t) % truncation === 0', 't % truncation === 0', 'gradients'], // windows from the start
  [ENGINE, 'dh_: cut, dc_: cut', 'dh_: cut', 'gradients'],
  [ENGINE, 'dh_: cut, dc_: cut', 'dc_: cut', 'gradients'],
  [ENGINE, 'h.subarray(0, T * N * H), wide, H, T * N)', 'h.subarray(N * H), wide, H, T * N)', 'gradients'],
  [ENGINE, 'addTransposed(gradients.W_h, dm,', 'addTransposed(gradients.W_h, da,', 'gradients'],
  [ENGINE, 'transpose(gradients.W_x, columns, D, wide);', 'gradients.W_x.set(columns);', 'gradients'],
  [ENGINE, 'for (const g of Object.values(gradients)) g.fill(0);', '', 'steps'],
  [ENGINE, 'const columns = this.turned.W_x.fill(0)', 'const columns = this.turned.W_x', 'gradients'],
  [ENGINE, "length(d.subarray(((t + 1) * N + n) * H, ((t + 1) * N + n + 1) * H))", 'length(d.subarray((t * N + n) * H, (t * N + n + 1) * H))', 'gradients'],
  [ENGINE, "dp.fill(0)[(t - from) * N * K + k] = 1;", 'dp[(t - from) * N * K + k] = 1;', 'gradients'],
  [ENGINE, 'w[k] -= lr * (g[k] + momentum * b[k]);', 'w[k] -= lr * momentum * b[k];', 'steps'],
  [ENGINE, '        for (let k = 0; k < w.length; k++) {\n          b[k] = momentum * b[k] + g[k];\n          w[k] -= lr * b[k];', '        for (let k = 0; k < w.length; k++) {\n          b[k] = momentum * b[k] + (1 - momentum) * g[k];\n          w[k] -= lr * b[k];', 'steps'],
  [ENGINE, 'w[k] -= lr * g[k] / (Math.sqrt(s[k]) + eps);', 'w[k] -= lr * g[k] / Math.sqrt(s[k] + eps);', 'steps'],
  [ENGINE, 'u[k] = rho * u[k] + (1 - rho) * delta * delta;', 'u[k] = rho * u[k] + (1 - rho) * delta * delta * lr;', 'steps'],
  [ENGINE, 'w[k] -= lr * g[k] / (Math.sqrt(v[k]) + eps);', 'w[k] -= lr * g[k] / Math.sqrt(v[k] + eps);', 'steps'],
  [ENGINE, 'c1 = 1 - beta1 ** t, c2 = Math.sqrt(1 - beta2 ** t)', 'c1 = 1, c2 = 1', 'steps'],
  [ENGINE, 'm[k] / (Math.sqrt(v[k]) / c2 + eps)', 'm[k] / Math.sqrt(v[k] / c2 / c2 + eps)', 'steps'],
  [ENGINE, 'this.t++;', '', 'steps'],
  [ENGINE, 'if (norm > most) for', 'if (norm < most) for', 'steps'],
  [ENGINE, 'norm = Math.hypot(...all.map(length));', 'norm = Math.max(...all.map(length));', 'steps'],
  [ENGINE, 'Math.sqrt(6 / (rows + columns))', 'Math.sqrt(6 / rows)', 'starts'],
  [ENGINE, 'Math.floor(n / H) % H === n % H', 'Math.floor(n / H) === n % H', 'starts'],
  [ENGINE, 'q[k] -= along * e[k]', 'q[k] -= 0.999 * along * e[k]', 'starts'],
  [ENGINE, 'for (let k = 0; k < H; k++) q[k] /= size;', 'for (let k = 0; k < H; k++) q[k] /= q[0] < 0 ? -size : size;', 'starts'],
  [ENGINE, "random.normal()), row", 'random.uniform()), row', 'starts'],
  [ENGINE, 'random.uniform(1, T_max - 1)', 'random.uniform(1, T_max + 9)', 'starts'],
  [ENGINE, 'b[k] = -bias; // i', 'b[k] = bias; // i', 'starts'],
  [ENGINE, 'b.fill(forgetBias, H, 2 * H)', 'b.fill(forgetBias, 0, H)', 'starts'],
  [ENGINE, "{ b.fill(0); b_nh?.fill(0); }", '{ b.fill(0); }', 'starts'],
  [ENGINE, 's[3] = turn(s[3], 11);', 's[3] = turn(s[3], 12);', 'random'],
  [ENGINE, '0x85EBCA6B', '0x85EBCA6D', 'random'],
  [ENGINE, '(this.bits() >>> 6)) / 2 ** 53', '0) / 2 ** 53', 'random'],
  [ENGINE, 'Math.cos(2 * Math.PI', 'Math.cos(1.5 * Math.PI', 'random'],
  [ENGINE, 'Math.sqrt(-2 * Math.log', 'Math.sqrt(-Math.log', 'random'],
  [ENGINE, 'left[Math.min(t, T - 1 - t)]', 'left[t % left.length]', 'tasks'],
  [ENGINE, 'random.integer(half, T)]', 'random.integer(half, T - 1)]', 'tasks'],
  [ENGINE, 't === T + 9 ? 9 : 0', 't === T + 10 ? 9 : 0', 'tasks'],
  [ENGINE, '(odd ^= bit)', '(odd = bit)', 'tasks'],
  [ENGINE, 'k % rounds === 0,', 'k === 0,', 'tasks'],
  [ENGINE, 'from(n) + 1, from(n) + T + 1', 'from(n), from(n) + T', 'tasks'],
  [ENGINE, 'Math.floor((numbers.length - 1) / N)', 'Math.floor(numbers.length / N) - 1', 'tasks'],
  [ENGINE, 'trace * at(low, low) + determinant', 'trace * at(low, low) - determinant', 'eigen'],
  [ENGINE, 'if (tries % 10 === 0)', 'if (false)', 'eigen'],
  [ENGINE, 'v[0] += v[0] < 0 ? -size : size;', 'v[0] += v[0] < 0 ? -size : 2 * size;', 'eigen'],
  [ENGINE, '(middle < 0 ? -root : root)', '(middle < 0 ? root : root)', 'eigen'],
  [ENGINE, 'Math.min(k + 3, high), high);', 'Math.min(k + 2, high), high);', 'eigen'],
  [ENGINE, 'if (!Number.isFinite(norm))', 'if (false)', 'eigen'],
  [ENGINE, 'if (task.carries) this.state = network.last(space);', '', 'training'],
  [ENGINE, 'if (task.begins?.(this.steps)) this.state = null;', '', 'training'],
  [ENGINE, '{ k: this.steps, oneHot, Float });\n      if', '{ k: 0, oneHot, Float });\n      if', 'training'],
  [ENGINE, 'new Random(0x7E57)', 'this.random ?? new Random(1)', 'training'],
  [ENGINE, '=== this.network.every ?', '=== false ?', 'training'],
  [ENGINE, '&& Object.values(network.weights).every((w) => Number.isFinite(length(w)))', '', 'training'],
  [WORKER, 'APART = 50', 'APART = 40', 'worker'],
  [WORKER, 'SHARE = 4', 'SHARE = 1', 'worker'],
  [WORKER, 'if (!running) return tell(); // no', 'if (!running) return; // no', 'worker'],
  [WORKER, 'running = finite;', 'running = true;', 'worker'],
  [WORKER, 'queued = true;', '', 'worker'],
  [WORKER, 'curve = [];\n    taken', 'taken', 'worker'],
  [WORKER, "    if (wait > 0) timer", '    if (wait > 50) timer', 'worker'],
  [WORKER, 'run + 1, false, true', 'run + 1, running, true', 'worker'],
  [WORKER, 'run + 1, false', 'run, false', 'worker'],
  [WORKER, '[chosen, begun, wanted,', '[chosen, begun, [],', 'worker'],
  [WORKER, 'pause() { running = false; }', 'pause() {}', 'worker'],
];

/** Each break must change the source, and be found by its part. */
function selftest(numbers, words) {
  const chosen = BROKEN.filter(([, from, to, part]) => `${part} ${from} ${to}`.includes(words));
  let missed = 0;
  for (const [file, from, to, part] of chosen) {
    if (SOURCES[file].split(from).length < 2) { missed++; console.log(`FAIL ${part}: nothing to break: ${from}`); continue; }
    let failed;
    try { ({ failed } = check(load({ sources: { ...SOURCES, [file]: SOURCES[file].replace(from, () => to) } }), numbers, [part], false)); } catch (error) { failed = [String(error)]; }
    const found = failed.length > 0;
    missed += !found;
    console.log(`${found ? 'ok  ' : 'FAIL'} ${part}: ${from.trim().split('\n')[0].slice(0, 70)} -> ${to.trim().split('\n')[0].slice(0, 50)}${found ? `: ${failed.length} failed` : ' is not found'}`);
  }
  console.log(`${chosen.length - missed} passed, ${missed} failed`);
  return missed;
}

/** Steps a second of processor time: palindromes of T = 10 digits, one-hot, H = 64, N = 64, Adam, clipped; beside rnnlib's own layer. */
function speed() {
  const pass = (plain, cell) => {
    const { RnnEngine: { Training } } = load({ plain }), training = new Training({ task: 'palindrome', T: 10, cell, H: 64, N: 64, settings: { lr: 0.01 }, clip: 1 });
    const run = (count) => { const from = process.cpuUsage().user; for (let n = 0; n < count; n++) training.step(); return count / (process.cpuUsage().user - from) * 1e6; };
    run(30);
    return Math.max(...[1, 2, 3].map(() => run(plain ? 10 : 40)));
  };
  const rnnlib = expectations('playground_speed.py');
  for (const cell of ['LSTM', 'GRU', 'RNN']) {
    const fast = pass(false, cell), plain = pass(true, cell);
    console.log(`${cell}: ${fast.toFixed(0)} steps a second, ${plain.toFixed(0)} without WebAssembly; rnnlib ${rnnlib[cell].toFixed(0)}: ${(fast / rnnlib[cell]).toFixed(2)} and ${(plain / rnnlib[cell]).toFixed(2)} of it`);
  }
}

const words = process.argv.slice(2), only = words.find((word) => word.startsWith('--only='))?.slice(7).split(','), after = (name) => (words.includes(name) ? words[words.indexOf(name) + 1] : null);
const breaks = words.find((word) => word.startsWith('--selftest'));
if (words.includes('--speed')) speed();
else {
  const numbers = after('--numbers') ? JSON.parse(readFileSync(after('--numbers'))) : expectations('playground_numbers.py');
  if (breaks) process.exitCode = selftest(numbers, breaks.slice('--selftest='.length)) ? 1 : 0;
  else {
    const worlds = { 'with WebAssembly': load(), 'without': load({ plain: true }) }, some = { without: ['forward', 'gradients', 'steps', 'central'] };
    let passed = 0, failed = 0;
    for (const [name, world] of Object.entries(worlds)) {
      const found = check(world, numbers, only ?? some[name]);
      passed += found.passed;
      failed += found.failed.length;
      for (const line of found.failed) console.log(`FAIL ${name}: ${line}`);
      console.log(`${name}, largest errors: ${Object.entries(found.worst).filter(([what]) => /forward|gradients|steps|central|eigen|W\^T/.test(what)).map(([what, error]) => `${what} ${error.toExponential(1)}`).join(', ')}`);
    }
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed ? 1 : 0;
  }
}
