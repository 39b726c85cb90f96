// Search results in the order in which a reader wants them, with excerpts in words.
//
// Sphinx finds the pages. The words of a query are also looked for in the entries of the index
// (```{index} ! term``` in a page) and in headings: an entry counts most, then a heading, then the
// text. Notebooks come after pages, and pages about the book itself last.
(() => {
  const weight = (page) => /^book\/(references|contributing|teaching|index)$/.test(page) ? 0.2 : /^notebooks\//.test(page) ? 0.5 : 1;
  const ENTRY = 100; // for an entry that is the query; less, the more else it says
  const HEADING = 30; // the same for a heading
  const PLACES = 3; // of one page

  const find = Search._performSearch;
  Search._performSearch = (query, ...terms) => {
    const { docnames, titles, filenames, alltitles, indexentries } = Search._index;
    const stemmer = new Stemmer();
    const stems = (said) => splitQuery(said.toLowerCase()).map((word) => stemmer.stemWord(word));
    const words = stems(query);
    const results = find(query, ...terms).filter(([, , anchor]) => !anchor.startsWith('#index-'));
    const explained = new Set(); // pages with an entry that fits: their headings would say it twice
    const look = (said, places, most) => {
      const all = stems(said);
      if (!words.length || !words.every((word) => all.includes(word))) return;
      const score = most * (0.5 + words.length / all.length / 2);
      for (const [file, id] of places) {
        if (most === ENTRY) explained.add(file);
        else if (explained.has(file)) continue;
        const place = titles[file] === said ? '' : ` > ${said}`;
        results.push([docnames[file], titles[file] + place, id ? `#${id}` : '', null, score, filenames[file]]);
      }
    };
    for (const [entry, places] of Object.entries(indexentries)) look(entry, places.filter(([, , main]) => main), ENTRY);
    for (const [heading, places] of Object.entries(alltitles)) look(heading, places, HEADING);
    results.forEach((result) => { result[4] *= weight(result[0]); });
    results.sort(_orderResultsByScoreThenName).reverse();

    const seen = new Map();
    return results.filter(([page, , anchor]) => {
      const places = seen.get(page) ?? seen.set(page, new Set()).get(page);
      const known = places.has(anchor) || (anchor === '' && places.size > 0);
      return !known && places.size < PLACES && places.add(anchor);
    }).map(([page, title, ...rest]) => [page, plain(title), ...rest]).reverse();
  };

  /** TeX in a heading, as words. */
  const plain = (title) => title.replace(/\\(operatorname|mathbb|text|mathrm)\b|[${}]/g, '').replace(/\\(?=[a-z])/g, '').replace(/\\./g, '');

  /** A formula in a sentence: a name or a number as it is, all else left out. */
  const words = (tex) => /^\s*[A-Za-z0-9.,]+\s*$/.test(tex) ? tex : '…';

  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, 'text/html');
    const article = page.querySelector('article') ?? page.body;
    for (const formula of article.querySelectorAll('span.math')) {
      const tex = formula.querySelector('annotation') ?? formula;
      formula.replaceWith(words(tex.textContent.replace(/^\\\(|\\\)$/g, '')));
    }
    for (const e of article.querySelectorAll('div.math, pre, script, style, table, .headerlink, .toggle-button, h1, h2, h3, h4')) e.replaceWith(' ');
    const place = anchor ? page.getElementById(anchor.slice(1)) : null;
    return (place?.closest('section') ?? article).textContent.replace(/\s+/g, ' ').replace(/(… ?)+/g, '… ').replace(/ ([.,;:])/g, '$1').trim();
  };

  const LENGTH = 240;
  Search.makeSearchSummary = (html, keywords, anchor) => {
    const text = Search.htmlToText(html, anchor);
    if (!text) return null;
    const lower = text.toLowerCase();
    const at = Math.min(...[...keywords].map((word) => lower.indexOf(word)).filter((i) => i >= 0), text.length);
    // From the beginning of the sentence, if it is near.
    const near = at === text.length ? 0 : Math.max(0, at - LENGTH / 2);
    const sentence = text.slice(near, at).search(/(?<=[.?!] )[A-Z]/);
    const from = near === 0 && sentence < 0 ? 0 : near + (sentence >= 0 ? sentence : text.slice(near, at).indexOf(' ') + 1);
    const end = from + LENGTH < text.length ? text.lastIndexOf(' ', from + LENGTH) : text.length;
    const summary = document.createElement('p');
    summary.className = 'context';
    summary.textContent = text.slice(from, end) + (end < text.length ? ' …' : '');
    return summary;
  };
})();
