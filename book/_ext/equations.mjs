// Sets equations for equations.py: a line of JSON in, {tex, options}; a line of JSON out, {html} or {error}.
//   node equations.mjs /path/to/katex.min.js
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const katex = createRequire(import.meta.url)(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  const { tex, options } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, options) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
