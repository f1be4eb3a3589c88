/* replay.c - gives a fuzz target every file of the folders and files named, without libFuzzer */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

enum { EXIT_SKIPPED = 77, LIMIT = 1 << 26 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    tmb__bytes bytes;
    uint8_t *exact;

    if (tmb__file_read(&bytes, path, LIMIT, TMB_EDATA) < 0) {
        fprintf(stderr, "%s\n", tmb_errmsg());
        exit(1);
    }
    /* A block of just this size: the NUL that tmb__file_read adds would hide an overrun. */
    exact = tmb__realloc(NULL, bytes.size, 1);
    if (!exact) exit(1);
    for (size_t i = 0; i < bytes.size; i++)
        exact[i] = bytes.data[i];
    LLVMFuzzerTestOneInput(exact, bytes.size);
    tmb__free(exact);
    tmb__free(bytes.data);
    return 1;
}

static int replay(const char *path)
{
    tmb__entry *entries;
    int64_t n;
    int files = 0;

    if (tmb__file_exists(path) != 2) return tmb__file_exists(path) == 1 ? replay_file(path) : 0;
    if (tmb__folder_list(&entries, &n, path, TMB_EDATA) < 0) exit(1);
    for (int64_t i = 0; i < n; i++) {
        char *file = tmb__path_join(path, entries[i].name);

        if (!file) exit(1);
        if (entries[i].is_file) files += replay_file(file);
        tmb__free(file);
    }
    tmb__folder_list_free(entries, n);
    return files;
}

int main(int argc, char **argv)
{
    const char *path = getenv("THIMBLE_TEST_TALLY");
    int files = 0;

    for (int i = 1; i < argc; i++)
        files += replay(argv[i]);
    printf("%d inputs\n", files);
    if (path) {
        FILE *tally = fopen(path, "a");

        if (tally) fprintf(tally, "%d 0 %d\n", files > 0, files == 0);
        if (tally) fclose(tally);
    }
    return files ? 0 : EXIT_SKIPPED;
}
