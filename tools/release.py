"""A release is a tag: its first cells install that tag, and its Colab buttons open it.

    python tools/release.py 0.2.0    write version 0.2.0 and the tag v0.2.0 into the files
    python tools/release.py main     afterwards, go on: first cells install main again
    python tools/release.py check    prove that the files agree

The version stands in rnnlib/__init__.py, the tag in tools/first_cell.py. CHANGELOG.md says what
a version brings, before it is released.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"\d+\.\d+\.\d+")
MAIN = "main"
# Each pattern takes what stands before and behind the value; a notebook escapes quotes.
NUMBER = {
    "rnnlib/__init__.py": re.compile(r'(^__version__ = ")([^"]+)(")', re.MULTILINE),
    "CITATION.cff": re.compile(r"(^version: )(\S+)()", re.MULTILINE),
}
CELL = re.compile(r'(    version = \\?")([^"\\]+)(\\?"  # in a release)')
BRANCH = re.compile(r"(^  branch: )(\S+)()", re.MULTILINE)
FIRST_CELL = "tools/first_cell.py"


def references(root: Path) -> dict[Path, re.Pattern[str]]:
    """The files that name what is installed or opened: main, or a tag."""
    notebooks = [*root.glob("notebooks/*.ipynb"), *root.glob("notebooks/src/*.py")]
    found = {path: CELL for path in [root / FIRST_CELL, *sorted(notebooks)]}
    return {**found, root / "_config.yml": BRANCH}


def read(path: Path, pattern: re.Pattern[str]) -> str:
    """The one value in a file."""
    found = pattern.findall(path.read_text("utf-8"))
    return str(found[0][1]) if len(found) == 1 else f"{len(found)} values"


def write(path: Path, pattern: re.Pattern[str], value: str) -> None:
    """Put `value` in its place."""
    text = pattern.sub(rf"\g<1>{value}\g<3>", path.read_text("utf-8"))
    path.write_text(text, "utf-8", newline="\n")


def check(root: Path) -> list[str]:
    """Every file that names another version or tag than the two where they stand."""
    number = read(root / "rnnlib/__init__.py", NUMBER["rnnlib/__init__.py"])
    reference = read(root / FIRST_CELL, CELL)
    wanted = {root / name: (pattern, number) for name, pattern in NUMBER.items()}
    wanted |= {path: (pattern, reference) for path, pattern in references(root).items()}
    problems = [
        f"{path.relative_to(root)} has {read(path, pattern)}, expected {value}"
        for path, (pattern, value) in wanted.items()
        if read(path, pattern) != value
    ]
    if reference not in (MAIN, f"v{number}"):
        problems.append(f"{FIRST_CELL} has {reference}, expected {MAIN} or v{number}")
    return problems + unsaid(root, number)


def unsaid(root: Path, number: str) -> list[str]:
    """The version that CHANGELOG.md says nothing about, if it does not."""
    named = f"## {number}\n" in (root / "CHANGELOG.md").read_text("utf-8")
    return [] if named else [f"CHANGELOG.md has no section '## {number}'"]


def main() -> int:
    """Run one command; 0 when the files agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    parser.add_argument("version", help=f"a version such as 0.2.0, {MAIN}, or check")
    args = parser.parse_args()
    if VERSION.fullmatch(args.version):
        if problems := unsaid(args.root, args.version):
            print("\n".join(problems))
            return 1
        for name, pattern in NUMBER.items():
            write(args.root / name, pattern, args.version)
    elif args.version not in (MAIN, "check"):
        parser.error(f"expected a version such as 0.2.0, {MAIN} or check, got {args.version!r}")
    if args.version != "check":
        reference = MAIN if args.version == MAIN else f"v{args.version}"
        for path, pattern in references(args.root).items():
            write(path, pattern, reference)
    if problems := check(args.root):
        print("\n".join(problems))
        return 1
    reference = read(args.root / FIRST_CELL, CELL)
    print(f"{len(references(args.root))} files name {reference}")
    if args.version not in (MAIN, "check"):
        print(
            f"Now: git commit -am 'Release {args.version}', git tag {reference}, "
            f"python tools/release.py {MAIN}, git commit -am 'Back to {MAIN}', "
            f"git push origin {MAIN} {reference}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
