"""Likely wrong answers to the notebooks' exercises: what each changes in the solution."""

WRONG = {
    "sequences": {
        1: {
            "the middle digit twice": [("left[: T // 2]", "left")],
            "a copy, not a mirror": [("[::-1]", "")],
            "the wrong half first": [
                ("left + left[: T // 2][::-1]", "left[::-1] + left[len(left) - T // 2 :]")
            ],
            "one digit too few": [("T // 2]", "T // 2 - 1]")],
        },
        2: {
            "the most frequent digit": [("(counts % 2)", "counts")],
            "the smallest digit that is even": [("argmax", "argmin")],
            "the number of odd counts": [(".argmax(dim=1)", ".sum(dim=1)")],
            "along the batch": [("dim=1", "dim=0")],
        },
        3: {
            "x1 taken as one": [("2 * w * x1", "2 * w")],
            "h0 forgotten": [("3 * w**2 * h0 + ", "")],
            "the immediate derivative": [("3 *", ""), ("2 * w", "w")],
            "h3 itself": [("3 * w**2 * h0 + 2 * w * x1 + x2", "w**3 * h0 + w**2 * x1 + w * x2 + x3")],
        },
    },
    "vanilla_rnn": {
        1: {
            "no mean": [(" / len(y)", "")],
            "the other sign": [("return y_hat", "return -y_hat")],
            "nothing taken off at the label": [("-= 1", "-= 0")],
            "divided by the classes": [("len(y)\n", "p.shape[1]\n")],
            "the label's column for everyone": [("[np.arange(len(y)), y]", "[:, y[0]]")],
        },
        2: {
            "the transpose": [("da.T @ h_before", "h_before.T @ da")],
            "back through the transposed matrix": [("da @ W_hh", "da @ W_hh.T")],
            "no tanh": [("(1 - h[:, t] ** 2) * dh", "dh")],
            "tanh of the state": [("h[:, t] ** 2", "np.tanh(h[:, t]) ** 2")],
            "the last step only": [("+=", "+= (t == h.shape[1] - 1) *")],
            "the first step only": [("+=", "=")],
            "h0 taken as zero": [("else h0", "else 0 * h0")],
            "the state after the step": [("da.T @ h_before", "da.T @ h[:, t]")],
            "the mean over the batch": [("return dW_hh", "return dW_hh / len(h0)")],
        },
        3: {
            "still the tanh": [("(h[:, t] > 0)", "(1 - h[:, t] ** 2)")],
            "open at zero": [("(h[:, t] > 0)", "(h[:, t] >= 0)")],
            "times the state": [("(h[:, t] > 0)", "h[:, t]")],
            "the gate of the step before": [("(h[:, t] > 0)", "(h_before > 0)")],
            "the other sign": [("return dW_hh", "return -dW_hh")],
        },
    },
    "gradients": {
        1: {
            "the mean of the factors": [
                ("(norms[0] / norms[-2]) ** (1 / (len(norms) - 2))", "np.mean(norms[:-2] / norms[1:-1])")
            ],
            "the median of the factors": [
                ("(norms[0] / norms[-2]) ** (1 / (len(norms) - 2))", "np.median(norms[:-2] / norms[1:-1])")
            ],
            "the harmonic mean": [
                ("(norms[0] / norms[-2]) ** (1 / (len(norms) - 2))", "1 / np.mean(norms[1:-1] / norms[:-2])")
            ],
            "forward in time": [("norms[0] / norms[-2]", "norms[-2] / norms[0]")],
            "with the step at the loss": [("norms[-2]", "norms[-1]"), ("- 2)", "- 1)")],
            "one factor too many": [("len(norms) - 2", "len(norms) - 1")],
            "no root": [(" ** (1 / (len(norms) - 2))", "")],
        },
        2: {
            "the product itself": [(", v / length", ", v"), ("total + ", "")],
            "a sum": [(" / len(J)", "")],
            "the length at the start forgotten": [("v / np.linalg.norm(v)", "v")],
            "the largest growth of each step": [
                ("np.linalg.norm(v)\n        total", "np.linalg.norm(J_t, 2)\n        total")
            ],
            "the last matrix first": [("in J:", "in J[::-1]:")],
            "transposed": [("J_t @ v", "v @ J_t")],
            "a logarithm to base 2": [("np.log(", "np.log2(")],
        },
        3: {
            "max_norm forgotten": [("max_norm / norm", "1 / norm")],
            "each array by its own norm": [
                ("[g * min(1.0, max_norm / norm) for", "[g * min(1.0, max_norm / np.linalg.norm(g)) for")
            ],
            "always scaled": [("min(1.0, max_norm / norm)", "(max_norm / norm)")],
            "clipped entry by entry": [
                ("g * min(1.0, max_norm / norm)", "np.clip(g, -max_norm / 4, max_norm / 4)")
            ],
            "no root": [("np.sqrt(sum((g**2).sum() for g in grads))", "sum((g**2).sum() for g in grads)")],
            "nothing clipped": [("min(1.0, max_norm / norm)", "1.0")],
        },
    },
    "initialisation": {
        1: {
            "digits lost": [("np.log(np.expm1(np.log(2) / steps))", "np.log(2 ** (1 / steps) - 1)")],
            "the other sign": [("-np.log(np", "np.log(np")],
            "the gate itself": [("-np.log(np.expm1(np.log(2) / steps))", "0.5 ** (1 / steps)")],
            "a time constant": [("np.log(2) / steps", "1 / steps")],
            "the whole stretch at once": [("/ steps", "* np.minimum(steps, 99)")],
        },
        2: {
            "Kaiming's": [("((1 + alpha**2) * fan_in)", "fan_in")],
            "the slope not squared": [("alpha**2", "alpha")],
            "no half": [("2 /", "1 /")],
            "the standard deviation": [("2 / ((1 + alpha**2) * fan_in)", "(2 / ((1 + alpha**2) * fan_in)) ** 0.5")],
            "upside down": [("2 / ((1 + alpha**2) * fan_in)", "((1 + alpha**2) * fan_in) / 2")],
        },
        3: {
            "with the clock": [("[c, -s], [s, c]", "[c, s], [-s, c]")],
            "a common divisor forgotten": [("q // np.gcd(p, q)", "q")],
            "a mirror": [("[c, -s], [s, c]", "[c, s], [s, -c]")],
            "how often the angle fits": [("q // np.gcd(p, q)", "round(q / p)")],
            "degrees": [("2 * np.pi * p / q", "360 * p / q")],
        },
    },
    "lstm": {
        1: {
            "the output gate sees the old cell": [
                ("i, f = ", "old = c\n    i, f = "), ("p_o * c)", "p_o * old)"),
            ],
            "the packing i, f, o, g": [("a_i, a_f, a_g, a_o =", "a_i, a_f, a_o, a_g =")],
            "no tanh in front of the output gate": [("np.tanh(c) *", "c *")],
            "no peephole to the input gate": [("a_i + p_i * c", "a_i")],
            "the forget gate on the candidate": [("np.tanh(a_g) * i + c * f", "np.tanh(a_g) * f + c * i")],
            "c first": [("[np.tanh(c) * bptt.sigmoid(a_o + p_o * c), c]", "[c, np.tanh(c) * bptt.sigmoid(a_o + p_o * c)]")],
        },
        2: {
            "one gate too many": [("found[:, t] = f[:, t + 1]", "found[:, t] = f[:, t]")],
            "forward in time": [("    return found", "    return found[:, ::-1]")],
            "one factor only": [("* found[:, t + 1]", "")],
            "the logarithm": [("return found", "return np.log(found)")],
            "the product up to t": [("    return found", "    return np.cumprod(f, axis=1)")],
        },
        3: {
            "the order the other way round": [
                ("f, o, i, g = np", "i, f, g, o = np"), ("[i, f, g, o]", "[f, o, i, g]"),
            ],
            "unchanged": [("np.concatenate([i, f, g, o])", "W")],
            "rows of each gate reversed": [
                ("[i, f, g, o]", "[i[::-1], f[::-1], g[::-1], o[::-1]]"),
            ],
            "all rows reversed": [("np.concatenate([i, f, g, o])", "np.concatenate([i, f, g, o])[::-1]")],
            "i, f, o, g": [("[i, f, g, o]", "[i, f, o, g]")],
        },
    },
    "gru": {
        1: {
            "b_nh forgotten": [(" + n\n", "\n")],
            "two biases a gate, as torch": [(") + n\n", ") + 3 * n\n")],
            "every layer reads the inputs": [("2 * n**2", "m * n + n**2")],
            "four gates": [("3 *", "4 *")],
            "one layer": [(" + (L - 1) * above", "")],
        },
        2: {
            "the direct road forgotten": [("dh * z + ", "")],
            "1 - z keeps": [("dh * z +", "dh * (1 - z) +")],
            "b_nh forgotten": [(" + b_nh)", ")")],
            "the reset gate before the product": [
                ("(da_n * r) @ W_nh", "da_n @ W_nh * r"), ("(h @ W_nh.T + b_nh)", "h"),
            ],
            "no reset gate on the way back": [("(da_n * r)", "da_n")],
            "the update gate's sign": [("(h - n)", "(n - h)")],
            "transposed": [("@ W_rh +", "@ W_rh.T +")],
        },
        3: {
            "no sign": [("-z", "z")],
            "blocks not moved": [("[r, -z, n]", "[-z, r, n]")],
            "the sign on the reset gate": [("[r, -z, n]", "[-r, z, n]")],
            "the bias keeps its sign": [
                ('"b": turned(b)', '"b": np.abs(turned(b)) * np.sign(np.roll(b, 5))')
            ],
            "one minus the weights": [("-z", "1 - z")],
        },
    },
    "phased_lstm": {
        1: {
            "the rest takes the sign of the time": [("((t - s) % tau)", "np.fmod(t - s, tau)")],
            "no shift": [("(t - s)", "t")],
            "a constant leak": [("leak * phi)", "leak)")],
            "half as steep": [("2 * phi / r_on, 2 - 2 * phi", "phi / r_on, 2 - 2 * phi")],
            "closed without a leak": [("leak * phi)", "0)")],
            "a phase in milliseconds": [(" / tau", "")],
        },
        2: {
            "the other sign": [("(-1 / tau)", "(1 / tau)")],
            "no period": [("(-1 / tau)", "-1")],
            "no leak": [("leak))", "0))")],
            "the mean over the times": [("dk @ slope", "(dk * slope).mean(1)")],
            "falling like rising": [("-2 / r_on", "2 / r_on")],
            "no sum": [("dk @ slope", "dk * slope")],
        },
        3: {
            "the whole period": [("(1 - r_on**2)", "1")],
            "a constant leak": [("(1 - r_on**2) / 2", "(1 - r_on)")],
            "no half": [("(1 - r_on**2) / 2", "(1 - r_on**2)")],
            "the open part": [("(1 - r_on**2)", "r_on**2")],
            "a sample a millisecond": [("(tau / step)", "tau")],
            "what is lost": [("np.exp(", "-np.expm1(")],
        },
    },
    "memory": {
        1: {
            "the failures left out": [("half = (len(steps) + 1) // 2", "half = (len(done) + 1) // 2")],
            "half rounded down": [("(len(steps) + 1) // 2", "len(steps) // 2")],
            "more than half": [("(len(steps) + 1) // 2", "len(steps) // 2 + 1")],
            "given up counts as solved": [("steps[solved]", "steps")],
            "the last that is solved": [("done[half - 1] if len(done) >= half else -1", "done[-1] if len(done) >= half else -1")],
            "in the order of the runs": [("np.sort(steps[solved])", "steps[solved]")],
        },
        2: {
            "as if groups did not overlap": [("return mean", "return r / q**r")],
            "one over the chance of r": [("return mean", "return 1 / q**r")],
            "without a new start": [("(mean + 1) / q", "mean + 1 / q")],
            "one too few": [("range(r)", "range(r - 1)")],
            "the batch that fails is free": [("(mean + 1) / q", "mean / q + 1")],
            "from the end on": [("return mean", "return mean - r")],
        },
        3: {
            "what is forgotten is zero": [("+ 0.5 * (2 - marks.sum(axis=1))", "")],
            "one mark only": [("(2 - marks", "(1 - marks")],
            "the first k": [("-k:, 0], x[:, -k:, 1]", ":k, 0], x[:, :k, 1]")],
            "always one": [("(numbers * marks).sum(axis=1) + 0.5 * (2 - marks.sum(axis=1))", "0 * marks.sum(axis=1) + 1")],
            "numbers without their marks": [("(numbers * marks)", "numbers")],
            "a mean number for each that is seen": [("(2 - marks.sum(axis=1))", "marks.sum(axis=1)")],
        },
    },
    "optimizers": {
        1: {
            "no correction": [("m / (1 - beta1**t), v / (1 - beta2**t)", "m, v")],
            "epsilon inside the root": [("(np.sqrt(v_hat) + eps)", "np.sqrt(v_hat + eps)")],
            "no epsilon": [(" + eps)", ")")],
            "no square": [("g**2", "np.abs(g)")],
            "uphill": [("w - lr", "w + lr")],
            "counted from zero": [("beta1**t", "beta1 ** (t - 1)"), ("beta2**t", "beta2 ** (t - 1)")],
            "corrected means kept": [("m, v\n", "m_hat, v_hat\n")],
        },
        2: {
            "the border of swinging": [
                ("2 * (1 + mu)", "(1 + mu**0.5) ** 2"),
            ],
            "the border of swinging, as a sum": [
                (
                    "2 * (1 + mu) / ((1 - mu) * curvature)",
                    "2 / curvature if mu == 0 else (1 + mu**0.5) ** 2 / curvature",
                )
            ],
            "without momentum": [("2 * (1 + mu) / ((1 - mu) * curvature)", "2 / curvature")],
            "momentum as a sum": [("((1 - mu) * curvature)", "curvature")],
            "the first step only": [("(1 + mu)", "1")],
            "Nesterov's": [("/ ((1 - mu) * curvature)", "/ ((1 + 2 * mu) * (1 - mu) * curvature)")],
            "no two": [("2 * (1 + mu)", "(1 + mu)")],
        },
        3: {
            "rounded down": [("math.ceil", "math.floor")],
            "not rounded": [("math.ceil", "float")],
            "upside down": [("math.log(off) / math.log(beta)", "math.log(beta) / math.log(off)")],
            "what is right in place of what is off": [("math.log(off)", "math.log(1 - off)")],
            "one over": [("math.log(off) / math.log(beta)", "1 / (1 - beta)")],
        },
    },
    "optimizer_study": {
        1: {
            "one direction only": [("as_far.append(abs(", "as_far.append((")],
            "further, and not as far": [(">= real - 1e-12", "> real + 1e-12")],
            "medians": [("].mean() - rest.mean()", "].sum() / len(a) - np.median(rest)")],
            "a count": [("np.mean(as_far)", "np.sum(as_far)")],
            "without the real deal": [("np.mean(as_far)", "(np.sum(as_far) - 1) / (len(as_far) - 1)")],
            "how often it is not luck": [("np.mean(as_far)", "1 - np.mean(as_far)")],
        },
        2: {
            "natural logarithms": [("np.log10(rates)", "np.log(rates)")],
            "from rate to rate": [("return x[k] + share * (x[k + step] - x[k])", "return x[k]")],
            "to the rate beyond": [("share * (x[k + step]", "(x[k + step]")],
            "lines over the rate": [
                (
                    "x[k] + share * (x[k + step] - x[k])",
                    "np.log10(rates[k] + share * (rates[k + step] - rates[k]))",
                )
            ],
            "the right half": [(" - edge(-1)", " - x[lowest]")],
            "the second valley too": [("edge(1) - edge(-1)", "np.ptp(x[losses <= level])")],
            "a share of the lowest": [("losses.min() + slack", "losses.min() * (1 + slack)")],
        },
        3: {
            "the page's logarithm": [("math.log(beta2)", "(beta2 - 1)")],
            "to twice the usual": [("(1 / share**2 - 1)", "1")],
            "no square of the share": [("1 / share**2", "1 / share")],
            "the gradient and not its square": [("S**2 - 1", "S - 1")],
            "no jump": [("(1 - beta2) * (S", "(S")],
            "rounded down": [("math.ceil", "math.floor")],
            "v all the way to the usual": [("1 / share**2 - 1)", "1 / share**2)")],
        },
    },
    "ngram_lm": {
        1: {
            "the word after START is lost": [("(n - 1)", "(n - 2)"), ("range(len(line))", "range(len(line) - 1)")],
            "START once": [("[start] * (n - 1) + line", "[start] + line + [start] * (n - 2)")],
            "the words after it": [("[start] * (n - 1) + line", "line + [start] * (n - 1)")],
            "in reverse": [("row[t : t + n]", "row[t : t + n][::-1]")],
            "END in place of START": [("[start]", "[line[-1]]")],
        },
        2: {
            "one place of each word": [("np.add.at(dC, numbers, dx)", "dC[numbers] += dx")],
            "the mean over the windows": [("return dC", "return dC / len(dx)")],
            "the mean over the places of a word": [
                ("return dC", "return dC / np.maximum(np.bincount(numbers.ravel(), minlength=K), 1)[:, None]")
            ],
            "the first place of a window only": [("dC, numbers, dx", "dC, numbers[:, 0], dx[:, 0]")],
            "the other sign": [("return dC", "return -dC")],
            "only the words that stand somewhere": [("np.zeros((K,", "np.zeros((numbers.max() + 1,")],
        },
        3: {
            "a power of e": [("2 ** (", "np.exp(")],
            "padding counted": [("mask.sum()", "mask.size")],
            "the padding's numbers too": [("(log2_p * mask).sum() / mask.sum()", "log2_p.mean()")],
            "each line counts once": [
                ("(log2_p * mask).sum() / mask.sum()", "((log2_p * mask).sum(1) / mask.sum(1)).mean()")
            ],
            "mean of the lines' perplexities": [
                ("2 ** (-(log2_p * mask).sum() / mask.sum())", "(2 ** (-(log2_p * mask).sum(1) / mask.sum(1))).mean()")
            ],
            "the other sign": [("(-(log2_p", "((log2_p")],
        },
    },
    "rnn_lm": {
        1: {
            "every N-th word": [("numbers[n * S : n * S + S + 1]", "numbers[n::N]")],
            "windows that do not overlap": [("strand[k * T : k * T + T + 1]", "strand[k * (T + 1) : (k + 1) * (T + 1)]"), ("S // T", "S // (T + 1)")],
            "no target at the end": [("k * T + T + 1]", "k * T + T]")],
            "all words, none left for the last target": [("(len(numbers) - 1) // N", "len(numbers) // N")],
            "strand by strand": [("[[strand[k * T : k * T + T + 1] for strand in strands] for k in range(S // T)]", "[[strand[k * T : k * T + T + 1] for k in range(S // T)] for strand in strands]")],
            "the last window first": [("range(S // T)", "reversed(range(S // T))")],
        },
        2: {
            "never cut": [("if t % T == 0:", "if t == 0:")],
            "the state is cut too": [("            dh_dw = 0.0", "            h = dh_dw = 0.0")],
            "the immediate derivative alone": [("h + w * dh_dw", "h")],
            "the state after the step": [
                ("        dh_dw = h + w * dh_dw\n        h = w * h + x[t]", "        h = w * h + x[t]\n        dh_dw = h + w * dh_dw")
            ],
            "cut one step late": [("t % T == 0", "t % T == 1")],
            "the mean over the steps": [("return dw", "return dw / len(x)")],
            "without the one half's two": [("(h - y[t]) * dh_dw", "(h - y[t]) * dh_dw / 2")],
        },
        3: {
            "the readout alone": [("    np.add.at(dC, numbers, dx)\n", "")],
            "the table alone": [("dp.T @ h", "np.zeros((dp.shape[1], h.shape[1]))")],
            "one place of each word": [("np.add.at(dC, numbers, dx)", "dC[numbers] += dx")],
            "the mean of both": [("return dC", "return dC / 2")],
            "the difference": [("numbers, dx)", "numbers, -dx)")],
            "the mean over the places": [("return dC", "return dC / len(h)")],
        },
    },
    "char_lm": {
        1: {
            "overflows": [(" - p.max()", "")],
            "times the temperature": [("/ tau", "* tau")],
            "softmax of the probabilities": [
                ("e / e.sum()", "(q := np.exp(e / e.sum())) / q.sum()")
            ],
            "zero treated as one": [("return np.eye(len(p))[p.argmax()]", "tau = 1")],
            "all mass on the least": [("argmax", "argmin")],
            "not normalised": [("e / e.sum()", "e")],
        },
        2: {
            "not sorted": [("np.sort(y)[::-1]", "y")],
            "the least probable first": [("[::-1]", "")],
            "one too few": [(" + 1", "")],
            "as many as are above the mass": [("sums < mass", "sums > mass")],
            "no sums": [("np.cumsum(np.sort(y)[::-1])", "np.sort(y)[::-1]")],
        },
        3: {
            "perplexity twice the bits": [("2**bits", "2 * bits")],
            "bits the wrong way": [("nats / math.log(2)", "nats * math.log(2)")],
            "two to the nats": [("2**bits", "2**nats")],
            "bits for bytes": [(" / 8", "")],
            "nats for bits": [("return bits,", "return nats,")],
        },
    },
    "shakespeare": {
        1: {
            "the shares themselves": [("np.log(np.bincount(numbers, minlength=K))", "np.bincount(numbers, minlength=K) / len(numbers)")],
            "the sum is not zero": [(" - b.mean()", "")],
            "the log of the shares": [(" - b.mean()", " - np.log(len(numbers))")],
            "the other sign": [("return b - b.mean()", "return b.mean() - b")],
            "a logarithm to base 2": [("np.log(", "np.log2(")],
            "each counted once more": [("minlength=K)", "minlength=K) + 1")],
            "the most frequent is zero": [("b.mean()", "b.max()")],
        },
        2: {
            "no common character": [("k * T", "k * (T + 1)")],
            "strands too long": [("(len(numbers) - 1) // N", "-(-len(numbers) // N)")],
            "no targets": [("T + 1", "T")],
            "counted from one": [("k * T", "(k - 1) * T")],
            "strands interleaved": [("S * np.arange(N)[:, None]", "np.arange(N)[:, None]"), ("np.arange(T + 1)", "N * np.arange(T + 1)")],
            "time first": [("return numbers[starts + np.arange(T + 1)]", "return numbers[starts + np.arange(T + 1)].T")],
        },
        3: {
            "the state after the step": [("h[:-1]", "h[1:]")],
            "the transpose": [("rows.T @ h[:-1].reshape(-1, h.shape[2])", "(rows.T @ h[:-1].reshape(-1, h.shape[2])).T")],
            "the mean": [("h.shape[2])", "h.shape[2]) / len(rows)")],
            "rows in another order": [("h[:-1].reshape", "h[:-1].swapaxes(0, 1).reshape")],
            "the mean over sequences": [("h.shape[2])", "h.shape[2]) / da.shape[1]")],
            "the last step only": [("da.reshape(-1, da.shape[2])", "da[-1]"), ("h[:-1].reshape(-1, h.shape[2])", "h[-2]")],
        },
    },
    "tang_poems": {
        1: {
            "padding counted everywhere": [("nats * real", "nats")],
            "one place too many": [("nats.shape[1]) < ", "nats.shape[1]) <= ")],
            "a mean of means": [
                ("known.sum() / lengths.sum()", "(known.sum(axis=1) / lengths).mean()")
            ],
            "the exponential of a mean of means": [
                ("np.exp(known.sum(axis=1) / lengths).mean()", "np.exp((known.sum(axis=1) / lengths).mean())")
            ],
            "poems over the padded length": [("known.sum(axis=1) / lengths", "known.mean(axis=1)")],
            "along the poems": [("nats.mean(axis=1)", "nats.mean(axis=0)")],
        },
        2: {
            "the largest of all": [("scaled[may].max()", "scaled.max()")],
            "nothing subtracted": [("scaled - scaled[may].max()", "scaled")],
            "shares of all symbols": [("return e / e.sum()", "return np.where(may, e, 0) / np.exp(scaled - scaled[may].max()).sum()")],
            "not divided by the sum": [("return e / e.sum()", "return e")],
            "no temperature": [("logits / tau", "logits")],
            "the temperature multiplied": [("logits / tau", "logits * tau")],
            "what is forbidden at zero": [("-np.inf", "0.0")],
            "no mask": [("np.where(may, scaled - scaled[may].max(), -np.inf)", "scaled - scaled.max()")],
        },
        3: {
            "only the text of the pair": [
                ("group = [low if g == high else g for g in group]", "group[k] = group[j] = low")
            ],
            "over the smaller set": [("len(sets[j] | sets[k])", "min(len(sets[j]), len(sets[k]))")],
            "over both sets together": [("len(sets[j] | sets[k])", "(len(sets[j]) + len(sets[k]))")],
            "one character less": [("t : t + n]", "t : t + n - 1]")],
            "the last of its group": [("low if g == high", "high if g == low")],
            "a number for each group": [("return group", "return [sorted(set(group)).index(g) for g in group]")],
            "the text before it only": [("range(k)", "range(max(0, k - 1), k)")],
        },
    },
    "graphs": {
        1: {
            "no self-connections": [("A + lam * np.eye(len(A))", "A")],
            "one for lambda": [("lam *", "1.0 *")],
            "degrees of A alone": [("s = own.sum", "s = A.sum")],
            "rows alone": [("s[:, None] * own * s", "s[:, None] ** 2 * own")],
            "columns alone": [("s[:, None] * own * s", "own * s**2")],
            "multiplied by the degrees": [("** -0.5", "** 0.5")],
        },
        2: {
            "one direction only": [("[edges, edges[:, ::-1]]", "[edges]")],
            "no message of its own": [("z = lam * u / d[:, None]", "z = np.zeros_like(u)")],
            "one place of several": [("np.add.at(z, i, u[j] / np.sqrt(d[i] * d[j])[:, None])", "z[i] += u[j] / np.sqrt(d[i] * d[j])[:, None]")],
            "the mean of the neighbours": [("np.sqrt(d[i] * d[j])", "d[i]")],
            "degrees without lambda": [("d = np.full(len(u), lam)", "d = np.full(len(u), 1e-9)")],
        },
        3: {
            "the diagonal alone": [(" - (dz * z + u * du) / 2", "")],
            "one of the two roots": [("(dz * z + u * du) / 2", "dz * z / 2")],
            "no half": [(") / 2)", "))")],
            "the degrees forgotten": [(" / d).sum()", ").sum()")],
            "the other sign": [("return (", "return -(")],
        },
    },
    "parallel": {
        1: {
            "first and second exchanged": [("a[:, t] * B + b[:, t]", "A * b[:, t] + B")],
            "the factor forgotten": [("a[:, t] * B + b[:, t]", "B + b[:, t]")],
            "B first": [("[A, B]", "[B, A]")],
            "one step too few": [("range(a.shape[1])", "range(a.shape[1] - 1)")],
        },
        2: {
            "the gate of its own step": [
                ("delta[:, t] = dh[:, t] + carried", "delta[:, t] = dh[:, t] + (1 - z[:, t]) * carried"),
                ("carried = (1 - z[:, t]) * delta[:, t]", "carried = delta[:, t]"),
            ],
            "z keeps": [("(1 - z[:, t]) *", "z[:, t] *")],
            "the state after the step": [("(n - before)", "(n - h)")],
            "the other sign": [("(n - before)", "(before - n)")],
            "no slope of the sigmoid": [(" * z * (1 - z)\n", "\n")],
            "nothing carried": [("dh[:, t] + carried", "dh[:, t]")],
        },
        3: {
            "the share that is written": [("log_sigmoid(phi) - log_sigmoid(iota)", "log_sigmoid(iota) - log_sigmoid(phi)")],
            "without the inner logarithms": [("log_sigmoid(log_sigmoid(phi) - log_sigmoid(iota))", "log_sigmoid(phi - iota)")],
            "no logarithm": [("return log_sigmoid(", "return np.exp(log_sigmoid("), ("log_sigmoid(iota))", "log_sigmoid(iota)))")],
            "as the formula stands": [
                ("return log_sigmoid(log_sigmoid(phi) - log_sigmoid(iota))", "f, i = np.exp(log_sigmoid(phi)), np.exp(log_sigmoid(iota))\n    with np.errstate(all='ignore'):\n        return np.log(f / (f + i))"),
            ],
        },
    },
}  # fmt: skip
