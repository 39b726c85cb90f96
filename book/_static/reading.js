// How far a long page is read, and printing with solutions.
(() => {
  const bar = document.createElement('div');
  bar.className = 'reading-progress';
  bar.setAttribute('aria-hidden', 'true');
  document.body.append(bar);

  function read() {
    const rest = document.documentElement.scrollHeight - innerHeight;
    bar.hidden = rest < 3 * innerHeight;
    bar.style.transform = `scaleX(${Math.min(1, scrollY / rest)})`;
  }
  let waiting = 0;
  const soon = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; read(); }); };
  addEventListener('scroll', soon, { passive: true });
  addEventListener('resize', soon);
  addEventListener('load', soon);
})();

// Opens hints and solutions, prints, and folds again what was folded. Folded code stays folded.
function printWithSolutions() {
  const root = document.documentElement;
  const folded = [...document.querySelectorAll('article details:not([open], .hide)')];
  root.classList.add('print-solutions');
  for (const details of folded) details.open = true;
  addEventListener('afterprint', () => {
    root.classList.remove('print-solutions');
    for (const details of folded) details.open = false;
  }, { once: true });
  print();
}
