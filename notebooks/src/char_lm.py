# %% [markdown]
# # Characters: run it
#
# This notebook goes with the page [Characters](../book/char_lm.md).
# You will train a small network to write, read the recorded training of a larger one, turn its temperature up and down, and look for a cell that you can read.
# It runs in about a minute on one processor core.

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
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from rnnlib import (
    check,
    checkpoints,
    corpora,
    experiments,
    figures,
    metrics,
    models,
    ngram,
    optim,
    paths,
    sampling,
    text,
    training,
)

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
torch.set_num_threads(1)
BOOKS = {"grimm": "Grimm", "democracy": "Democracy"}


def shown(string):
    """A text in Markdown as it stands, line ends drawn as ⏎."""
    plain = re.sub(r"([\\`*_{}\[\]<>#|!~$^&])", r"\\\1", string)
    return "<samp>" + plain.replace("\n", "⏎") + "</samp>"


# %% [markdown]
# ## Text as numbers
#
# Grimms' fairy tales, if they are in the cache, in a mirror or on the network; else the tales that were written for this book, and a line says so.

# %%
book = corpora.load("grimm", fallback="tales")
vocabulary = text.Vocabulary.of(book)
train, held_out = text.split(book)
print(f"{len(book):,} characters, K = {len(vocabulary)} different ones: {vocabulary.symbols!r}")
print(f"the first {len(train):,} are for training, the last {len(held_out):,} are held out")
numbers = vocabulary.encode(train)  # (length,)
print("the first 30 as text:   ", repr(train[:30]))
print("the first 30 as numbers:", numbers[:30].tolist())

# %% [markdown]
# A batch has N windows of T + 1 characters.
# The first T are the input, the last T are the targets: each step is asked for the character that comes next.

# %%
source = text.Windows(numbers, T=30, N=64, seed=0)
batch = next(source)  # (N, T + 1)
print("batch", tuple(batch.shape))
print("input ", repr(vocabulary.decode(batch[0, :-1])))
print("target", repr(vocabulary.decode(batch[0, 1:])))

# %% [markdown]
# ## The model
#
# Two layers of H = 128.
# The page counts $4H(K + H + 1) + 4H(2H + 1) + K(H + 1)$ parameters:

# %% tags=["nbval-check-output"]
K, H = len(vocabulary), 128
model = models.CharacterModel(K, H, num_layers=2, generator=torch.Generator().manual_seed(0))
counted = sum(w.numel() for w in model.parameters())
formula = 4 * H * (K + H + 1) + 4 * H * (2 * H + 1) + K * (H + 1)
print("formula equals count:", counted == formula)

# %% [markdown]
# One-hot inputs pick columns: $W_x$ times the one-hot vector of a character is that character's column of $W_x$.

# %% tags=["nbval-check-output"]
W_x = model.rnn.cells[0].W_x.detach()  # (4H, K)
one_hot = torch.nn.functional.one_hot(numbers[:5], K).float()  # (5, K)
picked = (one_hot @ W_x.T == W_x[:, numbers[:5]].T).all().item()
print("product equals column:", picked)

# %% [markdown]
# ### Claim: our layers and torch's twin give the same logits
#
# `fast()` lets torch's own LSTM compute with the same weights; from here on that saves time.

# %% tags=["nbval-check-output"]
with torch.no_grad():
    ours, _ = model(batch[:, :-1])
    theirs, _ = model.fast()(batch[:, :-1])
print("logits equal, below 1e-5:", check.relative_error(ours, theirs) < 1e-5)

# %% [markdown]
# ## A minute of training
#
# First a glimpse, here and now: how the loss falls, and what the model writes.

# %%
steps = 25 if FAST else 500
moves = optim.Adam(model.parameters(), lr=2e-3)
history = training.train(
    model, source, metrics.next_character_loss, moves, steps, clip_norm=1.0
)
first, last = history.loss[0], float(np.mean(history.loss[-20:]))
print(f"step 1: {first:.2f} nats, ln K = {math.log(K):.2f}; step {steps}: {last:.2f} nats")
print(sampling.generate(model, vocabulary, "The ", 200, temperature=0.7, seed=1))

# %% [markdown]
# At the start every character is about equally likely, so the loss is about $\ln K$.
# After some hundred steps there are words, mostly not ones that exist.
#
# ### Stop, and go on
#
# A training that was stopped after 20 of 40 steps goes on in two ways: from a checkpoint, which holds all that the next step depends on, and from the weights alone.
# The weights at the end are compared with those of a training that was not stopped.


