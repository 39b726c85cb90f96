"""Studies that are killed, doubled, tried out or made by other code: what is kept, and who says so."""

import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import tiny_study
from filelock import FileLock
from helpers import HANGS, wait_until

from rnnlib import corpora
from rnnlib.experiments import char_lm, partial, signals, study, version, words, workers
from rnnlib.experiments.__main__ import STUDIES, main

ROOT = Path(__file__).resolve().parent.parent
RECORDS = sorted(ROOT.glob("data/results/*.json"))
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
CHECKOUT = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"), reason="needs a checkout and git"
)


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, tiny_study.__file__, str(folder), *arguments]


def finished(folder: Path, name: str = "short") -> list[dict[str, Any]]:
    """The lines of a partial file."""
    path = folder / "results" / f"{name}.partial.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture
def waiting(tmp_path):
    """A study of two workers with some finished runs, that waits at a gate; its command."""
    arguments = f"tiny --seeds 9 --until {tmp_path / 'gate'} --workers 2 --name short".split()
    process = subprocess.Popen(
        command(tmp_path, *arguments), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: len(finished(tmp_path)) == tiny_study.FREE or process.poll() is not None)
    yield process, command(tmp_path, *arguments)
    (tmp_path / "gate").touch()  # so that nothing stays if a test fails
    process.kill()
    process.communicate(timeout=HANGS)


def goes_on(folder: Path, again: list[str]) -> None:
    """The same command takes the finished runs over, and makes the others."""
    kept = finished(folder)
    assert len(kept) == tiny_study.FREE
    (folder / "gate").touch()
    done = subprocess.run(again, capture_output=True, text=True, timeout=HANGS, check=True)
    assert f"short: {len(kept)} of 9 runs were there" in done.stdout
    record = json.loads((folder / "results" / "short.json").read_bytes())
    assert [r["settings"]["seed"] for r in record["runs"]] == list(range(9))
    assert [r["result"] for r in record["runs"]] == [{"twice": 2 * seed} for seed in range(9)]
    by_seed = {r["settings"]["seed"]: r for r in kept}
    for seed, run in by_seed.items():
        assert record["runs"][seed] == {k: v for k, v in run.items() if k != "code"}
    assert record["command"].endswith(shlex.join(again[3:]))
    assert not finished(folder)


# ---- killed -------------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_keeps_the_finished_runs_and_leaves_no_process(tmp_path, waiting, name) -> None:
    process, again = waiting
    number = getattr(signal, name)
    os.killpg(process.pid, number)  # as a terminal does: to every process of the group
    _, errors = process.communicate(timeout=HANGS)  # ends when no process has the pipe any more
    assert process.returncode == 128 + number, errors
    assert errors.endswith("interrupted: run the same command again to go on\n")
    assert "Traceback" not in errors
    assert len(finished(tmp_path)) == tiny_study.FREE
    if name == "SIGINT":
        goes_on(tmp_path, again)


def test_the_workers_of_a_killed_study_end_and_nothing_is_held(tmp_path, waiting) -> None:
    process, _ = waiting
    process.kill()
    process.communicate(timeout=HANGS)  # ends when no worker has the pipe any more
    assert len(finished(tmp_path)) == tiny_study.FREE
    with FileLock(tmp_path / "results" / "short.lock", timeout=0):
        pass


