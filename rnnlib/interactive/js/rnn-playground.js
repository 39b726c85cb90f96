// The playground: the reader trains an RNN, a GRU or an LSTM in the page by back-propagation through time, and watches memory form.
// <rnn-playground>...</rnn-playground>; what stands inside is shown until the playground is loaded. rnn-figure.js comes before.
//
// A button loads what it needs: the engine (rnn-playground-product.js, -engine.js), what is seen (-views.js) and the trainer (-worker.js),
// which runs in a worker or, where a page may have none, in the page in short slices.
// <rnn-playground id="playground" story="the wheel"> has that story's settings once it is loaded.
// All settings stand in the page's address, #playground?task=palindrome&T=10.., or a story, #playground?story=the+wheel:
// such a link loads the playground, and does not start it.
// Seen from outside: element.load(), set({ name: value }), train(), pause(), step(), reset(), and steps, curve, snapshot.

if (!customElements.get('rnn-playground')) {
  const { INK, BLUE, RED, GREY } = RnnFigure;
  const HOME = document.currentScript?.src || document.baseURI;
  const FILES = ['product', 'engine', 'views', 'worker'];
  const KB = 75; // of these four
  const SLICE = 8; // milliseconds of training at once, where the page itself trains
  const TOLD = 12000, SLOW = 2000, FAST = 50; // milliseconds between spoken lines, and between drawings: with reduced motion, and without
  const LATER = 400; // milliseconds until a change stands in the address
  const HIGH = 340; // of a view, in CSS pixels
  const BESIDE = 620; // a card this wide shows two views
  const LARGEST = 1e6; // T x N x H
  const LETTERS = 2000; // of one's own text, which stands in the address
  const LONG = 60; // so much of what somebody typed, or of a strange address, is said
  const VIEW_NAMES = {
    loss: 'loss and accuracy', flow: 'gradient back through time', eigenvalues: 'eigenvalues of the recurrent matrix', states: 'states in a plane', gates: 'gates of one sequence',
    felt: 'which inputs are still felt', weights: 'weights as an image', norm: 'length of the whole gradient',
  };

  // ---- settings: name: label, and how what is typed becomes a number ----

  const FIELDS = {
    T: { label: 'length <i>T</i>', value: 10, most: 200 },
    H: { label: 'units <i>H</i>', value: 32, most: 128 },
    forgetBias: { label: 'forget bias', value: '', none: null, says: 'empty: as the initialisation gives it' },
    lr: { label: 'learning rate <i>η</i>', value: 0.003 },
    momentum: { label: 'momentum <i>μ</i>', value: 0.9 },
    clip: { label: 'clip norm at', value: 1, none: Infinity, says: 'empty: no clipping' },
    truncation: { label: 'truncate after', value: '', none: Infinity, says: 'steps; empty: not at all' },
    N: { label: 'batch size <i>N</i>', value: 64, most: 256 },
    seed: { label: 'seed', value: 0 },
  };
  const same = (...names) => Object.fromEntries(names.map((name) => [name, name]));
  const CHOICES = {
    task: { label: 'task', options: { ...same('palindrome', 'adding', 'copying', 'parity'), text: 'your own text' }, value: 'palindrome' },
    cell: { label: 'cell', options: same('RNN', 'GRU', 'LSTM'), value: 'RNN' },
    start: { label: 'initialisation', options: { ...same('uniform'), xavier: 'Xavier', ...same('orthogonal', 'identity', 'chrono', 'zero') }, value: 'orthogonal' },
    method: { label: 'optimizer', options: same('SGD', 'momentum', 'Nesterov', 'Adagrad', 'Adadelta', 'RMSprop', 'Adam'), value: 'Adam' },
  };
  const SAYS = { // of what is chosen
    palindrome: 'read: the first T − 1 digits of a palindrome; asked: the last, which is the first',
    adding: 'read: T numbers, two of them marked; asked: the sum of the two',
    copying: 'read: ten symbols, T blanks, a sign; asked: the ten symbols',
    parity: 'read: T bits; asked: whether the ones are odd in number',
    text: 'asked, at every step: the next character',
    uniform: 'every weight drawn alike, as torch does',
    xavier: 'recurrent matrices drawn with the variance 1 / H',
    orthogonal: 'no recurrent matrix changes a length',
    identity: 'recurrent matrices hand each unit on to itself',
    chrono: 'recurrent matrices orthogonal, gates set to remember T steps',
    zero: 'every weight 0',
  };
  const TEXT = ['', 'malt that lay in', 'rat that ate', 'cat that killed', 'dog that worried', 'cow with the crumpled horn that tossed', 'maiden all forlorn that milked']
    .map((_, n, all) => `This is the ${all.slice(1, n + 1).reverse().map((line) => `${line} the `).join('')}house that Jack built.`).join(' '); // a rhyme of the eighteenth century
  const SETTINGS = ['task', 'T', 'text', 'cell', 'H', 'start', 'forgetBias', 'method', 'lr', 'momentum', 'clip', 'truncation', 'N', 'seed']; // as they stand in the address
  const ENGINE = { settings: 'lr', T_max: 'T' }; // the engine's names that are no control's
  const usual = { ...Object.fromEntries(Object.entries({ ...CHOICES, ...FIELDS }).map(([name, { value }]) => [name, value])), text: TEXT };

  // ---- stories: what is set, what is shown, what to look at, what it does not show; tests/browser/playground_stories.mjs measures what they say ----

  const STORIES = {
    'the wheel': {
      settings: { T: 10, cell: 'RNN', H: 64, start: 'uniform', lr: 0.002 }, views: ['states', 'eigenvalues'],
      says: ['Once nearly all answers are right, after 110 to 510 steps with seeds 0 to 2, pause and press New plane: the means of the ten first digits stand around a ring; '
        + 'move t, the step of the sequence, and it turns by about the angle of the eigenvalues that are farthest outside the circle. '
        + 'It does not show that every network finds a wheel: with seed 1 two pairs of eigenvalues share the work, and from an orthogonal start there are many.'],
    },
    'the RNN that forgets': {
      settings: { T: 20, cell: 'RNN', H: 64, start: 'uniform', lr: 0.001 }, other: { start: 'orthogonal' },
      button: ['Its orthogonal twin', 'From the uniform start again'], views: ['loss', 'flow'],
      says: ['Look at the gradient before training (Reset brings it back): by the first state it is 11,000 to 34,000 times shorter than by the last; '
        + 'after 1,000 steps seeds 1 and 2 are still at chance and seed 0 at about 20 %. '
        + 'It does not show that such a start never learns: it shows a thousand steps, at one rate.',
      'The same network from an orthogonal start: before training the gradient loses less than half of its length on the way back, '
        + 'and seeds 0 to 2 have nearly all answers right after 110 to 140 steps. '
        + 'It does not show that orthogonal is best for every task, nor that the matrix stays orthogonal.'],
    },
    'forget bias 0 and 1': {
      settings: { T: 20, cell: 'LSTM', start: 'orthogonal', forgetBias: 0, lr: 0.003 }, other: { forgetBias: 1 },
      button: ['With bias 1', 'With bias 0'], views: ['loss', 'flow'],
      says: ['Forget gates near one half: before training (Reset brings it back) the gradient by c loses a factor of 430 to 530 over 19 steps of the sequence; '
        + 'after 500 steps seeds 0 to 2 and 4 are at chance, and seeds 3 and 5 no longer. It does not show that bias 0 never works: '
        + 'over 10 digits seeds 0 to 2 have nearly all answers right after 180 to 270 steps, with bias 1 after 130 to 160.',
      'Forget gates near 0.73: the factor is about 4, and seeds 0 to 2 have nearly all answers right after 250 to 450 steps. '
        + 'It does not show that bias 1 is enough for longer sequences: what a gate keeps falls with every step.'],
    },
    'a run that explodes': {
      settings: { T: 20, cell: 'RNN', H: 64, start: 'orthogonal', method: 'SGD', lr: 0.5, clip: '' }, other: { clip: 1 },
      button: ['Clipped at 1', 'Without clipping'], views: ['loss', 'norm'],
      says: ['Within 50 steps the loss is far above chance, on average 5 to 10 instead of 2.3, and stays there with seeds 0 to 2: '
        + 'look at the length of the gradient, which goes beyond 30; with rate 0.5 a step is half as long. '
        + 'It does not show a number that overflows, for tanh is bounded: the weights are only thrown to where little is learned, '
        + 'and after 500 steps at most 22 % of the answers are right.',
      'The same, but gradients that are longer than 1 are cut to that length: seeds 1 and 2 have nearly all answers right after 120 to 160 steps, '
        + 'and seed 0 after 190 or not within 500, as a device rounds its numbers. '
        + 'It does not show that gradients stay short: the longest of each run are 11 to 220 before they are cut.'],
    },
    'zeros stay zeros': {
      settings: { T: 10, cell: 'LSTM', start: 'zero', lr: 0.01 }, views: ['loss', 'weights'],
      says: ['All weights start at zero: look at the matrices, which stay zero at every step, and at the loss, which stays at chance; '
        + 'only the bias of the readout moves, which is not drawn. '
        + 'It does not show equal weights that are not zero: those change, but all units alike.'],
    },
    'too small a rate behind chrono': {
      settings: { T: 20, cell: 'LSTM', start: 'chrono', lr: 0.0003 }, other: { lr: 0.01 }, button: ['With rate 0.01', 'With rate 0.0003'], views: ['loss', 'gates'],
      says: ['Chrono opens the forget gates and closes the input gates, on average 0.87 and 0.13, so little is written at first: '
        + 'after 400 steps the loss of seeds 0 to 2 is still 2.3, as by chance, and after 600 they have about 20 % right. '
        + 'It does not show a network that cannot learn, but one that has hardly begun; the loss alone would not tell you which.',
      'The same start with a rate 33 times as large: seeds 0 to 2 have nearly all answers right after 170 to 260 steps. '
        + 'It does not show the best rate: 0.1 gets there after 90 to 200.'],
    },
  };

  const STYLE = `
    .card { max-width: 64rem; }
    .load, .go { color: #fff; background: ${BLUE}; border-color: ${BLUE}; }
    :is(.load, .go):hover { background: #005a8c; }
    button:disabled { color: #6a6a6a; background: #f2f2f2; border-color: #c8c8c8; }
    :is(input:not([type=range], [type=checkbox]), textarea) { box-sizing: border-box; width: 100%; min-width: 0; padding: 0.4rem 0.6rem; font: inherit; color: ${INK};
      background: #fff; border: 1px solid ${GREY}; border-radius: 0.3rem; grid-column: 2 / -1; cursor: text; }
    .row :disabled { color: #6a6a6a; background: #f2f2f2; border-color: #c8c8c8; cursor: default; }
    [aria-invalid=true] { border: 2px solid ${RED}; }
    textarea { height: 5rem; resize: vertical; }
    .sliders { grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); }
    .row { grid-template-columns: minmax(0, 7rem) minmax(0, 1fr); margin-bottom: 0.3rem; }
    .sliders .row { align-self: start; }
    .row.wide { grid-column: 1 / -1; }
    .row small { grid-column: 2; color: #595959; font-size: 0.8125rem; }
    .note { margin: 0.25rem; overflow-wrap: anywhere; }
    .row .note { grid-column: 1 / -1; }
    .note:empty { display: none; }
    .bad { padding-left: 0.6rem; border-left: 4px solid ${RED}; }
    .story { margin: 0.5rem 0.25rem; padding-left: 0.6rem; border-left: 4px solid ${BLUE}; max-width: 42rem; }
    .story:empty { display: none; }
    .change { margin: 0 0.25rem 0.5rem; font-size: 0.875rem; }
    .numbers { margin: 0.25rem; font-variant-numeric: tabular-nums; min-height: 1.4em; }
    .views { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 1rem; margin: 0.25rem; }
    .views[data-count="2"] { grid-template-columns: repeat(2, minmax(0, 1fr)); }
    figure { margin: 0; min-width: 0; }
    canvas { display: block; width: 100%; height: ${HIGH}px; }
    figcaption { min-height: 4.2em; font-size: 0.875rem; }
    .plane { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1rem; margin: 0 0.25rem; }
    .plane .row { flex: 1 1 14rem; grid-template-columns: 4rem minmax(0, 1fr) 2rem; }
    summary { min-height: 44px; display: flex; align-items: center; cursor: pointer; margin: 0 0.25rem; font-weight: bold; }
    summary::before { content: '▸'; margin-right: 0.4rem; }
    [open] > summary::before { content: '▾'; }
    [hidden] { display: none !important; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    :host(:not([loaded])) .loaded { display: none; }
    :host(:not([loaded])) ::slotted(.fallback) { display: block !important; }
    @media print { .load, details, .plane, textarea, .views .row { display: none; } figure, .story { break-inside: avoid; } }`;
  const BODY = `<button type="button" class="load"></button><p class="note status" role="status"></p>
    <div class="loaded"><p class="story" aria-live="polite"></p>
    <div class="presets run" role="group" aria-label="training"><button type="button" class="go">Start</button><button type="button" class="one">One step</button>
      <button type="button" class="reset">Reset</button><button type="button" class="link">Copy link</button><button type="button" class="twin" hidden></button></div>
    <p class="numbers"></p><p class="hidden heard" aria-live="polite"></p>
    <div class="views">${['left', 'right'].map((side) => `<figure class="${side}"><canvas role="img" aria-labelledby="${side}-name" aria-describedby="${side}-says"></canvas>
      <span class="hidden" id="${side}-name"></span><figcaption id="${side}-says"></figcaption></figure>`).join('')}</div>
    <div class="plane"><label class="row"><span>step <i>t</i></span><input type="range" name="t" min="1" max="1" step="1"><span class="value" aria-hidden="true"></span></label>
      <button type="button" class="turn">New plane</button></div>
    <details class="details"><summary>Settings</summary><p class="change">A change begins a new network.
      The same settings give the same run again; another device may round otherwise, and a run then takes another way.</p></details></div>`;
  const BEGIN = 'Press Start: a network learns to say which digit it read first, after it has read them all. Or choose a story above; each sets everything and runs.';
  const brief = (text) => (text.length > LONG ? `${text.slice(0, LONG)}…` : text);

  const percent = (p) => `${RnnFigure.fixed(100 * p, p < 0.0995 ? 1 : 0)}\u00a0%`;

  const script = (name) => new Promise((done, failed) => {
    const element = document.createElement('script');
    element.src = new URL(`rnn-playground-${name}.js`, HOME);
    element.onload = done;
    element.onerror = () => { element.remove(); failed(new Error(`tried ${element.src}. Nothing came.`)); };
    document.head.append(element);
  });

  customElements.define('rnn-playground', class extends RnnFigure {
    static title = 'A playground that trains recurrent networks';
    static sliders = {};
    static choices = { ...CHOICES, left: { label: 'view', options: VIEW_NAMES, value: 'loss' }, right: { label: 'second view', options: VIEW_NAMES, value: 'eigenvalues' } };
    static stories = STORIES;
    static usual = usual;
    static presets = Object.fromEntries(Object.keys(STORIES).map((name) => [name, (playground) => playground.tell(name)]));

    connectedCallback() {
      if (this.shadowRoot) return;
      Object.assign(this, { run: 0, steps: 0, running: false, problems: {}, snapshot: null, ranges: {}, said: 0, drawn: 0, seen: false });
      super.connectedCallback();
      const root = this.shadowRoot, find = (selector) => root.querySelector(selector), style = document.createElement('style');
      style.textContent = STYLE;
      root.append(style);
      this.svg.remove();
      this.says.remove();
      const stories = find('.presets');
      stories.setAttribute('aria-label', 'stories');
      find('.card').insertAdjacentHTML('afterbegin', BODY);
      find('.loaded').prepend(stories);
      find('details').append(find('.sliders'));
      find('.status').after(find('slot')); // the still picture, where the views will be
      for (const name of ['loader=load', 'status', 'heard', 'numbers', 'story', 'twin', 'go', 'one', 'settings=details']) {
        const [own, part = own] = name.split('=');
        this[own] = find(`.${part}`);
      }
      this.furnish(find);
      this.story.textContent = BEGIN;
      this.loader.textContent = `Load the playground (${KB} kB)`;
      this.loader.addEventListener('click', () => this.load());
      for (const [part, act] of [['go', () => (this.running ? this.pause() : this.train())], ['one', () => this.step()], ['reset', () => this.reset()], ['link', () => this.copy()],
        ['turn', () => this.turn()], ['twin', () => this.tell(...this.other)]]) find(`.${part}`).addEventListener('click', act);
      this.still = matchMedia('(prefers-reduced-motion: reduce)');
      new IntersectionObserver((entries) => { this.seen = entries.at(-1).isIntersecting; this.show(); }).observe(find('.views'));
      document.addEventListener('visibilitychange', () => this.show());
      addEventListener('hashchange', () => { if (this.follow()) this.go.focus({ preventScroll: true }); });
      const sizes = new ResizeObserver(() => this.paint()); // a canvas is stretched until it is drawn anew
      for (const side of ['left', 'right']) sizes.observe(this[side].canvas);
      document.addEventListener('DOMContentLoaded', () => this.redraw()); // what the parser had not reached
      this.redraw();
      this.follow();
    }

    disconnectedCallback() { this.pause(); }

    compute() { return {}; } // the numbers come from the trainer

    describe() { return ''; }

    /** The controls, in their order, each with a place for what is wrong with it. */
    furnish(find) {
      for (const [name, { label, value, says }] of Object.entries(FIELDS)) {
        const keys = name === 'forgetBias' ? 'text' : 'decimal'; // a phone's keys for numbers may have no minus
        const row = this.addRow(`<span>${label}</span><input type="text" name="${name}" inputmode="${keys}" autocomplete="off" spellcheck="false">`
          + (says ? `<small id="says-${name}">${says}</small>` : ''));
        this.inputs[name] = row.querySelector('input');
        this.inputs[name].value = value;
      }
      const row = this.addRow(`<span>your text</span><textarea name="text" maxlength="${LETTERS}" spellcheck="false"></textarea>`);
      row.classList.add('wide');
      this.inputs.text = row.querySelector('textarea');
      this.inputs.text.value = TEXT;
      for (const name of SETTINGS) {
        const input = this.inputs[name], own = input.closest('.row');
        find('.sliders').append(own);
        if (name === 'task' || name === 'start') own.insertAdjacentHTML('beforeend', `<small id="says-${name}"></small>`);
        own.insertAdjacentHTML('beforeend', `<p class="note" id="wrong-${name}"></p>`);
        input.setAttribute('aria-describedby', ['says', 'wrong'].map((kind) => `${kind}-${name}`).filter((id) => this.shadowRoot.getElementById(id)).join(' '));
        if (input.localName !== 'select') input.addEventListener('change', () => this.set({}));
      }
      for (const side of ['left', 'right']) {
        const figure = find(`figure.${side}`);
        figure.prepend(this.inputs[side].closest('.row'));
        this[side] = { figure, canvas: figure.querySelector('canvas'), name: figure.querySelector('span.hidden'), caption: figure.querySelector('figcaption') };
      }
      this.at = find('[name=t]');
      this.at.addEventListener('input', () => this.paint());
    }

    // ---- loading, and the trainer ----

    async load() {
      if (this.loading || this.post) return;
      this.loading = true;
      this.report(`Loading ${KB} kB …`);
      try {
        for (const name of FILES) await script(name);
        await this.employ();
        const focused = this.shadowRoot.activeElement === this.loader;
        this.toggleAttribute('loaded', true);
        this.loader.hidden = true;
        this.report(this.strange ?? '', Boolean(this.strange));
        if (focused) this.go.focus();
        this.redraw();
        this.settings.open = this.beside; // a phone shows the views first
        const story = this.linked ?? this.getAttribute('story');
        if (Object.hasOwn(STORIES, story)) this.tell(story, { run: false });
        else this.renew();
      } catch (error) {
        this.report(`The playground could not be loaded: ${error.message} What still works: the rest of the page, and the notebooks.`, true);
      }
      this.loading = false;
    }

    /** A worker, or the same code in the page where there may be none. */
    async employ() {
      try {
        const worker = globalThis.RnnWorker();
        await new Promise((done, failed) => {
          worker.onerror = (event) => { event.preventDefault(); failed(new Error('no worker')); };
          worker.onmessage = done; // it refuses this, so it is there
          worker.postMessage({ type: 'start' });
        });
        worker.onmessage = ({ data }) => this.hear(data);
        worker.onerror = ({ message }) => this.report(`The worker that trains has failed: ${message}`, true);
        this.post = (message) => worker.postMessage(message);
      } catch {
        this.post = globalThis.RnnTrainer((message) => queueMicrotask(() => this.hear(message)), SLICE);
        this.toggleAttribute('inpage', true);
      }
    }

    report(text, bad = false) {
      this.status.textContent = text;
      this.status.classList.toggle('bad', bad);
    }

    // ---- settings ----

    /** A control that has nothing to say with the others as they are. */
    idle(name) {
      const { task, cell, method } = this.inputs;
      const used = { text: task.value === 'text', forgetBias: cell.value === 'LSTM', momentum: ['momentum', 'Nesterov'].includes(method.value) };
      return used[name] === false;
    }

    /** What the engine takes. Errors are RangeErrors as the engine's own, which name the setting first. */
    get chosen() {
      const given = Object.fromEntries(Object.keys(CHOICES).map((name) => [name, this.inputs[name].value]));
      for (const [name, { none, most = Infinity }] of Object.entries(FIELDS)) {
        if (this.idle(name)) continue;
        const typed = this.inputs[name].value.trim().replace('−', '-').replace(',', '.'), number = typed ? Number(typed) : none === undefined ? NaN : none;
        if (Number.isNaN(number) || (number === Infinity && typed)) throw new RangeError(`${name} must be a number, got ${brief(typed) || 'nothing'}`);
        if (number > most) throw new RangeError(`${name} must be at most ${most}, got ${brief(typed)}`);
        given[name] = number;
      }
      const text = given.task === 'text' ? this.inputs.text.value : '';
      if (text.length > LETTERS) throw new RangeError(`text must be at most ${LETTERS} characters long, got ${text.length}`);
      const { lr, momentum, forgetBias = null, ...rest } = given, size = given.T * given.N * given.H;
      if (size > LARGEST) throw new RangeError(`T must be smaller, or N or H: T x N x H is at most ${LARGEST}, got ${size}`);
      return { ...rest, forgetBias, settings: { lr, ...(momentum !== undefined && { momentum }) }, text };
    }

    /** Takes settings by the names of the controls, and begins a new network if one of its settings is among them. */
    set(settings) {
      const views = Object.keys(settings).length && Object.keys(settings).every((name) => name === 'left' || name === 'right');
      for (const [name, value] of Object.entries(settings)) this.inputs[name].value = value;
      if (views) this.show();
      else {
        this.story.textContent = '';
        this.twin.hidden = true;
        this.report('');
        this.renew();
      }
      this.redraw();
      clearTimeout(this.writing);
      this.writing = setTimeout(() => history.replaceState(history.state, '', this.link), LATER);
    }

    /** A new network of these settings, paused; or a sentence that says which of them does not fit. */
    renew() {
      this.wrong(null);
      if (!this.post) return;
      try {
        const settings = this.chosen;
        this.wanted = String(this.parts);
        this.post({ type: 'configure', settings, show: this.parts });
      } catch (error) { this.wrong(error.message); }
    }

    /** Says beside the control what is wrong with it, or of none that nothing is. */
    wrong(message) {
      const [, word, rest] = message?.match(/^(\w+) (.*)$/s) ?? [], name = ENGINE[word] ?? word, known = name in this.inputs;
      for (const own of SETTINGS) {
        const note = this.shadowRoot.getElementById(`wrong-${own}`), bad = known && own === name, label = note.closest('.row').querySelector('span').textContent;
        note.textContent = bad ? `${label[0].toUpperCase()}${label.slice(1)} ${rest.replace(/\bnull\b/, 'empty')}.` : '';
        note.classList.toggle('bad', bad);
        this.inputs[own].setAttribute('aria-invalid', bad);
        if (bad) {
          this.settings.open = true;
          this.heard.textContent = note.textContent;
        }
      }
      if (message && !known) this.report(message, true);
      this.problem = message;
      if (message && this.running) this.pause();
      this.refresh();
    }

    // ---- the address ----

    get anchor() { return `#${this.id || 'playground'}?`; }

    /** This page's address with all settings. */
    get link() {
      const words = new URLSearchParams([...SETTINGS, 'left', 'right'].filter((name) => !this.idle(name)).map((name) => [name, this.inputs[name].value]));
      return document.location.href.split('#')[0] + this.anchor + words;
    }

    /** Takes the settings of the address, if it has any; what is unknown there is said. True if there were some. */
    follow() {
      const { hash } = document.location;
      if (!hash.startsWith(this.anchor) || (this.post && document.location.href === this.link)) return false;
      const words = [...new URLSearchParams(hash.slice(this.anchor.length))], strange = [];
      this.linked = words[0]?.[0] === 'story' ? words.shift()[1] : '';
      if (this.linked && !Object.hasOwn(STORIES, this.linked)) strange.push(`there is no story “${brief(this.linked)}”`);
      for (const [name, value] of Object.entries({ ...usual, left: 'loss', right: 'eigenvalues' })) this.inputs[name].value = value;
      for (const [name, value] of words) {
        const input = [...SETTINGS, 'left', 'right'].includes(name) ? this.inputs[name] : null, before = input?.value;
        if (!input) { strange.push(`“${brief(name)}” is no setting here`); continue; }
        input.value = value.slice(0, LETTERS);
        if (input.localName === 'select' && input.value !== value) {
          input.value = before;
          strange.push(`${input.closest('.row').querySelector('span').textContent} has no “${brief(value)}”, ${before} stands there`);
        }
      }
      const more = strange.splice(3).length;
      this.strange = strange.length ? `The address is not understood in full: ${strange.join('; ')}${more ? `; and ${more} more` : ''}.` : null;
      if (!this.post) this.load();
      else if (Object.hasOwn(STORIES, this.linked)) this.tell(this.linked, { run: false });
      else {
        this.story.textContent = '';
        this.twin.hidden = true;
        this.report(this.strange ?? '', Boolean(this.strange));
        this.renew();
        this.show();
        this.redraw();
      }
      this.scrollIntoView();
      return true;
    }

    async copy() {
      const { link } = this;
      history.replaceState(history.state, '', link);
      try {
        await navigator.clipboard.writeText(link);
        this.report('The link with all settings is copied.');
      } catch { this.report(`The link could not be copied: it is this page’s address, ${link}`); }
    }

    // ---- what the reader does ----

    train() { if (this.post && !this.problem) this.post({ type: 'start' }); }

    pause() { this.post?.({ type: 'pause' }); }

    step() { if (this.post && !this.problem) this.post({ type: this.running ? 'pause' : 'step' }); }

    reset() { if (this.post && !this.problem) this.post({ type: 'reset' }); }

    /** Sets a story, or its twin, and runs it. */
    tell(name, { twin = false, run = true } = {}) {
      const { settings, other, views: [left, right], says, button } = STORIES[name];
      this.set({ ...usual, ...settings, ...(twin && other), left, right });
      this.story.textContent = says[Number(twin)];
      this.twin.hidden = !other;
      this.twin.textContent = button?.[Number(twin)] ?? '';
      this.other = [name, { twin: !twin }];
      this.show();
      if (run) this.train();
    }

    /** The plane that suits the states as they are now. */
    turn() {
      this.plane = null;
      this.ranges.states = 0;
      this.paint();
    }

    // ---- what is seen ----

    get shown() { return this.beside ? ['left', 'right'] : ['left']; }

    /** What the views on the screen need. */
    get parts() {
      if (!this.seen || document.hidden) return [];
      return [...new Set(this.shown.flatMap((side) => globalThis.RnnViews.VIEWS[this.inputs[side].value].parts))];
    }

    show() {
      if (!this.post || !this.run) return;
      this.wanted = String(this.parts);
      this.post({ type: 'show', show: this.parts });
    }

    hear(message) {
      if (message.type === 'refused') return this.wrong(message.message);
      const { run, running, steps, finite, curve } = message, ended = this.running && !running;
      if (run !== this.run) Object.assign(this, { run, curve: new globalThis.RnnViews.Curve(), ranges: {}, plane: null, measured: null, sign: this.signs(message.settings) });
      if (this.wanted !== String(this.parts)) this.show(); // they came into sight before there was a network
      this.curve.add(curve);
      if (curve.length) this.last = curve.slice(-3);
      if (!steps) this.last = null;
      Object.assign(this, { snapshot: message, steps, running, finite, measured: message.measured ? { ...message.measured } : this.measured });
      this.refresh();
      const now = performance.now();
      if (!finite) this.speak(`Training has ended at step ${steps}: the loss or a weight is no finite number any more. The views show what was seen before.`);
      else if (ended) this.speak(`Paused. ${this.spoken}`);
      else if (running && now - this.said >= TOLD) this.speak(this.spoken);
      if (ended || !running) this.paint();
      else this.later();
    }

    /** How a symbol of the task is written. */
    signs({ task, T, N, text }) {
      const { symbols } = globalThis.RnnEngine.TASKS[task]({ T, N, text }), shown = { ' ': '␣', '\n': '↵', '\t': '⇥' };
      if (symbols) return (k) => shown[symbols[k]] ?? symbols[k];
      if (task === 'copying') return (k) => (k === 0 ? '–' : k === 9 ? '!' : String(k));
      return String;
    }

    speak(text) {
      this.said = performance.now();
      if (this.heard.textContent !== text) this.heard.textContent = text;
    }

    /** Steps, loss and accuracy, as short as they can be heard. */
    get spoken() {
      const { steps, last } = this;
      return last ? `Step ${steps}: loss ${globalThis.RnnViews.two(last[0])}, accuracy ${percent(last[1])}.` : this.line;
    }

    /** Steps, loss and accuracy in words. */
    get line() {
      const { steps, last, snapshot } = this;
      if (!snapshot) return '';
      const { chance, speed } = snapshot, { two } = globalThis.RnnViews;
      if (!last) return `Step 0. By chance: loss ${two(chance.loss)}, accuracy ${percent(chance.accuracy)}.`;
      return `Step ${steps}: loss ${two(last[0])} (chance ${two(chance.loss)}), accuracy ${percent(last[1])} (chance ${percent(chance.accuracy)})`
        + `${speed ? `, ${two(speed)} steps a second` : ''}.`;
    }

    /** Buttons as they stand now. */
    refresh() {
      if (!this.go) return;
      const text = this.running ? 'Pause' : 'Start', { finite = true } = this;
      if (this.go.textContent !== text) this.go.textContent = text;
      const held = this.shadowRoot.activeElement === this.go && !finite;
      this.go.disabled = Boolean(this.problem) || !finite;
      this.one.disabled = Boolean(this.problem) || !finite;
      const again = this.shadowRoot.querySelector('.reset');
      again.disabled = Boolean(this.problem);
      if (held) again.focus();
      if (!finite) {
        this.report(`Step ${this.steps}: the loss or a weight is no finite number any more, so training has stopped. `
          + 'Reset begins anew; a smaller rate or clipping may help.', true);
      } else if (this.broken) this.report('');
      this.broken = !finite;
    }

    /** A drawing soon, if none is on its way. */
    later() {
      if (this.frame) return;
      const wait = this.drawn + (this.still.matches ? SLOW : FAST) - performance.now();
      this.frame = setTimeout(() => requestAnimationFrame(() => { this.frame = 0; this.paint(); }), Math.max(0, wait));
    }

    /** The numbers and the views, if they can be seen. */
    paint() {
      if (!this.snapshot) return;
      this.drawn = performance.now();
      this.numbers.textContent = this.line;
      if (!this.seen || document.hidden) return;
      const { RnnViews, RnnEngine, devicePixelRatio: grain } = globalThis, { VIEWS } = RnnViews, { settings, chance } = this.snapshot, { measured } = this;
      const flat = measured?.answers, T = flat ? flat.length / settings.N : Number(this.at.max);
      if (flat && Number(this.at.max) !== T) { this.at.max = T; this.at.value = T; }
      this.at.nextElementSibling.textContent = this.at.value;
      if (flat) this.plane ??= { axes: RnnViews.plane(measured, settings.N, settings.H, settings.task), step: this.steps };
      const { curve, steps, ranges, plane, sign } = this, t = this.at.valueAsNumber, { gates } = RnnEngine.CELLS[settings.cell];
      for (const side of this.shown) {
        const { canvas, caption, name } = this[side], view = VIEWS[this.inputs[side].value], { width } = canvas.getBoundingClientRect();
        if (!width || !measured || view.parts.some((part) => !measured[part])) continue;
        const [wide, high] = [width, HIGH].map((length) => Math.round(length * grain));
        if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
        const c = canvas.getContext('2d');
        c.setTransform(grain, 0, 0, grain, 0, 0);
        c.clearRect(0, 0, width, HIGH);
        const text = view.draw(c, { width, height: HIGH }, { settings, measured, chance, gates, t, curve, steps, ranges, plane, sign });
        name.textContent = `${VIEW_NAMES[this.inputs[side].value]}, step ${steps} of training`;
        if (caption.textContent !== text) caption.textContent = text;
      }
    }

    /** Which controls can be used, how many views there is room for. */
    redraw() {
      if (!this.loader) return;
      for (const name of SETTINGS) this.inputs[name].disabled = this.idle(name);
      this.inputs.text.closest('.row').hidden = this.idle('text');
      for (const name of ['task', 'start']) this.shadowRoot.getElementById(`says-${name}`).textContent = SAYS[this.inputs[name].value] ?? '';
      const before = this.beside;
      this.beside = this.shadowRoot.querySelector('.card').clientWidth >= BESIDE;
      this.right.figure.hidden = !this.beside;
      this.shadowRoot.querySelector('.views').dataset.count = this.shown.length;
      this.shadowRoot.querySelector('.plane').hidden = !this.shown.some((side) => this.inputs[side].value === 'states');
      for (const image of this.querySelectorAll('img')) image.style.display = this.hasAttribute('loaded') ? 'none' : '';
      if (before !== this.beside) this.show();
      this.paint();
    }
  });
}
