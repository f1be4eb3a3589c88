/* fuzz_csv.c - a table of photos, any bytes: a listing that holds together, or a refusal with words */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every listing must be. */
static void check(const tmb__listing *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        const tmb__sample *sample = &list->samples[i];

        if (sample->label < 0 || sample->label >= list->n_names) abort();
        if (sample->key > strlen(sample->path)) abort();
        if (!sample->path[sample->key]) abort();
    }
    for (int i = 1; i < list->n_names; i++) {
        if (strcmp(list->names[i - 1], list->names[i]) >= 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tmb__notices notices = {0};
    const tmb_images_opts opts = {
            .class_mode = size % 2 ? TMB_CLASS_CATEGORICAL : TMB_CLASS_SPARSE};
    tmb__listing list = {.notices = &notices};
    char *text = malloc(size + 1);

    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    if (tmb__list_table_text(&list, "folder/table.csv", &opts, text, size) == 0) {
        check(&list);
    } else if (!tmb_errmsg()[0]) {
        abort();
    }
    tmb__listing_free(&list);
    tmb__notices_free(&notices);
    free(text);
    return 0;
}
