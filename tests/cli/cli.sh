#!/usr/bin/env bash
# cli.sh PROGRAM JSON_CHECK [--accept] [--time] [PART]: run the cases whose name has PART in it
#
# A case is cases/NAME.sh; NAME.stdout and NAME.stderr hold what it prints, NAME.exit its exit code; a
# file that is not there stands for nothing and 0. --accept writes them. A case runs in an empty folder
# of its own with, beside what lib.sh defines,
#     toys/   20 pictures drawn by `thimble sample`     run/   a small training on them
# to read from. What differs from one machine to the next is masked: see mask.
set -u
. "$(dirname "$0")/../meta.sh"
cases=$root/tests/cli/cases

# Times, speeds, processes, versions, precisions; lengths of what holds them; figures that follow from rounding.
mask() {
    sed -E -e "s|$PWD|PWD|g" \
        -e 's/^(Epoch [0-9]+\/[0-9]+).*/\1 .../' \
        -e 's/accuracy +[0-9.]+ \[[0-9., ]+\]/accuracy N [N, N]/' \
        -e 's/header alone has [0-9]+/header alone has N/' \
        -e 's/accuracy [0-9.]+ is below/accuracy N is below/' \
        -e 's/  (mugs|teapots) [01]\.[0-9]{4}/  CLASS P/g' \
        -e 's/"label": "(mugs|teapots)", "probability": [0-9.e-]+/"label": CLASS, "probability": P/g' \
        -e 's/,(mugs|teapots),[01]\.[0-9]{6}/,CLASS,P/g' \
        -e 's/: stopped (in|after) .*/: stopped .../' \
        -e 's/(process|threads|thread) [0-9]+/\1 N/; s/[0-9]+ threads/N threads/' \
        -e 's/N threads, (f32|bf16)$/N threads, PRECISION/; s/"precision": "(f32|bf16)"/"precision": PRECISION/' \
        -e 's/its header alone has [0-9]+/its header alone has N/' \
        -e 's/\b[0-9a-f]{64}\b/SHA256/g; s/fingerprint .*/fingerprint .../' \
        -e "s/${version//./\\.}/VERSION/g"
}

run_case() { # NAME
    local name=$1 temp status stream start=$EPOCHREALTIME
    temp=$(mktemp -d "$work/$name.XXXX") && cd "$temp" || return
    ln -s "$work/toys" "$work/run" .
    mkdir ../"$name.out"
    bash -u -c '. "$0" && . "$1"' "$root/tests/cli/lib.sh" "$cases/$name.sh" \
        >>../"$name.out/raw.stdout" 2>>../"$name.out/raw.stderr" </dev/null
    status=$?
    for stream in stdout stderr; do mask <../"$name.out/raw.$stream" >../"$name.out/$stream"; done
    [ $status -eq 0 ] || echo $status >../"$name.out/exit"
    chmod -R u+rwX . && rm -rf "$temp"
    [ -z "$timing" ] || awk "BEGIN {printf \"%6.1f s  $name\n\", $EPOCHREALTIME - $start}"
}

# Compare with what is expected, or make it so.
judge_case() { # NAME
    local name=$1 out=$work/$1.out part old wrong=
    if [ "$(cat "$out/exit" 2>/dev/null)" = 77 ]; then
        skip "$name: $(tail -n 1 "$out/stderr")"
        return
    fi
    for part in stdout stderr exit; do
        [ -s "$out/$part" ] || : >"$out/$part"
        old=$cases/$name.$part
        if [ -n "$accept" ]; then
            if [ -s "$out/$part" ]; then cp "$out/$part" "$old"; else rm -f "$old"; fi
        else
            [ -e "$old" ] || old=/dev/null
            wrong+=$(diff -u --label "$name.$part, expected" --label found "$old" "$out/$part")
        fi
    done
    if [ -z "$wrong" ]; then pass; else fail "$name"$'\n'"$wrong"; fi
}

accept= timing= part=
bin=$(cd "$(dirname "$1")" && pwd)
json_check=$2
shift 2
for argument in "$@"; do
    case $argument in
    --accept) accept=1 ;;
    --time) timing=1 ;;
    *) part=$argument ;;
    esac
done
work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
export PATH=$bin:$PATH LC_ALL=C TERM=xterm XDG_CACHE_HOME=$work/cache json_check
unset NO_COLOR
for name in ${!THIMBLE_@}; do [ "$name" = THIMBLE_TEST_TALLY ] || unset "$name"; done
version=$(thimble version | awk '{print $2}')
(cd "$work" && thimble sample toys --count 20 -q &&
    thimble train toys -o run --recipe keras2016 --img-size 32 -e 1 -b 8 -q) >/dev/null ||
    { fail "the pictures and the model that the cases use"; finish; }

names=$(cd "$cases" && ls ./*"$part"*.sh | sed 's|^\./||; s|\.sh$||')
running=0
for name in $names; do
    run_case "$name" &
    running=$((running + 1))
    [ $running -lt "$(nproc)" ] || { wait -n; running=$((running - 1)); }
done
wait
for name in $names; do judge_case "$name"; done
finish
