/* Singular values of a small square real matrix, for the analog mode: A = U diag(s) V^T.
 *
 * One-sided Jacobi rotations (Hestenes 1958): simple, accurate also for small singular values, cubic; n is at most 128.
 */
#ifndef NCE_PHOTONIC_SVD_H
#define NCE_PHOTONIC_SVD_H
#include <stddef.h>

/* a [n][n] row-major becomes U; v [n][n] receives V; s [n] the singular values, descending.  U and V are orthogonal
 * also when the matrix is singular.  Never fails for finite input. */
void nce_svd(size_t n, double *a, double *s, double *v);

#endif
