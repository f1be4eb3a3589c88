#!/usr/bin/env bash
# clang_format.sh - clang-format 14 would change nothing (other versions decide differently)
set -u
. "$(dirname "$0")/../meta.sh"
format=
for name in clang-format-14 clang-format; do
    if command -v $name >/dev/null && $name --version | grep -q ' 14\.'; then format=$name && break; fi
done
if [ -z "$format" ]; then
    skip "no clang-format 14"
    finish
fi
cd "$root" || exit 1
bad=$(find src tools include tests bench examples -name '*.[ch]' | sort | while read -r file; do
    $format "$file" | cmp -s - "$file" || echo "  $file"
done)
if [ -z "$bad" ]; then pass; else fail "run $format -i on"$'\n'"$bad"; fi
finish
