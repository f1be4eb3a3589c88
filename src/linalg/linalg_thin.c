/* linalg_thin.c - products of a matrix and a few vectors (part of the linear algebra module)
 *
 * OpenBLAS packs both sides of a product before it multiplies, which pays if what is packed is used often.
 * Of a matrix times a few vectors each element is used a few times only: it is read once here, in its
 * order, as fast as memory gives it. */
#include "linalg/linalg_module.h"

#include <string.h>

enum { THIN = 16, LANES = 8, ABREAST = 4 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double))));

static double dot(const double *a, const double *b, int n)
{
    lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    double all = 0;
    int i = 0;

    for (; i + ABREAST * LANES <= n; i += ABREAST * LANES) {
        const lanes *x = (const lanes *)(a + i), *y = (const lanes *)(b + i);

        s0 += x[0] * y[0];
        s1 += x[1] * y[1];
        s2 += x[2] * y[2];
        s3 += x[3] * y[3];
    }
    for (; i < n; i++)
        all += a[i] * b[i];
    s0 += s1 + s2 + s3;
    for (int l = 0; l < LANES; l++)
        all += s0[l];
    return all;
}

/* Rows of a times the few rows of b. */
static void dots(const tmb__product *p)
{
    for (int i = 0; i < p->m; i++) {
        for (int j = 0; j < p->n; j++)
            p->c[(size_t)i * (size_t)p->n + (size_t)j] =
                    dot(p->a + (size_t)i * (size_t)p->k, p->b + (size_t)j * (size_t)p->k, p->k);
    }
}

/* c += a[0] row 0 of b + ..., rows of n, the first of ABREAST; the elements of a are m apart. */
static void add_rows(double *c, const double *a, size_t m, const double *b, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        const double *x = b + i;
        lanes sum = *(const lanes *)(c + i);

        sum += a[0] * *(const lanes *)x;
        sum += a[m] * *(const lanes *)(x + n);
        sum += a[2 * m] * *(const lanes *)(x + 2 * n);
        sum += a[3 * m] * *(const lanes *)(x + 3 * n);
        *(lanes *)(c + i) = sum;
    }
    for (; i < n; i++)
        c[i] = c[i] + a[0] * b[i] + a[m] * b[n + i] + a[2 * m] * b[2 * n + i] +
                a[3 * m] * b[3 * n + i];
}

/* The few rows of c are sums of the rows of b, or grow by them. */
static void sums(const tmb__product *p)
{
    const size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    size_t i = 0;

    if (p->beta == 0) memset(p->c, 0, m * n * sizeof *p->c);
    for (; i + ABREAST <= k; i += ABREAST) {
        for (size_t j = 0; j < m; j++)
            add_rows(p->c + j * n, p->a + i * m + j, m, p->b + i * n, n);
    }
    for (; i < k; i++) {
        for (size_t j = 0; j < m * n; j++)
            p->c[j] += p->a[i * m + j / n] * p->b[i * n + j % n];
    }
}

static void run(const tmb__product *p)
{
    if (p->b_t)
        dots(p);
    else
        sums(p);
}

#if defined(__x86_64__)
__attribute__((flatten, target("avx2,fma"))) static void run_avx2(const tmb__product *p)
{
    run(p);
}

__attribute__((flatten, target("avx512f"))) static void run_avx512(const tmb__product *p)
{
    run(p);
}

static void run_best(const tmb__product *p)
{
    if (__builtin_cpu_supports("avx512f"))
        run_avx512(p);
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        run_avx2(p);
    else
        run(p);
}
#else
static void run_best(const tmb__product *p)
{
    run(p);
}
#endif

bool tmb__product_thin(const tmb__product *p)
{
    const bool plain = p->beta == 0 || (p->beta == 1 && p->a_t);

    if (!plain || p->alpha != 1 || p->a_t == p->b_t || (p->b_t ? p->n : p->m) > THIN) return false;
    run_best(p);
    return true;
}
