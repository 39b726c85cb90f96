"""What every test starts from: one thread, no progress bars."""

import os

import torch

torch.set_num_threads(1)
os.environ["RNNLIB_PROGRESS"] = "0"
