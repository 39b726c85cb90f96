# %% [markdown]
# # From n-gram to recurrent: run it
#
# This notebook goes with the page [From n-gram to recurrent](../book/rnn_lm.md).
# You will see what three words cannot know, count the terms that truncated back-propagation cuts, read recorded trainings, train a small network and let it go on from three words of yours, and measure what many words cost.
# It runs in about four minutes on one processor core.

# %% cellView="form" mystnb={"code_prompt_hide": "Set up: installs rnnlib where it is missing", "code_prompt_show": "Set up: installs rnnlib where it is missing"} tags=["hide-input"]
# @title Set up: installs rnnlib where it is missing
# This notebook uses rnnlib, the small library of this book.
# In Colab it is missing at first: then this cell installs it, which takes about half a minute.
# Where rnnlib is there, the cell does nothing, so you can run it as often as you like.
# Your torch, numpy and matplotlib stay as they are, because rnnlib asks for lower bounds only.
# Colab forgets what you change here, unless you keep a copy: File > Save a copy in Drive,
# or File > Download > Download .ipynb.
import importlib
import importlib.util
import pathlib
import subprocess
import sys


def has_rnnlib() -> bool:
    """A folder that is only called rnnlib, beside this notebook, does not count."""
    spec = importlib.util.find_spec("rnnlib")
    places = (spec and spec.submodule_search_locations) or []
    return any(pathlib.Path(place, "layers").is_dir() for place in places)


if not has_rnnlib():
    address = "https://github.com/your_name/recurrent-networks-from-scratch"
    version = "main"  # in a release of the book: its tag
    print(f"Installing rnnlib from {address}, version {version}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", f"rnnlib @ git+{address}@{version}"]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"rnnlib could not be installed. pip says:\n{done.stderr}")
    importlib.invalidate_caches()
    sys.modules.pop("rnnlib", None)
    if not has_rnnlib():
        found = importlib.util.find_spec("rnnlib")
        raise RuntimeError(f"Another rnnlib stands before the book's: {found}. Rename it.")
    print("To keep what you write here: File > Save a copy in Drive, or File > Download.")

# %%
import itertools
import math
import os
import re
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch import nn
from torch.nn.functional import one_hot, pad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rnnlib import (
    bptt,
    check,
    checkpoints,
    embeddings,
    experiments,
    figures,
    fused,
    metrics,
    models,
    ngram,
    paths,
    sampling,
    text,
    training,
)
from rnnlib.experiments import ngram_lm, rnn_lm, words
from rnnlib.layers import LSTM, RNN
from rnnlib.models import RNNLM

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
torch.set_num_threads(1)


def shown(symbols):
    """Words in Markdown as they stand, line ends drawn as ⏎."""
    plain = re.sub(r"([\\`*_{}\[\]<>#|!~$^&@])", r"\\\1", " ".join(symbols))
    return "<samp>" + plain.replace("\n", "⏎") + "</samp>"


# %% [markdown]
# ## What three words cannot know
#
# A language with one rule: the verb at the end agrees with the noun at the beginning.
# Between the two stand up to four pieces of three words each, with nouns of their own.
# A 4-gram model counts; a small LSTM reads the lines as one stream.


# %%
def sentence(pieces, generator):
    """A line of the language, and whether its first noun is a plural."""
    many, *others = torch.randint(0, 2, (pieces + 1,), generator=generator).tolist()
    noun, verb = ("dogs", "bark") if many else ("dog", "barks")
    between = [f"near the {'barns' if other else 'barn'}" for other in others]
    return " ".join(["the", noun, *between, verb]) + "\n"


generator = torch.Generator().manual_seed(0)
lengths = torch.randint(0, 5, (4000,), generator=generator).tolist()
language = "".join(sentence(pieces, generator) for pieces in lengths)
small = text.Words.of(language)
print(language[:150])

# %%
counting = ngram.NGram(language, 4, small)
reader = RNNLM(len(small), LSTM, 8, 16, generator=torch.Generator().manual_seed(0))
source = training.TruncatedBPTT(text.Contiguous(small.encode(language), 20, 20))
training.train(reader, source, source.loss, torch.optim.Adam(reader.parameters(), 2e-2), 700, progress=False)


def right_verb(pieces, count=50):
    """Of the probability that both verbs have, the share of the one that agrees: counts, LSTM."""
    generator = torch.Generator().manual_seed(100 + pieces)
    found = []
    for _ in range(count):
        line = sentence(pieces, generator).split()
        beginning, verbs = " ".join(line[:-1]), sorted(("bark", "barks"), key=lambda v: v != line[-1])
        logits, _ = sampling.read(reader, small, "\n" + beginning)
        p = sampling.probabilities(logits)
        both = [(counting.probabilities(beginning, verb)[-1], p[small.encode(verb)].item()) for verb in verbs]
        found.append(np.array(both[0]) / np.sum(both, 0))
    return np.mean(found, 0)


# %% mystnb={"image": {"alt": "Share of the right verb in the probability of both against the number of words between noun and verb, 0 to 18. The counting 4-gram falls from 1 at 0 words to one half at 3 words and stays there. The LSTM stays near 1, also at 15 and 18 words, which are more than in any training line."}} tags=["paste:agreement"]
pieces = range(7)
probability = np.array([right_verb(k) for k in pieces])  # (7, 2)
fig, ax = plt.subplots()
for column, label, mark in zip(probability.T, ("4-gram, counted", "LSTM, 16 units"), "os", strict=True):
    ax.plot([3 * k for k in pieces], column, label=label, marker=mark)
ax.axvline(12.9, color="#555555", linestyle=":", linewidth=1.2)
ax.text(13.1, 0.62, "longer than\nin training", fontsize=9)
ax.set(xlabel="words between noun and verb", ylabel="share of the right verb", ylim=(0, 1.05), xticks=[3 * k for k in pieces])
ax.legend(loc="lower left")
plt.show()

# %% tags=["nbval-check-output"]
print("the 4-gram, noun beside the verb: above 0.95:", bool(probability[0, 0] > 0.95))
print("the 4-gram, 3 to 12 words between: about one half:", bool((abs(probability[1:5, 0] - 0.5) < 0.1).all()))
print("the LSTM, 0 to 12 words between: above 0.95:", bool((probability[:5, 1] > 0.95).all()))

# %% [markdown]
# ## The words
#
# The texts of the chapter before: WikiText-2 if it can be had, else the tales, and a line says so.
# Tests read the tales too.

# %%
corpus = words.available("tales" if FAST else "wikitext-2", "this notebook")
train, validation, _, vocabulary = words.load(corpus)
numbers, held = vocabulary.encode(train), vocabulary.encode(validation)  # (M,)
K = len(vocabulary)
print(f"the corpus is {corpus}: {len(numbers):,} words and ENDs to train on, {len(held):,} for validation, K = {K:,}")

# %% [markdown]
# In a real text the same holds for rare words: names, and what an article is about.
# Of the words of the validation text that are not among the 1,000 most frequent, UNK aside, how many stood a short time ago?


# %% tags=["paste:repeats"]
def distances(numbers, least):
    """For each word with a number of ``least`` or more: how many words ago it stood last."""
    last, found = {}, []
    for t, k in enumerate(numbers.tolist()):
        if k >= least:
            found.append(t - last.get(k, -math.inf))
        last[k] = t
    return np.array(found)


ago = distances(held, 1000)
figures.table(
    ["", *(f"{M} words" for M in (3, 20, 100, 500))],
    [["it stands among the last", *(f"{np.mean(ago <= M):.1%}" for M in (3, 20, 100, 500))]],
)

# %% [markdown]
# ## The model
#
# ### Claim: a row of the table is a product with a one-hot vector

# %% tags=["nbval-check-output"]
C = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))  # (K, E)
for k in range(9):
    assert torch.equal(C.T @ one_hot(torch.tensor(k), 9).double(), C[k])
