"""What every test starts from: one thread, no progress bars."""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "RNNLIB_PROGRESS": "0"}

import torch  # reads the number of threads when it is imported, as NumPy does

torch.set_num_threads(1)
