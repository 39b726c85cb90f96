// A trained word model that writes in the reader's browser (rnn-writer.js), and shows the five words that it holds likeliest to come next.
// A press on one of the five takes that word.

if (!customElements.get('rnn-word-writer')) {
  const { BLUE, GREY, fixed } = RnnFigure;
  const { probabilities, entropy: entropyOf } = RnnModel;
  const { share } = RnnWriter;
  const UNK = '<unk>', START = '<s>', END = '\n', TURN = '⏎'; // START stands in no text
  const LIKELY = 5;
  const called = (word) => (word === END ? TURN : word);

  customElements.define('rnn-word-writer', class extends RnnWriter {
    static title = 'A word model that writes';
    static unit = 'words';
    static limit = 1000;
    static choices = {
      choose: RnnWriter.choose,
      length: { label: 'write', options: { 1: '1 word', 10: '10 words', 30: '30 words', 100: '100 words', 1000: 'until Stop (at most 1,000)' }, value: '30' },
      unk: { label: UNK.replace('<', '&lt;'), options: { never: 'never written', may: 'may be written' }, value: 'never' },
    };
    static sliders = {
      temperature: { label: 'temperature', min: 0.1, max: 2, step: 0.05, value: 0.8, show: (v) => fixed(v) },
      speed: { ...RnnWriter.speed, value: 0.9 },
    };
    static presets = { ...RnnWriter.presets, 'One word back': (writer) => writer.back() };
    static style = `
      .next { margin: 0; padding: 0; list-style: none; }
      .next button { display: grid; grid-template-columns: minmax(0, 7rem) minmax(0, 1fr) 4.2rem; align-items: center; column-gap: 0.5rem;
        width: 100%; margin-bottom: 2px; background: #fff; border-color: #c8c8c8; text-align: right; }
      .next button:hover { background: #f2f2f2; }
      .next button[hidden] { visibility: hidden; }
      .next .word { overflow-wrap: anywhere; }
      .next .bar { display: block; height: 1rem; background: ${BLUE}; print-color-adjust: exact; }
      .next .much { font-variant-numeric: tabular-nums; white-space: nowrap; }
      .caption { margin: 0.5rem 0 0.2rem; font-weight: bold; }
      .unread { border-bottom: 2px dotted ${GREY}; }`;
    static below = `<div class="below"><div class="first"><p class="caption" id="next">the likeliest next words: press one to take it</p><ol class="next" aria-labelledby="next">${
      '<li><button type="button" hidden><span class="word"></span><span><span class="bar"></span></span><span class="much"></span></button></li>'.repeat(LIKELY)}</ol></div></div>`;

    get name() { return this.getAttribute('model'); }

    get kB() { return Number(this.getAttribute('kb')); }

    get opening() { return 'The first'; }

    furnish(find, row) {
      this.likeliest = [...this.shadowRoot.querySelectorAll('.next button')];
      this.likeliest.forEach((button, n) => button.addEventListener('click', () => this.take(n)));
      find('.first').prepend(row('choose'), row('temperature'));
      find('.below').append(find('.sliders'));
      find('.sliders').append(...['length', 'speed', 'seed', 'unk'].map(row));
    }

    get text() { return this.symbols.join(' '); }

    said(from) { return this.symbols.slice(from).join(' '); }

    /** The beginning as words: signs stand alone, as in the training text. */
    static cut(text) { return text.replace(/('s\b|[.,;:!?()"])/g, ' $1 ').split(/\s+/).filter(Boolean); }

    fit({ index }) {
      for (const word of [UNK, START, END]) if (!index.has(word)) throw new Error(`It does not know ${called(word)}.`);
    }

    begin() {
      this.state = this.model.start();
      this.logits = this.model.step(this.state, this.model.index.get(END)); // as after the line before
      const words = this.constructor.cut(this.inputs.beginning.value);
      this.unread = words.filter((word) => !this.model.index.has(word));
      for (const word of words) this.read(this.model.index.get(word) ?? this.model.index.get(UNK), word);
    }

    read(k, word = this.model.symbols[k]) {
      this.logits = this.model.step(this.state, k);
      this.symbols.push(word);
    }

    chances(temperature) {
      const never = [START, ...(this.inputs.unk.value === 'never' ? [UNK] : [])].map((word) => this.model.index.get(word));
      return probabilities(this.logits.map((p, k) => (never.includes(k) ? -Infinity : p)), temperature);
    }

    take(n) {
      if (this.frame || !this.values.likely[n]) return;
      this.read(this.values.likely[n][2]);
      this.wrote = '';
      super.changed();
    }

    /** All but the last word, read anew. */
    back() {
      this.stop();
      if (!this.model || this.symbols.length === this.given) return;
      const kept = this.symbols.slice(this.given, -1);
      this.clear();
      for (const word of kept) this.read(this.model.index.get(word));
      super.changed();
    }

    /** The next word's probabilities p (K), their entropy in bits, the likeliest [word, probability, number]. */
    compute({ temperature }) {
      if (!this.logits) return { p: [], entropy: 0, likely: [] };
      const p = this.chances(temperature), likely = [];
      for (const k of p.keys()) { // one pass, for there are thousands
        if (likely.length === LIKELY && p[k] <= likely.at(-1)[1]) continue;
        likely.splice(likely.filter(([, least]) => least >= p[k]).length, 0, [this.model.symbols[k], p[k], k]);
        likely.length = Math.min(likely.length, LIKELY);
      }
      return { p, entropy: entropyOf(p), likely };
    }

    describe({ entropy, likely }) {
      if (!likely.length) return '';
      const unread = this.unread.length ? `Read as ${UNK}, for it is not among the ${RnnWriter.counted(this.model.symbols.length)} words: ${this.unread.join(', ')}. ` : '';
      const listed = likely.slice(0, 3).map(([word, p]) => `“${called(word)}” ${share(p)}`).join(', ');
      return `${unread}${this.wrote}Next: ${listed}. Entropy ${fixed(entropy)} bits: as open as a choice among ${fixed(2 ** entropy, 0)} equally likely words.`;
    }

    redraw() {
      if (!this.paper) return;
      super.redraw();
      const { likely } = this.values;
      this.append((span, n) => {
        const word = this.symbols[n];
        span.textContent = word === END ? `${TURN}\n` : `${word} `;
        span.className = `${n < this.given ? 'own ' : ''}${this.model.index.has(word) ? '' : 'unread'}`;
        return span;
      });
      this.likeliest.forEach((button, n) => {
        const [word, bar, much] = button.children, [next, p] = likely[n] ?? ['', 0];
        word.textContent = called(next);
        bar.firstChild.style.width = `${100 * p}%`;
        much.textContent = likely[n] ? share(p) : '';
        button.hidden = button.disabled = !likely[n];
      });
    }
  });
}
