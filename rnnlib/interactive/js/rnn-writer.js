// What a model that writes in the reader's browser shows (rnn-char-writer.js, rnn-word-writer.js, rnn-poem-writer.js):
// a button that loads the weights, a beginning that can be typed, the text, and buttons. No library, no server, no kernel.
//
// The weights come when they are asked for (RnnModel.fetch). Until then, and if they do not come, what stands inside the element is shown.
// A writer extends RnnWriter and gives, besides what an RnnFigure gives,
//   static unit         what is counted, in the plural;  static limit: of one text;  static needs: symbols that its vocabulary must hold
//   static style, below  CSS, and the HTML below the text
//   name, kB            the model that is asked for, and the size of its script; opening: the beginning at first
//   furnish(find, row)  puts the controls where they belong
//   begin()             the model reads the beginning: sets symbols, logits, and problem if it cannot be read
//   read(k)             symbol k goes into the text and through the model
//   chances(temperature)  the probabilities of the next symbol
//   text                all of it;  said(from): what was written since symbol `from`, to be spoken
// Seen from outside: element.load(), write(), stop(), clear(), model, text, and values, set() as of every figure.

globalThis.RnnWriter ??= (() => {
  const { INK, BLUE, RED, GREY } = RnnFigure;
  const { generator, draw } = RnnModel;
  const HOME = document.currentScript?.src || document.baseURI;
  const FULL = 3; // the speed slider's end: as fast as it goes
  const FRAME = 40; // milliseconds of work between two drawings
  const LATE = 15000; // milliseconds of loading until that is said
  const ready = {}; // name: the model

  const STYLE = `
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
    .note:empty { display: none; }
    .bad { padding-left: 0.6rem; border-left: 4px solid ${RED}; }
    .paper, .still { height: 15rem; overflow-y: auto; resize: vertical; margin: 0.5rem 0.25rem; padding: 0.6rem 0.8rem; box-sizing: border-box;
      border: 1px solid #c8c8c8; background: #fffdf8; overflow-wrap: anywhere; font: 1.0625rem/1.75 Georgia, serif; }
    .paper { white-space: pre-wrap; }
    .still { height: auto; resize: none; }
    :host([loaded]) .still, :host(:not([loaded])) .paper { display: none; }
    .own { font-weight: bold; }
    .writing::after { content: '▌'; color: ${BLUE}; }
    .below { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 0 1.5rem; margin: 0 0.25rem; }
    .row { grid-template-columns: minmax(0, 6.8rem) minmax(0, 1fr) minmax(0, 3.6rem); margin-bottom: 0.3rem; }
    .sliders { display: block; margin: 0; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    :host([compact]) :is(.below, .says, .top .row) { display: none; }
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
    <p class="hidden heard" aria-live="polite"></p>`;
  const counted = (n) => Math.round(n).toLocaleString('en-GB');

  return class RnnWriter extends RnnFigure {
    static counted = counted;
    static share = (p) => (p >= 0.0995 ? `${Math.round(100 * p)} %` : p >= 0.0005 ? `${RnnFigure.fixed(100 * p, 1)} %` : p ? '< 0.1 %' : '0 %');
    static choose = { label: 'the next is', options: { sample: 'drawn by its probability', greedy: 'the likeliest (greedy)' }, value: 'sample' };
    static speed = { label: 'speed', min: 0.5, max: FULL, step: 0.1, show: (v) => (v >= FULL ? 'full' : `${Math.round(10 ** v)} / s`) };
    static needs = [];
    static presets = {
      Write: (writer) => writer.write(), Stop: (writer) => writer.stop(), Clear: (writer) => writer.clear(),
      'Another text'(writer) { writer.set({ seed: Number(writer.inputs.seed.value) + 1 }); writer.write(); },
    };

    connectedCallback() {
      if (this.shadowRoot) return;
      super.connectedCallback();
      const root = this.shadowRoot, find = (selector) => root.querySelector(selector), { style, below } = this.constructor;
      root.append(Object.assign(document.createElement('style'), { textContent: STYLE + style }));
      this.svg.style.display = 'none'; // text and bars are HTML
      find('.card').insertAdjacentHTML('afterbegin', TOP);
      find('.presets').insertAdjacentHTML('afterend', MIDDLE + below);
      find('.still').append(find('slot'));
      find('.presets').setAttribute('aria-label', 'writing');
      this.buttons = [...root.querySelectorAll('.presets button')];
      this.buttons[0].className = 'write';
      Object.assign(this, { loader: find('.load'), status: find('.status'), paper: find('.paper'), heard: find('.heard') });
      this.inputs.beginning = find('textarea');
      this.inputs.beginning.value = this.start('beginning', this.opening);
      this.inputs.seed = this.addRow('<span>seed</span><input type="number" name="seed" min="0" max="999999" step="1">').lastChild;
      this.inputs.seed.value = this.start('seed', 1);
      for (const name of ['beginning', 'seed']) {
        for (const event of ['input', 'compositionend']) { // half a Chinese character is none
          this.inputs[name].addEventListener(event, ({ isComposing }) => isComposing || this.changed());
        }
      }
      this.furnish(find, (name) => this.inputs[name].closest('.row'));
      this.loader.addEventListener('click', () => this.load());
      document.addEventListener('DOMContentLoaded', () => this.redraw()); // what the parser had not reached
      this.clear();
    }

    disconnectedCallback() { this.stop(); }

    /** Only a beginning, the text, and buttons. */
    get compact() { return this.hasAttribute('compact'); }

    /** What a text follows from, besides how the next symbol is chosen. */
    get origin() { return [this.name, this.inputs.beginning.value, this.inputs.seed.value].join(); }

    async load() {
      const { name } = this, size = `${counted(this.kB)} kB`;
      this.say(`Loading ${size} …`);
      const late = setTimeout(() => this.say(`Still loading ${size}: the network is slow, or the server does not answer.`), LATE);
      try {
        ready[name] = await RnnModel.fetch(name, HOME, this.constructor.needs);
        this.say('');
        if (this.compact) requestAnimationFrame(() => this.write()); // after clear(), below
      } catch (error) {
        this.say(`The weights could not be loaded: ${error.message} What still works: the text below, the rest of the page, and the chapter’s notebook.`, true);
      }
      clearTimeout(late);
      if (name === this.name) this.clear();
    }

    say(text, bad = false) {
      this.status.textContent = text;
      this.status.classList.toggle('bad', bad);
    }

    /** Back to the beginning: the model reads it, and the random numbers start anew. */
    clear() {
      cancelAnimationFrame(this.frame);
      Object.assign(this, { started: this.origin, model: ready[this.name], frame: 0, symbols: [], logits: null, wrote: '', problem: '' });
      this.paper.replaceChildren();
      this.random = generator(Number(this.inputs.seed.value));
      if (this.model) this.begin();
      this.given = this.symbols.length;
      super.changed();
    }

    /** How the next symbol is chosen: 0 is the likeliest. The controls alone, for values computes what comes next each time. */
    get temperature() { return this.inputs.choose.value === 'greedy' ? 0 : this.inputs.temperature.valueAsNumber; }

    /** How many symbols the text has when it is written. */
    get goal() { return this.symbols.length + Number(this.inputs.length.value); }

    /** On to the goal, a few symbols between two drawings. */
    write() {
      if (!this.model || this.problem || this.frame) return;
      const { unit, limit } = this.constructor;
      const from = this.symbols.length, began = performance.now();
      const goal = Math.min(limit, this.goal);
      let last = began, due = 1;
      const tick = () => {
        const speed = this.inputs.speed.valueAsNumber, now = performance.now();
        due = speed >= FULL ? Infinity : Math.min(due, 1) + (now - last) * 10 ** speed / 1000;
        last = now;
        for (; due >= 1 && this.symbols.length < goal && performance.now() < now + FRAME; due--) {
          this.read(draw(this.chances(this.temperature), this.random));
        }
        const written = this.symbols.length - from;
        this.wrote = `${counted(written)} ${unit} written, ${counted(written / (performance.now() - began) * 1000)} a second. `
          + (this.symbols.length >= limit ? `${counted(limit)} are the most: Clear starts anew. ` : '');
        if (this.symbols.length >= goal) return this.stop();
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
      this.heard.textContent = this.said(this.from); // when it is finished, not letter by letter
      super.changed();
    }

    changed() {
      if (this.started === this.origin) super.changed();
      else this.clear();
    }

    draw() { return { height: 0, svg: '' }; }

    redraw() {
      if (!this.paper) return;
      super.redraw();
      this.inputs.temperature.disabled = this.inputs.choose.value === 'greedy';
      for (const button of this.buttons) button.disabled = !this.model;
      if (this.model && this.shadowRoot.activeElement === this.loader) this.buttons[0].focus();
      this.loader.hidden = Boolean(this.model);
      this.loader.textContent = `${this.compact ? 'Let it write' : 'Load the model'} (${counted(this.kB)} kB)`;
      this.toggleAttribute('loaded', Boolean(this.model));
      for (const image of this.querySelectorAll('img')) image.style.display = this.model ? 'none' : '';
      const problem = this.shadowRoot.querySelector('.problem');
      if (problem.textContent !== this.problem) problem.textContent = this.problem;
      problem.classList.toggle('bad', Boolean(this.problem));
      this.inputs.beginning.setAttribute('aria-invalid', Boolean(this.problem));
    }

    /** New symbols are added to the paper as spans, and it is scrolled to its end if it was there. */
    append(dress) {
      const { paper } = this;
      const end = paper.scrollHeight - paper.scrollTop - paper.clientHeight < 40;
      const fresh = document.createDocumentFragment();
      for (let n = paper.children.length; n < this.symbols.length; n++) fresh.append(dress(document.createElement('span'), n));
      paper.append(fresh);
      paper.classList.toggle('writing', Boolean(this.frame));
      if (end && this.wrote) paper.scrollTop = paper.scrollHeight;
    }
  };
})();
