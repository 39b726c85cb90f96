// What the book's interactive figures share: a white card with a drawing, buttons, sliders and a text
// that says what is seen. No library, no network, no server.
//
// A figure is a custom element. A page loads this file and then the figure's own; a notebook's output
// carries both (rnnlib.interactive). What stands inside the element is the fallback: its images and
// everything of class "fallback" show where scripts do not run, the rest (a caption) always shows.
//
// A figure extends RnnFigure and gives
//   static title     the drawing's name for a screen reader
//   static sliders   { name: { label, min, max, step, value, show(value) } }; value may be a function of the figure;
//                    an attribute of the same name sets the starting value, as in <rnn-lstm-step f="1">;
//                    shows: { name, value } makes the label a switch, says: "..." is its name for a screen reader
//   static choices   optional: { name: { label, options: { value: "what it says" }, value } }
//   static presets   { "what the button says": { name: value, ... } or a function of the figure }
//   compute(s)       the numbers that follow from the sliders' values s, and nothing else
//   draw(v, width)   { height, svg }: the drawing as SVG text, a unit is a CSS pixel
//   describe(v)      what the drawing shows, in words
//   handles(v, width)  optional: [{ name, x, y, value(x) }], points of the drawing that can be dragged
// Seen from outside: element.values (settings and numbers), element.set({ name: value }).

