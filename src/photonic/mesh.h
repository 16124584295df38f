/* Meshes of Mach-Zehnder interferometers: any unitary matrix as a sequence of two-mode rotations.
 *
 *   T(theta, phi) on modes m, m+1 = [[e^{i phi} cos theta, -sin theta], [e^{i phi} sin theta, cos theta]]
 *   U = diag(e^{i phase}) T_last ... T_first
 *
 * Reck et al. (Physical Review Letters 73, 1994) null the matrix row by row: a triangle of depth 2n - 3.  Clements et
 * al. (Optica 3, 2016) null diagonals alternately from the right and the left: a rectangle of depth n.  Both need
 * n(n-1)/2.
 *
 * One interferometer is built as splitter, push-pull phase 2*(pi/2 - theta) between the arms, splitter, behind a phase
 * phi + pi; its physical errors are those of nce_mesh_defects.  Pure functions on the caller's storage; any thread. */
#ifndef NCE_PHOTONIC_MESH_H
#define NCE_PHOTONIC_MESH_H
#include <complex.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nce_mzi {
    uint32_t mode; /* acts on mode and mode + 1 */
    double theta, phi;
} nce_mzi;

typedef struct nce_mesh_defects {
    uint64_t seed;
    uint32_t phase_bits;   /* of phases over 2 pi; 0: exact */
    double splitter_sigma; /* of the splitting ratio around 0.5 */
    double loss_db;        /* of one interferometer */
    double crosstalk;      /* of a heater on its neighbour of the same column; falls by e per interferometer */
} nce_mesh_defects;

/* Decompose the n x n unitary u (row-major, destroyed) into n(n-1)/2 interferometers, in the order in which light meets
 * them, and n output phases. */
void nce_mesh_clements(size_t n, double complex *u, nce_mzi *mzi, double *phase);
void nce_mesh_reck(size_t n, double complex *u, nce_mzi *mzi, double *phase);

/* Interferometers on the longest path. */
uint32_t nce_mesh_depth(size_t n, const nce_mzi *mzi, size_t n_mzi);

/* Round phases as the converters do and add what neighbouring heaters spill, after the calibration has taken the known
 * crosstalk back (it solves A p = target for the powers p of a column). n is at most 256. */
void nce_mesh_set_phases(size_t n, nce_mzi *mzi, size_t n_mzi, double *phase, const nce_mesh_defects *defects);

/* The matrix that the interferometers make, with imperfect splitters and loss; out is n x n. */
void nce_mesh_build(size_t n, const nce_mzi *mzi, size_t n_mzi, const double *phase, const nce_mesh_defects *defects,
                    double complex *out);

#endif
