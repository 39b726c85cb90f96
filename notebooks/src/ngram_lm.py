# %% [markdown]
# # A neural n-gram model: run it
#
# This notebook goes with the page [A neural n-gram model, by hand](../book/ngram_lm.md).
# You will look at the 4-grams of a text, check gradients by hand, read recorded trainings, train a small network and let it go on from three words of yours, and measure perplexity so that it means something.
# It runs in about two minutes on one processor core.

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
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch.nn.functional import cross_entropy

from rnnlib import (
    bptt,
    check,
    embeddings,
    experiments,
    figures,
    interactive,
    metrics,
    models,
    ngram,
    sampling,
    text,
)
from rnnlib.experiments import ngram_lm, words

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
torch.set_num_threads(1)


def shown(symbols):
    """Words in Markdown as they stand, line ends drawn as ⏎."""
    plain = re.sub(r"([\\`*_{}\[\]<>#|!~$^&@])", r"\\\1", " ".join(symbols))
    return "<samp>" + plain.replace("\n", "⏎") + "</samp>"


# %% [markdown]
# ## Words as numbers
#
# WikiText-2, if it is in the cache, in a mirror or on the network; else the tales that were written for this book, and a line says so.
# Tests read the tales too.
# Blank lines are left out.
# For training we take the first lines with half a million words, for validation and for the test the first with a hundred thousand each.

# %%
corpus = words.available("tales" if FAST else "wikitext-2", "this notebook")
train, validation, test, vocabulary = words.load(corpus)
K = len(vocabulary)
parts = {"training": train, "validation": validation, "test": test}
print(f"the corpus is {corpus}")
print(f"K = {K:,} words, the first of them: {vocabulary.symbols[:10]}")

# %% tags=["paste:parts"]
rows = []
for name, part in parts.items():
    numbers = vocabulary.encode(part)  # (M,)
    rows.append([
        name, f"{len(numbers):,}", f"{part.count(chr(10)):,}",
        f"{(numbers == vocabulary.unk).double().mean():.1%}",
    ])
figures.table(["", "words and ENDs", "lines", "share of UNK"], rows)

# %% [markdown]
# A window is a word behind the three before it.
# START fills up where the line has fewer.

# %%
n = 4
rows = ngram_lm.windows(train, corpus)  # (M, n)
held = ngram_lm.windows(validation, corpus)
for window in rows[:5].tolist():
    print([vocabulary.symbols[k] for k in window])
print("windows of the training text:", tuple(rows.shape))

# %% [markdown]
# ## What stands in a text
#
# How often does each word come, and each 4-gram?
# Both are put in order, the most frequent first.

# %% mystnb={"image": {"alt": "Counts against rank, both axes logarithmic, two lines. Words begin near 50,000 and fall to 5 at rank 8,000. 4-grams begin near 1,500, fall in stairs, and lie flat at 1 from rank 27,000 to a rank beyond 400,000."}} tags=["paste:distribution"]
grams = Counter(map(tuple, rows.tolist()))
counts = {"words": Counter(rows[:, -1].tolist()), "4-grams": grams}
fig, ax = plt.subplots()
for label, counted in counts.items():
    values = sorted(counted.values(), reverse=True)
    ax.plot(range(1, len(values) + 1), values, label=label)
ax.set(xscale="log", yscale="log", xlabel="rank", ylabel="count in the training text")
ax.legend()
plt.show()

# %% tags=["paste:distribution_numbers"]
once = sum(c == 1 for c in grams.values())
known = np.mean([w in grams for w in map(tuple, held.tolist())])
Markdown(
    f"The training text has {len(rows):,} 4-grams, {len(grams):,} different ones, and {once / len(grams):.0%} of these stand there once. "
    f"Of the 4-grams of the validation text {known:.1%} stand in the training text."
)

# %% tags=["paste:fifty"]
fifty = [
    [shown(vocabulary.symbols[k] for k in gram), f"{count:,}"] for gram, count in grams.most_common(50)
]
figures.table(["1 to 25", "count", "26 to 50", "count"], [a + b for a, b in zip(fifty[:25], fifty[25:], strict=True)])

# %% [markdown]
# Many of the most common 4-grams are beginnings of lines or hold UNK.
#
# ## The model
#
# ### Claim: gradients by hand = autograd = difference quotients
#
# A small network in double precision.
# Word 2 stands twice in the first window, three times in the second, and the windows share words, so rows of $C$ repeat.

# %% tags=["paste:gradients"]
rng = np.random.default_rng(0)
before = rng.integers(0, 11, size=(6, 3))  # (N, n-1)
before[0], before[1] = [2, 7, 2], [2, 2, 2]
y = rng.integers(0, 11, size=6)
shapes = {"C": (11, 4), "W_hx": (5, 12), "b_h": 5, "W_ph": (11, 5), "b_p": 11}
weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}


