#!/usr/bin/env bash
# Install what sets the book's equations, what cuts its style and what its checks need, and bring KaTeX's style, fonts
# and copying and the text's typeface into book/_static/vendor/, so that the built book needs no network.
# Run from anywhere; running it again is harmless.
#
#   tools/vendor.sh           install (package-lock.json) and copy
#   tools/vendor.sh --clean   remove what it made
#
# Layout (the fonts are found relative to the style):
#   book/_static/vendor/katex/katex.min.css
#   book/_static/vendor/katex/fonts/*.woff2
#   book/_static/vendor/katex/copy-tex.min.js     <- a copied equation is its TeX
#   book/_static/vendor/text/text.css, *.woff2
# The folder is a build product: git ignores it. Exit 3: npm is missing or Node is too old (pages then use MathJax from a CDN).
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

without() {
  say "$1: nothing vendored. The book still builds; its pages then load" >&2
  say "MathJax from a CDN, so equations need a network. Install Node.js 20 or later from https://nodejs.org" >&2
  say "(npm comes with it; on Debian and Ubuntu: sudo apt-get install npm), then run the same command again." >&2
  exit 3
}
for tool in node npm; do
  command -v "$tool" >/dev/null 2>&1 || without "$tool is not installed"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || without "Node.js $major is too old"

lock=$(node -p 'require("crypto").createHash("sha256").update(require("fs").readFileSync("package-lock.json")).digest("hex")')
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$lock" ]; then
  say "node_modules is as package-lock.json says"
else
  say "npm ci (about 30 packages, 23 MB unpacked)"
  npm ci --loglevel=error --no-audit --no-fund --ignore-scripts >/dev/null || {
    say "npm could not fetch what package-lock.json names; its message is above. Is there a connection" >&2
    say "to the npm registry? Without it the book still builds, and its equations need a network." >&2
    exit 1
  }
  printf '%s\n' "$lock" >"$stamp"
fi

katex=node_modules/katex
version=$(node -p "require('./$katex/package.json').version")
new=$target/.katex.$$
text=$target/.text.$$
trap 'rm -rf "$new" "$text"' EXIT
rm -rf "$target"/.katex.* "$target"/.text.*
mkdir -p "$new/fonts"
cp "$katex/dist/katex.min.css" "$katex/dist/contrib/copy-tex.min.js" "$katex/LICENSE" "$new/"
cp "$katex"/dist/fonts/*.woff2 "$new/fonts/"
printf '%s\n' "$version" >"$new/VERSION"
rm -rf "$target/katex" "$target/mathjax" # mathjax: vendored until equations were set at build time
mv "$new" "$target/katex"

# Latin letters only, upright and italic; a reader whose line is slow gets the system's letters on
# the first page (optional), so that nothing moves and nothing waits.
source=node_modules/@fontsource-variable/source-sans-3
mkdir -p "$text"
cp "$source/LICENSE" "$text/"
for style in normal italic; do
  cp "$source/files/source-sans-3-latin-wght-$style.woff2" "$text/"
  cat <<CSS >>"$text/text.css"
@font-face {
  font-family: "Book Text";
  font-style: $style;
  font-weight: 200 900;
  font-display: optional;
  size-adjust: 107%;
  src: url(source-sans-3-latin-wght-$style.woff2) format("woff2");
  unicode-range: U+0000-00FF, U+0131, U+0152-0153, U+02BB-02BC, U+02C6, U+02DA, U+02DC, U+2000-206F, U+20AC, U+2122, U+2191, U+2193, U+2212;
}
CSS
done
rm -rf "$target/text"
mv "$text" "$target/text"

files=$(find "$target/katex" -type f | wc -l | tr -d ' ')
size=$(du -sk "$target/katex" | cut -f1)
say "KaTeX $version -> $target/katex ($files files, $size KB); the typeface -> $target/text"
