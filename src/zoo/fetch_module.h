/* fetch_module.h - between the store of weights and its download module, loaded when it is first needed */
#ifndef THIMBLE_ZOO_FETCH_MODULE_H
#define THIMBLE_ZOO_FETCH_MODULE_H

#include <thimble/status.h>

typedef struct tmb__fetch {
    const char *url;
    int fd;         /* the file, at its end; truncated if the server sends all of it anew */
    int64_t from;   /* bytes that are there; `tag` says of which version */
    int64_t most;   /* more bytes in all are refused */
    double timeout; /* seconds without a byte */
    char tag[128];  /* in and out: the server's ETag, or date; "" if there is none */
    int (*on_bytes)(void *user, int64_t done); /* not 0 stops */
    /* Called once before the first byte is written, with the tag. */
    int (*on_tag)(void *user, const char *tag);
    void *user;
    char why[256]; /* out: the failure in words */
} tmb__fetch;

/* 0; TMB_ENETWORK, TMB_EOUTPUT or TMB_ESTOPPED. */
typedef int (*tmb__fetch_fn)(tmb__fetch *job);
TMB_API int tmb_fetch(tmb__fetch *job);

#endif
