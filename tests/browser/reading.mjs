#!/usr/bin/env node
// Around the text of the built book: steps at the top, how far a page is read, print.
//
//   node tests/browser/reading.mjs _build/html
//
// Ends with "N passed, N failed"; exit 1 if one failed.

import { resolve } from 'node:path';
import { BASE, openBook, settle } from './check.mjs';

const root = resolve(process.argv[2] ?? '_build/html');
const { browser, origin, close } = await openBook(root);
let passed = 0;
let failed = 0;
const test = async (name, run) => {
  let bad;
  try { bad = await run(); } catch (error) { bad = error.message.split('\n')[0]; }
  if (bad) failed++; else passed++;
  console.log(`${bad ? 'FAIL' : 'ok  '} ${name}${bad ? `: ${bad}` : ''}`);
};
const open = async (page, viewport = { width: 1280, height: 900 }) => {
  const tab = await browser.newPage({ viewport });
  await tab.goto(`${origin}${BASE}${page}.html`, { waitUntil: 'load' });
  return tab;
};
const PAPER = { width: 673, height: 980 }; // A4 less its margins, in CSS pixels
const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });

try {
  await test('one walk by Next passes every chapter, its notebook after it', async () => {
    const tab = await open('book/index');
    const walk = [];
    for (;;) {
      const step = await tab.evaluate(() => ({ top: document.querySelector('.steps [rel=next]')?.href, end: document.querySelector('.right-next')?.href }));
      if (step.top !== step.end) return `two Next on ${tab.url()}: ${step.top} and ${step.end}`;
      if (!step.top) break;
      await tab.goto(step.top, { waitUntil: 'domcontentloaded' });
      walk.push(tab.url().slice((origin + BASE).length).replace('.html', ''));
      if (walk.length > 100) return 'it never ends';
    }
    const numbered = await tab.evaluate(() => [...document.querySelectorAll('.bd-links .toctree-l1 > a')].filter((a) => /^\s*\d+\./.test(a.textContent)).map((a) => a.href));
    const pages = numbered.map((href) => href.slice((origin + BASE).length).replace('.html', ''));
    const expected = pages.flatMap((page) => [page, page.replace('book/', 'notebooks/')]);
    return walk.slice(0, expected.length).join() === expected.join() ? '' : `expected ${expected}, got ${walk}`;
  });

  for (const [width, height] of [[1280, 900], [390, 844]]) await test(`the steps fit beside the buttons at ${width} px, and have names`, async () => {
    const tab = await open('notebooks/lstm', { width, height });
    return tab.evaluate(() => {
      const boxes = [...document.querySelectorAll('.bd-header-article .sidebar-toggle, .steps a, .article-header-buttons button')].filter((e) => e.checkVisibility()).map((e) => [e, e.getBoundingClientRect()]);
      for (const [i, [a, one]] of boxes.entries()) for (const [b, two] of boxes.slice(i + 1)) {
        if (a.contains(b) || b.contains(a)) continue;
        if (one.left < two.right - 1 && two.left < one.right - 1 && one.top < two.bottom - 1 && two.top < one.bottom - 1) return `${a.className} over ${b.className}`;
      }
      const { height } = document.querySelector('.bd-header-article').getBoundingClientRect();
      if (height > 60) return `two rows of them, ${height} px high, lie over the page`;
      const names = [...document.querySelectorAll('.steps a')].map((a) => a.textContent.replace(/[←→]/g, '').trim());
      return names.join() === 'Previous,Next' ? '' : `named ${names}`;
    });
  });

  await test('a bar shows how far a long page is read', async () => {
    const tab = await open('book/lstm');
    await tab.evaluate(settle);
    const width = () => tab.evaluate(() => document.querySelector('.reading-progress').getBoundingClientRect().width / innerWidth);
    const read = [];
    for (const part of [0, 0.5, 1]) {
      await tab.evaluate((p) => scrollTo({ top: p * (document.documentElement.scrollHeight - innerHeight), behavior: 'instant' }), part);
      await tab.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))));
      read.push(await width());
    }
    return Math.abs(read[0]) < 0.02 && Math.abs(read[1] - 0.5) < 0.05 && read[2] > 0.98 ? '' : `at start, middle and end ${read}`;
  });

  await test('and none a short one', async () => {
    const tab = await open('book/teaching', { width: 1280, height: 3000 });
    await tab.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))));
    return (await tab.locator('.reading-progress').isVisible()) ? 'it is there' : '';
  });

  await test('print: no navigation, no frame without content, every number beside its equation', async () => {
    const tab = await open('book/lstm', PAPER);
    await tab.emulateMedia({ media: 'print' });
    return tab.evaluate((source) => {
      const visible = eval(source);
      const gone = ['.bd-sidebar-primary', '.bd-header-article', '.steps', '.reading-progress', '.prev-next-area', '.headerlink', 'button'];
      for (const selector of gone) if ([...document.querySelectorAll(selector)].some(visible)) return `${selector} is printed`;
      if (!visible(document.querySelector('article h1'))) return 'the title is not printed';
      if ([...document.querySelectorAll('.solution')].some(visible)) return 'a folded solution is printed';
      if (!document.querySelector('.exercise, .exercise-title') && !document.querySelector('div[id^=ex-]')) return 'no exercise on this page';
      for (const math of document.querySelectorAll('div.math')) {
        if (getComputedStyle(math).breakInside !== 'avoid') return 'an equation may part from its number';
        const number = math.querySelector('.eqno')?.getBoundingClientRect();
        if (number && (number.right > document.documentElement.clientWidth + 1 || number.left < math.getBoundingClientRect().left)) return `${math.textContent.slice(0, 20)}: the number is cut off`;
      }
      for (const block of document.querySelectorAll('div.highlight')) if (getComputedStyle(block).breakInside !== 'auto') return 'code may not run on over a page';
      const article = document.querySelector('article').getBoundingClientRect();
      return article.left >= 0 && article.right <= document.documentElement.clientWidth + 1 ? '' : `the text runs from ${article.left} to ${article.right}`;
    }, `(${shown})`);
  });

  for (const page of ['book/lstm', 'notebooks/lstm']) await test(`${page}: the menu prints with solutions, by keyboard, and folds them again`, async () => {
    const tab = await open(page, PAPER);
    const solutions = () => tab.evaluate((source) => [...document.querySelectorAll('.solution, article details:not(.hide)')].map((e) => eval(source)(e) && (e.open ?? eval(source)(e.querySelector('.admonition-title ~ *')))), `(${shown})`);
    const folded = await tab.evaluate(() => document.querySelectorAll('details[open]').length);
    await tab.evaluate(() => { window.print = () => { window.printed = true; }; });
    await tab.locator('.dropdown-download-buttons > button').focus();
    await tab.keyboard.press('Enter');
    await tab.locator('.btn-print-solutions-button').focus();
    await tab.keyboard.press('Enter');
    if (!(await tab.evaluate(() => window.printed))) return 'nothing was printed';
    await tab.emulateMedia({ media: 'print' });
    const printed = await solutions();
    if (!printed.length || !printed.every(Boolean)) return `${printed.filter(Boolean).length} of ${printed.length} solutions are printed`;
    await tab.evaluate(() => dispatchEvent(new Event('afterprint')));
    const after = await solutions();
    if (after.some(Boolean)) return 'a solution is printed afterwards';
    return (await tab.evaluate(() => document.querySelectorAll('details[open]').length)) === folded ? '' : 'not folded again';
  });
} finally {
  await close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
