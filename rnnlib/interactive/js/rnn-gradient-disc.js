// How far a gradient reaches: the eigenvalues of a recurrent matrix, and the gradient's length on 60 steps back.
//   RNN, states so small that tanh is linear: each step back multiplies by gain W', in the long run by gain rho(W)
//   LSTM, along c alone: each step back multiplies by the forget gate f = sigma(b)
// W is one draw of rnnlib.init, 32 by 32, seed 0. Stored are its numbers for gain 1 (tests/browser/interactive_numbers.py computes
// them anew): a gain multiplies eigenvalues, and adds k log10(gain) to the logarithm of a length after k steps.

if (!customElements.get('rnn-gradient-disc')) {
  const { INK, BLUE, RED, GREEN, GREY, fixed, px, symbol, text, line, through } = RnnFigure;
  const STEPS = 60;
  const FAR = 2.2; // the plane goes from -FAR to FAR
  const LOW = -20, HIGH = 10; // powers of ten
  const PAD = 3; // a line on the frame is not cut in half
  // radius: the spectral radius; half: its eigenvalues [real, imaginary] but those below the real axis, which mirror these;
  // lengths: log10 of |(W')^k v| for k = 0 to 60, v of 32 equal entries and length 1
  const DRAWS = {
    uniform: {
      radius: 0.5908868396261722,
      half: [
        [0.2845913128657, 0], [0.3291814370189, 0], [0.5203615935564, 0], [0.5327807129873, 0.0624538728012], [0.3106397593172, 0.2036940873952],
        [0.4700246392958, 0.3492147900597], [0.2056840432293, 0.271531553644], [0.2099223008204, 0.4729432568686], [0.0588787093376, 0.2091261535067],
        [0.0060064182637, 0.1789687838519], [-0.0372078601093, 0.5107186662122], [-0.1014260234399, 0.3955328223198], [-0.140240473485, 0.233640868135],
        [-0.2437364791364, 0.1415340823026], [-0.5146536592165, 0.2903082298152], [-0.4904859750238, 0.0848958200913], [-0.0124763913018, 0],
        [-0.1652850051949, 0], [-0.248506129096, 0],
      ],
      lengths: [
        0, -0.2505926427418, -0.4355689818799, -0.6140794413894, -0.826139758732, -1.1013703432973, -1.4255040341919, -1.7176636012347, -1.9509896924405,
        -2.1117250536847, -2.3614377155225, -2.6144280506628, -2.933235861489, -3.1923389774414, -3.3653499906752, -3.5236873632981, -3.7605436357938,
        -3.9887901908551, -4.2800754167067, -4.5529725272973, -4.7343357415943, -4.8968674989954, -5.1318210302602, -5.3674024111359, -5.6464871499413,
        -5.9059285826552, -6.1159487707703, -6.2828685584142, -6.5082352124084, -6.7506380735716, -7.0064685505022, -7.2760948646805, -7.4948801518593,
        -7.6640964104302, -7.8716885209323, -8.1245243805117, -8.376891200431, -8.6521999615634, -8.8670268732047, -9.0445466256636, -9.2345449696861,
        -9.4958731676261, -9.7492026778858, -10.0198126142704, -10.2386360239475, -10.4251236094445, -10.6075625994092, -10.8636328135428, -11.1222316530228,
        -11.3853388904058, -11.6093041845409, -11.8059194585339, -11.9851781153086, -12.2257994130002, -12.4929562816121, -12.7514118981507, -12.9851013467401,
        -13.1832734171888, -13.3647838568936, -13.5868534737469, -13.8621215896339,
      ],
    },
    orthogonal: {
      radius: 1,
      half: [
        [1, 0], [0.9982989183379, 0.0583032558736], [0.920451330955, 0.3908571955883], [0.8503371014631, 0.5262383622232], [0.7344201492695, 0.678695104113],
        [0.6950487070576, 0.7189626518934], [0.2611101117247, 0.965309022829], [0.1147552350228, 0.9933937970588], [-0.0957864853083, 0.9954019033698],
        [-0.3683182693318, 0.9296997646964], [-0.3857934171938, 0.9225851934916], [-0.5827971296012, 0.8126176873097], [-0.7281022003015, 0.68546858857],
        [-0.8609417680219, 0.508703520801], [-0.922563627036, 0.3858449871001], [-0.9646775304353, 0.2634336012608], [-1, 0],
      ],
      lengths: Array(STEPS + 1).fill(0),
    },
  };
  const power = (letter) => `${symbol(letter)}<tspan font-style="italic" dy="-5" font-size="10">k</tspan><tspan dy="5">&#8203;</tspan>`;
  const LINES = [ // the values' name, the line's look, what the drawing calls it
    ['lstm', `stroke="${GREEN}" stroke-dasharray="9 3 2 3"`, `LSTM along ${symbol('c')}: ${power('f')}`],
    ['predicted', `stroke="${RED}" stroke-dasharray="5 4"`, `RNN, predicted: ${power('ρ')}`],
    ['rnn', `stroke="${BLUE}"`, 'RNN, product of Jacobians'],
  ];
  const raised = (power) => [...String(power)].map((sign) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(sign)]).join('');
  const ten = (log) => { // two digits of 10 ** log, as 0.036 or 3.5·10⁻⁷
    const value = 10 ** log;
    if (value >= 0.0095 && value < 995) return String(Number(value.toPrecision(2)));
    return value.toExponential(1).replace(/e\+?(.+)/, (_, power) => `·10${raised(power)}`);
  };

  customElements.define('rnn-gradient-disc', class extends RnnFigure {
    static title = 'Eigenvalues of a recurrent matrix, and the length of the gradient on the way back through 60 steps';
    static choices = {
      matrix: { label: 'matrix <i>W</i><sub><i>hh</i></sub>', options: { uniform: 'uniform (torch’s)', orthogonal: 'orthogonal' }, value: 'uniform' },
    };
    static sliders = {
      gain: { label: 'times a gain', min: 0.2, max: 2, step: 0.01, value: 1, show: (v) => fixed(v) },
      bias: { label: 'LSTM: forget bias <i>b<sub>f</sub></i>', min: -2, max: 6, step: 0.1, value: 1, show: (v) => fixed(v, 1) },
    };
    static presets = {
      'torch’s start': { matrix: 'uniform', gain: 1, bias: 0 },
      'at the edge': { matrix: 'uniform', gain: 1.69 },
      orthogonal: { matrix: 'orthogonal', gain: 1 },
      'forget bias 4': { bias: 4 },
    };

    compute({ matrix, gain, bias }) {
      const { radius, half, lengths } = DRAWS[matrix];
      const mirrored = half.flatMap(([a, b]) => (b ? [[a, b], [a, -b]] : [[a, b]]));
      const f = 1 / (1 + Math.exp(-bias));
      const powers = (base) => lengths.map((_, k) => k * Math.log10(base));
      return {
        f, rho: gain * radius, eigenvalues: mirrored.map(([a, b]) => [gain * a, gain * b]),
        rnn: lengths.map((length, k) => length + k * Math.log10(gain)), predicted: powers(gain * radius), lstm: powers(f),
      };
    }

    describe(v) {
      const [rnn, predicted, lstm] = [v.rnn, v.predicted, v.lstm].map((lengths) => ten(lengths.at(-1)));
      const way = { 1: 'outside', 0: 'on', '-1': 'inside' }[Math.sign(Math.round(200 * (v.rho - 1)))];
      return `RNN, ${v.matrix} matrix times ${fixed(v.gain)}: the spectral radius ρ is ${fixed(v.rho)}, ${way} the unit circle. After ${STEPS} steps back `
        + `the gradient is ${rnn} times as long; ρ to the power of ${STEPS} is ${predicted}. `
        + `LSTM, forget bias ${fixed(v.bias, 1)}: the gate is ${fixed(v.f, 3)}, and along the cell ${lstm} of the gradient is left.`;
    }

    draw(v, width) {
      const beside = width >= 560, size = beside ? 232 : 240, high = 232;
      const disc = { left: beside ? 34 : (width - size) / 2 + 8, top: 32, wide: size, high: size, x: [-FAR, FAR], y: [-FAR, FAR] };
      const curve = { left: beside ? disc.left + size + 72 : 52, top: beside ? disc.top : disc.top + size + 136, high, x: [0, STEPS], y: [LOW, HIGH] };
      curve.wide = width - 14 - curve.left;
      // a frame with ticks [[value, its text], ...] below and on the left, and inside what draw(x, y) makes with the two scales
      const plot = (kind, { left, top, wide, high: tall, x: [x0, x1], y: [y0, y1] }, below, beside_, draw) => {
        const x = (value) => wide * (value - x0) / (x1 - x0), y = (value) => tall * (y1 - value) / (y1 - y0);
        return `<svg class="plot ${kind}" data-x="${x0} ${x1}" data-y="${y0} ${y1}" x="${px(left - PAD)}" y="${top - PAD}" `
          + `width="${px(wide + 2 * PAD)}" height="${tall + 2 * PAD}" overflow="hidden">${draw((value) => PAD + x(value), (value) => PAD + y(value))}</svg>`
          + `<rect x="${px(left)}" y="${top}" width="${px(wide)}" height="${tall}" fill="none" stroke="${GREY}"/>`
          + below.map(([value, label]) => line(left + x(value), top + tall, left + x(value), top + tall + 5, `stroke="${GREY}"`)
            + text(left + x(value), top + tall + 19, label, 'text-anchor="middle"')).join('')
          + beside_.map(([value, label]) => line(left - 5, top + y(value), left, top + y(value), `stroke="${GREY}"`)
            + text(left - 8, top + y(value) + 4.5, label, 'text-anchor="end"')).join('');
      };
      const whole = [-2, -1, 0, 1, 2].map((tick) => [tick, fixed(tick, 0)]);
      const note = (x, y, look, label) => line(x, y - 4, x + 30, y - 4, `stroke-width="2" ${look}`) + text(x + 38, y, label);

      const plane = plot('', disc, whole, whole, (x, y) => {
        const circle = (radius, look) => `<circle cx="${px(x(0))}" cy="${px(y(0))}" r="${px(x(radius) - x(0))}" fill="none" stroke-width="1.5" ${look}/>`;
        return line(x(-FAR), y(0), x(FAR), y(0), 'stroke="#ddd"') + line(x(0), y(-FAR), x(0), y(FAR), 'stroke="#ddd"')
          + circle(1, `stroke="${INK}"`) + circle(v.rho, `data-radius="rho" stroke="${RED}" stroke-dasharray="5 4"`)
          + `<g data-points="eigenvalues" fill="${BLUE}">${v.eigenvalues.map(([a, b]) => `<circle cx="${px(x(a))}" cy="${px(y(b))}" r="3.2"/>`).join('')}</g>`
          + `<path d="M${px(x(v.f) - 5)} ${px(y(0) - 5)}h10v10h-10z" fill="none" stroke="${GREEN}" stroke-width="2.5"/>`;
      });
      const lengths = plot('powers', curve, [0, 20, 40, 60].map((tick) => [tick, tick]), [-20, -10, 0, 10].map((tick) => [tick, tick ? `10${raised(tick)}` : '1']), (x, y) => (
        line(x(0), y(0), x(STEPS), y(0), `stroke="${GREY}"`) + LINES.map(([name, look]) => `<g data-line="${name}" data-first="0">`
          + `${through(v[name].map((length, k) => [x(k), y(length)]), `stroke-width="2" ${look}`)}</g>`).join('')));

      const left = beside ? disc.left : 14, under = disc.top + size + 44, floor = curve.top + high;
      const svg = text(disc.left, 16, `eigenvalues of ${symbol('W', 'hh')}`) + plane
        + note(left, under, `stroke="${INK}"`, 'the unit circle') + note(left, under + 20, `stroke="${RED}" stroke-dasharray="5 4"`, `radius ${symbol('ρ')} = ${fixed(v.rho)}`)
        + `<path d="M${px(left + 10)} ${under + 31}h10v10h-10z" fill="none" stroke="${GREEN}" stroke-width="2.5"/>`
        + text(left + 38, under + 40, `along the LSTM’s ${symbol('c')}: ${symbol('f')} = ${fixed(v.f)}`)
        + text(curve.left, curve.top - 16, 'length of the gradient') + lengths + text(curve.left + curve.wide / 2, floor + 36, `steps back, ${symbol('k')}`, 'text-anchor="middle"')
        + LINES.map(([, look, label], n) => note(beside ? curve.left : 14, floor + 60 + 20 * n, look, label)).join('');
      return { height: floor + 108, svg };
    }
  });
}
