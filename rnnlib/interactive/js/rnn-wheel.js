// The wheel inside a trained network: where the mean states of its classes (digits) stand, step by step in ONE plane, that of the largest
// pair of eigenvalues of W_hh, as rnnlib.interactive.wheel_data has them. Counter-clockwise is the way the matrix turns.
//
// The data come before this script, from one that sets RnnWheels.<name>: in a notebook's output, or on a page as rnn-wheels-<name>.js
// (tools/page_words.py). <rnn-wheel wheel="name"> shows them; without them the still drawing stays. Nothing here moves by itself.

if (!customElements.get('rnn-wheel')) {
  const { INK, BLUE, RED, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const EDGE = 52; // pixels around the rim, for the names
  const APART = 9; // degrees between two names side by side; closer ones stand further out
  const TRAIL = 4; // steps that the followed digit's trail goes back
  const degrees = (x, y) => (Math.atan2(y, x) * 180 / Math.PI + 360) % 360;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const percent = (value) => `${fixed(value, 0)} %`, angle = (value) => `${fixed(value, 1)}°`;
  const steps = (t) => `${t} step${t === 1 ? '' : 's'}`;

  customElements.define('rnn-wheel', class extends RnnFigure {
    static title = 'A wheel inside a trained network: mean states of the digits, step by step in one plane';
    static choices = { digit: { label: 'follow', value: '0' } };
    static sliders = { t: { label: 'step <i>t</i>', min: 0, max: 40, step: 1, value: (figure) => figure.data.asked, show: String } };
    static presets = {
      back: (figure) => figure.set({ t: figure.values.t - 1 }),
      next: (figure) => figure.set({ t: figure.values.t + 1 }),
      'where training asked': (figure) => figure.set({ t: figure.data.asked }),
    };

    connectedCallback() {
      if (this.shadowRoot) return;
      this.data = globalThis.RnnWheels?.[this.getAttribute('wheel')];
      if (!this.data) return; // the still drawing stays
      this.last = this.data.turned.length - 1;
      this.count = this.data.xy.length / 2 / (this.last + 1);
      this.most = Math.max(...Array.from({ length: this.last + 1 }, (_, t) => this.places(t)).flat().map(([x, y]) => Math.hypot(x, y)));
      super.connectedCallback();
    }

    addChoice(name, choice) {
      return super.addChoice(name, { ...choice, options: Object.fromEntries(Array.from({ length: this.count }, (_, d) => [d, `digit ${d}`])) });
    }

    addSlider(name, slider) { return super.addSlider(name, { ...slider, max: this.last }); }

    /** Where each digit's mean stands after t steps, from the middle of them all. */
    places(t) {
      const { unit, xy } = this.data;
      return Array.from({ length: this.count }, (_, d) => [0, 1].map((axis) => unit * xy[2 * (t * this.count + d) + axis]));
    }

    compute({ t }) {
      const { turned, share, named, right } = this.data, places = this.places(t);
      return {
        x: places.map(([x]) => x), y: places.map(([, y]) => y), size: mean(places.map(([x, y]) => Math.hypot(x, y))),
        turned: turned[t], turn: t ? turned[t] - turned[t - 1] : 0, share: share[t], named: named[t], right: right[t],
      };
    }

    /** The digits counter-clockwise, from the followed one on: [digit, degrees]. */
    order({ digit, x, y }) {
      const at = x.map((_, d) => degrees(x[d], y[d]));
      return at.map((own, d) => [d, own]).sort((a, b) => (a[1] - at[digit] + 360) % 360 - (b[1] - at[digit] + 360) % 360);
    }

    describe(v) {
      const order = this.order(v);
      return `${steps(v.t)} after the first digit. Counter-clockwise stand ${order.map(([d]) => d).join(', ')}; ${v.digit} is at ${fixed(order[0][1], 0)}°, `
        + `${fixed(v.size, 1)} from the middle on average. `
        + (v.t ? `This step turned them by ${angle(v.turn)} (the matrix alone: ${angle(this.data.angle)}), all steps by ${fixed(v.turned / 360, 2)} turns. ` : '')
        + `The plane holds ${percent(v.share)} of how far they lie apart. The nearest mean names ${percent(v.named)} of the first digits, `
        + `the network’s own readout ${percent(v.right)}${v.t === this.data.asked ? ', as training asked here' : ''}.`;
    }

    draw(v, width) {
      const beside = width >= 560, middle = beside ? 190 : width / 2, rim = middle - EDGE, k = rim / this.most, digit = Number(v.digit);
      const at = ([x, y]) => [middle + k * x, middle - k * y];
      const away = (far, turn) => [middle + far * Math.cos(turn * Math.PI / 180), middle - far * Math.sin(turn * Math.PI / 180)];
      let svg = `<circle class="rim" cx="${px(middle)}" cy="${px(middle)}" r="${px(rim)}" fill="none" stroke="#c8c8c8"/>`
        + line(middle - 5, middle, middle + 5, middle, `stroke="${GREY}"`) + line(middle, middle - 5, middle, middle + 5, `stroke="${GREY}"`);

      // where the followed digit came from, and how far its last step turned it
      const trail = Array.from({ length: Math.min(v.t, TRAIL) + 1 }, (_, n) => this.places(v.t - n)[digit]);
      svg += through(trail.map(at), 'stroke="#b0b0b0" stroke-dasharray="4 3"') + trail.slice(1).map(at)
        .map(([x, y], n) => `<circle cx="${px(x)}" cy="${px(y)}" r="${4 - 0.6 * n}" fill="#fff" stroke="${GREY}"/>`).join('');
      if (v.t) {
        const [to, from] = trail.map(([x, y]) => degrees(x, y)), turn = (to - from + 540) % 360 - 180, way = Math.sign(turn), far = 0.3 * rim;
        const arc = [from, to - 8 * way].map((a) => away(far, a).map(px).join(' '));
        const tip = [away(far, to), away(far + 5, to - 9 * way), away(far - 5, to - 9 * way)].map((point) => point.map(px).join()).join(' ');
        svg += `<path d="M${arc[0]}A${px(far)} ${px(far)} 0 0 ${way > 0 ? 0 : 1} ${arc[1]}" fill="none" stroke="${BLUE}" stroke-width="2"/>`
          + `<polygon points="${tip}" fill="${BLUE}"/>`;
      }

      // spokes, dots, and names around the rim, where there is room
      const taken = [];
      for (const [d, turn] of this.order(v)) {
        const [x, y] = at([v.x[d], v.y[d]]), own = d === digit;
        const free = (all) => all.every((other) => Math.min((turn - other + 360) % 360, (other - turn + 360) % 360) > APART);
        let level = 0;
        while (level < 2 && !free(taken[level] ??= [])) level++;
        (taken[level] ??= []).push(turn);
        const [nx, ny] = away(rim + 13 + 15 * level, turn);
        svg += line(...(own ? [middle, middle] : [x, y]), ...away(rim + 5 + 15 * level, turn), `stroke="${own ? RED : '#d4d4d4'}" ${own ? 'stroke-width="2"' : ''}`)
          + `<circle data-digit="${d}" cx="${px(x)}" cy="${px(y)}" r="${own ? 6 : 4.5}" fill="${own ? RED : INK}" stroke="#fff"/>`
          + text(nx, ny + 4.5, d, `text-anchor="middle" data-name="${d}" ${own ? `font-weight="bold" fill="${RED}"` : ''}`);
      }

      // beside it or below: the numbers, and how often the readout is right at every step
      const from = beside ? 390 : 12, end = width - 12;
      let row = beside ? 40 : 2 * middle + 24;
      const rows = [
        ['this step turned by', v.t ? angle(v.turn) : '–'], [`${symbol('W', 'hh')} alone would turn by`, angle(this.data.angle)],
        ['since step 0', `${fixed(v.turned / 360, 2)} turns`], ['distance from the middle', fixed(v.size, 1)], ['spread in this plane', percent(v.share)],
        ['nearest mean right', percent(v.named)], ['readout right', percent(v.right)],
      ];
      svg += text(from, row, `${steps(v.t)} after the first digit`, 'font-weight="bold"');
      for (const [words, value] of rows) svg += text(from, row += 24, words) + text(end, row, value, 'text-anchor="end"');
      row += 36;
      svg += text(from, row, `readout right at step ${symbol('t')}:`);
      const foot = row + 66, x = (t) => from + 4 + (end - from - 8) * t / this.last;
      const bar = (right, t) => line(x(t), foot, x(t), foot - Math.max(0.5, right / 2), `stroke="${t === v.t ? RED : '#7a9fb8'}" stroke-width="4" data-right="${right}"`);
      svg += this.data.right.map(bar).join('') + line(from, foot, end, foot, `stroke="${INK}"`)
        + `<path d="M${px(x(v.t))} ${foot + 3}l5 8h-10z" fill="${RED}"/>`
        + [...new Set([0, this.data.asked, this.last])].map((t) => text(x(t), foot + 26, t, 'text-anchor="middle"')).join('');
      return { height: Math.max(beside ? 2 * middle : 0, foot + 34), svg };
    }
  });
}
