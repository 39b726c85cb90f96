// The Phased LSTM's time gate (Neil, Pfeiffer and Liu, 2016), as rnnlib.phased.time_gate has it:
//   phi = ((t - s) mod tau) / tau
//   k = 2 phi / r_on  for phi < r_on / 2,   2 - 2 phi / r_on  for phi < r_on,   leak * phi  else
// Below it a cell c that takes over a candidate as far as the gate is open: c = k candidate + (1 - k) c.

if (!customElements.get('rnn-time-gate')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const END = 100; // ms
  const STEPS = 400; // the cell is updated every quarter of a millisecond
  const SLOW = 50; // the candidate's own period, ms
  const TOP = 92, SHUT = 182, HIGH = 214, LOW = 304; // where k is 1 and 0, and c is 1 and -1
  const ROWS = { tau: 14, r_on: 40, s: 66 }; // the brackets above the curve
  const tidy = (value) => fixed(value, 2).replace(/\.?0+$/, '');

  customElements.define('rnn-time-gate', class extends RnnFigure {
    static title = 'The time gate of one unit, and a cell behind it, over 100 ms';
    static sliders = {
      tau: { label: 'period <i>τ</i>', min: 2, max: 50, step: 0.5, value: 20, show: (v) => `${fixed(v, 1)} ms` },
      s: { label: 'shift <i>s</i>', min: 0, max: 50, step: 0.5, value: 8, show: (v) => `${fixed(v, 1)} ms` },
      r_on: { label: 'open share <i>r</i><sub>on</sub>', min: 0.01, max: 1, step: 0.01, value: 0.2, show: (v) => fixed(v) },
      leak: { label: 'leak <i>α</i>', min: 0, max: 0.2, step: 0.001, value: 0.001, show: (v) => fixed(v, 3) },
    };

    /** How far the gate is open at time t. */
    static gate(t, { tau, s, r_on, leak }) {
      let rest = (t - s) % tau; // has the sign of t - s
      if (rest < 0) rest += tau;
      const phi = rest / tau;
      const ramp = 2 * phi / r_on;
      if (phi < r_on / 2) return ramp;
      return phi < r_on ? 2 - ramp : leak * phi;
    }

    compute(settings) {
      const t = Array.from({ length: STEPS + 1 }, (_, n) => n * END / STEPS);
      const k = t.map((time) => this.constructor.gate(time, settings));
      const candidate = t.map((time) => Math.sin(2 * Math.PI * time / SLOW));
      let last = 0;
      const c = t.map((_, n) => (last = k[n] * candidate[n] + (1 - k[n]) * last));
      return { t, k, candidate, c };
    }

    /** The times between 0 and 100 ms at which the gate starts to open. */
    openings({ tau, s }) {
      const times = [];
      for (let time = s - Math.floor(s / tau) * tau; time < END; time += tau) times.push(time);
      return times;
    }

    describe(v) {
      const times = this.openings(v).map(tidy);
      const listed = times.length > 5 ? `${times.slice(0, 4).join(', ')} ms and so on` : `${times.join(', ')} ms`;
      const open = `The gate is open ${fixed(100 * v.r_on, 0)} % of the time: for ${tidy(v.r_on * v.tau)} ms, once every ${tidy(v.tau)} ms.`;
      if (v.r_on === 1) return `${open} It is never closed.`;
      return `${open} It starts to open at ${listed}. While it is closed, an update changes the cell by `
        + (v.leak ? `at most ${tidy(100 * v.leak)} % of its distance to the candidate.` : 'nothing.')
        + (v.r_on * v.tau < END / STEPS ? ` It opens for less than the ${END / STEPS} ms between two updates, which may miss it.` : '');
    }

    scale(width) {
      const left = 44, right = width - 14;
      return { left, right, x: (time) => left + (right - left) * time / END, time: (x) => (x - left) * END / (right - left) };
    }

    handles({ tau, s, r_on }, width) {
      const { x, time } = this.scale(width);
      return [
        { name: 'tau', x: x(s + tau), y: ROWS.tau, value: (at) => time(at) - s },
        { name: 'r_on', x: x(s + r_on * tau), y: ROWS.r_on, value: (at) => (time(at) - s) / tau },
        { name: 's', x: x(s), y: ROWS.s, value: time },
      ];
    }

    draw(v, width) {
      const { tau, s, r_on, leak } = v;
      const { left, right, x } = this.scale(width);
      const inside = (time) => x(Math.min(END, Math.max(0, time)));
      const yk = (k) => SHUT + (TOP - SHUT) * k;
      const yc = (c) => LOW + (HIGH - LOW) * (c + 1) / 2;
      let svg = '';

      // open spans, in both panels
      const starts = this.openings(v);
      for (const start of [starts[0] - tau, ...starts]) {
        const from = inside(start), to = inside(start + r_on * tau);
        if (to > from) svg += `<rect x="${px(from)}" y="${TOP}" width="${px(to - from)}" height="${LOW - TOP}" fill="#dcebf5"/>`;
      }

      // axes
      for (const time of [0, 20, 40, 60, 80, 100]) {
        svg += line(x(time), LOW, x(time), LOW + 5, `stroke="${INK}"`) + text(x(time), LOW + 19, time, 'text-anchor="middle"');
      }
      svg += text((left + right) / 2, LOW + 38, `time ${symbol('t')} (ms)`, 'text-anchor="middle"');
      for (const [low, high, ticks, y, name] of [
        [SHUT, TOP, [0, 1], yk, `gate ${symbol('k')}`],
        [LOW, HIGH, [-1, 0, 1], yc, `cell ${symbol('c')}`],
      ]) {
        svg += line(left, low, right, low, `stroke="${INK}"`) + line(left, low, left, high, `stroke="${INK}"`);
        for (const tick of ticks) svg += text(left - 6, y(tick) + 4.5, fixed(tick, 0), 'text-anchor="end"');
        svg += text(0, 0, name, `text-anchor="middle" transform="translate(13 ${(low + high) / 2}) rotate(-90)"`);
      }

      // the gate: straight lines between corners, cut off at both ends of the axis
      const corners = [];
      for (const start of [starts[0] - tau, ...starts]) {
        corners.push([start, 0], [start + r_on * tau / 2, 1], [start + r_on * tau, 0]);
        if (r_on < 1) corners.push([start + r_on * tau, leak * r_on], [start + tau, leak]);
      }
      const points = corners.map(([time, k]) => [x(time) - left, yk(k) - TOP + 3]);
      svg += `<svg x="${left}" y="${TOP - 3}" width="${px(right - left)}" height="${SHUT - TOP + 6}" overflow="hidden">`
        + `${through(points, `stroke="${BLUE}" stroke-width="2" stroke-linejoin="round"`)}</svg>`;

      // the cell and its candidate
      const curve = (values) => values.map((value, n) => [x(v.t[n]), yc(value)]);
      svg += through(curve(v.candidate), `stroke="${RED}" stroke-width="1.5" stroke-dasharray="5 4"`)
        + through(curve(v.c), `stroke="${INK}" stroke-width="2"`);
      svg += line(left + 4, 199, left + 30, 199, `stroke="${INK}" stroke-width="2"`) + text(left + 36, 203, `cell ${symbol('c')}`)
        + line(left + 90, 199, left + 116, 199, `stroke="${RED}" stroke-width="1.5" stroke-dasharray="5 4"`) + text(left + 122, 203, 'candidate');

      // tau, s and r_on tau: a bracket from here to there, a dot to drag, a name where there is room
      const brackets = [
        ['tau', s, s + tau, symbol('τ'), GREEN],
        ['r_on', s, s + r_on * tau, `${symbol('r', 'on')} ${symbol('τ')}`, BLUE],
        ['s', 0, s, symbol('s'), INK],
      ];
      for (const at of [s, s + tau]) svg += line(x(at), ROWS.tau, x(at), SHUT, `stroke="${GREY}" stroke-dasharray="2 3"`);
      for (const [row, from, to, name, colour] of brackets) {
        const y = ROWS[row];
        const after = to < 0.8 * END;
        svg += line(x(from), y, x(to), y, `stroke="${colour}" stroke-width="2"`) + line(x(from), y - 6, x(from), y + 6, `stroke="${colour}" stroke-width="2"`)
          + `<circle class="handle" cx="${px(x(to))}" cy="${y}" r="7" fill="#fff" stroke="${colour}" stroke-width="2"/>`
          + text(after ? x(to) + 12 : x(from) - 8, y + 4.5, name, after ? '' : 'text-anchor="end"');
      }
      return { height: LOW + 46, svg };
    }
  });
}
