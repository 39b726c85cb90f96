#!/usr/bin/env node
// Proof that check.mjs can fail: a sound page passes, and each page with one thing broken is caught for that thing.
//   node tests/browser/selftest.mjs        (half a minute; needs tools/vendor.sh to have run)

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { check } from './check.mjs';

const modules = createRequire(import.meta.url);
const katex = modules('katex');
const set = (tex, displayMode = false) => katex.renderToString(tex, { displayMode, throwOnError: false });

const SOUND = `<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>document.documentElement.dataset.theme = localStorage.getItem('theme') || 'light'</script>
<style>body { background: #fff; color: #111; margin: 8px } [data-theme=dark] body { background: #111; color: #eee }
[data-theme=dark] a { color: #9cf } div.math { overflow-x: auto } span.math { display: inline-block } pre { overflow-x: auto }</style>
<link rel="stylesheet" href="_static/katex/katex.min.css"><script defer src="_static/katex/contrib/copy-tex.min.js"></script></head>
<body><main><article><h1 id="top">A page</h1>
<p>Inline <span class="math">${set('h_t')}</span>, <a href="#top">up</a>, <a href="sound.html#top">itself</a>, <code>$x_t$</code>, for $5 or $6.</p>
<div class="math" tabindex="0" style="white-space: nowrap">${set(String.raw`a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+r+s+t+u+v+w+x+y+z+\alpha+\beta+\gamma+\delta+\epsilon+\zeta+a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+r+s+t+u+v+w+x+y+z+a+b+c+d+e+f+g`)}</div>
<pre tabindex="0">${'a long line of code '.repeat(12)}</pre>
<img alt="A dot" width="20" height="20" src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='20' height='20'%3E%3Ccircle r='9' cx='10' cy='10'/%3E%3C/svg%3E">
<details><summary>Solution</summary><p class="folded">Folded.</p></details>
<!-- here --></article></main></body></html>`;
const add = (html) => SOUND.replace('<!-- here -->', html);
const DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

