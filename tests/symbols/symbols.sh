#!/usr/bin/env bash
# symbols.sh LIBRARY - libthimble.so exports what the public headers declare, and nothing else
set -u
. "$(dirname "$0")/../meta.sh"
limit=160
exported=$(nm -D --defined-only "$1" | awk '{print $3}' | sort)
declared=$(cat "$root"/include/thimble/*.h | sed -e 's|/\*.*\*/||' | tr '\n' ' ' |
    grep -oE 'TMB_API [^;(]*\(' | grep -oE 'tmb_[a-z0-9_]+\($' | tr -d '(' | sort)

none() { if [ -z "$2" ]; then pass; else fail "$1: "$2; fi; }
none "exported, but not tmb_*" "$(grep -vE '^tmb_[a-z0-9]' <<<"$exported")"
none "exported, but in no public header" "$(comm -23 <(echo "$exported") <(echo "$declared"))"
none "in a public header, but not exported" "$(comm -13 <(echo "$exported") <(echo "$declared"))"
n=$(wc -l <<<"$exported")
if [ "$n" -lt $limit ]; then pass; else fail "$n exported symbols, expected fewer than $limit"; fi
echo "$n exported symbols"
finish
