// What rnn-model.js says of weights that do not fit: node tests/browser/model_sizes.mjs SCRIPT NAME, without a browser.
//
// SCRIPT is what tools/page_weights.py wrote for NAME. Prints, as JSON, the message for each way to spoil it; '' where it is taken.
import { readFileSync } from 'node:fs';

const [script, name] = process.argv.slice(2);
const run = (path) => (0, eval)(readFileSync(path, 'utf-8'));
run(new URL('../../rnnlib/interactive/js/rnn-model.js', import.meta.url));
run(script);
const whole = globalThis.RnnWeights[name], [cell] = whole.cells;
const without = (...names) => {
  const tensors = { ...whole.tensors };
  let data = Buffer.from(whole.data, 'base64'), at = 0;
  for (const [key, [type, shape]] of Object.entries(whole.tensors)) {
    const size = { F16: 2, F32: 4, I8: 1 }[type] * shape.reduce((a, b) => a * b);
    if (names.includes(key)) {
      data = Buffer.concat([data.subarray(0, at), data.subarray(at + size)]);
      delete tensors[key];
    } else at += size;
  }
  return { tensors, data: data.toString('base64') };
};
const turned = (key) => ({ tensors: { ...whole.tensors, [key]: [whole.tensors[key][0], [...whole.tensors[key][1]].reverse()] } });
const spoilt = {
  whole: {},
  'a symbol less': { symbols: [...whole.symbols].slice(1) },
  'fewer units': { hidden: whole.hidden - 4 },
  'a tensor less': without(`${cell}W_h`),
  'a bias less': without('readout.bias'),
  turned: turned(`${cell}W_x`),
  'a layer more': { cells: [...whole.cells, 'more.'] },
  'bytes missing': { data: whole.data.slice(0, -8) },
};
console.log(JSON.stringify(Object.fromEntries(Object.entries(spoilt).map(([how, change]) => {
  try { return [how, new RnnModel({ ...whole, ...change }) && '']; } catch (error) { return [how, error.message]; }
}))));
