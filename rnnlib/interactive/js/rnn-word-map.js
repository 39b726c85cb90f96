// A map of words: a word is looked for, the map is moved and zoomed, and beside the nearest words on the map stand the nearest
// in all dimensions of the embedding. Two numbers a word cannot keep them all: how many are kept is said.
//
// The words come before this script, from one that sets RnnWords.<name> to what rnnlib.interactive.word_data returns, the most frequent
// word first: in a notebook's output, or on a page as rnn-words-<name>.js (tools/page_words.py). <rnn-word-map words="name"> shows them.
// Without them the still drawing stays. Nothing here moves by itself, so there is no motion to reduce.

if (!customElements.get('rnn-word-map')) {
  const { INK, BLUE, RED, GREY, fixed, px, text, line } = RnnFigure;
  const NEAREST = 5;
  const MOST = 32; // the largest zoom
  const STEP = 1.5; // zoom of a button or a key
  const KEY = 40; // pixels that an arrow key moves
  const REACH = 22; // a word is taken from as far away as this
  const TAP = 6; // a pointer that moves less chooses a word
  const EDGE = 16; // pixels between the outermost words and the frame
  const LINE = 17; // height of a label
  const NEAR = '#5a8db0'; // a line to a word nearby; to one near in all dimensions it is red and dashed

  const STYLE = `
    .map { cursor: grab; }
    .sliders { row-gap: 0.3rem; margin-bottom: 0.5rem; }
    input[type=search] { grid-column: 2 / -1; box-sizing: border-box; padding: 0 0.6rem; font: inherit; color: ${INK}; background: #fff;
      border: 1px solid ${GREY}; border-radius: 0.3rem; cursor: text; }
    .problem { margin: 0.25rem; padding-left: 0.6rem; border-left: 4px solid ${RED}; }
    .problem:empty, .lists[hidden] { display: none; }
    .lists { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(9.5rem, 100%), 1fr)); gap: 0 0.75rem; margin: 0.5rem 0.25rem; }
    .lists div { display: grid; grid-template-rows: subgrid; grid-row: span 2; }
    .lists p { margin: 0 0 0.25rem; }
    .lists b { color: ${BLUE}; }
    .lists div + div b { color: ${RED}; }
    ol { list-style: none; margin: 0; padding: 0; }
    li button { display: flex; width: 100%; align-items: center; justify-content: space-between; gap: 0.5rem; margin-bottom: 0.2rem; padding: 0 0.6rem;
      text-align: left; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
    .both { font-weight: bold; border-width: 2px; border-color: ${INK}; }
    .hint { margin: 0.25rem; font-size: 0.8125rem; color: #4a4a4a; }
    @media print { .lists, .hint { display: none; } }`;
  const BELOW = `<p class="hint" id="keys">Drag to move; zoom with two fingers, or Ctrl and the wheel; press a word. By keyboard, on the map:
      arrows move, + and − zoom, Home shows all; Shift and an arrow goes to the next word that way, Page Down to the next in frequency.</p>
    <div class="lists" hidden>${['near', 'full'].map((name, n) => `<div><p id="${name}"><b aria-hidden="true">${'○◇'[n]}</b> <span></span></p>
      <ol aria-labelledby="${name}">${'<li><button type="button"><span></span> <span></span></button></li>'.repeat(NEAREST)}</ol></div>`).join('')}</div>`;

  const safe = (word) => word.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const short = (distance) => String(Number(distance.toPrecision(3)));
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const LETTERS = [[/[mMW@]/, 13], [/[w<>&%A-Z]/, 11], [/[fijlrt.,:;'!|-]/, 5.5], [/./, 8.4]]; // pixels in a wide typeface: the same map everywhere
  const widthOf = (word) => [...word].reduce((sum, letter) => sum + LETTERS.find(([own]) => own.test(letter))[1], 2);

  customElements.define('rnn-word-map', class extends RnnFigure {
    static title = 'A map of words';
    static choices = { map: { label: 'map' }, count: { label: 'words' } };
    static sliders = {};
    static presets = {
      'zoom +': (figure) => figure.zoom(STEP), 'zoom −': (figure) => figure.zoom(1 / STEP), 'whole map': (figure) => figure.set({ zoom: 1, x: 0, y: 0 }),
    };

    connectedCallback() {
      if (this.shadowRoot) return;
      this.data = globalThis.RnnWords?.[this.getAttribute('words')];
      if (!this.data) return; // the still drawing stays
      this.rank = new Map(this.data.words.map((word, n) => [word, n]));
      this.kept = {};
      super.connectedCallback();
      const root = this.shadowRoot, find = (selector) => root.querySelector(selector);
      root.append(Object.assign(document.createElement('style'), { textContent: STYLE }));
      for (const name of ['word', 'x', 'y', 'zoom']) this.inputs[name] = { value: name === 'word' ? '' : Number(name === 'zoom') };
      const options = this.data.words.map((word) => `<option value="${safe(word)}">`).join('');
      const row = this.addRow(`<span>find a word</span><input type="search" list="words" autocapitalize="off" autocomplete="off" spellcheck="false"
        aria-describedby="problem"><datalist id="words">${options}</datalist>`);
      this.field = row.querySelector('input');
      this.field.addEventListener('input', () => {
        const { value } = this.field;
        if (!value || this.rank.has(value)) this.set({ word: value });
      });
      this.field.addEventListener('keydown', (event) => {
        event.stopPropagation(); // a letter is no shortcut of the page around
        if (event.key === 'Enter') this.look(this.field.value.trim());
      });
      find('.sliders').prepend(row);
      find('.sliders').insertAdjacentHTML('beforeend', '<p class="problem" id="problem" role="status"></p>');
      find('.card').prepend(find('.sliders'));
      find('.presets').setAttribute('aria-label', 'the map');
      find('.presets').insertAdjacentHTML('afterend', BELOW);
      this.lists = find('.lists');
      for (const button of this.lists.querySelectorAll('button')) button.addEventListener('click', () => this.set({ word: button.firstChild.textContent }));
      this.addMoving();
      this.set({ word: this.start('word', '') });
    }

    addChoice(name, choice) {
      const options = name === 'map' ? Object.fromEntries(Object.keys(this.data.maps).map((map) => [safe(map), safe(map)]))
        : Object.fromEntries(Object.keys(this.data.neighbours).map((count) => [count, `${count} most frequent`]));
      return super.addChoice(name, { ...choice, options, value: Object.keys(name === 'map' ? this.data.maps : this.data.neighbours)[0] });
    }

    /** Where word n is on a map. */
    place(map, n) {
      const { unit, xy } = this.data.maps[map];
      return [unit * xy[2 * n], unit * xy[2 * n + 1]];
    }

    /** The words nearest to point (x, y) of a map but word n: [number, distance], nearest first. */
    near(map, count, [x, y], n, most = NEAREST) {
      const best = [];
      for (let m = 0; m < count; m++) {
        const [a, b] = this.place(map, m), distance = Math.hypot(a - x, b - y);
        if (m === n || best.length === most && distance >= best.at(-1)[1]) continue;
        best.push([m, distance]);
        best.sort((p, q) => p[1] - q[1]).splice(most);
      }
      return best;
    }

    /** The words nearest to word n in all dimensions: [number, cosine], nearest first. */
    full(count, n) {
      const { index, cosine } = this.data.neighbours[count];
      return Array.from({ length: NEAREST }, (_, k) => [index[NEAREST * n + k], cosine[NEAREST * n + k] / 100]);
    }

    /** How many of word n's nearest in all dimensions are among its nearest on the map. */
    same(map, count, n) {
      const full = this.full(count, n).map(([m]) => m);
      return this.near(map, count, this.place(map, n), n).filter(([m]) => full.includes(m)).length;
    }

    /** A word brings its place into the middle, and as many words as it needs; another map the place of the word there. */
    set(settings) {
      const old = Object.fromEntries(Object.entries(this.inputs).map(([name, { value }]) => [name, value]));
      const next = { ...old, ...settings };
      const n = this.rank.get(next.word) ?? Infinity;
      if (settings.word && n < Infinity) next.count = Object.keys(this.data.neighbours).find((count) => count > n && Number(count) >= next.count);
      if (n >= next.count) next.word = '';
      if (next.word && settings.word) next.zoom = Math.max(2, next.zoom);
      if (next.word && settings.word || settings.map) [next.x, next.y] = next.word ? this.place(next.map, n) : [0, 0];
      for (const name of ['x', 'y', 'zoom']) next[name] = settings[name] ?? next[name];
      const [wide, high] = this.reach(next.map);
      Object.assign(next, { x: within(next.x, -wide, wide), y: within(next.y, -high, high), zoom: within(next.zoom, 1, MOST) });
      if ('word' in settings || !next.word) {
        if (this.shadowRoot.activeElement !== this.field || next.word) this.field.value = next.word;
        this.tell('');
      }
      super.set(next);
    }

    /** The word that was typed, or else the most frequent one that begins so. */
    look(typed) {
      const { words } = this.data, low = typed.toLowerCase();
      const word = [typed, low].find((own) => this.rank.has(own)) ?? words.find((own) => own.toLowerCase().startsWith(low));
      if (!typed || word) return this.set({ word: typed && word });
      this.tell(`“${typed}” is none of the ${words.length} words of this map.`);
    }

    tell(problem) {
      this.shadowRoot.querySelector('.problem').textContent = problem;
      this.field.setAttribute('aria-invalid', Boolean(problem));
    }

    compute({ map, count, word }) {
      const n = this.rank.get(word) ?? -1, named = (list) => list.map(([m, value]) => [this.data.words[m], value]);
      const kept = this.kept[`${count} ${map}`] ??= [...Array(Number(count)).keys()].reduce((sum, m) => sum + this.same(map, count, m), 0) / count;
      if (n < 0) return { near: [], full: [], same: 0, kept };
      return { near: named(this.near(map, count, this.place(map, n), n)), full: named(this.full(count, n)), same: this.same(map, count, n), kept };
    }

    describe(v) {
      const listed = (list, show) => list.map(([word, value]) => `“${word}” ${show(value)}`).join(', ');
      const all = `in all ${this.data.dimensions} dimensions`;
      if (!v.word) {
        return `Map “${v.map}” of the ${v.count} most frequent words. Of the ${NEAREST} words nearest to a word ${all}, `
          + `${fixed(v.kept, 1)} are among its ${NEAREST} nearest on this map, on average.${this.sight(v)}`;
      }
      return `“${v.word}”, number ${this.rank.get(v.word) + 1} by frequency. Nearest on the map “${v.map}”, by distance: ${listed(v.near, short)}. `
        + `Nearest ${all}, by cosine: ${listed(v.full, (cosine) => fixed(cosine))}. ${v.same} of ${NEAREST} are the same; on average ${fixed(v.kept, 1)}.${this.sight(v)}`;
    }

    /** What a zoomed map shows. */
    sight(v) {
      if (!this.width || !(v.zoom > 1)) return '';
      const [[middle]] = this.near(v.map, v.count, [v.x, v.y], -1, 1);
      return ` In sight: ${this.visible(v).length} words, in the middle “${this.data.words[middle]}”.`;
    }

    /** How far a map goes from its middle, to the side and up. */
    reach(map) {
      const { unit, xy } = this.data.maps[map];
      return [0, 1].map((axis) => unit * Math.max(...xy.filter((_, n) => n % 2 === axis).map(Math.abs)));
    }

    /** From the map to pixels: (x, y) is in the middle, and k pixels are a unit of the map. */
    scale({ map, zoom, x, y }, width = this.width) {
      const height = width >= 560 ? 460 : width, middle = [width / 2, height / 2];
      const k = zoom * Math.min(...this.reach(map).map((far, axis) => (middle[axis] - EDGE) / far));
      return { k, height, middle, at: ([a, b]) => [middle[0] + k * (a - x), middle[1] - k * (b - y)] };
    }

    /** The numbers of the words in sight, and their pixels. */
    visible(v, width = this.width) {
      const { height, at } = this.scale(v, width);
      return [...Array(Number(v.count)).keys()].map((n) => [n, at(this.place(v.map, n))])
        .filter(([, [x, y]]) => x > 2 && x < width - 2 && y > 2 && y < height - 2);
    }

    draw(v, width) {
      const { height, at } = this.scale(v, width);
      const pixels = new Map(this.visible(v, width)), chosen = this.rank.get(v.word) ?? -1;
      const numbers = (list) => list.map(([word]) => this.rank.get(word));
      const near = numbers(v.near), full = numbers(v.full);
      const first = [...new Set([...(v.word ? [chosen] : []), ...near, ...full])]; // labelled before the others
      const around = ([x, y], r) => [x - r, x + r, y - r, y + r];
      const taken = first.filter((n) => pixels.has(n)).map((n) => around(pixels.get(n), 6));

      // a label stands right, left, above or below, if it covers no other
      let labels = '', dots = '';
      const inside = ([l, r, t, b]) => l >= 3 && r <= width - 3 && t >= 3 && b <= height - 3;
      const over = (box) => ([l, r, t, b]) => box[0] < r && box[1] > l && box[2] < b && box[3] > t;
      for (const n of [...first, ...pixels.keys()]) {
        if (!pixels.has(n)) continue;
        const [x, y] = pixels.get(n), word = this.data.words[n], own = n === chosen;
        pixels.delete(n); // done
        const wide = widthOf(word) * (own ? 1.12 : 1), gap = first.includes(n) ? 9 : 5;
        const places = [ // left, right, top, bottom, and where the text is tied to
          [x + gap, x + gap + wide, y - LINE / 2, y + LINE / 2, x + gap, 'start'], [x - gap - wide, x - gap, y - LINE / 2, y + LINE / 2, x - gap, 'end'],
          [x - wide / 2, x + wide / 2, y - gap - LINE, y - gap, x, 'middle'], [x - wide / 2, x + wide / 2, y + gap, y + gap + LINE, x, 'middle'],
        ].filter(inside);
        const covers = (place) => taken.filter(over(place)).length;
        const place = places.find((free) => !taken.some(over(free))) ?? (own && places.sort((a, b) => covers(a) - covers(b))[0]); // the chosen word always has one
        if (!first.includes(n)) dots += `M${px(x)} ${px(y)}h0`;
        if (!place) continue;
        taken.push(place, around([x, y], 3));
        labels += text(place[4], place[2] + 13, safe(word), `text-anchor="${place[5]}"${own ? ' font-weight="bold"' : ''}`);
      }

      const lines = (list, look) => list.map((n) => line(...at(this.place(v.map, chosen)), ...at(this.place(v.map, n)), look)).join('');
      const mark = (list, shape, look) => list.map((n) => `<path d="${shape}" transform="translate(${at(this.place(v.map, n)).map(px).join(' ')})" ${look}/>`).join('');
      const ring = 'M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z', diamond = 'M0-7l7 7-7 7-7-7z';
      const svg = `<svg class="map" width="${width}" height="${height}" overflow="hidden"><rect width="${width}" height="${height}" fill="#fff"/>`
        + `<path d="${dots}" stroke="${GREY}" stroke-width="5" stroke-linecap="round"/>`
        + lines(full, `stroke="${RED}" stroke-width="1.5" stroke-dasharray="6 4"`) + lines(near, `stroke="${NEAR}" stroke-width="2"`)
        + mark(full, diamond, `fill="#fff" stroke="${RED}" stroke-width="1.8"`) + mark(near, ring, `fill="#fff" fill-opacity="0.6" stroke="${BLUE}" stroke-width="1.8"`)
        + (v.word ? mark([chosen], ring, `fill="${INK}" stroke="#fff"`) : '')
        + `<g stroke="#fff" stroke-width="3" stroke-linejoin="round" paint-order="stroke">${labels}</g></svg>`
        + `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" fill="none" stroke="${GREY}"/>`;
      return { height, svg };
    }

    redraw() {
      if (!this.lists) return;
      super.redraw();
      const v = this.values;
      this.svg.style.touchAction = v.zoom > 1 ? 'none' : 'pan-y'; // the whole map lets one finger scroll the page
      this.lists.hidden = !v.word;
      if (!v.word) return;
      const show = (name, title, list, tell, other) => {
        const [head, { children }] = this.shadowRoot.getElementById(name).parentNode.children;
        head.lastChild.textContent = title;
        list.forEach(([word, value], n) => {
          const [button] = children[n].children;
          button.firstChild.textContent = word;
          button.lastChild.textContent = tell(value);
          button.classList.toggle('both', other.some(([own]) => own === word));
        });
      };
      show('near', 'nearest on the map (distance)', v.near, short, v.full);
      show('full', `nearest in all ${this.data.dimensions} dimensions (cosine)`, v.full, (cosine) => fixed(cosine), v.near);
    }

    /** Zoom by a factor and move, so that what was at one point of the drawing is then at the other. */
    zoom(factor, from = this.scale(this.values).middle, to = from) {
      const { x, y, zoom } = this.values, { k, middle } = this.scale(this.values);
      const next = within(zoom * factor, 1, MOST), grown = k * next / zoom;
      const shift = (axis) => (from[axis] - middle[axis]) / k - (to[axis] - middle[axis]) / grown;
      this.set({ zoom: next, x: x + shift(0), y: y - shift(1) });
    }

    /** To the next word to the right or left, up or down. */
    walk(right, up) {
      const { map, count, word, x, y } = this.values, { words } = this.data;
      const from = word ? this.place(map, this.rank.get(word)) : [x, y];
      const ahead = ([n]) => {
        const [dx, dy] = this.place(map, n).map((value, axis) => value - from[axis]);
        return !word || right * dx + up * dy > Math.abs(up * dx) + Math.abs(right * dy);
      };
      const next = this.near(map, count, from, this.rank.get(word), count).find(ahead);
      if (next) this.set({ word: words[next[0]] });
    }

    addMoving() {
      const { svg } = this, held = new Map();
      let moved = 0;
      svg.setAttribute('role', 'application');
      svg.setAttribute('aria-describedby', 'desc keys');
      svg.querySelector('g').setAttribute('aria-hidden', 'true');
      svg.tabIndex = 0;
      svg.style.userSelect = 'none';
      const at = (event) => {
        const box = svg.getBoundingClientRect(), grow = this.width / box.width;
        return [(event.clientX - box.left) * grow, (event.clientY - box.top) * grow];
      };
      const fingers = () => {
        const [a, b = a] = held.values();
        return { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], apart: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1 };
      };
      svg.addEventListener('pointerdown', (event) => {
        if (event.button) return;
        moved = held.size ? Infinity : 0;
        held.set(event.pointerId, at(event));
        svg.setPointerCapture(event.pointerId);
      });
      svg.addEventListener('pointermove', (event) => {
        if (!held.has(event.pointerId)) return;
        const before = fingers();
        held.set(event.pointerId, at(event));
        const { middle, apart } = fingers();
        moved += Math.hypot(middle[0] - before.middle[0], middle[1] - before.middle[1]);
        if (moved > TAP) this.zoom(apart / before.apart, before.middle, middle);
      });
      for (const end of ['pointerup', 'pointercancel']) {
        svg.addEventListener(end, (event) => {
          if (!held.delete(event.pointerId) || end === 'pointercancel' || moved > TAP) return;
          const [x, y] = at(event), { zoom, x: a, y: b } = this.values; // chosen where it is
          const far = ([, p]) => Math.hypot(p[0] - x, p[1] - y);
          const nearest = this.visible(this.values).reduce((p, q) => (far(q) < far(p) ? q : p), [-1, [Infinity, 0]]);
          if (far(nearest) <= REACH) this.set({ word: this.data.words[nearest[0]], zoom, x: a, y: b });
        });
      }
      svg.addEventListener('wheel', (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
        event.preventDefault();
        this.zoom(2 ** (-within(event.deltaY, -50, 50) / 50), at(event));
      }, { passive: false });
      svg.addEventListener('keydown', (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const { key, shiftKey } = event, { middle: [x, y] } = this.scale(this.values);
        const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key] ?? [];
        const next = { PageDown: 1, PageUp: -1 }[key], n = this.rank.get(this.values.word) ?? -1;
        if (up !== undefined && shiftKey) this.walk(right, up);
        else if (up !== undefined) this.zoom(1, [x, y], [x - KEY * right, y + KEY * up]);
        else if (next) this.set({ word: this.data.words[within(n + next, 0, this.values.count - 1)] });
        else if (key === '+' || key === '=') this.zoom(STEP);
        else if (key === '-') this.zoom(1 / STEP);
        else if (key === 'Home') this.set({ zoom: 1, x: 0, y: 0 });
        else return;
        event.preventDefault(); // no scrolling
        event.stopPropagation();
      });
    }
  });
}
