# %% [markdown]
# # The vanilla RNN: run it
#
# This notebook goes with the page [The vanilla RNN and back-propagation through time](../book/vanilla_rnn.md).
# You will check the hand-derived gradient, train with it, train as a university course sets it, and see how far the network remembers.
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
import os
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from rnnlib import bptt, check, experiments, figures, interactive, layers, models, tasks, training
from rnnlib.experiments import palindrome

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()

# %% [markdown]
# ## Claim: hand-derived gradient = autograd = difference quotient
#
# `bptt.rnn_loss` is the page's forward and backward pass in NumPy.
# We compare each of its gradients with torch's autograd and with central differences, in double precision.
# The error is the largest difference of two gradients, divided by their largest entry.
# The initial state is not zero here, so that a wrong treatment of it would show.

# %% tags=["paste:gradient_check"]
N, T, D, H, K = 4, 6, 3, 5, 7
rng = np.random.default_rng(0)
arrays = {"x": rng.normal(size=(N, T, D)), "h0": rng.normal(size=(N, H))}
net = {
    "W_hx": rng.normal(size=(H, D)) / np.sqrt(D),
    "W_hh": rng.normal(size=(H, H)) / np.sqrt(H),
    "b_h": rng.normal(size=H),
    "W_ph": rng.normal(size=(K, H)) / np.sqrt(H),
    "b_p": rng.normal(size=K),
}
arrays |= net
labels = {"last step": rng.integers(K, size=N), "every step": rng.integers(K, size=(N, T))}


def hand_loss(y):
    """The page's loss and gradients."""
    return bptt.rnn_loss(arrays["x"], y, arrays["h0"], net)


def autograd(y):
    """The same gradients from torch."""
    v = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    h, states = v["h0"], []
    for t in range(T):
        h = torch.tanh(v["x"][:, t] @ v["W_hx"].T + h @ v["W_hh"].T + v["b_h"])
        states.append(h)
    read = torch.stack(states, dim=1) if y.ndim == 2 else h
    p = read @ v["W_ph"].T + v["b_p"]
    torch.nn.functional.cross_entropy(p.reshape(-1, K), torch.tensor(y).reshape(-1)).backward()
    return {name: a.grad for name, a in v.items()}


def errors(y):
    """For each array: the hand gradient's error against autograd and against differences."""
    _, by_hand = hand_loss(y)
    by_torch = autograd(y)
    result = {}
    for name, a in arrays.items():
        by_difference = check.central_difference(lambda: hand_loss(y)[0], a)
        result[name] = (
            check.relative_error(by_hand[name], by_torch[name]),
            check.relative_error(by_hand[name], by_difference),
        )
    return result


found = {kind: errors(y) for kind, y in labels.items()}
rows = [
    [f"$\\partial L/\\partial {tex}$"]
    + [f"{e:.0e}" for kind in labels for e in found[kind][name]]
    for name, tex in {
        "W_hx": "W_{hx}", "W_hh": "W_{hh}", "b_h": "b_h", "W_ph": "W_{ph}", "b_p": "b_p",
        "x": "x", "h0": "h_0",
    }.items()
]
figures.table(
    ["gradient", "last step: autograd", "differences", "every step: autograd", "differences"], rows
)

# %% tags=["nbval-check-output"]
worst_autograd = max(e[0] for one in found.values() for e in one.values())
worst_difference = max(e[1] for one in found.values() for e in one.values())
print("against autograd, below 1e-12:", worst_autograd < 1e-12)
print("against differences, below 1e-7:", worst_difference < 1e-7)
assert worst_autograd < 1e-12 and worst_difference < 1e-7

# %% [markdown]
# ## Live: back through your own sequence
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# One unit, $h_t = \tanh(x_t + w\,h_{t-1})$, reads your numbers, and the loss is $\frac12 (h_T - y)^2$ at the end.
# A field acts when Enter is pressed.
# `back` says how many steps the sweep has come back.
# Each step it has passed adds its share $\delta a_t\, h_{t-1}$ to the gradient of $w$; the hollow bars are still to come.
# Try $w = 0.2$ and $w = 2$: how many steps back would have been enough?

# %% mystnb={"image": {"alt": "Two rows of bars over six steps. Above, the states of the unit after reading 1, 0.5, -1, 0, 0, 2. Below, the share of each step in the gradient of w: the last three are filled, as the sweep has passed them, small and negative; the earlier ones are hollow, and the third, positive, is by far the largest."}} tags=["live"]
from rnnlib import live


