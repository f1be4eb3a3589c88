#!/usr/bin/env bash
# forbidden.sh BUILD - the library's objects call nothing that belongs to the program
#
# Read from the objects and not from the text, so that comments and macros cannot fool it. One line of
# the table: who may, and the symbols, as the compiler and glibc's fortified headers spell them.
set -u
. "$(dirname "$0")/../meta.sh"
objects=$1/CMakeFiles/thimble_objects.dir/src
# One line a symbol that is called: base/fs open
calls=$(find "$objects" -name '*.o' | sort | xargs nm -uA |
    sed -E "s|^$objects/(.*)\.[a-z]+\.o: +[Uw] ([^@]*).*|\1 \2|")

while read -r allowed symbols; do
    bad=$(grep -E " ($symbols)\$" <<<"$calls" | while read -r file symbol; do
        [[ " ${allowed//,/ } " == *" $file.c "* ]] || echo "  src/$file.c calls $symbol"
    done)
    if [ -z "$bad" ]; then pass; else fail "only $allowed may"$'\n'"$bad"; fi
done <<'TABLE'
base/env.c getenv|secure_getenv|setenv|putenv
base/mem.c malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|strdup|strndup|asprintf|vasprintf
base/error.c (__)?(printf|fprintf|vprintf|vfprintf)(_chk)?|puts|putchar|fputs|fputc|fwrite|perror|stdout|stderr
base/error.c exit|_exit|_Exit|quick_exit|abort|__assert_fail
base/thread.c pthread_create|thrd_create
nobody rand|srand|random|srandom|drand48|setlocale|chdir|signal|sigaction|system|popen|gets|strcpy|strcat|sprintf|vsprintf|__(sprintf|strcpy|strcat)_chk|mktemp|tmpnam|strtok|time|sleep
TABLE
finish
