// A trained character model of Chinese poems that writes quatrains in the reader's browser (rnn-likely-writer.js), and keeps their form:
// four lines of five or seven characters, each with its sign behind it, and an end. What the form forbids has the probability 0.
//
// The model reads START, then the poem without spaces. The reader gives first characters, or an acrostic: one for each line to begin with.

if (!customElements.get('rnn-poem-writer')) {
  const { fixed } = RnnFigure;
  const { probabilities } = RnnModel;
  const { counted, share } = RnnWriter;
  const UNK = '<unk>', START = '<s>', END = '\n';
  const SIGNS = ['，', '。', '，', '。']; // one behind each line
  const HAN = /^[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]$/u; // a Chinese character
  const EXAMPLES = {
    first: { 日: 'sun', 紅: 'red', 山: 'mountain', 夜: 'night', 湖: 'lake', 海: 'sea', 月: 'moon' },
    acrostic: { 春夏秋冬: 'spring, summer, autumn, winter', 東西南北: 'east, west, south, north', 風花雪月: 'wind, flowers, snow, moon' },
  };
  const ASKS = { first: 'the first characters', acrostic: 'four characters, for the four lines to begin with' };
  const examples = Object.values(EXAMPLES).flatMap((kind) => Object.entries(kind).map(([given, gloss]) => [given, `${given} (${gloss})`]));

  customElements.define('rnn-poem-writer', class extends RnnLikelyWriter {
    static title = 'A model of Tang poems that writes quatrains';
    static unit = 'characters';
    static limit = Infinity; // the form is one
    static needs = [UNK, START, END, '，', '。'];
    static choices = {
      how: { label: 'given are', options: { first: 'first characters', acrostic: 'an acrostic' }, value: 'first' },
      example: { label: 'or take', options: { '': '…', ...Object.fromEntries(examples) }, value: '' },
      form: { label: 'form', options: { 5: '4 lines of 5', 7: '4 lines of 7' }, value: '5' },
      choose: RnnWriter.choose,
    };
    static sliders = {
      temperature: { label: 'temperature', min: 0.1, max: 2, step: 0.05, value: 0.8, show: (v) => fixed(v) },
      speed: { ...RnnWriter.speed, value: 0.9 },
    };
    static presets = { ...RnnWriter.presets, 'One character back': (writer) => writer.back() };
    static style = `${RnnLikelyWriter.style}
      :is(.paper, textarea, .word) { font-family: "Noto Serif TC", "Noto Serif CJK TC", "Source Han Serif TC", "Songti TC", PMingLiU, serif; }
      :is(select, .says, .problem) { font-family: system-ui, "Noto Sans TC", "Noto Sans CJK TC", "PingFang TC", "Microsoft JhengHei", sans-serif; }
      .paper { height: auto; min-height: 10rem; font-size: 1.5rem; line-height: 1.5; }
      textarea { height: 2.9rem; font-size: 1.25rem; }
      .word { font-size: 1.25rem; }`;
    static below = RnnLikelyWriter.list('characters');

    get opening() { return Object.keys(EXAMPLES[this.inputs.how.value])[0]; }

    furnish(find, row) {
      super.furnish(find, row);
      find('.top').prepend(row('how'), row('form'), row('example'));
      find('.sliders').append(row('speed'), row('seed'));
      for (const part of [find('textarea'), this.paper, this.heard, ...this.likeliest.map((button) => button.firstChild)]) part.lang = 'zh-Hant';
      this.asks = find('.beginning').firstChild;
    }

    get text() { return this.symbols.join(''); }

    said(from) { return this.symbols.slice(from).join(''); }

    get origin() { return [super.origin, this.inputs.how.value, this.inputs.form.value].join(); }

    /** A taken example says how it is given; and who chooses how gets one of that kind, unless the reader has typed one. */
    set({ example, ...settings }) {
      const own = EXAMPLES[settings.how], kinds = Object.keys(EXAMPLES), given = this.inputs.beginning.value;
      if (example) settings = { beginning: example, how: kinds.find((kind) => example in EXAMPLES[kind]), ...settings };
      else if (own && !(given in own) && kinds.some((kind) => given in EXAMPLES[kind])) settings = { beginning: Object.keys(own)[0], ...settings };
      super.set(settings);
    }

    changed() {
      this.inputs.example.value = '';
      super.changed();
    }

    get goal() { return this.form.length; }

    /** After a whole poem another one, of the next seed. */
    write() {
      if (this.model && !this.problem && !this.frame && this.symbols.length === this.goal) this.set({ seed: Number(this.inputs.seed.value) + 1 });
      super.write();
    }

    begin() {
      const width = Number(this.inputs.form.value), acrostic = this.inputs.how.value === 'acrostic';
      const letters = [...this.inputs.beginning.value].filter((letter) => letter.trim());
      this.form = SIGNS.flatMap((sign) => [...Array(width).fill(''), sign]); // what stands at each place; '' is any Chinese character
      this.han = this.model.symbols.map((symbol) => HAN.test(symbol));
      this.problem = this.wrong(letters, acrostic);
      if (this.problem) return;
      this.state = this.model.start();
      this.logits = this.model.step(this.state, this.model.index.get(START));
      if (acrostic) letters.forEach((letter, line) => { this.form[line * (width + 1)] = letter; });
      else {
        for (const letter of letters) {
          const wanted = this.form[this.symbols.length];
          if (wanted && wanted !== letter) this.read(this.model.index.get(wanted)); // the form sets its signs, typed or not
          this.read(this.model.index.get(letter));
        }
      }
    }

    /** What is wrong with the given characters; '' if nothing is. */
    wrong(letters, acrostic) {
      const { form, model: { index } } = this, free = form.filter((wanted) => !wanted).length;
      if (acrostic && letters.length !== SIGNS.length) return `An acrostic takes ${SIGNS.length} characters, one for each line; this has ${letters.length}.`;
      let place = 0;
      for (const [n, letter] of letters.entries()) {
        const said = `“${letter}”, character ${n + 1},`;
        if (!HAN.test(letter)) {
          if (acrostic || letter !== form[place]) return `${said} is no Chinese character${SIGNS.includes(letter) ? ', and no line ends there' : ''}.`;
        } else if (!index.has(letter)) {
          return `${said} is not among the ${counted(this.han.filter(Boolean).length)} Chinese characters that this model knows, which are traditional ones.`;
        } else if (form[place] && !acrostic) place++;
        if (place >= form.length) return `The poem has ${free} characters; this has more.`;
        place++;
      }
      return '';
    }

    /** May symbol k stand at the next place? */
    allowed() {
      const place = this.symbols.length, wanted = place < this.goal ? this.form[place] : END;
      return wanted ? (k) => this.model.symbols[k] === wanted : (k) => this.han[k];
    }

    chances(temperature) {
      const may = this.allowed();
      return probabilities(this.logits.map((p, k) => (may(k) ? p : -Infinity)), temperature);
    }

    /** As of every writer, none after a whole poem; and own: how much the model by itself gives to what the form allows. */
    compute(settings) {
      if (!this.logits) return super.compute(settings);
      const may = this.allowed();
      const own = probabilities(this.logits, settings.temperature).reduce((sum, p, k) => (may(k) ? sum + p : sum), 0);
      return { ...(this.symbols.length < this.goal ? super.compute(settings) : { p: [], entropy: 0, likely: [] }), own };
    }

    describe({ entropy, likely, own }) {
      if (own === undefined) return '';
      const place = this.symbols.length, wanted = this.form[place], width = this.goal / SIGNS.length;
      if (place === this.goal) return `${this.wrote}The poem is whole. The model by itself gives ${share(own)} to an end here.`;
      const where = `${this.wrote}Line ${1 + Math.floor(place / width)}, place ${1 + place % width}: `;
      if (wanted) return `${where}${HAN.test(wanted) ? 'the acrostic' : 'the form'} wants “${wanted}” here; the model by itself gives it ${share(own)}.`;
      const listed = likely.slice(0, 3).map(([letter, p]) => `“${letter}” ${share(p)}`).join(', ');
      return `${where}${listed}. Entropy ${fixed(entropy)} bits: as open as a choice among ${fixed(2 ** entropy, 0)} equally likely characters. `
        + `The model by itself gives ${share(1 - own)} to what the form forbids here.`;
    }

    redraw() {
      if (!this.paper) return;
      this.asks.data = ASKS[this.inputs.how.value];
      super.redraw();
      this.append((span, n) => {
        const letter = this.symbols[n];
        span.textContent = SIGNS.includes(letter) ? `${letter}\n` : letter;
        span.className = n < this.given || HAN.test(this.form[n]) ? 'own' : '';
        return span;
      });
    }
  });
}
