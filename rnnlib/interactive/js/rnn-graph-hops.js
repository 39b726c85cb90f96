// Six nodes, and where the message of one of them is after some layers of message passing:
//   walks   (A + λI)^k: how many ways of k steps lead there, λ of them for a step that stays;
//   shares  Â^k with Â = D^(-1/2) (A + λI) D^(-1/2), D = A's row sums + λ: how much of it arrives (rnnlib.graphs.propagate).

if (!customElements.get('rnn-graph-hops')) {
  const { INK, BLUE, GREY, fixed, px, symbol, text, line } = RnnFigure;
  const NAMES = 'ABCDEF';
  const EDGES = ['A-B', 'A-D', 'A-F', 'B-C', 'C-F', 'D-E'].map((pair) => pair.split('-').map((name) => NAMES.indexOf(name)));
  // places in a box of 1 by 1
  const PLACES = { C: [0.1, 0.5], B: [0.33, 0.17], F: [0.33, 0.83], A: [0.56, 0.5], D: [0.76, 0.5], E: [0.95, 0.5] };
  const RADIUS = 22, HEIGHT = 250;
  const layersText = (k) => (k === 1 ? 'one layer' : `${k} layers`);
  const listed = (names) => (names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`);

  customElements.define('rnn-graph-hops', class extends RnnFigure {
    static title = 'Six nodes: where the message of one has arrived after some layers, and how much of it';
    static choices = {
      source: { label: 'message of', options: Object.fromEntries([...NAMES].map((name) => [name, `node ${name}`])), value: 'C' },
      what: { label: 'shown', options: { shares: 'how much arrives', walks: 'how many ways' }, value: 'shares' },
    };
    static sliders = {
      layers: { label: 'layers <i>k</i>', min: 0, max: 6, step: 1, value: 2, show: (v) => fixed(v, 0) },
      lam: { label: 'own message λ', min: 0, max: 3, step: 0.1, value: 1, show: (v) => fixed(v, 1) },
    };
    static presets = {
      'C to E': { source: 'C', layers: 4 },
      'no self-connections': { lam: 0 },
      'one layer more': (figure) => figure.set({ layers: figure.values.layers + 1 }),
    };

    connectedCallback() {
      const first = !this.shadowRoot;
      super.connectedCallback();
      if (!first) return;
      this.svg.style.cursor = 'pointer';
      this.svg.addEventListener('click', (event) => { // a node that is pressed sends
        const box = this.svg.getBoundingClientRect(), scale = this.width / box.width;
        const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
        for (const name of NAMES) {
          const [a, b] = this.place(name, this.width);
          if (Math.hypot(a - x, b - y) <= RADIUS + 6) this.set({ source: name });
        }
      });
    }

    place(name, width) { return [PLACES[name][0] * (width - 20) + 10, PLACES[name][1] * (HEIGHT - 60) + 30]; }

    compute({ source, what, layers, lam }) {
      const degrees = Array(6).fill(lam);
      for (const edge of EDGES) for (const v of edge) degrees[v] += 1;
      const scale = what === 'shares' ? degrees.map((d) => d ** -0.5) : Array(6).fill(1);
      let amounts = [...NAMES].map((name) => Number(name === source));
      for (let k = 0; k < layers; k++) {
        const sent = amounts.map((amount, v) => scale[v] * amount);
        const heard = sent.map((amount) => lam * amount);
        for (const [a, b] of EDGES) { heard[a] += sent[b]; heard[b] += sent[a]; }
        amounts = heard.map((amount, v) => scale[v] * amount);
      }
      const hops = [...NAMES].map((name) => (name === source ? 0 : -1));
      for (let k = 1; k < 6; k++) for (const edge of EDGES) for (const [a, b] of [edge, [...edge].reverse()]) if (hops[a] === k - 1 && hops[b] < 0) hops[b] = k;
      return { amounts, hops };
    }

    number(v, amount) { return v.what === 'walks' && v.lam % 1 === 0 ? fixed(amount, 0) : amount >= 100 ? fixed(amount, 0) : fixed(amount, 2); }

    describe(v) {
      const there = [...NAMES].filter((_, n) => v.amounts[n] > 0);
      const never = [...NAMES].filter((_, n) => v.hops[n] > v.layers).map((name) => `${name} after ${v.hops[NAMES.indexOf(name)]}`);
      const left = [...NAMES].filter((_, n) => v.hops[n] <= v.layers && !(v.amounts[n] > 0));
      return `After ${layersText(v.layers)}, with λ = ${fixed(v.lam, 1)}, the message of ${v.source} is at `
        + `${listed(there.map((name) => `${name} (${this.number(v, v.amounts[NAMES.indexOf(name)])})`))}. `
        + (left.length ? `It has been at ${listed(left)} and is gone from there. ` : '')
        + (never.length ? `It will reach ${listed(never)}.` : 'It has reached every node.');
    }

    draw(v, width) {
      const most = Math.max(...v.amounts);
      let svg = '';
      for (const [a, b] of EDGES) {
        const [x1, y1] = this.place(NAMES[a], width), [x2, y2] = this.place(NAMES[b], width);
        svg += line(x1, y1, x2, y2, `stroke="${GREY}" stroke-width="2"`);
      }
      [...NAMES].forEach((name, n) => {
        const [x, y] = this.place(name, width), amount = v.amounts[n], reached = amount > 0;
        const size = RADIUS * Math.sqrt(amount / most); // its area is the amount
        svg += `<circle cx="${px(x)}" cy="${px(y)}" r="${RADIUS}" fill="#fff" stroke="${reached ? INK : GREY}" stroke-width="1.5" ${reached ? '' : 'stroke-dasharray="4 3"'}/>`
          + (reached ? `<circle cx="${px(x)}" cy="${px(y)}" r="${px(size)}" fill="#9cc9e6"/>` : '')
          + (name === v.source ? `<circle cx="${px(x)}" cy="${px(y)}" r="${RADIUS + 4}" fill="none" stroke="${BLUE}" stroke-width="2.5"/>` : '')
          + text(x, y + 5, name, 'text-anchor="middle" font-size="15" font-weight="bold"')
          + text(x, y + (name === 'B' ? -RADIUS - 9 : RADIUS + 20), this.number(v, amount), `text-anchor="middle" ${reached ? '' : `fill="${GREY}"`}`);
      });
      const label = v.what === 'walks' ? `(${symbol('A')} + λ${symbol('I')})` : 'Â';
      svg += text(width - 10, 20, `column ${v.source} of ${label}<tspan dy="-5" font-size="11.5">${v.layers}</tspan>`, 'text-anchor="end"');
      return { height: HEIGHT, svg };
    }
  });
}
