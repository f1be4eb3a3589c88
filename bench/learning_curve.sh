#!/usr/bin/env bash
# learning_curve.sh THIMBLE DIR OUT.svg [OPTION...] - accuracy against the number of training photos a class
#
# DIR has train/ and validation/. For 10, 20, 50, 100, 200, 500 photos a class (as far as there are) and all
# of them, three draws each, a classifier is trained with the options (--method features --backbone ...) and
# judged on all validation photos. Prints a table, and draws it: mean, and the range of the three.
set -eu
thimble=$1 data=$(realpath "$2") out=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A CSV beside which the photos lie: the first n of each class in the order of (seed, name).
table() { # n seed
    echo "file_name,label,split"
    for class in "$data"/train/*/; do
        name=$(basename "$class")
        (cd "$data" && find "train/$name" -type f) |
            while read -r file; do echo "$(echo "$2 $file" | md5sum | cut -c1-16) $file"; done |
            sort | { if [ "$1" = all ]; then cat; else head -n "$1"; fi; } | cut -d' ' -f2- |
            sed "s|\$|,$name,train|"
    done
    (cd "$data" && find validation -type f | sort) | awk -F/ '{ print $0 "," $2 ",validation" }'
}

most=$(for class in "$data"/train/*/; do find "$class" -type f | wc -l; done | sort -n | head -1)
echo "photos a class  accuracy of each draw    mean"
for n in 10 20 50 100 200 500 all; do
    count=$n
    if [ "$n" = all ]; then count=$most; elif [ "$n" -ge "$most" ]; then continue; fi
    found=()
    for seed in 1 2 3; do
        table "$n" "$seed" >"$work/table.csv"
        found+=("$("$thimble" train "$work/table.csv" --directory "$data" -o "$work/run" --force -q --json \
            --seed "$seed" "$@" | sed 's/.*"val_accuracy": \([0-9.]*\).*/\1/')")
        if [ "$n" = all ]; then break; fi
    done
    echo "$count ${found[*]}" | tee -a "$work/rows" |
        awk '{ s = 0; for (i = 2; i <= NF; i++) s += $i
               printf "%14d  %-24s %.4f\n", $1, substr($0, index($0, " ") + 1), s / (NF - 1) }'
done

# x: log of the count, y: error on a log scale from 50 % to 0.5 %.
awk -v title="accuracy against photos a class" '
    function x(n) { return 70 + 500 * (log(n) - log(8)) / (log(1200) - log(8)) }
    function y(a, e) { e = 1 - a; if (e < 0.005) e = 0.005; return 340 - 300 * (log(0.5) - log(e)) / (log(0.5) - log(0.005)) }
    BEGIN {
        print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"620\" height=\"400\" font-family=\"sans-serif\" font-size=\"12\">"
        print "<rect width=\"620\" height=\"400\" fill=\"white\"/><text x=\"320\" y=\"22\" text-anchor=\"middle\">" title "</text>"
        split("0.5 0.6 0.7 0.8 0.9 0.95 0.98 0.99", ys, " ")
        for (i in ys) printf "<line x1=\"70\" x2=\"570\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"62\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", y(ys[i]), y(ys[i]), y(ys[i]) + 4, ys[i]
        split("10 20 50 100 200 500 1000", xs, " ")
        for (i in xs) printf "<line y1=\"40\" y2=\"340\" x1=\"%.1f\" x2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"358\" text-anchor=\"middle\">%s</text>\n", x(xs[i]), x(xs[i]), x(xs[i]), xs[i]
    }
    {
        s = 0; lo = 1; hi = 0
        for (i = 2; i <= NF; i++) { s += $i; if ($i < lo) lo = $i; if ($i > hi) hi = $i }
        m = s / (NF - 1)
        printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#36c\" stroke-width=\"2\"/>\n", x($1), x($1), y(lo), y(hi)
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"#36c\"/>\n", x($1), y(m)
        points = points sprintf("%.1f,%.1f ", x($1), y(m))
    }
    END { printf "<polyline points=\"%s\" fill=\"none\" stroke=\"#36c\"/>\n</svg>\n", points }' "$work/rows" >"$out"