def autograd(activation):
    """The same gradients, from the forward pass alone."""
    C, W_hx, b_h, W_ph, b_p = leaves = [torch.tensor(w, requires_grad=True) for w in weights.values()]
    a = C[torch.tensor(before)].flatten(1) @ W_hx.T + b_h  # (N, H)
    h = a.tanh() if activation == "tanh" else a
    loss = cross_entropy(h @ W_ph.T + b_p, torch.tensor(y))
    return dict(zip(weights, torch.autograd.grad(loss, leaves), strict=True))


errors = {"autograd": [], "differences": []}
found = []
for activation in ("linear", "tanh"):
    _, by_hand = bptt.ngram_loss(before, y, weights, activation)
    theirs = autograd(activation)
    for name, w in weights.items():
        quotient = check.central_difference(lambda: bptt.ngram_loss(before, y, weights, activation)[0], w)
        errors["autograd"].append(check.relative_error(by_hand[name], theirs[name]))
        errors["differences"].append(check.relative_error(by_hand[name], quotient))
        found.append([activation, f"`{name}`", *(f"{e[-1]:.0e}" for e in errors.values())])
figures.table(["", "gradient of", "against autograd", "against differences"], found)

# %% tags=["nbval-check-output"]
print("by hand = autograd, below 1e-12:", max(errors["autograd"]) < 1e-12)
print("by hand = central differences, below 1e-7:", max(errors["differences"]) < 1e-7)
assert max(errors["autograd"]) < 1e-12 and max(errors["differences"]) < 1e-7

# %% [markdown]
# ### Parameters, by formula and by counting

# %% tags=["paste:parameters"]
E = 16
sizes = []
for H in (16, 128, 256, 512):
    network = models.NGramLM(8000, n - 1, E, H)
    table, hidden, readout = 8000 * E, H * ((n - 1) * E + 1), 8000 * (H + 1)
    total = sum(w.numel() for w in network.parameters())
    assert total == table + hidden + readout
    sizes.append([H, *(f"{count:,}" for count in (table, hidden, readout, total))])
figures.table(["$H$", "table $C$", "hidden layer", "readout", "counted"], sizes)

# %% [markdown]
# ### Claim: a linear network is a sum of three tables
#
# Without $\tanh$ the logits are $b + \sum_m W_m C_{w_m}$.
# So another first word changes the logits by the same amount, whatever the two other words are.
# With $\tanh$ it does not.
# And however many hidden units there are, the matrix from $x$ to the logits has rank $(n-1) E$ at most.

# %% tags=["nbval-check-output"]
pairs = torch.tensor([[3, 5, 8], [4, 5, 8], [3, 9, 6], [4, 9, 6]])  # the first word 3 or 4, before two others
for activation in ("linear", "tanh"):
    network = models.NGramLM(
        50, n - 1, 4, 64, activation, scale=1.0, generator=torch.Generator().manual_seed(0)
    ).double()
    p = network(pairs).detach()  # (4, K)
    same = check.relative_error(p[0] - p[1], p[2] - p[3]) < 1e-12
    rank = torch.linalg.matrix_rank(network.readout.weight @ network.hidden.weight).item()
    print(f"{activation}: the same change of logits: {same}; rank of W_ph W_hx with 64 hidden units: {rank}")

# %% [markdown]
# ## The recorded trainings
#
# `python -m rnnlib.experiments ngram_lm` trained some sixty networks, and counted.
# It takes long, so it is recorded.

# %%
PARTS = ("counts", "hidden", "scale", "embedding", "best", "curriculum", "map")
records = {part: experiments.load(f"ngram_lm_{part}") for part in PARTS}
for part, record in records.items():
    print(f"{part:<11} {record['finished'][:10]} | seeds {record['seeds']} | {record['runs'][0]['settings']['corpus']}")


def results(part, **wanted):
    """Results of the runs of a part with these settings, one a seed."""
    runs = records[part]["runs"]
    found = [r["result"] for r in runs if wanted.items() <= r["settings"].items()]
    assert found, (part, wanted)
    return found


def perplexities(runs, key="validation"):
    """Perplexity of each run at its best epoch."""
    return [math.exp(r["best"][key]) for r in runs]


def best_epoch(run):
    """The epoch of the lowest validation loss."""
    return 1 + min(range(len(run["evaluations"])), key=lambda k: run["evaluations"][k]["validation"])


# %% [markdown]
# ### Counting: Kneser-Ney

# %% tags=["paste:counts"]
(base,) = results("counts")
figures.table(
    ["order", "different n-grams", "validation n-grams seen", "validation perplexity", "test perplexity"],
    [
        [k, f"{base['different'][k - 1]:,}", f"{base['seen']['validation'][k - 1]:.1%}"]
        + [f"{math.exp(base['nats'][name][k - 1]):.1f}" for name in ("validation", "test")]
        for k in range(1, 6)
    ],
)

# %% [markdown]
# Two words of context bring nearly all that counting gets from this text; the fourth order gains less than one per cent, the fifth nothing.
#
# ### Linear against tanh