def test_a_worker_that_is_killed_ends_the_study_in_words(tmp_path) -> None:
    arguments = f"tiny --seeds 5 --ends {tmp_path / 'ended'} --workers 1 --name short".split()
    done = subprocess.run(
        command(tmp_path, *arguments), capture_output=True, text=True, timeout=HANGS
    )
    assert done.returncode == 1
    assert "Run the same command again" in done.stderr and "Traceback" not in done.stderr
    assert [r["settings"]["seed"] for r in finished(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize("ending", ["stopped", "failed", "lost"])
def test_what_other_workers_have_finished_is_yielded_before_the_end(monkeypatch, ending) -> None:
    pipes = [Pipe() for _ in range(3)]
    first, *others = (theirs for _, theirs in pipes)
    if ending == "failed":
        first.send(ArithmeticError("a run fails"))
    if ending == "lost":
        first.close()
    for number, theirs in enumerate(others):
        theirs.send({"run": number})

    @contextmanager
    def started(count, run, threads):
        yield [ours for ours, _ in pipes]

    monkeypatch.setattr(workers, "_started", started)
    settings = [{"seed": seed} for seed in range(9)]
    found: list[dict[str, Any]] = []
    error = {"failed": ArithmeticError, "lost": workers.WorkerLost, "stopped": None}[ending]
    runs = workers.outcomes(print, settings, 3, 1, lambda: ending == "stopped")
    if error is None:
        found = list(runs)
    else:
        with pytest.raises(error):
            for one in runs:
                found.append(one)
    assert sorted(one["run"] for one in found) == [0, 1]


def test_an_error_that_cannot_be_sent_is_told(tmp_path) -> None:
    class Local(Exception):
        pass

    try:
        raise Local("with its text")
    except Local as error:
        told = workers._portable(error)
    assert type(told) is RuntimeError and "with its text" in str(told)


@pytest.fixture
def interrupted():
    """Ctrl-C is a KeyboardInterrupt, also in what a shell started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_signals_wait_until_the_block_is_left(interrupted) -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), signals.held() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        steps.append("written whole")
        assert stop()
    assert steps == ["written whole"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@POSIX
def test_terminate_is_as_ctrl_c_and_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.handled(signals.stop):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(signals.Stopped) as stopped:
                signal.raise_signal(signal.SIGTERM)
        assert stopped.value.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    found = []

    def look() -> None:
        with signals.held() as stop:
            found.append(stop())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [False]


# ---- two at once --------------------------------------------------------------------------------


def test_a_second_instance_is_refused_in_words_and_the_first_goes_on(tmp_path, waiting) -> None:
    process, again = waiting
    second = subprocess.run(again, capture_output=True, text=True, timeout=HANGS)
    assert second.returncode == 2
    assert "short: nothing was run. Another process is at this study" in second.stderr
    assert "Traceback" not in second.stderr
    (tmp_path / "gate").touch()
    process.communicate(timeout=HANGS)
    assert process.returncode == 0
    record = json.loads((tmp_path / "results" / "short.json").read_bytes())
    assert [r["settings"]["seed"] for r in record["runs"]] == list(range(9))


def test_a_study_that_is_refused_touches_nothing(tmp_path) -> None:
    partial.append(tmp_path / "tiny.partial.jsonl", recorded(0))
    with FileLock(tmp_path / "tiny.lock"), pytest.raises(study.Refused, match="Another process"):
        study.run_study("tiny", tiny_study.run, [{"seed": 0}], folder=tmp_path)
    assert left(tmp_path) == ["tiny.partial.jsonl"]
    study.run_study(
        "tiny", tiny_study.run, [{"seed": 0}], folder=tmp_path
    )  # the lock is free again


# ---- trials -------------------------------------------------------------------------------------


class Asked(KeyboardInterrupt):
    """A study has asked for its runs."""


@pytest.fixture
def asked(monkeypatch, tmp_path) -> dict[str, Any]:
    """What a command would run, by the record's name; it stops at the ``last`` of them."""
    found: dict[str, Any] = {}

    def run_study(name, run, settings, *_, **__) -> None:
        found[name] = settings
        if name == found.get("last", name):
            raise Asked

    for module in STUDIES.values():
        monkeypatch.setattr(module, "run_study", run_study)
    monkeypatch.setattr(study, "checkpoints", lambda name, own: tmp_path)
    monkeypatch.setattr(study, "available", lambda corpus, *_: corpus)
    monkeypatch.setattr(words, "available", lambda corpus, *_: corpus)
    return found


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def recorded(seed: int, **others: Any) -> dict[str, Any]:
    run = {"settings": {"seed": seed}, "seconds": 1.0, "result": {"a": seed}}
    return run | {"code": version.code()} | others


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_command_of_a_record_makes_its_runs(path, asked) -> None:
    record = json.loads(path.read_bytes())
    asked["last"] = path.stem
    assert main(shlex.split(record["command"])[3:]) == 130
    made = {partial.key(s) for s in asked[path.stem]}
    assert made == {partial.key(r["settings"]) for r in record["runs"]}


@pytest.mark.parametrize(
    "trial",
    [
        "char_lm --steps 10 --seeds 1", "char_lm --lr 1 --seeds 3", "char_lm --seeds 1",
        "cora --epochs 2", "cora --main-seeds 1 --seeds 1", "frequency --steps 3",
        "gradient_flow --length 4", "lstm_units --steps 5", "memory --steps 2",
        "ngram_lm --epochs 1", "ngram_lm --seeds 1", "ngram_lm --corpus tales",
        "optimizers --steps 5", "palindrome --seeds 1", "palindrome --bias one --seeds 5",
        "palindrome_memory --seeds 1", "rnn_lm --epochs 1", "rnn_lm --part window --seeds 1",
        "shakespeare --steps 7", "shakespeare --variants plain", "wikitext --words 1000",
    ],
)  # fmt: skip
def test_a_trial_is_refused_the_name_of_a_shipped_record(trial, asked, capsys) -> None:
    assert main(trial.split()) == 2
    assert not asked
    said = capsys.readouterr().err
    assert "nothing was run" in said and "_trial" in said
    assert main([*trial.split(), "--name", "of_my_own"]) == 130  # with a name it would run
    assert asked and all(name.startswith("of_my_own") for name in asked)


def test_run_study_itself_loses_no_recorded_run(tmp_path) -> None:
    path = tmp_path / "tiny.json"
    for seed in (0, 1):
        partial.append(tmp_path / "tiny.partial.jsonl", recorded(seed))
    both = [{"seed": 0}, {"seed": 1}]
    study.run_study("tiny", tiny_study.run, both, folder=tmp_path)
    before = path.read_bytes()
    for other in ([{"seed": 0}], [{"seed": 0}, {"seed": 2}], [{"seed": 0}, {"seed": 1, "T": 3}]):
        with pytest.raises(study.Refused, match="1 of its 2 runs are not in this study"):
            study.run_study("tiny", tiny_study.run, other, folder=tmp_path)
        assert path.read_bytes() == before
    for seed in (0, 1, 2):
        partial.append(tmp_path / "tiny.partial.jsonl", recorded(seed))
    study.run_study("tiny", tiny_study.run, [*both, {"seed": 2}], folder=tmp_path)  # with more
    assert len(json.loads(path.read_bytes())["runs"]) == 3


@pytest.mark.parametrize("name", ["../tiny", "a/b", "", ".."])
def test_a_name_leads_to_no_other_folder(name, tmp_path) -> None:
    with pytest.raises(study.Refused, match="name must be a file's name without a folder, got "):
        study.not_lost(name, [{"seed": 0}], tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"runs": [1]}', '{"study": "x"}'])
def test_a_file_in_the_records_place_that_is_none_is_left_there(text, tmp_path) -> None:
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(study.Refused, match="is no record of a study: move it away first"):
        study.run_study("tiny", tiny_study.run, [{"seed": 0}], folder=tmp_path)
    assert (tmp_path / "tiny.json").read_text() == text


def test_a_trial_has_a_folder_of_its_own_for_what_it_needs_to_go_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)
    assert study.checkpoints("far", "far") == tmp_path / "checkpoints"
    assert study.checkpoints("trial", "far") == tmp_path / "checkpoints" / "trial"
    assert (tmp_path / "checkpoints" / "trial").is_dir()


def test_the_weights_of_a_trial_by_name_are_not_those_that_are_shipped(
    tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)

    def run_study(name, run, settings, _) -> Path:
        runs = [{"settings": s, "result": {"held_out": {"carried": {"nats": 1}}}} for s in settings]
        weights = study.checkpoint(run.keywords["folder"], "char_lm", settings[0]).with_suffix(
            ".weights"
        )
        if name != "elsewhere":
            weights.write_text(name)
        path = tmp_path / "record.json"
        path.write_text(json.dumps({"runs": runs}))
        return path

    monkeypatch.setattr(char_lm, "run_study", run_study)
    shipped = tmp_path / "weights" / "char_tales.safetensors"
    arguments = ["char_lm", "--corpus", "tales", "--seeds", "1"]
    assert main(arguments) == 0
    assert main([*arguments, "--name", "mine"]) == 0
    assert shipped.read_text() == "char_lm_tales"
    assert (tmp_path / "checkpoints" / "mine" / shipped.name).read_text() == "mine"
    capsys.readouterr()
    assert main([*arguments, "--name", "elsewhere"]) == 0  # its runs came with a partial file
    assert "the weights of seed 0 are not here" in capsys.readouterr().out


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_named(number, asked, monkeypatch, capsys) -> None:
    def run_study(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/some/folder")

    monkeypatch.setattr(STUDIES["far"], "run_study", run_study)
    assert main(["far", "--name", "mine"]) == 2
    said = capsys.readouterr().err
    assert "'/some/folder'" in said and "a checkout of the book that is yours" in said


# ---- the partial file ---------------------------------------------------------------------------

ODD = [
    b'{"settings": {"seed": 1}, "sec', b"", b"null", b"3", b'"text"', b"[]", b"{}", b"\xff\xfe{}",
    b'{"settings": {"seed": 1}}', b'{"settings": 1, "seconds": 1.0, "result": {}}',
    b'{"settings": {"seed": 1}, "seconds": "1", "result": {}}',
    b'{"settings": {"seed": 1}, "seconds": 1.0, "result": []}',
    b'{"settings": {"seed": 1}, "seconds": 1.0, "result": {}, "code": "3"}',
    b"<<<<<<< HEAD", 100_000 * b"[", b"9" * 5000,
]  # fmt: skip


def test_lines_that_are_no_finished_runs_are_passed_over_with_a_word(tmp_path, capsys) -> None:
    path = tmp_path / "tiny.partial.jsonl"
    run = json.dumps(recorded(0)).encode()
    path.write_bytes(b"\n".join([*ODD, run, ODD[0]]))
    assert partial.read(path) == {partial.key({"seed": 0}): recorded(0)}
    odd = [k for k, line in enumerate(ODD, 1) if line] + [len(ODD) + 2]
    numbers = ", ".join(map(str, odd))
    assert capsys.readouterr().out == (
        f"tiny.partial.jsonl: no finished run is on lines {numbers}, passed over\n"
    )
    partial.append(path, recorded(1))  # behind half a line
    assert len(partial.read(path)) == 2
    partial.drop(path, set())
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == [
        recorded(0),
        recorded(1),
    ]
    capsys.readouterr()
    assert len(partial.read(path)) == 2
    assert capsys.readouterr().out == ""


def test_a_quick_study_with_fewer_seeds_takes_its_own_runs_only(tmp_path) -> None:
    path = tmp_path / "tiny.partial.jsonl"
    for seed in (0, 1, 2):
        partial.append(path, recorded(seed))
    study.run_study("tiny", tiny_study.run, [{"seed": 0}], folder=tmp_path)
    assert list(partial.read(path)) == [partial.key({"seed": seed}) for seed in (1, 2)]
    study.run_study("tiny", tiny_study.run, [{"seed": s} for s in range(2)], folder=tmp_path)
    assert list(partial.read(path)) == [partial.key({"seed": 2})]
    assert left(tmp_path) == ["tiny.json", "tiny.partial.jsonl"]


@CHECKOUT
def test_finished_runs_can_be_committed_and_nothing_else_that_is_not_done() -> None:
    def ignored(name: str) -> bool:
        line = ["git", "-C", str(ROOT), "check-ignore", "--quiet", name]
        return subprocess.run(line).returncode == 0

    assert not ignored("data/results/far_long.partial.jsonl")
    for name in [
        "far_long.json.12.part", "far_long.partial.jsonl.12.part", "far_long.lock",
        "far_trial.json", "far_trial.partial.jsonl", "far_trial_long.json", "x.partial",
    ]:  # fmt: skip
        assert ignored(f"data/results/{name}"), name
    listed = ["git", "-C", str(ROOT), "ls-files", "-z"]
    shipped = subprocess.run(listed, capture_output=True, check=True, encoding="utf-8").stdout
    for name in shipped.split("\0"):
        endings = {".part", ".partial", ".tmp", ".checkpoint"}
        if name.startswith("data/"):
            endings |= {".lock"}  # elsewhere a lock is one of packages
        unfinished = endings & set(Path(name).suffixes)
        assert not unfinished or Path(name).match("data/results/*.partial.jsonl"), name


def test_shipped_partial_files_hold_finished_runs(capsys) -> None:
    for path in ROOT.glob("data/results/*.partial.jsonl"):
        assert partial.read(path), path.name
    assert capsys.readouterr().out == ""  # a word for each odd line


# ---- which code -----------------------------------------------------------------------------------


def test_runs_of_other_code_are_used_with_a_word_and_made_anew_on_request(tmp_path, capsys) -> None:
    path = tmp_path / "tiny.partial.jsonl"
    earlier = version.code() | {"rnnlib": "0123456789ab"}
    both = [{"seed": 0}, {"seed": 1}, {"seed": 2}]

    def there() -> None:
        for seed, code in enumerate([{"code": earlier}, {"code": {}}, {}]):
            partial.append(path, recorded(seed, **code))
        line = path.read_bytes().replace(b', "code": {}', b"")  # as older versions wrote
        path.write_bytes(line)

    there()
    record = json.loads(study.run_study("tiny", tiny_study.run, both, folder=tmp_path).read_bytes())
    assert record["code"] == [earlier | {"runs": 1}, {"runs": 1}, version.code() | {"runs": 1}]
    assert [r["result"] for r in record["runs"]] == [{"a": 0}, {"a": 1}, {"a": 2}]
    said = capsys.readouterr().out
    assert "tiny: 2 of them were made by other versions; --anew makes them again:" in said
    assert "1 runs: version unknown" in said and "0123456789ab" in said
    there()
    token = study.anew.set(True)
    try:
        again = study.run_study("tiny", tiny_study.run, both, workers=1, folder=tmp_path)
    finally:
        study.anew.reset(token)
    record = json.loads(again.read_bytes())
    assert record["code"] == [version.code() | {"runs": 3}]
    assert [r["result"] for r in record["runs"]] == [{"twice": 0}, {"twice": 2}, {"a": 2}]
    assert "2 runs of other versions are made anew" in capsys.readouterr().out
    assert not path.exists()


def test_the_option_anew_is_for_one_command(asked, monkeypatch) -> None:
    found = []
    monkeypatch.setattr(study, "not_lost", lambda name, _: found.append(study.anew.get()) or name)
    monkeypatch.setattr(STUDIES["palindrome"], "not_lost", study.not_lost)
    main(["palindrome", "--anew"])
    main(["palindrome"])
    assert found == [True, False]


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_version_is_the_last_commit_that_changed_a_source(tmp_path) -> None:
    def git(*arguments: str) -> str:
        who = [
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@localhost",
            "-c",
            "commit.gpgsign=false",
        ]
        line = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(line, capture_output=True, check=True, text=True).stdout.strip()

    package = tmp_path / "package"
    (package / "part").mkdir(parents=True)
    source = package / "part" / "one.py"
    source.write_bytes(b"a = 1\nb = 2\n")
    without = version.sources(package)
    assert without.startswith("sources ")
    git("init", "--quiet")
    assert version.sources(package) == without  # nothing is committed
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    first = version.sources(package)
    assert first == git("rev-parse", "HEAD")[:12]
    (tmp_path / "page.md").write_text("a page")
    (package / "script.js").write_text("a script")
    git("add", ".")
    git("commit", "--quiet", "--message", "no source")
    (package / "notes.txt").write_text("neither")
    assert version.sources(package) == first
    source.write_bytes(b"a = 1\r\nb = 2\r\n")  # other ends of lines: a change to git, no other code
    changed = version.sources(package)
    assert changed in (first, f"{first}+{without.split()[1]}")
    source.write_bytes(b"a = 1\nb = 3\n")
    other = version.sources(package)
    assert other.startswith(f"{first}+") and other not in (first, changed)
    git("commit", "--quiet", "--all", "--message", "a source")
    assert version.sources(package) == git("rev-parse", "HEAD")[:12] != first


# ---- machines without a home folder -------------------------------------------------------------


@pytest.mark.parametrize("cache", [None, "~/cache"])
def test_without_a_home_folder_there_is_no_cache_and_the_rest_goes_on(
    cache, monkeypatch, tmp_path
) -> None:
    import pooch

    def homeless(*_: object) -> None:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(pooch, "os_cache", homeless)
    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.delenv("RNNLIB_CACHE", raising=False)
    if cache:
        monkeypatch.setenv("RNNLIB_CACHE", cache)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(tmp_path))
    monkeypatch.setattr(
        corpora, "_download", lambda *_: (_ for _ in ()).throw(OSError("no network"))
    )
    assert corpora.load("grimm", fallback="tales") == corpora.load("tales")
    with pytest.raises(OSError):
        corpora.cache_dir().mkdir(parents=True)
