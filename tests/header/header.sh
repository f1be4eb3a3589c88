#!/usr/bin/env bash
# header.sh - every public header compiles alone, as C99, C11 and C++11, without a warning
set -u
. "$(dirname "$0")/../meta.sh"
flags="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I$root/include"
cc=${CC:-cc} cxx=${CXX:-c++}

for header in "$root"/include/thimble/*.h; do
    name=${header##*/}
    line="#include <thimble/$name>"
    for std in c99 c11; do
        check "$name as $std" $cc -std=$std $flags -x c - <<<"$line"
    done
    if command -v "$cxx" >/dev/null; then
        check "$name as c++11" $cxx -std=c++11 $flags -x c++ - <<<"$line"
    else
        skip "$name as c++11: no C++ compiler"
    fi
done
finish
