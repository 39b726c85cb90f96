"""Kernels under test are reached through files, not ports.

A port that jupyter_client found free can be taken before the kernel binds it, by another kernel
or by any connection on the machine; the test would then wait for ever.
"""

import atexit
import os
import shutil
import tempfile
import uuid
from typing import Any

import nbval.kernel
from jupyter_client.manager import KernelManager


class FileKernelManager(KernelManager):
    """A kernel's manager whose sockets lie in a folder of this process."""

    folder = tempfile.mkdtemp(prefix="kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def __init__(self, **kwargs: Any):
        file = os.path.join(self.folder, f"{uuid.uuid4().hex}.json")
        super().__init__(transport="ipc", connection_file=file, **kwargs)


if os.name == "posix":  # Windows has ports only
    nbval.kernel.KernelManager = FileKernelManager
