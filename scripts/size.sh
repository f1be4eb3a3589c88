#!/usr/bin/env bash
# size.sh - lines of code of each module against the budget; fails if the tree or a file grew too large
#
# src and tools together stay under 47,500 lines of code: blank lines and lines that are nothing but
# comment do not count, so that a budget never pays for leaving an explanation out. A file stays under
# 1,000 lines in all (aim: 600), a function under 100 (aim: 60). The way down is to take something out.
set -u
cd "$(dirname "$0")/.." || exit 1
budget=47500 file_stop=1000 file_aim=600 function_stop=100 function_aim=60

sources() { find "$@" -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.cu' \) 2>/dev/null; }
count() {
    sources "$@" | tr '\n' '\0' | xargs -0 -r cat | awk '
        inside { if (/\*\//) inside = 0; next }
        /^[ \t]*$/ || /^[ \t]*\/\*.*\*\/[ \t]*$/ { next }
        /^[ \t]*\/\*/ { if (!/\*\//) inside = 1; next }
        { n++ }
        END { print n + 0 }'
}

for folder in src/*/ src/backend/*/ tools/; do
    printf '%7d  %s\n' "$(count "$folder")" "${folder%/}"
done
total=$(count src tools)
printf '%7d  src + tools, of %d\n' "$total" $budget
for folder in include tests bench examples; do
    printf '%7d  %s\n' "$(count $folder)" $folder
done

# A function's brace stands in column 0, and so does its end.
long=$(sources src tools | sort | while read -r file; do
    awk -v file="$file" -v aim=$function_aim -v stop=$function_stop -v lines_aim=$file_aim -v lines_stop=$file_stop '
        /^\{/ { start = NR }
        /^\}/ { n = NR - start - 1
                if (start && n > aim) printf "%s %s:%d: a function of %d lines\n", (n > stop ? "STOP" : "long"), file, start, n
                start = 0 }
        END { if (NR > lines_aim) printf "%s %s: %d lines\n", (NR > lines_stop ? "STOP" : "long"), file, NR }' "$file"
done)
[ -z "$long" ] || printf '\n%s\n' "$long"
if [ "$total" -ge $budget ] || grep -q '^STOP' <<<"$long"; then exit 1; fi