print("C^T times the one-hot vector of k is row k, for all k: True")

# %% [markdown]
# ### Strands
#
# `Contiguous` cuts the text into strands, which are read side by side, window by window.
# Here the first 25 words, as three strands, in windows of four:

# %% tags=["paste:strands"]
source = text.Contiguous(numbers[:25], 4, 3)
windows = [next(source) for _ in range(source.rounds)]  # each (N, T+1)
figures.table(
    ["strand", "first window reads", "second window reads"],
    [
        [n + 1, *(shown(vocabulary.symbols[k] for k in window[n, :-1].tolist()) for window in windows)]
        for n in range(3)
    ],
)

# %% tags=["nbval-check-output"]
follows = torch.equal(windows[1][:, 0], windows[0][:, -1])
print("each window's first input is the last target of the window before:", follows)

# %% [markdown]
# ## Truncated back-propagation
#
# ### The terms of the sum
#
# A small RNN in double precision reads 20 random words.
# Each step gets its own copy of $W_{hh}$, so that autograd can say what the use at step $t$ has to do with the loss of step $s$: the term $G_{s,t}$, a matrix.

# %%
S, H, words_of = 20, 8, 11
rng = np.random.default_rng(0)
shapes = {"W_hx": (H, words_of), "W_hh": (H, H), "b_h": H, "W_ph": (words_of, H), "b_p": words_of}
weights = {name: rng.normal(size=shape) / math.sqrt(H) for name, shape in shapes.items()}
row = rng.integers(0, words_of, size=S + 1)
x, y = np.eye(words_of)[row[:-1]][None], row[None, 1:]  # (1, S, K), (1, S)


def all_terms():
    """G (S, S, H, H): of the loss of step s, the share of the use of W_hh at step t."""
    W_hx, W_hh, b_h, W_ph, b_p = (torch.tensor(w) for w in weights.values())
    copies = [W_hh.clone().requires_grad_() for _ in range(S)]
    h, G = torch.zeros(H, dtype=torch.float64), torch.zeros(S, S, H, H, dtype=torch.float64)
    for s in range(S):
        h = torch.tanh(W_hx @ torch.tensor(x[0, s]) + copies[s] @ h + b_h)
        loss = nn.functional.cross_entropy((W_ph @ h + b_p)[None], torch.tensor(y[:, s]))
        for t, part in enumerate(torch.autograd.grad(loss / S, copies[: s + 1], retain_graph=True)):
            G[s, t] = part
    return G.numpy()


G = all_terms()

# %% mystnb={"image": {"alt": "A triangle of squares: the step of the loss s downwards, the step of the use t to the right, both 1 to 20, shaded by the size of the term on a logarithmic scale. The darkest squares lie on and near the diagonal and fade to the left. Boxes of five by five along the diagonal hold what windows of five steps keep; everything left of a box is cut."}} tags=["paste:terms"]
sizes = np.linalg.norm(G, axis=(2, 3))  # (S, S)
sizes[sizes == 0] = np.nan
fig, ax = plt.subplots(figsize=(5.6, 4.4))
image = ax.imshow(np.log10(sizes), cmap="Greys", extent=(0.5, S + 0.5, S + 0.5, 0.5))
for start in range(0, S, 5):
    ax.add_patch(plt.Rectangle((start + 0.5, start + 0.5), 5, 5, fill=False, edgecolor="#D55E00", linewidth=2))
ax.grid(False)
ax.set(xlabel="step t at which the weight is used", ylabel="step s of the loss", xticks=range(5, S + 1, 5), yticks=range(5, S + 1, 5))
fig.colorbar(image, label="size of the term, log10")
plt.show()

# %% [markdown]
# ### Claim: windows keep exactly the terms within a box
#
# The gradient that windows give, by the hand-written sweep of `rnnlib.bptt`, the state carried from each to the next, against the sum of the terms within the boxes.


# %%
def windowed(T):
    """The gradient of W_hh (H, H) in windows of T steps, state carried."""
    h0, total = np.zeros((1, H)), np.zeros((H, H))
    for t in range(0, S, T):
        piece, target = x[:, t : t + T], y[:, t : t + T]
        _, found = bptt.rnn_loss(piece, target, h0, weights)
        total += found["W_hh"] * piece.shape[1] / S  # the loss is a mean over the window
        states, _ = bptt.rnn_forward(piece, h0, {name: weights[name] for name in ("W_hx", "W_hh", "b_h")})
        h0 = states[:, -1]
    return total


steps = np.arange(S)


def kept(T):
    """Which terms (S, S) windows of T steps keep."""
    return (steps[:, None] // T == steps // T) & (steps <= steps[:, None])


def cosine(a, b):
    return (a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b))


# %% tags=["paste:kept"]
full, found, errors = G.sum((0, 1)), [], []
for T in (1, 2, 5, 10, 20):
    by_windows = windowed(T)
    errors.append(check.relative_error(by_windows, G[kept(T)].sum(0)))
    found.append([T, f"{kept(T).sum()} of {S * (S + 1) // 2}", f"{errors[-1]:.0e}", f"{cosine(by_windows, full):.3f}", f"{np.linalg.norm(by_windows) / np.linalg.norm(full):.3f}"])
figures.table(["$T$", "terms kept", "error of the claim", "cosine to the full gradient", "length, by the full one's"], found)

# %% tags=["nbval-check-output"]
_, whole = bptt.rnn_loss(x, y, np.zeros((1, H)), weights)
print("windows = the terms in the boxes, below 1e-12:", max(errors) < 1e-12)
print("one window = all terms, below 1e-12:", check.relative_error(whole["W_hh"], full) < 1e-12)
print("the readout's gradient does not depend on T: its terms have s = t only")
assert max(errors) < 1e-12

# %% [markdown]
# ### What is lost, if terms decline by a factor a step
#
# If a term of distance $s - t$ has the size $\gamma^{s-t}$, windows of $T$ steps keep a share $1 - \frac{\gamma (1 - \gamma^T)}{T (1 - \gamma)}$ of the sum.
# The formula against the sum itself:

# %% tags=["paste:share_kept"]
rates, sizes_of_window = (0.5, 0.8, 0.95), (1, 2, 5, 10, 20, 40, 80)


def share_kept(gamma, T):
    return 1 - gamma * (1 - gamma**T) / (T * (1 - gamma))


for gamma, T in itertools.product(rates, sizes_of_window):
    kept_sum = sum(gamma**d for i in range(T) for d in range(i + 1)) / T
    assert math.isclose(share_kept(gamma, T), kept_sum * (1 - gamma), rel_tol=1e-9)
figures.table(
    ["$T$", *(f"$\\gamma$ = {gamma}" for gamma in rates)],
    [[T, *(f"{share_kept(gamma, T):.0%}" for gamma in rates)] for T in sizes_of_window],
)

# %% [markdown]
# ## The recorded trainings
#
# `python -m rnnlib.experiments rnn_lm` trained some seventy networks, `python -m rnnlib.experiments wikitext` those of the full vocabulary.
# They take long, so they are recorded.
# The records of the n-gram networks are those of the chapter before.

# %%
PARTS = ("rnn_lm_kinds", "rnn_lm_embedding", "rnn_lm_best", "rnn_lm_window", "wikitext")
BEFORE = ("ngram_lm_counts", "ngram_lm_hidden", "ngram_lm_embedding", "ngram_lm_best")
records = {part: experiments.load(part) for part in PARTS + BEFORE}
for part, record in records.items():
    print(f"{part:<19} {record['finished'][:10]} | seeds {record['seeds']}")


def results(part, **wanted):
    """Results of the runs of a record with these settings, one a seed."""
    found = [r["result"] for r in records[part]["runs"] if wanted.items() <= r["settings"].items()]
    if not found:
        raise LookupError(f"the record {part} has no run with {wanted}")
    return found


