/* One-sided Jacobi singular value decomposition (see svd.h). */
#include "src/photonic/svd.h"
#include <float.h>
#include <math.h>

enum { MAX_SWEEPS = 60 };

static double column_dot(size_t n, const double *a, size_t p, size_t q)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i * n + p] * a[i * n + q];
    return sum;
}

static void rotate(size_t n, double *a, size_t p, size_t q, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        const double x = a[i * n + p], y = a[i * n + q];
        a[i * n + p] = c * x - s * y;
        a[i * n + q] = s * x + c * y;
    }
}

/* Make two columns orthogonal; true if they were not. */
static int orthogonalise(size_t n, double *a, double *v, size_t p, size_t q)
{
    const double pp = column_dot(n, a, p, p), qq = column_dot(n, a, q, q), pq = column_dot(n, a, p, q);
    if (fabs(pq) <= DBL_EPSILON * sqrt(pp * qq) || pq == 0.0) return 0;
    const double tau = (qq - pp) / (2.0 * pq);
    const double t = copysign(1.0, tau) / (fabs(tau) + sqrt(1.0 + tau * tau)), c = 1.0 / sqrt(1.0 + t * t);
    rotate(n, a, p, q, c, c * t);
    rotate(n, v, p, q, c, c * t);
    return 1;
}

static void swap_columns(size_t n, double *a, size_t p, size_t q)
{
    for (size_t i = 0; i < n; i++) {
        const double x = a[i * n + p];
        a[i * n + p] = a[i * n + q];
        a[i * n + q] = x;
    }
}

static void sort_descending(size_t n, double *a, double *s, double *v)
{
    for (size_t i = 0; i < n; i++) {
        size_t best = i;
        for (size_t j = i + 1; j < n; j++)
            if (s[j] > s[best]) best = j;
        const double x = s[i];
        s[i] = s[best];
        s[best] = x;
        swap_columns(n, a, i, best);
        swap_columns(n, v, i, best);
    }
}

/* Column k of U belongs to a singular value of zero: any unit vector orthogonal to the columns before it will do. */
static void complete_column(size_t n, double *a, size_t k)
{
    for (size_t axis = 0; axis < n; axis++) {
        for (size_t i = 0; i < n; i++)
            a[i * n + k] = i == axis ? 1.0 : 0.0;
        for (int pass = 0; pass < 2; pass++) /* twice is enough for orthogonality to rounding */
            for (size_t j = 0; j < k; j++) {
                const double share = column_dot(n, a, j, k);
                for (size_t i = 0; i < n; i++)
                    a[i * n + k] -= share * a[i * n + j];
            }
        const double length = sqrt(column_dot(n, a, k, k));
        if (length < 0.5 / sqrt((double)n)) continue;
        for (size_t i = 0; i < n; i++)
            a[i * n + k] /= length;
        return;
    }
}

void nce_svd(size_t n, double *a, double *s, double *v)
{
    for (size_t i = 0; i < n * n; i++)
        v[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
    for (int sweep = 0, busy = 1; busy && sweep < MAX_SWEEPS; sweep++) {
        busy = 0;
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                busy |= orthogonalise(n, a, v, p, q);
    }
    for (size_t k = 0; k < n; k++)
        s[k] = sqrt(column_dot(n, a, k, k));
    sort_descending(n, a, s, v);
    for (size_t k = 0; k < n; k++) {
        if (s[k] > s[0] * (double)n * DBL_EPSILON) {
            for (size_t i = 0; i < n; i++)
                a[i * n + k] /= s[k];
        } else {
            complete_column(n, a, k);
        }
    }
}
