"""Data of a figure as a script, which a page loads before the figure's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rnnlib import validate


def data_script(
    store: str, name: str, data: Mapping[str, Any], parts: Sequence[str], maker: str
) -> str:
    """One line that sets ``store.name`` to the ``parts`` of what the function ``maker`` returns.

    ``data`` may hold more, as a study's record does. Raises ValueError if something is missing.
    """
    validate.instance("data", data, Mapping, "a dict")
    if missing := [part for part in parts if part not in data]:
        raise ValueError(f"data must be what {maker} returns, got none of its {missing}")
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        raise ValueError(f"name must be of letters, digits and _, got {name!r}")
    content = json.dumps({part: data[part] for part in parts}, separators=(",", ":"))
    content = content.replace("<", "\\u003c")  # it stands inside a page
    return f"(globalThis.{store} ??= {{}}).{name} = {content};\n"
