#!/usr/bin/env bash
# Bring the scripts that the book's pages load into book/_static/vendor/, so that the built
# book renders without any network. Run from anywhere; running it again is harmless.
#
#   tools/vendor.sh           install (package-lock.json) and copy
#   tools/vendor.sh --clean   remove what it made
#
# Layout (the fonts are found relative to the script, so both must stay together):
#   book/_static/vendor/mathjax/tex-chtml-full.js                <- mathjax_path: vendor/mathjax/tex-chtml-full.js
#   book/_static/vendor/mathjax/output/chtml/fonts/woff-v2/*.woff
#   book/_static/vendor/mathjax/{a11y,input,sre}/                <- spoken mathematics: fetched when a reader asks for it
#                                                                   in MathJax's menu (Accessibility > Activate)
# The folder is a build product: git ignores it. Exit 3: npm is missing (pages then use the CDN).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=book/_static/vendor
stamp=node_modules/.vendor-stamp

say() { printf 'vendor: %s\n' "$*"; }

if [ "${1:-}" = --clean ]; then
  rm -rf "$target" node_modules
  say "removed $target and node_modules"
  exit 0
fi
[ $# -eq 0 ] || { say "unknown argument: $1" >&2; exit 2; }

for tool in node npm; do
  command -v "$tool" >/dev/null 2>&1 || {
    say "$tool is not installed: nothing vendored. The book still builds and then loads MathJax" >&2
    say "from a CDN, so its equations need a network. Install Node.js 20 or later (npm comes with it)." >&2
    exit 3
  }
done

lock=$(node -p 'require("crypto").createHash("sha256").update(require("fs").readFileSync("package-lock.json")).digest("hex")')
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$lock" ]; then
  say "node_modules is as package-lock.json says"
else
  say "npm ci (3 packages, about 40 MB unpacked)"
  npm ci --loglevel=error --no-audit --no-fund --ignore-scripts >/dev/null
  printf '%s\n' "$lock" >"$stamp"
fi

mj=node_modules/mathjax
version=$(node -p "require('./$mj/package.json').version")
new=$target/.mathjax.$$
trap 'rm -rf "$new"' EXIT
rm -rf "$target"/.mathjax.*
mkdir -p "$new/output/chtml/fonts" "$new/a11y" "$new/input" "$new/sre/mathmaps"
cp "$mj/es5/tex-chtml-full.js" "$mj/LICENSE" "$new/"
cp -R "$mj/es5/output/chtml/fonts/woff-v2" "$new/output/chtml/fonts/"
cp "$mj"/es5/a11y/*.js "$new/a11y/"
cp "$mj/es5/input/mml.js" "$new/input/"
cp "$mj/es5/sre/mathmaps/base.json" "$mj/es5/sre/mathmaps/en.json" "$new/sre/mathmaps/"
printf '%s\n' "$version" >"$new/VERSION"
rm -rf "$target/mathjax"
mv "$new" "$target/mathjax"

files=$(find "$target/mathjax" -type f | wc -l | tr -d ' ')
size=$(du -sk "$target/mathjax" | cut -f1)
say "MathJax $version -> $target/mathjax ($files files, $size KB)"
