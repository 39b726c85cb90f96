"""A weights file: a trained model, its vocabulary and how it was trained, all in one file.

It is a file of ``rnnlib.tensorfiles``: loading one runs no code, and damage is found.
``rnnlib.training`` writes another kind, which holds what training needs to go on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnlib import tensorfiles, validate
from rnnlib.layers import GRU, LSTM, RNN
from rnnlib.models import RNNLM, CharacterModel
from rnnlib.text import Characters, Vocabulary, Words

KEY = "rnnlib_model"  # of the metadata: JSON with all but the weights
KINDS = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}  # of an RNNLM's layers
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8)
SCALE = ".scale"  # ends the name of the sizes of a step, of a matrix in int8


def save_model(
    path: str | os.PathLike[str],
    model: CharacterModel | RNNLM,
    vocabulary: Vocabulary,
    settings: dict[str, Any],
    dtype: torch.dtype = torch.float16,
) -> None:
    r"""Write the weights as ``dtype``, under the names of rnnlib's layers, then rename into place.

    A weight that is tied to another is written once. As ``torch.int8``, a row W_k of a matrix is
    q_k s_k, of whole numbers q_k from -127 to 127 and a step $s_k = \max_j |W_{kj}| / 127$ in
    float32, so that no entry moves by more than half a step; vectors are written in float32.
    ``settings`` is plain data for the reader: corpus, steps, seed, learning rate.
    Raises TypeError or ValueError if a weight is not finite in ``dtype``, the vocabulary does not
    fit, ``settings`` is no dictionary of plain data, or ``dtype`` is none of ``DTYPES``.
    """
    validate.instance("model", model, CharacterModel | RNNLM, "a CharacterModel or an RNNLM")
    validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary")
    validate.instance("settings", settings, dict, "a dict")
    path = validate.file("path", path)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}")
    if len(vocabulary) != model.K:
        raise ValueError(
            f"vocabulary must have the model's {model.K} symbols, got {len(vocabulary)}"
        )
    weights: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        weights |= _written(name, parameter.detach().cpu(), dtype)
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise ValueError(f"model must have weights that are finite in {dtype}, got {name}")
    settings = tensorfiles.plain("settings", settings)
    about = {"symbols": vocabulary.symbols, **_describe(model), "settings": settings}
    if isinstance(vocabulary, Characters):
        about["vocabulary"] = Characters.__name__
    tensorfiles.save(path, weights, about, KEY)


def load_model(
    path: str | os.PathLike[str],
) -> tuple[CharacterModel | RNNLM, Vocabulary, dict[str, Any]]:
    """The model in float32 with rnnlib's own layers, its vocabulary, and its settings.

    An RNNLM comes without dropout. Raises ValueError, which names the file, if there is none, if
    ``save_model`` did not write it, or if it is damaged: names, types and sizes of its weights
    are compared with the model's, which takes no memory before they fit, and all must be finite.
    """
    path = Path(validate.instance("path", path, str | os.PathLike, "a path"))
    if not path.is_file():
        raise ValueError(f"path must be a weights file, got {path}, where there is none")
    try:
        tensors, about = tensorfiles.load(path, KEY)
        symbols, settings = about.pop("symbols"), about.pop("settings")
        layers = validate.positive_int("num_layers", about["num_layers"])
        if layers > len(tensors):  # before as many are built
            raise ValueError(f"num_layers must be at most its {len(tensors)} tensors, got {layers}")
        of_words = "kind" in about
        one_a_character = about.pop("vocabulary", None) == Characters.__name__
        words = Characters if one_a_character else Words
        vocabulary = words(symbols) if of_words else Vocabulary(symbols)
        model: CharacterModel | RNNLM
        with torch.device("meta"):  # draws nothing, and takes no memory
            if of_words:
                model = RNNLM(len(vocabulary), KINDS[about.pop("kind")], **about)
            else:
                model = CharacterModel(len(vocabulary), **about)
        weights = _read(tensors, {name: w.shape for name, w in model.named_parameters()})
        if of_words and about["tied"]:
            weights["readout.weight"] = weights["embedding.weight"]
        model.load_state_dict(weights, assign=True)
        if isinstance(model, RNNLM) and about["tied"]:  # assigned, they were two
            model.readout.weight = model.embedding.weight
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"path must be a weights file that rnnlib.checkpoints.save_model wrote, got {path}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return model, vocabulary, settings


def _read(tensors: dict[str, Tensor], shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """The weights in float32, if all are there, and nothing else, as ``_written`` has them."""
    scales = {name for name, tensor in tensors.items() if tensor.dtype is torch.int8}
    expected = shapes | {
        name + SCALE: torch.Size([shapes[name][0], 1]) for name in scales & shapes.keys()
    }
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            sizes = [
                str(tuple(s)) if s is not None else "none"
                for s in (expected.get(name), found.get(name))
            ]
            raise ValueError(f"{name} must have the model's shape {sizes[0]}, got {sizes[1]}")
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise ValueError(f"{name} must be of one of {list(DTYPES)}, got {tensor.dtype}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    return {name: tensors[name].float() * tensors.get(name + SCALE, 1.0) for name in shapes}


def _written(name: str, W: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """A weight as ``dtype``; a matrix (M, D) in int8 with the step of each row, (M, 1), beside."""
    if dtype is not torch.int8:
        return {name: W.to(dtype).contiguous()}
    if W.ndim < 2:
        return {name: W.float()}
    step = W.float().abs().amax(dim=1, keepdim=True) / 127
    q = (W / step.where(step > 0, 1.0)).round()  # a row of zeros stays one
    return {name: q.to(torch.int8), name + SCALE: step}


def _describe(model: CharacterModel | RNNLM) -> dict[str, Any]:
    """The arguments that make such a model, but for the size of its vocabulary."""
    if isinstance(model, CharacterModel):
        return {"H": model.H, "num_layers": model.num_layers, "embedding": model.E}
    kind = type(model.layers[0]).__name__
    return {
        "kind": validate.one_of("the model's kind", kind, list(KINDS)),
        "embedding": model.E, "hidden": model.H, "num_layers": len(model.layers),
        "tied": model.readout.weight is model.embedding.weight,
    }  # fmt: skip
