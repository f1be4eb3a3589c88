/* tensor.h - door of tensor: shapes, element types, conversion, comparison */
#ifndef THIMBLE_TENSOR_TENSOR_H
#define THIMBLE_TENSOR_TENSOR_H

#include "base/base.h"

enum { TMB__MAX_RANK = 8 };

/* Element types of stored tensors. */
typedef enum tmb__dtype {
    TMB__F32,
    TMB__F64,
    TMB__F16,
    TMB__BF16,
    TMB__U8,
    TMB__I8,
    TMB__I32,
    TMB__I64,
    TMB__BOOL,
    TMB__I16,
    TMB__U16,
    TMB__U32,
    TMB__U64,
    TMB__DTYPE_COUNT
} tmb__dtype;
size_t tmb__dtype_size(tmb__dtype dtype);
const char *tmb__dtype_name(tmb__dtype dtype); /* "float32" */

typedef struct tmb__shape {
    int rank;
    int64_t dim[TMB__MAX_RANK];
} tmb__shape;

/* Number of elements (1 for rank 0), or -1 if a dimension is negative or the product overflows. */
int64_t tmb__shape_count(const tmb__shape *shape);
bool tmb__shape_equal(const tmb__shape *a, const tmb__shape *b);
/* "(3, 3, 32, 64)"; valid until the fourth next call on this thread. */
const char *tmb__shape_text(const tmb__shape *shape);
tmb__shape tmb__shape_of(int rank, const int64_t *dim);

/* A tensor in memory, row-major. */
typedef struct tmb__array {
    tmb__dtype dtype;
    tmb__shape shape;
    void *data; /* owned by whoever made the array */
} tmb__array;

/* Convert n elements; float targets get values, not bits. bf16 and f16 round to nearest even. */
void tmb__convert(void *dst, tmb__dtype to, const void *src, tmb__dtype from, int64_t n);

/* Largest |a - b| / max(1, |b|) over n floats, NaN counts as infinite; and where. */
double tmb__worst_difference(const float *a, const float *b, int64_t n, int64_t *where);
/* Number of NaN and infinite values among n floats, and the first of them (-1). */
int64_t tmb__count_nonfinite(const float *a, int64_t n, int64_t *first);

#endif
