// One huge gradient, and the steps after it, as rnnlib.optim.Adam and RMSprop make them. One weight; its gradient is 1 at every step but
// at step 20, where it is S. All lengths are in learning rates: in the long run a gradient of 1 makes steps of 1.
//   Adam     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  step = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + 1e-8)
//   RMSprop  v = 0.99 v + 0.01 g^2,  step = g / (sqrt(v) + 1e-8)
// After a long calm m and v are 1 before the first step that is shown, and 1 - b^t is 1; without it, step 1 is the first of all.

if (!customElements.get('rnn-adam-spike')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const AT = 20, SHOWN = 200; // the step of the spike, and the last that is drawn
  const LONG = 10000; // short steps are counted among so many from the spike on: a gradient of 1000 is forgotten after 8,400
  const USUAL = 0.9; // a step below this is short
  const PAD = 3; // a line on the frame is not cut in half
  const size = (exponent) => Number((10 ** exponent).toPrecision(2)); // the number that is shown
  const short = (value) => fixed(value, value < 0.0995 ? 3 : 2);
  const count = (steps) => steps.toLocaleString('en');
  const hat = (letter) => symbol(`${letter}\u0302`);
  const PANELS = [ // top, height, powers of ten, title, lines: [values' name, look, label, its place in pixels]
    [40, 120, [0, 1, 2, 3], 'what Adam keeps', [['m', `stroke="${BLUE}"`, hat('m'), 124], ['root', `stroke="${GREEN}" stroke-dasharray="9 3 2 3"`, `√${hat('v')}`, 184]]],
    [216, 170, [-2, -1, 0, 1], 'step length', [['adam', `stroke="${RED}"`, 'Adam', 88], ['rmsprop', `stroke="${INK}" stroke-dasharray="5 4"`, 'RMSprop', 174]]],
  ];

  customElements.define('rnn-adam-spike', class extends RnnFigure {
    static title = 'One huge gradient at step 20: what Adam keeps of it, and the lengths of the steps of Adam and RMSprop';
    static choices = {
      calm: { label: 'before it', options: { long: 'a long calm', none: 'only 19 steps of training' }, value: 'long' },
    };
    static sliders = {
      spike: { label: 'spike <i>S</i>', min: 0, max: 3, step: 0.05, value: 3, show: (v) => `${size(v)} ×` },
      beta1: { label: 'Adam: <i>β</i><sub>1</sub>', min: 0, max: 0.99, step: 0.01, value: 0.9, show: (v) => fixed(v) },
      beta2: { label: 'Adam: <i>β</i><sub>2</sub>', min: 0.9, max: 0.999, step: 0.001, value: 0.999, show: (v) => fixed(v, 3) },
    };
    static presets = {
      'no spike': { spike: 0 },
      '30 times': { spike: 1.5 },
      '1000 times': { spike: 3 },
      'shorter memory': { beta2: 0.99 },
    };

    compute({ spike, beta1, beta2, calm }) {
      const S = size(spike), settled = Number(calm === 'long');
      let m = settled, v = settled, r = settled;
      const found = { S, m: [], root: [], adam: [], rmsprop: [], short: 0, shortRmsprop: 0 };
      for (let t = 1; t < AT + LONG; t++) {
        const g = t === AT ? S : 1;
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        r = 0.99 * r + 0.01 * g * g;
        const mean = settled ? m : m / (1 - beta1 ** t), root = Math.sqrt(settled ? v : v / (1 - beta2 ** t));
        const adam = mean / (root + 1e-8), rmsprop = g / (Math.sqrt(r) + 1e-8);
        if (t >= AT) {
          found.short += adam < USUAL;
          found.shortRmsprop += rmsprop < USUAL;
        }
        if (t > SHOWN) continue;
        for (const [name, value] of Object.entries({ m: mean, root, adam, rmsprop })) found[name].push(value);
      }
      return found;
    }

    describe(v) {
      const one = (steps, below) => `its step at the spike is ${short(steps[AT - 1])} learning rates long, the shortest of the ${SHOWN - AT} shown after it `
        + `${short(Math.min(...steps.slice(AT)))}, and ${count(below)} are below ${100 * USUAL} % of the usual`;
      return `A gradient ${v.S} times the usual at step ${AT}, ${v.calm === 'long' ? 'after a long calm' : 'early in training'}. `
        + `Adam with β₁ = ${fixed(v.beta1)} and β₂ = ${fixed(v.beta2, 3)}: ${one(v.adam, v.short)}. RMSprop: ${one(v.rmsprop, v.shortRmsprop)}.`;
    }

    draw(v, width) {
      const left = 46, right = width - 14, wide = right - left;
      const x = (t) => wide * (t - 1) / (SHOWN - 1);
      let svg = '';
      for (const [top, high, powers, title, lines] of PANELS) {
        const [low, most] = [powers[0] - 0.7, powers.at(-1) + 0.7], y = (log) => high * (most - log) / (most - low);
        svg += text(left, top - 12, title)
          + lines.map(([, look, label, at]) => line(left + at, top - 16, left + at + 24, top - 16, `stroke-width="2" ${look}`) + text(left + at + 29, top - 12, label)).join('')
          + powers.map((power) => line(left, top + y(power), right, top + y(power), `stroke="${power ? '#ddd' : GREY}"`)
            + text(left - 8, top + y(power) + 4.5, fixed(10 ** power, Math.max(0, -power)), 'text-anchor="end"')).join('')
          + line(left + x(AT), top, left + x(AT), top + high, `stroke="${GREY}" stroke-dasharray="2 3"`)
          + `<svg class="plot powers log" data-x="1 ${SHOWN}" data-y="${low} ${most}" x="${left - PAD}" y="${top - PAD}" `
          + `width="${px(wide + 2 * PAD)}" height="${high + 2 * PAD}" overflow="hidden">`
          + lines.map(([name, look]) => `<g data-line="${name}" data-first="1">`
            + `${through(v[name].map((value, n) => [PAD + x(n + 1), PAD + y(Math.log10(value))]), `stroke-width="2" stroke-linejoin="round" ${look}`)}</g>`).join('')
          + `</svg><rect x="${left}" y="${top}" width="${px(wide)}" height="${high}" fill="none" stroke="${GREY}"/>`;
      }
      const [top, high] = PANELS[1], floor = top + high;
      for (const t of [AT, 50, 100, 150, SHOWN]) {
        svg += line(left + x(t), floor, left + x(t), floor + 5, `stroke="${GREY}"`) + text(left + x(t), floor + 19, t, 'text-anchor="middle"');
      }
      svg += text(left + wide / 2, floor + 37, `training step ${symbol('t')}`, 'text-anchor="middle"')
        + text(left, floor + 62, `steps below ${100 * USUAL} % of the usual, in all:`)
        + text(left, floor + 80, `Adam ${count(v.short)}, RMSprop ${count(v.shortRmsprop)}`);
      return { height: floor + 90, svg };
    }
  });
}
