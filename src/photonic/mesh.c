/* Decomposition into and synthesis of interferometer meshes (see mesh.h). */
#include "src/photonic/mesh.h"
#include "src/photonic/optics.h"
#include "src/photonic/random.h"
#include <math.h>

static const double pi = 3.14159265358979323846;

static double angle_or_zero(double complex a, double complex b)
{
    return cabs(b) > 1e-300 ? carg(a) - carg(b) : 0.0;
}

/* Null u[r][c] by T^-1 on columns c, c+1 from the right. */
static nce_mzi null_from_right(size_t n, double complex *u, size_t r, size_t c)
{
    const nce_mzi z = {(uint32_t)c, atan2(cabs(u[r * n + c]), cabs(u[r * n + c + 1])),
                       angle_or_zero(u[r * n + c], u[r * n + c + 1])};
    const double complex e = cexp(-I * z.phi);
    const double s = sin(z.theta), k = cos(z.theta);
    for (size_t i = 0; i < n; i++) {
        const double complex a = u[i * n + c], b = u[i * n + c + 1];
        u[i * n + c] = e * k * a - s * b;
        u[i * n + c + 1] = e * s * a + k * b;
    }
    u[r * n + c] = 0.0;
    return z;
}

/* Null u[r][c] by T on rows r-1, r from the left. */
static nce_mzi null_from_left(size_t n, double complex *u, size_t r, size_t c)
{
    const nce_mzi z = {(uint32_t)(r - 1), atan2(cabs(u[r * n + c]), cabs(u[(r - 1) * n + c])),
                       angle_or_zero(-u[r * n + c], u[(r - 1) * n + c])};
    const double complex e = cexp(I * z.phi);
    const double s = sin(z.theta), k = cos(z.theta);
    for (size_t j = 0; j < n; j++) {
        const double complex a = u[(r - 1) * n + j], b = u[r * n + j];
        u[(r - 1) * n + j] = e * k * a - s * b;
        u[r * n + j] = e * s * a + k * b;
    }
    u[r * n + c] = 0.0;
    return z;
}

void nce_mesh_clements(size_t n, double complex *u, nce_mzi *mzi, double *phase)
{
    const size_t total = n * (n - 1) / 2;
    size_t right = 0, left = total; /* right ones in order from the front; left ones stacked at the back */
    for (size_t i = 0; i + 1 < n; i++)
        for (size_t j = 0; j <= i; j++) {
            if (i % 2 == 0)
                mzi[right++] = null_from_right(n, u, n - 1 - j, i - j);
            else
                mzi[--left] = null_from_left(n, u, n - 1 - i + j, j);
        }
    for (size_t i = 0; i < n; i++)
        phase[i] = carg(u[i * n + i]);
    /* T^-1(theta, phi) D = D' T(theta, phi'): the last one found is the first to move through the diagonal. */
    for (size_t k = left; k < total; k++) {
        const size_t m = mzi[k].mode;
        const double a = phase[m], b = phase[m + 1], phi = mzi[k].phi;
        mzi[k].phi = remainder(a - b + pi, 2.0 * pi); /* small angles keep their digits */
        phase[m] = remainder(b - phi + pi, 2.0 * pi);
    }
}

void nce_mesh_reck(size_t n, double complex *u, nce_mzi *mzi, double *phase)
{
    size_t k = 0;
    for (size_t r = n - 1; r > 0; r--)
        for (size_t c = 0; c < r; c++)
            mzi[k++] = null_from_right(n, u, r, c);
    for (size_t i = 0; i < n; i++)
        phase[i] = carg(u[i * n + i]);
}

uint32_t nce_mesh_depth(size_t n, const nce_mzi *mzi, size_t n_mzi)
{
    uint32_t level[256] = {0}, deepest = 0;
    for (size_t k = 0; k < n_mzi && n <= 256; k++) {
        uint32_t *a = &level[mzi[k].mode], *b = a + 1;
        *a = *b = (*a > *b ? *a : *b) + 1;
        deepest = *a > deepest ? *a : deepest;
    }
    return deepest;
}

/* Into [0, 4 pi): a push-pull pair with one turn more between its arms changes the sign of both outputs, two turns do
 * not. */
static double wrap_two_turns(double angle)
{
    const double share = angle / (4.0 * pi);
    return 4.0 * pi * (share - floor(share));
}

static double round_to(double angle, uint32_t bits)
{
    if (bits == 0) return angle;
    const double step = nce_dac_step(bits);
    return step * rint(angle / step);
}

