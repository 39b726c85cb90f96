// A trained language model in plain JavaScript: the step of rnnlib.models.CharacterModel and of an RNNLM of LSTM layers,
// and the choice of the next symbol, a character or a word.
//
// RnnModel.fetch(name, address, needs) loads the weights, a script that sets RnnWeights.<name> to { symbols, hidden, cells, tensors, data }
// (tools/page_weights.py): cells are the beginnings of the names of each layer's weights, tensors are { name: [type, shape] }, and data
// holds their numbers in this order, in base64. A matrix of whole numbers (I8) has the step of each row beside it, name.scale.
// Weights that do not fit together, or whose vocabulary lacks a symbol of `needs`, are refused.

globalThis.RnnModel ??= (() => {
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  /** A float16 from its 16 bits: sign, 5 of exponent, 10 of fraction. */
  const half = (bits) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent === 31 ? NaN : exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits & 0x8000 ? -size : size;
  };

  const TYPES = { // bytes, and how one is read
    F16: [2, (view, at) => half(view.getUint16(at, true))],
    F32: [4, (view, at) => view.getFloat32(at, true)],
    I8: [1, (view, at) => view.getInt8(at)],
  };

  /** The tensors by name, as numbers row by row. */
  const unpack = (tensors, data) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
    const size = (shape) => shape.reduce((a, b) => a * b);
    const wanted = Object.values(tensors).reduce((sum, [type, shape]) => sum + TYPES[type][0] * size(shape), 0);
    if (bytes.length !== wanted) throw new Error(`It holds ${bytes.length} bytes of weights, not ${wanted}.`);
    let at = 0;
    const weights = Object.fromEntries(Object.entries(tensors).map(([name, [type, shape]]) => {
      const [bytesEach, read] = TYPES[type];
      return [name, Float32Array.from({ length: size(shape) }, () => read(view, (at += bytesEach) - bytesEach))];
    }));
    for (const [name, [, shape]] of Object.entries(tensors)) {
      const step = weights[`${name}.scale`];
      if (step) weights[name].forEach((q, n, W) => { W[n] = q * step[Math.floor(n / shape[1])]; });
    }
    return weights;
  };

  /** out += W x, with W (out.length, x.length) row by row; four sums at once are twice as fast as one. */
  const addProduct = (out, W, x) => {
    for (let row = 0, n = 0; row < out.length; row++) {
      let p = 0, q = 0, r = 0, s = 0;
      for (let k = 0; k < x.length; k += 4, n += 4) {
        p += W[n] * x[k];
        q += W[n + 1] * x[k + 1];
        r += W[n + 2] * x[k + 2];
        s += W[n + 3] * x[k + 3];
      }
      out[row] += p + q + r + s;
    }
  };

  const since = (text, starts) => { let n = 0; return text.map((letter) => (n = starts(letter) ? 0 : n + 1)); };
  const where = (pattern) => (text) => text.map((letter) => Number(pattern.test(letter)));
  const KINDS = { // what a cell may go along with: one number a character
    line: ['the place in the line', (text) => since(text, (letter) => letter === '\n')],
    word: ['the place in the word', (text) => since(text, (letter) => !/\p{L}/u.test(letter))],
    gap: ['spaces', where(/\s/)],
    vowel: ['vowels', where(/[aeiou]/i)],
    capital: ['capitals', where(/\p{Lu}/u)],
    quote: ['quoted speech', (text) => {
      let inside = 0;
      return text.map((letter, n) => {
        if (/[‘“]/.test(letter) || (letter === '"' && !inside)) inside = 1;
        else if (/[”"]/.test(letter) || (letter === '’' && !/\p{L}/u.test(text[n + 1] ?? ''))) inside = 0; // no apostrophe
        return inside;
      });
    }],
  };

  const NAMES = { ' ': 'space', '\n': 'newline', '\t': 'tab' };
  const TWINS = { "'": '’', '’': "'", '‘': "'", '"': '“', '“': '"', '”': '"' };

  const PATIENCE = 120; // seconds until a server that does not answer is given up
  const called = (symbol) => NAMES[symbol] ?? symbol;
  const quoted = (symbol) => NAMES[symbol] ?? `“${symbol}”`;
  const coming = {}; // name: the promise of a model, one of each on a page
  const failures = {}; // name: how many tries failed

  /** A symbol, one-hot or its row of a table; layers of LSTM cells; a readout, which may be that table. */
  return class RnnModel {
    static KINDS = KINDS;
    static called = called;
    static quoted = quoted;

    /** The model whose weights the script rnn-weights-<name>.js beside `home` holds. */
    static fetch = (name, home, needs = []) => coming[name] ??= new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = new URL(`rnn-weights-${name}.js`, home) + (failures[name] ? `?${failures[name]}` : ''); // not the request that still hangs
      const fail = (reason) => {
        clearTimeout(timer);
        script.onerror = script.onload = null; // what comes late is too late
        delete coming[name];
        failures[name] = (failures[name] ?? 0) + 1;
        delete globalThis.RnnWeights?.[name];
        script.remove();
        failed(new Error(`tried ${script.src}. ${reason}`));
      };
      const timer = setTimeout(() => fail(`Nothing came in ${PATIENCE} seconds.`), 1000 * PATIENCE);
      script.onerror = () => fail('Nothing came.');
      script.onload = () => {
        clearTimeout(timer);
        const weights = globalThis.RnnWeights?.[name];
        try { weights ? done(new RnnModel(weights, needs)) : fail('It holds no weights.'); } catch (error) { fail(error.message); }
      };
      document.head.append(script);
    });

    constructor({ symbols, hidden: H, cells, tensors, data }, needs = []) {
      const weights = unpack(tensors, data), K = [...symbols].length, table = tensors['embedding.weight'], E = table ? table[1][1] : K, taken = new Set();
      const take = (name, ...shape) => { // the weights of this name, if they have this shape
        const [type, found] = tensors[name] ?? [];
        if (!type) throw new Error(`It has no ${name}.`);
        if (String(found) !== String(shape)) throw new Error(`Its ${name} has ${found.join(' by ')} numbers, not ${shape.join(' by ')}.`);
        if (type === 'I8') take(`${name}.scale`, shape[0], 1);
        taken.add(name);
        return weights[name];
      };
      for (const [what, size] of [['units', H], ['numbers a row of the table', table ? E : 0]]) {
        if (size % 4) throw new Error(`It has ${size} ${what}, not a multiple of 4.`);
      }
      this.symbols = [...symbols];
      this.index = new Map(this.symbols.map((symbol, k) => [symbol, k]));
      if (this.index.size < K) throw new Error('A symbol stands twice in its vocabulary.');
      const missing = needs.filter((symbol) => !this.index.has(symbol));
      if (missing.length) throw new Error(`Its vocabulary of ${K} has no ${missing.map(quoted).join(', ')}.`);
      this.hidden = H;
      this.cells = cells.map((cell, n) => [['W_x', n ? H : E], ['W_h', H], ['b']].map(([name, ...wide]) => take(`${cell}${name}`, 4 * H, ...wide)));
      this.table = table && take('embedding.weight', K, E);
      this.W = take(tensors['readout.weight'] ? 'readout.weight' : 'embedding.weight', K, H);
      this.b = take('readout.bias', K);
      const left = Object.keys(tensors).filter((name) => !taken.has(name));
      if (left.length) throw new Error(`It has ${left.join(', ')}, for which there is no layer.`);
      for (const name of taken) if (!weights[name].every(Number.isFinite)) throw new Error(`Its ${name} holds what is no number.`);
    }

    /** The state before the first symbol: one h and one c (H) a layer, all zero. */
    start() { return this.cells.map(() => ({ h: new Float64Array(this.hidden), c: new Float64Array(this.hidden) })); }

    /** Read symbol k: the state moves on. Returns the logits (K) of what comes next. */
    step(state, k) {
      const H = this.hidden, K = this.symbols.length;
      this.cells.forEach(([W_x, W_h, b], n) => {
        const { h, c } = state[n];
        const a = Float64Array.from(b); // (4H): the gates i, f, g, o
        if (n) addProduct(a, W_x, state[n - 1].h);
        else if (this.table) addProduct(a, W_x, this.row(k));
        else for (let row = 0; row < 4 * H; row++) a[row] += W_x[row * K + k]; // a one-hot input takes a column
        addProduct(a, W_h, h);
        for (let j = 0; j < H; j++) {
          const i = sigmoid(a[j]), f = sigmoid(a[H + j]), g = Math.tanh(a[2 * H + j]), o = sigmoid(a[3 * H + j]);
          c[j] = g * i + c[j] * f;
          h[j] = Math.tanh(c[j]) * o;
        }
      });
      const logits = Float64Array.from(this.b);
      addProduct(logits, this.W, state.at(-1).h);
      return logits;
    }

    /** What the table has for symbol k (E). */
    row(k) {
      const E = this.table.length / this.symbols.length;
      return this.table.subarray(k * E, (k + 1) * E);
    }

    /** The logits after each symbol of a text. */
    logits(text) {
      const state = this.start();
      return [...text].map((symbol) => this.step(state, this.index.get(symbol)));
    }

    /** What is wrong with a text for this model; '' if nothing is. */
    unknown(letters) {
      const { symbols, index } = this;
      const place = letters.findIndex((letter) => !index.has(letter)), letter = letters[place];
      if (place < 0) return '';
      const twin = index.has(TWINS[letter]) ? `: it has ${TWINS[letter]} instead` : '';
      return `${quoted(letter)}, character ${place + 1}, is not in this model’s vocabulary${twin}. It knows ${symbols.length}: ${symbols.map(called).join(' ')}`;
    }

    /** What each cell shows after a step: tanh(c) of all layers, then h of all layers. */
    activations(state) {
      const H = this.hidden, shown = new Float32Array(2 * H * state.length);
      state.forEach(({ h, c }, n) => {
        shown.set(c.map(Math.tanh), n * H);
        shown.set(h, (state.length + n) * H);
      });
      return shown;
    }

    /** softmax(logits / temperature); at temperature 0 all of it on the likeliest. */
    static probabilities(logits, temperature) {
      const most = Math.max(...logits);
      if (!temperature) return logits.map((_, k) => Number(k === logits.indexOf(most)));
      const raised = logits.map((logit) => Math.exp((logit - most) / temperature));
      const sum = raised.reduce((a, b) => a + b);
      return raised.map((value) => value / sum);
    }

    /** In bits. */
    static entropy(p) { return p.reduce((bits, value) => (value ? bits - value * Math.log2(value) : bits), 0); }

    /** Numbers in [0, 1) that a seed decides: mulberry32. */
    static generator(seed) {
      return () => {
        seed = (seed + 0x6D2B79F5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
      };
    }

    /** The place n in [from, to) whose activation goes along best with y, one number a character, and its correlation r. */
    static closest(trace, y, from, to) {
      const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
      const centred = (values) => { const m = mean(values); return values.map((value) => value - m); };
      const product = (a, b) => mean(a.map((value, t) => value * b[t]));
      const wanted = centred(y);
      let best = { n: from, r: 0 };
      for (let n = from; n < to; n++) {
        const shown = centred(trace.map((values) => values[n]));
        const r = product(shown, wanted) / Math.sqrt(product(shown, shown) * product(wanted, wanted));
        if (Math.abs(r) > Math.abs(best.r)) best = { n, r };
      }
      return best;
    }

    /** A number k, drawn by the probabilities p (K). */
    static draw(p, random) {
      let left = random();
      const k = p.findIndex((value) => (left -= value) < 0);
      return k < 0 ? p.indexOf(Math.max(...p)) : k; // rounding: the p add up to a little below 1
    }
  };
})();
