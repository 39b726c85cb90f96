"""Writing with a trained model: greedy, by temperature, among the k or the p most probable.

``python -m rnnlib.sampling WEIGHTS --prompt "Once" --temperature 0.7`` writes from a weights file.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rnnlib import checkpoints, terminal, validate
from rnnlib.evaluation import predict
from rnnlib.text import Vocabulary


def probabilities(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    may: Tensor | None = None,
) -> Tensor:
    r"""The distribution to draw from: logits p (..., K) -> (..., K), float64 on the CPU, sum 1.

    $$\hat y_k = \frac{e^{p_k/\tau}}{\sum_j e^{p_j/\tau}}$$

    temperature: $\tau$; below 1 sharper, above 1 flatter; 0 is greedy, all mass on the largest.
    top_k: only the k most probable keep their mass.
    top_p: only the smallest set of the most probable whose mass is at least p; the nucleus.
    With both, top_k comes first and top_p counts the mass of what it left. What is kept is scaled
    to sum 1. Of equal logits the one with the lower number comes first.
    may: bool (..., K), which may be drawn at all; the others share their probability.
    Sources: Ackley, Hinton and Sejnowski (1985) for temperature; Fan, Lewis and Dauphin (2018)
    for top-k; Holtzman, Buys, Du, Forbes and Choi (2020) for the nucleus.
    """
    validate.tensor("logits", logits, (..., "K"), finite=True)
    temperature = validate.real("temperature", temperature, low=0.0)
    if top_k is not None:
        validate.positive_int("top_k", top_k)
    if top_p is not None and (top_p := validate.real("top_p", top_p, 0.0, 1.0)) == 0:
        raise ValueError("top_p must be in (0, 1] or None, got 0")
    p = logits.cpu().double()
    if may is not None:
        p = p.masked_fill(~_allowed(may, logits), -torch.inf)
    p, order = p.sort(descending=True, stable=True)
    p = p - p[..., :1]  # the largest is 0, so that no temperature is too small
    p = (p / temperature).softmax(-1) if temperature > 0 else _first(p, 1)
    if top_k is not None:
        p = p * _first(p, top_k)
        p = p / p.sum(-1, keepdim=True)
    if top_p is not None:
        p = p * (p.cumsum(-1) - p < top_p)  # the mass before it is still too little
        p = p / p.sum(-1, keepdim=True)
    return p.scatter(-1, order, p)  # each back to its place


def _allowed(may: Tensor, logits: Tensor) -> Tensor:
    """The mask, if it is one: bool, (K,) or as the logits (..., K), nowhere without a symbol."""
    validate.instance("may", may, Tensor, "a torch.Tensor or None")
    if may.dtype != torch.bool:
        raise TypeError(f"may must hold bool, got {may.dtype}")
    if may.shape not in (logits.shape, logits.shape[-1:]):
        raise ValueError(
            f"may must have shape {(*logits.shape[-1:],)} or that of logits, got {(*may.shape,)}"
        )
    if not may.any(dim=-1).all():
        raise ValueError("may must allow at least one symbol, got none")
    return may.cpu()


def _first(p: Tensor, k: int) -> Tensor:
    """1 for the first k of the last dimension, 0 for the others."""
    return (torch.arange(p.shape[-1]) < k).to(p).expand_as(p)


def read(
    model: nn.Module, vocabulary: Vocabulary, text: str, state: Any = None
) -> tuple[Tensor, Any]:
    """Logits (K,) of the symbol after ``text``, and the state after it; state None is zero."""
    numbers = _encode(model, vocabulary, text)  # (1, T)
    logits, state = predict(model, numbers, state)  # (1, T, K)
    if logits.shape[-1] != len(vocabulary):
        raise ValueError(
            f"vocabulary must have the model's {logits.shape[-1]} symbols, got {len(vocabulary)}"
        )
    return logits[0, -1], state


def likeliest(
    model: nn.Module, vocabulary: Vocabulary, text: str, k: int = 5, state: Any = None
) -> list[tuple[str, float]]:
    """The ``k`` most probable symbols after ``text``, and their probabilities, from the highest.

    Of equal probabilities the one with the lower number comes first.
    """
    p = probabilities(read(model, vocabulary, text, state)[0])  # (K,)
    order = p.sort(descending=True, stable=True).indices[: validate.positive_int("k", k)]
    return [(vocabulary.symbols[n], p[n].item()) for n in order.tolist()]


def _encode(model: nn.Module, vocabulary: Vocabulary, text: str) -> Tensor:
    """The numbers (1, T) of at least one symbol, where the model's weights are."""
    validate.instance("model", model, nn.Module, "a torch.nn.Module")
    numbers = validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary").encode(text)
    if not len(numbers):
        raise ValueError(f"text must hold a symbol to read, got {text!r}")
    weight = next(itertools.chain(model.parameters(), model.buffers()), numbers)
    return numbers[None].to(weight.device)


