// Gradients against central differences: one function, for the engine in Node (playground.mjs) and, as a text, for the one that a page has loaded (playground_page.mjs).

export const CLOSE = 1e-7; // of the largest gradient of a kind of weights, in float64

/**
 * The gradients of small networks of each cell, last output and every one, symbols and numbers that come in, from a state that is not zero, against central
 * differences of the loss by each weight: [[what, largest difference of each kind of weights, as a share of its largest one], ..]. It uses nothing from around it.
 */
export function central(E) {
  const H = 3, N = 2, T = 4, STEP = 1e-5, found = [];
  for (const cell of ['RNN', 'GRU', 'LSTM']) {
    for (const every of [false, true]) {
      for (const task of ['parity', 'adding']) {
        const made = E.TASKS[task]({ T }), { D, K, loss } = made, network = new E.Network({ cell, D, H, K, every, loss }), space = network.space(T, N), random = new E.Random(5);
        for (const w of Object.values(network.weights)) E.initial.uniform(w, 0.8, random);
        const { x, y } = E.batch(made, N, random), state = { h: new Float64Array(N * H), c: new Float64Array(N * H) };
        for (const values of Object.values(state)) for (let k = 0; k < values.length; k++) values[k] = random.normal();
        const lossNow = () => { network.forward(space, x, state); return network.judge(space, y).loss; };
        lossNow();
        const gradients = Object.entries(network.backward(space, x)).map(([name, g]) => [name, g.slice()]);
        for (const [name, g] of gradients) {
          const w = network.weights[name];
          const differences = w.map((value, k) => {
            w[k] = value + STEP;
            const up = lossNow();
            w[k] = value - STEP;
            const down = lossNow();
            w[k] = value;
            return (up - down) / (2 * STEP);
          });
          const error = Math.max(...g.map((value, k) => Math.abs(value - differences[k]))) / Math.max(...differences.map(Math.abs));
          found.push([`${cell} ${task} ${every ? 'every' : 'last'}: ${name}`, Number.isNaN(error) ? Infinity : error]);
        }
      }
    }
  }
  return found;
}