# %% mystnb={"image": {"alt": "Four panels against the epoch, linear on the left, tanh on the right: perplexity above, accuracy below, each for 128, 256 and 512 hidden units, validation as solid and training as dashed lines; a dotted line is the Kneser-Ney 4-gram."}} tags=["paste:curves"]
HIDDEN, KINDS = (128, 256, 512), ("linear", "tanh")
counted_4 = math.exp(base["nats"]["validation"][n - 1])
fig, axes = plt.subplots(2, 2, figsize=(8, 5.6), sharex=True, sharey="row")
for column, kind in zip(axes.T, KINDS, strict=True):
    for H, colour, mark in zip(HIDDEN, figures.COLOURS, "os^", strict=False):
        evaluations = [r["evaluations"] for r in results("hidden", activation=kind, hidden=H)]
        for part, dash in (("validation", "-"), ("train", "--")):
            style = {"color": colour, "linestyle": dash, "marker": mark, "ms": 4}
            label = f"H = {H}, {'validation' if part == 'validation' else 'training'}"
            epochs = range(1, len(evaluations[0]) + 1)
            nats = [[e[part] for e in run] for run in evaluations]
            right = [[100 * e[f"{part}_accuracy"] for e in run] for run in evaluations]
            figures.mean_and_range(column[0], epochs, np.exp(nats), label, **style)
            figures.mean_and_range(column[1], epochs, right, label, **style)
    column[0].axhline(counted_4, color="#555555", linestyle=":", linewidth=1.2, label="Kneser-Ney, order 4")
    column[0].set_title(kind, fontsize=10)
    column[1].set(xlabel="epoch", xticks=list(epochs))
axes[0, 0].set_ylabel("perplexity")
axes[1, 0].set_ylabel("accuracy (% of words)")
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1.2)
plt.show()

# %% tags=["paste:hidden"]
found = []
for kind, H in itertools.product(KINDS, HIDDEN):
    runs = results("hidden", activation=kind, hidden=H)
    found.append([
        kind, H, figures.spread(perplexities(runs)), f"{np.mean(perplexities(runs, 'train')):.1f}",
        f"{100 * np.mean([r['best']['validation_accuracy'] for r in runs]):.1f}",
    ])
figures.table(
    ["", "$H$", "validation perplexity", "training perplexity", "validation accuracy, %"], found
)

# %% tags=["paste:course"]
rows_of_course = {"linear": "168 to 173", "tanh": "160 to 164"}
figures.table(
    ["validation perplexity", "the course", "here"],
    [
        [kind, rows_of_course[kind], "{:.0f} to {:.0f}".format(*(f(p) for f in (min, max)))]
        for kind in KINDS
        for p in [[p for H in HIDDEN for p in perplexities(results("hidden", activation=kind, hidden=H))]]
    ],
)

# %% [markdown]
# At each size $\tanh$ is better than linear, by more than the seeds differ; more units help neither, and overfit sooner.
#
# ### Where the table begins
#
# The entries of $C$ begin at $N(0, s^2)$.

# %% tags=["paste:scale"]
found = []
for s in (1.0, 0.1, 0.01):
    runs = results("hidden", activation="tanh", hidden=128) if s == 0.1 else results("scale", scale=s)
    first = [math.exp(r["evaluations"][0]["validation"]) for r in runs]
    found.append([f"{s:g}", figures.spread(first), figures.spread(perplexities(runs))])
figures.table(["$s$", "validation perplexity, first epoch", "best epoch"], found)

# %% [markdown]
# A start of a hundredth is as good as one of a tenth; a start of 1, which is torch's own, is far worse.
#
# ### Embeddings of 16 to 128

# %% mystnb={"image": {"alt": "Perplexity against the size of the embedding, 16 to 128 on a logarithmic axis. Both lines fall, validation from about 123 to about 112 and ever less steeply, training from about 100 to about 67. At 128 two triangles show dropout, validation at the same height and training higher. A dotted line at 134 is the Kneser-Ney 4-gram."}} tags=["paste:embedding"]
EMBEDDINGS = (16, 32, 64, 128)
of_size = {size: results("embedding", embedding=size, dropout=0.0) for size in EMBEDDINGS[1:]}
of_size[16] = results("hidden", activation="tanh", hidden=128)  # the same network
dropped = results("embedding", embedding=128, dropout=0.3)
fig, ax = plt.subplots()
for key, colour, dash in (("validation", 0, "-"), ("train", 1, "--")):
    name = "validation" if key == "validation" else "training"
    values = np.array([perplexities(of_size[size], key) for size in EMBEDDINGS]).T
    style = {"color": figures.COLOURS[colour], "linestyle": dash}
    figures.mean_and_range(ax, EMBEDDINGS, values, name, marker="os"[colour], **style)
    ax.plot([128] * len(dropped), perplexities(dropped, key), "v^"[colour], color=figures.COLOURS[colour], label=f"{name}, dropout 0.3")
