// A trained character model that writes in the reader's browser (rnn-writer.js), with the colours of one of its cells.
//
// With the attribute compact it shows a beginning, the text and buttons, and writes as soon as it is loaded.

if (!customElements.get('rnn-char-writer')) {
  const { BLUE, RED, GREEN, GREY, fixed } = RnnFigure;
  const { KINDS, called, quoted, probabilities, entropy: entropyOf, closest } = RnnModel;
  const { counted, share } = RnnWriter;
  const MODELS = { // kB: of the script with the weights; layer, unit: the cell that is shown first
    grimm: { label: 'Grimms’ fairy tales', kB: 664, beginning: 'Sleeping beauty is', layer: 2, unit: 26 },
    democracy: { label: 'Democracy in America', kB: 663, beginning: 'The people', layer: 2, unit: 95 },
  };
  const BARS = 10;
  const LAYERS = 2, UNITS = 128; // those whose colours can be asked for
  const LEVELS = 8; // shades of a colour

  const shades = Array.from({ length: LEVELS }, (_, n) => n + 1).map((n) => `
    .p${n} { background: rgb(0 114 178 / ${4.5 * n}%); box-shadow: inset 0 -${0.45 * n}px ${BLUE}; }
    .n${n} { background: rgb(213 94 0 / ${4.5 * n}%); box-shadow: inset 0 ${0.45 * n}px ${RED}; }`);

  customElements.define('rnn-char-writer', class extends RnnWriter {
    static title = 'A character model that writes';
    static unit = 'characters';
    static limit = 5000;
    static choices = {
      model: { label: 'trained on', options: Object.fromEntries(Object.entries(MODELS).map(([name, { label }]) => [name, label])), value: 'grimm' },
      choose: RnnWriter.choose,
      length: {
        label: 'write', value: '300',
        options: { 100: '100 characters', 300: '300 characters', 1000: '1,000 characters', 5000: 'until Stop (at most 5,000)' },
      },
      cell: { label: 'colours', options: { none: 'none', c: 'tanh(c) of a cell', h: 'h of a cell' }, value: (writer) => (writer.compact ? 'none' : 'c') },
      find: { label: 'find one for', options: { '': '…', ...Object.fromEntries(Object.entries(KINDS).map(([name, [label]]) => [name, label])) }, value: '' },
      layer: { label: 'layer', options: { 1: '1', 2: '2' }, value: (writer) => MODELS[writer.name].layer },
    };
    static sliders = {
      temperature: { label: 'temperature', min: 0.1, max: 2, step: 0.05, value: 0.7, show: (v) => fixed(v) },
      speed: { ...RnnWriter.speed, value: 1.6 },
      unit: { label: 'unit', min: 0, max: UNITS - 1, step: 1, value: (writer) => MODELS[writer.name].unit, show: String },
    };
    static style = `${shades.join('')}
      .legend:empty, :host([compact]) .legend { display: none; }
      .paper span { padding: 0.12em 0; }
      .newline:is([class*=' p'], [class*=' n'])::before { content: '↵'; }
      .legend { margin: 0.25rem; }
      .legend span { padding: 0.12em 0.35em; }
      table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
      caption { text-align: left; padding: 0.5rem 0 0.2rem; font-weight: bold; }
      th, td { padding: 0 0.4rem 0 0; height: 1.5rem; line-height: 1.1; font-weight: normal; }
      th { width: 4.2rem; text-align: right; white-space: pre; }
      td:last-child { width: 4.2rem; text-align: right; padding: 0; white-space: nowrap; }
      .bar { height: 1rem; background: ${BLUE}; print-color-adjust: exact; }
      tfoot .bar { background: ${GREEN}; }
      tfoot :is(th, td) { border-top: 1px solid ${GREY}; height: 2rem; font-weight: bold; }`;
    static below = `<p class="legend"></p>
      <div class="below"><div class="first"><table><caption>the next character</caption>
      <thead class="hidden"><tr><th scope="col">character</th><td>bar</td><th scope="col">probability</th></tr></thead>
      <tbody>${'<tr><th scope="row"></th><td><div class="bar"></div></td><td></td></tr>'.repeat(BARS)}</tbody>
      <tfoot><tr><th scope="row">entropy</th><td><div class="bar"></div></td><td></td></tr></tfoot></table></div></div>`;

    get name() { return this.inputs.model.value; }

    get kB() { return MODELS[this.name].kB; }

    get opening() { return MODELS[this.name].beginning; }

    furnish(find, row) {
      this.legend = find('.legend');
      find('.top').prepend(row('model'));
      find('.first').prepend(row('choose'), row('temperature'));
      find('.below').append(find('.sliders'));
      find('.sliders').append(...['length', 'speed', 'seed', 'cell', 'find', 'layer', 'unit'].map(row));
    }

    get text() { return this.symbols.join(''); }

    said(from) { return this.symbols.slice(from).join(''); }

    /** Another model brings its own cell and, unless the reader has typed one, its own beginning. */
    set({ find, ...settings }) {
      const own = Object.values(MODELS).map(({ beginning }) => beginning);
      const { layer, unit, beginning } = MODELS[settings.model] ?? {};
      if (beginning) settings = { layer, unit, ...(own.includes(this.inputs.beginning.value) && { beginning }), ...settings };
      super.set(settings);
      if (find) this.find(find);
    }

    /** Show the cell that goes along best with something in the text so far. */
    find(kind) {
      if (!this.logits) return;
      const { hidden, cells } = this.model, count = hidden * cells.length, h = this.inputs.cell.value === 'h';
      const { n, r } = closest(this.trace, KINDS[kind][1](this.symbols), h ? count : 0, h ? 2 * count : count);
      this.set({ cell: h ? 'h' : 'c', layer: 1 + Math.floor(n % count / hidden), unit: n % hidden });
      this.inputs.find.value = kind;
      this.found = r ? `Of ${count} cells it goes along best with ${KINDS[kind][0]} here: correlation ${fixed(r)} over ${counted(this.symbols.length)} characters.`
        : `Nothing to go along with: no change of ${KINDS[kind][0]} in this text. Write more.`;
      this.redraw();
    }

    fit({ hidden, cells: { length } }) {
      if (hidden !== UNITS || length !== LAYERS) throw new Error(`It has ${length} layers of ${hidden} units, expected ${LAYERS} of ${UNITS}.`);
    }

    begin() {
      const letters = [...this.inputs.beginning.value];
      this.trace = [];
      this.problem = this.model.unknown(letters);
      if (this.problem) return;
      this.state = this.model.start();
      if (letters.length) for (const letter of letters) this.read(this.model.index.get(letter));
      else this.logits = this.model.step(this.state, 0); // an empty beginning: as after the first symbol, a newline
    }

    read(k) {
      this.logits = this.model.step(this.state, k);
      this.symbols.push(this.model.symbols[k]);
      this.trace.push(this.model.activations(this.state));
    }

    chances(temperature) { return probabilities(this.logits, temperature); }

    changed() {
      this.inputs.find.value = this.found = '';
      super.changed();
    }

    /** The next character's probabilities p (K), their entropy in bits, the likeliest [character, probability]. */
    compute() {
      if (!this.logits) return { p: [], entropy: 0, likely: [] };
      const p = this.chances(this.temperature);
      const order = [...p.keys()].sort((a, b) => p[b] - p[a] || this.logits[b] - this.logits[a]);
      return { p, entropy: entropyOf(p), likely: order.slice(0, BARS).map((k) => [this.model.symbols[k], p[k]]) };
    }

    describe({ entropy, likely, cell, layer, unit }) {
      if (!likely.length) return '';
      const listed = likely.slice(0, 3).map(([symbol, p]) => `${quoted(symbol)} ${share(p)}`).join(', ');
      return `${this.wrote}Next: ${listed}. Entropy ${fixed(entropy)} bits: as open as a choice among ${fixed(2 ** entropy, 1)} equally likely characters.`
        + (cell === 'none' || !this.symbols.length ? '' : ` Layer ${layer}, unit ${unit}: ${cell === 'c' ? 'tanh(c)' : 'h'} = ${fixed(this.activation(this.symbols.length - 1))}.`);
    }

    /** What the chosen cell had after character n. */
    activation(n) {
      const { cell, layer, unit } = this.inputs, { hidden, cells } = this.model;
      return this.trace[n][hidden * ((cell.value === 'h' ? cells.length : 0) + Number(layer.value) - 1) + Number(unit.value)];
    }

    shade(value) {
      const level = Math.round(LEVELS * Math.abs(value));
      return level ? `${value < 0 ? 'n' : 'p'}${level}` : '';
    }

    redraw() {
      if (!this.paper) return;
      super.redraw();
      const v = this.values;
      for (const name of ['layer', 'unit']) this.inputs[name].disabled = v.cell === 'none';
      this.drawText(v);
      this.drawBars(v);
    }

    /** New characters are added; all are coloured anew when another cell is chosen. */
    drawText({ cell, layer, unit }) {
      const shown = cell !== 'none', key = `${cell} ${layer} ${unit}`;
      const dress = (span, n) => {
        const letter = this.symbols[n];
        span.textContent = letter;
        span.className = `${letter === '\n' ? 'newline ' : ''}${n < this.given ? 'own ' : ''}${shown ? this.shade(this.activation(n)) : ''}`;
        return span;
      };
      if (key !== this.painted) [...this.paper.children].forEach(dress);
      this.painted = key;
      this.append(dress);
      const chip = (value) => `<span class="${this.shade(value)}">${fixed(value, 1)}</span>`;
      const legend = shown && this.model ? `${[-1, -0.5, 0, 0.5, 1].map(chip).join(' ')} ${cell === 'c' ? 'tanh(<i>c</i>)' : '<i>h</i>'} of layer ${layer}, unit ${unit}, `
        + `just after each character is read. A line above: below zero; a line under: above zero. ${this.found ?? ''}` : '';
      if (this.legend.said !== legend) this.legend.innerHTML = this.legend.said = legend;
    }

    drawBars({ likely, entropy }) {
      const rows = this.shadowRoot.querySelectorAll('table tbody tr, table tfoot tr');
      const fill = (row, name, size, text) => {
        const [head, bar, value] = row.children;
        head.textContent = name;
        bar.firstChild.style.width = `${100 * size}%`;
        value.textContent = text;
      };
      rows.forEach((row, n) => {
        if (n === BARS) fill(row, 'entropy', this.model ? entropy / Math.log2(this.model.symbols.length) : 0, likely.length ? `${fixed(entropy)} bits` : '');
        else fill(row, likely[n] ? called(likely[n][0]) : '', likely[n]?.[1] ?? 0, likely[n] ? share(likely[n][1]) : '');
      });
    }
  });
}
