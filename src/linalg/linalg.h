/* linalg.h - door of linalg: products of matrices, Cholesky, symmetric eigenvectors, in double
 *
 * Matrices are row-major and dense; n, m, k are at most TMB__LINALG_LIMIT. The work is OpenBLAS' and
 * LAPACK's, on one thread, so that results do not depend on the number of CPUs. */
#ifndef THIMBLE_LINALG_LINALG_H
#define THIMBLE_LINALG_LINALG_H

#include "base/base.h"

enum { TMB__LINALG_LIMIT = 30000 }; /* the workspace of the eigenvectors is counted in 32 bits */

/* c = alpha op(a) op(b) + beta c, with op(a) (m, k), op(b) (k, n), c (m, n). */
typedef struct tmb__product {
    const double *a, *b;
    double *c;
    int m, n, k;
    bool a_t, b_t; /* a is stored as (k, m), b as (n, k) */
    double alpha, beta;
} tmb__product;

/* The routines, loaded with the first tmb__linalg_get; any thread may call them, they take turns. */
typedef struct tmb__linalg {
    void (*product)(const tmb__product *p);
    /* c = a^T a + beta c (columns, columns), or a a^T + beta c (rows, rows) if `outer`; both triangles. */
    void (*gram)(double *c, const double *a, int rows, int columns, bool outer, double beta);
    /* Lower factor L of a = L L^T in place; the upper triangle is left as it is. 0, or the number of the
     * first leading minor that is not positive. */
    int (*factor)(double *a, int n);
    /* Each row x of b (rows, n) becomes the solution of L L^T y = x. */
    void (*solve)(const double *factor, int n, double *b, int rows);
    /* A factor becomes the inverse of what it is the factor of, both triangles. */
    void (*invert)(double *factor, int n);
    /* Values in ascending order; row i of a becomes eigenvector i. `work` as the size below asks. 0, or
     * LAPACK's number of the value that did not converge. */
    int (*eigen)(double *values, double *a, int n, double *work, int *integers);
} tmb__linalg;

/* TMB_EUNSUPPORTED: libthimble-linalg.so is not there. */
int tmb__linalg_get(const tmb__linalg **out);

/* Eigenvectors with the workspace taken and released: TMB_EINVAL for a matrix too large, TMB_EDATA for
 * one that is not finite. */
int tmb__linalg_eigen(double *values, double *a, int n);

#endif