ax.axhline(counted_4, color="#555555", linestyle=":", linewidth=1.2, label="Kneser-Ney, order 4")
ax.set(xscale="log", xlabel="size E of the embedding", ylabel="perplexity, best epoch")
ax.set_xticks(EMBEDDINGS, EMBEDDINGS)
ax.minorticks_off()
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:embedding_numbers"]
found = {str(size): of_size[size] for size in EMBEDDINGS} | {"128, dropout 0.3": dropped}
figures.table(
    ["$E$", "validation perplexity", "training perplexity", "best epoch"],
    [
        [name, *(figures.spread(perplexities(runs, key)) for key in ("validation", "train")), figures.spread([best_epoch(r) for r in runs], 0)]
        for name, runs in found.items()
    ],
)

# %% [markdown]
# A larger embedding helps, each doubling less than the one before, and overfits sooner; with dropout it may learn longer.
#
# ### The best network, and both together
#
# 256 hidden units, embedding 128, a dropout of 0.4, six epochs.
# The share $\lambda$ of the counts is chosen on the first half of the validation words; the validation figures are of the second half, no choice was made on the test text.

# %% tags=["paste:best"]
mixed = [r["mixture"] for r in results("best")]
WAYS = {"counts": "Kneser-Ney, order 4", "network": "network", "mixture": "mixture"}
found = [
    [name, *(figures.spread([math.exp(m[part][way]) for m in mixed]) for part in ("validation", "test"))]
    for way, name in WAYS.items()
]
figures.table(["perplexity", "validation, second half", "test"], found)

# %% [markdown]
# The counts' share in the mixture, mean and range of the seeds:

# %% tags=["paste:share"]
Markdown(f"$\\lambda$ = {figures.spread([m['share'] for m in mixed], 2)}, mean and range of the seeds.")

# %% [markdown]
# Where is each better?
# By how much of the 4-gram stood in the training text, and by how frequent the word is.


# %% tags=["paste:by_seen"]
def mean_perplexity(groups, way):
    return f"{math.exp(np.mean([group[way] for group in groups])):,.1f}"


lengths = {"4": "all four words", "3": "the last three", "2": "the last two", "1": "the last word", "0": "nothing"}
figures.table(
    ["seen in training", "share of words", *WAYS.values()],
    [
        [name, f"{mixed[0]['by_seen'][k]['share']:.1%}", *(mean_perplexity([m["by_seen"][k] for m in mixed], w) for w in WAYS)]
        for k, name in lengths.items() if k in mixed[0]["by_seen"]
    ],
)

# %% tags=["paste:by_rank"]
limits = [f"{a + 1:,} to {b:,}" for a, b in itertools.pairwise(ngram_lm.FREQUENT)] + ["all others"]
figures.table(
    ["rank of the word", "share of words", *WAYS.values()],
    [
        [name, f"{mixed[0]['by_rank'][k]['share']:.1%}", *(mean_perplexity([m["by_rank"][k] for m in mixed], w) for w in WAYS)]
        for k, name in enumerate(limits)
    ],
)

# %% [markdown]
# The places where the two differ most, for seed 0:

# %% tags=["paste:examples"]
figures.table(
    ["better", "three words, and the next", "$P$ by counts", "$P$ by network"],
    [
        [WAYS[way], shown(gram.split(" ")), f"{math.exp(p):.2g}", f"{math.exp(q):.2g}"]
        for way in ("network", "counts") for gram, p, q in mixed[0]["examples"][way][-6 if way == "network" else 0 :][:6]
    ],
)

# %% [markdown]
# The network is below the counts and the mixture below both; counting is better only where it has seen the whole phrase.
#
# ### The curriculum
#
# A quarter of the steps each: first no window whose target is one of the 10 most frequent words, then of the 5, then of the 2, then all.
# Plain training makes as many steps on all windows.

# %% mystnb={"image": {"alt": "Four panels against the training step, SGD above and Adam below, the bias at zero on the left and at the log frequencies on the right: validation perplexity on a logarithmic axis, plain and by the curriculum; dotted upright lines are the ends of the phases."}} tags=["paste:curriculum"]
METHODS = {"sgd": "SGD", "adam": "Adam"}
BIASES = {False: "bias begins at zero", True: "bias begins at the log frequencies"}
SCHOOLS = {False: "plain", True: "curriculum"}
fig, axes = plt.subplots(2, 2, figsize=(8, 5.4), sharex=True, sharey=True)
for (method, bias), ax in zip(itertools.product(METHODS, BIASES), axes.flat, strict=True):
    for school, label in SCHOOLS.items():
        runs = results("curriculum", optimizer=method, frequencies=bias, curriculum=school)
        steps = [e["step"] for e in runs[0]["evaluations"]]
        values = np.exp([[e["validation"] for e in r["evaluations"]] for r in runs])
        figures.mean_and_range(ax, steps, values, label, linestyle="--" if school else "-", marker="s" if school else "o", ms=3)
    for quarter in (1, 2, 3):
        ax.axvline(runs[0]["steps"] * quarter / 4, color="#555555", linestyle=":", linewidth=1)
    ax.set(yscale="log")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_title(f"{METHODS[method]}, {BIASES[bias]}", fontsize=10)
