"""Build the book into _build/html; equations are set by KaTeX where Node and KaTeX are there.

    python tools/build_book.py [--strict] [--builder html|linkcheck]

STRICT=1 in the environment does the same as --strict: warnings are errors. With --builder linkcheck
every link is visited instead, and the broken ones are listed with their places.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import page_weights
import page_words
import yaml
from paste import paste

ROOT = Path(__file__).resolve().parent.parent
KATEX = ROOT / "node_modules/katex/dist/katex.min.js"


def config_file() -> Path:
    """The configuration to build with: _config.yml, or a copy that sets equations with KaTeX."""
    plain = ROOT / "_config.yml"
    local = ROOT / "_build" / "_config.local.yml"
    vendored = ROOT / "book/_static/vendor/katex/katex.min.css"
    if not (shutil.which("node") and KATEX.exists() and vendored.exists()):
        print("==> equations: MathJax from a CDN (readers need a network and scripts)", flush=True)
        return plain
    print("==> equations: set by KaTeX now (the book works offline)", flush=True)
    config = yaml.safe_load(plain.read_text("utf-8"))
    extensions = config["sphinx"]["local_extensions"] | {"equations": "book/_ext"}
    # Jupyter Book looks for them beside the configuration.
    config["sphinx"]["local_extensions"] = {k: str(ROOT / v) for k, v in extensions.items()}
    config["sphinx"]["config"]["html_math_renderer"] = "katex"
    local.parent.mkdir(exist_ok=True)
    local.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return local


def report_links(folder: Path) -> int:
    """List the links that are broken; 1 if there are any."""
    lines = (folder / "output.json").read_text("utf-8").splitlines()
    links = [json.loads(line) for line in lines]
    outside = [link for link in links if link["uri"].startswith("http")]
    broken = [link for link in links if link["status"] in ("broken", "timeout")]
    for link in broken:
        print(f"{link['filename']}:{link['lineno']}: {link['uri']}\n    {link['info']}")
    if not broken:
        print(f"==> {len(links)} links, none of them broken")
        return 0
    print(f"\n{len(broken)} of {len(links)} links are broken: see above.", file=sys.stderr)
    if outside and all(link in broken for link in outside):
        print("Not one page answered: is this machine connected?", file=sys.stderr)
    else:
        print("Mend each in its file, then run: make linkcheck", file=sys.stderr)
    return 1


def main() -> int:
    """Run jupyter-book and print where the book lies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--strict", action="store_true", default=os.environ.get("STRICT") == "1")
    parser.add_argument("--builder", choices=("html", "linkcheck"), default="html")
    args = parser.parse_args()

    print("==> taking the outputs that pages show out of the notebooks", flush=True)
    try:
        paste(ROOT)
    except ValueError as problem:
        print(f"{problem}\nMend the cell, then run: make execute", file=sys.stderr)
        return 1
    jupyter_book = "from jupyter_book.cli.main import main; main()"  # it has no __main__
    command = [sys.executable, "-c", jupyter_book, "build", str(ROOT), "--all", "--quiet"]
    command += ["--config", str(config_file())]
    visited = ROOT / "_build" / "linkcheck"
    if args.builder == "linkcheck":
        shutil.rmtree(visited, ignore_errors=True)
        command += ["--builder", "custom", "--custom-builder", "linkcheck"]  # beside the book
    if args.strict:
        command += ["-W", "--keep-going", "-n"]
    what = "building the book" if args.builder == "html" else "visiting every link"
    print(f"==> {what}" + (", warnings are errors" if args.strict else ""), flush=True)
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    if (visited / "output.json").exists() and args.builder == "linkcheck":
        return report_links(visited) or done.returncode
    if done.returncode:
        print(
            f"The book could not be built (jupyter-book gave {done.returncode}).", file=sys.stderr
        )
        return done.returncode
    if args.builder == "html":
        static = ROOT / "_build/html/_static"
        for script in page_weights.write(static) + page_words.write(static):
            print(f"==> {script.name}: {script.stat().st_size / 1000:.0f} kB")
        print(f"==> the book: {(ROOT / '_build/html/index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