# %% tags=["paste:resumed"]
def trained_weights(steps, checkpoint=None, begin=None):
    """All weights of a small network after some steps, as one vector; ``begin``: where from."""
    small = models.CharacterModel(K, 32, generator=torch.Generator().manual_seed(0))
    if begin is not None:
        torch.nn.utils.vector_to_parameters(begin, small.parameters())
    moves, batches = optim.RMSprop(small.parameters(), lr=2e-3), text.Windows(numbers, T=30, N=16, seed=0)
    training.train(small, batches, metrics.next_character_loss, moves, steps, checkpoint=checkpoint)
    return torch.nn.utils.parameters_to_vector(small.parameters()).detach()


unbroken = trained_weights(40)
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "half.checkpoint"
    half = trained_weights(20, file)
    resumed = trained_weights(40, file)  # finds the file, and goes on after step 20
from_weights = trained_weights(20, begin=half)
assert torch.equal(resumed, unbroken)
figures.table(
    ["goes on from", "largest difference of a weight"],
    [
        ["the checkpoint", f"{(resumed - unbroken).abs().max():.4f}"],
        ["the weights alone", f"{(from_weights - unbroken).abs().max():.4f}"],
    ],
)

# %% [markdown]
# With the checkpoint the two trainings are one, to the last digit.
#
# ## The recorded training
#
# `python -m rnnlib.experiments char_lm` trained three seeds on each of two books, with the settings of a course.
# It takes long, so it is recorded.

# %%
records = {name: experiments.load(f"char_lm_{name}") for name in BOOKS}
for record in records.values():
    print("command: ", record["command"])
    print("finished:", record["finished"], "| seeds", record["seeds"])
runs = {
    name: [r for r in record["runs"] if r["settings"]["kind"] == "lstm"]
    for name, record in records.items()
}
counted = {
    name: next(r["result"] for r in record["runs"] if r["settings"]["kind"] == "baselines")
    for name, record in records.items()
}
STEPS = runs["grimm"][0]["settings"]["steps"]

# %% mystnb={"image": {"alt": "Two panels against the training step, 0 to 9,000, two lines each. Left, training loss in nats: both fall quickly to about 1.4 within 2,000 steps, then slowly, and a little faster in the last fifth; from step 1,000 to about 5,800 Democracy is lower, then Grimm, and both end near 1.1. Right, training accuracy: Democracy is higher from step 900 to 8,800, and both end near 0.655."}} tags=["paste:curves"]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for name, title in BOOKS.items():
    for ax, key in zip(axes, ("loss", "accuracy"), strict=True):
        curve = [r["result"][f"{key}_per_100_steps"] for r in runs[name]]
        figures.mean_and_range(ax, 100 * np.arange(1, len(curve[0]) + 1), curve, title)
axes[0].set(xlabel="training step", ylabel="training loss (nats a character)", ylim=(1.0, 2.2))
axes[1].set(xlabel="training step", ylabel="training accuracy", ylim=(0.4, 0.7))
axes[0].legend()
plt.show()


# %% tags=["paste:trained"]
rows = [["the course, either book", "1.1 to 1.2", "0.63 to 0.65", "", ""]]
for name, title in BOOKS.items():
    results = [r["result"] for r in runs[name]]
    rows.append([
        title, figures.spread([r["loss"] for r in results], 3), figures.spread([r["accuracy"] for r in results], 3),
        figures.spread([r["held_out"]["from zero"]["nats"] for r in results], 3),
        figures.spread([r["held_out"]["from zero"]["accuracy"] for r in results], 3),
    ])
figures.table(
    ["", "training loss, nats", "training accuracy", "held-out loss", "held-out accuracy"], rows
)

# %% [markdown]
# Mean over three seeds and their range; training over the last 500 steps, held-out text in windows of 30 as in training.
#
# Is the held-out end harder than the rest?
# An n-gram model, which is explained next, was tested on it and on the piece before it:

# %% tags=["paste:harder"]
rows = []
for name, title in BOOKS.items():
    grams = counted[name]["ngram"]
    before_end = grams["bits_by_order_on_a_piece_of_train"][grams["order"] - 1]
    rows.append([title, grams["order"], f"{before_end:.2f}", f"{grams['bits']:.2f}"])
figures.table(["bits a character", "order", "piece before the end", "held-out end"], rows)

# %% [markdown]
# Does the held-out end have characters that the training text has not?

# %% tags=["paste:note"]
new = sorted(set(held_out) - set(train))
if new:
    share = 1 - min(map(held_out.index, new)) / len(held_out)
    said = f"The characters {', '.join(new)} come in the held-out end and not before it. The last {share:.1%} of that end, from the first of them on, are a note on the brothers, no tale."
else:
    said = "Every character of the held-out text is in the training text too."
Markdown(said)

# %% [markdown]
# ### Bits a character, against counting and packing
#
# How many numbers does counting keep?

