// What the playground shows (rnn-playground.js), each view drawn on a canvas: many cells and many times a second. rnn-figure.js comes before.
//
// RnnViews.VIEWS[name] = { parts, draw(c, box, data) }
//   parts   what the engine has to measure for it
//   draw    on the context c, in a box { width, height } of CSS pixels; returns what the drawing shows, in words
//   data    { settings, measured, curve, steps, chance, gates, ranges, plane, t, sign(k) }, sign: how a symbol is written; ranges keeps how far the axes reach, which only grows
// RnnViews.Curve keeps a run of any length in at most MOST rows; RnnViews.plane(..) finds a plane to look at.
// Colours that stand for numbers grow lighter from the lowest to the highest, so that they can be read in grey; lines differ in their dashes too.

globalThis.RnnViews ??= (() => {
  const { INK, BLUE, RED, GREEN, GREY, fixed } = RnnFigure;
  const FONT = 'system-ui, sans-serif', LINE = '#ddd';
  const MAP = [[0, 34, 78], [66, 78, 108], [125, 124, 120], [186, 174, 109], [254, 232, 56]]; // cividis: Nunez, Anderton and Renslow (2018)
  const MOST = 600;
  const TRAIL = 4; // steps that the trail of a mean goes back
  const TINY = 1e-30; // shorter than this is drawn as this
  const mean = (values) => { const all = sum(values) / values.length; return Number.isFinite(all) ? fixed(all) : two(all); };
  const range = (n, value) => Array.from({ length: n }, (_, k) => value(k));
  const sum = (values) => values.reduce((all, value) => all + value, 0);
  const most = (values) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const along = (a, b) => { let all = 0; for (let k = 0; k < a.length; k++) all += a[k] * b[k]; return all; };

  const raised = (power) => [...String(power)].map((sign) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(sign)]).join('');
  /** Two digits of a number, as 0.036 or 3.5·10⁻⁷. */
  const two = (value) => {
    if (!Number.isFinite(value)) return 'no finite number';
    const size = Math.abs(value), digits = Number(value.toPrecision(2));
    if (!size || (size >= 0.0095 && size < 9950)) return String(digits).replace('-', '−');
    return value.toExponential(1).replace('-', (sign, at) => (at ? sign : '−')).replace(/e\+?(.+)/, (_, power) => `·10${raised(power)}`);
  };

  // ---- a run of any length ----

  /** Loss, accuracy and the gradient's norm of every step, in rows of `each` steps; once there are more than MOST rows, two become one. */
  class Curve {
    constructor() { Object.assign(this, { each: 1, rows: [] }); } // row: steps, sums of loss and accuracy, largest norm

    /** Adds what the worker sends: loss, accuracy, norm of each step. */
    add(values) {
      for (let n = 0; n < values.length; n += 3) {
        const last = this.rows.at(-1), row = last && last.count < this.each ? last : { count: 0, loss: 0, accuracy: 0, norm: 0 };
        if (row !== last) this.rows.push(row);
        row.count++;
        row.loss += values[n];
        row.accuracy += values[n + 1];
        row.norm = Math.max(row.norm, values[n + 2]);
        if (this.rows.length > MOST) this.halve();
      }
    }

    halve() {
      const both = (a, b) => ({ count: a.count + b.count, loss: a.loss + b.loss, accuracy: a.accuracy + b.accuracy, norm: Math.max(a.norm, b.norm) });
      this.rows = range(Math.ceil(this.rows.length / 2), (n) => (this.rows[2 * n + 1] ? both(this.rows[2 * n], this.rows[2 * n + 1]) : this.rows[2 * n]));
      this.each *= 2;
    }

    /** [[step, value], ..] of what `value` takes of a row; what is no finite number is left out. */
    points(value) { return this.rows.map((row, n) => [n * this.each + (row.count + 1) / 2, value(row)]).filter(([, found]) => Number.isFinite(found)); }
  }

  // ---- drawing ----

  const write = (c, text, x, y, { align = 'left', size = 12, weight = '', fill = INK } = {}) => {
    c.font = `${weight} ${size}px ${FONT}`;
    c.fillStyle = fill;
    c.textAlign = align;
    c.fillText(text, x, y);
  };

  const stroke = (c, points, { colour = INK, dash = [], width = 1 } = {}) => {
    c.beginPath();
    points.forEach(([x, y], n) => (n ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.setLineDash(dash);
    c.lineWidth = width;
    c.strokeStyle = colour;
    c.stroke();
    c.setLineDash([]);
  };

  /** Round numbers from low to high, at most `count` steps. */
  const ticks = (low, high, count) => {
    const raw = Math.max(high - low, 1e-9) / count, ten = 10 ** Math.floor(Math.log10(raw)), step = ten * [1, 2, 5, 10].find((k) => k * ten >= raw * 0.999);
    return range(Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1, (n) => (Math.ceil(low / step - 1e-9) + n) * step);
  };
  const plain = (value) => String(Number(value.toPrecision(4))).replace('-', '−');
  const power = (log) => (log >= -2 && log <= 3 ? String(10 ** log) : `10${raised(log)}`);

  /**
   * Axes in a box { left, top, right, bottom }; x, y: { low, high, label, log, whole, bare }, of a log axis low and high are powers of ten;
   * bare: without marks.
   * Returns where a pair of numbers stands.
   */
  const axes = (c, { left, top, right, bottom }, x, y) => {
    const at = ({ low, high, log }, from, to) => (value) => from + (to - from) * ((log ? Math.log10(Math.max(value, TINY)) : value) - low) / (high - low);
    const X = at(x, left, right), Y = at(y, bottom, top), place = (axis, tick) => (axis.log ? 10 ** tick : tick);
    const marks = ({ low, high, log, whole }, count) => ticks(low, high, log || whole ? Math.min(count, Math.max(1, high - low)) : count);
    for (const tick of x.bare ? [] : marks(x, Math.max(2, Math.floor((right - left) / 45)))) {
      stroke(c, [[X(place(x, tick)), bottom], [X(place(x, tick)), bottom + 4]], { colour: GREY });
      write(c, x.log ? power(tick) : plain(tick), X(place(x, tick)), bottom + 16, { align: 'center' });
    }
    for (const tick of marks(y, Math.max(2, Math.floor((bottom - top) / 34)))) {
      stroke(c, [[left, Y(place(y, tick))], [right, Y(place(y, tick))]], { colour: LINE });
      write(c, y.log ? power(tick) : plain(tick), left - 5, Y(place(y, tick)) + 4, { align: 'right' });
    }
    c.strokeStyle = GREY;
    c.lineWidth = 1;
    c.strokeRect(left, top, right - left, bottom - top);
    if (x.label) write(c, x.label, (left + right) / 2, bottom + 32, { align: 'center' });
    write(c, y.label, left, top - 7);
    return ([a, b]) => [X(a), Y(b)];
  };

  const inside = (c, { left, top, right, bottom }, act) => {
    c.save();
    c.beginPath();
    c.rect(left, top, right - left, bottom - top);
    c.clip();
    act();
    c.restore();
  };

  /** Keys of lines in the top right corner: [[name, look], ..]. */
  const keys = (c, right, y, named) => {
    let at = right;
    for (const [name, look] of [...named].reverse()) {
      write(c, name, at, y, { align: 'right' });
      at -= c.measureText(name).width + 6;
      stroke(c, [[at - 22, y - 4], [at, y - 4]], { width: 2, ...look });
      at -= 34;
    }
  };

  /** How far a logarithmic axis reaches, in powers of ten; it only grows. */
  const decades = (ranges, name, values, [low, high]) => {
    const found = values.filter((value) => value > 0 && Number.isFinite(value)).map((value) => Math.log10(Math.max(value, TINY)));
    const before = ranges[name] ?? [low, high];
    return ranges[name] = [Math.min(before[0], ...found.map(Math.floor)), Math.max(before[1], ...found.map(Math.ceil))];
  };
  const reach = (ranges, name, value) => ranges[name] = Math.max(ranges[name] ?? 0, value);

  const shade = range(256, (n) => {
    const at = n / 255 * (MAP.length - 1), low = Math.min(Math.floor(at), MAP.length - 2);
    return MAP[low].map((part, k) => Math.round(part + (at - low) * (MAP[low + 1][k] - part)));
  });
  const sheet = globalThis.document.createElement('canvas');

  /** A matrix (rows, columns) as an image in a box; value(row, column). */
  const image = (c, box, rows, columns, value, low, high) => {
    sheet.width = columns;
    sheet.height = rows;
    const drawn = sheet.getContext('2d'), pixels = drawn.createImageData(columns, rows);
    for (let r = 0, n = 0; r < rows; r++) {
      for (let k = 0; k < columns; k++, n += 4) {
        const level = Math.round(255 * Math.min(1, Math.max(0, (value(r, k) - low) / (high - low))));
        pixels.data.set(shade[level], n);
        pixels.data[n + 3] = 255;
      }
    }
    drawn.putImageData(pixels, 0, 0);
    c.imageSmoothingEnabled = false;
    c.drawImage(sheet, box.left, box.top, box.right - box.left, box.bottom - box.top);
    c.strokeStyle = GREY;
    c.lineWidth = 1;
    c.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  };

  /** What the colours stand for, at the top right: low and high in words. */
  const bar = (c, right, low, high) => {
    write(c, high, right, 14, { align: 'right' });
    const end = right - 5 - c.measureText(high).width;
    image(c, { left: end - 70, right: end, top: 4, bottom: 15 }, 1, 64, (_, k) => k, 0, 63);
    write(c, low, end - 75, 14, { align: 'right' });
  };

  /** Images in a grid of two columns: [{ title, rows, columns, value, low, high, below }]. */
  const images = (c, { width, height }, list, foot) => {
    const across = list.length > 1 ? 2 : 1, down = Math.ceil(list.length / across), wide = (width - 8) / across, high = (height - 22 - foot) / down;
    list.forEach(({ title, rows, columns, value, low, high: top }, n) => {
      const left = 4 + wide * (n % across), y = 22 + high * Math.floor(n / across);
      write(c, title, left, y + 13);
      image(c, { left, top: y + 18, right: left + wide - 10, bottom: y + high - 4 }, rows, columns, value, low, top);
    });
  };

  // ---- a plane that stays put ----

  /** What a wanted answer is counted as: sums of the adding task by fifths. */
  const kind = (task, y) => (task === 'adding' ? Math.floor(5 * y) : y);

  /** The means of the states (N, H) of each kind of answer: Map(kind: [mean, count]). */
  const means = (states, answers, H, task) => {
    const found = new Map();
    answers.forEach((y, n) => {
      const key = kind(task, y);
      if (!found.has(key)) found.set(key, [new Float64Array(H), 0]);
      const entry = found.get(key);
      for (let k = 0; k < H; k++) entry[0][k] += states[n * H + k];
      entry[1]++;
    });
    for (const [mean, count] of found.values()) for (let k = 0; k < H; k++) mean[k] /= count;
    return found;
  };

  /** The middle of the means. */
  const middle = (found) => {
    const rows = [...found.values()];
    return Float64Array.from({ length: rows[0][0].length }, (_, k) => sum(rows.map(([mean]) => mean[k])) / rows.length);
  };

  /**
   * Two directions of H numbers each to look along: the first two principal axes of the mean states of the kinds of answers after the last step.
   * Of states that are all alike, the first two units.
   */
  const plane = ({ states, answers }, N, H, task) => {
    const last = means(states.subarray(states.length - N * H), answers.subarray(answers.length - N), H, task), centre = middle(last), found = [];
    const rows = [...last.values()].map(([mean]) => mean.map((value, k) => value - centre[k]));
    for (let n = 0; n < 2; n++) {
      for (const row of rows) for (const e of found) { const a = along(row, e); for (let k = 0; k < H; k++) row[k] -= a * e[k]; }
      let axis = Float64Array.from(rows.reduce((a, b) => (along(b, b) > along(a, a) ? b : a)));
      if (!(along(axis, axis) > 1e-16)) axis = Float64Array.from({ length: H }, (_, k) => Number(k === n));
      for (let turn = 0; turn < 60; turn++) { // power iteration
        const next = new Float64Array(H);
        for (const row of rows) { const a = along(row, axis); for (let k = 0; k < H; k++) next[k] += a * row[k]; }
        const size = Math.sqrt(along(next, next));
        if (!(size > 1e-16)) break;
        axis = next.map((value) => value / size);
      }
      const size = Math.sqrt(along(axis, axis));
      found.push(size ? axis.map((value) => value / size) : axis);
    }
    return found;
  };

  // ---- the views ----

  const GATES = { r: 'reset gate r', z: 'update gate z', n: 'candidate n', i: 'input gate i', f: 'forget gate f', g: 'candidate g', o: 'output gate o', h: 'state h', c: 'cell c' };
  const LOOKS = [{ colour: BLUE }, { colour: RED, dash: [6, 4] }, { colour: GREEN, dash: [9, 3, 2, 3] }, { colour: INK, dash: [2, 3] }];

  const VIEWS = {
    loss: {
      parts: [],
      draw(c, { width, height }, { curve, steps, chance, settings: { task }, ranges }) {
        const middle = Math.round(height * 0.52), x = { low: 0, high: Math.max(10, steps), whole: true };
        const losses = curve.points((row) => row.loss / row.count), [low, high] = decades(ranges, 'loss', [chance.loss, ...losses.map(([, y]) => y)], [-1, 0]);
        const accuracies = curve.points((row) => row.accuracy / row.count), unit = task === 'adding' ? 'squared error' : 'nats';
        for (const [box, y, points, level, axis] of [
          [{ left: 48, top: 24, right: width - 10, bottom: middle - 10 }, { low, high, log: true, label: `loss (${unit})` }, losses, chance.loss, x],
          [{ left: 48, top: middle + 30, right: width - 10, bottom: height - 38 }, { low: 0, high: 1, label: 'accuracy' }, accuracies, chance.accuracy,
            { ...x, label: 'training step' }],
        ]) {
          const at = axes(c, box, axis, y);
          inside(c, box, () => {
            stroke(c, [at([0, level]), at([x.high, level])], { colour: RED, dash: [6, 4], width: 1.5 });
            stroke(c, points.map(at), { colour: BLUE, width: 1.5 });
          });
          keys(c, width - 10, box.top - 7, [['chance', { colour: RED, dash: [6, 4] }]]);
        }
        const last = losses.at(-1);
        const guess = `a guess without memory has the loss ${two(chance.loss)} and the accuracy ${two(chance.accuracy)}`;
        return last ? `Loss ${two(last[1])} and accuracy ${two(accuracies.at(-1)?.[1] ?? 0)} at step ${steps}; ${guess}.` : `No step yet; ${guess}.`;
      },
    },

    norm: {
      parts: [],
      draw(c, { width, height }, { curve, steps, settings: { clip }, ranges }) {
        const points = curve.points((row) => row.norm), limit = clip < Infinity, box = { left: 56, top: 24, right: width - 10, bottom: height - 38 };
        const [low, high] = decades(ranges, 'norm', [...points.map(([, y]) => y), ...(limit ? [clip] : [])], [-1, 1]);
        const x = { low: 0, high: Math.max(10, steps), whole: true, label: 'training step' };
        const at = axes(c, box, x, { low, high, log: true, label: 'norm, before clipping' });
        inside(c, box, () => {
          stroke(c, points.map(at), { colour: BLUE });
          if (limit) stroke(c, [at([0, clip]), at([x.high, clip])], { colour: RED, dash: [6, 4], width: 1.5 });
        });
        if (limit) keys(c, width - 10, 17, [['clipped above', { colour: RED, dash: [6, 4] }]]);
        if (!points.length) return 'The length of the gradient by all weights together, at each training step; no step yet.';
        return `At step ${steps} the gradient by all weights together is ${two(points.at(-1)[1])} long; the longest so far was ${two(Math.max(...points.map(([, y]) => y)))}. `
          + (limit ? `Longer ones are cut to ${two(clip)}.` : 'Nothing is clipped.');
      },
    },

    flow: {
      parts: ['flow'],
      draw(c, { width, height }, { measured: { flow }, ranges }) {
        const lines = Object.entries(flow), T = flow.h.length, box = { left: 56, top: 24, right: width - 10, bottom: height - 38 };
        const [low, high] = decades(ranges, 'flow', lines.flatMap(([, values]) => [...values]), [-2, 0]);
        const at = axes(c, box, { low: 1, high: Math.max(2, T), whole: true, label: 'step t of the sequence' }, { low, high, log: true, label: 'length of the gradient' });
        inside(c, box, () => lines.forEach(([, values], n) => stroke(c, [...values].map((value, t) => at([t + 1, value])), { width: 2, ...LOOKS[n] })));
        keys(c, width - 10, 17, lines.map(([name], n) => [`by ${name}`, LOOKS[n]]));
        const ratio = (first, last) => (first > 0 ? `, ${two(last / first)} times as long` : '');
        const told = lines.map(([name, all]) => `by ${name}: ${two(all[0])} at the first step, ${two(all[T - 1])} at the last${ratio(all[0], all[T - 1])}`);
        return `Mean length of the gradient of the loss, ${told.join('; ')}.`;
      },
    },

    eigenvalues: {
      parts: ['eigenvalues'],
      draw(c, { width, height }, { measured: { eigenvalues }, ranges }) {
        const blocks = Object.entries(eigenvalues), sizes = blocks.map(([, values]) => Math.max(...values.map(([a, b]) => Math.hypot(a, b))));
        const far = reach(ranges, 'eigenvalues', Math.max(1.2, 1.05 * Math.max(...sizes))), side = Math.min(width - 62, height - 62), left = 48 + (width - 58 - side) / 2;
        const box = { left, top: 24, right: left + side, bottom: 24 + side }, both = { low: -far, high: far };
        const at = axes(c, box, { ...both, label: 'real part' }, { ...both, label: 'imaginary part' });
        const [x0, y0] = at([0, 0]), unit = at([1, 0])[0] - x0;
        inside(c, box, () => {
          const MARKS = [
            (x, y) => c.arc(x, y, 3.5, 0, 2 * Math.PI), (x, y) => c.rect(x - 3, y - 3, 6, 6),
            (x, y) => { c.moveTo(x, y - 4); c.lineTo(x + 4, y + 3.5); c.lineTo(x - 4, y + 3.5); c.closePath(); },
            (x, y) => { c.moveTo(x - 3.5, y - 3.5); c.lineTo(x + 3.5, y + 3.5); c.moveTo(x + 3.5, y - 3.5); c.lineTo(x - 3.5, y + 3.5); },
          ];
          const mark = (n, x, y) => { c.beginPath(); MARKS[n](x, y); c.strokeStyle = LOOKS[n].colour; c.lineWidth = 1.5; c.stroke(); };
          blocks.forEach(([, values], n) => values.forEach((value) => mark(n, ...at(value))));
          c.beginPath();
          c.arc(x0, y0, unit, 0, 2 * Math.PI);
          c.strokeStyle = INK;
          c.lineWidth = 1;
          c.stroke();
          if (blocks.length > 1) blocks.forEach(([name], n) => { mark(n, box.left + 12, box.top + 14 + 16 * n); write(c, name, box.left + 22, box.top + 18 + 16 * n); });
        });
        const angle = (n) => { // of the largest, in degrees
          const [a, b] = blocks[n][1].find((value) => Math.hypot(...value) === sizes[n]);
          return Math.round(Math.abs(Math.atan2(b, a)) * 180 / Math.PI);
        };
        const told = blocks.map(([name], n) => `${blocks.length > 1 ? `${name} ` : ''}${fixed(sizes[n])}, at an angle of ${angle(n)}°`);
        return `The circle is of radius 1. The largest in size: ${told.join('; ')}.`;
      },
    },

    states: {
      parts: ['states', 'answers'],
      draw(c, { width, height }, { measured: { states, answers }, plane: { axes: seen, step: taken }, t, sign, settings: { task, N, H }, ranges }) {
        const T = answers.length / N, step = Math.min(t, T), wanted = answers.subarray((step - 1) * N, step * N), of = (s) => states.subarray((s - 1) * N * H, s * N * H);
        const project = (h, middle) => seen.map((axis) => along(h, axis) - along(middle, axis));
        const found = range(Math.min(TRAIL, step - 1) + 1, (back) => means(of(step - back), wanted, H, task)), middles = found.map(middle); // at step, and before
        const places = [...wanted].map((_, n) => project(of(step).subarray(n * H, (n + 1) * H), middles[0]));
        const trails = [...found[0].keys()].map((key) => [key, found.map((all, back) => project(all.get(key)[0], middles[back]))]);
        const far = reach(ranges, 'states', Math.max(0.1, 1.1 * most([...places, ...trails.flatMap(([, trail]) => trail)].flat())));
        const side = Math.min(width - 62, height - 62), left = 48 + (width - 58 - side) / 2;
        const box = { left, top: 24, right: left + side, bottom: 24 + side }, both = { low: -far, high: far };
        const at = axes(c, box, { ...both, label: 'along the first direction' }, { ...both, label: 'along the second' });
        const named = (key) => (task === 'adding' ? fixed(key / 5 + 0.1, 1) : sign(key));
        inside(c, box, () => {
          places.forEach((place, n) => write(c, task === 'adding' ? '·' : named(wanted[n]), at(place)[0], at(place)[1] + 4, { align: 'center', size: 11, fill: '#6a6a6a' }));
          for (const [, trail] of trails) stroke(c, trail.map(at), { colour: '#b0b0b0', dash: [4, 3] });
          for (const [key, [place]] of trails) {
            const [x, y] = at(place);
            c.beginPath();
            c.arc(x, y, 10, 0, 2 * Math.PI);
            c.fillStyle = '#fff';
            c.fill();
            c.strokeStyle = BLUE;
            c.lineWidth = 1.5;
            c.stroke();
            write(c, named(key), x, y + 4, { align: 'center', size: task === 'adding' ? 10 : 12, weight: 'bold' });
          }
        });
        return `After step ${step} of ${T}: small, the states of ${N} sequences, named by the answer that is wanted there; in circles, the mean of each answer, `
          + `with where it came from, seen from the middle of them all. The plane is that of step ${taken} of training; New plane finds the best one of now.`;
      },
    },

    gates: {
      parts: ['gates'],
      draw(c, box, { measured: { gates: seen }, settings: { H } }) {
        const list = Object.entries(seen), T = seen.h.length / H;
        const limit = Math.ceil(most(seen.c ?? [1])) || 1;
        bar(c, box.width - 14, 'low', 'high');
        images(c, box, list.map(([name, values]) => {
          const high = name === 'c' ? limit : 1, low = 'rzifo'.includes(name) ? 0 : -high;
          return { title: `${GATES[name]}, ${two(low)} to ${two(high)}`, rows: H, columns: T, value: (row, t) => values[t * H + row], low, high };
        }), 18);
        write(c, `across: step 1 to ${T} of the sequence; down: ${H} units`, box.width / 2, box.height - 5, { align: 'center' });
        return `One sequence, every unit and step. On average: ${Object.keys(seen).map((name) => `${GATES[name]} ${mean([...seen[name]])}`).join(', ')}.`;
      },
    },

    felt: {
      parts: ['felt'],
      draw(c, { width, height }, { measured: { felt, x }, sign }) {
        const T = felt.length, high = Math.max(...felt), left = 48, right = width - 10, bottom = height - 52, box = { left, top: 24, right, bottom };
        const at = axes(c, box, { low: 0.5, high: T + 0.5, bare: true }, { low: 0, high: 1, label: 'gradient of the last output by each input, largest 1' });
        const wide = (right - left) / T, numbers = x.length > T, read = (t) => (numbers ? (x[2 * t + 1] ? fixed(x[2 * t], 1) : '') : sign(x[t]));
        const foot = at([0, 0])[1];
        c.fillStyle = BLUE;
        felt.forEach((value, t) => { const [from, top] = at([t + 0.5, high ? value / high : 0]); c.fillRect(from + 0.1 * wide, top, 0.8 * wide, foot - top); });
        if (wide >= 7) for (let t = 0; t < T; t++) write(c, read(t), left + wide * (t + 0.5), bottom + 15, { align: 'center', size: Math.min(12, Math.max(9, wide)) });
        write(c, numbers ? 'step; where there is a number, it is marked' : `what is read, step 1 to ${T}`, (left + right) / 2, bottom + 34, { align: 'center' });
        const strongest = felt.indexOf(high);
        if (!high) return 'The last output feels none of the inputs: every gradient is 0.';
        return `The last output feels step ${strongest + 1}${read(strongest) ? ` (${read(strongest)})` : ''} most, with a gradient of ${two(high)}; `
          + `the first step has ${two(felt[0] / high)} of that, the last ${two(felt[T - 1] / high)}.`;
      },
    },

    weights: {
      parts: ['weights'],
      draw(c, box, { measured: { weights }, gates, settings: { H } }) {
        const { W_x, W_h, W_ph } = weights, D = W_x.length / gates.length / H, K = W_ph.length / H, high = most([most(W_x), most(W_h), most(W_ph)]) || 1;
        const [x, h] = gates.length > 1 ? ['W_x', 'W_h'] : ['W_hx', 'W_hh'];
        bar(c, box.width - 14, two(-high), two(high));
        const of = (title, values, rows, columns) => ({ title, rows, columns, value: (r, k) => values[r * columns + k], low: -high, high });
        images(c, box, [...gates.map((name, g) => of(`${h}${gates.length > 1 ? ` of ${name}` : ''}: ${H} x ${H}`, W_h.subarray(g * H * H, (g + 1) * H * H), H, H)),
          of(`${x}: ${gates.length * H} x ${D}`, W_x, gates.length * H, D), of(`W_ph: ${K} x ${H}`, W_ph, K, H)], 0);
        const sizes = Object.entries({ [x]: W_x, [h]: W_h, W_ph }).map(([name, W]) => [name, most(W)]);
        if (sizes.every(([, size]) => !size)) return 'All matrices are zero.';
        return `Each entry a cell; the largest is ${two(high)} in size: ${sizes.map(([name, size]) => `${name} up to ${two(size)}`).join(', ')}.`;
      },
    },
  };

  return { VIEWS, Curve, plane, two };
})();
