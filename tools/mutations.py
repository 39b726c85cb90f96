"""Ways to break a module in one place: what ``tools/mutants.py`` tries on the library.

A mutation is a splice in the source: an operator exchanged, a condition fixed to True or False, a
statement deleted, a constant or a name changed, an argument, a bound or a call dropped. Left alone
are docstrings, type hints, what is raised, f-strings and sentences, what prints an object, progress
bars, assertions for the type checker, the strict of zip, and lines with ``# pragma: no mutate``
and a reason.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import pairwise

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"), ast.Mod: ("%", "//"), ast.Pow: ("**", "*"), ast.MatMult: ("@", "*"),
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"), ast.BitAnd: ("&", "|"),
}  # fmt: skip
PAIRS = (
    "min max, amin amax, argmin argmax, minimum maximum, any all, sum mean, zeros ones, add sub,"
    "zeros_like ones_like, new_zeros new_ones, add_ sub_, mul div, mul_ div_, addcmul_ addcdiv_,"
    "tanh sigmoid, tanh_ sigmoid_, floor ceil, startswith endswith, log log2"
)
NAMES = {a: b for pair in PAIRS.split(",") for a, b in (pair.split(), pair.split()[::-1])}
BUILTINS = {"min", "max", "any", "all"}
EXTREMES = {"min", "max", "minimum", "maximum"}
CONVERSIONS = {"reversed", "sorted", "list", "tuple", "set", "dict", "int", "float", "bool", "abs"}
ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.Tuple)
COSMETIC = {"tqdm", "bar"}  # calls of these, and of their methods
PRINTING = {"__repr__", "__str__", "extra_repr"}


@dataclass(frozen=True)
class Mutant:
    """A whole module with one splice; ``key`` names it without a line number."""

    file: str
    line: int
    lines: range  # from the start of its statement to the end of the splice
    key: str  # "FILE FUNCTION: OLD LINES -> NEW LINES"
    source: str

    def __str__(self) -> str:
        return self.key.replace(" ", f":{self.line} ", 1)


def mutants(file: str, source: str) -> list[Mutant]:
    """All mutants of a module that compile and differ from it, in the order of their lines."""
    finder = Finder(source)
    finder.visit(ast.parse(source))
    text, found = finder.text, {ast.dump(ast.parse(source)): Mutant(file, 0, range(0), "", source)}
    for start, end, new, where, first in sorted(finder.splices):
        line, last = text.count(b"\n", 0, start) + 1, text.count(b"\n", 0, end) + 1
        left, right = finder.starts[line - 1], finder.starts[last]  # whole lines
        mutated = (text[:start] + new.encode() + text[end:]).decode()
        old_new = text[left:right], text[left:start] + new.encode() + text[end:right]
        try:
            tree = ast.dump(ast.parse(mutated))
        except SyntaxError:
            continue
        if b"pragma: no mutate" not in old_new[0]:
            key = " -> ".join(" ".join(lines.decode().split()) for lines in old_new)
            lines = range(first, last + 1)
            found.setdefault(tree, Mutant(file, line, lines, f"{file} {where}: {key}", mutated))
    return list(found.values())[1:]


class Finder:
    """Walks over a module and collects splices: start, end, new text, function, statement's line.

    Positions are in bytes, as those of ``ast`` are.
    """

    def __init__(self, source: str):
        self.text = source.encode()
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.splices: set[tuple[int, int, str, str, int]] = set()
        self.scope: list[str] = []
        self.first = 1
        self.imported = {"super"}  # no objects to call a method on

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node starts and ends."""
        line, last, start, end = (
            getattr(node, name) for name in ("lineno", "end_lineno", "col_offset", "end_col_offset")
        )
        return self.starts[line - 1] + start, self.starts[last - 1] + end

    def put(self, node: ast.AST, *news: str | ast.AST) -> None:
        """Put each text, or another node's text, in the place of a node."""
        for new in news:
            if isinstance(new, ast.AST):
                start, end = self.span(new)
                copied = self.text[start:end].decode()
                new = copied if isinstance(new, ATOMS) else f"({copied})"
            self.splice(*self.span(node), new)

    def splice(self, start: int, end: int, new: str) -> None:
        """Put a text in the place of these bytes."""
        self.splices.add((start, end, new, ".".join(self.scope) or "<module>", self.first))

    def swap(self, left: ast.AST, operator: ast.AST, right: ast.AST) -> None:
        """Exchange the operator between two operands."""
        if type(operator) in OPERATORS:
            old, new = OPERATORS[type(operator)]
            start = self.text.index(old.encode(), self.span(left)[1], self.span(right)[0])
            self.splice(start, start + len(old), new)

    def visit(self, node: ast.AST | None) -> None:
        """Collect the splices of a node and of all that it holds."""
        if isinstance(node, ast.stmt):
            self.first = node.lineno
        parts: list[ast.AST | None] = list(ast.iter_child_nodes(node)) if node else []
        match node:
            # What is left alone, and definitions.
            case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
                parts = []
            case ast.Import() | ast.ImportFrom():
                self.imported |= {(name.asname or name.name).split(".")[0] for name in node.names}
            case ast.FunctionDef() | ast.ClassDef():
                self.define(node)
                parts = []
            case ast.arguments():
                parts = [*node.defaults, *node.kw_defaults]
            case ast.AnnAssign():
                parts = [node.target, node.value]
            # Statements.
            case ast.Expr(value=ast.Call() as call):
                if root(call) not in COSMETIC:
                    self.put(node, "pass")
                    self.arguments(call)
                parts = []
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                parts = []
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value)):
                    self.put(node, "pass")
            case ast.AugAssign():
                self.put(node, "pass")
                self.swap(node.target, node.op, node.value)
            case ast.Return(value=ast.AST()):
                self.put(node, "return None")
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name("__name__"))):
                parts = [*node.body, *node.orelse]
            case ast.If(body=[ast.Raise()], orelse=[]) | ast.While():
                self.put(node.test, "False")
            case ast.If() | ast.IfExp():
                self.put(node.test, "True", "False")
            case ast.comprehension():
                for test in node.ifs:
                    self.put(test, "True")
            case ast.Break():
                self.put(node, "continue")
            case ast.Continue():
                self.put(node, "break")
            case ast.withitem(context_expr=context, optional_vars=None):
                if root(context) not in COSMETIC:
                    self.put(context, '__import__("contextlib").nullcontext()')
            case ast.ExceptHandler(type=ast.AST() as kind):
                for one in kind.elts if isinstance(kind, ast.Tuple) else [kind]:
                    self.put(one, "()")
                parts = [*node.body]
            # Expressions.
            case ast.BinOp(op=ast.BitOr()):
                self.put(node, node.left, node.right)
            case ast.BinOp():
                self.swap(node.left, node.op, node.right)
            case ast.BoolOp():
                for left, right in pairwise(node.values):
                    self.swap(left, node.op, right)
                    self.splice(self.span(left)[0], self.span(right)[0], "")
                self.splice(self.span(node.values[-2])[1], self.span(node.values[-1])[1], "")
            case ast.UnaryOp():
                self.put(node, node.operand)
            case ast.Compare():
                operands = pairwise([node.left, *node.comparators])
                for operator, (left, right) in zip(node.ops, operands, strict=True):
                    self.swap(left, operator, right)
            case ast.Slice():
                for bound in parts:
                    if bound:
                        self.put(bound, "")
            case ast.Attribute(attr="T" | "mT"):
                self.put(node, node.value)
            case ast.Attribute(attr=name) if name in NAMES:
                end = self.span(node)[1]
                self.splice(end - len(name), end, NAMES[name])
            case ast.Name(id=name) if name in BUILTINS:
                self.put(node, NAMES[name])
            case ast.Constant(value=bool() as value):
                self.put(node, str(not value))
            case ast.Constant(value=int() | float() as value):
                self.put(node, repr(value + 1))
            case ast.Constant(value=str() as value) if not re.search(r"\w,? \w", value):
                self.put(node, '"mutant"')
            case ast.Call():
                self.call(node)
                parts = []
        for part in parts:
            self.visit(part)

    def define(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        """A function or class: its decorators are dropped one by one; then defaults and body."""
        if node.name in PRINTING:
            return
        self.scope.append(node.name)
        for decorator in node.decorator_list:
            start, end = self.span(decorator)
            self.splice(self.text.rindex(b"@", 0, start), end, "#")
        for part in [*([node.args] if isinstance(node, ast.FunctionDef) else []), *node.body]:
            self.visit(part)
        self.scope.pop()

    def call(self, node: ast.Call) -> None:
        """What goes in comes out unchanged: the object of a method, or the only argument."""
        called, start = node.func, root(node.func)
        if start in COSMETIC:
            return
        if isinstance(called, ast.Name) and called.id == "cast":
            self.visit(node.args[1])
            return
        name = called.attr if isinstance(called, ast.Attribute) else start
        if start == "validate":
            self.put(node, *node.args[1:2])
        elif isinstance(called, ast.Attribute) and start not in self.imported:
            if not (isinstance(called.value, ast.Name) and called.value.id in ("self", "cls")):
                self.put(node, called.value)
        elif len(node.args) == 1 and (isinstance(called, ast.Attribute) or name in CONVERSIONS):
            self.put(node, node.args[0])
        if name in EXTREMES and len(node.args) == 2:
            self.put(node, *node.args)
        self.arguments(node)

    def arguments(self, node: ast.Call) -> None:
        """Each keyword and the last of several positional arguments is dropped."""
        checks = root(node.func) == "validate"  # ("name", value, ...): these two must be there
        given = sorted([*node.args, *node.keywords], key=self.span)
        for argument, after in pairwise([*given, None]):
            if strict(argument):
                continue
            if isinstance(argument, ast.keyword) or argument in node.args[1 + checks :][-1:]:
                start, end = self.span(argument)
                self.splice(start, self.span(after)[0] if after else end, "")
        self.visit(node.func)
        for i, argument in enumerate(given):
            if strict(argument):
                continue
            before = set(self.splices)
            self.visit(argument)
            # A check's first string names the argument. Others are sizes, or describe a type.
            if checks and i > 0 and "one_of" not in ast.unparse(node.func):
                self.splices -= {s for s in self.splices - before if s[2] == '"mutant"'}


def strict(argument: ast.AST | None) -> bool:
    """Whether an argument is the ``strict`` of zip: it guards against ourselves, not a reader."""
    return isinstance(argument, ast.keyword) and argument.arg == "strict"


def root(node: ast.AST) -> str:
    """The name that a chain of attributes, calls and subscripts starts with, or nothing."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
