// Paths of optimisers on a map of the loss, as rnnlib.surfaces.descend has them. Float64, torch's defaults.

if (!customElements.get('rnn-optimizer-paths')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const LOW = -2, HIGH = 2; // the window, of both weights
  const BOUND = 1000; // a path that has left [-BOUND, BOUND] stays where it is
  const CELLS = 96; // contours are drawn through a grid of so many cells a side
  const MARK = 10; // a mark every so many steps
  const KEY = 0.05; // an arrow key moves the start so far
  const MOMENTUM = 0.9;

  // loss(w1, w2), its gradient, the lowest contour and the ratio of each to the next; where to start, the rates of surfaces.RATES
  const SURFACES = {
    ravine: {
      label: 'ravine', loss: (x, y) => (x * x + 100 * y * y) / 2, gradient: (x, y) => [x, 100 * y],
      minima: [[0, 0]], levels: [0.1, 4], start: [-1.6, 0.8],
      rates: { sgd: 0.016, momentum: 0.0063, nesterov: 0.0063, adagrad: 2, adadelta: 25, rmsprop: 0.079, adam: 0.05 },
    },
    rotated: {
      label: 'ravine, turned', minima: [[0, 0]], levels: [0.1, 4], start: [-1.76, -0.32],
      loss(x, y) {
        const u = (4 * x + 3 * y) / 5, v = (4 * y - 3 * x) / 5;
        return (u * u + 100 * v * v) / 2;
      },
      gradient(x, y) {
        const u = (4 * x + 3 * y) / 5, v = (4 * y - 3 * x) / 5;
        return [(4 * u - 300 * v) / 5, (3 * u + 400 * v) / 5];
      },
      rates: { sgd: 0.016, momentum: 0.0063, nesterov: 0.0063, adagrad: 1, adadelta: 25, rmsprop: 0.1, adam: 0.5 },
    },
    saddle: {
      label: 'saddle', loss: (x, y) => 10 * x * x + (y * y - 1) ** 2 / 4, gradient: (x, y) => [20 * x, y * (y * y - 1)],
      minima: [[0, 1], [0, -1]], levels: [0.05, 2.5], start: [-1.5, 0.01],
      rates: { sgd: 0.079, momentum: 0.032, nesterov: 0.05, adagrad: 1.6, adadelta: 20, rmsprop: 0.1, adam: 0.063 },
    },
    plateau: {
      label: 'plateau', minima: [[1, -0.5]], levels: [0.2, 1.5], start: [-1, 1.2],
      loss(x, y) {
        const squared = 9 * ((x - 1) ** 2 + (y + 0.5) ** 2);
        return squared / (1 + squared);
      },
      gradient(x, y) {
        const slope = 18 / (1 + 9 * ((x - 1) ** 2 + (y + 0.5) ** 2)) ** 2;
        return [slope * (x - 1), slope * (y + 0.5)];
      },
      rates: { sgd: 0.63, momentum: 0.13, nesterov: 0.1, adagrad: 0.16, adadelta: 2, rmsprop: 0.0079, adam: 0.5 },
    },
    valley: {
      label: 'valley', loss: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
      gradient: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
      minima: [[1, 1]], levels: [1, 4], start: [-1.2, 1],
      rates: { sgd: 0.004, momentum: 0.0032, nesterov: 0.0016, adagrad: 1, adadelta: 79, rmsprop: 0.1, adam: 0.79 },
    },
  };

  // What a weight moves by, the learning rate left out: from its gradient g, what is kept of it in m, and the step's number t from 1.
  const METHODS = {
    sgd: { label: 'SGD', colour: INK, dash: '', mark: 'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z', move: (g) => g },
    momentum: {
      label: 'momentum', colour: BLUE, dash: '7 3', mark: 'M-3.5-3.5h7v7h-7z',
      move: (g, m, t) => (m.b = t === 1 ? g : MOMENTUM * m.b + g),
    },
    nesterov: {
      label: 'Nesterov', colour: '#CC79A7', dash: '2 2', mark: 'M-4-3h8l-4 7z',
      move: (g, m, t) => g + MOMENTUM * (m.b = t === 1 ? g : MOMENTUM * m.b + g),
    },
    adagrad: {
      label: 'Adagrad', colour: '#8A6D00', dash: '9 3 2 3', mark: 'M0-5l5 5-5 5-5-5z',
      move(g, m) {
        m.s = (m.s ?? 0) + g * g;
        return g / (Math.sqrt(m.s) + 1e-10);
      },
    },
    adadelta: {
      label: 'Adadelta', colour: '#7A4FB5', dash: '1 4', mark: 'M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z',
      move(g, m) {
        m.v = 0.9 * (m.v ?? 0) + 0.1 * g * g;
        const step = Math.sqrt((m.u ?? 0) + 1e-6) / Math.sqrt(m.v + 1e-6) * g;
        m.u = 0.9 * (m.u ?? 0) + 0.1 * step * step;
        return step;
      },
    },
    rmsprop: {
      label: 'RMSprop', colour: GREEN, dash: '5 3 1 3 1 3', mark: 'M-4 3h8l-4-7z',
      move(g, m) {
        m.v = 0.99 * (m.v ?? 0) + 0.01 * g * g;
        return g / (Math.sqrt(m.v) + 1e-8);
      },
    },
    adam: {
      label: 'Adam', colour: RED, dash: '12 3',
      mark: 'M-4.5-2.5l2-2 2.5 2.5 2.5-2.5 2 2-2.5 2.5 2.5 2.5-2 2-2.5-2.5-2.5 2.5-2-2 2.5-2.5z',
      move(g, m, t) {
        m.m = 0.9 * (m.m ?? 0) + 0.1 * g;
        m.v = 0.999 * (m.v ?? 0) + 0.001 * g * g;
        return m.m / (1 - 0.9 ** t) / (Math.sqrt(m.v) / Math.sqrt(1 - 0.999 ** t) + 1e-8);
      },
    },
  };
  const names = Object.keys(METHODS);
  const apart = ([x, y]) => Math.max(Math.abs(x), Math.abs(y));
  const away = (path) => apart(path.at(-1)) > BOUND;
  const count = (steps) => `${steps} step${steps === 1 ? '' : 's'}`;
  const rate = (exponent) => Number((10 ** exponent).toPrecision(2)); // the number that is shown
  const exponent = (surface, name) => Math.round(10 * Math.log10(SURFACES[surface].rates[name])) / 10;
  const small = (value) => { // two digits, as 0.035 or 3.5·10⁻⁷
    if (value < 1e-16) return '< 10⁻¹⁶';
    if (value >= 0.0095 && value < 9950) return String(Number(value.toPrecision(2)));
    const raised = (power) => [...power].map((sign) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(sign)]).join('');
    return value.toExponential(1).replace(/e\+?(.+)/, (_, power) => `·10${raised(power)}`);
  };

  /** Curves of equal loss: in each cell of a grid straight pieces, joined where they meet. */
  const contour = (f, level) => {
    const at = (i, j) => f[i * (CELLS + 1) + j] - level;
    const ends = new Map(); // a crossing, named by its edge -> the crossings it is joined to
    const join = (a, b) => { for (const [p, q] of [[a, b], [b, a]]) ends.set(p, [...(ends.get(p) ?? []), q]); };
    for (let i = 0; i < CELLS; i++) {
      for (let j = 0; j < CELLS; j++) {
        const corners = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
        const edges = [`${i} ${j} 1 0`, `${i + 1} ${j} 0 1`, `${i} ${j + 1} 1 0`, `${i} ${j} 0 1`];
        const crossed = edges.filter((_, n) => corners[n] < 0 !== corners[(n + 1) % 4] < 0);
        if (crossed.length === 2) join(...crossed);
        if (crossed.length !== 4) continue;
        const middle = corners.reduce((a, b) => a + b) < 0 === corners[0] < 0; // the first corner's side goes through the middle
        join(crossed[0], crossed[middle ? 1 : 3]);
        join(crossed[2], crossed[middle ? 3 : 1]);
      }
    }
    const place = (edge) => {
      const [i, j, di, dj] = edge.split(' ').map(Number);
      const share = at(i, j) / (at(i, j) - at(i + di, j + dj));
      return [i + share * di, j + share * dj].map((n) => LOW + (HIGH - LOW) * n / CELLS);
    };
    const curves = [];
    const walk = (from) => {
      const curve = [place(from)];
      for (let here = from; ends.get(here)?.length;) {
        const next = ends.get(here).pop();
        ends.set(next, ends.get(next).filter((edge) => edge !== here));
        curve.push(place(here = next));
      }
      curves.push(curve);
    };
    for (const [edge, joined] of ends) if (joined.length === 1) walk(edge); // from border to border
    for (const [edge, joined] of ends) if (joined.length) walk(edge); // round and round
    return curves;
  };

  customElements.define('rnn-optimizer-paths', class extends RnnFigure {
    static title = 'Paths of optimisers over a map of the loss of two weights';
    static choices = {
      surface: { label: 'surface', options: Object.fromEntries(Object.entries(SURFACES).map(([name, { label }]) => [name, label])), value: 'ravine' },
    };
    static sliders = {
      steps: { label: 'steps', min: 0, max: 300, step: 1, value: 100, show: (v) => String(v) },
      w1: { label: 'start <i>w</i><sub>1</sub>', min: LOW, max: HIGH, step: 0.01, value: (figure) => figure.surface.start[0], show: (v) => fixed(v) },
      w2: { label: 'start <i>w</i><sub>2</sub>', min: LOW, max: HIGH, step: 0.01, value: (figure) => figure.surface.start[1], show: (v) => fixed(v) },
      ...Object.fromEntries(names.map((name) => [`lr_${name}`, {
        label: METHODS[name].label, says: `learning rate of ${METHODS[name].label}`, min: -4, max: 2, step: 0.1,
        value: (figure) => exponent(figure.inputs.surface.value, name), show: (v) => `η ${rate(v)}`,
        shows: { name: `show_${name}`, value: ['sgd', 'momentum', 'rmsprop', 'adam'].includes(name) },
      }])),
    };
    static presets = {
      replay: (figure) => figure.replay(),
      'all methods': Object.fromEntries(names.map((name) => [`show_${name}`, true])),
    };

    /** [[w1, w2], ...]: the start and where a method is after each step. */
    static path(surface, method, start, steps, lr) {
      const path = [start], kept = [{}, {}];
      for (let t = 1; t <= steps; t++) {
        const w = path.at(-1);
        const g = SURFACES[surface].gradient(...w);
        path.push(apart(w) <= BOUND ? w.map((value, n) => value - lr * METHODS[method].move(g[n], kept[n], t)) : w);
      }
      return path;
    }

    get surface() { return SURFACES[this.inputs.surface.value]; }

    /** Another surface brings its own start and learning rates. */
    set(settings) {
      this.stop();
      const { surface } = settings;
      if (!surface) return super.set(settings);
      const [w1, w2] = SURFACES[surface].start;
      super.set({ w1, w2, ...Object.fromEntries(names.map((name) => [`lr_${name}`, exponent(surface, name)])), ...settings });
    }

    compute({ surface, w1, w2, steps, ...rest }) {
      const shown = names.filter((name) => rest[`show_${name}`]);
      const rates = Object.fromEntries(names.map((name) => [name, rate(rest[`lr_${name}`])]));
      const paths = Object.fromEntries(shown.map((name) => [name, this.constructor.path(surface, name, [w1, w2], steps, rates[name])]));
      const losses = Object.fromEntries(shown.map((name) => [name, SURFACES[surface].loss(...paths[name].at(-1))]));
      return { rates, paths, losses };
    }

    describe(v) {
      const where = ([x, y]) => `(${fixed(x)}, ${fixed(y)})`;
      const { label } = SURFACES[v.surface];
      const ends = Object.entries(v.paths).map(([name, path]) => `${METHODS[name].label} (rate ${v.rates[name]}) `
        + (away(path) ? `ran away in ${path.findIndex((w) => apart(w) > BOUND)} steps` : `at ${where(path.at(-1))}, loss ${small(v.losses[name])}`));
      return `${label[0].toUpperCase()}${label.slice(1)}, from ${where([v.w1, v.w2])}, after ${count(v.steps)}: ${ends.join('; ') || 'no method is shown'}.`;
    }

    /** Where the map lies in a drawing so wide, and from weights to pixels and back. */
    scale(width) {
      const left = 42, top = 10, size = width >= 560 ? 380 : width - left - 12;
      const unit = size / (HIGH - LOW);
      return {
        left, top, size, x: (w) => left + (w - LOW) * unit, y: (w) => top + (HIGH - w) * unit,
        weights: (x, y) => [LOW + (x - left) / unit, HIGH - (y - top) / unit],
      };
    }

    /** The contours as an SVG path, kept until the surface or the size is another. */
    contours(name, { left, top, size, x, y }) {
      if (this.drawn?.key !== `${name} ${size}`) {
        const { loss, levels: [lowest, ratio] } = SURFACES[name];
        const points = Array.from({ length: CELLS + 1 }, (_, n) => LOW + (HIGH - LOW) * n / CELLS);
        const grid = points.flatMap((w1) => points.map((w2) => Math.sqrt(loss(w1, w2)))); // the root is smoother near a minimum
        const most = Math.max(...grid) ** 2;
        let svg = '';
        for (let level = lowest, n = 0; level < most; level *= ratio, n++) {
          const spot = ([a, b]) => `${(x(a) - left).toFixed(1)} ${(y(b) - top).toFixed(1)}`;
          const curves = contour(grid, Math.sqrt(level)).map((curve) => `M${curve.map(spot).join(' ')}`).join('');
          svg += `<path d="${curves}" fill="none" stroke="hsl(0 0% ${Math.min(84, 58 + 5 * n)}%)"/>`;
        }
        this.drawn = { key: `${name} ${size}`, svg };
      }
      return this.drawn.svg;
    }

    draw(v, width) {
      const map = this.scale(width);
      const { left, top, size, x, y } = map;
      const bottom = top + size;
      const { minima, label, levels: [lowest, ratio] } = SURFACES[v.surface];
      const stroke = (name) => `stroke="${METHODS[name].colour}" stroke-width="1.8" stroke-dasharray="${METHODS[name].dash}"`;
      const mark = (name, at, grow) => `<path d="${METHODS[name].mark}" transform="translate(${at.map(px).join(' ')}) scale(${grow})" `
        + `fill="${METHODS[name].colour}" stroke="#fff" stroke-width="0.8"/>`;
      const square = `x="${left}" y="${top}" width="${px(size)}" height="${px(size)}"`;

      let svg = `<svg class="map" ${square} overflow="hidden">${this.contours(v.surface, map)}`;
      const inside = ([a, b]) => [x(Math.min(9, Math.max(-9, a))) - left, y(Math.min(9, Math.max(-9, b))) - top]; // far outside: the direction is enough
      for (const [a, b] of minima) {
        const [cx, cy] = inside([a, b]);
        svg += line(cx - 8, cy, cx + 8, cy, `stroke="${INK}" stroke-width="1.5"`) + line(cx, cy - 8, cx, cy + 8, `stroke="${INK}" stroke-width="1.5"`);
      }
      for (const [name, path] of Object.entries(v.paths)) {
        const marks = path.filter((_, t) => t && t % MARK === 0 && t < v.steps).map((w) => mark(name, inside(w), 0.75));
        svg += `<g data-method="${name}">${through(path.map(inside), `${stroke(name)} stroke-linejoin="round"`)}${marks.join('')}</g>`;
      }
      for (const [name, path] of Object.entries(v.paths)) svg += mark(name, inside(path.at(-1)), 1.4);
      const [cx, cy] = inside([v.w1, v.w2]).map(px);
      svg += `<circle class="handle" cx="${cx}" cy="${cy}" r="7" fill="none" stroke="${INK}" stroke-width="2"/></svg>`
        + `<rect ${square} fill="none" stroke="${GREY}"/>`;

      for (let tick = LOW; tick <= HIGH; tick++) {
        svg += line(x(tick), bottom, x(tick), bottom + 5, `stroke="${GREY}"`) + text(x(tick), bottom + 19, fixed(tick, 0), 'text-anchor="middle"')
          + line(left - 5, y(tick), left, y(tick), `stroke="${GREY}"`) + text(left - 8, y(tick) + 4.5, fixed(tick, 0), 'text-anchor="end"');
      }
      svg += text(x(0), bottom + 36, `weight ${symbol('w', '1')}`, 'text-anchor="middle"')
        + text(0, 0, `weight ${symbol('w', '2')}`, `text-anchor="middle" transform="translate(15 ${px(y(0) - size / 8)}) rotate(-90)"`);

      // beside the map, or below it: what is what, and each loss
      const beside = width >= 560;
      const from = beside ? left + size + 18 : 12, end = beside ? width - 4 : width - 12;
      let row = beside ? top + 12 : bottom + 62;
      const next = (content) => { svg += text(from, row, content); row += 20; };
      next(label);
      next(`loss after ${count(v.steps)}`);
      for (const [name, path] of Object.entries(v.paths)) {
        svg += line(from, row - 4, from + 44, row - 4, stroke(name))
          + mark(name, [from + 22, row - 4], 1.2) + text(from + 52, row, METHODS[name].label)
          + text(end, row, away(path) ? 'ran away' : small(v.losses[name]), 'text-anchor="end"');
        row += 20;
      }
      row += 4;
      svg += `<circle cx="${from + 8}" cy="${row - 4}" r="6" fill="none" stroke="${INK}" stroke-width="2"/>`
        + text(from + 20, row, 'start') + line(from + 62, row - 4, from + 76, row - 4, `stroke="${INK}" stroke-width="1.5"`)
        + line(from + 69, row - 11, from + 69, row + 3, `stroke="${INK}" stroke-width="1.5"`) + text(from + 82, row, 'minimum');
      row += 20;
      next(`a mark every ${MARK} steps`);
      next(`contours: loss ${lowest}, then × ${ratio}`);
      return { height: Math.max(bottom + 46, row - 8), svg };
    }

    connectedCallback() {
      if (this.shadowRoot) return;
      super.connectedCallback();
      this.svg.tabIndex = 0;
      this.svg.style.userSelect = 'none';
      const put = ([w1, w2]) => this.set({ w1, w2 });
      const at = (event) => {
        const box = this.svg.getBoundingClientRect(), grow = this.width / box.width;
        return this.scale(this.width).weights((event.clientX - box.left) * grow, (event.clientY - box.top) * grow);
      };
      this.svg.addEventListener('click', (event) => { if (apart(at(event)) <= HIGH) put(at(event)); }); // a tap too; a swipe scrolls
      this.svg.addEventListener('pointermove', (event) => {
        if (event.pointerType === 'mouse' && event.buttons === 1 && apart(at(event)) <= HIGH) put(at(event));
      });
      this.svg.addEventListener('keydown', (event) => {
        const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
        if (up === undefined) return;
        event.preventDefault(); // no scrolling
        const { w1, w2 } = this.values;
        put([w1 + KEY * right, w2 + KEY * up]);
      });
      this.shadowRoot.addEventListener('input', () => this.stop());
    }

    disconnectedCallback() { this.stop(); }

    stop() { clearInterval(this.playing); }

    /** Step by step from the start to where the slider stands. */
    replay() {
      this.stop();
      const { steps } = this.values;
      let n = 0;
      const tick = () => {
        this.inputs.steps.value = n;
        this.changed();
        if (n >= steps) this.stop();
        n = Math.min(steps, n + Math.ceil(steps / 100));
      };
      tick();
      this.playing = setInterval(tick, 40);
    }
  });
}
