/* csv.h - between csv.c and table.c */
#ifndef THIMBLE_DATA_CSV_H
#define THIMBLE_DATA_CSV_H

#include "data/images.h"

enum { TMB__CSV_FIELDS = 64 };

/* A table while it is read, and its last row. */
typedef struct tmb__csv {
    const char *path; /* for messages */
    char *at, *end;   /* *end is a NUL */
    char separator;
    int64_t line; /* of the next byte */
    char *line_start;
    int64_t row_line;
    int n_fields;
    char *fields[TMB__CSV_FIELDS]; /* into the text */
} tmb__csv;

/* `text` has a NUL after `size` bytes and is changed. */
int tmb__csv_start(tmb__csv *csv, const char *path, char *text, size_t size);
/* 1 and a row of one field or more, 0 at the end. */
int tmb__csv_row(tmb__csv *csv);

#endif
