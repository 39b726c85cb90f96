// A trained word model that writes in the reader's browser, with the words that it holds likeliest to come next (rnn-likely-writer.js).

if (!customElements.get('rnn-word-writer')) {
  const { GREY, fixed } = RnnFigure;
  const { probabilities } = RnnModel;
  const { counted, share } = RnnWriter;
  const UNK = '<unk>', START = '<s>', END = '\n', TURN = '⏎'; // START stands in no text

  customElements.define('rnn-word-writer', class extends RnnLikelyWriter {
    static title = 'A word model that writes';
    static unit = 'words';
    static limit = 1000;
    static needs = [UNK, END];
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
    static style = `${RnnLikelyWriter.style}
      .unread { border-bottom: 2px dotted ${GREY}; }`;
    static below = RnnLikelyWriter.list('words');

    get opening() { return 'The first'; }

    furnish(find, row) {
      super.furnish(find, row);
      find('.sliders').append(...['length', 'speed', 'seed', 'unk'].map(row));
    }

    called(word) { return word === END ? TURN : word; }

    get text() { return this.symbols.join(' '); }

    said(from) { return this.symbols.slice(from).join(' '); }

    /** The beginning as words: signs stand alone, as in the training text. */
    static cut(text) { return text.replace(/('s\b|[.,;:!?()"])/g, ' $1 ').split(/\s+/).filter(Boolean); }

    begin() {
      this.state = this.model.start();
      this.logits = this.model.step(this.state, this.model.index.get(END)); // as after the line before
      const words = this.constructor.cut(this.inputs.beginning.value);
      this.unread = words.filter((word) => !this.model.index.has(word));
      for (const word of words) this.read(this.model.index.get(word) ?? this.model.index.get(UNK), word);
    }

    chances(temperature) {
      const never = [START, ...(this.inputs.unk.value === 'never' ? [UNK] : [])].map((word) => this.model.index.get(word));
      return probabilities(this.logits.map((p, k) => (never.includes(k) ? -Infinity : p)), temperature);
    }

    describe({ entropy, likely }) {
      if (!likely.length) return '';
      const unread = this.unread.length ? `Read as ${UNK}, for it is not among the ${counted(this.model.symbols.length)} words: ${this.unread.join(', ')}. ` : '';
      const listed = likely.slice(0, 3).map(([word, p]) => `“${this.called(word)}” ${share(p)}`).join(', ');
      return `${unread}${this.wrote}Next: ${listed}. Entropy ${fixed(entropy)} bits: as open as a choice among ${fixed(2 ** entropy, 0)} equally likely words.`;
    }

    redraw() {
      if (!this.paper) return;
      super.redraw();
      this.append((span, n) => {
        const word = this.symbols[n];
        span.textContent = word === END ? `${TURN}\n` : `${word} `;
        span.className = `${n < this.given ? 'own ' : ''}${this.model.index.has(word) ? '' : 'unread'}`;
        return span;
      });
    }
  });
}
