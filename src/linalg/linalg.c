/* linalg.c - finds the linear algebra module and lends its routines
 *
 * OpenBLAS is 30 MB, takes memory for every thread and starts them when it is loaded; `thimble predict`
 * needs none of it. So it is linked to a small module, libthimble-linalg.so, that is loaded when a
 * head is fitted (base/beside.c says where it lies).
 *
 * OpenBLAS takes a processor that is newer than itself for one of 2004 (0.3.21 so with Intel's of 2023), and
 * computes four times slower than it could. So it is told which kernels this one can run, in the only way it
 * takes, by a variable that is there while it is loaded; one that the user has set stands. */
#include "linalg/linalg.h"

#include "linalg/linalg_module.h"

#include <math.h>
#include <pthread.h>

/* OpenBLAS' name of the first processor that had what this one has; NULL: what it finds itself will do. */
static const char *kernels(void)
{
#if defined(__x86_64__)
    if (tmb__isa_allowed(TMB_ISA_AVX512) && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq"))
        return "SkylakeX";
    if (tmb__isa_allowed(TMB_ISA_AVX2) && __builtin_cpu_supports("avx2") &&
            __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

int tmb__linalg_get(const tmb__linalg **out)
{
    static const char variable[] = "OPENBLAS_CORETYPE";
    static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
    static tmb__linalg_entry_fn entry; /* once it is found */
    int status = 0;

    pthread_mutex_lock(&turn);
    if (!entry) {
        const bool lent = kernels() && tmb__env_lend(variable, kernels());

        status = tmb__part_symbol(&entry, sizeof entry, "libthimble-linalg.so", "tmb_linalg_entry");
        if (lent) tmb__env_take_back(variable);
    }
    if (status == 0) *out = entry();
    pthread_mutex_unlock(&turn);
    return status;
}

/* The workspace that LAPACK's documentation of dsyevd asks for: 1 + 6n + 2n^2 doubles, 3 + 5n integers. */
static int eigen(const tmb__linalg *la, double *values, double *a, int n)
{
    const size_t size = (size_t)n;
    double *work = tmb__calloc(1 + 6 * size + 2 * size * size, sizeof *work);
    int *integers = tmb__calloc(3 + 5 * size, sizeof *integers);
    int info = 0;

    if (work && integers) info = la->eigen(values, a, n, work, integers);
    if (!work || !integers)
        info = TMB_ENOMEM;
    else if (info != 0)
        info = tmb__fail(TMB_EDATA, "eigenvalue %d of a matrix of %d did not converge", info, n);
    tmb__free(work);
    tmb__free(integers);
    return info;
}

int tmb__linalg_eigen(double *values, double *a, int n)
{
    const tmb__linalg *la;

    if (n < 1 || n > TMB__LINALG_LIMIT)
        return tmb__fail(TMB_EINVAL, "eigenvectors of a matrix of %d, expected 1 to %d", n,
                TMB__LINALG_LIMIT);
    for (size_t i = 0; i < (size_t)n * (size_t)n; i++) {
        if (!isfinite(a[i]))
            return tmb__fail(TMB_EDATA, "eigenvectors of a matrix with the element %g", a[i]);
    }
    TMB_TRY(tmb__linalg_get(&la));
    return eigen(la, values, a, n);
}
