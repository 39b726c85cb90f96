// A trained character model (rnn-char-model.js) that writes in the reader's browser: no library, no server, no kernel.
//
// The weights come when they are asked for, as a script beside this one, rnn-weights-<model>.js (tools/page_weights.py), which sets
// RnnWeights.<model> to what RnnCharModel is made from.
// Until then, and if they do not come, what stands inside the element is shown.
// With the attribute compact it shows a beginning, the text and buttons, and writes as soon as it is loaded.
// Seen from outside: element.load(), write(), stop(), clear(), model, text, and values, set() as of every figure.

if (!customElements.get('rnn-char-writer')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed } = RnnFigure;
  const { KINDS, called, quoted, probabilities, entropy: entropyOf, generator, draw, closest } = RnnCharModel;
  const HOME = document.currentScript?.src || document.baseURI;
  const MODELS = { // kB: of the script with the weights; layer, unit: the cell that is shown first
    grimm: { label: 'Grimms’ fairy tales', kB: 664, beginning: 'Sleeping beauty is', layer: 2, unit: 26 },
    democracy: { label: 'Democracy in America', kB: 662, beginning: 'The people', layer: 2, unit: 95 },
  };
  const LIMIT = 5000; // characters of one text
  const BARS = 10;
  const LEVELS = 8; // shades of a colour
  const FULL = 3; // the speed slider's end: as fast as it goes
  const FRAME = 40; // milliseconds of work between two drawings

  const ready = {}, coming = {}; // name: the model, and the promise of it; one of each on a page
  const fetchModel = (name) => coming[name] ??= new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = new URL(`rnn-weights-${name}.js`, HOME);
    const fail = (reason) => {
      delete coming[name];
      script.remove();
      failed(new Error(`tried ${script.src}. ${reason}`));
    };
    script.onerror = () => fail('Nothing came.');
    script.onload = () => {
      const weights = globalThis.RnnWeights?.[name];
      try { weights ? done(ready[name] = new RnnCharModel(weights)) : fail('It holds no weights.'); } catch (error) { fail(error.message); }
    };
    document.head.append(script);
  });

  // ---- the element --------------------------------------------------------------------------------

  const shades = Array.from({ length: LEVELS }, (_, n) => n + 1).map((n) => `
    .p${n} { background: rgb(0 114 178 / ${4.5 * n}%); box-shadow: inset 0 -${0.45 * n}px ${BLUE}; }
    .n${n} { background: rgb(213 94 0 / ${4.5 * n}%); box-shadow: inset 0 ${0.45 * n}px ${RED}; }`);
  const STYLE = `${shades.join('')}
    .top { display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; margin: 0 0.25rem; }
    .top .row { flex: 1 1 17rem; }
    .load, .write { color: #fff; background: ${BLUE}; border-color: ${BLUE}; }
    :is(.load, .write):hover { background: #005a8c; }
    button:disabled { color: #6a6a6a; background: #f2f2f2; border-color: #c8c8c8; }
    textarea, input[type=number] { box-sizing: border-box; width: 100%; min-width: 0; padding: 0.4rem 0.6rem; font: inherit; color: ${INK};
      background: #fff; border: 1px solid ${GREY}; border-radius: 0.3rem; grid-column: 2 / -1; cursor: text; }
    textarea { display: block; height: 3.6rem; resize: vertical; font: 1.0625rem/1.4 Georgia, serif; }
    .beginning { display: block; margin: 0.4rem 0.25rem; }
    .note { margin: 0.25rem; overflow-wrap: anywhere; }
    .note:empty, .legend:empty { display: none; }
    .bad { padding-left: 0.6rem; border-left: 4px solid ${RED}; }
    .paper, .still { height: 15rem; overflow-y: auto; resize: vertical; margin: 0.5rem 0.25rem; padding: 0.6rem 0.8rem; box-sizing: border-box;
      border: 1px solid #c8c8c8; background: #fffdf8; overflow-wrap: anywhere; font: 1.0625rem/1.75 Georgia, serif; }
    .paper { white-space: pre-wrap; }
    .still { height: auto; resize: none; }
    :host([loaded]) .still, :host(:not([loaded])) .paper { display: none; }
    .paper span { padding: 0.12em 0; }
    .own { font-weight: bold; }
    .newline:is([class*=' p'], [class*=' n'])::before { content: '↵'; }
    .writing::after { content: '▌'; color: ${BLUE}; }
    .legend { margin: 0.25rem; }
    .legend span { padding: 0.12em 0.35em; }
    .below { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 0 1.5rem; margin: 0 0.25rem; }
    .row { grid-template-columns: minmax(0, 6.8rem) minmax(0, 1fr) minmax(0, 3.6rem); margin-bottom: 0.3rem; }
    .sliders { display: block; margin: 0; }
    table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
    caption { text-align: left; padding: 0.5rem 0 0.2rem; font-weight: bold; }
    th, td { padding: 0 0.4rem 0 0; height: 1.5rem; line-height: 1.1; font-weight: normal; }
    th { width: 4.2rem; text-align: right; white-space: pre; }
    td:last-child { width: 4.2rem; text-align: right; padding: 0; white-space: nowrap; }
    .bar { height: 1rem; background: ${BLUE}; print-color-adjust: exact; }
    tfoot .bar { background: ${GREEN}; }
    tfoot :is(th, td) { border-top: 1px solid ${GREY}; height: 2rem; font-weight: bold; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    :host([compact]) :is(.below, .legend, .says, .top .row) { display: none; }
    :host([compact]) textarea { height: 2.6rem; }
    :host([compact]:not([loaded])) :is(.presets, .beginning) { display: none; }
    :host([compact]) .paper { height: 9.5rem; }
    :host(:not([loaded])) ::slotted(.fallback) { display: block !important; }
    @media (prefers-reduced-motion: no-preference) { .writing::after { animation: blink 1s steps(2) infinite; } }
    @keyframes blink { to { opacity: 0; } }
    @media print { .load { display: none; } .paper { height: auto; } }`;
  const TOP = `<div class="top"><button type="button" class="load"></button></div><p class="note status" role="status"></p>
    <label class="beginning">the beginning<textarea name="beginning" maxlength="300" spellcheck="false" autocapitalize="off" autocomplete="off"
      aria-describedby="problem"></textarea></label><p class="note problem" id="problem" role="status"></p>`;
  const MIDDLE = `<div class="paper" role="region" aria-label="the text" tabindex="0"></div><div class="still"></div>
    <p class="legend"></p><p class="hidden heard" aria-live="polite"></p>
    <div class="below"><div class="first"><table><caption>the next character</caption>
      <thead class="hidden"><tr><th scope="col">character</th><td>bar</td><th scope="col">probability</th></tr></thead>
      <tbody>${'<tr><th scope="row"></th><td><div class="bar"></div></td><td></td></tr>'.repeat(BARS)}</tbody>
      <tfoot><tr><th scope="row">entropy</th><td><div class="bar"></div></td><td></td></tr></tfoot></table></div></div>`;
  const share = (p) => (p >= 0.0995 ? `${Math.round(100 * p)} %` : p >= 0.0005 ? `${fixed(100 * p, 1)} %` : p ? '< 0.1 %' : '0 %');
  const counted = (n) => Math.round(n).toLocaleString('en-GB');

  customElements.define('rnn-char-writer', class extends RnnFigure {
    static title = 'A character model that writes';
    static choices = {
      model: { label: 'trained on', options: Object.fromEntries(Object.entries(MODELS).map(([name, { label }]) => [name, label])), value: 'grimm' },
      choose: { label: 'the next is', options: { sample: 'drawn by its probability', greedy: 'the likeliest (greedy)' }, value: 'sample' },
      length: {
        label: 'write', value: '300',
        options: { 100: '100 characters', 300: '300 characters', 1000: '1,000 characters', [LIMIT]: `until Stop (at most ${counted(LIMIT)})` },
      },
      cell: { label: 'colours', options: { none: 'none', c: 'tanh(c) of a cell', h: 'h of a cell' }, value: (writer) => (writer.compact ? 'none' : 'c') },
      find: { label: 'find one for', options: { '': '…', ...Object.fromEntries(Object.entries(KINDS).map(([name, [label]]) => [name, label])) }, value: '' },
      layer: { label: 'layer', options: { 1: '1', 2: '2' }, value: (writer) => MODELS[writer.inputs.model.value].layer },
    };
    static sliders = {
      temperature: { label: 'temperature', min: 0.1, max: 2, step: 0.05, value: 0.7, show: (v) => fixed(v) },
      speed: { label: 'speed', min: 0.5, max: FULL, step: 0.1, value: 1.6, show: (v) => (v >= FULL ? 'full' : `${Math.round(10 ** v)} / s`) },
      unit: { label: 'unit', min: 0, max: 127, step: 1, value: (writer) => MODELS[writer.inputs.model.value].unit, show: String },
    };
    static presets = {
      Write: (writer) => writer.write(), Stop: (writer) => writer.stop(), Clear: (writer) => writer.clear(),
      'Another text'(writer) { writer.set({ seed: Number(writer.inputs.seed.value) + 1 }); writer.write(); },
    };

    connectedCallback() {
      if (this.shadowRoot) return;
      super.connectedCallback();
      const root = this.shadowRoot, find = (selector) => root.querySelector(selector);
      const row = (name) => this.inputs[name].closest('.row');
      root.append(Object.assign(document.createElement('style'), { textContent: STYLE }));
      this.svg.style.display = 'none'; // text and bars are HTML
      find('.card').insertAdjacentHTML('afterbegin', TOP);
      find('.presets').insertAdjacentHTML('afterend', MIDDLE);
      find('.still').append(find('slot'));
      find('.presets').setAttribute('aria-label', 'writing');
      this.buttons = [...root.querySelectorAll('.presets button')];
      this.buttons[0].className = 'write';
      Object.assign(this, { loader: find('.load'), status: find('.status'), paper: find('.paper'), legend: find('.legend'), heard: find('.heard') });
      this.inputs.beginning = find('textarea');
      this.inputs.beginning.value = this.start('beginning', MODELS[this.inputs.model.value].beginning);
      this.inputs.seed = this.addRow('<span>seed</span><input type="number" name="seed" min="0" max="999999" step="1">').lastChild;
      this.inputs.seed.value = this.start('seed', 1);
      for (const name of ['beginning', 'seed']) this.inputs[name].addEventListener('input', () => this.changed());
      find('.top').prepend(row('model'));
      find('.first').prepend(row('choose'), row('temperature'));
      find('.below').append(find('.sliders'));
      find('.sliders').append(...['length', 'speed', 'seed', 'cell', 'find', 'layer', 'unit'].map(row));
      this.loader.addEventListener('click', () => this.load());
      document.addEventListener('DOMContentLoaded', () => this.redraw()); // what the parser had not reached
      this.clear();
    }

    disconnectedCallback() { this.stop(); }

    /** Only a beginning, the text, and buttons. */
    get compact() { return this.hasAttribute('compact'); }

    get text() { return this.chars.join(''); }

    /** What a text follows from, besides how the next character is chosen. */
    get origin() { return ['model', 'beginning', 'seed'].map((name) => this.inputs[name].value).join(); }

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
      const { n, r } = closest(this.trace, KINDS[kind][1](this.chars), h ? count : 0, h ? 2 * count : count);
      this.set({ cell: h ? 'h' : 'c', layer: 1 + Math.floor(n % count / hidden), unit: n % hidden });
      this.inputs.find.value = kind;
      this.found = r ? `Of ${count} cells it goes along best with ${KINDS[kind][0]} here: correlation ${fixed(r)} over ${counted(this.chars.length)} characters.`
        : `Nothing to go along with: no change of ${KINDS[kind][0]} in this text. Write more.`;
      this.redraw();
    }

    async load() {
      const name = this.inputs.model.value;
      this.say(`Loading ${MODELS[name].kB} kB …`);
      try {
        await fetchModel(name);
        this.say('');
        if (this.compact) requestAnimationFrame(() => this.write()); // after clear(), below
      } catch (error) {
        this.say(`The weights could not be loaded: ${error.message} What still works: the text below, the rest of the page, and the chapter’s notebook.`, true);
      }
      if (name === this.inputs.model.value) this.clear();
    }

    say(text, bad = false) {
      this.status.textContent = text;
      this.status.classList.toggle('bad', bad);
    }

    /** Back to the beginning: the model reads it, and the random numbers start anew. */
    clear() {
      const { model, beginning, seed } = this.inputs;
      cancelAnimationFrame(this.frame);
      Object.assign(this, { started: this.origin, model: ready[model.value], frame: 0, chars: [], trace: [], logits: null, wrote: '' });
      this.paper.replaceChildren();
      this.random = generator(Number(seed.value));
      const letters = [...beginning.value];
      this.problem = this.model?.unknown(letters) ?? '';
      if (this.model && !this.problem) {
        this.state = this.model.start();
        if (letters.length) for (const letter of letters) this.read(letter);
        else this.logits = this.model.step(this.state, 0); // an empty beginning: as after the first symbol, a newline
      }
      this.given = this.chars.length;
      super.changed();
    }

    /** One character goes into the text and through the model. */
    read(letter) {
      this.logits = this.model.step(this.state, this.model.index.get(letter));
      this.chars.push(letter);
      this.trace.push(this.model.activations(this.state));
    }

    /** So many characters more, a few between two drawings. */
    write() {
      if (!this.model || this.problem || this.frame) return;
      const from = this.chars.length, began = performance.now();
      const goal = Math.min(LIMIT, from + Number(this.values.length));
      let last = began, due = 1;
      const tick = () => {
        const { speed, choose, temperature } = this.values, now = performance.now();
        due = speed >= FULL ? Infinity : Math.min(due, 1) + (now - last) * 10 ** speed / 1000;
        last = now;
        for (; due >= 1 && this.chars.length < goal && performance.now() < now + FRAME; due--) {
          const p = probabilities(this.logits, choose === 'greedy' ? 0 : temperature);
          this.read(this.model.symbols[draw(p, this.random)]);
        }
        const written = this.chars.length - from;
        this.wrote = `${counted(written)} characters written, ${counted(written / (performance.now() - began) * 1000)} a second. `
          + (this.chars.length >= LIMIT ? `${counted(LIMIT)} are the most: Clear starts anew. ` : '');
        if (this.chars.length >= goal) return this.stop();
        this.frame = requestAnimationFrame(tick);
        this.redraw();
      };
      this.from = from;
      clearTimeout(this.timer);
      this.heard.textContent = '';
      this.frame = requestAnimationFrame(tick);
    }

    stop() {
      if (!this.frame) return;
      cancelAnimationFrame(this.frame);
      this.frame = 0;
      this.heard.textContent = this.chars.slice(this.from).join(''); // said when it is finished, not letter by letter
      super.changed();
    }

    changed() {
      this.inputs.find.value = this.found = '';
      if (this.started === this.origin) super.changed();
      else this.clear();
    }

    /** The next character's probabilities p (K), their entropy in bits, the likeliest [character, probability]. */
    compute({ choose, temperature }) {
      if (!this.logits) return { p: [], entropy: 0, likely: [] };
      const p = probabilities(this.logits, choose === 'greedy' ? 0 : temperature);
      const order = [...p.keys()].sort((a, b) => p[b] - p[a] || this.logits[b] - this.logits[a]);
      return { p, entropy: entropyOf(p), likely: order.slice(0, BARS).map((k) => [this.model.symbols[k], p[k]]) };
    }

    describe({ entropy, likely, cell, layer, unit }) {
      if (!likely.length) return '';
      const listed = likely.slice(0, 3).map(([symbol, p]) => `${quoted(symbol)} ${share(p)}`).join(', ');
      return `${this.wrote}Next: ${listed}. Entropy ${fixed(entropy)} bits: as open as a choice among ${fixed(2 ** entropy, 1)} equally likely characters.`
        + (cell === 'none' || !this.chars.length ? '' : ` Layer ${layer}, unit ${unit}: ${cell === 'c' ? 'tanh(c)' : 'h'} = ${fixed(this.activation(this.chars.length - 1))}.`);
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

    draw() { return { height: 0, svg: '' }; }

    redraw() {
      if (!this.paper) return;
      super.redraw();
      const v = this.values;
      this.inputs.temperature.disabled = v.choose === 'greedy';
      for (const name of ['layer', 'unit']) this.inputs[name].disabled = v.cell === 'none';
      for (const button of this.buttons) button.disabled = !this.model;
      if (this.model && this.shadowRoot.activeElement === this.loader) this.buttons[0].focus();
      this.loader.hidden = Boolean(this.model);
      this.loader.textContent = `${this.compact ? 'Let it write' : 'Load the model'} (${MODELS[v.model].kB} kB)`;
      this.toggleAttribute('loaded', Boolean(this.model));
      for (const image of this.querySelectorAll('img')) image.style.display = this.model ? 'none' : '';
      const problem = this.shadowRoot.querySelector('.problem');
      if (problem.textContent !== this.problem) problem.textContent = this.problem;
      problem.classList.toggle('bad', Boolean(this.problem));
      this.inputs.beginning.setAttribute('aria-invalid', Boolean(this.problem));
      this.drawText(v);
      this.drawBars(v);
    }

    /** New characters are added; all are coloured anew when another cell is chosen. */
    drawText({ cell, layer, unit }) {
      const { paper } = this;
      const end = paper.scrollHeight - paper.scrollTop - paper.clientHeight < 40;
      const shown = cell !== 'none', key = `${cell} ${layer} ${unit}`;
      const fresh = document.createDocumentFragment();
      const dress = (span, n) => {
        span.className = `${this.chars[n] === '\n' ? 'newline ' : ''}${n < this.given ? 'own ' : ''}${shown ? this.shade(this.activation(n)) : ''}`;
        return span;
      };
      if (key !== this.painted) [...paper.children].forEach(dress);
      this.painted = key;
      for (let n = paper.children.length; n < this.chars.length; n++) fresh.append(dress(Object.assign(document.createElement('span'), { textContent: this.chars[n] }), n));
      paper.append(fresh);
      paper.classList.toggle('writing', Boolean(this.frame));
      if (end && this.wrote) paper.scrollTop = paper.scrollHeight;
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