def stream(
    model: nn.Module,
    vocabulary: Vocabulary,
    prompt: str = "",
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | Generator = 0,
    state: Any = None,
    restart_every: int | None = None,
    never: Sequence[str] = (),
) -> Iterator[str]:
    """Write without end, a symbol at a time; the state is carried from each to the next.

    A symbol is a character or, with ``Words``, a word; ``generate`` joins them to a text. The
    model is in evaluation mode while a symbol is computed, and in its own mode between two.

    prompt: what the model reads first; it is not given back. With an empty prompt the first
        symbol is drawn evenly from the vocabulary.
    temperature, top_k, top_p: see ``probabilities``.
    seed: all draws come from it; or a generator, which goes on from where it stands.
    state: the model's state before the prompt, from ``read`` or None for zeros. To go on with a
        text, give its last symbol as prompt and the state before that symbol.
    restart_every: throw the state away after so many symbols, and begin again with zeros and
        the last symbol. For comparison with a model trained on windows of that length.
    never: symbols that are not written, as UNK; the others share their probability.
    """
    validate.instance("model", model, nn.Module, "a torch.nn.Module")
    validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary")
    empty = not len(vocabulary.encode(prompt, "prompt"))
    if empty and state is not None:
        raise ValueError(f"prompt must hold a symbol to read after a state, got {prompt!r}")
    if restart_every is not None:
        validate.positive_int("restart_every", restart_every)
    probabilities(torch.zeros(1), temperature, top_k, top_p)
    if not isinstance(seed, Generator):
        seed = validate.seed("seed", seed)
    may = torch.tensor([symbol not in never for symbol in vocabulary.symbols])  # (K,)
    if len(may) - may.sum() != len(never) or not may.any():
        raise ValueError(
            f"never must be distinct symbols of the vocabulary, but not all, got {never!r}"
        )

    def write(unread: str, state: Any, generator: Generator) -> Iterator[str]:
        written = 0
        while True:
            if written and restart_every and written % restart_every == 0:
                state = None
            if unread:
                logits, state = read(model, vocabulary, unread, state)
                p = probabilities(logits, temperature, top_k, top_p, may)
            else:
                p = may.double()
            unread = vocabulary.symbols[int(torch.multinomial(p, 1, generator=generator))]
            written += 1
            yield unread

    return write("" if empty else prompt, state, seed)


def generate(
    model: nn.Module, vocabulary: Vocabulary, prompt: str, length: int, **options: Any
) -> str:
    """The first ``length`` symbols of ``stream`` with the same options, without the prompt."""
    validate.positive_int("length", length, minimum=0)
    symbols = itertools.islice(stream(model, vocabulary, prompt, **options), length)
    return vocabulary.join(symbols)


def main(arguments: list[str] | None = None) -> int:
    """The command line: write with a weights file; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rnnlib.sampling",
        description="Write with a trained model of characters or words.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("weights", help="a weights file, as data/weights/char_grimm.safetensors")
    parser.add_argument("--prompt", default="", help="the beginning; without one it is drawn")
    parser.add_argument("--length", type=int, default=200, help="characters or words to write")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 is greedy")
    parser.add_argument("--top-k", type=int, help="draw among the k most probable only")
    parser.add_argument("--top-p", type=float, help="draw among the most probable of mass p only")
    parser.add_argument("--seed", type=int, default=0, help="the same seed writes the same text")
    options = vars(parser.parse_args(arguments))
    path, length = options.pop("weights"), options.pop("length")
    try:
        model, vocabulary, _ = checkpoints.load_model(path)
        validate.positive_int("length", length, minimum=0)
        symbols = stream(model.fast(), vocabulary, **options)
    except ValueError as error:
        parser.error(str(error))
    print(options["prompt"], end="", flush=True)
    before = "".join(vocabulary.cut(options["prompt"])[-1:])
    try:
        for symbol in itertools.islice(symbols, length):
            joined = vocabulary.join([before, symbol] if before else [symbol])
            print(joined.removeprefix(before), end="", flush=True)
            before = symbol
    except KeyboardInterrupt:
        return 130
    finally:
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(terminal.run(main))
