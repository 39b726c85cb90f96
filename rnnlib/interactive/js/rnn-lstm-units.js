// The units of an LSTM while it reads one sequence: a heat map, one unit a row and one step a column, and beneath it the gates and the
// cell of a chosen unit over the steps. A press on a row chooses it; of the two chosen last, the rows can be exchanged.
//
// The numbers come before this script, from one that sets RnnUnits.<name> to what rnnlib.interactive.unit_data returns: in a notebook's
// output, or on a page as rnn-units-name.js (tools/page_words.py). <rnn-lstm-units data="name"> shows them; without them the still stays.

if (!customElements.get('rnn-lstm-units')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const LEVELS = 20; // colours between white and the darkest, on each side of zero
  const HIGH = 9; // pixels of a row
  const PAD = 3; // a line on the frame is not cut in half
  const TOP = 34, GATES = 96, CELL = 60; // where the map begins, heights of the two plots
  const NAMES = { tanh: 'tanh of the cell state', c: 'cell state', i: 'input gate', f: 'forget gate', o: 'output gate', g: 'candidate' };
  const LINES = [['i', `stroke="${BLUE}"`], ['f', `stroke="${GREEN}" stroke-dasharray="9 3 2 3"`], ['o', `stroke="${RED}" stroke-dasharray="5 4"`], ['g', `stroke="${GREY}"`]];
  const sum = (numbers) => numbers.reduce((all, value) => all + value, 0);
  const safe = (label) => label.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const colour = (level) => { // white at 0, blue above and red below
    const mixed = (level < 0 ? [178, 24, 43] : [5, 80, 150]).map((part) => Math.round(255 + (part - 255) * Math.abs(level) / LEVELS));
    return `rgb(${mixed.join(' ')})`;
  };

  customElements.define('rnn-lstm-units', class extends RnnFigure {
    static title = 'The units of an LSTM while it reads a sequence: a heat map over the steps, and the gates of one unit';
    static choices = { shown: { label: 'colours', options: NAMES, value: 'tanh' } };
    static sliders = {
      row: { label: 'chosen row', min: 1, max: 32, step: 1, value: 1, show: String },
      other: { label: 'other row', min: 1, max: 32, step: 1, value: 2, show: String },
    };
    static presets = {
      'exchange rows': (figure) => figure.exchange(),
      'largest cell first': (figure) => figure.set({ order: figure.sorted('cell') }),
      'forget gate first': (figure) => figure.set({ order: figure.sorted('forget') }),
      'by number': (figure) => figure.set({ order: figure.sorted('number') }),
    };

    connectedCallback() {
      this.data = globalThis.RnnUnits?.[this.getAttribute('data')];
      if (!this.data || this.shadowRoot) return;
      super.connectedCallback();
      this.svg.addEventListener('click', (event) => { // a tap too; a swipe scrolls
        const box = this.svg.getBoundingClientRect(), grow = this.width / box.width;
        const row = 1 + Math.floor(((event.clientY - box.top) * grow - TOP) / HIGH), { left, right } = this.sides(this.width), x = (event.clientX - box.left) * grow;
        if (row < 1 || row > this.data.units || x < left || x > right || row === this.values.row) return;
        this.set({ row, other: this.values.row });
      });
    }

    addSlider(name, slider) {
      this.inputs.order ??= { value: this.sorted(this.start('order', 'cell')) }; // the unit in each row, from 1
      return super.addSlider(name, { ...slider, max: this.data.units });
    }

    /** A unit's hundredths over the steps, the unit counted from 1; and its numbers. */
    hundredths(name, unit) {
      const { [name]: all, labels: { length } } = this.data;
      return all.slice((unit - 1) * length, unit * length);
    }

    steps(name, unit) {
      return name === 'tanh' ? this.steps('c', unit).map(Math.tanh) : this.hundredths(name, unit).map((value) => value / 100);
    }

    /** The units by number, or those first whose |c| or whose forget gate is largest on average. */
    sorted(by) {
      const size = { number: () => 0, cell: (unit) => sum(this.hundredths('c', unit).map(Math.abs)), forget: (unit) => sum(this.hundredths('f', unit)) }[by];
      return Array.from({ length: this.data.units }, (_, n) => n + 1).sort((a, b) => size(b) - size(a));
    }

    /** The two chosen rows change places; each unit stays chosen. */
    exchange() {
      const { row, other } = this.values, order = [...this.values.order];
      [order[row - 1], order[other - 1]] = [order[other - 1], order[row - 1]];
      this.set({ order, row: other, other: row });
    }

    compute({ shown, row, other, order }) {
      const unit = order[row - 1], second = order[other - 1], rows = order.map((one) => this.steps(shown, one));
      const limit = shown === 'c' ? Math.max(...this.data.c.map(Math.abs)) / 100 : 1;
      const lines = Object.fromEntries([...'ifogc'].map((name) => [name, this.steps(name, unit)]));
      return { unit, second, rows, low: ['tanh', 'c', 'g'].includes(shown) ? -limit : 0, limit, ...lines, beside: this.steps('c', second) };
    }

    describe(v) {
      const { labels } = this.data;
      const one = (row, unit) => {
        const c = this.steps('c', unit), [i, f, o] = [...'ifo'].map((name) => fixed(sum(this.steps(name, unit)) / labels.length));
        return `row ${row} is unit ${unit}, its cell ${fixed(c[0])} after the first step and ${fixed(c.at(-1))} after the last, `
          + `its gates on average: input ${i}, forget ${f}, output ${o}`;
      };
      return `${labels.length} steps, read: ${labels.join(' ')}. Colours: ${NAMES[v.shown]}, from ${fixed(v.low)} to ${fixed(v.limit)}. `
        + `Chosen: ${one(v.row, v.unit)}. The other: ${one(v.other, v.second)}.`;
    }

    sides(width) { return { left: 50, right: width - 30 }; }

    draw(v, width) {
      const { left, right } = this.sides(width), wide = right - left, T = this.data.labels.length, H = this.data.units;
      const x = (step) => left + wide * step / T, bottom = TOP + HIGH * H; // the border between steps
      const most = Math.max(0.1, ...v.c.map(Math.abs), ...v.beside.map(Math.abs));

      // the map: one path for each colour
      const paths = new Map();
      v.rows.forEach((steps, n) => steps.forEach((value, t) => {
        const level = Math.round(LEVELS * value / v.limit);
        paths.set(level, `${paths.get(level) ?? ''}M${px(x(t))} ${TOP + HIGH * n}H${px(x(t + 1))}v${HIGH}H${px(x(t))}z`);
      }));
      let svg = text(left, 16, v.shown === 'tanh' ? `tanh ${symbol('c')}` : `${NAMES[v.shown]} ${symbol(v.shown)}`) + '<g class="heat" shape-rendering="crispEdges">'
        + [...paths].map(([level, d]) => `<path data-level="${level}" d="${d}" fill="${colour(level)}"/>`).join('') + '</g>'
        + `<rect x="${left}" y="${TOP}" width="${px(wide)}" height="${HIGH * H}" fill="none" stroke="${GREY}"/>`;
      const levels = Array.from({ length: LEVELS + (v.low < 0 ? LEVELS : 0) + 1 }, (_, n) => LEVELS - n), piece = 84 / levels.length;
      levels.forEach((level, n) => { svg += `<rect x="${px(right - 34 - piece * (n + 1))}" y="6" width="${px(piece + 0.3)}" height="12" fill="${colour(level)}"/>`; });
      svg += `<rect x="${right - 118}" y="6" width="84" height="12" fill="none" stroke="${GREY}"/>`
        + text(right - 124, 17, fixed(v.low, 1), 'text-anchor="end"') + text(right - 28, 17, fixed(v.limit, 1))
        + text(0, 0, `${H} units, one a row`, `text-anchor="middle" transform="translate(15 ${(TOP + bottom) / 2}) rotate(-90)"`);
      const frame = (row, look) => `<rect x="${left - 1}" y="${TOP + HIGH * (row - 1) - 1}" width="${px(wide + 2)}" height="${HIGH + 2}" fill="none" stroke="${INK}" ${look}/>`;
      svg += frame(v.other, 'stroke-width="1.5" stroke-dasharray="3 3"') + frame(v.row, 'stroke-width="2.5"')
        + text(left - 5, TOP + HIGH * (v.row - 0.5) + 4.5, v.unit, 'text-anchor="end" font-weight="bold"') + text(right + 5, TOP + HIGH * (v.other - 0.5) + 4.5, v.second);
      this.data.labels.forEach((label, t) => { svg += text(x(t + 0.5), bottom + 15, safe(label), 'text-anchor="middle" font-size="12"'); });

      // the gates and the cell of the chosen unit
      const plot = (top, high, [low, upper], ticks, lines) => {
        const y = (value) => high * (upper - value) / (upper - low);
        return ticks.map((tick) => line(left, top + y(tick), right, top + y(tick), `stroke="${tick ? '#ddd' : GREY}"`)
            + text(left - 6, top + y(tick) + 4.5, fixed(tick, Number(tick % 1 !== 0)), 'text-anchor="end"')).join('')
          + `<svg class="plot" data-x="0.5 ${T + 0.5}" data-y="${low} ${upper}" x="${left - PAD}" y="${top - PAD}" overflow="hidden" `
          + `width="${px(wide + 2 * PAD)}" height="${high + 2 * PAD}">`
          + lines.map(([name, look]) => `<g data-line="${name}" data-first="1">`
            + `${through(v[name].map((value, t) => [PAD + x(t + 0.5) - left, PAD + y(value)]), `stroke-width="2" stroke-linejoin="round" ${look}`)}</g>`).join('') + '</svg>';
      };
      const first = bottom + 62, next = first + GATES + 40;
      svg += text(left, first - 28, `unit ${v.unit}:`, 'font-weight="bold"');
      LINES.forEach(([name, look], n) => {
        const at = left + 62 + 52 * n;
        svg += line(at, first - 32, at + 24, first - 32, `stroke-width="2" ${look}`) + text(at + 29, first - 28, symbol(name));
      });
      const tick = Math.floor(10 * most) / 10; // not beyond the plot
      svg += plot(first, GATES, [-1, 1], [-1, 0, 1], LINES)
        + line(left, next - 16, left + 28, next - 16, `stroke="${INK}" stroke-width="2"`) + text(left + 34, next - 12, `${symbol('c')} of unit ${v.unit}`)
        + line(left + 130, next - 16, left + 158, next - 16, `stroke="${GREY}" stroke-width="2" stroke-dasharray="5 4"`) + text(left + 164, next - 12, `of unit ${v.second}`)
        + plot(next, CELL, [-most, most], [-tick, 0, tick],
          [['beside', `stroke="${GREY}" stroke-dasharray="5 4"`], ['c', `stroke="${INK}"`]]);
      for (const step of [1, 10, 20, 30].filter((one) => one <= T)) svg += text(x(step - 0.5), next + CELL + 20, step, 'text-anchor="middle"');
      svg += text((left + right) / 2, next + CELL + 38, `step ${symbol('t')}`, 'text-anchor="middle"');
      return { height: next + CELL + 46, svg };
    }
  });
}
