#!/usr/bin/env bash
# budget.sh - scripts/size.sh is content
set -u
. "$(dirname "$0")/../meta.sh"
output=$("$root"/scripts/size.sh)
if [ $? -eq 0 ]; then pass; else fail "size"; fi
echo "$output"
finish
