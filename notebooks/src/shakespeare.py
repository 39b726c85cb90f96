# %% [markdown]
# # What makes training fast: run it
#
# This notebook goes with the page [What makes training fast](../book/shakespeare.md).
# You will see a recorded race against the clock, count what a training step costs, watch what the first steps are spent on, check and time an LSTM made for speed, and spend a small budget yourself.
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
import os
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch.utils.flop_counter import FlopCounterMode

from rnnlib import (
    check,
    checkpoints,
    corpora,
    experiments,
    figures,
    fused,
    init,
    layers,
    models,
    optim,
    paths,
    sampling,
    text,
    training,
)
from rnnlib.experiments import shakespeare

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
torch.set_num_threads(1)

# %% [markdown]
# ## A minute, badly spent
#
# `python -m rnnlib.experiments shakespeare` trained a plain LSTM on Tiny Shakespeare and then changed one thing after another.
# Each variant takes as many steps as fit into 71 seconds on one processor core, so the runs need a quiet machine, one at a time; they are recorded.

# %%
race = experiments.load("shakespeare")
print("command: ", race["command"])
print("finished:", race["finished"], "| seeds", race["seeds"])
by_variant = {}
for r in race["runs"]:
    by_variant.setdefault(r["settings"]["variant"], []).append(r)


def trained_seconds(runs):
    """Mean time of the runs, without their evaluation."""
    return np.mean([r["result"]["wall_seconds"] - r["result"]["evaluation_seconds"] for r in runs])


# %% [markdown]
# The first variant and the last.
# The dotted line is the loss of who knows how often each character comes, and nothing else: the entropy of these frequencies.

