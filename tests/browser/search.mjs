#!/usr/bin/env node
// The search of the built book, as a reader uses it: the right page first, an excerpt in words, no network.
//
//   node tests/browser/search.mjs _build/html
//
// Every query is asked of the served book and of the folder opened as files (excerpts need a server, as ever).
// Ends with "N passed, N failed"; exit 1 if one failed.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BASE, openBook } from './check.mjs';

// What is asked, and the page that derives or explains it.
const FIRST = {
  'forget gate': 'book/lstm',
  'Forget  Gates': 'book/lstm',
  Xavier: 'book/initialisation',
  'xavier initialisation': 'book/initialisation',
  bptt: 'book/vanilla_rnn',
  perplexity: 'book/char_lm',
  chrono: 'book/initialisation',
  'adding problem': 'book/memory',
  curriculum: 'book/memory',
  'vanishing gradient': 'book/gradients',
  temperature: 'book/char_lm',
  'gradient clipping': 'book/gradients',
  momentum: 'book/optimizers',
  'update gate': 'book/gru',
  palindrome: 'book/sequences',
  'greedy text': 'book/char_lm', // the notebook has a heading that says less else
};
const NOTHING = 'zzyzx';
const TEX = /\\[a-zA-Z]+|\\[([]|\$|[_^]\{/;

const root = resolve(process.argv[2] ?? '_build/html');
const { browser, origin, close } = await openBook(root);
let passed = 0;
let failed = 0;
const say = (query, bad) => {
  if (bad.length) failed++; else passed++;
  console.log(`${bad.length ? 'FAIL' : 'ok  '} ${query}`);
  for (const text of bad) console.log(`       ${text}`);
};

async function results(tab, address, query) {
  await tab.goto(`${address}?q=${encodeURIComponent(query)}`);
  await tab.waitForFunction(() => /^Search finished|did not match/.test(document.querySelector('.search-summary')?.innerText ?? ''));
  if (address.startsWith('http')) await tab.waitForFunction(() => [...document.querySelectorAll('#search-results .search > li')].every((li) => li.querySelector('.context')));
  return tab.evaluate(() => [...document.querySelectorAll('#search-results .search > li')].map((li) => ({
    page: li.querySelector('a').getAttribute('href').split(/[?#]/)[0].replace(/\.html$/, ''),
    href: li.querySelector('a').href,
    title: li.querySelector('a').textContent,
    excerpt: li.querySelector('.context')?.textContent ?? '',
  })));
}

try {
  const tab = await browser.newPage();
  const outside = new Set();
  tab.on('request', (request) => /^(http:\/\/127|file:|data:)/.test(request.url()) || outside.add(request.url()));
  for (const [query, page] of Object.entries(FIRST)) {
    const bad = [];
    const found = await results(tab, `${origin}${BASE}search.html`, query);
    if (found[0]?.page !== page) bad.push(`expected ${page} first, got ${found.slice(0, 3).map((r) => r.page).join(', ')}`);
    for (const { title, excerpt } of found) if (TEX.test(title + excerpt)) bad.push(`TeX or markup in: ${title}: ${excerpt}`);
    for (const { title, excerpt } of found) if (excerpt.trim().split(/\s+/).length < 8) bad.push(`no excerpt to speak of in ${title}: ${excerpt}`);
    const word = query.toLowerCase().split(/\s+/)[0].replace(/s$/, '');
    if (found.length && !(found[0].title + found[0].excerpt).toLowerCase().includes(word)) bad.push(`the first excerpt does not say ${word}: ${found[0].excerpt}`);
    const places = found.map((r) => r.page + r.title);
    if (new Set(places).size !== places.length) bad.push('a place is listed twice');
    const files = await results(tab, pathToFileURL(`${root}/search.html`).href, query);
    if (files[0]?.page !== page) bad.push(`opened as a file: expected ${page} first, got ${files[0]?.page}`);
    say(`${query}: ${found[0]?.title}`, bad);
  }
  const none = await results(tab, `${origin}${BASE}search.html`, NOTHING);
  say(`${NOTHING}: no result`, none.length ? [`found ${none[0].title}`] : []);
  // The link leads to the place.
  const [{ href }] = await results(tab, `${origin}${BASE}search.html`, 'forget gate');
  await tab.goto(href);
  const seen = await tab.evaluate(() => {
    const heading = [...document.querySelectorAll('article h3')].find((h) => /forget gate/i.test(h.textContent));
    const top = heading?.getBoundingClientRect().top;
    return top > -200 && top < innerHeight;
  });
  say('the first result leads to the section', seen ? [] : ['its heading is not on the screen']);
  // The dialog, from a page and with the keyboard, leads to the same answer.
  await tab.goto(`${origin}${BASE}book/lstm.html`);
  await tab.keyboard.press('Control+k');
  await tab.locator('dialog[open] input[type=search]').fill('chrono');
  await tab.keyboard.press('Enter');
  await tab.waitForURL(/search\.html\?q=chrono/);
  const first = await tab.locator('#search-results .search > li a').first().getAttribute('href');
  say('the dialog: chrono', first.startsWith(`${FIRST.chrono}.html`) ? [] : [`expected ${FIRST.chrono}, got ${first}`]);
  say('nothing is asked of another host', [...outside]);
} finally {
  await close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
