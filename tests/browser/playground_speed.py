"""Steps a second of processor time of rnnlib's own layers, for playground.mjs --speed: JSON.

    python tests/browser/playground_speed.py

Palindromes of 10 digits, one-hot, 64 units, batches of 64, Adam, clipped at 1, one thread.
"""

import json
import time

import torch

from rnnlib import layers
from rnnlib.models import Classifier
from rnnlib.optim import Adam
from rnnlib.tasks import palindromes
from rnnlib.training import classification_loss, clip_gradient

UNITS, N, T = 64, 64, 10
ROUNDS, STEPS = 4, 25


def speed(layer: type[layers.Recurrent]) -> float:
    """The best of some rounds; the first warms up."""
    generator = torch.Generator().manual_seed(0)
    model = Classifier(layer(10, UNITS, generator=generator), 10, generator=generator)
    optimizer = Adam(model.parameters(), lr=1e-2)
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss, _ = classification_loss(model, palindromes(T, N, generator, one_hot=True))
            loss.backward()
            clip_gradient(model.parameters(), 1.0)
            optimizer.step()
        best = max(best, STEPS / (time.process_time() - start))
    return best


if __name__ == "__main__":
    torch.set_num_threads(1)
    cells = {"RNN": layers.RNN, "GRU": layers.GRU, "LSTM": layers.LSTM}
    print(json.dumps({name: speed(layer) for name, layer in cells.items()}))
