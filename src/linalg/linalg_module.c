/* linalg_module.c - the routines of linalg.h by OpenBLAS and LAPACK (a module of its own)
 *
 * LAPACK is column-major: to it a row-major matrix is its transpose, so the upper triangle there is the
 * lower one here, and eigenvectors, columns there, are rows here. The _work functions of LAPACKE take
 * no memory and, told of columns, copy nothing.
 *
 * The number of threads is OpenBLAS' own global: it is 1 during a call, and as it was after it, for a
 * caller who uses OpenBLAS too. */
#include "linalg/linalg_module.h"

#include <cblas.h>
#include <lapacke.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* How many threads there were. */
static int begin(void)
{
    int threads;

    pthread_mutex_lock(&lock);
    threads = openblas_get_num_threads();
    if (threads != 1) openblas_set_num_threads(1);
    return threads;
}

static void end(int threads)
{
    if (threads != 1) openblas_set_num_threads(threads);
    pthread_mutex_unlock(&lock);
}

/* The triangle above the diagonal becomes the mirror of the one below. */
static void mirror(double *a, int n)
{
    for (size_t i = 0, size = (size_t)n; i < size; i++) {
        for (size_t j = i + 1; j < size; j++)
            a[i * size + j] = a[j * size + i];
    }
}

static void product(const tmb__product *p)
{
    int threads;

    if (tmb__product_thin(p)) return;
    threads = begin();
    cblas_dgemm(CblasRowMajor, p->a_t ? CblasTrans : CblasNoTrans,
            p->b_t ? CblasTrans : CblasNoTrans, p->m, p->n, p->k, p->alpha, p->a,
            p->a_t ? p->m : p->k, p->b, p->b_t ? p->k : p->n, p->beta, p->c, p->n);
    end(threads);
}

static void gram(double *c, const double *a, int rows, int columns, bool outer, double beta)
{
    const int n = outer ? rows : columns, k = outer ? columns : rows;
    const int threads = begin();

    cblas_dsyrk(CblasRowMajor, CblasLower, outer ? CblasNoTrans : CblasTrans, n, k, 1, a, columns,
            beta, c, n);
    end(threads);
    mirror(c, n);
}

static int factor(double *a, int n)
{
    const int threads = begin();
    const int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', n, a, n);

    end(threads);
    return info;
}

static void solve(const double *l, int n, double *b, int rows)
{
    const int threads = begin();

    LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', n, rows, l, n, b, n);
    end(threads);
}

static void invert(double *l, int n)
{
    const int threads = begin();

    LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'U', n, l, n);
    end(threads);
    mirror(l, n);
}

static int eigen(double *values, double *a, int n, double *work, int *integers)
{
    const int threads = begin();
    const int info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'U', n, a, n, values, work,
            1 + 6 * n + 2 * n * n, integers, 3 + 5 * n);

    end(threads);
    return info;
}

const tmb__linalg *tmb_linalg_entry(void)
{
    static const tmb__linalg routines = {product, gram, factor, solve, invert, eigen};

    return &routines;
}
