#!/usr/bin/env bash
# Looks at the page of the inspector in headless Chromium: that its rows are there, that a search leaves what it has to, that a
# picture of it is not blank.
#
#   examples/inspect/screenshot.sh [DIRECTORY]     the pictures are left there, else in target/inspect
#
# Not a part of .ci/run: a machine that builds the crates need not have a browser.
set -euo pipefail
cd "$(dirname "$0")/../.."

browser=${CHROMIUM:-}
for name in chromium chromium-browser google-chrome; do
    browser=${browser:-$(command -v "$name" || true)}
done
if [ -z "$browser" ]; then
    echo "there is no Chromium: install it (apt-get install chromium), or name one in CHROMIUM" >&2
    exit 2
fi
pictures=${1:-target/inspect}
mkdir -p "$pictures"

scratch=$(mktemp -d)
example=
finish() {
    if [ -n "$example" ]; then
        kill -INT "$example" 2>/dev/null || true
        wait "$example" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

fail() {
    echo "$*" >&2
    exit 1
}

# Without sandbox, for containers: the page is that of the example alone.
look() {
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$scratch/profile" --virtual-time-budget=4000 "$@" 2>>"$scratch/browser.txt"
}

# A background command of a script ignores SIGINT otherwise.
set -m
cargo run --release --example inspect >"$scratch/example.txt" 2>"$scratch/progress.txt" &
example=$!
set +m
for _ in $(seq 6000); do
    grep -q ' at http' "$scratch/example.txt" && break
    kill -0 "$example" 2>/dev/null || fail "the example has ended: $(cat "$scratch/progress.txt")"
    sleep 0.1
done
page=$(grep -o 'http://.*' "$scratch/example.txt")

look --dump-dom "$page" >"$scratch/page.html"
rows=$(grep -o 'role="row" tabindex' "$scratch/page.html" | wc -l)
echo "$rows rows at $page"
[ "$rows" -ge 9 ] || fail "fewer rows than variants"
for variant in blocking background callbacks suspending concurrent not_cancellable progress channels; do
    grep -q "<b>$variant#" "$scratch/page.html" || fail "$variant has no row"
done
grep -q 'class="state running"' "$scratch/page.html" || fail "nothing runs"

look --dump-dom "$page#variants/background.rs" >"$scratch/found.html"
rows=$(grep -o 'role="row" tabindex' "$scratch/found.html" | wc -l)
[ "$rows" -eq 1 ] || fail "a search for one coroutine gives $rows"
grep -q '>1 of [0-9]* coroutines match' "$scratch/found.html" || fail "the search is not told of"

# A page of one colour is a small picture.
look --window-size=1280,800 --screenshot="$scratch/blank.png" about:blank
blank=$(wc -c <"$scratch/blank.png")
for size in 1280,800 420,800; do
    picture=$pictures/${size/,/x}.png
    look --window-size="$size" --screenshot="$picture" "$page"
    bytes=$(wc -c <"$picture")
    [ "$bytes" -gt $((blank * 5)) ] || fail "$picture is blank"
    echo "$picture: $bytes bytes, a blank one has $blank"
done