def perplexities(runs, key="validation"):
    """Perplexity of each run at its best epoch."""
    return [math.exp(r["best"][key]) for r in runs]


# %% [markdown]
# ### How far truncated gradients are from the full one
#
# The gradients of all weights of the layer over 160 steps of 20 strands, in windows of $T$ steps, against one window of 160; twelve such stretches, before training and after it.

# %% mystnb={"image": {"alt": "Two panels against the window T, 1 to 80 steps on a logarithmic axis: cosine of the angle to the full gradient on the left, length by the full one's length on the right, for RNN, GRU and LSTM, before training as dashed and after it as solid lines. An upper line at 1 is the full gradient."}} tags=["paste:gradient"]
KINDS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
WINDOWS = results("rnn_lm_kinds", kind="lstm", dropout=0.0)[0]["gradient"]["after"]["windows"]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.8), sharex=True)
for (kind, name), colour, mark in zip(KINDS.items(), figures.COLOURS, "os^", strict=False):
    measured = [r["gradient"] for r in results("rnn_lm_kinds", kind=kind, dropout=0.0)]
    for when, dash in (("before", "--"), ("after", "-")):
        style = {"color": colour, "marker": mark, "ms": 4, "linestyle": dash}
        for ax, key in zip(axes, ("cosine", "length"), strict=True):
            figures.mean_and_range(ax, WINDOWS, [m[when][key] for m in measured], f"{name}, {when} training", **style)
for ax, label in zip(axes, ("cosine to the full gradient", "length, by the full one's"), strict=True):
    ax.axhline(1, color="#555555", linestyle=":", linewidth=1)
    ax.set(xscale="log", xlabel="window T (steps)", ylabel=label)
    ax.set_xticks(WINDOWS, WINDOWS)
    ax.minorticks_off()
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
plt.show()

# %% tags=["paste:gradient_numbers"]
found = []
for kind, name in KINDS.items():
    for when in ("before", "after"):
        measured = [r["gradient"][when] for r in results("rnn_lm_kinds", kind=kind, dropout=0.0)]
        cosines = np.mean([m["mean_cosine"] for m in measured], 0)  # of means over all stretches
        found.append([name, when, *(f"{c:.3f}" for c in cosines), f"{np.mean([m['noise'] for m in measured]):.2f}"])
figures.table(["$T$", "training", *WINDOWS, "others"], found)

# %% [markdown]
# Cosine between the mean of the truncated gradients over all stretches and the mean of the full ones: the mean takes most of the noise away, and the bias stays.
# The last column is the cosine between the full gradients of two other stretches, one after the other: the noise of one step.
#
# Training makes the bias larger, and most so in the LSTM, whose gradient looks back furthest.
# What is missing in length is roughly halved with each doubling of $T$.
#
# ### Quality at equal steps, words and time

# %% mystnb={"image": {"alt": "Three panels against the window T, 1 to 80 steps on a logarithmic axis: validation perplexity, the state carried and reset. After equally many steps both fall from above 310 to 125. After equally many words both are lowest at 10, at about 150. After equally many seconds both are lowest at 20 to 40, at about 107. In the last two the reset line is far above the other at 1, and meets it at 40."}} tags=["paste:window"]
equal = records["rnn_lm_window"]["runs"][0]["settings"]["equal"]
TITLES = {
    "steps": f"{equal['steps']:,.0f} steps", "words": f"{equal['words']:,.0f} words", "seconds": f"{equal['seconds']:,.0f} s",
}
STATES = {0.0: "state carried", 1.0: "state reset"}
fig, axes = plt.subplots(1, 3, figsize=(8, 3.4), sharey=True)
for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
    for (resets, label), mark in zip(STATES.items(), "os", strict=True):
        runs = [results("rnn_lm_window", T=T, resets=resets) for T in WINDOWS]
        values = np.exp([[r["equal"][name]["nats"] for r in of_T] for of_T in runs]).T  # (R, T)
        figures.mean_and_range(ax, WINDOWS, values, label, marker=mark, ms=4)
    ax.set(xscale="log", xlabel="window T (steps)")
    ax.set_title(f"after {title}", fontsize=10)
    ax.set_xticks(WINDOWS, WINDOWS, fontsize=8)
    ax.minorticks_off()
axes[0].set_ylabel("validation perplexity")
axes[0].legend()
plt.show()

# %% tags=["paste:window_numbers"]
found = []
for T, (resets, label) in itertools.product(WINDOWS, STATES.items()):
    runs = results("rnn_lm_window", T=T, resets=resets)
    columns = [figures.spread([math.exp(r["equal"][name]["nats"]) for r in runs]) for name in TITLES]
    found.append([T, label.removeprefix("state "), *columns, figures.spread([math.exp(r["from_zero"]["nats"]) for r in runs])])
figures.table(["$T$", "state", *TITLES.values(), "read from zero every $T$"], found)

# %% [markdown]
# The first three columns of perplexities are of the validation text read with the state carried, whatever the training did.
# The last is of the network at the end, read from zero every $T$ steps.
#
# Long windows win at equal steps, about ten words at equal words, and about twenty at equal time.
# Carrying the state is worth a quarter of the perplexity at $T = 1$, and nothing that seeds would show from 40 on.
# A network trained from zero at every step is harmed by a carried state; from $T = 10$ on it gains from one.
# One learning rate served all $T$.
#
# ### RNN, GRU, LSTM, and the 4-gram

# %% tags=["paste:kinds"]
(base,) = results("ngram_lm_counts")


def line(name, dropout, runs):
    """A row: perplexities and accuracy at the best epoch, and that epoch."""
    epoch = [[e["validation"] for e in r["evaluations"]].index(r["best"]["validation"]) + 1 for r in runs]
    return [
        name, f"{dropout:g}", f"{runs[0]['parameters'] / 1e6:.2f}", figures.spread(perplexities(runs)),
        f"{np.mean(perplexities(runs, 'train')):.1f}", f"{100 * np.mean([r['best']['validation_accuracy'] for r in runs]):.1f}",
        "/".join(map(str, epoch)),
    ]


found = [
    line(name, dropout, results("rnn_lm_kinds", kind=kind, dropout=dropout))
    for kind, name in KINDS.items() for dropout in (0.0, rnn_lm.DROPOUT)
]
windowed = results("ngram_lm_embedding", embedding=64)
found += [line("4-gram network", 0, windowed)]
counted = {k: math.exp(base["nats"]["validation"][k - 1]) for k in (4, 5)}
found += [[f"Kneser-Ney, order {k}", "", "", f"{p:.1f}", "", "", ""] for k, p in counted.items()]
figures.table(["", "dropout", "million parameters", "validation perplexity", "training perplexity", "accuracy, %", "best epoch"], found)

# %% mystnb={"image": {"alt": "Two panels against the epoch, without dropout on the left and with a dropout of 0.2 on the right: perplexity of RNN, GRU and LSTM, validation as solid and training as dashed lines; dotted lines are the Kneser-Ney 4-gram and the 4-gram network at its best."}} tags=["paste:curves"]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.8), sharey=True)
for ax, dropout in zip(axes, (0.0, rnn_lm.DROPOUT), strict=True):
    for (kind, name), colour, mark in zip(KINDS.items(), figures.COLOURS, "os^", strict=False):
        evaluations = [r["evaluations"] for r in results("rnn_lm_kinds", kind=kind, dropout=dropout)]
        epochs = range(1, len(evaluations[0]) + 1)
        for part, label, dash in (("validation", "validation", "-"), ("train", "training", "--")):
            values = np.exp([[e[part] for e in run] for run in evaluations])
            figures.mean_and_range(ax, epochs, values, f"{name}, {label}", color=colour, marker=mark, ms=4, linestyle=dash)
    ax.axhline(counted[4], color="#555555", linestyle=":", linewidth=1.4, label="Kneser-Ney, order 4")
    ax.axhline(np.mean(perplexities(windowed)), color="#555555", linestyle="-.", linewidth=1.4, label="4-gram network")
    ax.set(xlabel="epoch", xticks=list(epochs))
    ax.set_title(f"dropout {dropout:g}", fontsize=10)