for ax in axes[1]:
    ax.set_xlabel("training step")
for ax in axes[:, 0]:
    ax.set_ylabel("validation perplexity")
axes[0, 0].legend()
plt.show()

# %% tags=["paste:curriculum_numbers"]
ends, by_rank = [], []
for method, bias, school in itertools.product(METHODS, BIASES, SCHOOLS):
    runs = results("curriculum", optimizer=method, frequencies=bias, curriculum=school)
    last = [r["evaluations"][-1] for r in runs]
    names = [METHODS[method], "log frequencies" if bias else "zero", SCHOOLS[school]]
    ends.append([
        *names, figures.spread([math.exp(r["validation"]) for r in runs]),
        f"{100 * np.mean([r['accuracy'] for r in runs]):.1f}", f"{np.mean([e['bias'] for e in last]):.2f}",
    ])
    means = [np.mean([e[f"validation_{k}"] for e in last]) for k in range(len(limits))]
    by_rank.append([*names, *(f"{math.exp(nats):,.1f}" for nats in means)])
figures.table(["", "bias begins at", "", "perplexity", "accuracy, %", "bias and log frequency"], ends)

# %% [markdown]
# The last column is the correlation of $b_p$ with the logarithms of the frequencies.
# By the rank of the word that is asked for, on a quarter of the validation text:

# %% tags=["paste:curriculum_ranks"]
figures.table(["perplexity", "bias begins at", "", *(f"rank {r}" for r in limits)], by_rank)

# %% [markdown]
# The plan makes the ten most frequent words worse and all others better; in the perplexity of all words little is left of it, and with Adam and the log frequencies it hurts.
#
# ## A small network, here and now
#
# Embedding 64 and 128 hidden units, two epochs, with the function of the study.

# %%
settings = ngram_lm.NETWORK | {"corpus": corpus, "seed": 0, "embedding": 64, "hidden": 128, "epochs": 2}
model, happened = ngram_lm.train(settings)
for number, e in enumerate(happened["evaluations"], 1):
    print(f"epoch {number}: perplexity {math.exp(e['train']):.1f} on training text, {math.exp(e['validation']):.1f} on validation text")

# %% [markdown]
# ### Three words in, ten out
#
# The network reads the last three words, gives a word, and reads on.
# After an END a new line begins, and three STARTs stand before it.
# UNK is no word that one could read, so it may be forbidden.


# %%
def go_on(beginning, length=10, temperature=0.0, unk=False, seed=0):
    """The words that follow a beginning; ``unk``: whether UNK may be one of them."""
    generator = torch.Generator().manual_seed(seed)
    start = [vocabulary.start] * (n - 1)
    numbers, written = start + vocabulary.encode(beginning).tolist(), []
    while len(written) < length:
        p = next_word(numbers, temperature, unk)  # (K,)
        written.append(int(torch.multinomial(p, 1, generator=generator)))
        numbers += written[-1:] + (start if written[-1] == vocabulary.end else [])
    return [vocabulary.symbols[k] for k in written]


@torch.no_grad()
def next_word(numbers, temperature, unk):
    """Probabilities of the next word (K,) after the last three."""
    logits = model(torch.tensor([numbers[-(n - 1) :]]))[0]
    if not unk:
        logits[vocabulary.unk] = logits.min() - 1000  # never
    return sampling.probabilities(logits, temperature)


# %% tags=["paste:written"]
BEGINNINGS = ("one of the", "he was a", "in the first", "the end of", "it is not")
found = []
for seed, beginning in enumerate(BEGINNINGS):
    for temperature in (0.0, 0.7, 1.0):
        following = go_on(beginning, temperature=temperature, seed=seed + 5 * (temperature == 1))
        found.append([shown(beginning.split()) if not temperature else "", f"{temperature:g}", shown(following)])
figures.table(["three words", "temperature", "the next ten"], found)

# %% [markdown]
# With UNK allowed, at temperature 1:

# %%
for seed, beginning in enumerate(BEGINNINGS):
    print(beginning, "|", " ".join(go_on(beginning, temperature=1.0, unk=True, seed=seed)).replace("\n", "⏎"))

# %% [markdown]
# ### Live: three words of yours
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# The bars are the ten words that the network holds most likely after what you typed; a field acts when Enter is pressed.
# Only the last three words count: type more, change the first, and see that nothing moves.
# Which three words make it sure of the next?

# %% mystnb={"image": {"alt": "Bars of the probability of the ten most likely words after the three words one of the."}} tags=["live"]
from rnnlib import live


