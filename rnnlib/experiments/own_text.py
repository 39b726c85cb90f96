"""Train the network of ``char_lm`` on a text of one's own, and write with it.

``python -m rnnlib.experiments char_lm --text my.txt``: what it makes lies beside the text, or in
the current folder for a link: my_lstm.safetensors, the weights, and my_lstm.json, the record.
Neither is one of the book's. While it trains there is a checkpoint too: the same command goes on.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import shlex
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rnnlib import checkpoints, corpora, sampling, validate
from rnnlib.experiments import char_lm, study
from rnnlib.paths import written_beside
from rnnlib.text import split

LEAST = 100  # characters: one training window, and one of the held-out part
SHORT = 50_000  # characters below which a text is called short
READS = 35  # of each place, on average, as the chapter reads the tales of the brothers Grimm
STEPS = (500, char_lm.STEPS)  # at least and at most
HELD_OUT = (char_lm.TRAINING["T"] + 2, 100_000)  # characters at least and at most, else 5 %
RARE = 10  # times: a character that comes less often is called rare


def plan(text: str, steps: int | None = None) -> dict[str, Any]:
    """The chapter's settings, with a held-out share and steps that suit the length of a text.

    Raises ValueError for a text that is too short, and for ``steps`` without so many even parts
    as the training is looked at.
    """
    if steps is not None and (steps < char_lm.POINTS or steps % char_lm.POINTS):
        raise ValueError(f"steps must be a positive multiple of {char_lm.POINTS}, got {steps}")
    if len(validate.instance("text", text, str, "a str")) < LEAST:
        raise ValueError(
            f"text must have at least {LEAST} characters to train on, got {len(text)}; "
            f"to learn words the network needs {SHORT:,} or more"
        )
    held_out = min(max(round(0.05 * len(text)), HELD_OUT[0]), HELD_OUT[1])
    batch = char_lm.TRAINING["batch"] * char_lm.TRAINING["T"]  # characters read a step
    suits = min(max(READS * len(text) // batch, STEPS[0]), STEPS[1])
    return char_lm.TRAINING | {
        "steps": suits - suits % char_lm.POINTS if steps is None else steps,
        "held_out": held_out / len(text),
        "seed": 0,
    }


def describe(text: str, settings: dict[str, Any]) -> list[str]:
    """Sentences: what is held out, what is rare, how long the training is."""
    train, held_out = split(text, settings["held_out"])
    read = char_lm.TRAINING["batch"] * char_lm.TRAINING["T"] * settings["steps"] / len(train)
    often = f"{read:.3g}" if read < 100 else f"{read:,.0f}"
    said = [
        f"The last {len(held_out):,} characters ({settings['held_out']:.1%}) are held out.",
        f"In {settings['steps']:,} steps each of the others is read about {often} times.",
    ]
    counts = Counter(train)
    rare = sorted(set(text), key=lambda c: (counts[c], c))
    rare = [c for c in rare if counts[c] < RARE]
    if rare:
        some = " ".join(f"{c!r}" for c in rare[:20]) + (" ..." if len(rare) > 20 else "")
        said.append(
            f"{len(rare)} of {len(set(text))} characters come fewer than {RARE} times there, so "
            f"the network will hardly learn them: {some}"
        )
    if len(text) < SHORT:
        said.append("The text is short: the network will repeat it more than write.")
    return said


def main(chosen: argparse.Namespace) -> None:
    """Read, train, write the weights and the record, and show how to go on."""
    try:
        _main(chosen)
    except (ValueError, corpora.CorpusUnavailable) as error:
        sys.exit(f"char_lm: {error}")


def _main(chosen: argparse.Namespace) -> None:
    target = _target(chosen.text, chosen.name)
    text = corpora.read_text(chosen.text, encoding=chosen.encoding)
    settings = plan(text, chosen.steps)
    settings |= {name: getattr(chosen, name) for name in char_lm.TRAINING if name in chosen}
    print("\n".join(describe(text, settings)))
    about = {
        "name": Path(chosen.text).name,
        "characters": len(text),
        "K": len(set(text)),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    digest = hashlib.sha256(json.dumps([about, settings], sort_keys=True).encode()).hexdigest()
    checkpoint = target.with_name(f"{target.name}.{digest[:16]}.checkpoint")
    result = char_lm.train(text, checkpoint, settings | {"text": about})
    record = {
        "study": "char_lm",
        "command": shlex.join(["python", "-m", "rnnlib.experiments", *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "text": about,
        "settings": settings,
        "result": result,
    }
    weights, file = _files(target)
    with written_beside(file) as beside:
        beside.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(checkpoint.with_suffix(".weights"), weights)
    for left in target.parent.glob(f"{glob.escape(target.name)}.*.checkpoint*"):
        left.unlink()
    _show(text, result, weights)


def _files(target: Path) -> tuple[Path, Path]:
    """The weights and the record of a name."""
    weights, record = (target.with_name(target.name + end) for end in (".safetensors", ".json"))
    return weights, record


def _target(place: str, name: str) -> Path:
    """Folder and name of what will be written; ValueError where that would harm or cannot be."""
    link = place.lower().startswith(("http://", "https://"))
    folder = Path.cwd() if link else Path(place).resolve().parent
    own = Path(urlsplit(place).path if link else place).stem or "text"
    name = f"{own}_lstm" if name == "char_lm" else name
    if Path(name).name != name:
        raise ValueError(f"--name must be a name without folders, got {name!r}")
    data = study.data_dir()
    if folder in [(data / part).resolve() for part in ("results", "weights", "samples")]:
        raise ValueError(f"{folder} belongs to the book: copy the text to a folder of your own")
    weights, record = _files(folder / name)
    try:
        if record.exists():
            kept = json.loads(record.read_text(encoding="utf-8"))
            ours = isinstance(kept, dict) and kept.get("study") == "char_lm" and "text" in kept
        else:
            ours = not weights.exists()
        with tempfile.TemporaryFile(dir=folder):  # it can be written
            pass
    except ValueError:
        ours = False
    except OSError as error:
        raise ValueError(f"{folder} must be a folder that can be written: {error}") from error
    if not ours:
        raise ValueError(
            f"{record.name} or {weights.name} is there and is no own text's: choose another --name"
        )
    return folder / name


def _show(text: str, result: dict[str, Any], weights: Path) -> None:
    """What was learned, samples, and how to go on."""
    model, vocabulary, _ = checkpoints.load_model(weights)
    lost = result["held_out"]["carried"]["nats"]
    print(f"Loss in nats a character: {result['loss']:.2f} in training, {lost:.2f} held out.")
    if lost > result["loss"] + 0.5:
        print("What was read is much easier for it: some of that was learned by heart.")
    prompt = text.split(maxsplit=1)[0][:20] + (" " if " " in vocabulary.symbols else "")
    for temperature in (0.5, 1.0):
        written = sampling.generate(
            model.fast(), vocabulary, prompt, 200, temperature=temperature, seed=0
        )
        print(f"\nAt temperature {temperature:g}:\n{prompt}{written}")
    path = str(weights.relative_to(here) if weights.is_relative_to(here := Path.cwd()) else weights)
    command = ["python", "-m", "rnnlib.sampling", path, "--prompt", prompt, "--temperature", "0.7"]
    print(
        f"\nTo go on writing:\n  {shlex.join(command)}\nor in Python:\n"
        "  from rnnlib import checkpoints, sampling\n"
        f"  model, vocabulary, _ = checkpoints.load_model({path!r})\n"
        f"  print(sampling.generate(model, vocabulary, {prompt!r}, 300, temperature=0.7))"
    )
