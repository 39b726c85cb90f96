"""Commands on terminals of other encodings, and behind pipes that nobody reads any more."""

import errno
import io
import os
import subprocess
import sys

import pytest
from helpers import HANGS

from rnnlib import terminal
from rnnlib.paths import data_dir


@pytest.mark.parametrize(("encoding", "shown"), [("cp437", "ä?"), ("ascii", "??"), ("utf-8", "ä’")])
def test_what_an_encoding_lacks_is_a_question_mark(encoding, shown, monkeypatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    assert terminal.run(lambda: print("ä’") or 3) == 3  # type: ignore[func-returns-value]
    assert raw.getvalue().decode(encoding).strip() == shown


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), OSError(errno.EPIPE, "no", "file")]
)
def test_other_errors_are_not_hidden(error) -> None:
    def main() -> int:
        raise error

    with pytest.raises(OSError) as raised:
        terminal.run(main)
    assert raised.value is error


WEIGHTS = str(data_dir() / "weights" / "char_grimm.safetensors")
COMMANDS = {
    "writes": ["-m", "rnnlib.sampling", WEIGHTS, "--length", "100000"],
    "help": ["-m", "rnnlib.sampling", "--help"],
    "studies": ["-m", "rnnlib.experiments", "palindrome", "--help"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_whose_reader_is_gone_ends_without_a_word(name) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *COMMANDS[name]], stdout=writer, stderr=subprocess.PIPE, timeout=HANGS
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode in (0, terminal.CLOSED)  # argparse passes over what it cannot write


def test_a_model_writes_on_a_terminal_that_lacks_its_characters() -> None:
    line = [sys.executable, "-m", "rnnlib.sampling", WEIGHTS, "--prompt", "Once ‘"]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*line, "--length", "9"], env=ascii_only, capture_output=True, timeout=HANGS
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"Once ?")