# %%
pieces = {n: len({train[k : k + n] for k in range(len(train) - n + 1)}) for n in (5, 6, 7)}
Markdown("Different pieces of so many characters in the training text of Grimm: " + ", ".join(f"{n}: {count:,}" for n, count in pieces.items()) + ".")

# %% [markdown]
# The same split for all: an n-gram model with Kneser-Ney smoothing, whose order was chosen on the last 5 % of the training text, and the packer xz, which we give the training text first.

# %% tags=["paste:bits"]
rows = []
for name, title in BOOKS.items():
    bits = [
        metrics.bits_per_character(r["result"]["held_out"]["carried"]["nats"]) for r in runs[name]
    ]
    zero = [
        metrics.bits_per_character(r["result"]["held_out"]["from zero"]["nats"]) for r in runs[name]
    ]
    base = counted[name]
    rows.append([
        title, f"{math.log2(base['characters']['K']):.2f}", f"{base['ngram']['bits_by_order'][0]:.2f}",
        f"{base['xz']['after_train']:.2f}", f"{base['ngram']['bits']:.3f} (order {base['ngram']['order']})",
        figures.spread(zero, 3), figures.spread(bits, 3),
    ])
figures.table(
    ["", "all equal", "frequencies", "xz", "n-gram", "LSTM, windows of 30", "LSTM, state carried"], rows
)

# %% mystnb={"image": {"alt": "Two panels, Grimm and Democracy: bits a character on held-out text against the order of an n-gram model, 1 to 8. Both curves fall from 4.4 until order 6 and then stay level, at 2.0 and 1.6. The line of the LSTM lies at that level for Grimm and a little below it for Democracy, the line of xz well above."}} tags=["paste:orders"]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for ax, (name, title) in zip(axes, BOOKS.items(), strict=True):
    by_order = counted[name]["ngram"]["bits_by_order"]
    ax.plot(range(1, len(by_order) + 1), by_order, marker="o", label="n-gram of this order")
    level = np.mean([
        metrics.bits_per_character(r["result"]["held_out"]["carried"]["nats"]) for r in runs[name]
    ])
    ax.axhline(level, color=figures.COLOURS[1], linestyle="--", label="LSTM, state carried")
    ax.axhline(counted[name]["xz"]["after_train"], color="#000000", linestyle=":", label="xz")
    ax.set(xlabel="order (characters, the predicted one included)", title=title)
    ax.title.set_fontsize(10)
axes[0].set_ylabel("bits a character, held out")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
plt.show()

# %% [markdown]
# The network has some 250,000 numbers, and has read the book many times; the n-gram model has counted once.
# On Grimm they are level, if the state is carried.
# On *Democracy*, which is twice as long, the network is ahead, by less than a tenth of a bit.
# On windows of 30 the n-gram model is ahead on both: it sees what stands before the window, the network does not.
# Order 6 or 7 is enough for it: what stands further back hardly helps.
# Nor does it help the network much, as a figure below shows.
#
# ### What it writes, at five points of training
#
# The first seed on Grimm, texts of 30 characters from a random capital letter, greedy and at temperature 1:

# %% tags=["paste:points"]
rows = []
for point in runs["grimm"][0]["result"]["points"]:
    for sample in point["samples"]:
        if sample["length"] == 30:
            rows.append([
                f"{point['step']:,}", f"{point['nats']:.2f}", f"{sample['temperature']:g}", shown(sample["text"]),
            ])
figures.table(["step", "held-out nats, windows of 30", "temperature", "text"], rows)

# %% [markdown]
# And the last point in the three lengths, on both books:

# %% tags=["paste:lengths"]
rows = []
for name, title in BOOKS.items():
    for sample in runs[name][0]["result"]["points"][-1]["samples"]:
        rows.append([title, sample["length"], f"{sample['temperature']:g}", shown(sample["text"])])
figures.table(["book", "length", "temperature", "text"], rows)

# %% [markdown]
# ## A trained model, loaded
#
# The weights of the best seed of each book come with rnnlib: two files of half a megabyte, in half precision.
# They need no corpus and no network.

# %%
trained = {
    name: checkpoints.load_model(paths.data_dir() / "weights" / f"char_{name}.safetensors")
    for name in BOOKS
}
for name, (model, known, settings) in trained.items():
    model.fast().eval()
    print(name, "| characters", len(known), "| seed", settings["seed"], "| steps", settings["steps"])
grimm, known, _ = trained["grimm"]

# %% [markdown]
# What does it expect after each character of a beginning?

# %% mystnb={"image": {"alt": "A grid of letters, 29 columns for the characters of Once upon a time there was a, four rows for the four most likely next characters, shaded by probability. The true character, in bold, is among the four in every column but the last, where the beginning ends, down to the fourth for the u of upon. At first and after spaces the shades are paler; within words the first row is mostly dark and its letter bold."}} tags=["paste:expects"]
beginning = "Once upon a time there was a "
with torch.no_grad():
    logits, _ = grimm(known.encode(beginning)[None])  # (1, T, K)
