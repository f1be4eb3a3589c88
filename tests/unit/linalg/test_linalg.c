/* test_linalg.c - products, Cholesky and eigenvectors against their definitions */
#include "linalg/linalg.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { N = 9, ROWS = 14 };

static const tmb__linalg *routines(void)
{
    const tmb__linalg *la;
    const int status = tmb__linalg_get(&la);

    if (status == TMB_EUNSUPPORTED) SKIP("built without OpenBLAS");
    assert_ok(status);
    return la;
}

static void draw(double *a, int n, uint32_t which)
{
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, which, 0);

    for (int i = 0; i < n; i++)
        a[i] = tmb__rng_normal(&rng);
}

static void assert_near(const double *found, const double *expected, int n)
{
    for (int i = 0; i < n; i++) {
        if (!(fabs(found[i] - expected[i]) < 1e-12 * ROWS)) {
            fail_msg("element %d is %.17g, expected %.17g", i, found[i], expected[i]);
        }
    }
}

/* Element (i, j) of a matrix of `columns`, or of its transpose with `rows` columns. */
static double at(const double *a, bool t, int rows, int columns, int i, int j)
{
    return t ? a[j * rows + i] : a[i * columns + j];
}

TEST(linalg_product_is_the_sum_it_says)
{
    const tmb__linalg *la = routines();
    double a[4 * 3], b[3 * 5], c[4 * 5], expected[4 * 5];

    for (int flags = 0; flags < 4; flags++) {
        const bool a_t = flags & 1, b_t = flags & 2;

        draw(a, 12, 0);
        draw(b, 15, 1);
        draw(c, 20, 2);
        for (int i = 0; i < 20; i++) {
            expected[i] = 0.5 * c[i];
            for (int k = 0; k < 3; k++)
                expected[i] += 2 * at(a, a_t, 4, 3, i / 5, k) * at(b, b_t, 3, 5, k, i % 5);
        }
        la->product(&(tmb__product){a, b, c, 4, 5, 3, a_t, b_t, 2, 0.5});
        assert_near(c, expected, 20);
    }
}

/* Few columns or few rows, which go another way: longer than its steps, and with rests. */
TEST(linalg_thin_products_are_the_sum_they_say)
{
    enum { FEW = 3, MANY = 38, LONG = 109 };
    const tmb__linalg *la = routines();
    double a[MANY * LONG], b[FEW * LONG], c[FEW * LONG], expected[FEW * LONG];

    draw(a, MANY * LONG, 7);
    draw(b, FEW * LONG, 8);
    for (int i = 0; i < MANY * FEW; i++) {
        expected[i] = 0;
        for (int k = 0; k < LONG; k++)
            expected[i] += a[i / FEW * LONG + k] * b[i % FEW * LONG + k];
    }
    la->product(&(tmb__product){a, b, c, MANY, FEW, LONG, false, true, 1, 0});
    assert_near(c, expected, MANY * FEW);
    for (int beta = 0; beta < 2; beta++) {
        draw(c, FEW * LONG, 9);
        for (int i = 0; i < FEW * LONG; i++) {
            expected[i] = beta * c[i];
            for (int k = 0; k < MANY; k++)
                expected[i] += b[k * FEW + i / LONG] * a[k * LONG + i % LONG];
        }
        la->product(&(tmb__product){b, a, c, FEW, LONG, MANY, true, false, 1, beta});
        assert_near(c, expected, FEW * LONG);
    }
}

/* a (ROWS, N) and its gram matrix (N, N), which is positive definite. */
static void draw_gram(const tmb__linalg *la, double *a, double *gram)
{
    draw(a, ROWS * N, 3);
    la->gram(gram, a, ROWS, N, false, 0);
}

TEST(linalg_gram_adds_blocks_of_rows)
{
    const tmb__linalg *la = routines();
    double a[ROWS * N], gram[N * N], parts[N * N], expected[N * N] = {0};

    draw_gram(la, a, gram);
    for (int i = 0; i < N * N; i++) {
        for (int r = 0; r < ROWS; r++)
            expected[i] += a[r * N + i / N] * a[r * N + i % N];
    }
    assert_near(gram, expected, N * N);
    la->gram(parts, a, 5, N, false, 0);
    la->gram(parts, a + 5 * N, ROWS - 5, N, false, 1);
    assert_near(parts, expected, N * N);
}

