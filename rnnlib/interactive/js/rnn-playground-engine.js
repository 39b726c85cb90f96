// The playground's engine: recurrent networks trained by back-propagation through time, with the equations, the packing, the initialisations,
// the optimizers and the tasks of rnnlib. No drawing, no page: it runs in a page, in a worker and in Node. rnn-playground-product.js comes before.
//
//   const training = new RnnEngine.Training({ task: 'palindrome', T: 10, cell: 'LSTM', H: 64, method: 'Adam', settings: { lr: 0.01 }, seed: 0 });
//   training.step()     { loss, accuracy, norm }: one batch, one step down the gradient
//   training.measure()  what can be seen: eigenvalues, the gradient's length step by step, states, gates, which inputs are felt
//
// Below it: Network (forward, loss, backward), initialise, Optimizer, clip, tasks, Random, eigenvalues.
// make is the function that all of this comes from: its text goes to a worker.
// Arrays are Float64Array or Float32Array, as asked. Time comes first, (T, N, ..): what belongs to a step is one block of memory.
// Weights are packed as in rnnlib: (out, in), gates i, f, g, o (LSTM) or r, z, n (GRU), one bias a gate, and b_nh inside the reset gate's product.

globalThis.RnnEngine ??= (function make() {
  const { add, addTransposed } = globalThis.RnnProduct;
  const sigmoid = (a) => 1 / (1 + Math.exp(-a));
  const tanh = (a) => 1 - 2 / (1 + Math.exp(2 * a)); // twice as fast as Math.tanh; its error is that of rounding at 1
  const range = (n, value) => Array.from({ length: n }, (_, k) => value(k));
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const refuse = (name, value, wanted) => { throw new RangeError(`${name} must be ${wanted}, got ${value}`); };

  // ---- matrices, row by row ----

  /** out (columns, rows) = W^T, of W (rows, columns). */
  const transpose = (out, W, rows, columns) => {
    for (let r = 0, n = 0; r < rows; r++) for (let k = 0; k < columns; k++, n++) out[k * rows + r] = W[n];
    return out;
  };

  /** out (columns) += the sum of the rows of A (rows, columns). */
  const addRows = (out, A) => {
    const columns = out.length;
    for (let n = 0; n < A.length; n += columns) for (let k = 0; k < columns; k++) out[k] += A[n + k];
  };

  const length = (v) => {
    let squares = 0;
    for (let n = 0; n < v.length; n++) squares += v[n] * v[n];
    return Math.sqrt(squares);
  };

  // ---- cells: one step forward, one step back ----
  //
  // forward: a (N, GH) comes in with W_x x_t + b and goes out as the gates; h_ and c_ are the state before, h and c the one after, (N, H) each.
  // back: dh is the gradient of the loss by h_t, dc that by c_t, at first without what passes through h_t; da becomes the gradient by the gates before
  //       their nonlinearity, and dm that by W_h h_{t-1}, which is another array for the GRU only. What reaches h_{t-1} past W_h, and c_{t-1}, is added
  //       to dh_ and dc_. q keeps tanh(c_t) for the LSTM, and for the GRU what the reset gate multiplies.

  const CELLS = {
    /** h_t = tanh(W_x x_t + W_h h_{t-1} + b) */
    RNN: {
      gates: ['h'],
      forward({ N, H, a, h_, h, W_hT }) {
        add(a, h_, W_hT, N, H, H);
        for (let u = 0; u < N * H; u++) h[u] = a[u] = tanh(a[u]);
      },
      back({ N, H, a, dh, da }) { for (let u = 0; u < N * H; u++) da[u] = dh[u] * (1 - a[u] * a[u]); },
    },

    /** r, z = sigmoid(W_x x_t + W_h h_{t-1} + b);  n = tanh(W_x x_t + b + r q),  q = W_nh h_{t-1} + b_nh;  h_t = (1 - z) n + z h_{t-1} */
    GRU: {
      gates: ['r', 'z', 'n'],
      forward({ N, H, a, h_, h, q, m, W_hT, b_nh }) {
        add(m.fill(0), h_, W_hT, N, 3 * H, H);
        for (let n = 0, u = 0; n < N; n++) {
          for (let k = 0, r = 3 * H * n, z = r + H, c = z + H; k < H; k++, u++, r++, z++, c++) {
            a[r] = sigmoid(a[r] + m[r]);
            a[z] = sigmoid(a[z] + m[z]);
            q[u] = m[c] + b_nh[k];
            a[c] = tanh(a[c] + a[r] * q[u]);
            h[u] = (1 - a[z]) * a[c] + a[z] * h_[u];
          }
        }
      },
      back({ N, H, a, h_, q, dh, dh_, da, dm }) {
        for (let n = 0, u = 0; n < N; n++) {
          for (let k = 0, r = 3 * H * n, z = r + H, c = z + H; k < H; k++, u++, r++, z++, c++) {
            da[c] = dh[u] * (1 - a[z]) * (1 - a[c] * a[c]);
            da[r] = dm[r] = da[c] * q[u] * a[r] * (1 - a[r]);
            da[z] = dm[z] = dh[u] * (h_[u] - a[c]) * a[z] * (1 - a[z]);
            dm[c] = da[c] * a[r];
            dh_[u] += dh[u] * a[z];
          }
        }
      },
    },

    /** i, f, o = sigmoid(W_x x_t + W_h h_{t-1} + b), g = tanh(..);  c_t = g i + c_{t-1} f;  h_t = tanh(c_t) o */
    LSTM: {
      gates: ['i', 'f', 'g', 'o'],
      forward({ N, H, a, h_, c_, h, c, q, W_hT }) {
        add(a, h_, W_hT, N, 4 * H, H);
        for (let n = 0, u = 0; n < N; n++) {
          for (let k = 0, i = 4 * H * n, f = i + H, g = f + H, o = g + H; k < H; k++, u++, i++, f++, g++, o++) {
            a[i] = sigmoid(a[i]);
            a[f] = sigmoid(a[f]);
            a[g] = tanh(a[g]);
            a[o] = sigmoid(a[o]);
            c[u] = a[g] * a[i] + c_[u] * a[f];
            q[u] = tanh(c[u]);
            h[u] = q[u] * a[o];
          }
        }
      },
      back({ N, H, a, c_, q, dh, dc, dc_, da }) {
        for (let n = 0, u = 0; n < N; n++) {
          for (let k = 0, i = 4 * H * n, f = i + H, g = f + H, o = g + H; k < H; k++, u++, i++, f++, g++, o++) {
            dc[u] += dh[u] * a[o] * (1 - q[u] * q[u]);
            da[i] = dc[u] * a[g] * a[i] * (1 - a[i]);
            da[f] = dc[u] * c_[u] * a[f] * (1 - a[f]);
            da[g] = dc[u] * a[i] * (1 - a[g] * a[g]);
            da[o] = dh[u] * q[u] * a[o] * (1 - a[o]);
            dc_[u] += dc[u] * a[f];
          }
        }
      },
    },
  };

  /** A cell over time and a linear readout, p_t = W_ph h_t + b_p, of the last step or of every one. */
  class Network {
    /**
     * @param {{ cell: string, D: number, H: number, K: number, every?: boolean, loss?: string, Float?: Function }} sizes
     *   D numbers or symbols come in, K logits or numbers go out; every: at each step; loss: 'cross-entropy' (mean, in nats) or 'squared error' (mean)
     */
    constructor({ cell, D, H, K, every = false, loss = 'cross-entropy', Float = Float64Array }) {
      this.cell = CELLS[cell] ?? refuse('cell', cell, Object.keys(CELLS).join(', '));
      for (const [name, value] of Object.entries({ D, H, K })) if (!(Number.isInteger(value) && value > 0)) refuse(name, value, 'a whole number above 0');
      const G = this.cell.gates.length;
      this.shapes = { W_x: [G * H, D], W_h: [G * H, H], b: [G * H], ...(cell === 'GRU' && { b_nh: [H] }), W_ph: [K, H], b_p: [K] };
      const arrays = () => Object.fromEntries(Object.entries(this.shapes).map(([name, [rows, columns = 1]]) => [name, new Float(rows * columns)]));
      Object.assign(this, { D, H, K, G, every, loss, Float, name: cell, weights: arrays(), gradients: arrays(), turned: arrays() }); // turned: transposed
    }

    /** The arrays for batches of N sequences of T steps; kept, so that training makes no new ones. h[t], c[t], dh[t], dc[t] belong to the state before step t. */
    space(T, N) {
      const { H, K, G, Float, every, cell } = this, of = (...sizes) => new Float(sizes.reduce((a, b) => a * b));
      const from = every ? 0 : T - 1, da = of(T, N, G * H); // from: the first step that is read out
      const space = {
        T, N, from, R: (T - from) * N, h: of(T + 1, N, H), c: of(T + 1, N, H), a: of(T, N, G * H), q: of(T, N, H), m: of(N, G * H), p: of(T - from, N, K),
        dp: of(T - from, N, K), dh: of(T + 1, N, H), dc: of(T + 1, N, H), da, dm: cell === CELLS.GRU ? of(T, N, G * H) : da, cut: of(N, H),
      };
      const NH = N * H, of_step = (t, size, ...names) => Object.fromEntries(names.map((name) => [name, space[name].subarray(t * size, (t + 1) * size)]));
      space.steps = range(T, (t) => { // what a cell sees of each
        const { h: h_, c: c_, dh: dh_, dc: dc_ } = of_step(t, NH, 'h', 'c', 'dh', 'dc');
        const after = { ...of_step(t + 1, NH, 'h', 'c', 'dh', 'dc'), ...of_step(t, NH, 'q'), ...of_step(t, G * NH, 'a', 'da', 'dm') };
        return { N, H, W_hT: this.turned.W_h, b_nh: this.weights.b_nh, m: space.m, h_, c_, dh_, dc_, ...after };
      });
      return space;
    }

    /**
     * All steps of a batch: x (T, N) symbols in an Int32Array, which stand for one-hot rows, or (T, N, D) numbers.
     * state: { h, c } (N, H) before the first step, or zeros. Fills h, c, the gates a and the outputs p of `space`.
     */
    forward(space, x, state = null) {
      const { D, H, K, G, weights: { W_x, W_h, b, W_ph, b_p }, turned } = this, { T, N, from, R, h, c, a, p } = space, wide = G * H;
      transpose(turned.W_x, W_x, wide, D);
      transpose(turned.W_h, W_h, wide, H);
      transpose(turned.W_ph, W_ph, K, H);
      for (let row = 0; row < T * N; row++) a.set(b, row * wide);
      if (x instanceof Int32Array) for (let row = 0, n = 0; row < T * N; row++) for (let k = 0, w = x[row] * wide; k < wide; k++) a[n++] += turned.W_x[w++];
      else add(a, x, turned.W_x, T * N, wide, D); // W_x x_t + b of all steps at once
      h.fill(0, 0, N * H);
      c.fill(0, 0, N * H);
      if (state) { h.set(state.h); c.set(state.c); }
      for (const step of space.steps) this.cell.forward(step);
      for (let row = 0; row < R; row++) p.set(b_p, row * K);
      add(p, h.subarray((from + 1) * N * H), turned.W_ph, R, K, H);
    }

    /** The state after the last step, for the next batch of a text. */
    last({ T, N, h, c }) {
      const NH = N * this.H;
      return { h: h.slice(T * NH, (T + 1) * NH), c: c.slice(T * NH, (T + 1) * NH) };
    }

    /** Mean loss and the share of right answers, y (T, N) wanted at each step; fills dp, the gradient by the outputs. */
    judge({ N, from, R, p, dp }, y) {
      const { K } = this, wanted = y.subarray(from * N);
      let loss = 0, right = 0;
      for (let row = 0, n = 0; row < R; row++, n += K) {
        if (this.loss === 'squared error') { // K = 1
          const e = p[n] - wanted[row];
          loss += e * e;
          right += Math.abs(e) < 0.04; // as Hochreiter and Schmidhuber (1997) count
          dp[n] = 2 * e / R;
          continue;
        }
        let most = n;
        for (let k = n + 1; k < n + K; k++) if (p[k] > p[most]) most = k;
        let all = 0;
        for (let k = n; k < n + K; k++) all += Math.exp(p[k] - p[most]);
        const answer = n + wanted[row];
        loss += Math.log(all) + p[most] - p[answer];
        right += most === answer;
        for (let k = n; k < n + K; k++) dp[k] = Math.exp(p[k] - p[most]) / all / R;
        dp[answer] -= 1 / R;
      }
      return { loss: loss / R, accuracy: right / R };
    }

    /**
     * Back through time from dp: fills dh and dc, the gradients of the loss by each h_t and c_t, and da and dm.
     * truncation k: the sequence is cut into windows of k steps, counted from its end, and no gradient passes from one to the one before.
     */
    sweep(space, truncation = Infinity) {
      const { H, K, G, weights: { W_h, W_ph } } = this, { T, N, from, R, steps, dp, dh, dc, cut } = space;
      dh.fill(0);
      dc.fill(0);
      add(dh.subarray((from + 1) * N * H), dp, W_ph, R, H, K); // what h_t sends into its own output
      for (let t = T - 1; t >= 0; t--) {
        const begins = (T - t) % truncation === 0, step = begins ? { ...steps[t], dh_: cut, dc_: cut } : steps[t]; // the first step of a window
        this.cell.back(step);
        if (!begins) add(step.dh_, step.dm, W_h, N, H, G * H);
      }
    }

    /** After a sweep: the gradient's length at each step, { h: (T), c: (T) for the LSTM }, the mean over the batch of |dL/dh_t|, L each sequence's own loss. */
    flow({ T, N, dh, dc }) {
      const { H } = this, of = (d) => Float64Array.from({ length: T }, (_, t) => sum(range(N, (n) => length(d.subarray(((t + 1) * N + n) * H, ((t + 1) * N + n + 1) * H)))));
      return { h: of(dh), ...(this.cell === CELLS.LSTM && { c: of(dc) }) };
    }

    /** The gradient of the loss by each weight, of the batch that went forward and was judged. */
    backward(space, x, truncation = Infinity) {
      const { D, H, K, G, gradients } = this, { T, N, from, R, h, dp, da, dm } = space, wide = G * H;
      this.sweep(space, truncation);
      for (const g of Object.values(gradients)) g.fill(0);
      addTransposed(gradients.W_ph, dp, h.subarray((from + 1) * N * H), K, H, R);
      addRows(gradients.b_p, dp);
      addTransposed(gradients.W_h, dm, h.subarray(0, T * N * H), wide, H, T * N); // all steps in one product
      addRows(gradients.b, da);
      if (x instanceof Int32Array) { // a one-hot input takes a column
        const columns = this.turned.W_x.fill(0);
        for (let row = 0, n = 0; row < T * N; row++) for (let k = 0, w = x[row] * wide; k < wide; k++) columns[w++] += da[n++];
        transpose(gradients.W_x, columns, D, wide);
      } else addTransposed(gradients.W_x, da, x, wide, D, T * N);
      if (gradients.b_nh) for (let row = 0; row < T * N; row++) for (let k = 0; k < H; k++) gradients.b_nh[k] += dm[row * wide + 2 * H + k];
      return gradients;
    }

    /** How much output k at step t of the first sequence feels each input: the length (T) of the gradient of p_t[k] by x_s, for a batch that went forward. */
    felt(space, t, k) {
      const { D, H, K, G, weights: { W_x }, Float } = this, { T, N, from, dp, da } = space, wide = G * H;
      if (!(t >= from && t < T)) refuse('t', t, `from ${from} to ${T - 1}, where there is an output`);
      dp.fill(0)[(t - from) * N * K + k] = 1;
      this.sweep(space);
      return Float64Array.from({ length: T }, (_, s) => { const dx = new Float(D); add(dx, da.subarray(s * N * wide, s * N * wide + wide), W_x, 1, D, wide); return length(dx); });
    }

    /** The gates of sequence n: { name: (T, H) numbers }; with the states h, and c where the cell has one. */
    seen({ T, N, a, h, c }, n = 0) {
      const { H, G, cell: { gates } } = this, take = (A, at, step) => Float64Array.from({ length: T * H }, (_, u) => A[at + Math.floor(u / H) * step + u % H]);
      const found = Object.fromEntries(gates.map((name, g) => [name, take(a, (n * G + g) * H, N * G * H)]));
      found.h = take(h, (N + n) * H, N * H);
      if (this.cell === CELLS.LSTM) found.c = take(c, (N + n) * H, N * H);
      return found;
    }
  }

  // ---- where training starts: rnnlib.init; each block of `rows` rows by `columns` is a matrix of its own ----

  const initial = {
    /** U(-bound, bound) */
    uniform(W, bound, random) { for (let n = 0; n < W.length; n++) W[n] = random.uniform(-bound, bound); },

    /** Glorot and Bengio (2010): variance 2 / (in + out) */
    xavier(W, rows, columns, random) { initial.uniform(W, Math.sqrt(6 / (rows + columns)), random); },

    /** Each block (H, H) the identity: Le, Jaitly and Hinton (2015) */
    identity(W, H) { for (let n = 0; n < W.length; n++) W[n] = Number(Math.floor(n / H) % H === n % H); },

    /** Each block (H, H) uniform over the orthogonal matrices: Saxe, McClelland and Ganguli (2014). Normal rows by Gram and Schmidt, twice for the last digits. */
    orthogonal(W, H, random) {
      for (let at = 0; at < W.length; at += H * H) {
        const Q = Float64Array.from({ length: H * H }, () => random.normal()), row = (r) => Q.subarray(r * H, (r + 1) * H);
        for (let r = 0; r < H; r++) {
          const q = row(r);
          for (let pass = 0; pass < 2; pass++) {
            for (let before = 0; before < r; before++) {
              const e = row(before);
              let along = 0;
              for (let k = 0; k < H; k++) along += q[k] * e[k];
              for (let k = 0; k < H; k++) q[k] -= along * e[k];
            }
          }
          const size = length(q);
          for (let k = 0; k < H; k++) q[k] /= size;
        }
        W.set(Q, at);
      }
    },

    /** Tallec and Ollivier (2018): b_f = ln U(1, T_max - 1) and b_i = -b_f (LSTM), or b_z = ln U(1, T_max - 1) (GRU) */
    chrono(b, H, gates, T_max, random) {
      for (let k = 0; k < H; k++) {
        const bias = Math.log(random.uniform(1, T_max - 1));
        b[H + k] = bias; // f, or z
        if (gates.length === 4) b[k] = -bias; // i
      }
    },
  };

  const STARTS = ['uniform', 'xavier', 'orthogonal', 'identity', 'chrono', 'zero'];

  /**
   * Fill a network's weights. uniform: all of them from U(-1/sqrt(H), 1/sqrt(H)), as torch does. zero: all of them 0.
   * The others: W_x and the readout as in uniform, the cell's biases 0, and W_h Xavier, orthogonal or the identity; chrono: W_h orthogonal, biases for T_max steps.
   * forgetBias: what the LSTM's forget gate starts with, or null for what the start gives it.
   */
  const initialise = (network, start, random, { forgetBias = null, T_max = 0 } = {}) => {
    const { H, weights, cell: { gates } } = network, { W_h, b, b_nh } = weights;
    if (!STARTS.includes(start)) refuse('start', start, STARTS.join(', '));
    if (start === 'chrono' && gates.length < 3) refuse('start', start, 'another for the RNN: it has no gates');
    if (start === 'chrono' && !(T_max >= 3)) refuse('T_max', T_max, 'at least 3');
    if (forgetBias !== null && gates.length !== 4) refuse('forgetBias', forgetBias, 'null: only the LSTM has a forget gate');
    for (const W of Object.values(weights)) start === 'zero' ? W.fill(0) : initial.uniform(W, 1 / Math.sqrt(H), random);
    if (start !== 'uniform') { b.fill(0); b_nh?.fill(0); }
    if (start === 'xavier') initial.xavier(W_h, H, H, random);
    if (start === 'identity') initial.identity(W_h, H);
    if (start === 'orthogonal' || start === 'chrono') initial.orthogonal(W_h, H, random);
    if (start === 'chrono') initial.chrono(b, H, gates, T_max, random);
    if (forgetBias !== null) b.fill(forgetBias, H, 2 * H);
  };

  // ---- optimizers: rnnlib.optim. w: weights, g: gradient, s: what the method keeps for them, all zero at first; t: the step's number, from 1 ----

  const METHODS = {
    SGD: { settings: { lr: 1e-3 }, update(w, g, s, { lr }) { for (let k = 0; k < w.length; k++) w[k] -= lr * g[k]; } },

    momentum: {
      keeps: ['b'], settings: { lr: 1e-3, momentum: 0.9 },
      update(w, g, { b }, { lr, momentum }) {
        for (let k = 0; k < w.length; k++) {
          b[k] = momentum * b[k] + g[k];
          w[k] -= lr * b[k];
        }
      },
    },

    Nesterov: {
      keeps: ['b'], settings: { lr: 1e-3, momentum: 0.9 },
      update(w, g, { b }, { lr, momentum }) {
        for (let k = 0; k < w.length; k++) {
          b[k] = momentum * b[k] + g[k];
          w[k] -= lr * (g[k] + momentum * b[k]);
        }
      },
    },

    Adagrad: {
      keeps: ['s'], settings: { lr: 1e-2, eps: 1e-10 },
      update(w, g, { s }, { lr, eps }) {
        for (let k = 0; k < w.length; k++) {
          s[k] += g[k] * g[k];
          w[k] -= lr * g[k] / (Math.sqrt(s[k]) + eps);
        }
      },
    },

    Adadelta: {
      keeps: ['v', 'u'], settings: { lr: 1, rho: 0.9, eps: 1e-6 },
      update(w, g, { v, u }, { lr, rho, eps }) {
        for (let k = 0; k < w.length; k++) {
          v[k] = rho * v[k] + (1 - rho) * g[k] * g[k];
          const delta = g[k] * Math.sqrt(u[k] + eps) / Math.sqrt(v[k] + eps);
          u[k] = rho * u[k] + (1 - rho) * delta * delta;
          w[k] -= lr * delta;
        }
      },
    },

    RMSprop: {
      keeps: ['v'], settings: { lr: 1e-2, alpha: 0.99, eps: 1e-8 },
      update(w, g, { v }, { lr, alpha, eps }) {
        for (let k = 0; k < w.length; k++) {
          v[k] = alpha * v[k] + (1 - alpha) * g[k] * g[k];
          w[k] -= lr * g[k] / (Math.sqrt(v[k]) + eps);
        }
      },
    },

    Adam: {
      keeps: ['m', 'v'], settings: { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
      update(w, g, { m, v }, { lr, beta1, beta2, eps }, t) {
        const c1 = 1 - beta1 ** t, c2 = Math.sqrt(1 - beta2 ** t);
        for (let k = 0; k < w.length; k++) {
          m[k] += (1 - beta1) * (g[k] - m[k]);
          v[k] = beta2 * v[k] + (1 - beta2) * g[k] * g[k];
          w[k] -= lr / c1 * m[k] / (Math.sqrt(v[k]) / c2 + eps);
        }
      },
    },
  };

  /** One of METHODS for a network's weights; settings that are not given are torch's defaults. */
  class Optimizer {
    constructor(method, weights, settings = {}) {
      const { keeps = [], settings: usual, update } = METHODS[method] ?? refuse('method', method, Object.keys(METHODS).join(', '));
      for (const [name, value] of Object.entries(settings)) {
        if (!(name in usual)) refuse('settings', name, `among ${Object.keys(usual).join(', ')} for ${method}`);
        if (!(value >= 0 && value < Infinity)) refuse(name, value, 'a number from 0 up');
      }
      const kept = (w) => Object.fromEntries(keeps.map((name) => [name, w.map(() => 0)]));
      Object.assign(this, { weights, update, t: 0, settings: { ...usual, ...settings }, kept: Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, kept(w)])) });
    }

    /** One step for every weight, by its gradient. */
    step(gradients) {
      this.t++;
      for (const [name, w] of Object.entries(this.weights)) this.update(w, gradients[name], this.kept[name], this.settings, this.t);
    }
  }

  /** Scale all gradients by min(1, most / norm): Pascanu, Mikolov and Bengio (2013). Returns the norm before, over all of them together. */
  const clip = (gradients, most = Infinity) => {
    const all = Object.values(gradients), norm = Math.hypot(...all.map(length));
    if (norm > most) for (const g of all) for (let k = 0; k < g.length; k++) g[k] *= most / norm;
    return norm;
  };

  // ---- random numbers that a seed decides ----

  /** xoshiro128** 1.1 (Blackman and Vigna, 2018), its four words from splitmix32 of a whole number from 0 to 2^32 - 1. */
  class Random {
    constructor(seed) {
      if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) refuse('seed', seed, 'a whole number from 0 to 4294967295');
      let state = seed | 0;
      this.words = Int32Array.from({ length: 4 }, () => {
        state = (state + 0x9E3779B9) | 0;
        let z = state;
        z = Math.imul(z ^ (z >>> 16), 0x85EBCA6B);
        z = Math.imul(z ^ (z >>> 13), 0xC2B2AE35);
        return z ^ (z >>> 16);
      });
    }

    /** 32 bits, as a number from 0 to 2^32 - 1. */
    bits() {
      const s = this.words, turn = (x, k) => (x << k) | (x >>> (32 - k));
      const result = Math.imul(turn(Math.imul(s[1], 5), 7), 9) >>> 0, t = s[1] << 9;
      s[2] ^= s[0];
      s[3] ^= s[1];
      s[1] ^= s[2];
      s[0] ^= s[3];
      s[2] ^= t;
      s[3] = turn(s[3], 11);
      return result;
    }

    /** U(low, high), from 53 bits. */
    uniform(low = 0, high = 1) { return low + (high - low) * ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) / 2 ** 53; }

    /** A whole number from `low` to `high` - 1. */
    integer(low, high) { return Math.floor(this.uniform(low, high)); }

    /** N(0, 1): Box and Muller (1958), the cosine of a pair. */
    normal() { return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform()); }
  }

  // ---- tasks: rnnlib.tasks. one(random): a sequence, { x, y } with a symbol (or D numbers) and a wanted answer at each step ----
  //
  // Where only the last step is judged, its answer is rnnlib's. chance: what the best answer without a memory scores there.

  const whole = (name, value, low) => { if (!(Number.isInteger(value) && value >= low)) refuse(name, value, `a whole number from ${low} up`); };

  const TASKS = {
    /** The first T - 1 digits of a palindrome; wanted is its last digit, which is its first. */
    palindrome({ T }) {
      whole('T', T, 2);
      return {
        steps: T - 1, D: 10, K: 10, chance: { loss: Math.log(10), accuracy: 0.1 },
        one(random) {
          const left = range(Math.ceil(T / 2), () => random.integer(0, 10)), digits = range(T, (t) => left[Math.min(t, T - 1 - t)]);
          return { x: digits.slice(0, -1), y: range(T - 1, () => digits[0]) };
        },
      };
    },

    /** T pairs (number, mark), one mark in each half; wanted is the sum of the marked numbers so far. Hochreiter and Schmidhuber (1997). */
    adding({ T }) {
      whole('T', T, 2);
      const half = Math.floor(T / 2);
      return {
        steps: T, D: 2, K: 1, loss: 'squared error', chance: { loss: 2 / 12, accuracy: 1 - 0.96 ** 2 }, // always 1
        one(random) {
          const marked = [random.integer(0, half), random.integer(half, T)], x = range(T, (t) => [random.uniform(), Number(marked.includes(t))]);
          let so_far = 0;
          return { x, y: x.map(([number, mark]) => (so_far += number * mark)) };
        },
      };
    },

    /** Ten of eight symbols, T blanks with a signal at the end, and ten steps to write them down. Arjovsky, Shah and Bengio (2016). */
    copying({ T }) {
      whole('T', T, 1);
      const long = T + 20;
      return {
        steps: long, D: 10, K: 9, every: true, chance: { loss: 10 * Math.log(8) / long, accuracy: (T + 10 + 10 / 8) / long },
        one(random) {
          const symbols = range(10, () => random.integer(1, 9));
          return { x: range(long, (t) => (t < 10 ? symbols[t] : t === T + 9 ? 9 : 0)), y: range(long, (t) => (t < T + 10 ? 0 : symbols[t - T - 10])) };
        },
      };
    },

    /** T bits; wanted is whether the ones so far are odd in number. */
    parity({ T }) {
      whole('T', T, 1);
      return {
        steps: T, D: 2, K: 2, chance: { loss: Math.log(2), accuracy: 0.5 },
        one(random) {
          const x = range(T, () => random.integer(0, 2));
          let odd = 0;
          return { x, y: x.map((bit) => (odd ^= bit)) };
        },
      };
    },

    /** The next character of a text, in N strands that are read on window by window: rnnlib.text.Contiguous. */
    text({ T, N, text }) {
      whole('T', T, 1);
      whole('N', N, 1);
      const letters = [...text], symbols = [...new Set(letters)].sort((a, b) => a.codePointAt() - b.codePointAt()), index = new Map(symbols.map((symbol, k) => [symbol, k]));
      const numbers = letters.map((letter) => index.get(letter)), S = Math.floor((numbers.length - 1) / N), rounds = Math.floor(S / T);
      if (rounds < 1) refuse('text', `${letters.length} characters`, `longer than T x N = ${T * N}`);
      const share = symbols.map((_, k) => numbers.filter((number) => number === k).length / numbers.length);
      return {
        steps: T, D: symbols.length, K: symbols.length, every: true, symbols, carries: true,
        chance: { loss: -sum(share.map((p) => p * Math.log(p))), accuracy: Math.max(...share) }, // the frequencies of the characters
        begins: (k) => k % rounds === 0,
        window(k) { // the k-th, from 0: N sequences
          const from = (n) => n * S + (k % rounds) * T;
          return range(N, (n) => ({ x: numbers.slice(from(n), from(n) + T), y: numbers.slice(from(n) + 1, from(n) + T + 1) }));
        },
      };
    },
  };

  /** N sequences of a task, time first: { x, y } (T, N). x: symbols, or numbers (T, N, D) for adding and without oneHot, where a symbol is one number. */
  const batch = (task, N, random, { k = 0, oneHot = true, Float = Float64Array } = {}) => {
    const { steps: T, D } = task, rows = task.window?.(k) ?? range(N, () => task.one(random)), pairs = Array.isArray(rows[0].x[0]);
    const x = pairs ? new Float(T * N * D) : new (oneHot ? Int32Array : Float)(T * N), y = new (task.loss ? Float : Int32Array)(T * N);
    rows.forEach((row, n) => {
      for (let t = 0; t < T; t++) {
        if (pairs) x.set(row.x[t], (t * N + n) * D);
        else x[t * N + n] = row.x[t];
        y[t * N + n] = row.y[t];
      }
    });
    return { x, y };
  };

  // ---- eigenvalues ----

  /** The eigenvalues of W (n, n), as [[re, im], ..]: Hessenberg form, then Francis's double-shift QR steps (Golub and Van Loan, section 7.5). */
  const eigenvalues = (W, n) => {
    const A = Float64Array.from(W), found = [], norm = length(A);
    if (!Number.isFinite(norm)) refuse('W', 'others', 'finite numbers');
    /** A <- P A P, P the reflection at places at.. that sends v to a multiple of (1, 0, ..); of A only the columns from `left` and the rows to `below`, in [low, high]. */
    const reflect = (v, at, left, low, below, high) => {
      const size = length(v);
      if (!size) return;
      v[0] += v[0] < 0 ? -size : size;
      const scale = 2 / v.reduce((squares, value) => squares + value * value, 0);
      for (let j = left; j <= high; j++) {
        let along = 0;
        for (let i = 0; i < v.length; i++) along += v[i] * A[(at + i) * n + j];
        for (let i = 0; i < v.length; i++) A[(at + i) * n + j] -= scale * along * v[i];
      }
      for (let i = low; i <= below; i++) {
        let along = 0;
        for (let j = 0; j < v.length; j++) along += v[j] * A[i * n + at + j];
        for (let j = 0; j < v.length; j++) A[i * n + at + j] -= scale * along * v[j];
      }
    };
    for (let k = 0; k < n - 2; k++) reflect(range(n - k - 1, (i) => A[(k + 1 + i) * n + k]), k + 1, k, 0, n - 1, n - 1); // nothing is left below the subdiagonal
    const at = (i, j) => A[i * n + j];
    for (let high = n - 1, tries = 0; high >= 0;) {
      let low = high; // rows low to high: no subdiagonal entry among them is negligible
      while (low > 0 && Math.abs(at(low, low - 1)) > Number.EPSILON * (Math.abs(at(low, low)) + Math.abs(at(low - 1, low - 1)) || norm)) low--;
      if (low === high) {
        found.push([at(high, high), 0]);
        high -= 1;
        tries = 0;
      } else {
        const e = high - 1;
        let trace = at(e, e) + at(high, high), determinant = at(e, e) * at(high, high) - at(e, high) * at(high, e);
        if (low === e) { // two rows: the roots of x^2 - trace x + determinant
          const middle = trace / 2, d = ((at(e, e) - at(high, high)) / 2) ** 2 + at(e, high) * at(high, e), root = Math.sqrt(Math.abs(d));
          if (d < 0) found.push([middle, root], [middle, -root]);
          else {
            const large = middle + (middle < 0 ? -root : root);
            found.push([large, 0], [large && determinant / large, 0]);
          }
          high -= 2;
          tries = 0;
          continue;
        }
        if (++tries > 60) throw new Error(`The eigenvalues of W did not converge, ${high + 1} of ${n} are left`);
        if (tries % 10 === 0) { // shifts of no meaning, to leave a circle
          const s = Math.abs(at(high, e)) + Math.abs(at(e, e - 1));
          trace = 1.5 * s;
          determinant = s * s;
        }
        let v = [at(low, low) ** 2 + at(low, low + 1) * at(low + 1, low) - trace * at(low, low) + determinant,
          at(low + 1, low) * (at(low, low) + at(low + 1, low + 1) - trace), at(low + 1, low) * at(low + 2, low + 1)];
        for (let k = low; k < high; k++) {
          reflect(v, k, Math.max(k - 1, low), low, Math.min(k + 3, high), high);
          if (k > low) for (let i = k + 1; i <= Math.min(k + 2, high); i++) A[i * n + k - 1] = 0;
          v = range(Math.min(3, high - k), (i) => at(k + 1 + i, k));
        }
      }
    }
    return found;
  };

  // ---- all of it together ----

  /** A network on a task, trained batch by batch; see the top of this file. Errors are RangeErrors that name the setting. */
  class Training {
    /**
     * @param {{ task: string, T: number, text?: string, oneHot?: boolean, every?: boolean, cell: string, H: number, N?: number, start?: string, forgetBias?: number|null,
     *   T_max?: number, method?: string, settings?: object, clip?: number, truncation?: number, seed?: number, Float?: Function }} chosen
     */
    constructor({ task, T, text = '', oneHot = true, every, cell, H, N = 64, start = 'uniform', forgetBias = null, T_max = T, method = 'Adam', settings = {}, clip = Infinity,
      truncation = Infinity, seed = 0, Float = Float32Array }) {
      whole('N', N, 1);
      if (!(clip > 0)) refuse('clip', clip, 'above 0');
      if (truncation !== Infinity) whole('truncation', truncation, 1);
      this.task = (TASKS[task] ?? refuse('task', task, Object.keys(TASKS).join(', ')))({ T, N, text });
      const { D, K, loss, steps } = this.task, symbols = !loss; // what comes in: symbols, or numbers
      this.network = new Network({ cell, D: symbols && !oneHot ? 1 : D, H, K, every: every ?? Boolean(this.task.every), loss, Float });
      initialise(this.network, start, new Random(seed), { forgetBias, T_max });
      this.optimizer = new Optimizer(method, this.network.weights, settings);
      this.chance = Boolean(this.task.every) === this.network.every ? this.task.chance : null;
      Object.assign(this, { N, clip, truncation, oneHot, Float, steps: 0, state: null, random: new Random((seed ^ 0x5DEECE66) >>> 0) });
      this.space = this.network.space(steps, N);
      this.probe = batch(this.task, N, new Random(0x7E57), { oneHot, Float }); // the same sequences whenever it is asked what can be seen
      this.shown = this.network.space(steps, N);
      this.single = this.network.space(steps, 1);
    }

    /** One batch and one step: the loss and the accuracy before it, and the gradient's norm before clipping. finite: false once one of them, or a weight, is no number. */
    step() {
      const { network, task, space, N, oneHot, Float } = this;
      const { x, y } = batch(task, N, this.random, { k: this.steps, oneHot, Float });
      if (task.begins?.(this.steps)) this.state = null;
      network.forward(space, x, this.state);
      const found = network.judge(space, y);
      network.backward(space, x, this.truncation);
      if (task.carries) this.state = network.last(space);
      const norm = clip(network.gradients, this.clip);
      this.optimizer.step(network.gradients);
      this.steps++;
      const finite = Number.isFinite(found.loss + norm) && Object.values(network.weights).every((w) => Number.isFinite(length(w)));
      return { ...found, norm, finite };
    }

    /**
     * What can be seen now, on the same sequences each time; `wanted` names parts of it:
     *   flow         the gradient's length at each step, without truncation: { h: (T), c: (T) for the LSTM }
     *   states       h (T, N, H)
     *   answers      y (T, N), what is wanted of each of the sequences
     *   gates        of the first sequence: { name: (T, H) }, with its h and c
     *   felt         (T): how much the likeliest of its last outputs feels each of its inputs
     *   eigenvalues  of each (H, H) block of W_h: { name: [[re, im], ..] }
     *   weights      copies of all of them
     * Always: x and y (T) of the first. Only what is wanted is computed.
     */
    measure(wanted = ['flow', 'states', 'gates', 'felt', 'eigenvalues', 'weights']) {
      const { network, probe: { x, y }, shown, single, N, task: { steps: T } } = this, { H, K, weights, cell: { gates } } = network, each = x.length / T / N;
      const first = x.filter((_, n) => n % (N * each) < each), parts = {
        flow: () => { network.judge(shown, y); network.sweep(shown); return network.flow(shown); },
        states: () => Float32Array.from(shown.h.subarray(N * H)),
        answers: () => y.slice(),
        gates: () => network.seen(single),
        felt: () => { const p = single.p.subarray(-K); return network.felt(single, T - 1, p.indexOf(Math.max(...p))); },
        eigenvalues: () => Object.fromEntries(gates.map((name, g) => [name, eigenvalues(weights.W_h.subarray(g * H * H, (g + 1) * H * H), H)])),
        weights: () => Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, w.slice()])),
      };
      const unknown = wanted.filter((name) => !parts[name]);
      if (unknown.length) refuse('wanted', unknown, `among ${Object.keys(parts)}`);
      const some = (...names) => names.some((name) => wanted.includes(name));
      if (some('flow', 'states')) network.forward(shown, x);
      if (some('gates', 'felt')) network.forward(single, first);
      return { x: first, y: y.filter((_, n) => n % N === 0), ...Object.fromEntries(wanted.map((name) => [name, parts[name]()])) };
    }
  }

  return { make, CELLS, STARTS, METHODS, TASKS, Network, Optimizer, Training, Random, initial, initialise, clip, batch, eigenvalues };
})();