def write(beginning="one of the", temperature=0.0, length=10, unk=False, seed=0):
    """The ten most likely words after the beginning, with their probabilities."""
    typed = beginning.split()
    if len(typed) < n - 1:
        raise ValueError(f"Type at least three words, with spaces between them: {beginning!r} has {len(typed)}.")
    numbers = vocabulary.encode(" ".join(typed))
    if unknown := [w for w, k in zip(typed, numbers.tolist(), strict=True) if k == vocabulary.unk]:
        print(f"read as UNK: {', '.join(unknown)}")
    following = go_on(" ".join(typed), length, temperature, unk, seed)
    print(" ".join([*typed, "|", *following]).replace("\n", "⏎"))
    top, which = next_word(numbers.tolist(), 1.0, unk).topk(10)
    print(f"the most likely next word has probability {top[0]:.3f}")
    fig, ax = plt.subplots(figsize=(7, 2.2))
    ax.bar(range(10), top.numpy())
    ax.set_xticks(range(10), [vocabulary.symbols[k].replace("\n", "⏎") for k in which], rotation=30)
    ax.set(ylabel="probability", xlabel="next word")
    return fig


panel = live.interact(
    write, beginning="one of the", temperature=(0.0, 2.0, 0.1), length=(0, 40), unk=False, seed=(0, 20)
)

# %% [markdown]
# ## What the embedding has learned
#
# ### Nearest neighbours
#
# The five words whose rows of $C$ have the largest cosine with a word's own, among the 2,000 most frequent.
# The row of a rare word has hardly moved from its random start.

# %% tags=["paste:neighbours"]
frequent = text.Words(vocabulary.symbols[:2000])
table = model.embedding.weight.detach()[: len(frequent)]  # (2000, E)
TEN = ("he", "was", "two", "September", "north", "city", "film", "wrote", "large", "after")
figures.table(
    ["word", "nearest by cosine"],
    [
        [shown([w]), ", ".join(f"{shown([v])} {c:.2f}" for v, c in embeddings.nearest(table, frequent, w, 5))]
        for w in TEN if w in frequent.symbols
    ],
)

# %% [markdown]
# ### A map of words
#
# Two ways to a map: learn an embedding of two numbers a word; or project a larger one, here that of the best network, on the two directions in which its rows vary most, its principal components.
# Both are recorded, for the 500 most frequent words.

# %%
(of_two,) = results("map")
drawn = of_two["words"]
TITLES = {"learned, 2 numbers": "learned with two numbers a word", "projected": f"projected from {drawn['dimensions']} numbers"}


def draw_maps(count, size, named):
    """Both maps of the first words, ``named`` of them with their names."""
    _, axes = plt.subplots(2, 1, figsize=(8, 11))
    for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
        one = drawn["maps"][name]
        places = one["unit"] * np.array(one["xy"]).reshape(-1, 2)[:count]
        ax.plot(*places.T, ".", color="white", markersize=1)  # so that all lie within the axes
        ax.plot(*places[named:].T, ".", color="#999999", markersize=3)
        for (x, y), word in zip(places[:named], drawn["words"], strict=False):
            ax.text(x, y, word.replace("$", r"\$"), fontsize=size, ha="center", va="center", color="black")
        ax.set(xlabel="first number", ylabel="second number")
        ax.set_title(title, fontsize=10)
        ax.grid(False)
    plt.show()


# %% tags=["paste:two_numbers"]
Markdown(f"With two numbers a word the network reaches a validation perplexity of {math.exp(of_two['best']['validation']):.1f}.")

# %% mystnb={"image": {"alt": "Two maps of the 100 most frequent words, each written at its place. On the learned map a few signs, United and the stand far out, and most words crowd in the middle. On the projected map there is more room: prepositions lie left, pronouns lower right, single digits right."}}
draw_maps(100, 8, 100)

# %% mystnb={"image": {"alt": "The same two maps with the 500 most frequent words as dots, the first 60 with their names. The learned map is a dense cloud with a few words far out, the projected one is spread more evenly."}}
draw_maps(500, 7, 60)

# %% [markdown]
# The same to be searched, moved and zoomed.
# Two numbers cannot keep all neighbours: beside the nearest words on the map stand those of the whole row.

# %%
interactive.word_map(drawn, "ngram_lm", count=100, word="he")

# %% [markdown]
# On both maps prepositions stand together, and so do pronouns, possessives and forms of *to be* and *to have*; two numbers cost much of the perplexity.
#
# ## Perplexity, done right
#
# ### Claim: the base does not matter, if logarithm and power share it

# %% tags=["paste:bases"]
numbers = vocabulary.encode(validation)[:5000]
lines = [line for line in text.lines(numbers, vocabulary) if line[-1] == vocabulary.end]  # whole ones
some = held[: sum(map(len, lines))]
log_p, right = ngram_lm.log_probabilities(model, some)  # (M,), in nats
nats = -log_p.mean().item()
bits = metrics.bits_per_character(nats)  # here a word
assert math.isclose(math.exp(nats), 2**bits, rel_tol=1e-12)
figures.table(
    ["", "$H_e$ = " + f"{nats:.3f} nats", "$H_2$ = " + f"{bits:.3f} bits"],
    [["power of $e$", f"{math.exp(nats):,.1f}", f"{math.exp(bits):,.1f}"], ["power of 2", f"{2**nats:,.1f}", f"{2**bits:,.1f}"]],
)

