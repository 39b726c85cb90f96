// Mends in the theme's and the extensions' markup that CSS cannot make, so that the pages meet WCAG 2.1 AA
// and a keyboard need not stop where nothing is to be done.
// Each says whose markup it is and what is wrong; tests/browser/check.mjs tells when one is missing.
(() => {
  const each = (selector, mend) => document.querySelectorAll(selector).forEach(mend);

  function mend() {
    // sphinxcontrib-bibtex: role="list" without list items in it (doc-biblioentry is deprecated).
    each('.citation-list[role="list"] > .citation', (e) => e.setAttribute('role', 'listitem'));
    each('.citation[role="doc-biblioentry"]', (e) => e.removeAttribute('role'));

    // pydata-sphinx-theme: the button shows "Search Ctrl+K" and is named "Search".
    each('.search-button-field[aria-label]', (e) => e.removeAttribute('aria-label'));

    // pydata-sphinx-theme: shows an icon titled "Light", "Dark" or "System Settings", named "Color mode".
    each('.theme-switch-button[aria-label="Color mode"]', (e) =>
      e.setAttribute('aria-label', 'Color mode: Light, Dark or System Settings'));

    // myst-nb: every folded cell is named "Toggle hidden content" whatever its summary says.
    each('summary[aria-label="Toggle hidden content"]', (e) => e.removeAttribute('aria-label'));
  }

  // A page is shown before what is far from sight is laid out (custom.css). The rest follows here, a few blocks at a
  // time, when the browser has nothing else to do; after that the page is as any other.
  // A box that scrolls can then be scrolled by the keyboard; one that does not is no stop. (pydata-sphinx-theme looks
  // at all boxes of a page at once, which holds a phone up: _ext/page.py takes that out.)
  const boxes = 'pre, .katex-display, .drawing, .cell_output > .output, .jp-RenderedHTMLCommon, .pst-scrollable-table-container';
  const idle = (task) => window.requestIdleCallback?.(task, { timeout: 300 }) // Chromium may forget a quiet page for minutes
    ?? setTimeout(task, 50, { timeRemaining: () => 0 });
  function layOut(blocks) {
    for (const block of blocks) block.style.contentVisibility = 'visible'; // before it is measured: else it has no contents
    const inside = blocks.flatMap((block) => [...(block.matches(boxes) ? [block] : []), ...block.querySelectorAll(boxes)]);
    const scrolls = inside.map((e) => e.scrollWidth > e.clientWidth + 1 || (e.matches('pre') && e.scrollHeight > e.clientHeight + 1));
    inside.forEach((e, n) => {
      if (scrolls[n]) e.tabIndex = 0;
      else if (e.hasAttribute('tabindex')) e.removeAttribute('tabindex');
    });
    for (const block of blocks) {
      if (block.matches('script[type="later"]')) { // of a moving figure
        block.replaceWith(Object.assign(document.createElement('script'), { src: block.src, async: false }));
      }
    }
  }
  let round = 0;
  function rest() {
    const blocks = [...document.querySelectorAll('article section > :not(section)')], mine = ++round;
    const some = () => { // with some 400 elements in them
      const part = [];
      for (let size = 0; blocks.length && size < 400; size += part.at(-1).getElementsByTagName('*').length) part.push(blocks.shift());
      return part;
    };
    idle(function next(deadline) {
      if (mine !== round) return; // begun anew
      do layOut(some()); while (blocks.length && deadline.timeRemaining() > 10);
      if (blocks.length) idle(next);
    });
  }

  // A moving figure has many controls: a link leads past them.
  function skips() {
    each('rnn-time-gate, rnn-lstm-step, rnn-lstm-units, rnn-optimizer-paths, rnn-adam-spike, rnn-gradient-disc, rnn-bptt-graph, rnn-scan-tree, rnn-wheel, rnn-word-map, rnn-graph-hops, rnn-perplexity, rnn-char-writer, rnn-word-writer, rnn-poem-writer', (figure) => {
      if (figure.previousElementSibling?.matches('.skip-figure')) return;
      const end = document.createElement('span');
      end.tabIndex = -1;
      end.id = `after-${figure.localName}-${document.querySelectorAll('.skip-figure').length + 1}`;
      const link = Object.assign(document.createElement('a'), { className: 'skip-figure', href: `#${end.id}`, textContent: 'Skip the moving figure' });
      figure.before(link);
      figure.after(end);
    });
  }

  // pydata-sphinx-theme: the contents mark a heading when it comes into sight, so that after scrolling back
  // the mark is one section off. It belongs to the first heading in the upper third, or else to the last one above.
  function mark() {
    if (!document.querySelector('#pst-page-toc-nav')?.checkVisibility({ visibilityProperty: true })) return;
    const links = [...document.querySelectorAll('#pst-page-toc-nav a[href^="#"]')];
    const tops = links.map(({ hash }) => document.getElementById(decodeURIComponent(hash.slice(1)))?.getBoundingClientRect().top ?? Infinity);
    let now = tops.findIndex((top) => top > -10 && top < innerHeight * 0.3);
    if (now < 0) now = tops.findLastIndex((top) => top < 0);
    const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    const asked = links.findIndex(({ hash }) => hash === location.hash);
    if (tops[asked] > -10 && tops[asked] < innerHeight * (end ? 1 : 0.3)) now = asked; // it is where the reader wanted to go
    links.forEach((link, n) => {
      link.classList.toggle('active', n === now);
      if (n === now) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    });
    each('#pst-page-toc-nav .toc-entry', (entry) => entry.classList.toggle('active', entry.contains(links[now] ?? null)));
  }
  let wait;
  const later = () => { clearTimeout(wait); wait = setTimeout(mark, 120); };

  mend();
  document.addEventListener('DOMContentLoaded', () => { mend(); skips(); });
  window.addEventListener('load', () => { mend(); rest(); later(); document.fonts.ready.then(rest); });
  window.addEventListener('resize', () => { rest(); later(); });
  window.addEventListener('toggle', rest, true); // something was unfolded
  window.addEventListener('hashchange', later);
  window.addEventListener('scroll', later, { passive: true });
})();