# %% mystnb={"image": {"alt": "Training loss in nats against seconds, 0 to 60, of two networks, and a dotted line at 3.31, frequencies alone. The plain one falls from 4.0 to the dotted line within five seconds, stays near it until second 13, then falls to 2.3, more and more slowly. The last one of the race is at 2.6 in its first point and at 1.9 in its second, five seconds after the start, and ends at 1.3."}} tags=["paste:minute"]
plays = corpora.load("tinyshakespeare", fallback="tales")
characters = text.Vocabulary.of(plays)
numbers = characters.encode(plays[: len(plays) * 9 // 10])
shares = text.frequencies(numbers, len(characters))  # (K,)
fig, ax = plt.subplots(figsize=(8, 3.4))
for name, label in (("plain", "the first: a plain LSTM"), ("resets", "the last: all changes")):
    losses = [r["result"]["loss"] for r in by_variant[name]]  # means of a twentieth of the steps
    middles = (np.arange(len(losses[0])) + 0.5) / len(losses[0])
    figures.mean_and_range(ax, middles * trained_seconds(by_variant[name]), losses, label)
if len(characters) == 65:  # else these are the tales
    alone = -(shares * shares.log()).sum().item()
    ax.axhline(alone, color="black", linestyle=":", linewidth=1, label=f"frequencies alone, {alone:.2f}")
ax.set(xlabel="seconds of training", ylabel="training loss (nats a character)")
ax.legend()
plt.show()

# %% [markdown]
# For three twentieths of its time, from the second on, the first one stands near the dotted line.
# The last one is below the other's end after some five seconds.
#
# ## The race
#
# What changed between them, change by change:

# %% tags=["paste:race"]
CHANGED = {
    "plain": "torch's LSTM, $H = 512$, $T = 64$, $N = 32$; Adam, 0.002",
    "rate": "learning rate 0.03, falling to zero",
    "frequencies": "$b_p$ begins at the logarithms of the characters' frequencies",
    "short": "$T = 32$, $H = 384$",
    "by hand": "our LSTM by hand, products in bfloat16",
    "lookback": "three characters as input, $D = 198$",
    "resets": "at each window a strand begins anew with probability 0.1",
}


rows = []
for name, changed in CHANGED.items():
    results = [r["result"] for r in by_variant[name]]
    rows.append([
        f"**{name}**: {changed}", f"{by_variant[name][0]['settings']['steps']:,}",
        figures.spread([r["windows"] for r in results], 3), figures.spread([r["carried"] for r in results], 3),
    ])
figures.table(["change, on top of those above", "steps", "windows of 64", "carried"], rows)

# %% tags=["paste:race_seconds"]
took = [r["result"]["wall_seconds"] for r in race["runs"]]
sizes = {name: by_variant[name][0]["result"]["parameters"] for name in ("plain", "resets")}
Markdown(
    f"The {len(race['runs'])} runs took {min(took):.1f} to {max(took):.1f} s. "
    f"The plain network has {sizes['plain']:,} parameters, the last one {sizes['resets']:,}; "
    "torch's second bias and the learned state are among them."
)

# %% mystnb={"image": {"alt": "Validation loss in nats for seven variants from top to bottom, on windows of 64 and with the state carried: 2.36 and 2.29 for plain, 1.93 and 1.89 for rate, 1.72 and 1.66 for frequencies, 1.59 and 1.52 for short; by hand, lookback and resets change less than 0.03 each. A dotted line marks nanoGPT at 1.886; on windows, plain and rate lie to its right, all others to its left."}} tags=["paste:race_figure"]
fig, ax = plt.subplots(figsize=(8, 3.4))
for shift, (key, label) in enumerate([("windows", "windows of 64"), ("carried", "state carried")]):
    values = np.array([[r["result"][key] for r in by_variant[name]] for name in CHANGED])
    y = np.arange(len(CHANGED)) + 0.16 * (2 * shift - 1)
    ax.plot(values.mean(1), y, "os"[shift], label=label)
    ax.hlines(y, values.min(1), values.max(1), color=figures.COLOURS[shift])
ax.axvline(shakespeare.NANOGPT, color="black", linestyle=":", linewidth=1, label="nanoGPT, windows of 64")
ax.set_yticks(range(len(CHANGED)), list(CHANGED))
ax.invert_yaxis()
ax.set(xlabel="validation loss (nats a character)")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# The learning rate buys most, then the frequencies, then more steps on shorter windows.
# The last three changes buy little, and the last one is a trade: a little better on windows, a trace worse carried.
#
# ## What a step costs
#
# The page counts $N\,T\,(3 \cdot 4H^2 + 2 \cdot 4HD + 3 \cdot KH)$ multiply-adds in the products of a training step.
# torch can count them too, as it computes.

# %% tags=["nbval-check-output"]
def multiply_adds(N, T, H, D, K):
    return N * T * (3 * 4 * H**2 + 2 * 4 * H * D + 3 * K * H)


for back in (1, 3):  # characters that a step reads
    small = shakespeare.Reader(11, 16, lookback=back, lstm="float32", generator=torch.Generator().manual_seed(0))
    batch = torch.randint(0, 11, (back - 1 + 6, 4), generator=torch.Generator().manual_seed(1))  # T = 6, N = 4
    with FlopCounterMode(display=False) as counter:
        p, _ = small(batch, (torch.zeros(4, 16), torch.zeros(4, 16)))
        p.square().sum().backward()
    assert counter.get_total_flops() == 2 * multiply_adds(4, 6, 16, back * 12, 11)  # two a multiply-add
    print(f"D = {back * 12}: formula equals torch's count")

# %% [markdown]
# For the networks of the race, with the time that a step took:

# %% tags=["paste:cost"]
rows = []
for name, runs in by_variant.items():
    s, ms = runs[0]["settings"], 1e3 * trained_seconds(runs) / runs[0]["settings"]["steps"]
    work = multiply_adds(s["N"], s["T"], s["H"], 66 * s["lookback"], 65) / 1e9
    read = s["steps"] * s["N"] * s["T"]
    rows.append([f"**{name}**", f"{work:.2f}", f"{ms:.0f}", f"{1e3 * work / ms:.0f}", f"{read:,}"])
figures.table(
    ["", "billion multiply-adds a step", "ms a step", "billion a second", "characters read"], rows
)

# %% [markdown]
# From *frequencies* to *short* count and time fall alike, to a little less than 0.3.
# *By hand* has the same count as *short* and does more of it in a second.
#
# ## A bias worth giving
#
# Why do the frequencies buy so much?
#
# They are one number a character, so we expected the network to learn them at once, for little.
#
# ### Claim: with a state that says nothing, the logarithms of the frequencies are the best bias
#
# The gradient of the loss by $b_p$ is zero there, the loss is the entropy of the frequencies, and any other bias that we try is worse.

# %% tags=["nbval-check-output"]
part = text.Vocabulary.of(plays[:20_000]).encode(plays[:20_000])
counts = torch.bincount(part).double()  # each at least 1
frequencies = counts / counts.sum()


def loss_of(b):
    """The loss if all places get the logits b (K,)."""
    return torch.nn.functional.cross_entropy(b.expand(len(part), -1), part)


best = frequencies.log().requires_grad_()
(slope,) = torch.autograd.grad(loss_of(best), best)
entropy = -(frequencies * frequencies.log()).sum()
others = torch.randn(50, len(best), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
worse = all(loss_of(best + 0.1 * other) > loss_of(best) for other in others)
assert slope.abs().max() < 1e-12 and abs(loss_of(best) - entropy) < 1e-12 and worse
print("gradient zero and loss equal to the entropy, below 1e-12; 50 other biases are worse")

# %% [markdown]
# ### What the first steps are spent on
#
# Two networks on the tales of Grimm, with a learning rate that rises to 0.03 as in the race: the bias of one readout begins at the logarithms of the characters' frequencies, that of the other near zero.
# We measure how much of the state is the same at all places; $h_u$ is its unit $u$, and means are over the $N\,T$ places of a batch:
#
# $$
# \text{constant share} = \frac{\sum_u (\operatorname{mean} h_u)^2}{\sum_u \operatorname{mean} (h_u^2)} .
# $$

# %% mystnb={"image": {"alt": "Two panels against the training step, 1 to 80. Left, training loss: the bias that begins near zero starts at 4.4, falls to 3.2 within ten steps, then slowly to 2.9 at step 35, and ends at 2.2; the one at the log frequencies starts at 3.05 and ends at 1.8. Right, constant share of the state: both start at 0.87; near zero it dips, rises to 0.98, begins to fall near step 35 and ends at 0.6; at the log frequencies it falls below 0.1, with a wide band between steps 12 and 32."}} tags=["paste:constant"]
book = corpora.load("grimm", fallback="tales")
vocabulary = text.Vocabulary.of(book)
K = len(vocabulary)
numbers = vocabulary.encode(text.split(book)[0])  # (length,)
shares = text.frequencies(numbers, K)  # (K,)


def first_steps(informed, seed, steps=8 if FAST else 80):
    """Loss and constant share at each step."""
    start, source = torch.Generator().manual_seed(seed), text.Windows(numbers, T=64, N=32, seed=seed)
    model = models.CharacterModel(K, 256, num_layers=1, generator=start).fast()
    if informed:
        init.log_frequencies_(model.readout.bias, shares)
    moves, found = optim.Adam(model.parameters(), lr=0.03), []
    for k in range(steps):
        batch = next(source)  # (N, T + 1)
        moves.param_groups[0]["lr"] = shakespeare.learning_rate(k, steps, 0.03, decay=False)  # rises
        h, _ = model.rnn(torch.nn.functional.one_hot(batch[:, :-1], K).float())  # (N, T, H)
        loss = torch.nn.functional.cross_entropy(model.readout(h).flatten(0, 1), batch[:, 1:].flatten())
        moves.zero_grad()
        loss.backward()
        training.clip_gradient(list(model.parameters()), 1.0)
        moves.step()
        constant = h.mean((0, 1)).square().sum() / h.square().mean((0, 1)).sum()
        found.append([loss.item(), constant.item()])
    return np.array(found)  # (steps, 2)


curves = {
    label: np.array([first_steps(informed, seed) for seed in range(2 if FAST else 3)])
    for informed, label in ((False, "bias begins near zero"), (True, "at the log frequencies"))
}  # (seeds, steps, 2) each
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2))
for (label, both), style in zip(curves.items(), ("--", "-"), strict=True):
    for ax, values in zip(axes, both.transpose(2, 0, 1), strict=True):
        figures.mean_and_range(ax, range(1, values.shape[1] + 1), values, label, linestyle=style)
axes[0].set(xlabel="training step", ylabel="training loss (nats a character)")
axes[1].set(xlabel="training step", ylabel="constant share of the state", ylim=(0, 1.05))
axes[0].legend()
plt.show()

# %% tags=["paste:constant_numbers"]
rows = []
for label, both in curves.items():
    share = both[:, :, 1].mean(0)  # (steps,)
    rows.append([label, *(f"{v:.2f}" for v in (share[0], share.max(), share[-1]))])
figures.table(["mean constant share", "first step", "largest", f"step {len(share)}"], rows)

# %% [markdown]
# How far can the bias have come?
# Adam moves a weight by about the learning rate at most.

# %% tags=["paste:reach"]
reach = {n: sum(shakespeare.learning_rate(k, 80, 0.03, decay=False) for k in range(n)) for n in (10, 30)}
Markdown(
    f"In 10 steps the rates sum to {reach[10]:.2f}, in 30 to {reach[30]:.2f}."
)

# %% [markdown]
# Both states begin mostly constant.
# With the frequencies in the bias the share falls from there; without, it rises nearly to 1, and at step 80 it is still far above that of the other.
#
# ## The same equations, faster
#
# ### Claim: the fast LSTM is the LSTM
#
# `fused.lstm` is the LSTM of [its chapter](../book/lstm.md) with its backward pass by hand, arranged for speed.
# In double precision it gives the numbers of the layer that autograd differentiates, state by state and gradient by gradient.

# %% tags=["nbval-check-output"]
layer = layers.LSTM(5, 8, generator=torch.Generator().manual_seed(0)).double()
(cell,) = layer.cells
x = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)  # (N, T, D)
zero = torch.zeros(3, 8, dtype=torch.float64)
h_loop, _ = layer(x)
h_fast, _ = fused.lstm(x.transpose(0, 1), zero, zero, cell.W_x, cell.W_h, cell.b)  # (T, N, H)
weights = torch.randn(3, 12, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
loop = torch.autograd.grad((h_loop * weights).sum(), list(cell.parameters()))
fast = torch.autograd.grad((h_fast.transpose(0, 1) * weights).sum(), list(cell.parameters()))
errors = [check.relative_error(a, b) for a, b in zip((h_fast.transpose(0, 1), *fast), (h_loop, *loop), strict=True)]
print("states and gradients equal, below 1e-12:", max(errors) < 1e-12)
assert max(errors) < 1e-12

# %% [markdown]
# ### How fast is it?
#
# One layer of the race, forward and backward, as a ratio to torch's LSTM in the same run.

# %% tags=["paste:race_speed"]
T_race, N, H_race = (4, 4, 32) if FAST else (32, 32, 384)
D = 66  # characters of Tiny Shakespeare, and one for "none"
layer = layers.LSTM(D, H_race, generator=torch.Generator().manual_seed(0))
twin, (cell,) = layer.to_torch(), layer.cells
symbols = torch.randint(0, D, (N, T_race), generator=torch.Generator().manual_seed(1))
x = torch.nn.functional.one_hot(symbols, D).float()  # (N, T, D)
zero = torch.zeros(N, H_race)


def by_hand(products):
    return fused.lstm(x.transpose(0, 1), zero, zero, cell.W_x, cell.W_h, cell.b, products)[0]


def autocast():
    with torch.autocast("cpu", torch.bfloat16):
        return twin(x)[0]


def seconds(states):
    start = time.process_time()
    states().float().square().sum().backward()
    return time.process_time() - start


LSTMS = {
    "our layer: a loop, and autograd": lambda: layer(x)[0],
    "by hand": lambda: by_hand(torch.float32),
    "by hand, bfloat16 products": lambda: by_hand(torch.bfloat16),
    "torch": lambda: twin(x)[0],
    "torch, bfloat16 (autocast)": autocast,
}
try:
    autocast()
except RuntimeError as error:  # of a processor for which torch has no such LSTM
    print(f"left out: torch, bfloat16 (autocast), {error}")
    del LSTMS["torch, bfloat16 (autocast)"]
turns = np.array([[seconds(way) for way in LSTMS.values()] for _ in range(4 if FAST else 17)])[2:]
ratios = np.median(turns / turns[:, [list(LSTMS).index("torch")]], axis=0)
figures.table(
    ["", "ms", "of torch's time"],
    [[name, f"{1e3 * np.median(t):.1f}", f"{r:.2f}"] for name, t, r in zip(LSTMS, turns.T, ratios, strict=True)],
)

# %% [markdown]
# In float32 ours is slower than torch's layer; the rounding to bfloat16 makes up for it.
# Torch's own layer, told to round as well (autocast), is the fastest; one reason may be that its loop over time is compiled.
# The numbers are of a processor with instructions for bfloat16; without them the rounding may cost more than it saves, which we did not measure.
# `benchmarks/fused_lstm.py` in the repository measures more sizes.
#
# ## Live: your own race
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# One layer on the tales that were written for this book, which are short, with strands, clipping and a rate that rises and falls as in the race.
# The first line that is printed says what was spent.
# Spend as many multiply-adds in another way, with longer windows, more units or another rate, and with a bias that begins at zero.
# Which way ends lowest on the end of the tales?

# %%
tales = corpora.load("tales")
letters = text.Vocabulary.of(tales)
tales_train, tales_end = map(letters.encode, text.split(tales))

# %% mystnb={"image": {"alt": "Training loss in nats against billions of multiply-adds, a dot for each ten of 300 steps: it starts near 3, falls below 2.5 within two billion, then more slowly, to 1.6 at 14 billion."}} tags=["live"]
from rnnlib import live


def spend(rate=0.03, bias="log frequencies", T=32, H=64, steps=20 if FAST else 300):
    """Training loss against multiply-adds, a mean over ten steps each."""
    N, K, start = 16, len(letters), torch.Generator().manual_seed(0)
    shares = text.frequencies(tales_train, K) if bias == "log frequencies" else None
    model = shakespeare.Reader(K, H, lstm="torch", frequencies=shares, generator=start)
    adam = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    source, losses = shakespeare.windows(tales_train, T, N, 0, start), []
    for k in range(steps):
        begins, window = next(source)  # (T + 1, N)
        state = model.begin(N) if begins else [s.detach() for s in state]
        p, state = model(window[:-1], state)
        loss = torch.nn.functional.cross_entropy(p.flatten(0, 1), window[1:].flatten())
        adam.param_groups[0]["lr"] = shakespeare.learning_rate(k, steps, rate, decay=True)
        adam.zero_grad()
        loss.backward()
        training.clip_gradient(list(model.parameters()), 1.0)
        adam.step()
        losses.append(loss.item())
        if k % 10 == 9 and (yield (k + 1) / steps):
            break
    work = multiply_adds(N, T, H, K + 1, K) / 1e9
    means = np.mean(np.reshape(losses, (-1, 10)), axis=1)
    print(f"{len(losses)} steps, {len(losses) * N * T:,} characters, {len(losses) * work:.2f} billion multiply-adds")
    print(f"loss of the last ten steps {means[-1]:.3f}, of the end of the tales {shakespeare.windowed(model, tales_end):.3f}")
    fig, ax = plt.subplots(figsize=(6, 2.6))
    ax.plot((10 * np.arange(len(means)) + 5) * work, means, marker="o", ms=3)
    ax.set(xlabel="billion multiply-adds", ylabel="training loss (nats)")
    return fig


panel = live.interact_manual(
    spend, "Train", rate=[0.001, 0.003, 0.01, 0.03, 0.1], bias=["log frequencies", "zero"],
    T=(8, 128, 8), H=(16, 128, 16), steps=(20, 1000, 20),
)

# %% [markdown]
# ## Mistakes people make
#
# ### Comparing by steps
#
# *Frequencies* makes 300 steps in all.
# Where stands *short* after as many?

# %% tags=["paste:by_steps"]
def at_step(runs, step):
    """Mean loss of the twentieth in which the step lies, and the seconds up to that step."""
    steps = runs[0]["settings"]["steps"]
    twentieth = (step - 1) // (steps // 20)
    loss = np.mean([r["result"]["loss"][twentieth] for r in runs])
    return f"{loss:.2f} ({step / steps * trained_seconds(runs):.0f} s)"


rows = [
    [f"**{name}**", at_step(by_variant[name], 300), at_step(by_variant[name], by_variant[name][0]["settings"]["steps"])]
    for name in ("frequencies", "short")
]
figures.table(["training loss (time)", "after 300 steps", "at the end"], rows)

# %% [markdown]
# By steps *short* looks worse, by the clock it is ahead.
#
# ### A state from another place
#
# Windows from random places, and a state that is handed on: then each window begins with the memory of another one.
# The trained network of Grimm reads held-out text in windows of 64, with three states before them.

# %% tags=["paste:elsewhere"]
grimm, known, _ = checkpoints.load_model(paths.data_dir() / "weights" / "char_grimm.safetensors")
grimm.fast().eval()
if vocabulary.symbols == known.symbols:
    longer = known.encode(text.split(book)[1])[: 2000 if FAST else None]
else:  # with the tales as fallback the numbers differ
    longer = known.encode(sampling.generate(grimm, known, "The ", 2000, seed=0))
count = (len(longer) - 1) // 64
read = longer[: 64 * count].view(count, 64)  # (windows, T)
follows = longer[1 : 64 * count + 1].view(count, 64)
own = [(torch.zeros(2, 1, 128), torch.zeros(2, 1, 128))]
with torch.no_grad():
    for window in read[:-1]:
        own.append(grimm(window[None], own[-1])[1])
h, c = (torch.cat(parts, dim=1) for parts in zip(*own, strict=True))  # (L, windows, H) each
mixed = torch.randperm(count, generator=torch.Generator().manual_seed(0))
BEFORE = {"zero": None, "of the text before": (h, c), "of another place": (h[:, mixed], c[:, mixed])}
rows = []
for name, state in BEFORE.items():
    with torch.no_grad():
        p, _ = grimm(read, state)
    losses = torch.nn.functional.cross_entropy(p.transpose(1, 2), follows, reduction="none").mean(0)  # (T,)
    rows.append([name, f"{losses[:5].mean():.2f}", f"{losses.mean():.2f}"])
figures.table(["state before the window", "nats, first five characters", "nats, all 64"], rows)

# %% [markdown]
# The check: the last character of a window is the first of the next.

# %% tags=["paste:strands"]
rows = []
for name, source in {
    "windows of strands": text.Contiguous(longer, T=30, N=8),
    "windows from random places": text.Windows(longer, T=30, N=8, seed=0),
}.items():
    turns = [next(source) for _ in range(6)]  # (N, T + 1) each
    fits = torch.cat([a[:, -1] == b[:, 0] for a, b in itertools.pairwise(turns)])
    rows.append([name, f"{fits.sum()} of {len(fits)}"])
figures.table(["", "windows that begin where the last one ended"], rows)

# %% [markdown]
# By chance two characters are sometimes the same.
#
# ### Rounding the weights too
#
# The weights $W_h$ of a layer of the race, as they begin; a small number is added to each.

# %% tags=["paste:rounded"]
W_h = layers.LSTM(66, 384, generator=torch.Generator().manual_seed(0)).cells[0].W_h.detach()
rows = []
for step in (1e-2, 1e-3, 1e-4, 1e-5):
    moved = [(w + torch.tensor(step, dtype=w.dtype) != w).float().mean() for w in (W_h.bfloat16(), W_h)]
    rows.append([f"{step:g}", *(f"{share:.2f}" for share in moved)])
figures.table(["added to each weight", "share that moved, bfloat16", "float32"], rows)

# %% [markdown]
# A step that is small against a weight is lost in bfloat16.
# That is why the fast LSTM rounds factors and results of products, and leaves the weights alone.
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: the bias that loses least
#
# *Easy · 10 minutes · with a check*
#
# A network reads nothing and has only its bias `b` (K).
# Of all biases at which its loss on a text is lowest, return the one whose entries sum to zero.
# The text comes as an array `numbers` of numbers below `K`, and each of them comes at least once.
#
# <details>
# <summary>Hint 1</summary>
#
# Which probabilities should the softmax of `b` give?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Softmax does not change if the same number is added to all entries of `b`.
# Choose that number so that they sum to zero.
#
# </details>


# %% tags=["exercise-1"]
def best_bias(numbers, K):
    return None  # your answer


def by_newton(numbers, K):
    def loss(b):
        return torch.nn.functional.cross_entropy(b.expand(len(numbers), K), torch.tensor(numbers))

    b = torch.zeros(K, dtype=torch.float64)
    for _ in range(30):
        slope = torch.autograd.functional.jacobian(loss, b)  # (K,)
        curvature = torch.autograd.functional.hessian(loss, b)  # (K, K)
        b = b - torch.linalg.pinv(curvature, hermitian=True) @ slope
    return b


rng = np.random.default_rng(1)
cases = [
    (rng.permutation(np.r_[np.arange(6), rng.choice(6, 40, p=rng.dirichlet(np.ones(6)))]), 6)
    for _ in range(3)
]
check.answer("biases", [best_bias(*case) for case in cases], [by_newton(*case) for case in cases])

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def best_bias(numbers, K):
#     b = np.log(np.bincount(numbers, minlength=K))
#     return b - b.mean()
# ```
#
# Counts serve as well as shares: their logarithms differ by the same number everywhere.
#
# </details>
#
# ### Exercise 2: a window of strands
#
# *Medium · 10 minutes · with a check*
#
# A text is cut into `N` strands of $S = \lfloor (M - 1)/N \rfloor$ steps, with $M$ its length; strand `n` begins at place $nS$.
# Other than in the race, the strands come first, and S leaves room for the last target.
# Return window number `k`, counted from 0, as an array (N, T + 1): for each strand its `T` inputs and, one place further on, its `T` targets.
# `numbers` is an array of length $M$.
#
# <details>
# <summary>Hint 1</summary>
#
# At which place does window 0 of strand 0 begin, and at which window 1?
# The last character of a window is the first of the next.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Make an array (N, 1) of the places where the rows begin, and add the array 0 to T.
#
# </details>


# %% tags=["exercise-2"]
def strand_window(numbers, T, N, k):
    return None  # your answer


rng = np.random.default_rng(2)
cases = [(rng.permutation(length), T, N, k) for length, T, N, k in ((40, 3, 3, 2), (61, 5, 4, 1))]
expected = []
for numbers, T, N, k in cases:
    source = text.Contiguous(torch.tensor(numbers), T, N)
    expected.append([next(source) for _ in range(k + 1)][-1])
check.answer("first window", strand_window(*cases[0]), expected[0])
check.answer("second window", strand_window(*cases[1]), expected[1])

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def strand_window(numbers, T, N, k):
#     S = (len(numbers) - 1) // N
#     starts = S * np.arange(N)[:, None] + k * T
#     return numbers[starts + np.arange(T + 1)]
# ```
#
# </details>
#
# ### Exercise 3: all steps in one product
#
# *Medium · 10 minutes · with a check*
#
# The backward pass of an LSTM has found `da` (T, N, 4H), the gradient by $a_t$ of each step and sequence.
# `h` (T + 1, N, H) holds the states, `h[t]` the one that step `t` reads.
# Return the gradient of $W_h$, (4H, H), as one matrix product.
#
# <details>
# <summary>Hint 1</summary>
#
# It is the sum of $\delta a_t\, h_{t-1}^\top$ over steps and sequences, as columns.
# In a product of two matrices, over what is summed?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Make of `da` and of the states that were read two arrays with a row for each step and sequence, in the same order.
#
# </details>


# %% tags=["exercise-3"]
def gradient_of_W_h(da, h):
    return None  # your answer


rng = np.random.default_rng(3)
da, h = rng.normal(size=(5, 3, 8)), rng.normal(size=(6, 3, 2))
W_h = torch.zeros(8, 2, dtype=torch.float64, requires_grad=True)
for step in range(5):
    a = torch.tensor(h[step]) @ W_h.T  # (N, 4H)
    (a * torch.tensor(da[step])).sum().backward()  # adds to W_h.grad
check.answer("gradient", gradient_of_W_h(da, h), W_h.grad)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def gradient_of_W_h(da, h):
#     rows = da.reshape(-1, da.shape[2])
#     return rows.T @ h[:-1].reshape(-1, h.shape[2])
# ```
#
# </details>