# %% [markdown]
# ### Claim: padding, batch size and order do not matter, if each word counts once
#
# The sum of $\ln P$ over all words, divided by their number.
# Lines are padded to the longest, in batches of any size; a mask leaves the padding out.


# %%
by_line = log_p.split([len(line) for line in lines])  # of each word of each line


def masked_perplexity(lines, batch, extra):
    """All lines, padded and in batches: nats of words that are no padding, over their number."""
    total = count = 0.0
    for k in range(0, len(lines), batch):
        chunk = lines[k : k + batch]
        T = max(map(len, chunk)) + extra
        values, mask = torch.zeros(len(chunk), T).double(), torch.zeros(len(chunk), T)
        for row, keep, line in zip(values, mask, chunk, strict=True):
            row[: len(line)], keep[: len(line)] = line, 1
        total -= (values * mask).sum().item()
        count += mask.sum().item()
    return math.exp(total / count)


whole = math.exp(nats)
others = [
    masked_perplexity(order, batch, extra)
    for order in (by_line, by_line[::-1]) for batch in (1, 7, len(lines)) for extra in (0, 13)
]

# %% tags=["nbval-check-output"]
pieces = [ngram_lm.log_probabilities(model, chunk)[0] for chunk in some[:500].split(7)]  # 7 windows at a time
print("twelve ways, one perplexity, within 1e-9:", max(abs(p / whole - 1) for p in others) < 1e-9)
print("read in pieces of seven, each word the same within 1e-4 nats:", bool((torch.cat(pieces) - log_p[:500]).abs().max() < 1e-4))

# %% [markdown]
# Other means of the same numbers.
# In WikiText many lines are headings, short and easy to guess; a mean over lines counts them as much as a long paragraph.

# %% tags=["paste:means"]
longest = max(map(len, lines))
per_line = torch.stack([-line.mean() for line in by_line])
found = {
    "each word counts once": whole,
    "padding counted, as if it were guessed": math.exp(-log_p.sum().item() / (len(lines) * longest)),
    "each line counts once": math.exp(per_line.mean().item()),
    "mean of the lines' perplexities": per_line.exp().mean().item(),
    "UNK left out": math.exp(-log_p[some[:, -1] != vocabulary.unk].mean().item()),
}
figures.table(["one network, one text", "perplexity"], [[k, f"{v:,.1f}"] for k, v in found.items()])

# %% [markdown]
# ### Perplexities of different vocabularies
#
# A smaller vocabulary has more UNK, and UNK is easy to guess.
# So one method, counting with order 3, on one text, with vocabularies of several sizes.
# For the last column a second model spells what UNK hides, character by character: it counts characters (order 5) in the training words that are UNK.
# Then every model pays for the same characters, and the sum over all of them, in bits and per character of the raw text, can be compared.

# %% tags=["paste:vocabularies"]
piece = words.first_lines(train, 10_000 if FAST else 150_000)
tested = words.first_lines(validation, 2_000 if FAST else 20_000)
alphabet = text.Vocabulary.of(piece + tested)
raw = len(vocabulary.join(vocabulary.cut(tested)))
found = []
for size in (250, 500, 1000) if FAST else (500, 1000, 2000, 4000, 8000):
    closed = text.Words.of(piece, size)
    per_word = -ngram.NGram(piece, 3, closed).log_probabilities(tested)[-1]  # (M,)

    def hidden_words(some, closed=closed):
        """What UNK hides, a word a line."""
        cut, numbers = closed.cut(some), closed.encode(some).tolist()
        return "".join(f"{w}\n" for w, k in zip(cut, numbers, strict=True) if k == closed.unk)

    speller = ngram.NGram(hidden_words(piece), 5, alphabet)
    spelling = -speller.log_probabilities(hidden_words(tested))[-1].sum().item()
    share = (closed.encode(tested) == closed.unk).double().mean().item()
    found.append([
        f"{size:,}", f"{share:.1%}", f"{math.exp(per_word.mean().item()):.1f}",
        f"{(per_word.sum().item() + spelling) / math.log(2) / raw:.3f}",
    ])
figures.table(["vocabulary $K$", "share of UNK", "perplexity", "bits a character of the raw text"], found)

# %% [markdown]
# Perplexity rises with the vocabulary, although the larger vocabulary loses less of the text.
# The bits a character go the other way.
# The raw text is that of the corpus, whose authors wrote `<unk>` for rare words; each of these costs its five characters.
#
# ## Mistakes people make
#
# ### One place of a word that stands twice
#
# `dC[words] += dx` looks like a sum over places.
# NumPy reads the rows, adds, and writes them back: of several places of one word the last one wins.

