// What rnnlib and torch compute, for the checks in JavaScript.

import { execFileSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');

/** What the script tests/browser/<name> prints, read as JSON. PYTHON names the Python that has rnnlib. */
export function expectations(name) {
  const python = process.env.PYTHON || join(ROOT, '.venv/bin/python');
  return JSON.parse(execFileSync(python, [join(HERE, name)], { cwd: ROOT, maxBuffer: 1e9, env: { ...process.env, OMP_NUM_THREADS: '1' } }));
}