TEST(linalg_gram_of_rows)
{
    const tmb__linalg *la = routines();
    double a[ROWS * N], gram[ROWS * ROWS], expected[ROWS * ROWS];

    draw(a, ROWS * N, 6);
    la->gram(gram, a, ROWS, N, true, 0);
    la->product(&(tmb__product){a, a, expected, ROWS, ROWS, N, false, true, 1, 0});
    assert_near(gram, expected, ROWS * ROWS);
}

TEST(linalg_cholesky_factors_solves_and_inverts)
{
    const tmb__linalg *la = routines();
    double a[ROWS * N], gram[N * N], l[N * N], x[2 * N], y[2 * N], expected[2 * N] = {0};

    draw_gram(la, a, gram);
    memcpy(l, gram, sizeof l);
    assert_int_equal(la->factor(l, N), 0);
    for (int i = 0; i < N * N; i++) {
        double sum = 0;

        for (int k = 0; k <= TMB_MIN(i / N, i % N); k++)
            sum += l[i / N * N + k] * l[i % N * N + k];
        assert_near(&sum, &gram[i], 1);
    }
    draw(x, 2 * N, 4);
    for (int i = 0; i < 2 * N; i++) {
        for (int k = 0; k < N; k++)
            expected[i] += gram[i % N * N + k] * x[i / N * N + k];
    }
    memcpy(y, expected, sizeof y);
    la->solve(l, N, y, 2);
    assert_near(y, x, 2 * N);
    la->invert(l, N);
    la->product(&(tmb__product){expected, l, y, 2, N, N, false, false, 1, 0});
    assert_near(y, x, 2 * N);
}

TEST(linalg_cholesky_names_the_minor_that_is_not_positive)
{
    double a[] = {1, 0, 0, 0, 1, 0, 0, 2, 1};

    a[7] = 2; /* the 3rd: 1 - 2 * 2 < 0 */
    assert_int_equal(routines()->factor(a, 3), 3);
}

TEST(linalg_eigenvectors_are_rows_in_ascending_order)
{
    const tmb__linalg *la = routines();
    double a[ROWS * N], gram[N * N], v[N * N], values[N], image[N], expected[N];

    draw_gram(la, a, gram);
    memcpy(v, gram, sizeof v);
    assert_ok(tmb__linalg_eigen(values, v, N));
    for (int i = 0; i < N; i++) {
        double norm = 0;

        for (int j = 0; j < N; j++)
            norm += v[i * N + j] * v[i * N + j];
        assert_near(&norm, &(double){1}, 1);
        assert_true(i == 0 || values[i] >= values[i - 1]);
        la->product(&(tmb__product){v + i * N, gram, image, 1, N, N, false, false, 1, 0});
        for (int j = 0; j < N; j++)
            expected[j] = values[i] * v[i * N + j];
        assert_near(image, expected, N);
    }
}

TEST(linalg_same_input_same_bits)
{
    const tmb__linalg *la = routines();
    static double a[150 * 90], first[90 * 90], second[90 * 90];

    draw(a, 150 * 90, 5);
    la->gram(first, a, 150, 90, false, 0);
    la->gram(second, a, 150, 90, false, 0);
    assert_memory_equal(first, second, sizeof first);
}

TEST(linalg_eigen_refuses_what_is_not_finite_or_too_large)
{
    double a[] = {1, 0, 0, NAN}, values[2];

    assert_status(tmb__linalg_eigen(values, a, 2), TMB_EDATA);
    assert_message("with the element nan");
    assert_status(tmb__linalg_eigen(values, a, TMB__LINALG_LIMIT + 1), TMB_EINVAL);
    assert_message("of 30001, expected 1 to 30000");
    assert_status(tmb__linalg_eigen(values, a, 0), TMB_EINVAL);
}

TEST(linalg_eigen_without_memory_is_an_error)
{
    routines();
    for (int64_t n = 0;; n++) {
        double a[] = {2, 1, 1, 2}, values[2];
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__linalg_eigen(values, a, 2);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
}

TEST(linalg_a_part_that_is_not_there_is_named)
{
    void (*fn)(void);

    assert_status(tmb__part_symbol(&fn, sizeof fn, "libthimble-none.so", "x"), TMB_EUNSUPPORTED);
    assert_message("libthimble-none.so is not there");
    routines();
    assert_status(
            tmb__part_symbol(&fn, sizeof fn, "libthimble-linalg.so", "tmb_none"), TMB_EUNSUPPORTED);
    assert_message("tmb_none");
}