# %% tags=["paste:one_place"]
_, by_hand = bptt.ngram_loss(before, y, weights)
dx = by_hand["x"].reshape(*before.shape, -1)  # (N, n-1, E)
wrong = np.zeros_like(weights["C"])
wrong[before] += dx
repeated = [k for k, c in Counter(before.flat).items() if c > 1]
alone = [k for k, c in Counter(before.flat).items() if c == 1]
figures.table(
    ["rows of `dC`", "relative error against autograd"],
    [
        [name, f"{check.relative_error(wrong[some], autograd('tanh')['C'][some]):.0e}"]
        for name, some in (("words that stand once", alone), ("words that stand several times", repeated))
    ],
)

# %% [markdown]
# The check is the gradient check, on windows in which a word repeats.
# With windows of different words it would have passed.
#
# ### A line that reads the one before
#
# Windows cut from one long row of words take the end of a line as the context of the next one.
# That is a choice, not a bug; but then the two models no longer see the same.
# How many windows differ?

# %% tags=["paste:across"]
numbers = vocabulary.encode(validation)
plain = numbers.unfold(0, n, 1)  # (M - n + 1, n): no START anywhere
Markdown(f"{(plain != held[n - 1 :]).any(1).double().mean():.1%} of the windows of the validation text are others.")

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: windows of a line
#
# *Easy · 10 minutes · with a check*
#
# A line is a list of T word numbers, the last of them END.
# Return its T windows as an array (T, n): each word behind the n - 1 before it, with the number `start` where there are fewer.
#
# <details>
# <summary>Hint 1</summary>
#
# Put as many `start` before the line as the first word needs.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# How many windows of n numbers has a row of n - 1 + T?
#
# </details>


# %% tags=["exercise-1"]
def line_windows(line, n, start):
    return None  # your answer


known_words = text.Words([text.UNK, text.START, text.END, *"abcdefgh"])
rng = np.random.default_rng(1)
cases = [([*rng.integers(3, 11, size=size).tolist(), 2], order) for size, order in ((6, 4), (3, 2), (2, 5))]
yours = [line_windows(line, order, 1) for line, order in cases]
yours = None if yours[0] is None else np.concatenate([np.ravel(w) for w in yours])
expected = [text.context_windows(torch.tensor(line), order, known_words).flatten() for line, order in cases]
check.answer("windows, one after the other", yours, torch.cat(expected).double())

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def line_windows(line, n, start):
#     row = [start] * (n - 1) + line
#     return np.array([row[t : t + n] for t in range(len(line))])
# ```
#
# </details>
#
# ### Exercise 2: the gradient of the table
#
# *Medium · 15 minutes · with a check*
#
# `dx` (N, n-1, E) is the gradient of the loss by the rows that were looked up, `numbers` (N, n-1) says which they were.
# Return the gradient by the table $C$ (K, E).
# Words repeat, and some of the K stand nowhere.
#
# <details>
# <summary>Hint 1</summary>
#
# A row of $C$ goes into $x$ at every place where its word stands.
# What does the chain rule do with several paths?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# `dC[numbers] += dx` keeps one place of each word.
# Go through the places one by one, or find the function of NumPy that adds at all of them.
#
# </details>


# %% tags=["exercise-2"]
def table_gradient(dx, numbers, K):
    return None  # your answer


rng = np.random.default_rng(2)
numbers, dx = rng.integers(0, 7, size=(5, 3)), rng.normal(size=(5, 3, 4))
C = torch.zeros(9, 4, dtype=torch.float64, requires_grad=True)
(C[torch.tensor(numbers)] * torch.tensor(dx)).sum().backward()
check.answer("dC", table_gradient(dx, numbers, 9), C.grad)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def table_gradient(dx, numbers, K):
#     dC = np.zeros((K, dx.shape[2]))
#     np.add.at(dC, numbers, dx)
#     return dC
# ```
#
# </details>
#
# ### Exercise 3: perplexity of padded lines
#
# *Medium · 10 minutes · with a check*
#
# `log2_p` (N, T) are the logarithms **to the base 2** of the probabilities of the words of N lines.
# Line n has `lengths[n]` words; what stands behind them is padding.
# Return the perplexity, each word counting once.
#
# <details>
# <summary>Hint 1</summary>
#
# Which power undoes a logarithm to the base 2?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Divide the sum over all words by the number of all words, once, at the end.
#
# </details>


# %% tags=["exercise-3"]
def padded_perplexity(log2_p, lengths):
    return None  # your answer


rng = np.random.default_rng(3)
cases = [(-rng.gamma(4.0, 1.2, size=(N, T)), rng.integers(2, T, size=N)) for N, T in ((4, 9), (3, 6), (5, 12))]
expected = []
for log2_p, lengths in cases:  # one over the geometric mean of the probabilities
    kept = [2.0**v for row, size in zip(log2_p, lengths, strict=True) for v in row[:size]]
    expected.append(1 / math.prod(v ** (1 / len(kept)) for v in kept))
check.answer("perplexities", [padded_perplexity(*case) for case in cases], expected)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def padded_perplexity(log2_p, lengths):
#     mask = np.arange(log2_p.shape[1]) < lengths[:, None]
#     return 2 ** (-(log2_p * mask).sum() / mask.sum())
# ```
#
# </details>