expected = sampling.probabilities(logits[0])  # (T, K)
top, which = expected.topk(4, dim=1)  # (T, 4)
fig, ax = plt.subplots(figsize=(8, 2.4))
ax.imshow(top.T.numpy(), cmap="Greys", vmin=0, vmax=1, aspect="auto")
for t, k in itertools.product(range(len(beginning)), range(4)):
    letter = known.symbols[which[t, k]].replace(" ", "␣").replace("\n", "⏎")
    follows = t + 1 < len(beginning) and known.symbols[which[t, k]] == beginning[t + 1]
    ax.text(t, k, letter, ha="center", va="center", weight="bold" if follows else None,
            color="white" if top[t, k] > 0.5 else "black", fontsize=10 if follows else 8)
ax.set_xticks(range(len(beginning)), [c.replace(" ", "␣") for c in beginning])
ax.set_yticks(range(4), ["1st", "2nd", "3rd", "4th"])
ax.set(xlabel="character read", ylabel="expected next")
ax.grid(False)
plt.show()

# %% [markdown]
# ## Temperature
#
# ### Claim: the entropy rises with the temperature, at the rate $\operatorname{Var}(p)/\tau^3$
#
# The page derives it; we compare with a difference quotient, on the logits after each character of a sentence, with the probabilities in double precision.

# %% tags=["nbval-check-output"]
some = "The king’s daughter was so beautiful that the sun was astonished whenever it shone in her face."
with torch.no_grad():
    p = grimm(known.encode(some)[None])[0][0].double()  # (T, K)
worst = 0.0
for tau in (0.3, 1.0, 3.0):
    y = sampling.probabilities(p, tau)
    slope = ((y * p**2).sum(1) - (y * p).sum(1) ** 2) / tau**3
    step = 1e-5
    quotient = (
        metrics.entropy(sampling.probabilities(p, tau + step))
        - metrics.entropy(sampling.probabilities(p, tau - step))
    ) / (2 * step)
    worst = max(worst, check.relative_error(slope, quotient))
print("slope equals difference quotient, below 1e-6:", worst < 1e-6)
assert worst < 1e-6

# %% mystnb={"image": {"alt": "Entropy of the next character in bits against the temperature from 0.1 to 2. Median and mean rise from about 0 to 3; a wide band, eight in ten places, reaches from near 0 to above 3 at temperature 1. A line at 6.3 marks all characters equally likely."}} tags=["paste:entropy"]
taus = np.linspace(0.1, 2, 20)
longer = vocabulary.encode(held_out)[: 1000 if FAST else None]
fits = vocabulary.symbols == known.symbols  # with the tales as fallback the numbers differ
if not fits:
    longer = known.encode(sampling.generate(grimm, known, "The ", 4000, seed=0))
context = longer[:4000]
with torch.no_grad():
    p, _ = grimm(context[None])
paid = torch.nn.functional.cross_entropy(p[0, :-1], context[1:]).item() / math.log(2)  # bits
at = [metrics.entropy(sampling.probabilities(p[0], float(tau))).numpy() / math.log(2) for tau in taus]
spread = np.array([[*np.quantile(bits, [0.1, 0.5, 0.9]), bits.mean()] for bits in at])
fig, ax = plt.subplots()
ax.fill_between(taus, spread[:, 0], spread[:, 2], alpha=0.18, label="8 in 10 places")
ax.plot(taus, spread[:, 1], label="median")
ax.plot(taus, spread[:, 3], label="mean")
ax.axhline(math.log2(len(known)), color="#555555", linestyle="-", linewidth=0.8, label=r"$\log_2 K$")
ax.set(xlabel=r"temperature $\tau$", ylabel="entropy of the next character (bits)")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:entropy_numbers"]
places = {tau: spread[int(np.abs(taus - tau).argmin()), 3] for tau in (0.5, 1.0, 2.0)}
Markdown(
    "Over "
    + f"{len(context):,} places of "
    + ("the held-out text" if fits else "a text of its own")
    + ", the mean entropy is "
    + ", ".join(f"{v:.2f} bits at $\\tau = {k:g}$" for k, v in places.items())
    + f"; all {len(known)} characters equally likely would be {math.log2(len(known)):.2f} bits. "
    + f"The entropy at $\\tau = 1$ is what the network expects to pay; the true characters cost it {paid:.2f} bits there."
)

# %% [markdown]
# The same beginning at four temperatures, and with two ways to cut off the unlikely:

