// Perplexity four ways for one model: by the character or in the mean over sentences, padding excluded or counted.
// The model of sentences: a sentence has x nats a character, drawn from a normal distribution with mean H = ln(perplexity) and the spread s
// as its deviation; it fills the share l of the padded steps, and each padding step costs c nats. There are 101 shares l, equally often,
// evenly about 1 - padding: as far apart as they can be, times `lengths`. x and l are independent. In nats, that is as logarithms:
//   excluded   mean of x over all characters                   H
//   counted    mean over all steps                             (1 - padding) H + padding c
//   sentences  ln of the mean of exp(x)                        H + s^2 / 2
//   padded     ln of the mean of exp(l x + (1 - l) c)          ln of the mean over l of exp(l H + (1 - l) c + l^2 s^2 / 2)

if (!customElements.get('rnn-perplexity')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed, px, text, line, through } = RnnFigure;
  const LENGTHS = 101;
  const MOST = 90; // per cent of padding
  const POWERS = 3; // of ten
  const PAD = 3; // a line on the frame is not cut in half
  const ROWS = 9, ROW = 8; // sentences that are drawn, and their height
  const WAYS = [ // the number's name, the look of its line, what it is called
    ['sentences', `stroke="${GREEN}" stroke-dasharray="9 3 2 3"`, 'mean of sentences, no padding'],
    ['excluded', `stroke="${INK}"`, 'per character, no padding'],
    ['padded', `stroke="${RED}" stroke-dasharray="5 4"`, 'mean of sentences, padding too'],
    ['counted', `stroke="${BLUE}"`, 'per step, padding too'],
  ];
  const percent = (share) => `${fixed(100 * share, 1).replace('.0', '')} %`;
  const perplexity = (nats) => fixed(Math.exp(nats), 1);

  customElements.define('rnn-perplexity', class extends RnnFigure {
    static title = 'The perplexity of one model, counted four ways, against the share of padding';
    static sliders = {
      padding: { label: 'share of padding', min: 0, max: 0.9, step: 0.005, value: 0.555, show: percent },
      perplexity: { label: 'perplexity per character', min: 2, max: 300, step: 0.1, value: 104.4, show: (v) => fixed(v, 1) },
      spread: { label: 'spread between sentences', min: 0, max: 1.5, step: 0.01, value: 0.5, show: (v) => `${fixed(v)} nats` },
      lengths: { label: 'lengths differ', min: 0, max: 1, step: 0.01, value: 0.8, show: percent },
      cost: { label: 'a padding step costs', min: 0, max: 1, step: 0.01, value: 0, show: (v) => `${fixed(v)} nats` },
    };
    static presets = {
      'no padding': { padding: 0 },
      '7.9 for 104.4': { padding: 0.555, perplexity: 104.4, cost: 0 },
      'and 22.1': { padding: 0.555, perplexity: 104.4, spread: 1.2, lengths: 1, cost: 0 },
      'lengths alike': { lengths: 0 },
    };

    /** The shortest and the longest sentence, as shares of the padded length. */
    static ends({ padding, lengths }) {
      const half = lengths * Math.min(padding, 1 - padding);
      return [1 - padding - half, 1 - padding + half];
    }

    /** All four, in nats. */
    static nats({ perplexity, spread, cost, ...shares }) {
      const H = Math.log(perplexity), [shortest, longest] = this.ends(shares);
      const logs = Array.from({ length: LENGTHS }, (_, n) => {
        const l = shortest + (longest - shortest) * n / (LENGTHS - 1);
        return l * H + (1 - l) * cost + (l * spread) ** 2 / 2;
      });
      const most = Math.max(...logs);
      return {
        sentences: H + spread ** 2 / 2,
        excluded: H,
        padded: most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / LENGTHS),
        counted: (1 - shares.padding) * H + shares.padding * cost,
      };
    }

    /** The four now; `by`_name, log10 of each against the per cents of padding; and the points of the four on these lines. */
    compute(settings) {
      const now = this.constructor.nats(settings), lines = {};
      const along = Array.from({ length: MOST + 1 }, (_, n) => this.constructor.nats({ ...settings, padding: n / 100 }));
      for (const [name] of WAYS) lines[`by_${name}`] = along.map((nats) => nats[name] / Math.LN10);
      return { ...now, ...lines, now: WAYS.map(([name]) => [100 * settings.padding, now[name] / Math.LN10]) };
    }

    describe(v) {
      const [shortest, longest] = this.constructor.ends(v);
      return `One model, ${fixed(v.excluded)} nats a character. Its perplexity is ${perplexity(v.excluded)} per character, padding excluded; `
        + `${perplexity(v.counted)} when padding is counted, for ${percent(v.padding)} of the steps are padding at ${fixed(v.cost)} nats. `
        + `The mean of the sentences’ perplexities is ${perplexity(v.sentences)} without padding, never below the first (Jensen), `
        + `and ${perplexity(v.padded)} with padding counted. `
        + `Sentences: nats a character normal with a spread of ${fixed(v.spread)}; lengths even from ${percent(shortest)} to ${percent(longest)} of the steps.`;
    }

    draw(v, width) {
      const left = 44, right = width - 14, wide = right - left, top = 36 + ROWS * ROW + 34, high = 210, foot = top + high + 62;
      const x = (value) => wide * value / MOST, y = (log) => high * (1 - log / POWERS);

      const [shortest, longest] = this.constructor.ends(v), [blue, grey] = [BLUE, '#d9d9d9'];
      const bar = (from, to, n, colour) => `<rect data-bar="" x="${px(left + wide * from)}" y="${26 + n * ROW}" `
        + `width="${px(wide * (to - from))}" height="${ROW - 2}" fill="${colour}"/>`;
      let svg = text(left, 16, 'sentences:') + `<rect x="${left + 74}" y="7" width="10" height="10" fill="${blue}"/>${text(left + 89, 16, 'characters')}`
        + `<rect x="${left + 166}" y="7" width="10" height="10" fill="${grey}"/>${text(left + 181, 16, 'padding')}`;
      for (let n = 0; n < ROWS; n++) {
        const l = shortest + (longest - shortest) * n / (ROWS - 1);
        svg += bar(0, l, n, blue) + bar(l, 1, n, grey);
      }

      svg += text(left, top - 12, 'perplexity') + `<rect x="${left}" y="${top}" width="${px(wide)}" height="${high}" fill="none" stroke="${GREY}"/>`;
      for (let power = 0; power <= POWERS; power++) {
        svg += line(left - 5, top + y(power), power && power < POWERS ? right : left, top + y(power), 'stroke="#ccc"')
          + text(left - 8, top + y(power) + 4.5, 10 ** power, 'text-anchor="end"');
      }
      for (const tick of [0, 20, 40, 60, 80]) {
        svg += line(left + x(tick), top + high, left + x(tick), top + high + 5, `stroke="${GREY}"`) + text(left + x(tick), top + high + 19, tick, 'text-anchor="middle"');
      }
      svg += text(left + wide / 2, top + high + 38, 'share of padding (%)', 'text-anchor="middle"');
      const points = (name) => v[`by_${name}`].map((log, n) => [PAD + x(n), PAD + y(log)]);
      svg += `<svg class="plot powers" data-x="0 ${MOST}" data-y="0 ${POWERS}" x="${left - PAD}" y="${top - PAD}" `
        + `width="${px(wide + 2 * PAD)}" height="${high + 2 * PAD}" overflow="hidden">`
        + line(PAD + x(100 * v.padding), PAD, PAD + x(100 * v.padding), PAD + high, `stroke="${GREY}" stroke-dasharray="2 3"`)
        + WAYS.map(([name, look]) => `<g data-line="by_${name}" data-first="0">${through(points(name), `stroke-width="2" ${look}`)}</g>`).join('')
        + `<g data-points="now" fill="${INK}">${v.now.map(([at, log]) => `<circle cx="${px(PAD + x(at))}" cy="${px(PAD + y(log))}" r="3.5"/>`).join('')}</g></svg>`;

      WAYS.forEach(([name, look, label], n) => {
        const at = foot + 22 * n;
        svg += line(14, at - 4, 44, at - 4, `stroke-width="2" ${look}`) + text(52, at, label)
          + text(Math.min(right, 360), at, perplexity(v[name]), `text-anchor="end" font-weight="bold" data-way="${name}"`);
      });
      return { height: foot + 22 * WAYS.length - 8, svg };
    }
  });
}