globalThis.RnnFigure ??= (() => {
  const INK = '#1a1a1a', BLUE = '#0072B2', RED = '#D55E00', GREEN = '#009E73', GREY = '#767676';
  const WIDTH = 640, NARROW = 320; // the drawing at most and at least; on a narrower screen it shrinks
  const REACH = 28; // a handle is taken from as far away as this
  const PAUSE = 400; // milliseconds without a change before the text is said

  const KEYS = /^(Arrow.*|Page.*|Home|End|Enter| )$/; // the controls' own: no shortcut of the page around

  const STYLE = `
    :host { display: block; margin: 0.5rem 0; }
    .card { max-width: 42rem; margin: 0 auto; padding: 0.5rem; box-sizing: border-box; color-scheme: light;
      color: ${INK}; background: #fff; border: 1px solid #c8c8c8; border-radius: 0.3rem;
      font: 0.9375rem/1.4 system-ui, sans-serif; }
    svg { display: block; width: 100%; max-width: ${WIDTH}px; height: auto; margin: 0 auto; }
    .handle { cursor: ew-resize; }
    .says { min-height: 2.8em; margin: 0.25rem; }
    .presets { display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0.5rem 0.25rem; }
    button { min-height: 44px; padding: 0 0.9rem; font: inherit; color: ${INK}; background: #f2f2f2;
      border: 1px solid ${GREY}; border-radius: 0.3rem; cursor: pointer; }
    button:hover { background: #e2e2e2; }
    .sliders { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); column-gap: 1rem; margin: 0 0.25rem; }
    .row { display: grid; grid-template-columns: minmax(0, 7.5rem) minmax(0, 1fr) minmax(0, 4.2rem); overflow-wrap: anywhere; align-items: center; column-gap: 0.5rem; }
    input, select { width: 100%; min-width: 0; height: 44px; margin: 0; accent-color: ${BLUE}; cursor: pointer; }
    input[type=checkbox] { width: 1.1rem; margin-right: 0.4rem; }
    select { grid-column: 2 / -1; font: inherit; color: ${INK}; background: #fff; border: 1px solid ${GREY}; border-radius: 0.3rem; }
    .switch { display: flex; align-items: center; min-height: 44px; cursor: pointer; }
    .value { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
    :focus-visible { outline: 2px solid ${BLUE}; outline-offset: 1px; }
    ::slotted(.fallback) { display: none !important; }
    @media print { input, select, .presets { display: none; } .row { min-height: 0; } .card { break-inside: avoid; } }`;

  return class RnnFigure extends HTMLElement {
    static choices = {};
    static presets = {};

    connectedCallback() {
      if (this.shadowRoot) return; // moved within the page
      const { title, choices, sliders, presets } = this.constructor;
      const root = this.attachShadow({ mode: 'open' });
      root.innerHTML = `<style>${STYLE}</style><div class="card">
        <svg role="img" aria-labelledby="title" aria-describedby="desc" font-family="system-ui, sans-serif"
          font-size="13" fill="${INK}"><title id="title">${title}</title><desc id="desc"></desc><g></g></svg>
        <div class="presets" role="group" aria-label="typical settings"></div><div class="sliders"></div>
        <p class="says" aria-live="polite"></p></div><slot></slot>`; // last, for its height changes: nothing moves under a finger
      this.svg = root.querySelector('svg');
      this.says = root.querySelector('.says');
      this.inputs = {};
      for (const [name, choice] of Object.entries(choices)) this.inputs[name] = this.addChoice(name, choice);
      for (const [name, slider] of Object.entries(sliders)) this.inputs[name] = this.addSlider(name, slider);
      for (const [text, settings] of Object.entries(presets)) this.addButton(text, settings);
      if (!Object.keys(presets).length) root.querySelector('.presets').remove();
      if (this.handles) this.addDragging();
      this.setAttribute('data-lm-suppress-shortcuts', 'true'); // JupyterLab would take the sliders' keys
      root.addEventListener('keydown', (event) => { if (KEYS.test(event.key)) event.stopPropagation(); });
      const hide = () => this.querySelectorAll('img').forEach((image) => { image.style.display = 'none'; });
      hide();
      document.addEventListener('DOMContentLoaded', hide); // what the parser had not reached
      this.redraw();
      this.says.textContent = this.describe(this.values);
      new ResizeObserver(() => this.redraw()).observe(root.querySelector('.card'));
    }

    /** What stands in the attribute, or else where the figure says that it starts. */
    start(name, value) { return this.getAttribute(name) ?? (typeof value === 'function' ? value(this) : value); }

    addRow(html, label = 'label') {
      const row = document.createElement(label);
      row.className = 'row';
      row.innerHTML = html;
      this.shadowRoot.querySelector('.sliders').append(row);
      return row;
    }

    addChoice(name, { label, options, value }) {
      const listed = Object.entries(options).map(([key, text]) => `<option value="${key}">${text}</option>`);
      const row = this.addRow(`<span>${label}</span><select name="${name}">${listed.join('')}</select>`);
      const select = row.querySelector('select');
      select.value = this.start(name, value);
      select.addEventListener('change', () => this.set({ [name]: select.value }));
      return select;
    }

    addSlider(name, { label, says, min, max, step, value, shows }) {
      const title = shows ? `<label class="switch"><input type="checkbox" name="${shows.name}">${label}</label>` : `<span>${label}</span>`;
      const row = this.addRow(`${title}<input type="range" name="${name}" min="${min}" max="${max}" step="${step}">
        <span class="value" aria-hidden="true"></span>`, shows && 'div');
      const input = row.querySelector('input[type=range]');
      if (says) input.setAttribute('aria-label', says);
      if (shows) {
        const box = this.inputs[shows.name] = row.querySelector('input');
        box.checked = String(this.start(shows.name, shows.value)) === 'true';
        box.addEventListener('change', () => this.changed());
      }
      input.value = this.start(name, value);
      input.addEventListener('input', () => this.changed());
      return input;
    }

    addButton(text, settings) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = text;
      button.addEventListener('click', () => (typeof settings === 'function' ? settings(this) : this.set(settings)));
      this.shadowRoot.querySelector('.presets').append(button);
    }

    /** Drag what handles() names; up and down stays the page's own scrolling. */
    addDragging() {
      let held = null;
      const at = (event) => {
        const box = this.svg.getBoundingClientRect();
        const scale = this.width / box.width;
        return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      };
      const handles = () => this.handles(this.values, this.width);
      this.svg.style.touchAction = 'pan-y';
      this.svg.addEventListener('pointerdown', (event) => {
        const [x, y] = at(event);
        const far = (handle) => Math.hypot(handle.x - x, handle.y - y);
        const nearest = handles().reduce((a, b) => (far(b) < far(a) ? b : a));
        if (far(nearest) > REACH) return;
        held = nearest.name;
        this.svg.setPointerCapture(event.pointerId);
        event.preventDefault(); // no selection of the drawing's text
      });
      this.svg.addEventListener('pointermove', (event) => {
        if (held) this.set({ [held]: handles().find((handle) => handle.name === held).value(at(event)[0]) });
      });
      for (const end of ['pointerup', 'pointercancel']) this.svg.addEventListener(end, () => { held = null; });
    }

    /** Move sliders, which keep to their range and steps; set choices and switches. */
    set(settings) {
      for (const [name, value] of Object.entries(settings)) this.inputs[name][this.inputs[name].type === 'checkbox' ? 'checked' : 'value'] = value;
      this.changed();
    }

    /** The controls' values and the numbers that follow from them. */
    get values() {
      const settings = {};
      for (const [name, input] of Object.entries(this.inputs)) settings[name] = { range: input.valueAsNumber, checkbox: input.checked }[input.type] ?? input.value;
      return { ...settings, ...this.compute(settings) };
    }

    changed() {
      this.redraw();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => { this.says.textContent = this.describe(this.values); }, PAUSE);
    }

    redraw() {
      const values = this.values;
      for (const [name, { show }] of Object.entries(this.constructor.sliders)) {
        const text = show(values[name]);
        this.inputs[name].setAttribute('aria-valuetext', text);
        this.inputs[name].closest('.row').querySelector('.value').textContent = text;
      }
      const room = this.svg.getBoundingClientRect().width; // 0 while the figure is folded away
      this.width = Math.max(NARROW, Math.round(room || WIDTH));
      const { height, svg } = this.draw(values, this.width);
      this.svg.setAttribute('viewBox', `0 0 ${this.width} ${height}`);
      this.svg.querySelector('desc').textContent = this.describe(values);
      this.svg.querySelector('g').innerHTML = svg;
    }

    // ---- small helpers for draw() and describe() ---------------------------------------------------
    static INK = INK;
    static BLUE = BLUE;
    static RED = RED;
    static GREEN = GREEN;
    static GREY = GREY;

    /** A number with a fixed count of decimals and a real minus sign. */
    static fixed = (value, digits = 2) => {
      const text = value.toFixed(digits);
      return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
    };

    /** A coordinate: a hundredth of a pixel is enough. */
    static px = (value) => Number(value.toFixed(2));

    /** An italic symbol with a subscript, inside an SVG text. */
    static symbol = (letter, below = '') => `<tspan font-style="italic">${letter}</tspan>`
      + (below && `<tspan dy="3" font-size="10">${below}</tspan><tspan dy="-3">&#8203;</tspan>`);

    static text = (x, y, content, attributes = '') =>
      `<text x="${RnnFigure.px(x)}" y="${RnnFigure.px(y)}" ${attributes}>${content}</text>`;

    static line = (x1, y1, x2, y2, attributes = '') =>
      `<path d="M${[x1, y1, x2, y2].map(RnnFigure.px).join(' ')}" fill="none" ${attributes}/>`;

    /** A line through points [[x, y], ...]. */
    static through = (points, attributes = '') =>
      `<polyline points="${points.map((p) => p.map(RnnFigure.px).join()).join(' ')}" fill="none" ${attributes}/>`;
  };
})();
