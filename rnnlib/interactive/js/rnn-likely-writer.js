// A writer (rnn-writer.js) that shows the five symbols which its model holds likeliest to come next, words or characters.
// A press on one of the five takes it.
//
// The page names the model and the size of its script: <rnn-word-writer model="words_lstm" kb="2444">. A writer of this kind gives besides
//   static below  RnnLikelyWriter.list('words'), and what else stands below the text
//   called(symbol)  how the list says a symbol

globalThis.RnnLikelyWriter ??= (() => {
  const { BLUE } = RnnFigure;
  const { entropy: entropyOf } = RnnModel;
  const { share } = RnnWriter;
  const LIKELY = 5;
  const ROW = '<li><button type="button" hidden><span class="word"></span><span><span class="bar"></span></span><span class="much"></span></button></li>';

  return class RnnLikelyWriter extends RnnWriter {
    static style = `
      .next { margin: 0; padding: 0; list-style: none; }
      .next button { display: grid; grid-template-columns: minmax(0, 7rem) minmax(0, 1fr) 4.2rem; align-items: center; column-gap: 0.5rem;
        width: 100%; margin-bottom: 2px; background: #fff; border-color: #c8c8c8; text-align: right; }
      .next button:hover { background: #f2f2f2; }
      .next button[hidden] { visibility: hidden; }
      .next .word { overflow-wrap: anywhere; }
      .next .bar { display: block; height: 1rem; background: ${BLUE}; print-color-adjust: exact; }
      .next .much { font-variant-numeric: tabular-nums; white-space: nowrap; }
      .caption { margin: 0.5rem 0 0.2rem; font-weight: bold; }`;
    static list = (unit) => `<div class="below"><div class="first"><p class="caption" id="next">the likeliest next ${unit}: press one to take it</p>
      <ol class="next" aria-labelledby="next">${ROW.repeat(LIKELY)}</ol></div></div>`;

    get name() { return this.getAttribute('model'); }

    get kB() { return Number(this.getAttribute('kb')); }

    furnish(find, row) {
      this.likeliest = [...this.shadowRoot.querySelectorAll('.next button')];
      this.likeliest.forEach((button, n) => button.addEventListener('click', () => this.take(n)));
      find('.first').prepend(row('choose'), row('temperature'));
      find('.below').append(find('.sliders'));
    }

    called(symbol) { return symbol; }

    read(k, symbol = this.model.symbols[k]) {
      this.logits = this.model.step(this.state, k);
      this.symbols.push(symbol);
    }

    take(n) {
      if (this.frame || !this.values.likely[n]) return;
      this.read(this.values.likely[n][2]);
      this.wrote = '';
      super.changed();
    }

    /** All but the last symbol, read anew. */
    back() {
      this.stop();
      if (!this.model || this.symbols.length === this.given) return;
      const kept = this.symbols.slice(this.given, -1);
      this.clear();
      for (const symbol of kept) this.read(this.model.index.get(symbol));
      super.changed();
    }

    /** The next symbol's probabilities p (K), their entropy in bits, the likeliest [symbol, probability, number]. */
    compute({ temperature }) {
      if (!this.logits) return { p: [], entropy: 0, likely: [] };
      const p = this.chances(temperature), likely = [];
      for (const k of p.keys()) { // one pass, for there are thousands
        if (!p[k] || (likely.length === LIKELY && p[k] <= likely.at(-1)[1])) continue;
        likely.splice(likely.filter(([, least]) => least >= p[k]).length, 0, [this.model.symbols[k], p[k], k]);
        likely.length = Math.min(likely.length, LIKELY);
      }
      return { p, entropy: entropyOf(p), likely };
    }

    redraw() {
      if (!this.paper) return;
      super.redraw();
      const { likely } = this.values;
      this.likeliest.forEach((button, n) => {
        const [word, bar, much] = button.children, [next, p] = likely[n] ?? ['', 0];
        word.textContent = this.called(next);
        bar.firstChild.style.width = `${100 * p}%`;
        much.textContent = likely[n] ? share(p) : '';
        button.hidden = button.disabled = !likely[n];
      });
    }
  };
})();