/* Spill of the other heaters of a column on heater i: neighbours in the column are two modes apart. */
static double spill(const nce_mzi *column, size_t count, size_t i, const double *power, double crosstalk)
{
    double sum = 0.0;
    for (size_t j = 0; j < count; j++) {
        const double distance = fabs((double)column[j].mode - (double)column[i].mode) / 2.0;
        if (j != i) sum += crosstalk * exp(1.0 - distance) * power[j];
    }
    return sum;
}

/* One column: interferometers in a run that share no mode.  Solves for heater powers that give the wanted internal
 * phases despite the spill (Gauss-Seidel; a heater cannot cool, so a negative power becomes two turns more), rounds the
 * powers, and writes back the phases that result. */
static void set_column(nce_mzi *column, size_t count, const nce_mesh_defects *d)
{
    double power[128] = {0};
    for (int round = 0; round < 40 && d->crosstalk > 0.0; round++)
        for (size_t i = 0; i < count; i++)
            power[i] = wrap_two_turns(2.0 * column[i].theta - spill(column, count, i, power, d->crosstalk));
    for (size_t i = 0; i < count && d->crosstalk <= 0.0; i++)
        power[i] = 2.0 * column[i].theta;
    for (size_t i = 0; i < count; i++)
        power[i] = round_to(power[i], d->phase_bits);
    for (size_t i = 0; i < count; i++)
        column[i].theta = (power[i] + (d->crosstalk > 0.0 ? spill(column, count, i, power, d->crosstalk) : 0.0)) / 2.0;
}

void nce_mesh_set_phases(size_t n, nce_mzi *mzi, size_t n_mzi, double *phase, const nce_mesh_defects *d)
{
    size_t from = 0;
    while (from < n_mzi) {
        uint8_t used[256] = {0};
        size_t to = from;
        while (to < n_mzi && to - from < 128 && !used[mzi[to].mode] && !used[mzi[to].mode + 1]) {
            used[mzi[to].mode] = used[mzi[to].mode + 1] = 1;
            to++;
        }
        set_column(mzi + from, to - from, d);
        from = to;
    }
    for (size_t k = 0; k < n_mzi; k++)
        mzi[k].phi = round_to(mzi[k].phi, d->phase_bits);
    for (size_t i = 0; i < n; i++)
        phase[i] = round_to(phase[i], d->phase_bits);
}

/* i * B2 diag(e^{i half}, e^{-i half}) B1 diag(e^{i (phi + pi)}, 1), half = pi/2 - theta. */
static void interferometer(const nce_mzi *z, const double delta[2], double gain, double complex t[4])
{
    double complex b[2][4];
    for (int k = 0; k < 2; k++) {
        const double through = sqrt(0.5 + delta[k]), cross = sqrt(0.5 - delta[k]);
        b[k][0] = b[k][3] = through;
        b[k][1] = b[k][2] = I * cross;
    }
    const double complex up = cexp(I * (pi / 2.0 - z->theta)), down = conj(up), in = -cexp(I * z->phi);
    const double complex p[4] = {up * b[0][0] * in, up * b[0][1], down * b[0][2] * in, down * b[0][3]};
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < 2; c++)
            t[2 * r + c] = I * gain * (b[1][2 * r] * p[c] + b[1][2 * r + 1] * p[2 + c]);
}

void nce_mesh_build(size_t n, const nce_mzi *mzi, size_t n_mzi, const double *phase, const nce_mesh_defects *d,
                    double complex *out)
{
    enum { STREAM_SPLITTER = 9 };
    const double gain = pow(10.0, -d->loss_db / 20.0);
    for (size_t i = 0; i < n * n; i++)
        out[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
    for (size_t k = 0; k < n_mzi; k++) {
        double delta[2] = {0.0, 0.0};
        double complex t[4];
        if (d->splitter_sigma > 0.0) nce_normal_pair(d->seed, k, STREAM_SPLITTER, delta);
        for (int s = 0; s < 2; s++)
            delta[s] = fmax(-0.5, fmin(0.5, delta[s] * d->splitter_sigma));
        interferometer(&mzi[k], delta, gain, t);
        double complex *a = out + mzi[k].mode * n, *b = a + n;
        for (size_t j = 0; j < n; j++) {
            const double complex x = a[j], y = b[j];
            a[j] = t[0] * x + t[1] * y;
            b[j] = t[2] * x + t[3] * y;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[i * n + j] *= cexp(I * phase[i]);
}
