"""Full-size runs, one file a study: ``python -m rnnlib.experiments palindrome --help``.

A study runs a function over settings and seeds on all cores, can be interrupted and continued,
and writes ``data/results/<study>.json`` with command, seeds, versions, hardware and time. Its
finished runs stand in ``data/results/<study>.partial.jsonl`` until then. A trial needs ``--name``.
Notebooks plot that record with ``rnnlib.experiments.load(name)``.
"""

from rnnlib.experiments.study import load

__all__ = ["load"]
