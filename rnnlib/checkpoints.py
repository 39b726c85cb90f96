"""A weights file: a trained model, its vocabulary and how it was trained, all in one file.

It is a safetensors file, so that loading one runs no code. ``rnnlib.training`` writes another
kind, which holds what training needs to go on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from rnnlib import tensorfiles, validate
from rnnlib.models import CharacterModel
from rnnlib.text import Vocabulary

KEY = "rnnlib_model"  # of the metadata: JSON with all but the weights
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def save_model(
    path: str | os.PathLike[str],
    model: CharacterModel,
    vocabulary: Vocabulary,
    settings: dict[str, Any],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write the weights as ``dtype``, under the names of rnnlib's layers, then rename into place.

    ``settings`` is plain data for the reader: corpus, steps, seed, learning rate.
    Raises TypeError or ValueError if a weight is not finite in ``dtype``, the vocabulary does not
    fit, ``settings`` is no dictionary of plain data, or ``dtype`` is none of ``DTYPES``.
    """
    validate.instance("model", model, CharacterModel, "a CharacterModel")
    validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary")
    validate.instance("settings", settings, dict, "a dict")
    path = validate.file("path", path)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}")
    if len(vocabulary) != model.K:
        raise ValueError(
            f"vocabulary must have the model's {model.K} characters, got {len(vocabulary)}"
        )
    weights = {
        name: weight.to("cpu", dtype).contiguous() for name, weight in model.state_dict().items()
    }
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise ValueError(f"model must have weights that are finite in {dtype}, got {name}")
    about = {
        "symbols": vocabulary.symbols, "H": model.H, "num_layers": model.num_layers,
        "embedding": model.E, "settings": settings,
    }  # fmt: skip
    try:
        metadata = {KEY: json.dumps(about)}
    except (TypeError, ValueError) as error:
        raise TypeError(f"settings must be plain data, as JSON has it: {error}") from error
    tensorfiles.save(path, weights, metadata)


def load_model(
    path: str | os.PathLike[str],
) -> tuple[CharacterModel, Vocabulary, dict[str, Any]]:
    """The model in float32 with rnnlib's own layers, its vocabulary, and its settings.

    Raises ValueError if there is no such file, or one that ``save_model`` did not write.
    """
    path = Path(validate.instance("path", path, str | os.PathLike, "a path"))
    if not path.is_file():
        raise ValueError(f"path must be a weights file, got {path}, where there is none")
    try:
        tensors, metadata = tensorfiles.load(path)
        about = json.loads(metadata[KEY])
        vocabulary = Vocabulary(about["symbols"])
        with torch.device("meta"):  # draws nothing, and takes no memory before the shapes fit
            model = CharacterModel(
                len(vocabulary), about["H"], about["num_layers"], embedding=about["embedding"]
            )
        weights = {name: tensor.float() for name, tensor in tensors.items()}
        model.load_state_dict(weights, assign=True)
        settings = about["settings"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"path must be a weights file that rnnlib.checkpoints.save_model wrote, got {path}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return model, vocabulary, settings
