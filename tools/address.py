"""The repository's address: it stands in pyproject.toml, and this proves or rewrites the rest.

python tools/address.py check
python tools/address.py set https://github.com/OWNER/REPOSITORY
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
# Every way in which a page or a button names a GitHub repository.
SLUG = re.compile(
    r"(?:github\.com/|colab\.research\.google\.com/github/|mybinder\.org/v2/gh/"
    r"|raw\.githubusercontent\.com/)([\w.-]+/[\w.-]+)"
)
ALWAYS = ("pyproject.toml", "_config.yml", "README.md", "CITATION.cff", "tools/first_cell.py")


def address(root: Path) -> str:
    """The address as pyproject.toml has it."""
    with (root / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["urls"]["Repository"])


def slug(url: str) -> str:
    """OWNER/REPOSITORY of a GitHub address."""
    match = GITHUB.fullmatch(url)
    if not match:
        raise SystemExit(f"expected https://github.com/OWNER/REPOSITORY, got {url!r}")
    return match[1]


def files(root: Path) -> list[Path]:
    """The files that must name the repository."""
    notebooks = [*root.glob("notebooks/*.ipynb"), *root.glob("notebooks/src/*.py")]
    return [root / name for name in ALWAYS] + sorted(notebooks)


def first_cell(path: Path, text: str) -> str:
    """Of a notebook or twin the part that installs rnnlib; chapters may name other projects."""
    if "notebooks" not in path.parts[-3:-1]:
        return text
    return "\n".join(line for line in text.splitlines() if "address = " in line)


def check(root: Path) -> list[str]:
    """Every file that does not name the repository, or names another in its place."""
    ours = slug(address(root))
    problems = []
    for path in files(root):
        name = path.relative_to(root)
        if not path.exists():
            problems.append(f"{name} is missing")
            continue
        found = SLUG.findall(first_cell(path, path.read_text("utf-8")))
        named = {other.rstrip(".").removesuffix(".git") for other in found}
        if ours not in named:
            problems.append(f"{name} does not name {ours}")
        problems += [
            f"{name} names {other}, expected {ours} (from pyproject.toml)"
            for other in sorted(named - {ours})
        ]
    return problems


def rewrite(root: Path, url: str) -> None:
    """Put `url` in the place of the present address, everywhere."""
    old, new = slug(address(root)), slug(url)
    pages = [root / "Makefile", *root.glob("book/*.md")]
    for path in [*files(root), *pages]:
        if not path.exists():
            continue
        text = path.read_text("utf-8")
        changed = text.replace(old, new)
        changed = changed.replace(old.replace("/", ".github.io/"), new.replace("/", ".github.io/"))
        if changed != text:
            path.write_text(changed, "utf-8", newline="\n")
            print(f"{path.relative_to(root)}: {old} -> {new}")


def main() -> int:
    """Run one command; 0 when the address is the same everywhere."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    parser.add_argument("command", choices=("check", "set"))
    parser.add_argument("url", nargs="?", help="the new address, for set")
    args = parser.parse_args()
    if args.command == "set":
        if not args.url:
            parser.error("set needs the new address: https://github.com/OWNER/REPOSITORY")
        rewrite(args.root, args.url)
    if problems := check(args.root):
        print("\n".join(problems))
        return 1
    print(f"{len(files(args.root))} files name {address(args.root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