// name: [page, the kind of problem, what its line says]
const BROKEN = {
  'maths-raw': [add('<p>So $$h_t = \\tanh(p_t)$$ holds.</p>'), 'maths', /raw TeX/],
  'maths-single-dollar': [add('<p>So $W_{hh}$ holds.</p>'), 'maths', /raw TeX/],
  'maths-not-set': [add('<p><span class="math">W</span></p>'), 'maths', /1 of 3 formulas not set: W/],
  'maths-error': [add(`<p><span class="math">${set('\\frac{1}')}</span></p>`), 'maths', /KaTeX error|not set/],
  'maths-undefined': [add(`<p><span class="math">${set('\\nosuchmacro')}</span></p>`), 'maths', /KaTeX error: .*nosuchmacro/],
  'maths-wide': [add(`<div class="math" style="width: 60px">${katex.renderToString('a + b + c + d + e + f', { displayMode: true })}</div>`), 'maths', /px wide in a column of 60/],
  'maths-no-style': [SOUND.replace(/<link rel="stylesheet".*?>/, ''), 'maths', /fonts are not used/],
  'maths-no-speech': [add(`<p><span class="math">${katex.renderToString('x', { output: 'html' })}</span></p>`), 'maths', /1 of 3 formulas without MathML/],
  'maths-no-copy': [SOUND.replace(/<script defer.*?<\/script>/, ''), 'maths', /not its TeX h_t/],
  'maths-stop': [add(`<p><span class="math" tabindex="0">${set('x')}</span></p>`), 'keyboard', /1 formulas stop the keyboard/],
  'scrolls-unreached': [add(`<details><summary>More</summary><div style="overflow-x: auto"><p style="width: 3000px">wide</p></div></details>`), 'keyboard', /no stop of the keyboard: div\. wide/],
  'contents-dead': [add('<nav id="pst-page-toc-nav"><a href="#top">A page</a></nav>'), 'contents', /marked: nothing/],
  'image-missing': [add('<img alt="A plot" src="nowhere.png">'), 'images', /did not load/],
  'image-404': [add('<img alt="A plot" src="nowhere.png">'), 'errors', /404 nowhere.png/],
  'image-no-alt': [add(`<img alt="" src="${DOT}">`), 'images', /no alt text/],
  'image-file-alt': [add(`<img alt="../_images/a1b2.png" src="${DOT}">`), 'images', /alt text is a file name/],
  'outside-script': [add('<script src="https://example.org/a.js"></script>'), 'offline', /example\.org/],
  'outside-fetch': [add('<script>fetch("https://example.org/data.json").catch(() => {})</script>'), 'offline', /example\.org/],
  'outside-style': [add('<style>@import url(http://example.org/a.css)</style>'), 'offline', /example\.org/],
  'outside-hint': [add('<link rel="preconnect" href="https://example.org">'), 'links', /connect to https:\/\/example\.org/],
  'console-error': [add('<script>console.error("a thing went wrong")</script>'), 'errors', /a thing went wrong/],
  'exception': [add('<script>null.x</script>'), 'errors', /uncaught/],
  'exception-like-the-known-one': [add('<script>const OTHER = 1</script><script>const OTHER = 2</script>'), 'errors', /'OTHER' has already/],
  'contrast': [add('<p style="color: #bbb; background: #fff">Faint.</p>'), 'a11y', /color-contrast.*1\.9/],
  'contrast-dark-only': [add('<style>[data-theme=dark] .dim { color: #444 }</style><p class="dim">Faint.</p>'), 'a11y', /color-contrast: \.dim/],
  'contrast-folded': [add('<style>.folded { color: #bbb; background: #fff }</style>'), 'a11y', /color-contrast: \.folded/],
  'unnamed-slider': [add('<input type="range">'), 'a11y', /^label: input/],
  'wide-at-320': [add('<div style="width: 340px">wide</div>'), 'sideways', /320 px: the page is 348 px wide/],
  'wide-in-large-text': [add('<div style="width: 15rem; height: 1rem">wide</div>'), 'sideways', /text twice as large: the page is 488 px wide/],
  'wide': [add('<div style="width: 600px">wide</div>'), 'sideways', /608 px wide on a 390 px screen/],
  'cut-off': [add('<div style="overflow: hidden"><div style="width: 600px">cut</div></div>'), 'sideways', /sticks out/],
  'dead-page': [add('<p><a href="nowhere.html">there</a></p>'), 'links', /no such page/],
  'dead-anchor': [add('<p><a href="sound.html#nowhere">there</a></p>'), 'links', /no such anchor/],
  'absolute-link': [add('<p><a href="/sound.html">there</a></p>'), 'links', /leaves the book's folder/],
  'no-dark-mode': [SOUND.replace('[data-theme=dark] body { background: #111; color: #eee }', ''), 'theme', /asked for dark/],
  'dead-redirect': ['<meta http-equiv="Refresh" content="0; url=nowhere.html" />', 'links', /redirects to nothing/],
};

const folder = mkdtempSync(join(tmpdir(), 'browser-selftest-'));
let wrong = 0;
const verdict = (good, text) => { wrong += !good; console.log(`${good ? 'ok  ' : 'FAIL'} ${text}`); };
try {
  mkdirSync(join(folder, '_static'));
  symlinkSync(dirname(modules.resolve('katex/dist/katex.min.css')), join(folder, '_static', 'katex'));
  writeFileSync(join(folder, 'sound.html'), SOUND);
  for (const [name, [html]] of Object.entries(BROKEN)) writeFileSync(join(folder, `${name}.html`), html);

  const log = [];
  const { problems, passed, failed } = await check(folder, { log: (line) => log.push(line) });
  verdict(problems['sound.html'].length === 0, `a sound page passes${problems['sound.html'].map((p) => `\n       ${p.kind}: ${p.text}`).join('')}`);
  for (const [name, [, kind, text]] of Object.entries(BROKEN)) {
    const found = problems[`${name}.html`];
    const others = found.filter((p) => p.kind !== kind).map((p) => p.kind);
    verdict(found.some((p) => p.kind === kind && text.test(p.text)), `${name}: caught as ${kind}${others.length ? ` (and ${[...new Set(others)].join(', ')})` : ''}`);
    if (!found.some((p) => p.kind === kind && text.test(p.text))) console.log(found);
  }
  verdict(passed === 1 && failed === Object.keys(BROKEN).length && log.at(-1) === `1 passed, ${failed} failed`, `the last line counts: ${log.at(-1)}`);

  const allowed = [{ rule: 'label', selector: 'input[type=range]', reason: 'test' }, { rule: 'label', selector: '#gone', reason: 'test' }];
  rmSync(join(folder, 'sound.html'));
  for (const name of Object.keys(BROKEN)) if (name !== 'unnamed-slider') rmSync(join(folder, `${name}.html`));
  writeFileSync(join(folder, 'sound.html'), SOUND);
  const again = [];
  const { failed: none } = await check(folder, { allowed, log: (line) => again.push(line) });
  verdict(none === 0, 'an allowed violation is forgiven');
  verdict(again.some((l) => /remove it: label #gone/.test(l)) && !again.some((l) => /remove it: label input/.test(l)), 'an allowance that nothing needs is reported');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(wrong ? `${wrong} of the check's own tests failed` : 'the check catches what it should');
process.exitCode = wrong ? 1 : 0;
