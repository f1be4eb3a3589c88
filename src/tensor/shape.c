/* shape.c - sizes of tensors: count, equality, text */
#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int64_t tmb__shape_count(const tmb__shape *shape)
{
    int64_t count = 1;
    bool overflow = false;

    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0) return -1;
        /* A zero further on makes the whole product zero, but no shape worth accepting gets
         * there. */
        overflow = overflow || __builtin_mul_overflow(count, shape->dim[i], &count);
    }
    return overflow ? -1 : count;
}

bool tmb__shape_equal(const tmb__shape *a, const tmb__shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) return false;
    }
    return true;
}

const char *tmb__shape_text(const tmb__shape *shape)
{
    static _Thread_local char texts[4][24 * TMB__MAX_RANK];
    static _Thread_local unsigned next;
    char *text = texts[next++ % TMB_COUNT(texts)];
    size_t len = 1;

    strcpy(text, "(");
    for (int i = 0; i < shape->rank; i++)
        len += (size_t)snprintf(
                text + len, sizeof texts[0] - len, "%s%" PRId64, i > 0 ? ", " : "", shape->dim[i]);
    /* One size alone is written as Python does, so that (64,) is not taken for a number. */
    snprintf(text + len, sizeof texts[0] - len, shape->rank == 1 ? ",)" : ")");
    return text;
}

tmb__shape tmb__shape_of(int rank, const int64_t *dim)
{
    tmb__shape shape = {.rank = rank};

    TMB_ASSERT(rank >= 0 && rank <= TMB__MAX_RANK);
    for (int i = 0; i < rank; i++)
        shape.dim[i] = dim[i];
    return shape;
}
