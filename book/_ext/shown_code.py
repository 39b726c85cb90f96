"""Code from rnnlib, shown without its plumbing.

Pages take code with `literalinclude`, never a second copy. What a reader needs of it is the
mathematics. So docstrings, checks of arguments, comments to formatters and type checkers are left
out, and all decorators but `@shapes`, which says the shapes. A chapter needs no option for it.
"""

import ast
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.directives.code import LiteralInclude

TOOLS = re.compile(r"\s*#\s*(fmt|type|noqa|pragma|ruff|mypy)\b[^#\n]*")


def is_check(statement: ast.stmt) -> bool:
    """Whether a statement only checks arguments: it calls `validate`, or raises."""
    match statement:
        case ast.If(body=body, orelse=[]) | ast.For(body=body, orelse=[]):
            return all(map(is_check, body))
        case ast.Raise():
            return True
        case ast.Expr(value=ast.Call(func=func)):
            return ast.unparse(func).startswith(("validate.", "_check", "_refuse"))
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func, args=args)):
            # x = validate.real("x", x) is x again
            same = name in [ast.unparse(argument) for argument in args]
            return same and ast.unparse(func).startswith("validate.")
    return False


def mathematics(code: str) -> str:
    """The code without plumbing; code that does not parse alone is only freed of comments."""
    lines = code.splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    try:
        tree = ast.parse("\n".join(line[indent:] for line in lines))
    except SyntaxError:
        return TOOLS.sub("", code)
    drop: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        plumbing: list[ast.AST] = [s for s in node.body if is_check(s)]
        if ast.get_docstring(node) is not None:
            plumbing.append(node.body[0])
        plumbing += [d for d in node.decorator_list if not ast.unparse(d).startswith("shapes(")]
        for part in plumbing:
            drop |= {*range(part.lineno, part.end_lineno + 1)}  # type: ignore[attr-defined]
    return TOOLS.sub("", "\n".join(s for n, s in enumerate(lines, 1) if n not in drop)) + "\n"


class ShownCode(LiteralInclude):
    """`literalinclude` that shows of Python code the mathematics."""

    def run(self) -> list[nodes.Node]:
        """The code block, with less in it."""
        result = super().run()
        for block in (b for top in result for b in top.findall(nodes.literal_block)):
            if block.get("language") == "python":
                block.children = [nodes.Text(mathematics(block.astext()))]
                block.rawsource = block.astext()
        return result


def setup(app: Sphinx) -> dict[str, Any]:
    """Take the place of Sphinx's directive."""
    app.add_directive("literalinclude", ShownCode, override=True)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
