"""A training run that can be killed: ``python resumable.py CHECKPOINT [waits]``.

With ``waits`` it says so after step WAITS_AFTER, and then goes no further.

Dropout draws from torch's global generator, so an exact resume needs that generator's state too.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from rnnlib import layers, models, tasks, training

STEPS = 60
WAITS_AFTER = 28  # between two checkpoints


class Dropped(nn.Module):
    """A classifier with dropout on its logits and its input."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        rnn = layers.LSTM(10, 8, generator=generator)
        self.classifier = models.Classifier(rnn, 10, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.dropout(x, 0.3, self.training)
        return nn.functional.dropout(self.classifier(x), 0.3, self.training)


def train(checkpoint: Path | None, steps: int = STEPS, waits: bool = False) -> tuple:
    """Train to ``steps``; return model, optimizer, source and history."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = Dropped()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    source = tasks.PalindromeBatches(5, 16, seed=2, one_hot=True)
    fresh = tasks.palindromes(5, 50, torch.Generator().manual_seed(3), one_hot=True)

    def wait(history: training.History) -> bool:
        if waits and history.steps == WAITS_AFTER:
            print("waiting", flush=True)
            sys.stdin.read()  # until it is killed, or nobody is left to do so
        return False

    history = training.train(
        model,
        source,
        training.classification_loss,
        optimizer,
        steps,
        clip_norm=1.0,
        evaluate=lambda m: {"loss": training.classification_loss(m, fresh)[0].item()},
        eval_every=7,
        patience=50,
        stop_when=wait,
        checkpoint=checkpoint,
        checkpoint_every=10,
    )
    return model, optimizer, source, history


if __name__ == "__main__":
    train(Path(sys.argv[1]), waits="waits" in sys.argv)
