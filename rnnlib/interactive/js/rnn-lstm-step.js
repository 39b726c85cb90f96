// One unit of an LSTM, one step, gate by gate, as rnnlib.cells.LSTMCell has it:
//   c_t = g_t i_t + c_{t-1} f_t,   h_t = tanh(c_t) o_t
// and how much of a small change passes on, the gates held: dc_t/dc_{t-1} = f_t,  dh_t/dc_t = o_t (1 - tanh(c_t)^2).

if (!customElements.get('rnn-lstm-step')) {
  const { INK, BLUE, RED, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const TIMES = 10; // the same step, so many times over
  const BOX = { w: 78, h: 40 };
  const Y = { g: 28, i: 86, c: 144, tanh: 196, f: 212, o: 246, h: 304 }; // rows of the diagram
  const BARS = 350, PLOT = { top: 422, bottom: 492 };
  const gate = { min: 0, max: 1, step: 0.01, show: (v) => fixed(v) };
  const colour = (value) => (value < 0 ? RED : BLUE);

  customElements.define('rnn-lstm-step', class extends RnnFigure {
    static title = 'One unit of an LSTM in one step: from the old cell to the new cell and the output';
    static sliders = {
      i: { label: 'input gate <i>i</i>', value: 0.5, ...gate },
      f: { label: 'forget gate <i>f</i>', value: 0.9, ...gate },
      g: { label: 'candidate <i>g</i>', value: 0.8, ...gate, min: -1 },
      o: { label: 'output gate <i>o</i>', value: 0.7, ...gate },
      c_old: { label: 'old cell <i>c</i><sub><i>t</i>−1</sub>', value: 1, ...gate, min: -2, max: 2 },
    };
    static presets = {
      keep: { f: 1, i: 0 },
      write: { f: 0, i: 1 },
      add: { f: 1, i: 1 },
      hide: { o: 0 },
      show: { o: 1 },
    };

    compute({ i, f, g, o, c_old }) {
      const c = g * i + c_old * f;
      const h = Math.tanh(c) * o;
      const steps = [c_old];
      while (steps.length <= TIMES) steps.push(g * i + steps.at(-1) * f);
      return { c, h, dc: f, dh: o * (1 - Math.tanh(c) ** 2), steps };
    }

    describe(v) {
      const old = fixed(v.c_old);
      return `New cell: ${fixed(v.g)} · ${fixed(v.i)} + ${v.c_old < 0 ? `(${old})` : old} · ${fixed(v.f)} = ${fixed(v.c)}. `
        + `Output: tanh(${fixed(v.c)}) · ${fixed(v.o)} = ${fixed(v.h)}. `
        + `After ${TIMES} such steps the cell is ${fixed(v.steps.at(-1))}, and ${fixed(100 * v.f ** TIMES, 0)} % of the old cell is left in it.`;
    }

    draw(v, width) {
      const X = [0.13, 0.38, 0.63, 0.87].map((share) => share * width); // c_{t-1}; f and i; g and the sum; c_t and h_t
      const t = '<tspan font-style="italic">t</tspan>';
      const name = (letter, below = t) => symbol(letter, below);

      // An arrow whose width is the amount that flows; red and dashed below zero, thin and dotted at zero.
      const arrow = (x1, y1, x2, y2, amount) => {
        const length = Math.hypot(x2 - x1, y2 - y1), [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
        const thick = 1.5 + 2.5 * Math.min(3, Math.abs(amount)), half = 4 + thick / 2, head = 9;
        const [bx, by] = [x2 - head * dx, y2 - head * dy];
        const ink = amount === 0 ? GREY : colour(amount);
        const dash = amount === 0 ? 'stroke-dasharray="2 3"' : amount < 0 ? 'stroke-dasharray="7 3"' : '';
        const tip = [[x2, y2], [bx - half * dy, by + half * dx], [bx + half * dy, by - half * dx]].map((p) => p.map(px).join()).join(' ');
        return line(x1, y1, bx, by, `stroke="${ink}" stroke-width="${px(amount === 0 ? 1.5 : thick)}" ${dash}`) + `<polygon points="${tip}" fill="${ink}"/>`;
      };
      const rect = (x, y, w, h, attributes) => `<rect x="${px(x)}" y="${px(y)}" width="${px(w)}" height="${px(h)}" ${attributes}/>`;
      const half = BOX.w / 2, high = BOX.h / 2;
      const box = (x, y, label, value, bar, stroke) => bar
        + rect(x - half, y - high, BOX.w, BOX.h, `fill="none" stroke="${INK}" stroke-width="${stroke}"`)
        + text(x, y + (stroke === 1 ? 4.5 : 1.5), `${label} = ${fixed(value)}`, 'text-anchor="middle"');
      // A gate fills its box from the left; a number in [-most, most] has a bar from the middle.
      const gateBox = (x, y, label, value) =>
        box(x, y, label, value, rect(x - half, y - high, BOX.w * value, BOX.h, 'fill="#cfe3f1"'), 1);
      const numberBox = (x, y, label, value, most) => {
        const size = half * Math.abs(value) / most;
        return box(x, y, label, value, rect(value < 0 ? x - size : x, y + high - 6, size, 6, `fill="${colour(value)}"`), 2);
      };
      const round = (x, y, sign) => `<circle cx="${px(x)}" cy="${y}" r="13" fill="#fff" stroke="${INK}" stroke-width="1.5"/>`
        + text(x, y + 5, sign, 'text-anchor="middle" font-size="16"');
      const amount = (x, y, value, where) => text(x, y, fixed(value), `text-anchor="${where}" font-size="12"`);
      const added = v.g * v.i, kept = v.c_old * v.f, squashed = Math.tanh(v.c);

      let svg = '';
      // the old cell, through the forget gate
      svg += arrow(X[0] + half, Y.c, X[1] - 13, Y.c, v.c_old) + arrow(X[1] + 13, Y.c, X[2] - 13, Y.c, kept) + arrow(X[2] + 13, Y.c, X[3] - half, Y.c, v.c)
        + arrow(X[1], Y.f - high, X[1], Y.c + 13, v.f) + amount((X[1] + X[2]) / 2 - 2, Y.c - 12, kept, 'middle');
      // the candidate, through the input gate
      svg += arrow(X[2], Y.g + high, X[2], Y.i - 13, v.g) + arrow(X[2], Y.i + 13, X[2], Y.c - 13, added) + arrow(X[1] + half, Y.i, X[2] - 13, Y.i, v.i)
        + amount(X[2] + 12, Y.i + 31, added, 'start');
      // the new cell, squashed, through the output gate
      svg += arrow(X[3], Y.c + high, X[3], Y.tanh - 12, v.c) + arrow(X[3], Y.tanh + 12, X[3], Y.o - 13, squashed) + arrow(X[3], Y.o + 13, X[3], Y.h - high, v.h)
        + arrow(X[2] + half, Y.o, X[3] - 13, Y.o, v.o) + amount(X[3] - 12, Y.tanh + 25, squashed, 'end');
      svg += numberBox(X[0], Y.c, name('c', `${t}−1`), v.c_old, 3) + numberBox(X[3], Y.c, name('c'), v.c, 3)
        + numberBox(X[2], Y.g, name('g'), v.g, 1) + numberBox(X[3], Y.h, name('h'), v.h, 1)
        + gateBox(X[1], Y.f, name('f'), v.f) + gateBox(X[1], Y.i, name('i'), v.i) + gateBox(X[2], Y.o, name('o'), v.o)
        + round(X[1], Y.c, '×') + round(X[2], Y.i, '×') + round(X[2], Y.c, '+') + round(X[3], Y.o, '×')
        + rect(X[3] - 22, Y.tanh - 12, 44, 24, `rx="12" fill="#fff" stroke="${INK}" stroke-width="1.5"`)
        + text(X[3], Y.tanh + 4.5, 'tanh', 'text-anchor="middle"');

      // how much of a small change passes on
      const rows = [
        [`∂⁺${name('c')} / ∂${name('c', `${t}−1`)} = ${name('f')} = ${fixed(v.dc)}`, v.dc],
        [`∂⁺${name('h')} / ∂${name('c')} = ${name('o')} (1 − tanh² ${name('c')}) = ${fixed(v.dh)}`, v.dh],
      ];
      const from = Math.max(X[2] + 22, 234);
      rows.forEach(([label, share], n) => {
        const y = BARS + 22 * n;
        svg += text(8, y + 4.5, label)
          + rect(from, y - 6, (width - 8 - from) * share, 12, `fill="${INK}"`) + rect(from, y - 6, width - 8 - from, 12, `fill="none" stroke="${INK}"`);
      });

      // the same step over and over: the cell
      const left = 44, right = width - 14;
      const most = Math.max(2, Math.ceil(Math.max(...v.steps.map(Math.abs))));
      const x = (n) => left + (right - left) * n / TIMES;
      const y = (c) => (PLOT.top + PLOT.bottom) / 2 - (PLOT.bottom - PLOT.top) / 2 * c / most;
      svg += text(8, PLOT.top - 14, `the cell ${symbol('c')}, if the same step is repeated`);
      for (const tick of [-most, 0, most]) {
        svg += text(left - 6, y(tick) + 4.5, fixed(tick, 0), 'text-anchor="end"') + line(left, y(tick), right, y(tick), `stroke="${tick ? '#ddd' : INK}"`);
      }
      for (let n = 0; n <= TIMES; n += 2) svg += text(x(n), PLOT.bottom + 19, n, 'text-anchor="middle"');
      svg += text((left + right) / 2, PLOT.bottom + 37, 'steps', 'text-anchor="middle"');
      const dots = v.steps.map((c, n) => [x(n), y(c)]);
      svg += through(dots, `stroke="${BLUE}" stroke-width="1.5"`)
        + dots.map(([cx, cy]) => `<circle cx="${px(cx)}" cy="${px(cy)}" r="4" fill="${BLUE}"/>`).join('');
      return { height: PLOT.bottom + 46, svg };
    }
  });
}
