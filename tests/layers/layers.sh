#!/usr/bin/env bash
# layers.sh - every #include obeys src/layers.txt, and file names are unique in the tree
set -u
. "$(dirname "$0")/../meta.sh"
cd "$root" || exit 1

# One line per #include: module, file, line, what is included with its quotes or brackets.
includes() {
    find src tools examples bench \( -name '*.c' -o -name '*.h' -o -name '*.def' \) -print0 |
        xargs -0 grep -HnE '^[[:space:]]*#[[:space:]]*include' |
        sed -E 's/^([^:]*):([0-9]*):[^"<]*(["<][^">]*[">]).*/\1 \2 \3/' |
        while read -r file line what; do
            case $file in
            src/backend/*/*) module=${file#src/} && module=${module%/*} ;;
            src/*) module=${file#src/} && module=${module%%/*} ;;
            *) module=${file%%/*} ;;
            esac
            echo "$module $file $line $what"
        done
}

# The law, then the includes: prints a line for each include that breaks it.
judge() {
    awk '
    function allow_below(module, door,    i, n, list) {
        if ((module, door) in may) return
        may[module, door] = 1
        n = split(doors[door], list, " ")
        for (i = 1; i <= n; i++) allow_below(module, list[i])
    }
    FILENAME == "src/layers.txt" {
        sub(/#.*/, "")
        if (split($0, half, "|") == 0 || !match(half[1], /:/)) next
        module = substr(half[1], 1, RSTART - 1)
        doors[module] = substr(half[1], RSTART + 1)
        n = split(doors[module], list, " ")
        for (i = 1; i <= n; i++) {
            if (list[i] ~ /^</) { public_only[module] = public_only[module] " " list[i]; continue }
            if (!(list[i] in doors)) print "src/layers.txt: " module " names " list[i] " before it is there"
            allow_below(module, list[i])
        }
        n = split(half[2], list, " ")
        for (i = 1; i <= n; i++) { uses[module, list[i]] = 1; library[list[i]] = 1 }
        next
    }
    {
        module = $1; place = $2 ":" $3 ": "; what = $4
        name = substr(what, 2, length(what) - 2)
        if (!(module in doors)) { print place "module " module " is not in src/layers.txt"; next }
        if (what ~ /^"/) {
            folder = $2; sub(/[^\/]*$/, "", folder)
            if (index(name, module "/") == 1) next
            if ((getline ignored < (folder name)) >= 0) { close(folder name); next }
            if (module == "tools" && (getline ignored < ("tools/" name)) >= 0) { close("tools/" name); next }
            door = name; sub(/\/.*/, "", door)
            if (name != door "/" door ".h") print place what " is no door"
            else if (!((module, door) in may)) print place module " may not include " what
        } else if (name ~ /^thimble\//) {
            if (module in public_only && !index(public_only[module], what))
                print place module " may include" public_only[module] " only, not " what
        } else {
            for (l in library)
                if (index(name, l) == 1 && !((module, l) in uses))
                    print place module " may not know of " what
        }
    }' src/layers.txt -
}

all=$(includes)
broken=$(judge <<<"$all")
if [ -z "$broken" ]; then pass; else fail "includes that break the law"$'\n'"$broken"; fi

# The judge itself: each of these must be refused.
while read -r probe; do
    if [ -n "$(judge <<<"$probe")" ]; then pass; else fail "not refused: $probe"; fi
done <<'PROBES'
base src/base/error.c 1 "tensor/tensor.h"
image src/image/jpeg.c 1 "tensor/tensor.h"
data src/data/dir.c 1 "nn/nn.h"
data src/data/dir.c 1 "image/codec.h"
train src/train/fit.c 1 <dnnl.h>
backend/ref src/backend/ref/ref.h 1 "base/base.h"
backend/cpu src/backend/cpu/cpu.h 1 <thimble/status.h>
tools tools/main.c 1 "nn/nn.h"
examples examples/x.c 1 "base/base.h"
nowhere src/nowhere/x.c 1 <stdio.h>
PROBES
while read -r probe; do
    if [ -z "$(judge <<<"$probe")" ]; then pass; else fail "refused: $probe"; fi
done <<'PROBES'
train src/train/fit.c 1 "tensor/tensor.h"
report src/report/x.c 1 "base/base.h"
backend/cpu src/backend/cpu/cpu.h 1 <dnnl.h>
backend/ref src/backend/ref/ref.h 1 <math.h>
tools tools/main.c 1 "base/base.h"
PROBES

same=$(find src tools include tests bench examples -name '*.[ch]' -o -path 'src/*.def' |
    grep -v -e '^include/' | sed 's|.*/||' | sort | uniq -d)
if [ -z "$same" ]; then pass; else fail "file names that stand twice in the tree: $same"; fi
finish
