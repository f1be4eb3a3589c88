#!/usr/bin/env bash
# growth.sh BENCH_SPAWN THIMBLE DIR OUT.svg - time and memory against photos, pixels, batch and threads
#
# DIR has photos in class folders, train/ or not; BENCH_SPAWN is build/bench/bench/bench_spawn. Each point is a
# whole process that trains the small net of recipe keras2016 for one epoch: on up to 1000 of the photos and,
# by hard links, 2, 5, 10 and 25 times as many, at 64 x 64; else on the 1000, at 96 x 96 in batches of 16.
# Prints CSV and draws, against each, processor time and peak memory of one photo, both on log scales.
set -eu
spawn=$(realpath "$1") thimble=$(realpath "$2") data=$(realpath "$3") out=$4
[ ! -d "$data/train" ] || data=$data/train
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/base"
for class in "$data"/*/; do
    mkdir "$work/base/$(basename "$class")"
    find "$class" -type f | sort | sed -n 1,500p | xargs -d '\n' cp -t "$work/base/$(basename "$class")"
done
base=$(find "$work/base" -type f | wc -l)

folder() { # TIMES: a folder with so many times the photos, and a few to validate
    local class to
    for class in "$work"/base/*/; do
        to=$work/$1/train/$(basename "$class")
        mkdir -p "$to" "$work/$1/validation/$(basename "$class")"
        for ((i = 0; i < $1; i++)); do cp -rl "$class" "$to/$i"; done
        find "$class" -type f | sed -n 1,8p | xargs -d '\n' cp -t "$work/$1/validation/$(basename "$class")"
    done
}
point() { # WHAT VALUE TIMES OPTION...: a line of CSV
    rm -rf "$work/run" "$work/spawn"
    "$spawn" "$work/spawn" "$thimble" train "$work/$3" -o "$work/run" --recipe keras2016 --method scratch -e 1 -q \
        "${@:4}" >/dev/null 2>"$work/err" || { cat "$work/err" >&2; exit 1; }
    awk -v what="$1" -v value="$2" -v n=$(($3 * base)) '{
        printf "%s,%d,%d,%.3f,%.3f,%.1f,%.4f,%.1f\n", what, value, n, $1, $2, $3, 1e3 * $2 / n, 1024 * $3 / n
    }' "$work/spawn" | tee -a "$work/rows"
}

echo "axis,value,photos,seconds,cpu_seconds,peak_mb,cpu_ms_a_photo,peak_kb_a_photo"
for times in 1 2 5 10 25; do
    folder $times
    point photos $((times * base)) $times --img-size 64 -b 32
    [ $times = 1 ] || rm -rf "${work:?}/$times"
done
for size in 64 96 128 160 224 320; do point pixels $size 1 --img-size $size -b 16; done
for batch in 1 2 4 8 16 32 64 128 256; do point batch $batch 1 --img-size 96 -b $batch; done
for ((threads = 1; threads <= $(nproc); threads *= 2)); do point threads $threads 1 --img-size 96 -b 16 -j $threads; done

# A panel an axis: x the value, y the cost of a photo, both relative to the axis' first point, on log scales.
awk -F, '
    function x(a, v) { return 60 + 330 * at[a] + (last[a] > first[a] ? 260 * log(v / first[a]) / log(last[a] / first[a]) : 130) }
    function y(r) { return 200 - 45 * log(r) / log(2) / 2 }
    function limit(r) { return r < 0.0625 ? 0.0625 : r > 64 ? 64 : r }
    !($1 in first) { first[$1] = $2; axis[n_axes++] = $1; cpu0[$1] = $7; kb0[$1] = $8 }
    { last[$1] = $2; row[++rows] = $0 }
    END {
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"360\" font-family=\"sans-serif\" font-size=\"12\">\n", 330 * n_axes + 30
        printf "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
        for (a = 0; a < n_axes; a++) {
            at[axis[a]] = a
            printf "<text x=\"%d\" y=\"18\" text-anchor=\"middle\">%s: %.2f ms, %.0f KB a photo at %d</text>\n", 190 + 330 * a, axis[a], cpu0[axis[a]], kb0[axis[a]], first[axis[a]]
            for (r = 0.0625; r <= 64; r *= 4)
                printf "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", 60 + 330 * a, 320 + 330 * a, y(r), y(r), 54 + 330 * a, y(r) + 4, r
        }
        for (i = 1; i <= rows; i++) {
            split(row[i], f, ",")
            a = f[1]; t = limit(f[7] / cpu0[a]); m = limit(f[8] / kb0[a])
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#36c\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#c63\"/>\n", x(a, f[2]), y(t), x(a, f[2]), y(m)
            printf "<text x=\"%.1f\" y=\"318\" text-anchor=\"middle\" font-size=\"10\">%s</text>\n", x(a, f[2]), f[2]
            time[a] = time[a] sprintf("%.1f,%.1f ", x(a, f[2]), y(t)); memory[a] = memory[a] sprintf("%.1f,%.1f ", x(a, f[2]), y(m))
        }
        for (a in time)
            printf "<polyline points=\"%s\" fill=\"none\" stroke=\"#36c\"/><polyline points=\"%s\" fill=\"none\" stroke=\"#c63\"/>\n", time[a], memory[a]
        print "<text x=\"60\" y=\"345\" fill=\"#36c\">processor time of a photo</text><text x=\"260\" y=\"345\" fill=\"#c63\">peak memory over the photos, both as a multiple of the first point</text>\n</svg>"
    }' "$work/rows" >"$out"
