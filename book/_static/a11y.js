// Mends in the theme's and the extensions' markup that CSS cannot make, so that the pages meet WCAG 2.1 AA.
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

  mend();
  document.addEventListener('DOMContentLoaded', mend);
  window.addEventListener('load', mend);
})();
