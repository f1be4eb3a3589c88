#!/usr/bin/env bash
# install.sh BUILD - a program builds against the installed package: pkg-config, static, find_package
set -u
. "$(dirname "$0")/../meta.sh"
build=$1 cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
consumer=$root/tests/install/consumer.c

check "install" cmake --install "$build" --prefix "$work/usr"
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name thimble.pc)")
libdir=$(dirname "$PKG_CONFIG_PATH")

through_pkg_config() {
    $cc -o "$work/shared" "$consumer" $(pkg-config --cflags --libs thimble) &&
        LD_LIBRARY_PATH=$libdir "$work/shared"
}
check "pkg-config" through_pkg_config

# The archive: what libthimble.so would have linked is named by hand through Libs.private.
through_archive() {
    $cc -o "$work/static" "$consumer" $(pkg-config --cflags thimble) "$libdir/libthimble.a" \
        $(pkg-config --static --libs thimble | sed 's/-lthimble\b//') && "$work/static"
}
check "pkg-config --static" through_archive

through_find_package() {
    mkdir -p "$work/project" && cat >"$work/project/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.16)
project(consumer LANGUAGES C)
find_package(thimble 0.1 REQUIRED)
add_executable(consumer $consumer)
target_link_libraries(consumer PRIVATE thimble::thimble)
CMAKE
    cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$work/usr" \
        -DCMAKE_C_COMPILER="$cc" && cmake --build "$work/project/build" &&
        "$work/project/build/consumer"
}
check "find_package" through_find_package

# What is installed is installed whole: the program runs from there, and no path of the build is in it.
if [ -e "$work/usr/bin/thimble" ]; then
    check "thimble version" "$work/usr/bin/thimble" version
else
    skip "thimble: not built"
fi
leaks=$(grep -rlF "$build" "$work/usr" || true)
if [ -z "$leaks" ]; then pass; else fail "files that name the build folder: $leaks"; fi
finish