# %% tags=["paste:temperatures"]
WAYS = {
    "greedy": {"temperature": 0},
    r"$\tau = 0.5$": {"temperature": 0.5},
    r"$\tau = 1$": {"temperature": 1},
    r"$\tau = 2$": {"temperature": 2},
    r"$\tau = 1$, the 5 most likely": {"top_k": 5},
    r"$\tau = 1$, nucleus of 0.9": {"top_p": 0.9},
}
rows = [
    [way, shown(sampling.generate(grimm, known, "The old woman ", 120, seed=0, **options))]
    for way, options in WAYS.items()
]
figures.table(["", "after The old woman"], rows)

# %% [markdown]
# ### Live: your beginning, your temperature
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# The trained model goes on with what you type; the bars are what it expects right after it.
# A field acts when Enter is pressed.
# Where does the text stop being words, as the temperature rises?
# Let only the `top_k` most likely through at temperature 2 (0 lets all through): does that mend it?

# %% mystnb={"image": {"alt": "Bars of the probability of the twelve most likely characters after the beginning The old woman and a blank, at temperature 0.7: w and h are the most likely, then s, c and t; the others are near zero."}} tags=["live"]
from rnnlib import live


def write(book="grimm", beginning="The old woman ", temperature=0.7, top_k=0, length=200, seed=0):
    """The twelve most likely characters after the beginning, with their probabilities."""
    model, characters, _ = trained[book]
    if not beginning or (strange := sorted(set(beginning) - set(characters.symbols))):
        what = f"{''.join(strange)!r} is not in the book" if beginning else "there is none"
        raise ValueError(f"Type a beginning in the book's characters: {what}.")
    options = {"temperature": temperature, "top_k": top_k or None}
    print(beginning + sampling.generate(model, characters, beginning, length, seed=seed, **options))
    with torch.no_grad():
        p = sampling.probabilities(model(characters.encode(beginning)[None])[0][0, -1], **options)
    top, which = p.topk(12)
    bits = metrics.entropy(p).item() / math.log(2)
    print(f"entropy of the next character: {bits:.2f} bits")
    fig, ax = plt.subplots(figsize=(7, 2))
    ax.bar(range(12), top.numpy())
    letters = [characters.symbols[k].replace(" ", "␣").replace("\n", "⏎") for k in which]
    ax.set_xticks(range(12), letters)
    ax.set(ylabel="probability", xlabel="next character", ylim=(0, 1))
    return fig


panel = live.interact(
    write, book=list(BOOKS), beginning="The old woman ", temperature=(0.0, 2.0, 0.1),
    top_k=(0, 20), length=(0, 600, 20), seed=(0, 20),
)

# %% [markdown]
# ### Why greedy text loops
#
# The share of pieces of 8 characters that stood earlier in the same text, over texts of 600 characters from ten beginnings, beside the book itself in pieces of the same length.

