// Matrix products for the playground's engine: C += A B, in WebAssembly where there is SIMD, in plain JavaScript elsewhere.
//
// RnnProduct.add(C, A, B, M, N, K)             C (M, N) += A (M, K) B (K, N)
// RnnProduct.addTransposed(C, A, B, M, N, K)   C (M, N) += A^T B, with A (K, M)
// Matrices lie row by row, three arrays of one type: Float32Array or Float64Array. No two sums are taken in another order than the index k.
// RnnProduct.plain has the same two without WebAssembly; RnnProduct.fast says whether there is any.
//
// The module is written here, instruction by instruction: one loop that keeps 4 rows by 2 vectors of C in registers. It reads a memory of its
// own, to which the matrices are copied: that costs M K + K N + 2 M N moves for M N K products, and the engine's arrays stay ordinary ones.
// make is the function that all of this comes from: its text goes to a worker.

globalThis.RnnProduct ??= (function make() {
  const ROWS = 4, VECTORS = 2, BYTES = 16; // of C at once: rows, and vectors of so many bytes in each

  /** C (M, N) += A B with B (K, N); A's entry (i, k) is at i * row + k * column. Four rows and two columns of C at once. */
  const plain = (C, A, B, M, N, K, row, column) => {
    const wholeM = M - M % 4, wholeN = N - N % 2;
    for (let from = 0; from < K; from += 64) { // what stays in the processor's nearest memory
      const to = Math.min(from + 64, K);
      for (let i = 0; i < wholeM; i += 4) {
        for (let j = 0; j < wholeN; j += 2) {
          const c0 = i * N + j, c1 = c0 + N, c2 = c1 + N, c3 = c2 + N;
          let p0 = C[c0], q0 = C[c0 + 1], p1 = C[c1], q1 = C[c1 + 1], p2 = C[c2], q2 = C[c2 + 1], p3 = C[c3], q3 = C[c3 + 1];
          for (let k = from, b = from * N + j, a = i * row + from * column; k < to; k++, b += N, a += column) {
            const p = B[b], q = B[b + 1], a0 = A[a], a1 = A[a + row], a2 = A[a + 2 * row], a3 = A[a + 3 * row];
            p0 += a0 * p; q0 += a0 * q;
            p1 += a1 * p; q1 += a1 * q;
            p2 += a2 * p; q2 += a2 * q;
            p3 += a3 * p; q3 += a3 * q;
          }
          C[c0] = p0; C[c0 + 1] = q0; C[c1] = p1; C[c1 + 1] = q1; C[c2] = p2; C[c2 + 1] = q2; C[c3] = p3; C[c3 + 1] = q3;
        }
      }
    }
    for (let i = 0; i < M; i++) { // the edges: the last rows, the last column
      for (let j = i < wholeM ? wholeN : 0; j < N; j++) {
        let c = C[i * N + j];
        for (let k = 0; k < K; k++) c += A[i * row + k * column] * B[k * N + j];
        C[i * N + j] = c;
      }
    }
  };

  // ---- the same as a WebAssembly module ----

  const number = (n) => { // LEB128, of a number from 0 to 8191 as the format writes it, signed or not
    const low = n & 127;
    return n < 64 ? [n] : [low | 128, n >> 7];
  };
  const section = (id, ...bytes) => [id, ...number(bytes.flat(9).length), ...bytes.flat(9)];
  const get = (local) => [0x20, local], set = (local) => [0x21, local], tee = (local) => [0x22, local];
  const constant = (n) => [0x41, ...number(n)], ADD = 0x6a, MULTIPLY = 0x6c, BELOW = 0x49; // of i32
  const raise = (local, by) => [get(local), by, ADD, set(local)];
  const loop = (pointer, step, end, ...body) => [0x03, 0x40, body, get(pointer), step, ADD, tee(pointer), end, BELOW, 0x0d, 0, 0x0b]; // at least once
  const load = (offset) => [0xfd, 0x00, 2, ...number(offset)], store = (offset) => [0xfd, 0x0b, 2, ...number(offset)];
  const KINDS = {
    Float32Array: { bytes: 4, splat: [0xfd, 0x09, 2, 0], times: [0xfd, 0xe6, 0x01], plus: [0xfd, 0xe4, 0x01] }, // f32x4
    Float64Array: { bytes: 8, splat: [0xfd, 0x0a, 3, 0], times: [0xfd, 0xf2, 0x01], plus: [0xfd, 0xf0, 0x01] }, // f64x2
  };

  /** The module whose f(C, A, B, endA, rowC, endB, rowA, columnA), all in bytes, adds A B to C. */
  const written = ({ splat, times, plus }) => {
    const [C, A, B, endA, rowC, endB, rowA, columnA, j, b, b0] = Array(11).keys(), names = Array.from({ length: ROWS }, (_, r) => r);
    const a = (r) => 11 + r, c = (r) => 11 + ROWS + r; // pointers to rows
    const first = 11 + 2 * ROWS, sum = (r, v) => first + r * VECTORS + v, part = (v) => first + ROWS * VECTORS + v, entry = first + (ROWS + 1) * VECTORS;
    const each = (act) => names.map((r) => Array.from({ length: VECTORS }, (_, v) => act(r, v)));
    const rows = (pointer, start, step) => names.map((r) => [r ? [get(pointer(r - 1)), get(step), ADD] : start, set(pointer(r))]);
    const body = loop(A, [constant(ROWS), get(rowA), MULTIPLY], get(endA), // four rows of A
      constant(0), set(j),
      loop(j, constant(VECTORS * BYTES), get(rowC), // two vectors of a row of C
        rows(a, get(A), rowA), rows(c, [get(C), get(j), ADD], rowC),
        each((r, v) => [get(c(r)), load(v * BYTES), set(sum(r, v))]),
        get(B), get(j), ADD, set(b),
        loop(b, get(rowC), get(endB), // all k
          Array.from({ length: VECTORS }, (_, v) => [get(b), load(v * BYTES), set(part(v))]),
          names.map((r) => [
            get(a(r)), splat, set(entry),
            Array.from({ length: VECTORS }, (_, v) => [get(sum(r, v)), get(entry), get(part(v)), times, plus, set(sum(r, v))]),
            raise(a(r), get(columnA)),
          ])),
        each((r, v) => [get(c(r)), get(sum(r, v)), store(v * BYTES)])),
      raise(C, [constant(ROWS), get(rowC), MULTIPLY]));
    const locals = [2, 3 + 2 * ROWS, 0x7f, (ROWS + 1) * VECTORS + 1, 0x7b]; // so many i32, so many v128
    const code = [locals, body, 0x0b].flat(99);
    return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
      section(1, 1, 0x60, 8, Array(8).fill(0x7f), 0), // a function of eight i32
      section(2, 1, 1, 0x65, 1, 0x6d, 2, 0, 1), // e.m, a memory of at least a page
      section(3, 1, 0), section(7, 1, 1, 0x66, 0, 0), // exported as f
      section(10, 1, number(code.length), code)].flat(99));
  };

  /** The product in WebAssembly for one type of array, or null. */
  const compiled = (Float) => {
    try {
      const kind = KINDS[Float.name], { bytes } = kind, wide = VECTORS * BYTES / bytes, memory = new WebAssembly.Memory({ initial: 1 });
      const { f } = new WebAssembly.Instance(new WebAssembly.Module(written(kind)), { e: { m: memory } }).exports;
      const up = (n, to) => Math.ceil(n / to) * to;
      let view = new Float(memory.buffer);
      /** A matrix (rows, columns) to `at`, each row `width` long there, or back. */
      const copy = (to, at, width, from, start, span, rows, columns) => {
        if (width === columns && span === columns) to.set(from.subarray(start, start + rows * columns), at);
        else for (let r = 0; r < rows; r++) for (let k = 0; k < columns; k++) to[at + r * width + k] = from[start + r * span + k];
      };
      return (C, A, B, M, N, K, row, column) => {
        const rows = up(M, ROWS), columns = up(N, wide), transposed = row === 1, width = transposed ? rows : K;
        const atA = rows * columns, atB = atA + rows * K, end = atB + K * columns; // C, A, B
        if (view.length < end) {
          memory.grow(Math.ceil((end - view.length) * bytes / 65536));
          view = new Float(memory.buffer);
        }
        copy(view, 0, columns, C, 0, N, M, N);
        copy(view, atA, width, A, 0, transposed ? M : K, transposed ? K : M, transposed ? M : K);
        copy(view, atB, columns, B, 0, N, K, N);
        const rowA = (transposed ? 1 : K) * bytes;
        f(0, atA * bytes, atB * bytes, atA * bytes + rows * rowA, columns * bytes, end * bytes, rowA, (transposed ? rows : 1) * bytes);
        copy(C, 0, N, view, 0, columns, M, N);
      };
    } catch { return null; } // an old browser, or one that may not compile
  };

  const fast = new Map([Float32Array, Float64Array].map((Float) => [Float, globalThis.WebAssembly ? compiled(Float) : null]));
  const add = (C, A, B, M, N, K) => (fast.get(C.constructor) ?? plain)(C, A, B, M, N, K, K, 1);
  const addTransposed = (C, A, B, M, N, K) => (fast.get(C.constructor) ?? plain)(C, A, B, M, N, K, 1, M);
  return {
    make, add, addTransposed, fast: [...fast.values()].every(Boolean),
    plain: { add: (C, A, B, M, N, K) => plain(C, A, B, M, N, K, K, 1), addTransposed: (C, A, B, M, N, K) => plain(C, A, B, M, N, K, 1, M) },
  };
})();
