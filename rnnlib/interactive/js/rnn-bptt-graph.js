// Back-propagation through time, number by number: a vanilla RNN of one unit over three steps, as rnnlib.bptt.rnn_loss has it.
//   forward   a_t = W_hx x_t + W_hh h_{t-1} + b_h,  h_t = tanh(a_t),  p = W_ph h_3,  L = -ln y^: the cross-entropy of the first of two
//             classes, whose logits are p and 0
//   backward  dp = y^ - 1,  dh_3 = W_ph dp,  da_t = (1 - h_t^2) dh_t,  dh_{t-1} = W_hh da_t; each step leaves da_t h_{t-1} for W_hh,
//             da_t x_t for W_hx and da_t for b_h
// A step of the slider is one line of that. Nothing here moves by itself, so there is no motion to reduce.

if (!customElements.get('rnn-bptt-graph')) {
  const { INK, BLUE, RED, GREY, fixed, px, symbol, text, line } = RnnFigure;
  const W_HX = 0.8, B_H = 0.1, W_PH = 1.5, LATER = [0.5, -0.5]; // x_2 and x_3
  const TIMES = [1, 2, 3];
  const STEPS = ['', ...TIMES.flatMap((t) => [`a_${t}`, `h_${t}`]), 'p', 'L', 'δp',
    ...[3, 2, 1].flatMap((t) => [`δh_${t}`, `δa_${t}`, `share_${t}`])]; // what becomes known, one after the other
  const Y = { p: 122, h: 202, a: 292, x: 362, table: 394 }, HIGH = 22; // middles of rows, half the height of a box
  const n = (value) => fixed(value, 3), short = (value) => fixed(value, 1).replace('.0', '');
  const times = (...factors) => factors.map((factor, k) => (k && factor.startsWith('−') ? `(${factor})` : factor)).join(' · ');
  const plus = (...terms) => terms.reduce((sum, term) => `${sum} ${term.startsWith('−') ? `− ${term.slice(1)}` : `+ ${term}`}`);
  // "δh_2 = W_hh δa_3", drawn with italics and real subscripts, and in a line of plain text
  const styled = (words) => words.replace(/(tanh|ln|exp)|([ahpxLWby]|ŷ)(?:_(\w+))?/g, (all, name, letter, below) => name ?? symbol(letter, below));
  const plain = (words) => words.replace(/_(\d)/g, (_, digit) => '₀₁₂₃'[digit]);

  customElements.define('rnn-bptt-graph', class extends RnnFigure {
    static title = 'A vanilla RNN over three steps: the values forward, then the gradients back';
    static sliders = {
      step: { label: 'step', min: 0, max: STEPS.length - 1, step: 1, value: 0, show: (v) => `${v} of ${STEPS.length - 1}` },
      w_hh: { label: 'weight <i>W</i><sub>hh</sub>', min: -2, max: 2, step: 0.1, value: 0.9, show: short },
      x_1: { label: 'input <i>x</i><sub>1</sub>', min: -2, max: 2, step: 0.1, value: 1, show: short },
    };
    static presets = {
      back: (figure) => figure.set({ step: figure.values.step - 1 }),
      next: (figure) => figure.set({ step: figure.values.step + 1 }),
      'all forward': { step: STEPS.indexOf('L') },
      'all the way back': { step: STEPS.length - 1 },
    };

    compute({ w_hh, x_1 }) {
      const x = [x_1, ...LATER], a = [], h = [];
      for (const input of x) {
        a.push(W_HX * input + w_hh * (h.at(-1) ?? 0) + B_H);
        h.push(Math.tanh(a.at(-1)));
      }
      const p = W_PH * h[2], y_hat = 1 / (1 + Math.exp(-p)), dp = y_hat - 1, dh = [], da = [];
      for (let t = 2, arriving = W_PH * dp; t >= 0; t--) {
        dh[t] = arriving;
        da[t] = (1 - h[t] ** 2) * arriving;
        arriving = w_hh * da[t];
      }
      const shares = { W_hh: da.map((value, t) => value * (h[t - 1] ?? 0)), W_hx: da.map((value, t) => value * x[t]), b_h: da };
      return { x, a, h, p, y_hat, loss: -Math.log(y_hat), dp, dW_ph: dp * h[2], dh, da, shares };
    }

    /** What happens in this step: a heading and its equations, with the numbers. */
    equations({ step, w_hh, x, a, h, p, y_hat, loss, dp, dW_ph, dh, da, shares }) {
      const [kind, number] = STEPS[step].split('_'), t = Number(number), now = t - 1, old = h[t - 2] ?? 0, w = short(w_hh);
      switch (kind) {
        case '': return ['Known: the inputs, and h_0 = 0'];
        case 'a': return ['Forward: what goes into the tanh', `a_${t} = W_hx x_${t} + W_hh h_${t - 1} + b_h`,
          `= ${plus(times(short(W_HX), short(x[now])), times(w, n(old)), short(B_H))} = ${n(a[now])}`];
        case 'h': return ['Forward: the state', `h_${t} = tanh(a_${t})`, `= tanh(${n(a[now])}) = ${n(h[now])}`];
        case 'p': return ['Forward: the readout, a logit', 'p = W_ph h_3', `= ${times(short(W_PH), n(h[2]))} = ${n(p)}`];
        case 'L': return ['Forward: the loss; the label is y = 1', `ŷ = 1 / (1 + exp(−p)) = ${n(y_hat)}`, `L = −ln ŷ = ${n(loss)}`];
        case 'δp': return ['Backward: from the loss to the logit', `δp = ŷ − y = ${n(y_hat)} − 1 = ${n(dp)}`,
          `∂L/∂W_ph = δp h_3 = ${times(n(dp), n(h[2]))} = ${n(dW_ph)}`];
        case 'δh': return t === 3 ? ['Backward: through the readout', 'δh_3 = W_ph δp', `= ${times(short(W_PH), n(dp))} = ${n(dh[2])}`]
          : ['Backward: one step back in time', `δh_${t} = W_hh δa_${t + 1}`, `= ${times(w, n(da[t]))} = ${n(dh[now])}`];
        case 'δa': return ['Backward: through the tanh', `δa_${t} = (1 − h_${t}²) δh_${t}`, `= ${times(n(1 - h[now] ** 2), n(dh[now]))} = ${n(da[now])}`];
        default: return [`What step ${t} leaves for each weight`, `W_hh: δa_${t} h_${t - 1} = ${times(n(da[now]), n(old))} = ${n(shares.W_hh[now])}`,
          `W_hx: δa_${t} x_${t} = ${times(n(da[now]), short(x[now]))} = ${n(shares.W_hx[now])}`, `b_h: δa_${t} = ${n(shares.b_h[now])}`];
      }
    }

    /** The sums of the shares that the sweep has left so far, or nothing. */
    sums({ step, shares }) {
      const passed = TIMES.filter((t) => STEPS.indexOf(`share_${t}`) <= step);
      return passed.length ? Object.entries(shares).map(([name, all]) => [name, passed.reduce((sum, t) => sum + all[t - 1], 0)]) : [];
    }

    describe(v) {
      const [heading, ...lines] = this.equations(v).map(plain), sums = this.sums(v).map(([name, sum]) => `${name} ${n(sum)}`);
      return `Step ${v.step} of ${STEPS.length - 1}, W_hh = ${short(v.w_hh)}, x₁ = ${short(v.x_1)}. ${heading}. `
        + (lines.length ? `${lines.join('; ').replaceAll('; =', ' =')}. ` : '') + (sums.length ? `Summed so far: ${sums.join(', ')}.` : '');
    }

    draw(v, width) {
      const left = 44, pitch = (width - left) / 3, half = Math.min(112, pitch - 14) / 2, x = (t) => left + pitch * (t - 0.5);
      const now = STEPS[v.step], known = (key) => STEPS.indexOf(key) <= v.step;
      const value = (key) => ({ p: v.p, L: v.loss, δp: v.dp })[key] ?? { a: v.a, h: v.h, δa: v.da, δh: v.dh }[key.split('_')[0]][key.split('_')[1] - 1];
      const number = (key, at, y, shown, look = '') => text(at, y, n(shown), `text-anchor="end" font-size="12" data-of="${key}" ${look}`);
      const [heading, ...lines] = this.equations(v);
      let svg = text(8, 18, heading.replace('h_0', symbol('h', '0')).replace('y =', `${symbol('y')} =`), 'font-weight="bold"')
        + lines.map((words, k) => text(8, 40 + 20 * k, styled(words))).join('');

      // an arrow forward, and beside it one back where a gradient has come
      const arrow = ([x1, y1], [x2, y2], ink, look) => {
        const [dx, dy] = [x2 - x1, y2 - y1].map((d) => d / Math.hypot(x2 - x1, y2 - y1)), [bx, by] = [x2 - 8 * dx, y2 - 8 * dy];
        const tip = [[x2, y2], [bx - 4 * dy, by + 4 * dx], [bx + 4 * dy, by - 4 * dx]].map((point) => point.map(px).join()).join(' ');
        return line(x1, y1, bx, by, `stroke="${ink}" ${look}`) + `<polygon points="${tip}" fill="${ink}"/>`;
      };
      const edge = (from, to, key, back, name = '', [nx, ny] = [0, 0]) => {
        const length = Math.hypot(to[0] - from[0], to[1] - from[1]), side = [(to[1] - from[1]) / length, (from[0] - to[0]) / length];
        const aside = ([a, b], much) => [a + much * side[0], b + much * side[1]];
        svg += known(key) ? arrow(aside(from, back ? 4 : 0), aside(to, back ? 4 : 0), key === now ? BLUE : INK, `stroke-width="${key === now ? 3 : 1.5}"`)
          : arrow(aside(from, back ? 4 : 0), aside(to, back ? 4 : 0), GREY, 'stroke-width="1.5" stroke-dasharray="2 3"');
        if (back && known(back)) svg += arrow(aside(to, -4), aside(from, -4), RED, `stroke-width="${back === now ? 3 : 1.5}" stroke-dasharray="6 3"`);
        if (name) svg += text(nx, ny, styled(name), 'font-size="12"');
      };
      const box = (key, at, y, back) => {
        const ink = key === now ? BLUE : back === now ? RED : known(key) ? INK : GREY;
        svg += `<rect x="${px(at - half)}" y="${y - HIGH}" width="${px(2 * half)}" height="${2 * HIGH}" fill="#fff" stroke="${ink}" `
          + `stroke-width="${[key, back].includes(now) ? 3 : 1.5}" ${known(key) ? '' : 'stroke-dasharray="2 3"'}/>`;
        for (const [row, name, colour] of [[back ? -5 : 4, key, known(key) ? INK : GREY], [15, back, RED]]) {
          if (!name || name === back && !known(back)) continue;
          svg += text(at - half + 5, y + row, styled(name), `font-size="12" fill="${colour}"`);
          if (known(name)) svg += number(name, at + half - 5, y + row, value(name), `fill="${colour}"`);
        }
      };
      for (const t of TIMES) {
        const from = t === 1 ? [left - 14, Y.h + 8] : [x(t - 1) + half - 14, Y.h + HIGH], to = [x(t) - half + 14, Y.a - HIGH];
        edge(from, to, `a_${t}`, t > 1 && `δh_${t - 1}`, 'W_hh', [(from[0] + to[0]) / 2 + 9, Y.a - HIGH - 26]);
        edge([x(t), Y.x - 14], [x(t), Y.a + HIGH], `a_${t}`, '', 'W_hx', [x(t) + 7, Y.a + HIGH + 23]);
        edge([x(t), Y.a - HIGH], [x(t), Y.h + HIGH], `h_${t}`, `δa_${t}`);
        svg += text(x(t), Y.x, styled(`x_${t} = `) + short(v.x[t - 1]), 'text-anchor="middle" font-size="12"');
      }
      edge([x(3), Y.h - HIGH], [x(3), Y.p + HIGH], 'p', 'δh_3', 'W_ph', [x(3) + 11, Y.p + HIGH + 22]);
      edge([x(3) - half, Y.p], [x(2) + half, Y.p], 'L', 'δp');
      for (const t of TIMES) for (const name of ['a', 'h']) box(`${name}_${t}`, x(t), Y[name], `δ${name}_${t}`);
      box('p', x(3), Y.p, 'δp');
      box('L', x(2), Y.p);
      svg += text(4, Y.h + 4, `${styled('h_0')} = 0`, 'font-size="12"') + [[`W_hh = ${short(v.w_hh)}`], [`W_hx = ${W_HX}`, `b_h = ${B_H}`], [`W_ph = ${W_PH}`]]
        .map((row, k) => text(8, Y.p - 14 + 18 * k, row.map(styled).join(', '), 'font-size="12"')).join('');

      // what each step leaves for the weights, and the sums
      const column = (k) => 72 + (width - 80) * (k + 1) / 4, sums = Object.fromEntries(this.sums(v));
      svg += text(8, Y.table, 'what each step adds to the gradients') + line(column(2) + 8, Y.table + 10, column(2) + 8, Y.table + 84, `stroke="${GREY}"`);
      [...TIMES.map((t) => `${symbol('t')} = ${t}`), 'sum'].forEach((words, k) => { svg += text(column(k), Y.table + 22, words, 'text-anchor="end" font-size="12"'); });
      Object.entries(v.shares).forEach(([name, all], row) => {
        const y = Y.table + 42 + 20 * row;
        svg += text(8, y, styled(`∂L/∂${name}`), 'font-size="12"');
        for (const t of TIMES) if (known(`share_${t}`)) svg += number(`${name} ${t}`, column(t - 1), y, all[t - 1], now === `share_${t}` ? `fill="${RED}" font-weight="bold"` : '');
        if (name in sums) svg += number(`${name} sum`, column(3), y, sums[name]);
      });
      return { height: Y.table + 92, svg };
    }
  });
}