def sweep(numbers="1 0.5 -1 0 0 2", y=0.0, w=0.9, back=3):
    """Above the states, below each step's share in the gradient of w, filled as far as the sweep got."""
    try:
        x = np.array([float(word) for word in numbers.replace(",", " ").split()])
    except ValueError:
        x = np.zeros(0)
    if not 1 <= len(x) <= 30 or not np.isfinite(x).all():
        raise ValueError(f"Type 1 to 30 numbers with blanks between: {numbers!r} is not that.")
    T, back = len(x), min(back, len(x))
    weights = {"W_hx": np.ones((1, 1)), "W_hh": np.full((1, 1), w), "b_h": np.zeros(1)}
    h, cache = bptt.rnn_forward(x.reshape(1, T, 1), np.zeros((1, 1)), weights)
    dh = np.zeros_like(h)
    dh[0, -1] = h[0, -1] - y
    grads = bptt.rnn_backward(dh, cache)
    h, da = h.ravel(), grads["x"].ravel()  # W_hx is 1, so x_t gets just delta a_t
    shares = da * np.append(0, h[:-1])
    print(" t      x_t      h_t  delta a_t   share of it in dL/dw   sum so far")
    for t in reversed(range(T - back, T)):
        numbers_of_t = f"{x[t]:8.2f} {h[t]:8.3f} {da[t]:10.4f} {shares[t]:22.4f}"
        print(f"{t + 1:2} {numbers_of_t} {shares[t:].sum():12.4f}")
    print(f"the whole gradient, by bptt.rnn_backward: {grads['W_hh'].item():.4f}")
    steps = np.arange(1, T + 1)
    fig, (above, below) = plt.subplots(2, 1, figsize=(6, 3), sharex=True)
    above.bar(steps, h)
    above.set(ylabel="$h_t$", ylim=(-1.05, 1.05))
    passed = steps > T - back
    below.bar(steps[passed], shares[passed], color=figures.COLOURS[1])
    below.bar(steps[~passed], shares[~passed], fill=False, edgecolor=figures.COLOURS[1])
    below.set(ylabel="share in $dL/dw$", xlabel="step t")
    return fig


panel = live.interact(
    sweep, numbers="1 0.5 -1 0 0 2", y=(-1.0, 1.0, 0.1), w=(-2.0, 2.0, 0.1), back=(1, 30)
)

# %% [markdown]
# ## Claim: nothing else is needed
#
# The gradient is enough to train with.
# Below there is no torch: the page's functions and RMSprop, which divides each weight's step by the root of a running mean of its squared gradient.
# The task is palindromes of five digits, each digit a one-hot vector.


