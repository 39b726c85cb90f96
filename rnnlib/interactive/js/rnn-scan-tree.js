// A scan as a tree, row by row: the linear recurrence h_t = a_t h_{t-1} + b_t of one unit, from h_0 = 0, as rnnlib.scan computes it.
//   up     each 2nd, 4th, 8th step takes in the map of as many steps before it: (a, b) o (c, d) = (a c, a d + b)
//   down   what is missing between is one map away from the last state that is known
// Nothing here moves by itself, so there is no motion to reduce.

if (!customElements.get('rnn-scan-tree')) {
  const { INK, BLUE, GREY, fixed, px, symbol, text, line } = RnnFigure;
  const A = [2, 1, -1, 3, 1, 2, -2, 1], B = [1, 2, 0, 1, -3, 1, 2, 1];
  const ROWS = 5, TOP = 54, PITCH = 66, HIGH = 19, SIDE = 8; // rows below the first; half the height of a cell
  const n = (value) => fixed(value, 0);
  const listed = (parts) => (parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`);

  customElements.define('rnn-scan-tree', class extends RnnFigure {
    static title = 'A linear recurrence over some steps as a tree: maps are joined upwards, then states follow downwards';
    static sliders = {
      steps: { label: 'steps <i>T</i>', min: 1, max: 8, step: 1, value: 8, show: n },
      row: { label: 'row', min: 0, max: ROWS, step: 1, value: 5, show: (v) => `${v} of ${ROWS}` },
    };
    static presets = {
      'before the first row': { row: 0 },
      back: (figure) => figure.set({ row: figure.values.row - 1 }),
      next: (figure) => figure.set({ row: figure.values.row + 1 }),
    };

    /** The rows of the tree for T steps: what each joins, [t, s] with s the earlier one. */
    plan(T) {
      const up = [], down = [];
      for (let d = 1; 2 * d <= T; d *= 2) {
        const pairs = [];
        for (let t = 2 * d; t <= T; t += 2 * d) pairs.push([t, t - d]);
        up.push({ up: true, d, pairs });
      }
      for (let d = 2 ** up.length / 2; d >= 1; d /= 2) {
        const pairs = [];
        for (let t = 3 * d; t <= T; t += 2 * d) pairs.push([t, t - d]);
        if (pairs.length) down.push({ up: false, d, pairs });
      }
      return [...up, ...down];
    }

    compute({ steps, row }) {
      let a = A.slice(0, steps), b = B.slice(0, steps), known = b.map((_, k) => Number(k === 0));
      const rows = [{ a, b, known }], plan = this.plan(steps).slice(0, row);
      for (const { up, pairs } of plan) {
        [a, b, known] = [[...a], [...b], [...known]];
        for (const [t, s] of pairs) {
          b[t - 1] += a[t - 1] * b[s - 1];
          a[t - 1] *= a[s - 1];
          known[t - 1] = up ? Number(t === 2 * (t - s)) : 1;
        }
        rows.push({ a, b, known });
      }
      return { a: rows.map((one) => one.a), b: rows.map((one) => one.b), known: rows.map((one) => one.known), done: plan.length };
    }

    describe(v) {
      const all = this.plan(v.steps), last = all[v.done - 1], states = v.b.at(-1);
      const joined = last && listed(last.pairs.map(([t, s]) => `${t} and ${s}`));
      const said = !last ? 'Each step is a map.' : last.up
        ? `Up: steps ${joined} are joined${last.d > 1 ? `, ${last.d} steps each` : ''}.`
        : `Down: ${listed(last.pairs.map(([t, s]) => `the map at step ${t} is applied to the state of ${s}`))}.`;
      const known = v.known.at(-1).flatMap((is, k) => (is ? [`${k + 1} (${n(states[k])})`] : []));
      return `${v.steps === 1 ? 'One step' : `${v.steps} steps`}, row ${v.done} of ${all.length}. ${said} Known are the states of ${listed(known)}.`;
    }

    draw(v, width) {
      const pitch = (width - 2 * SIDE) / 8, x = (t) => SIDE + pitch * (t - 0.5), y = (r) => TOP + PITCH * r, half = Math.min(30, pitch / 2 - 2);
      const plan = this.plan(v.steps);
      let svg = '';
      for (let t = 1; t <= v.steps; t++) svg += text(x(t), 20, `${symbol('t')} = ${t}`, 'text-anchor="middle" font-size="12"');
      v.known.forEach((known, r) => {
        const a = v.a[r], b = v.b[r];
        const joined = new Map(r ? plan[r - 1].pairs : []), now = r === v.done && r > 0;
        for (let t = 1; t <= v.steps; t++) {
          const news = r === 0 || joined.has(t), ink = now && news ? BLUE : news ? INK : GREY;
          if (r) svg += line(x(t), y(r - 1) + HIGH, x(t), y(r) - HIGH, `stroke="${ink}" stroke-width="${now && news ? 3 : 1.5}" ${news ? '' : 'stroke-dasharray="2 3"'}`);
          if (r && news) svg += line(x(joined.get(t)), y(r - 1) + HIGH, x(t), y(r) - HIGH, `stroke="${ink}" stroke-width="${now ? 3 : 1.5}"`);
          svg += `<rect x="${px(x(t) - half)}" y="${px(y(r) - HIGH)}" width="${px(2 * half)}" height="${2 * HIGH}" stroke="${ink}" `
            + `fill="${known[t - 1] ? '#d6e9f5' : '#fff'}" stroke-width="${now && news ? 3 : 1.5}"/>`;
          const number = (value, at, look) => text(x(t), y(r) + at, value, `text-anchor="middle" font-size="12" data-of="${r} ${t}" ${look}`);
          svg += known[t - 1] ? number(n(b[t - 1]), 5, 'font-weight="bold"')
            : number(`× ${n(a[t - 1])}`, -3, '') + number(`${b[t - 1] < 0 ? '−' : '+'} ${n(Math.abs(b[t - 1]))}`, 13, '');
        }
      });
      return { height: y(Math.max(plan.length, 1)) + HIGH + 8, svg };
    }
  });
}
