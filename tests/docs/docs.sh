#!/usr/bin/env bash
# docs.sh - docs/keras-map.md is true: its C compiles, its flags exist, and nothing public is on no page;
# every layer is in it and in formats.md; ARCHITECTURE.md lists every pitfall
#
# In the map's tables a code span of a column "C" is a statement; under a head "C: `tmb_x_opts`" one that
# begins with a dot is what stands between the braces of that struct. Its first block of C declares what
# the statements speak of.
set -u
. "$(dirname "$0")/../meta.sh"
cc=${CC:-cc}
map=$root/docs/keras-map.md
pages=("$map" "$root"/README.md "$root"/docs/*.md)

# Every span of C in the map as a block of its own, under the number of its line.
as_c() {
    echo '#include <thimble/thimble.h>'
    awk '/^```c$/ {inside = 1; next} /^```$/ {if (inside) exit} inside' "$map"
    echo 'int main(void) {'
    awk -F' *[|] *' '
        function span(text, type) {
            if (text ~ /^\./) text = "(void)(" type "){" text "}"
            printf "#line %d \"keras-map.md\"\n{ %s; }\n", NR, text
        }
        function spans(cell, type,   n, part) {
            n = split(cell, part, "`")
            for (i = 2; i <= n; i += 2) if (part[i] ~ /[.(]/) span(part[i], type)
        }
        !/^\|/ {
            in_table = 0
            n = split($0, part, "`")
            for (i = 2; i <= n; i += 2)
                if (part[i] ~ /^(tmb_[a-z0-9_]+\(|TMB_)/) span("(void)" part[i], "")
        }
        /^\|/ && !in_table {
            in_table = 1
            has_c = $3 ~ /^C(:|$)/
            split($3, head, "`"); type = head[2]; next
        }
        /^\|/ && has_c && !/^\|-/ {spans($3, type)}
    ' "$map"
    echo '}'
}
source=$(as_c)
compiles() { $cc -std=c11 -fsyntax-only -Wall -Wno-unused-value -Werror -I"$root/include" -x c - <<<"$source"; }
check "C in keras-map.md" compiles
n=$(grep -c '^{ ' <<<"$source")
if [ "$n" -gt 100 ]; then pass; else fail "only $n lines of C were found in keras-map.md"; fi

# A list of names against another; what only the first has is a failure.
all_in() { # WHAT NAMES IN
    local missing
    missing=$(comm -23 <(sort -u <<<"$2") <(sort -u <<<"$3"))
    if [ -z "$missing" ]; then pass; else fail "$1: "$missing; fi
}
words=$(grep -ohE '(--[a-z][a-z0-9-]+|\btmb_[a-z0-9_]+)' "${pages[@]}")
options=$(grep -oE '^X\([A-Z_0-9]+, "[a-z0-9-]+"' "$root/tools/options.def" | sed -E 's/.*"(.*)"/--\1/')
all_in "keras-map.md names no option of tools/options.def" "$(grep -ohE '(^|[ `])--[a-z][a-z0-9-]+' "$map" | tr -d ' `')" "$options"
all_in "options on no page of docs/ (see docs/keras-map.md)" "$options" "$words"

# A function that a macro stands for is written as the macro.
headers=$(cat "$root"/include/thimble/*.h | sed 's|/\*.*\*/||' | tr '\n' ' ' | sed 's|/\*[^*]*\*/||g')
functions=$(grep -oE 'TMB_API [^;(]*\(' <<<"$headers" | grep -oE 'tmb_[a-z0-9_]+\($' | tr -d '(')
macros=$(sed -n -E 's/^#define (tmb_[a-z0-9_]+)\(.*/\1/p' "$root"/include/thimble/*.h)
behind=$(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' "$root"/include/thimble/*.h |
    sed -n -E 's/^#define tmb_[a-z0-9_]+\([^)]*\) +(tmb_[a-z0-9_]+).*/\1/p')
all_in "public functions on no page of docs/ (see docs/keras-map.md)" \
    "$macros"$'\n'"$(comm -23 <(sort -u <<<"$functions") <(sort -u <<<"$behind"))" "$words"

classes=$(grep -oE '^X\([A-Z0-9_]+, "[A-Za-z0-9]+' "$root/src/nn/layers.def" | sed 's/.*"//')
for page in keras-map formats; do
    all_in "layers that are not in $page.md" "$classes" "$(grep -oE '[A-Z][A-Za-z0-9]+' "$root/docs/$page.md")"
done

listed=$(sed '1,/^## Known pitfalls/d' "$root/ARCHITECTURE.md" | grep -oE '(src|tools)/[a-z0-9_/]+\.[ch]')
marked=$(cd "$root" && grep -rl 'PITFALL:' src tools include)
all_in "files with a PITFALL that ARCHITECTURE.md does not list" "$marked" "$listed"
finish