axes[0].set_ylabel("perplexity")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1.2)
plt.show()

# %% [markdown]
# The cells with gates are well below the RNN, and all are below the counts.
# The gap between training and validation is narrower with dropout, and the best epoch is the last in every run: the rate falls to zero there.
#
# ### Embeddings of 16 to 128

# %% mystnb={"image": {"alt": "Perplexity at the best epoch against the size of the embedding, 16 to 128 on a logarithmic axis. The LSTM's validation line falls from 102 to 90 and lies below the 4-gram network's, which falls from 123 to 112; the training lines lie below each. A star at 128, the tied LSTM, is at 87."}} tags=["paste:embedding"]
EMBEDDINGS = (16, 32, 64, 128)
ours = {
    E: results("rnn_lm_kinds" if E == 64 else "rnn_lm_embedding", kind="lstm", tied=False, embedding=E, dropout=rnn_lm.DROPOUT)
    for E in EMBEDDINGS
}
theirs = {E: results("ngram_lm_embedding", embedding=E, dropout=0.0) for E in EMBEDDINGS[1:]}
theirs[16] = results("ngram_lm_hidden", activation="tanh", hidden=128)
tied = results("rnn_lm_embedding", tied=True)
fig, ax = plt.subplots()
for (name, of), colour, mark in zip({"LSTM": ours, "4-gram network": theirs}.items(), figures.COLOURS, "os", strict=False):
    for part, label, dash in (("validation", "validation", "-"), ("train", "training", "--")):
        values = np.array([perplexities(of[E], part) for E in EMBEDDINGS]).T
        figures.mean_and_range(ax, EMBEDDINGS, values, f"{name}, {label}", color=colour, marker=mark, ms=4, linestyle=dash)
ax.plot([128] * len(tied), perplexities(tied), "*", ms=9, color=figures.COLOURS[0], label="LSTM, tied, validation")
ax.set(xscale="log", xlabel="size E of the embedding", ylabel="perplexity, best epoch")
ax.set_xticks(EMBEDDINGS, EMBEDDINGS)
ax.minorticks_off()
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:embedding_numbers"]
found = [[name, E, *(figures.spread(perplexities(of[E], key)) for key in ("validation", "train"))] for name, of in (("LSTM", ours), ("4-gram network", theirs)) for E in EMBEDDINGS]
found += [["LSTM, tied", 128, *(figures.spread(perplexities(tied, key)) for key in ("validation", "train"))]]
figures.table(["", "$E$", "validation perplexity", "training perplexity"], found)

# %% [markdown]
# A larger table helps both; tied weights help more, with half the weights.
#
# ### The best network
#
# Two layers of 160 units, tied, dropout 0.4; the test text is read once.
# The page has its weights rounded to eight bits, so that they are small enough for a browser.

# %% tags=["paste:best"]
best, mixed = results("rnn_lm_best"), [r["mixture"] for r in results("ngram_lm_best")]
tested = base["nats"]["test"]
figures.table(
    ["", "validation perplexity", "test perplexity"],
    [
        ["LSTM, two layers of 160, tied", figures.spread(perplexities(best)), figures.spread([math.exp(r["test"]["nats"]) for r in best])],
        ["the first of these, in eight bits", "", f"{math.exp(best[0]['eight_bits']['nats']):.1f}"],
        ["Kneser-Ney, order 4", f"{counted[4]:.1f}", f"{math.exp(tested[3]):.1f}"],
        ["4-gram network", figures.spread(perplexities(results("ngram_lm_best"))), figures.spread([math.exp(m["test"]["network"]) for m in mixed])],
        ["4-gram network and counts, mixed", "", figures.spread([math.exp(m["test"]["mixture"]) for m in mixed])],
    ],
)

# %% [markdown]
# It is a quarter below the best network of the chapter before.
#
# ## Dropout
#
# What becomes of a number that is carried through $t$ steps and meets a fresh mask at each?
# The share of copies that survive is $(1-p)^t$.
# Those that do are scaled by $(1-p)^{-t}$, so the mean stays and the spread grows.
# For comparison, a mask that is applied once.
# Formula, and a million draws for $t = 5$:

# %% tags=["paste:survival"]
p = 0.3
generator = torch.Generator().manual_seed(0)
drop = models.dropout.Dropout(p, generator=generator).train()
ones = torch.ones(1_000_000, 1, 1)
for _ in range(5):
    ones = drop(ones)
assert abs(ones.mean() - 1) < 0.02 and abs(ones.var() - ((1 - p) ** -5 - 1)) < 0.2
figures.table(
    ["steps $t$", "share that survives, fresh masks", "standard deviation", "share, applied once", "standard deviation"],
    [
        [t, f"{(1 - p) ** t:.2g}", f"{math.sqrt((1 - p) ** -t - 1):,.1f}", f"{1 - p:g}", f"{math.sqrt(1 / (1 - p) - 1):.1f}"]
        for t in (1, 5, 10, 20, 35)
    ],
)

# %% [markdown]
# ## Tied weights
#
# ### Claim: the gradient of a matrix that is used twice is the sum of both
#
# Two networks with the same numbers, one tied, one not.
# The untied one tells the two gradients apart.

# %% tags=["paste:tied"]
wide = {"vocabulary_size": 40, "kind": LSTM, "embedding": 6, "hidden": 6}
tied_one = RNNLM(**wide, tied=True, generator=torch.Generator().manual_seed(0)).double()
untied = RNNLM(**wide, generator=torch.Generator().manual_seed(0)).double()
untied.load_state_dict(tied_one.state_dict())
reads = torch.randint(0, 20, (3, 5), generator=torch.Generator().manual_seed(1))  # words 20 to 39 are never read
wants = torch.randint(0, 40, (3, 5), generator=torch.Generator().manual_seed(2))
for model in (tied_one, untied):
    model.loss(reads, wants)[0].backward()
both = tied_one.embedding.weight.grad  # (K, E)
as_table, as_readout = untied.embedding.weight.grad, untied.readout.weight.grad
tied_error = check.relative_error(both, as_table + as_readout)
figures.table(
    ["rows with a gradient", "of 40"],
    [[name, int((grad != 0).any(1).sum())] for name, grad in (("as the table", as_table), ("as the readout", as_readout), ("tied", both))],
)

# %% tags=["nbval-check-output"]
print("gradient of the tied matrix = sum of both, below 1e-12:", tied_error < 1e-12)
assert tied_error < 1e-12

# %% [markdown]
# ### Parameters, by formula and by counting

# %% tags=["paste:parameters"]
found = []
H = 200
for vocabulary_size in (8000, 33_278):
    for tied in (False, True):
        table, layers = vocabulary_size * H, 2 * 4 * H * (2 * H + 1)
        readout = vocabulary_size if tied else vocabulary_size * (H + 1)
        network = RNNLM(vocabulary_size, LSTM, H, H, 2, tied=tied)
        total = sum(w.numel() for w in network.parameters())
        assert total == table + layers + readout
        found.append([f"{vocabulary_size:,}", "yes" if tied else "no", *(f"{count:,}" for count in (table, layers, readout, total))])
figures.table(["$K$", "tied", "table", "two LSTM layers", "readout", "counted"], found)

# %% [markdown]
# ## The cost of many words
#
# ### Claim: the loss by hand is the loss

