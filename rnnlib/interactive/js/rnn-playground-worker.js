// The playground's trainer: RnnTrainer runs in a worker, so that the page does not wait; where a page may have none, in the page itself, in short slices.
// RnnWorker() makes the worker, from the text of what the page has loaded: so it works in a page that is opened as a file, too.
//
// It is told   { type: 'configure', settings, show }   a new network; settings as RnnEngine.Training takes them, show: what to measure, as its measure() does
//              { type: 'start' | 'pause' | 'step' | 'reset' }   reset: the same settings from the beginning, paused
//              { type: 'show', show }                   measure something else
// It answers   { type: 'snapshot', run, running, settings, steps, finite, chance, curve, speed, measured }   after what it was told, and while it trains, at most 20 times a second
//              { type: 'refused', message }             what did not fit; the network before is still there
// run counts the networks, so that a page can tell old snapshots. curve: (3 x steps since the last snapshot), loss, accuracy and norm of each.
// speed: steps a second, training only.
// Training stops by itself once a number is none: finite is false then, and measured is null.

/** say(message, transferred) hears the answers; slice: milliseconds of training until messages are looked at. Returns a function that is told the messages. */
globalThis.RnnTrainer ??= (say, slice) => {
  const APART = 50; // milliseconds between snapshots at least
  const SHARE = 4; // training gets this many times the time of a snapshot

  const now = () => globalThis.performance.now();
  let settings = null, training = null, show = [], run = 0, running = false, finite = true;
  let curve = [], taken = 0, spent = 0; // since the last snapshot: what each step found, steps, milliseconds
  let next = 0, timer = 0, queued = false; // when the next snapshot may be sent; what waits for that; whether a slice of training waits

  /** Another network, if all of it fits; else an error, and the one before goes on. */
  const begin = (chosen, wanted) => {
    const begun = new globalThis.RnnEngine.Training(chosen);
    begun.measure(wanted); // refused before the network before is gone
    [settings, training, show, run, running, finite, curve, taken, spent] = [chosen, begun, wanted, run + 1, false, true, [], 0, 0];
  };

  const snapshot = () => {
    globalThis.clearTimeout(timer);
    timer = 0;
    const from = now();
    const measured = finite ? training.measure(show) : null, values = Float32Array.from(curve);
    const { steps, chance } = training, speed = spent && 1000 * taken / spent;
    say({ type: 'snapshot', run, running, settings, steps, finite, chance, curve: values, speed, measured }, [values, ...arrays(measured)].map(({ buffer }) => buffer));
    curve = [];
    taken = spent = 0;
    next = now() + Math.max(APART, SHARE * (now() - from));
  };

  /** The arrays of numbers in a tree: all are copies, which are given away. */
  const arrays = (tree) => Object.values(tree ?? {}).flatMap((part) => (ArrayBuffer.isView(part) ? [part] : Array.isArray(part) ? [] : arrays(part)));

  /** A snapshot now, or as soon as one may be sent. */
  const tell = () => {
    if (timer) return;
    const wait = next - now();
    if (wait > 0) timer = globalThis.setTimeout(snapshot, wait);
    else snapshot();
  };

  const step = () => {
    const from = now(), { loss, accuracy, norm, finite: sound } = training.step();
    spent += now() - from;
    taken++;
    curve.push(loss, accuracy, norm);
    finite = sound;
    if (!sound) running = false;
  };

  const { port1, port2 } = new globalThis.MessageChannel(); // a timer would wait 4 ms each time
  const goOn = () => {
    if (!queued) port2.postMessage(0);
    queued = true;
  };
  port1.onmessage = () => {
    queued = false;
    if (!running) return;
    const until = now() + slice;
    while (running && now() < until) step();
    if (!running) return tell(); // no number any more
    if (now() >= next) snapshot();
    goOn();
  };

  const TOLD = {
    configure(message) { begin(message.settings, message.show ?? []); },
    show(message) {
      training.measure(message.show); // refused before it is kept
      show = message.show;
    },
    start() {
      running = finite;
      if (running) goOn();
    },
    pause() { running = false; },
    step() { if (!running && finite) step(); },
    reset() { begin(settings, show); },
  };

  return (message) => {
    try {
      if (!TOLD[message.type]) throw new RangeError(`type must be ${Object.keys(TOLD).join(', ')}, got ${message.type}`);
      if (!training && message.type !== 'configure') throw new RangeError(`configure must come first, got ${message.type}`);
      TOLD[message.type](message);
      tell();
    } catch (error) { say({ type: 'refused', message: error.message }); }
  };
};

/** A worker that trains; it is told and answers what RnnTrainer does. */
globalThis.RnnWorker ??= () => {
  const { RnnProduct, RnnEngine, RnnTrainer } = globalThis;
  const text = `globalThis.RnnProduct = (${RnnProduct.make})(); globalThis.RnnEngine = (${RnnEngine.make})();
    const tell = (${RnnTrainer})((message, transferred) => postMessage(message, transferred), 12);
    onmessage = ({ data }) => tell(data);`;
  const address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  try { return new Worker(address); } finally { setTimeout(() => URL.revokeObjectURL(address), 60000); }
};