# %%
def numpy_palindromes(T, N, rng):
    left = rng.integers(10, size=(N, (T + 1) // 2))
    digits = np.concatenate([left, left[:, : T // 2][:, ::-1]], axis=1)
    return np.eye(10)[digits[:, :-1]], digits[:, -1]  # (N, T-1, 10), (N,)


H, N = 64, 128
rng = np.random.default_rng(0)
bound = 1 / np.sqrt(H)
shapes = {"W_hx": (H, 10), "W_hh": (H, H), "b_h": H, "W_ph": (10, H), "b_p": 10}
weights = {name: rng.uniform(-bound, bound, size) for name, size in shapes.items()}
squares = {name: np.zeros_like(w) for name, w in weights.items()}

losses = []
for _ in range(100 if FAST else 600):
    x, y = numpy_palindromes(5, N, rng)
    loss, grads = bptt.rnn_loss(x, y, np.zeros((N, H)), weights)
    for name, w in weights.items():
        squares[name] = 0.99 * squares[name] + 0.01 * grads[name] ** 2
        w -= 1e-3 * grads[name] / (np.sqrt(squares[name]) + 1e-8)
    losses.append(loss)

x, y = numpy_palindromes(5, 2000, rng)
h, _ = bptt.rnn_forward(x, np.zeros((2000, H)), weights)
p = bptt.readout_forward(h[:, -1], weights["W_ph"], weights["b_p"])
hand_trained = (p.argmax(axis=1) == y).mean()
print(f"accuracy on fresh palindromes: {hand_trained:.3f}")
assert FAST or hand_trained > 0.99

# %% [markdown]
# ## As the course sets it
#
# Hidden size 128, batches of 128, RMSprop with learning rate $10^{-3}$, the gradient's norm clipped at 10.
# The course feeds each digit as a plain number from 0 to 9, and notes that one-hot vectors would suit better.
# We run both at $T = 5$, with three seeds each, until 20 batches in a row are perfect.


# %%
def course_model(T, one_hot, seed):
    generator = torch.Generator().manual_seed(seed)
    rnn = layers.RNN(10 if one_hot else 1, 128, generator=generator)
    model = models.Classifier(rnn, 10, generator=generator)
    source = tasks.PalindromeBatches(T, 128, seed=1000 + seed, one_hot=one_hot)
    return model, source, torch.optim.RMSprop(model.parameters(), lr=1e-3)


def course_train(model, source, optimizer, steps):
    return training.train(
        model, source, training.classification_loss, optimizer, steps,
        clip_norm=10.0, stop_when=palindrome.solved,  # 20 perfect batches in a row
    )


def fresh_accuracy(model, T, one_hot):
    fresh = tasks.palindromes(T, 2000, torch.Generator().manual_seed(5000), one_hot=one_hot)
    return training.accuracy(model, fresh)


SEEDS = range(1 if FAST else 3)
runs, accuracies = {}, {}
for one_hot in (False, True):
    for seed in SEEDS:
        network = course_model(5, one_hot, seed)
        start = time.perf_counter()
        history = course_train(*network, 60 if FAST else 3000)
        seconds = time.perf_counter() - start
        accuracy = fresh_accuracy(network[0], 5, one_hot)
        runs[one_hot, seed], accuracies[one_hot, seed] = (history, network), accuracy
        kind = "one-hot" if one_hot else "numbers"
        print(
            f"{kind}, seed {seed}: {history.steps:4} steps, {seconds:4.1f} s, "
            f"accuracy on 2,000 fresh numbers {accuracy:.3f}"
        )
        assert FAST or history.stopped == "stop_when"

# %% mystnb={"image": {"alt": "Training accuracy against training step for palindromes of five digits. The three one-hot runs rise to one within about twenty steps, the three runs with digits as plain numbers take more than ten times as long."}}
fig, ax = plt.subplots()
for (one_hot, seed), (history, _) in runs.items():
    curve = np.array([m["accuracy"] for m in history.metrics])
    smooth = np.convolve(curve, np.ones(10) / 10, mode="valid")
    label = ("one-hot" if one_hot else "numbers") if seed == 0 else None
    colour, dash = (figures.COLOURS[1], "--") if one_hot else (figures.COLOURS[0], "-")
    ax.plot(smooth, color=colour, linestyle=dash, alpha=0.8, label=label)
ax.axhline(0.1, color="black", linestyle=":", linewidth=1, label="chance")
ax.set(xlabel="training step", ylabel="batch accuracy, mean of 10 steps", ylim=(0, 1.05))
ax.legend(title="digits as")
plt.show()

# %%
steps = {k: [runs[k, s][0].steps for s in SEEDS] for k in (False, True)}
Markdown(
    f"With one-hot digits the runs took {min(steps[True])} to {max(steps[True])} steps, "
    f"with plain numbers {min(steps[False])} to {max(steps[False])}. "
    "A likely reason: a plain number enters along a single column of $W_{hx}$, so 3 and 4 arrive almost alike, "
    "and 0 arrives as nothing at all; the network first has to learn to tell them apart."
)

# %% [markdown]
# ### A solved run that is not perfect
#
# Every run answered 20 batches in a row without a mistake.
# Still, one of those with plain numbers makes mistakes on fresh ones.
# That looks wrong, so we let it go on, one step at a time, and ask the same fresh numbers each time.

# %%
worst = min(SEEDS, key=lambda seed: accuracies[False, seed])
history, network = runs[False, worst]
for k in range(9):
    if k:
        course_train(*network, 1)
    accuracy = fresh_accuracy(network[0], 5, one_hot=False)
    print(f"seed {worst}, step {history.steps + k}: accuracy {accuracy:.3f}")

# %% [markdown]
# Good and bad steps take turns.
# A likely reason: RMSprop divides by the size of recent gradients, so its steps stay large when the gradients become small, and it jumps back and forth across a valley.
# What we test are the weights after the last step, on whichever side that is.
#
# ## Claim: ten units are enough for every length
#
# Before we ask how far training gets, here is what the network *can* do.
# `models.latch()` has the page's weights: $W_{hh} = 3I$, $W_{hx}$ with 1 on the diagonal and $-1$ elsewhere, no bias, and the state itself as logits.

# %% tags=["nbval-check-output"]
latch = models.latch()
for T in (5, 40, 1000):
    numbers = tasks.palindromes(T, 500, torch.Generator().manual_seed(T), one_hot=True)
    print(f"T = {T:4}: accuracy {training.accuracy(latch, numbers):.3f}")

# %% [markdown]
# So what follows is about learning, not about what the network can represent.
#
# ## Accuracy against length
#
# The same training at lengths 5 to 40, five seeds each, up to 10,000 steps a run.
# This takes long, so it was run once and recorded:
# `data/results/palindrome.json` holds every run, and the next cell prints how it was made.
# A run counts as *solved* when 20 batches in a row were perfect.

# %%
record = experiments.load("palindrome")
print("command: ", record["command"])
print("finished:", record["finished"], "| seeds", record["seeds"])
print("on:      ", record["hardware"]["cores"], "cores,", "torch", record["versions"]["torch"])
print("runs:    ", len(record["runs"]), "taking", round(record["run_seconds"] / 60), "core minutes")

# %% mystnb={"image": {"alt": "Test accuracy of the vanilla RNN against palindrome length from 5 to 40 digits, for digits as plain numbers and as one-hot vectors, one dot a seed. At 5 and 10 digits nearly all dots are at one. From 15 digits on they scatter between chance and one, and the means fall to about 0.3. At 30 digits no seed is at one; at 40 digits one is, with digits as plain numbers."}} tags=["paste:lengths"]
figures.palindrome_lengths(record)
plt.show()

# %%
kinds = {"numbers": False, "one-hot": True}
lengths = sorted({r["settings"]["T"] for r in record["runs"]})


def of(kind, T):
    return [
        r["result"] for r in record["runs"]
        if r["settings"]["one_hot"] == kinds[kind] and r["settings"]["T"] == T
    ]


rows = []
for T in lengths:
    row = [T]
    for kind in kinds:
        accuracy = [r["test_accuracy"] for r in of(kind, T)]
        steps = [r["steps"] for r in of(kind, T) if r["solved"]]
        row += [
            f"{np.mean(accuracy):.2f} ± {np.std(accuracy, ddof=1):.2f}",
            f"{len(steps)} of {len(accuracy)}",
            f"{np.median(steps):.0f}" if steps else "none",
        ]
    rows.append(row)
figures.table(
    ["T", "numbers: accuracy", "solved", "median steps", "one-hot: accuracy", "solved", "median steps"],
    rows,
)

# %%
def longest(kind, at_least):
    """The longest length at which so many seeds solved the task."""
    good = [T for T in lengths if sum(r["solved"] for r in of(kind, T)) >= at_least]
    return max(good, default=None)


everyone = {k: longest(k, len(record["seeds"])) for k in kinds}
anyone = {k: longest(k, 1) for k in kinds}
Markdown(
    f"With plain numbers all seeds solve lengths up to {everyone['numbers']}, and at least one solves {anyone['numbers']}. "
    f"With one-hot digits all solve up to {everyone['one-hot']}, and at least one solves {anyone['one-hot']}. "
    "Answers to the course's assignment that we have seen give 100 % up to 10 to 15 digits, and chance beyond."
)

# %% [markdown]
# Three things to read off.
#
# The mean hides the story.
# At one length some runs are perfect, others near chance, and many stay in between: they learned part of the task and got no further.
# So the success rate says more than the mean and its standard deviation, and five seeds give it only to a fifth.
#
# The faster learner is not the one that gets further.
# One-hot digits need a fraction of the steps at 5 and 10 digits, and do not clearly get further than plain numbers.
#
# And the numbers belong to these settings: this initialisation, this optimizer, at most 10,000 steps.
# With one-hot digits they are failures of training, since the ten units above solve every length.
#
# ### Is an odd length harder?
#
# With one-hot digits more seeds solve 20 digits than 15.
# [The chapter on sequences](../book/sequences.md) found that an even palindrome can be answered by counting, without memory, so the odd ones might be the harder ones.
# A second record, `data/results/palindrome_odd_even.json`, has every length from 12 to 19, with the same settings.

# %%
record_by_one = experiments.load("palindrome_odd_even")
print("command:", record_by_one["command"])
by_length = {}
for run in record_by_one["runs"]:
    by_length.setdefault(run["settings"]["T"], []).append(run["result"])
rows = []
for T, results in by_length.items():
    failed = [f"{r['test_accuracy']:.2f}" for r in results if not r["solved"]]
    rows.append([T, f"{len(results) - len(failed)} of {len(results)}", ", ".join(failed) or "none"])
figures.table(["T", "solved", "accuracy of the runs that did not"], rows)

# %%
sums = {}
for kind, remainder in {"even": 0, "odd": 1}.items():
    results = [r for T, some in by_length.items() if T % 2 == remainder for r in some]
    failed = [r["test_accuracy"] for r in results if not r["solved"]]
    sums[kind] = f"{len(results) - len(failed)} of {len(results)} solved, the others at {np.mean(failed):.2f} on average"
Markdown(f"Even lengths: {sums['even']}. Odd lengths: {sums['odd']}.")

# %% [markdown]
# In this range the number of solved runs falls with the length, at even lengths step by step, at odd ones at once after 13; which of two neighbours does better is a matter of five seeds.
# The runs that fail do differ: at even lengths they get much further.
# That fits the short cut by counting, of which such a network could learn a part, but the record does not prove it.
#
# ## What the state holds
#
# Look inside two networks that got the same 800 training steps: one on palindromes of 20 digits, one on 40.
# We show each 2,000 fresh numbers and take the state after 1, 5, 6 and 19 digits.
# From half of the numbers we compute the mean state for each *first* digit, after each of the first 19 digits, and one plane for the network: the one in which these ten means are spread most, all steps together.
# Of the other half 25 numbers of each first digit are drawn in that plane, each as its first digit.
# The panels of a row have the same axes, so that a turn can be seen.
# Above each panel stands how often the nearest mean names the first digit: 0.1 would be guessing.

# %% mystnb={"image": {"alt": "Eight scatter plots of hidden states, each point drawn as the first digit of its number, the four of a row in one plane. In the upper row, for the network that solves 20 digits, all are near the middle after 1 digit. After 5 they lie on a ring, each digit in its own arc; after 6 the ring has turned by about a quarter; after 19 they are on it in the same order. In the lower row, for the network trained on 40 digits, the digits are apart after 1 digit and have run together into one cloud after 5, 6 and 19."}}
def trained_on(T, steps):
    model, source, optimizer = course_model(T, one_hot=True, seed=0)
    training.train(
        model, source, training.classification_loss, optimizer, steps, clip_norm=10.0
    )
    x, first = tasks.palindromes(T, 2000, torch.Generator().manual_seed(1), one_hot=True)
    with torch.no_grad():
        outputs, _ = model.rnn(x)
        largest = max(torch.linalg.eigvals(model.rnn.cells[0].W_h).tolist(), key=abs)
    return outputs.numpy(), first.numpy(), training.accuracy(model, (x, first)), largest, model


def first_means(h, first):
    """The mean states of half of the numbers, for each first digit and step: (10, 19, H)."""
    return np.stack([h[:1000, :19][first[:1000] == d].mean(axis=0) for d in range(10)])


def named(h, first, means):
    """How often the nearest mean names the first digit of the other half, after one step."""
    distances = ((h[1000:, None] - means) ** 2).sum(axis=2)  # (1000, 10)
    return (distances.argmin(axis=1) == first[1000:]).mean()


networks = {T: trained_on(T, 30 if FAST else 800) for T in (20, 40)}
fig, axes = plt.subplots(2, 4, figsize=(9, 4.9))
probe, turns = {}, {}
for row, (T, (h, first, accuracy, *_)) in zip(axes, networks.items(), strict=True):
    means = first_means(h, first)
    spread = means - means.mean(axis=0)  # around the mean of the ten, at each step
    _, _, directions = np.linalg.svd(spread.reshape(-1, spread.shape[2]), full_matrices=False)
    across, up = directions[:2]  # the network's plane, (H,) each
    on_it = spread @ across + 1j * (spread @ up)  # the means as complex numbers, (10, 19)
    step = (on_it[:, 1:] * on_it[:, :-1].conj()).sum(axis=0)  # from each step to the next
    turns[T] = np.abs(np.degrees(np.angle(step)))  # (18,)
    points = np.stack([h[1000:, :19] @ across, h[1000:, :19] @ up])  # (2, 1000, 19)
    middle = points.mean(axis=(1, 2))
    reach = 1.1 * np.abs(points - middle[:, None, None]).max()
    for ax, t in zip(row, (1, 5, 6, 19), strict=True):
        probe[T, t] = named(h[:, t - 1], first, means[:, t - 1])
        for d in range(10):
            one = points[:, first[1000:] == d, t - 1][:, :25]
            colour = 0.75 * np.array(plt.cm.turbo(0.05 + d / 10.5)[:3])  # darker, for white paper
            ax.plot(*one, linestyle="", marker=f"${d}$", color=colour, ms=5)
        ax.set_title(f"after {t} digit{'s' * (t > 1)}: {probe[T, t]:.2f}", fontsize=10)
        ax.set(xlim=(middle[0] - reach, middle[0] + reach), xticks=[])
        ax.set(ylim=(middle[1] - reach, middle[1] + reach), yticks=[])
        ax.grid(False)
    row[0].set_ylabel(f"trained at T = {T}\naccuracy {accuracy:.2f}")
plt.show()

# %%
Markdown(
    f"The network trained on 20 digits answers {networks[20][2]:.0%} right, and after 19 digits its state still names the first one in {probe[20, 19]:.0%} of the numbers. "
    f"The one trained on 40 digits answers {networks[40][2]:.0%} right; the first digit can be read off in {probe[40, 1]:.0%} right after it came in, in {probe[40, 5]:.0%} after 5 digits and in {probe[40, 19]:.0%} after 19. "
    f"In the first one's plane the ten means turn by {turns[20][4:].min():.0f}° to {turns[20][4:].max():.0f}° from each step to the next, from the fifth to the last shown. "
    f"The largest eigenvalue of its $W_{{hh}}$ has size {abs(networks[20][3]):.1f} and angle {abs(np.degrees(np.angle(networks[20][3]))):.0f}°."
)

# %% [markdown]
# The first network has put the ten digits on a ring, each in its own arc.
# Nobody asked for a ring.
# It is the wheel of [the chapter on sequences](../book/sequences.md), seen from the inside: the largest eigenvalues of the matrix are complex, so it turns the state at every step, and a ring keeps ten values apart while it turns.
# After one digit all are still near the middle of this plane; after five they are on the ring, and after six the same ring has turned by about a quarter, as the eigenvalue says.
#
# Here is its ring step by step, in the plane of that eigenvalue and its partner.
# Move $t$, which here counts the steps after the first digit: the readout is right where the wheel stands as training asked for it, at $t = 18$, that is, after 19 digits, and more or less where it comes back.

# %%
x, first = tasks.palindromes(42, 2000, torch.Generator().manual_seed(1), one_hot=True)
interactive.wheel(interactive.wheel_data(networks[20][4], x, first, asked=18), "palindrome")

# %% [markdown]
# The second network has not learned to hold on to the digit.
# A probe of this kind finds only what a mean can separate; a lower number does not prove that nothing is left.
#
# ## In torch: sequences of different lengths
#
# `torch.nn.RNN` is the same layer.
# A batch of sequences of different lengths is padded with zeros, and packed, so that the zeros are not read.
# We compare with each sequence read alone.

# %% tags=["paste:padded"]
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

torch.manual_seed(0)
rnn = torch.nn.RNN(10, 32, batch_first=True)
sequences = [torch.randn(T, 10) for T in (4, 7, 2)]  # (T, D) each
lengths = torch.tensor([len(one) for one in sequences])
x = pad_sequence(sequences, batch_first=True)  # (3, 7, 10)
outputs, h = rnn(x)  # (3, 7, 32), (1, 3, 32)
packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
_, h_own = rnn(packed)  # (1, 3, 32)

with torch.no_grad():
    alone = torch.cat([rnn(one[None])[1] for one in sequences], dim=1)  # (1, 3, 32)
    ours = layers.RNN.from_torch(rnn)(x)[0][range(3), lengths - 1][None]
states = {"`h`, padded": h, "`h_own`, packed": h_own, "our layer, at its end": ours}
off = {name: (state - alone).abs().amax(dim=(0, 2)).tolist() for name, state in states.items()}
for name, differences in off.items():
    right = [difference < 1e-6 for difference in differences]
    assert right == [name != "`h`, padded", True, name != "`h`, padded"]
figures.table(
    ["state", *(f"{len(one)} steps" for one in sequences)],
    [[name, *("0" if d < 1e-6 else f"{d:.2f}" for d in row)] for name, row in off.items()],
)

# %% [markdown]
# The zeros are inputs like others: over them the state goes on, by its own matrix and bias.
# So of the padded batch only the longest sequence has the right state.
# In a loss at every step the padding must not count either; `metrics.cross_entropy` of `rnnlib` takes the lengths for that.
#
# ## Mistakes people make
#
# We build the page's three mistakes and hold each against the difference quotient of the true loss.
# The fourth row is the right gradient.


# %% tags=["paste:mistakes"]
def backward_immediate_only(dh_immediate, cache):
    """The mistake: no term W_hh^T delta a_{t+1}, so only the readout's own step counts."""
    x, h0, h, *_ = cache
    h_before = np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    da = (1 - h**2) * dh_immediate  # (N, T, H)
    return {"W_hx": np.einsum("nti,ntj->ij", da, x), "W_hh": np.einsum("nti,ntj->ij", da, h_before)}


def torch_gradients(detach_between=False, detach_readout=False):
    v = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    h = v["h0"]
    for t in range(arrays["x"].shape[1]):
        h = h.detach() if detach_between else h
        h = torch.tanh(v["x"][:, t] @ v["W_hx"].T + h @ v["W_hh"].T + v["b_h"])
    h = h.detach() if detach_readout else h
    p = h @ v["W_ph"].T + v["b_p"]
    torch.nn.functional.cross_entropy(p, torch.tensor(y)).backward()
    return {name: np.zeros_like(arrays[name]) if a.grad is None else a.grad for name, a in v.items()}


y = labels["last step"]
truth = {
    name: check.central_difference(lambda: hand_loss(y)[0], arrays[name])
    for name in ("W_hh", "W_hx", "W_ph")
}
h, cache = bptt.rnn_forward(arrays["x"], arrays["h0"], net)
_, _, dh = bptt.readout_loss(h, y, net["W_ph"], net["b_p"])
_, right = hand_loss(y)
attempts = {
    "only the immediate derivative": right | backward_immediate_only(dh, cache),
    "state detached between steps": torch_gradients(detach_between=True),
    "state detached before the readout": torch_gradients(detach_readout=True),
    "right": right,
}
rows, mistakes = [], {}
for name, grads in attempts.items():
    found = [check.relative_error(np.asarray(grads[k]), truth[k]) for k in truth]
    mistakes[name] = found
    rows.append([name, *(f"{e:.0e}" for e in found)])
figures.table(
    ["gradient", "error in $W_{hh}$", "error in $W_{hx}$", "error in $W_{ph}$"], rows
)

# %% tags=["nbval-check-output"]
for name, found in mistakes.items():
    print(f"{name:34} passes the check: {max(found) < 1e-7}")
assert [max(e) < 1e-7 for e in mistakes.values()] == [False, False, False, True]

# %% [markdown]
# The first two mistakes give the same wrong numbers, once by hand and once through autograd.
# The third leaves the recurrent weights without any gradient: an error of 1 means that the gradient is zero where it should not be.
# In all three the gradient of $W_{ph}$ is right.
#
# Would you notice in training?
# We train on palindromes of five digits with the wrong gradients; the first two are the same, so they share a row.
# The numbers are means over the seeds.


# %%
def train_wrongly(detach_between=False, detach_readout=False, seed=0, steps=60 if FAST else 500):
    generator = torch.Generator().manual_seed(seed)
    model = models.Classifier(layers.RNN(10, 64, generator=generator), 10, generator=generator)
    cell, optimizer = model.rnn.cells[0], torch.optim.RMSprop(model.parameters(), lr=1e-3)
    losses, accuracies = [], []
    for _ in range(steps):
        x, y = tasks.palindromes(5, 128, generator, one_hot=True)
        h = cell.zero_state(128)
        for x_t in x.unbind(dim=1):
            h = cell(x_t, h.detach() if detach_between else h)
        p = model.readout(h.detach() if detach_readout else h)
        loss = torch.nn.functional.cross_entropy(p, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accuracies.append((p.argmax(dim=1) == y).double().mean().item())
    return losses[0], np.mean(losses[-20:]), np.mean(accuracies[-20:])


rows = []
for name, options in {
    "state detached between steps": {"detach_between": True},
    "state detached before the readout": {"detach_readout": True},
    "right": {},
}.items():
    first, last, accuracy = np.mean([train_wrongly(seed=s, **options) for s in SEEDS], axis=0)
    rows.append([name, f"{first:.2f}", f"{last:.2f}", f"{accuracy:.2f}"])
figures.table(["gradient", "loss at the start", "loss at the end", "accuracy at the end"], rows)

# %% [markdown]
# The loss falls in every row, and five digits are so few that a random recurrent matrix remembers them well enough for the readout to learn something.
# So a falling loss proves nothing.
# The accuracy gives the mistake away here, but only because we know that 1.00 is possible; the difference quotient needs no such knowledge.
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: softmax and cross-entropy
#
# *Medium · 10 minutes · with a check*
#
# Complete the gradient of the mean loss by the logits, $\partial L/\partial p$, for `p (N, K)` and labels `y (N,)`.
# `bptt.softmax` is there.
#
# <details>
# <summary>Hint 1</summary>
#
# For one sequence, write the loss as $\ln \sum_k e^{p_k} - p_y$ and take the derivative by each $p_k$.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Which entry of the gradient does $-p_y$ change?
# What does the mean over the batch add?
#
# </details>


# %% tags=["exercise-1"]
def my_dp(p, y):
    return None  # your answer


rng = np.random.default_rng(1)
logits, labels = rng.normal(size=(6, 4)), rng.integers(4, size=6)
leaf = torch.tensor(logits, requires_grad=True)
torch.nn.functional.cross_entropy(leaf, torch.tensor(labels)).backward()
check.answer("dp", my_dp(logits, labels), leaf.grad)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def my_dp(p, y):
#     y_hat = bptt.softmax(p)
#     y_hat[np.arange(len(y)), y] -= 1
#     return y_hat / len(y)
# ```
#
# </details>
#
# ### Exercise 2: the backward pass
#
# *Medium · 15 minutes · with a check*
#
# Complete the loop body.
# The loss is at the last step, and `dh` arrives as its gradient by $h_T$, `(N, H)`.
# `h0` is the first state `(N, H)`, `h` are the states $h_1$ to $h_T$, `(N, T, H)`, and `W_hh` is `(H, H)`.
# Return the gradient of $W_{hh}$, summed over the batch.
#
# <details>
# <summary>Hint 1</summary>
#
# Three lines: through the tanh, what this step adds to the gradient of $W_{hh}$, and what it sends to $h_{t-1}$.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The tanh gives $\delta a_t = (1 - h_t \odot h_t) \odot \delta h_t$.
# In the batch form, $\delta a_t\, h_{t-1}^\top$ becomes a product of `(H, N)` with `(N, H)`.
# Columns become rows: $W_{hh}^\top \delta a_t$ is a product of `(N, H)` with `(H, H)`.
#
# </details>


# %% tags=["exercise-2"]
def my_dW_hh(dh, h0, h, W_hh):
    dW_hh = np.zeros_like(W_hh)
    for t in reversed(range(h.shape[1])):
        h_before = h[:, t - 1] if t > 0 else h0
        ...  # your answer: three lines
    return dW_hh if dW_hh.any() else None


rng = np.random.default_rng(2)
W_hh = torch.tensor(rng.normal(size=(5, 5)), requires_grad=True)
steps = [torch.tensor(rng.normal(size=(4, 5)))]  # h_0
for _ in range(6):
    from_input = torch.tensor(rng.normal(size=(4, 5)))  # W_hx x_t + b_h
    steps.append(torch.tanh(from_input + steps[-1] @ W_hh.T))
dh_end = rng.normal(size=(4, 5))
(steps[-1] * torch.tensor(dh_end)).sum().backward()
states = torch.stack(steps[1:], dim=1).detach().numpy()
yours = my_dW_hh(dh_end, steps[0].numpy(), states, W_hh.detach().numpy())
check.answer("dW_hh", yours, W_hh.grad)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def my_dW_hh(dh, h0, h, W_hh):
#     dW_hh = np.zeros_like(W_hh)
#     for t in reversed(range(h.shape[1])):
#         h_before = h[:, t - 1] if t > 0 else h0
#         da = (1 - h[:, t] ** 2) * dh
#         dW_hh += da.T @ h_before
#         dh = da @ W_hh
#     return dW_hh
# ```
#
# </details>
#
# ### Exercise 3: a rectified network
#
# *Easy · 5 minutes · with a check*
#
# Write the same for $h_t = \operatorname{relu}(a_t)$: the gradient of $W_{hh}$, from the states; the $a_t$ are not given.
#
# <details>
# <summary>Hint 1</summary>
#
# Which of your lines used what the nonlinearity is?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The slope of $\operatorname{relu}$ is one where $a_t > 0$.
# That can be seen from $h_t$.
#
# </details>


# %% tags=["exercise-3"]
def relu_dW_hh(dh, h0, h, W_hh):
    return None  # your answer


rng = np.random.default_rng(3)
W_hh = torch.tensor(rng.normal(size=(5, 5)) / 2, requires_grad=True)
steps = [torch.tensor(rng.normal(size=(4, 5)))]  # h_0
for _ in range(6):
    from_input = torch.tensor(rng.normal(size=(4, 5)))  # W_hx x_t + b_h
    steps.append(torch.relu(from_input + steps[-1] @ W_hh.T))
dh_end = rng.normal(size=(4, 5))
(steps[-1] * torch.tensor(dh_end)).sum().backward()
states = torch.stack(steps[1:], dim=1).detach().numpy()
yours = relu_dW_hh(dh_end, steps[0].numpy(), states, W_hh.detach().numpy())
check.answer("relu dW_hh", yours, W_hh.grad)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def relu_dW_hh(dh, h0, h, W_hh):
#     dW_hh = np.zeros_like(W_hh)
#     for t in reversed(range(h.shape[1])):
#         h_before = h[:, t - 1] if t > 0 else h0
#         da = (h[:, t] > 0) * dh
#         dW_hh += da.T @ h_before
#         dh = da @ W_hh
#     return dW_hh
# ```
#
# </details>