# %% tags=["nbval-check-output"]
generator = torch.Generator().manual_seed(0)
h, W, b = (torch.randn(*size, dtype=torch.float64, generator=generator).requires_grad_() for size in ((30, 6), (50, 6), (50,)))
target = torch.randint(0, 50, (30,), generator=generator)
losses = [nn.functional.cross_entropy(h @ W.T + b, target), fused.cross_entropy(h, W, b, target)]
gradients = [torch.autograd.grad(loss, (h, W, b)) for loss in losses]
worst = max(check.relative_error(a, c) for a, c in zip(*gradients, strict=True))
print("loss and gradients by hand = autograd's, below 1e-12:", worst < 1e-12, check.relative_error(losses[0].detach(), losses[1].detach()) < 1e-12)

# %% [markdown]
# ### Time and memory
#
# 700 states of 200 numbers, a window of 35 words of 20 strands, and words as frequent as Zipf's law has it; loss and all gradients.
# Time is processor time on one core, median of three; memory is that of all tensors that a step makes, which need not stand there at one time.


# %%
def readouts(K, N=700, H=200):
    """A step of each way over K words: loss and all gradients."""
    generator = torch.Generator().manual_seed(0)
    h = (0.2 * torch.randn(N, H, generator=generator)).requires_grad_()
    zipf = 1 / torch.arange(3.0, K + 3)
    y = torch.searchsorted(zipf.cumsum(0), torch.rand(N, generator=generator) * zipf.sum()).clamp_(max=K - 1)
    drawn = models.chances(zipf, K // 8)
    adaptive = nn.AdaptiveLogSoftmaxWithLoss(H, K, [K // 16, K // 4])
    found = {"adaptive (torch)": (lambda: adaptive(h, y).loss, [h, *adaptive.parameters()])}
    if K < 100_000:
        W = torch.empty(K, H).uniform_(-0.1, 0.1, generator=generator).requires_grad_()
        b = torch.zeros(K, requires_grad=True)
        found |= {
            "autograd": (lambda: nn.functional.cross_entropy(nn.functional.linear(h, W, b), y), [h, W, b]),
            "by hand": (lambda: fused.cross_entropy(h, W, b, y), [h, W, b]),
            "by hand, products in bfloat16": (lambda: fused.cross_entropy(h, W, b, y, torch.bfloat16), [h, W, b]),
            "by hand, an eighth of the words": (lambda: models.sampled_cross_entropy(h, W, b, y, drawn, generator=generator), [h, W, b]),
        }
    return {name: lambda loss=loss, some=some: torch.autograd.grad(loss(), some) for name, (loss, some) in found.items()}


class NewTensors(TorchDispatchMode):
    """Hears of every operation of torch and adds up the memory of the tensors that it makes."""

    megabytes = 0.0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        known = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if torch.is_tensor(t)}
        made = [t.untyped_storage() for t in tree_leaves(result) if torch.is_tensor(t)]
        self.megabytes += sum(m.nbytes() for m in made if m.data_ptr() not in known) / 1e6
        return result


def memory(step):
    """Megabytes of all tensors that a step makes."""
    with NewTensors() as new:
        step()
    return new.megabytes


def seconds(step, repeats=3):
    """Processor time of a step, the median."""
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        step()
        spent.append(time.process_time() - began)
    return np.median(spent)


# %% tags=["paste:cost"]
found = []
for size in (500, 2000) if FAST else (8000, 33_278, 1_000_000):
    for name, step in sorted(readouts(size).items()):
        step()  # the first one is slower
        found.append([f"{size:,}", name, f"{1e3 * seconds(step):,.0f}", f"{memory(step):,.0f}"])
figures.table(["words $K$", "way", "ms", "MB of new tensors"], found)

# %% tags=["paste:million"]
N, H, many = 700, 200, 1_000_000
Markdown(
    f"A full softmax over a million words would need {4 * N * many / 1e9:.1f} GB for one matrix of logits, "
    f"{4 * many * H / 1e9:.1f} GB for the weights, as much for their gradient, and {6 * N * many * H / 1e12:.2f} trillion operations a step."
)

# %% [markdown]
# `benchmarks/softmax.py` in the repository measures the peak of memory in a process of its own, and other sizes.
#
# ### Claim: the sum over drawn words has the mean of the whole sum
#
# Five words, each drawn with a chance of its own: all 32 sets that can come, each with its probability.

# %% tags=["nbval-check-output"]
p, chance = np.array([0.3, -1.0, 2.0, 0.5, -0.2]), np.array([0.9, 0.2, 0.5, 1.0, 0.3])
mean = 0.0
for drawn in itertools.product((0, 1), repeat=5):
    drawn = np.array(drawn)
    mean += np.prod(np.where(drawn, chance, 1 - chance)) * (drawn * np.exp(p - np.log(chance))).sum()
print("mean of the estimate = Z, below 1e-12:", check.relative_error(mean, np.exp(p).sum()) < 1e-12)

# %% [markdown]
# ### How good is the estimate?
#
# The network that writes on the page, over 8,000 words, reads 700 words of the validation text.
# The loss and the gradients by the states and the matrix, from a part of the words, against those from all: twenty draws each.

# %% tags=["paste:sampled"]
of_page, its_words, _ = checkpoints.load_model(paths.data_dir() / "weights" / "words_lstm.safetensors")
of_page.fast().eval()
read_here = its_words.encode(validation)[:701]
with torch.no_grad():
    h = of_page.outputs(read_here[None, :-1])[0][0]  # (700, H)
leaves = [part.detach().requires_grad_() for part in (h, of_page.readout.weight, of_page.readout.bias)]
whole_loss = fused.cross_entropy(*leaves, read_here[1:])
whole = torch.autograd.grad(whole_loss, leaves)
generator, found = torch.Generator().manual_seed(0), []
for size in (250, 500, 1000, 2000, 4000):
    chance = models.chances(text.frequencies(its_words.encode(train), len(its_words)), size)
    losses, gradients = [], []
    for _ in range(20):
        losses.append(models.sampled_cross_entropy(*leaves, read_here[1:], chance, generator=generator))
        gradients.append(torch.autograd.grad(losses[-1], leaves))
    angles = [np.mean([cosine(g[part], whole[part]) for g in gradients]) for part in (0, 1)]
    in_the_mean = cosine(sum(g[0] for g in gradients), whole[0])
    values = [loss.item() for loss in losses]
    found.append([f"{size:,}", figures.spread(values, 2), *(f"{c:.2f}" for c in angles), f"{in_the_mean:.3f}"])
found.append([f"all {len(its_words):,}", f"{whole_loss.item():.2f}", "", "", ""])
figures.table(["words drawn", "loss, nats", "cosine of $\\delta h$", "cosine of $\\delta W_{ph}$", "$\\delta h$, mean of the draws"], found)

# %% [markdown]
# ## All 33,278 words
#
# The record of the full vocabulary: two layers of 200 units, tied, as published and with changes; the training loss of the last 1,500 steps in nats, with dropout and, where words are drawn, over these; then perplexities, those of the test text after epoch 6 and with the weights that were best on the validation text.

# %% tags=["paste:ladder"]
CHANGES = {  # each variant has all changes of those before it, and is told by its own and those not yet told
    "sampled": "softmax over 4,096 drawn words", "beginning": "first weights of the book, bias at the log frequencies",
    "adamw": "AdamW, the rate falling to zero", "resets": "the state reset now and then",
    "dropout": "dropout 0.35, 2,048 drawn words",
}
LABELS, new = {"published": "as published"}, []
run_here = {run["settings"]["variant"] for run in records["wikitext"]["runs"]}
for variant, change in CHANGES.items():
    new.append(change)
    if variant in run_here:
        LABELS[variant], new = "; ".join(new), ["the same"]


def at_six(runs):
    """Test perplexity after epoch 6, where the record has it."""
    return [math.exp(e["test_nats"]) for r in runs for e in r["epochs"] if "test_nats" in e]


ladder = {}
for run in records["wikitext"]["runs"]:
    once, again = run["settings"]["epochs"], run["settings"].get("again", 0)
    epochs = f"{once} + {again}" if again else f"{once}"  # a second fall of the rate
    ladder.setdefault((run["settings"]["variant"], epochs), []).append(run["result"])
found, told = [], set()
for (variant, epochs), runs in ladder.items():
    six = at_six(runs)
    label = "the same" if variant in told else LABELS[variant]
    told.add(variant)
    found.append([
        label, epochs, len(runs), figures.spread([np.mean(r["loss_per_500_steps"][-3:]) for r in runs], 2),
        figures.spread(six) if six else "",
        figures.spread([r["valid_perplexity"] for r in runs]), figures.spread([r["test_perplexity"] for r in runs]),
    ])
figures.table(["", "epochs", "seeds", "training, nats", "test after epoch 6", "validation, best", "test"], found)

# %% mystnb={"image": {"alt": "Validation perplexity against the epoch on a logarithmic axis, five runs over the full vocabulary. As published it falls from 223 to about 140 in six epochs; with the changes up to the resets it is lower from the first epoch on, at about 176, and falls to 107 in twelve epochs and, in a run of eighteen, to 106. With more dropout it lies higher, at 143 after three epochs, and falls to 107 in eighteen; where the rate falls a second time it rises to 114 by epoch 21 and falls to 105 at epoch 30."}} tags=["paste:full"]
fig, ax = plt.subplots(figsize=(8, 3.8))
for ((variant, epochs), runs), mark in zip(ladder.items(), itertools.cycle("os^vD"), strict=False):
    values = np.exp([[e["nats"] for e in r["epochs"]] for r in runs])
    epoch = [e["step"] / runs[0]["steps_per_epoch"] for e in runs[0]["epochs"]]
    label = {"published": "as published", list(CHANGES)[-1]: "with all changes"}.get(variant, f"up to the {variant}")
    figures.mean_and_range(ax, epoch, values, f"{label}, {epochs} epochs", marker=mark, ms=3)
ax.set(yscale="log", xlabel="epoch", ylabel="validation perplexity")
ax.set_yticks([100, 120, 140, 160, 180, 200, 220], [100, 120, 140, 160, 180, 200, 220])
ax.minorticks_off()
ax.legend()
plt.show()

# %% tags=["paste:full_sizes"]
one = records["wikitext"]["runs"][0]["result"]
Markdown(
    f"{one['words']['train']:,} words to train on, {one['words']['valid']:,} and {one['words']['test']:,} for validation and test, "
    f"$K$ = {one['words']['K']:,}, {one['parameters']:,} parameters, {one['steps_per_epoch']:,} steps an epoch."
)

# %% [markdown]
# One seed each; users report 130.3 after 6 epochs as published, and 100.3 after 40.
# These runs do not tell which change bought how much.
#
# ## The network of the page
#
# The first of the LSTMs with two layers of 160 units, its weights in eight bits, as the page runs it; UNK is left out.

# %% tags=["paste:page_sample"]
drawn = sampling.stream(of_page, its_words, "\nThe first", temperature=0.8, never=(text.UNK, text.START), seed=0)
Markdown("> **The first** " + " ".join(itertools.islice(drawn, 60)).replace("\n", "⏎"))

# %% [markdown]
# ## Two small networks, here and now
#
# An LSTM with embedding 64 and 128 units and a dropout of 0.1, and the 4-gram network of the same sizes, as the chapter before trained it; two epochs each, with the functions of the studies, but with products in single precision, which every processor is quick at.

# %%
settings = rnn_lm.NETWORK | {"corpus": corpus, "seed": 0, "dropout": 0.1, "epochs": 2}
lstm, of_lstm = rnn_lm.train(settings, torch.float32)
lstm = lstm.plain().eval()  # rnnlib's own layers
for number, e in enumerate(of_lstm["evaluations"], 1):
    print(f"LSTM, epoch {number}: perplexity {math.exp(e['train']):.1f} on training text, {math.exp(e['validation']):.1f} on validation text")

# %%
settings = ngram_lm.NETWORK | {"corpus": corpus, "seed": 0, "embedding": 64, "hidden": 128, "epochs": 2}
window_network, of_window = ngram_lm.train(settings, torch.float32)
for number, e in enumerate(of_window["evaluations"], 1):
    print(f"4-gram, epoch {number}: perplexity {math.exp(e['train']):.1f} on training text, {math.exp(e['validation']):.1f} on validation text")

# %% tags=["paste:small"]
after_two = {"the LSTM": of_lstm, "the 4-gram network": of_window}
Markdown("Validation perplexity: " + ", ".join(f"{math.exp(e['best']['validation']):.1f} for {name}" for name, e in after_two.items()) + ".")

# %% [markdown]
# An n-gram model is a recurrent one, too: its state is the words that it still sees.
# Written so, the same functions write with both and measure both.


# %%
class ThreeWords(nn.Module):
    """The 4-gram network as a recurrent model: its state is the line so far."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, numbers, state=None):
        """Numbers (1, T), state (1, M) or None -> logits (1, T, K), and the state after them."""
        read = numbers if state is None else torch.cat([state, numbers], 1)
        upcoming = pad(read[0], (0, 1))  # a place for the next word
        rows = text.context_windows(upcoming, 4, vocabulary)[1:, :-1]  # (M + T, 3): what stands before it
        return self.network(rows[-numbers.shape[1] :])[None], read[:, -3:]


three_words = ThreeWords(window_network).eval()
both_models = {"4-gram network": three_words, "LSTM": lstm}

# %% tags=["nbval-check-output"]
part = held[:400]
one_by_one = metrics.carried(three_words, part, piece=1)["nats"]
rows = text.context_windows(part, 4, vocabulary)[1:]
direct = -ngram_lm.log_probabilities(window_network, rows)[0].mean().item()
print("the 4-gram network, word by word with a state = on windows, within 1e-4 nats:", abs(one_by_one - direct) < 1e-4)

# %% [markdown]
# ### Three words in, ten out
#
# Both begin a line: they read an END, then three words.
# UNK is left out, and START, which stands in no text.

# %% tags=["paste:written"]
BEGINNINGS = ("one of the", "he was a", "in the first", "the end of", "it is not")
NEVER = (text.UNK, text.START)


def go_on(model, beginning, length=10, temperature=0.0, never=NEVER, seed=0):
    """The words that follow a beginning."""
    drawn = sampling.stream(model, vocabulary, "\n" + beginning, temperature=temperature, never=never, seed=seed)
    return list(itertools.islice(drawn, length))


found = []
for seed, beginning in enumerate(BEGINNINGS):
    for temperature, (name, model) in itertools.product((0.0, 0.7), both_models.items()):
        following = go_on(model, beginning, temperature=temperature, seed=seed)
        found.append([shown(beginning.split()) if (name, temperature) == ("4-gram network", 0) else "", f"{temperature:g}", name, shown(following)])
figures.table(["three words", "temperature", "", "the next ten"], found)

# %% [markdown]
# The five words that each holds most likely after the three, with their shares, UNK among them:

# %% tags=["paste:likeliest"]
def five_after(model, beginning):
    """The five most likely words after a beginning of a line, with their shares."""
    return ", ".join(f"{shown([w])} {p:.2f}" for w, p in sampling.likeliest(model, vocabulary, "\n" + beginning))


figures.table(
    ["three words", "", "the five most likely next words"],
    [
        [shown(beginning.split()) if name != "LSTM" else "", name, five_after(model, beginning)]
        for beginning in BEGINNINGS for name, model in both_models.items()
    ],
)

# %% [markdown]
# The same three words behind two different beginnings.
# The 4-gram network cannot tell them apart; the LSTM can.

# %% tags=["paste:further_back"]
PAIRS = (
    ('the " end of the', "the end of the"), ("she said that it is not", "as a species it is not"),
    ("the game was developed in the early", "the church was built in the early"),
)
found = []
for pair in PAIRS:
    for beginning, (name, model) in itertools.product(pair, both_models.items()):
        found.append([shown(beginning.split()) if name != "LSTM" else "", name, five_after(model, beginning)])
figures.table(["read", "", "the five most likely next words"], found)

# %% [markdown]
# ### Live: three words of yours
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# The bars are the five words that the LSTM holds most likely after what you typed, drawn at the temperature of the knob; a field acts when Enter is pressed.
# Type more than three words, then change the first one: here the bars move, in the chapter before they did not.
# Which word far back moves them most?

# %% mystnb={"image": {"alt": "Bars of the probability of the five most likely words after the three words one of the."}} tags=["live"]
from rnnlib import live


def write(beginning="one of the", temperature=1.0, length=10, unk=False, seed=0):
    """The five most likely words after the beginning, with their probabilities."""
    typed = beginning.split()
    if len(typed) < 3:
        raise ValueError(f"Type at least three words, with spaces between them: {beginning!r} has {len(typed)}.")
    if unknown := [w for w in typed if w not in vocabulary.symbols]:
        print(f"read as UNK: {', '.join(unknown)}")
    never = (text.START,) if unk else NEVER
    following = go_on(lstm, " ".join(typed), length, temperature, never, seed)
    print(" ".join([*typed, "|", *following]).replace("\n", "⏎"))
    logits, _ = sampling.read(lstm, vocabulary, "\n" + " ".join(typed))
    may = torch.tensor([w not in never for w in vocabulary.symbols])
    p = sampling.probabilities(logits, temperature, may=may)
    top, which = p.topk(5)
    print(f"the most likely next word has probability {top[0]:.3f}")
    fig, ax = plt.subplots(figsize=(6, 2.2))
    ax.bar(range(5), top.numpy())
    ax.set_xticks(range(5), [vocabulary.symbols[k].replace("\n", "⏎").replace("$", r"\$") for k in which])
    ax.set(ylabel="probability", xlabel="next word")
    return fig


panel = live.interact(
    write, beginning="one of the", temperature=(0.0, 2.0, 0.1), length=(0, 40), unk=False, seed=(0, 20)
)

# %% [markdown]
# ### Nearest neighbours, in both
#
# The words of the chapter before, among the 2,000 most frequent.

# %%
frequent = text.Words(vocabulary.symbols[:2000])
TEN = ("he", "was", "two", "September", "north", "city", "film", "wrote", "large", "after")
tables = {"4-gram network": window_network.embedding.weight, "LSTM": lstm.embedding.weight}
found = []
for word, (name, table) in itertools.product([w for w in TEN if w in frequent.symbols], tables.items()):
    near = embeddings.nearest(table[: len(frequent)], frequent, word, 5)
    found.append([shown([word]) if name != "LSTM" else "", name, ", ".join(f"{shown([v])} {c:.2f}" for v, c in near)])
figures.table(["word", "", "nearest by cosine"], found)

# %% [markdown]
# ### Claim: how the text is cut does not matter, if the state is carried
#
# The perplexity of 3,000 words, read in pieces of several sizes.
# More strands are another thing: each begins without its past.

# %% tags=["paste:pieces"]
some = held[:3001]
by_piece = {piece: metrics.carried(lstm, some, piece)["nats"] for piece in (7, 50, 1000, 3000)}
by_strands = {strands: metrics.carried(lstm, some, 50, strands)["nats"] for strands in (5, 20)}
ways = [["one strand", f"pieces of {piece}", nats] for piece, nats in by_piece.items()]
ways += [[f"{strands} strands", "pieces of 50", nats] for strands, nats in by_strands.items()]
ways += [["", "from zero every 35", metrics.from_zero(lstm, some, 35)["nats"]]]
figures.table(["", "", "perplexity"], [[a, b, f"{math.exp(nats):.3f}"] for a, b, nats in ways])

# %% tags=["nbval-check-output"]
values = list(by_piece.values())
lines_of = [line for line in text.lines(some, vocabulary) if len(line) > 1]
padded_ways = [metrics.separate(lstm, lines_of, N)["nats"] for N in (1, 7, len(lines_of))]
print("pieces of any size, the same within 1e-4 nats:", max(values) - min(values) < 1e-4)
print("lines padded in batches of 1, 7 and all, the same within 1e-4 nats:", max(padded_ways) - min(padded_ways) < 1e-4)

# %% [markdown]
# ## Mistakes people make
#
# ### The state is not detached
#
# The second window's loss then reaches back into the first, whose graph is gone.
# PyTorch says so:

# %% tags=["paste:not_detached"]
def graph_nodes(tensor):
    """How many operations stand behind a loss."""
    seen, waiting = set(), [tensor.grad_fn]
    while waiting:
        if (node := waiting.pop()) is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    return len(seen)


small_one = RNNLM(20, RNN, 4, 5, generator=torch.Generator().manual_seed(0))
source = text.Contiguous(torch.randint(0, 20, (401,), generator=torch.Generator().manual_seed(1)), 10, 4)
state, said = None, ""
for _ in range(2):
    window = next(source)
    loss, state = small_one.loss(window[:, :-1], window[:, 1:], state)
    try:
        loss.backward()
    except RuntimeError as error:
        said = str(error).split("(")[0].strip()
Markdown(f"> {said}")

# %% [markdown]
# The message offers `retain_graph=True`.
# With it each loss goes back through all windows before it, until a step of the optimizer changes weights that the old graph needs: then PyTorch refuses again.
# Operations behind the loss of each window:

# %% tags=["paste:graph"]
grown = {"detached": [], "not detached": []}
for name, counted_nodes in grown.items():
    source = text.Contiguous(torch.randint(0, 20, (401,), generator=torch.Generator().manual_seed(1)), 10, 4)
    state = None
    for _ in range(5):
        window = next(source)
        loss, state = small_one.loss(window[:, :-1], window[:, 1:], state)
        counted_nodes.append(graph_nodes(loss))
        if name == "detached":
            state = state.detach()
figures.table(["window", *range(1, 6)], [[name, *(f"{n:,}" for n in counts)] for name, counts in grown.items()])

# %% [markdown]
# The check: the state that goes into a window needs no gradient, `not state.requires_grad`.
#
# ### The state carried across shuffled windows
#
# Shuffled batches are right for windows that begin at zero.
# With a carried state each window gets the past of another one.
# The trained LSTM reads 10,000 words in windows of 35:

# %% tags=["paste:shuffled"]
windows = held[:10_001].unfold(0, 36, 35)  # (M, T+1)


def read_windows(order, carry):
    """Perplexity of the windows, read in this order."""
    total, state = metrics.Sum(), None
    for k in order:
        after = total.add(lstm, windows[k : k + 1], state)
        state = after if carry else None
    return math.exp(total.mean()["nats"])


in_order = range(len(windows))
shuffled = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0)).tolist()
figures.table(
    ["order", "state", "perplexity"],
    [
        ["as they stand", "carried", f"{read_windows(in_order, True):.1f}"],
        ["as they stand", "from zero", f"{read_windows(in_order, False):.1f}"],
        ["shuffled", "carried", f"{read_windows(shuffled, True):.1f}"],
        ["shuffled", "from zero", f"{read_windows(shuffled, False):.1f}"],
    ],
)

# %% tags=["nbval-check-output"]
def fits(order):
    """Whether each window begins with the last target of the one before."""
    return all(windows[b][0] == windows[a][-1] for a, b in itertools.pairwise(order))


print("each window begins where the last one ended: in order", fits(in_order), "| shuffled", fits(shuffled))

# %% [markdown]
# ### Dropout left on in evaluation
#
# A model that was trained last is in training mode.
# Evaluated like that, it guesses with a part of its units, another part each time.

# %% tags=["paste:dropout_on"]
def by_hand(model, numbers):
    """Perplexity as the model stands, in whatever mode."""
    with torch.no_grad():
        return math.exp(model.loss(numbers[None, :-1], numbers[None, 1:])[0].item())


figures.table(
    ["mode", "first time", "second time"],
    [[name, *(f"{by_hand(lstm.train(on), some):.2f}" for _ in range(2))] for name, on in (("training", True), ("evaluation", False))],
)

# %% [markdown]
# The check: evaluate twice, and want the same number.
#
# ### A mean of means
#
# 1,100 words in windows of $T$, the last one shorter.
# The mean of the windows' losses gives the short one as much weight as the others.

# %% tags=["paste:mean_of_means"]
piece = held[:1101]
found, right_ones = [], []
for T in (35, 300, 1000):
    total, state, losses = metrics.Sum(), None, []
    for t in range(0, 1100, T):
        one = metrics.Sum()
        state = one.add(lstm, piece[None, t : t + T + 1], state)
        losses.append(one.nats / one.symbols)
        total.nats, total.symbols = total.nats + one.nats, total.symbols + one.symbols
    right_ones.append(total.nats / total.symbols)
    found.append([T, 1100 - (len(losses) - 1) * T, f"{math.exp(right_ones[-1]):.2f}", f"{math.exp(np.mean(losses)):.2f}"])
figures.table(["$T$", "words in the last window", "each word counts once", "each window counts once"], found)

# %% tags=["nbval-check-output"]
print("each word counts once: the same for all T, within 1e-4 nats:", max(right_ones) - min(right_ones) < 1e-4)

# %% [markdown]
# ### Tied weights that are copies
#
# Three networks that begin with the same numbers, after three steps of Adam.
# In the second two Parameters share one memory, in the third one is a copy of the other.

# %% tags=["paste:copied"]
shared, copied = (RNNLM(**wide, generator=torch.Generator().manual_seed(0)).double() for _ in range(2))
really = RNNLM(**wide, tied=True, generator=torch.Generator().manual_seed(0)).double()
for model in (shared, copied):
    model.load_state_dict(really.state_dict())
shared.readout.weight.data = shared.embedding.weight.data
found = []
for name, model in {"one Parameter": really, "two Parameters, one memory": shared, "a copy": copied}.items():
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        model.loss(reads, wants)[0].backward()
        optimizer.step()
    C, W_ph = model.embedding.weight, model.readout.weight
    found.append([
        name, f"{sum(w.numel() for w in model.parameters()):,}", "yes" if torch.equal(C, W_ph) else "no",
        f"{check.relative_error(C.detach(), really.embedding.weight.detach()):.2g}",
    ])
figures.table(["", "parameters counted", "table = readout", "table against the right one, relative"], found)

# %% [markdown]
# The check: `model.readout.weight is model.embedding.weight`, after loading a checkpoint too.
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: strands
#
# *Easy · 10 minutes · with a check*
#
# `numbers` is a text of M words.
# Cut it into `N` strands of S = (M - 1) // N steps, and these into windows of `T` steps.
# Return them as an array (S // T, N, T + 1): window k holds the words kT to kT + T of each strand, and a strand has one word more than steps.
#
# <details>
# <summary>Hint 1</summary>
#
# Where does strand n begin?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The last word of one window is the first of the next; the last word of one strand is the first of the next, too.
#
# </details>


# %% tags=["exercise-1"]
def strand_windows(numbers, N, T):
    return None  # your answer


rng = np.random.default_rng(1)
cases = [(rng.integers(5, 900, size=M), N, T) for M, N, T in ((33, 3, 5), (41, 4, 3), (27, 2, 4))]
yours = [strand_windows(*case) for case in cases]
yours = None if yours[0] is None else np.concatenate([np.ravel(w) for w in yours])
expected = []
for row, N, T in cases:
    source = text.Contiguous(torch.tensor(row), T, N)
    expected += [next(source).flatten() for _ in range(source.rounds)]
check.answer("windows, one after the other", yours, torch.cat(expected).double())

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def strand_windows(numbers, N, T):
#     S = (len(numbers) - 1) // N
#     strands = [numbers[n * S : n * S + S + 1] for n in range(N)]
#     return np.array([[strand[k * T : k * T + T + 1] for strand in strands] for k in range(S // T)])
# ```
#
# </details>
#
# ### Exercise 2: a truncated gradient
#
# *Medium · 20 minutes · with a check*
#
# The smallest recurrent network: $h_t = w h_{t-1} + x_t$ with $h_0 = 0$, all of them numbers, and $L = \sum_t \tfrac12 (h_t - y_t)^2$.
# `x` and `y` are arrays (S,).
# Return the derivative of $L$ by $w$ in windows of `T` steps: the state is carried from each window to the next, the gradient is not.
#
# <details>
# <summary>Hint 1</summary>
#
# Carry $dh_t/dw$ along with $h_t$: what is it, by that of the step before?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# At the start of a window the state is a constant.
# What is the derivative of a constant?
#
# </details>


# %% tags=["exercise-2"]
def truncated_gradient(w, x, y, T):
    return None  # your answer


rng = np.random.default_rng(2)
cases = [(w, rng.normal(size=S), rng.normal(size=S), T) for w, S, T in ((0.9, 12, 4), (-0.7, 11, 3), (1.1, 9, 2), (0.8, 7, 20))]
expected = []
for w, x, y, T in cases:
    weight, h, loss = torch.tensor(w, dtype=torch.float64, requires_grad=True), torch.zeros(()), 0.0
    for t, (x_t, y_t) in enumerate(zip(x, y, strict=True)):
        h = weight * (h.detach() if t % T == 0 else h) + x_t
        loss = loss + (h - y_t) ** 2 / 2
    expected.append(torch.autograd.grad(loss, weight)[0].item())
check.answer("gradients", [truncated_gradient(*case) for case in cases], expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def truncated_gradient(w, x, y, T):
#     h, dh_dw, dw = 0.0, 0.0, 0.0
#     for t in range(len(x)):
#         if t % T == 0:
#             dh_dw = 0.0
#         dh_dw = h + w * dh_dw
#         h = w * h + x[t]
#         dw += (h - y[t]) * dh_dw
#     return dw
# ```
#
# </details>
#
# ### Exercise 3: a matrix that is used twice
#
# *Medium · 15 minutes · with a check*
#
# A tied matrix $C$ (K, E).
# Its rows `numbers` (M,) were read, and `dx` (M, E) is the gradient of the loss by what was read.
# As the readout it made logits of the states `h` (M, E), and `dp` (M, K) is the gradient of the loss by the logits.
# Return the gradient by $C$.
# Words repeat.
#
# <details>
# <summary>Hint 1</summary>
#
# Two paths lead from $C$ to the loss.
# Take each alone.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The readout's is a product of two matrices, with the shape (K, E).
# The table's adds each row of `dx` to the row of its word, every time it stands there.
#
# </details>


# %% tags=["exercise-3"]
def tied_gradient(numbers, dx, dp, h):
    return None  # your answer


rng = np.random.default_rng(3)
numbers_read = rng.integers(0, 6, size=9)
dx, dp, h = rng.normal(size=(9, 4)), rng.normal(size=(9, 8)), rng.normal(size=(9, 4))
C = torch.zeros(8, 4, dtype=torch.float64, requires_grad=True)
used_twice = (C[torch.tensor(numbers_read)] * torch.tensor(dx)).sum() + (torch.tensor(h) @ C.T * torch.tensor(dp)).sum()
used_twice.backward()
check.answer("dC", tied_gradient(numbers_read, dx, dp, h), C.grad)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def tied_gradient(numbers, dx, dp, h):
#     dC = dp.T @ h
#     np.add.at(dC, numbers, dx)
#     return dC
# ```
#
# </details>