# %% tags=["paste:repetition"]
length, count = (150, 2) if FAST else (600, 10)
beginnings = ["The king ", "Once ", "A fox ", "When the ", "In the ", "She ", "Then he ", "There was ", "At last ", "One day "]
repeated = {
    way: [
        metrics.repetition(sampling.generate(grimm, known, start, length, seed=s, **options))
        for s, start in enumerate(beginnings[:count])
    ]
    for way, options in WAYS.items()
}
pieces = [book[k : k + length] for k in range(0, len(book) - length, len(book) // count)][:count]
repeated["the book itself"] = [metrics.repetition(piece) for piece in pieces]
figures.table(
    ["", "repeated, mean (range)"],
    [[way, figures.spread(shares, 2)] for way, shares in repeated.items()],
)

# %% tags=["paste:loop"]
greedy = sampling.generate(grimm, known, "The king ", length, temperature=0)
Markdown(f"Greedy, after *The king*, the first 100 characters: {shown(greedy[:100])}; the last 200 of {length}: {shown(greedy[-200:])}")

# %% [markdown]
# All ten greedy texts repeat themselves, by two thirds or more.
# At $\tau = 0.5$ the share is about that of the book itself, which repeats its phrases too; at 1 its mean is lower.
#
# ## Carry the state, or start again
#
# The model was trained on windows of 30 from a zero state.
# Does a state that is carried further help it or harm it?
# The loss at each place of a window, with a zero state before the window and with the state of all the text before:

# %% mystnb={"image": {"alt": "Loss in nats against the place in a window of 30. With a zero state it starts at 2.4 and falls within five characters; from the eighth on it is the same as with the carried state, which goes up and down between 1.25 and 1.5 without a trend."}} tags=["paste:carried"]
T = 30
M = (len(longer) - 1) // T * T
with torch.no_grad():
    windows = longer[: M + 1].unfold(0, T + 1, T)  # (windows, T + 1)
    fresh = torch.nn.functional.cross_entropy(
        grimm(windows[:, :-1])[0].transpose(1, 2), windows[:, 1:], reduction="none"
    ).mean(0)
    whole = torch.nn.functional.cross_entropy(
        grimm(longer[None, :M])[0][0], longer[1 : M + 1], reduction="none"
    ).view(-1, T).mean(0)
fig, ax = plt.subplots()
ax.plot(range(1, T + 1), fresh, marker="o", markersize=3, label="zero state before the window")
ax.plot(range(1, T + 1), whole, marker="s", markersize=3, label="state carried")
ax.set(xlabel="characters read in this window", ylabel="loss (nats a character)")
ax.legend()
plt.show()

# %% [markdown]
# The carried state helps for six or seven characters; after that a network that began with nothing is as good.
#
# And when it writes: the state carried, against thrown away after every 30 characters, so that only the last character is left.

# %% tags=["paste:restarted"]
rows = []
for seed in range(3):
    for way, every in (("carried", None), ("restarted", T)):
        line = sampling.generate(
            grimm, known, "The ", 90, temperature=0.5, seed=seed, restart_every=every
        )
        rows.append([way, seed, shown(line)])
figures.table(["state", "seed", "after The, at 0.5"], rows)

# %% [markdown]
# ## Sleeping beauty is ...

# %% tags=["paste:beauty"]
rows = []
for seed in range(10):
    line = sampling.generate(grimm, known, "Sleeping beauty is ", 60, temperature=0.7, seed=seed)
    rows.append([seed, shown(line)])
figures.table(["seed", "Sleeping beauty is"], rows)

# %% [markdown]
# And one longer text, which stands on the page where scripts do not run:

# %% tags=["paste:sample"]
written = sampling.generate(grimm, known, "Sleeping beauty is ", 100 if FAST else 400, temperature=0.7, seed=1)
Markdown("> **Sleeping beauty is** " + written.replace("\n", " "))

# %% [markdown]
# On the page both networks write in the browser, with bars for what they expect.
#
# ## Cells that can be read
#
# For each of the 256 cells, how well does $\tanh c_t$ go with something that we can name?
# We take the correlation over a text with three things: being inside a quotation, the number of characters since the last line end, and the number since the last space.
# The cell is chosen on the first half of the text, and the correlation that is shown comes from the second half: among 256 cells one always fits a little.

# %% tags=["paste:cells"]
passage = known.decode(context[: 600 if FAST else 4000])
state, states = None, []
with torch.no_grad():
    for k in known.encode(passage):
        _, state = grimm(k.view(1, 1), state)
        states.append(state[1][:, 0].tanh().flatten())  # both layers' cells, (2H,)
cells = torch.stack(states).numpy()  # (T, 2H)


def since(marks):
    """How many characters ago one of ``marks`` stood."""
    last, found = 0, []
    for t, c in enumerate(passage):
        last = t if c in marks else last
        found.append(t - last)
    return np.array(found, dtype=float)


inside, quoted = [], False
for t, c in enumerate(passage):
    letter_follows = passage[t + 1 : t + 2].isalpha()
    quoted = True if c == "‘" else quoted and not (c == "’" and not letter_follows)
    inside.append(float(quoted))
NAMED = {
    "inside a quotation": np.array(inside),
    "characters since the last line end": since("\n"),
    "characters since the last space": since(" \n"),
}
half, rows, chosen = len(passage) // 2, [], {}
for name, signal in NAMED.items():
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = [abs(np.corrcoef(cells[:half, u], signal[:half])[0, 1]) for u in range(2 * H)]
        u = int(np.nanargmax(fit)) if np.isfinite(fit).any() else 0
        later = np.corrcoef(cells[half:, u], signal[half:])[0, 1]
    chosen[name] = u
    rows.append([name, 1 + u // H, u % H, f"{later:+.2f}"])
figures.table(["what it goes with", "layer", "unit", "correlation, second half"], rows)

# %% mystnb={"image": {"alt": "tanh of one cell over sixty characters of a tale. It falls to about minus 0.76 at nearly each space and at the line end, mostly stays there for the first letter, and rises within most words."}} tags=["paste:cell"]
u = chosen["characters since the last space"]
part = slice(half, half + 60)
fig, ax = plt.subplots(figsize=(8, 2.6))
ax.plot(cells[part, u], marker="o", markersize=3, linewidth=1.2)
letters = [c.replace(" ", "␣").replace("\n", "⏎") for c in passage[part]]
ax.set_xticks(range(len(letters)), letters, fontsize=8)
ax.set(xlabel="the passage, character by character", ylabel=rf"$\tanh c_t$, layer {1 + u // H}, unit {u % H}")
plt.show()

# %% [markdown]
# One cell goes with the place in the word.
# It falls at each space or line end, and rises within most words.
# The cell that was chosen for the place in the line does not follow it on the second half.
# Most lines of this book are longer than a training window, so at most places of a window the network cannot know how long ago the line began; that may be why.
# A quotation is often longer than a window too, and its cell follows it weakly.
#
# ## Mistakes people make
#
# ### Multiplying by the temperature
#
# The course's sheet of 2019, and solutions after it, multiply the logits by $\tau$ in place of dividing.
# Then a high temperature is a low one.

# %% tags=["paste:times_tau"]
rows = []
for tau in (0.5, 1.0, 2.0):
    divided = metrics.entropy(sampling.probabilities(p[0], tau)).mean().item() / math.log(2)
    times = metrics.entropy(torch.softmax(p[0].double() * tau, dim=-1)).mean().item() / math.log(2)
    rows.append([f"{tau:g}", f"{divided:.2f}", f"{times:.2f}"])
figures.table(["$\\tau$", "entropy, $p/\\tau$ (bits)", "entropy, $\\tau p$ (bits)"], rows)

# %% [markdown]
# The check: the entropy rises with $\tau$.
#
# ### Forgetting the state when writing
#
# A loop that feeds back the last character but not the state has a network without memory: it knows one character.

# %% tags=["paste:forgotten"]
with torch.no_grad():
    alone = torch.nn.functional.cross_entropy(
        grimm(longer[:M, None])[0][:, 0], longer[1 : M + 1]
    ).item()
forgetful = sampling.generate(grimm, known, "T", 90, temperature=0.5, seed=0, restart_every=1)
Markdown(
    f"It writes {shown(forgetful)}. "
    f"Its loss is {metrics.bits_per_character(alone):.2f} bits a character, with the state it is {metrics.bits_per_character(whole.mean().item()):.2f}."
)

# %% [markdown]
# The check: the text read character by character, with the state handed on, has the logits of the text read in one call.

# %% tags=["nbval-check-output"]
with torch.no_grad():
    at_once, _ = grimm(context[None, :200])
    state, one_by_one = None, []
    for k in context[:200]:
        step_logits, state = grimm(k.view(1, 1), state)
        one_by_one.append(step_logits[0, 0])
error = check.relative_error(torch.stack(one_by_one), at_once[0])
print("one by one equals at once, below 1e-4:", error < 1e-4)

# %% [markdown]
# ### A held-out part that is not held out
#
# Windows drawn at random for testing overlap the windows of training.
# Counting shows most clearly what that does: an n-gram model of order 8, tested on the end of a third of the book, once trained on what stands before it, once on all of it.

# %% tags=["paste:leak"]
part = book[: len(book) // (20 if FAST else 3)]
before, end = text.split(part)
trained_on = {"what stands before": before, "that and the test itself": part}
tested = {
    name: ngram.NGram(seen, 8, vocabulary).bits_per_character(end)[-1]
    for name, seen in trained_on.items()
}
figures.table(["trained on", "bits a character"], [[k, f"{v:.2f}"] for k, v in tested.items()])

# %% [markdown]
# The second number says how well the model has learned by heart, and nothing about another text.
# The check: where in the book does the held-out text stand?
# One piece, which touches the training text at its ends only, leaks next to nothing.
#
# ## Your own text
#
# Here the network learns to write like a text of yours.
# Put the path of a plain text file between the quotation marks, or a link to one; in Colab the word `upload` lets you choose a file of your computer.
# With nothing there, the tales that were written for this book stand in.

# %%
from rnnlib.experiments import own_text

MY_TEXT = ""  # @param {type:"string"}
if MY_TEXT == "upload":
    from google.colab import files

    MY_TEXT = next(iter(files.upload()))
own = corpora.read_text(MY_TEXT) if MY_TEXT else corpora.load("tales")
plan = own_text.plan(own)
for sentence in own_text.describe(own, plan):
    print(sentence)

# %% [markdown]
# A file that is no plain text is refused, with a word on what to do: a Word file or a PDF must be saved as plain text first.
# The plan is for the command below; here are a few hundred steps, for a first look.

# %%
mine = text.Vocabulary.of(own)
own_train, own_end = text.split(own, plan["held_out"])
writer = models.CharacterModel(len(mine), H, num_layers=2, generator=torch.Generator().manual_seed(0)).fast()
own_windows = text.Windows(mine.encode(own_train), T=30, N=64, seed=0)
moves = optim.RMSprop(writer.parameters(), lr=2e-3)
training.train(
    writer, own_windows, metrics.next_character_loss, moves, 25 if FAST else 300, clip_norm=1.0
)
lost = metrics.carried(writer, mine.encode(own_end))["nats"]
print(f"held-out loss {lost:.2f} nats; all {len(mine)} characters equally likely: {math.log(len(mine)):.2f}")
print(own[:1] + sampling.generate(writer, mine, own[:1], 300, temperature=0.7, seed=0))

# %% [markdown]
# Raise the number of steps in the cell for a better one: above it stands how many suit the text.
# To keep what it has learned, write it to a file, which any later session can load and write with:

# %% tags=["nbval-check-output"]
with tempfile.TemporaryDirectory() as folder:  # yours: a folder that stays
    file = Path(folder) / "mine.safetensors"
    checkpoints.save_model(file, writer, mine, {"text": MY_TEXT or "tales"})
    again, characters, _ = checkpoints.load_model(file)
    print("characters written with the file:", len(sampling.generate(again, characters, own[:1], 50)))

# %% [markdown]
# For a long training the command line is better: it shows how far it is, can be interrupted, and writes samples, weights and a record beside the text.
#
# ```
# python -m rnnlib.experiments char_lm --text my.txt
# ```
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: softmax with a temperature
#
# *Medium · 10 minutes · with a check*
#
# Return the probabilities of logits `p`, a vector, at temperature `tau`, as an array; for `tau = 0` all mass on the largest.
# It must not overflow: the largest logit may be 1,000.
#
# <details>
# <summary>Hint 1</summary>
#
# What happens to the probabilities if the same number is added to all logits?
# Use it so that no power is large.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Does the order of the two matter: subtract, and divide by the temperature?
# What happens at $\tau = 0$?
#
# </details>


# %% tags=["exercise-1"]
def softmax_at(p, tau):
    return None  # your answer


rng = np.random.default_rng(1)
logits = rng.normal(size=(3, 6)) + np.array([[0], [1000], [0]])
cases = list(zip(logits, (0.6, 0.9, 0.0), strict=True))
with np.errstate(all="ignore"):  # a wrong answer may overflow
    yours = [softmax_at(*case) for case in cases]
expected = [sampling.probabilities(torch.tensor(p), tau) for p, tau in cases]
check.answer("probabilities", yours, expected)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def softmax_at(p, tau):
#     if tau == 0:
#         return np.eye(len(p))[p.argmax()]
#     e = np.exp((p - p.max()) / tau)
#     return e / e.sum()
# ```
#
# </details>
#
# ### Exercise 2: the nucleus
#
# *Medium · 10 minutes · with a check*
#
# Return how many characters the nucleus of mass `mass` holds: the smallest number of the most probable whose probabilities add up to at least `mass`.
# The probabilities `y` come in any order.
#
# <details>
# <summary>Hint 1</summary>
#
# Put the probabilities in order, the largest first, and add them up one by one.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# At which character does the sum reach the mass, and does that character belong to the nucleus?
#
# </details>


# %% tags=["exercise-2"]
def nucleus_size(y, mass):
    return None  # your answer


rng = np.random.default_rng(2)
cases = [(rng.dirichlet(np.ones(9)), mass) for mass in (0.12, 0.37, 0.64, 0.83, 0.97)]
kept = [sampling.probabilities(torch.tensor(y).log(), top_p=mass) for y, mass in cases]
expected = [(y > 0).sum().item() for y in kept]
check.answer("sizes", [nucleus_size(*case) for case in cases], expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def nucleus_size(y, mass):
#     sums = np.cumsum(np.sort(y)[::-1])
#     return int((sums < mass).sum()) + 1
# ```
#
# </details>
#
# ### Exercise 3: bits and perplexity
#
# *Easy · 10 minutes · with a check*
#
# A model has a loss of `nats` a character.
# Return its bits a character, its perplexity, and how many bytes a text of a million characters would take if it were packed with it.
#
# <details>
# <summary>Hint 1</summary>
#
# An ideal packer spends $-\log_2 \hat y$ bits on a character.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# A nat is $1/\ln 2$ bits, and a byte is 8 bits.
# Perplexity is a power: of what, if you take bits, and of what, if you take nats?
#
# </details>


# %% tags=["exercise-3"]
def measures(nats):
    return None  # your answer: bits, perplexity, bytes


losses = [0.41, 1.25, 2.9]
bits = [metrics.bits_per_character(nats) for nats in losses]
expected = [(b, metrics.perplexity(nats), b * 1e6 / 8) for b, nats in zip(bits, losses, strict=True)]
check.answer("bits, perplexity, bytes", [measures(nats) for nats in losses], expected)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def measures(nats):
#     bits = nats / math.log(2)
#     return bits, 2**bits, bits * 1_000_000 / 8
# ```
#
# $2^{\text{bits}}$ and $e^{\text{nats}}$ are the same number: perplexity does not depend on the base.
#
# </details>
