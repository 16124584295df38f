/* The optical core of the exact mode (see core.h). */
#include "src/photonic/core.h"
#include "src/photonic/random.h"
#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Streams of the random generator: what a number is for is part of its counter. */
enum { STREAM_ANY = 1, STREAM_FAULT = 2, STREAM_PROBE = 3, STREAM_LANE = 16 };

static double converter_step(const nce_optical_core *core)
{
    return NCE_CORE_FULL_SCALE_PERCENT / 100.0 / ((1 << (core->adc_bits - 1)) - 1);
}

/* Length of the shortest noise vector that might change a reading: to the nearest decision border, less the most that
 * both converters move the point, and short of the converters' range. */
static double safe_radius(const nce_optical_core *core, const nce_optical_lane *lane, double modulus)
{
    const double angle = pi / modulus - fabs(lane->phase_error), step = converter_step(core);
    if (angle <= 0.0) return 0.0;
    const double border = lane->amplitude * sin(angle) - step * sqrt(0.5);
    const double range = NCE_CORE_FULL_SCALE_PERCENT / 100.0 - lane->amplitude;
    const double radius = border < range ? border : range;
    return radius > 0.0 ? radius : 0.0;
}

void nce_core_prepare(nce_optical_core *core)
{
    double none = 1.0;
    core->any_fault = false;
    for (int i = 0; i < NCE_RNS_LANES; i++) {
        nce_optical_lane *lane = &core->lane[i];
        const int m = nce_rns_moduli[i];
        const double radius = safe_radius(core, lane, m);
        const double sigma = core->noise;
        lane->slow_share = radius == 0.0 ? 1.0 : sigma == 0.0 ? 0.0 : exp(-radius * radius / (2.0 * sigma * sigma));
        if (!lane->enabled) lane->slow_share = 0.0;
        for (int r = 0; r < m; r++) {
            lane->cosine[r] = lane->amplitude * cos(2.0 * pi * r / m + lane->phase_error);
            lane->sine[r] = lane->amplitude * sin(2.0 * pi * r / m + lane->phase_error);
        }
        none *= 1.0 - lane->slow_share;
        core->any_slow[i] = 1.0 - none;
        core->any_fault |= lane->enabled && lane->fault != NCE_LANE_FAULT_NONE && lane->fault_rate > 0.0;
    }
}

static double convert(const nce_optical_core *core, double value)
{
    const double step = converter_step(core), limit = (1 << (core->adc_bits - 1)) - 1;
    const double code = rint(value / step);
    return step * fmax(-limit, fmin(limit, code));
}

static uint8_t decide(const nce_optical_core *core, int m, double i, double q)
{
    const double turns = atan2(convert(core, q), convert(core, i)) / (2.0 * pi);
    const int residue = (int)rint(turns * m);
    return (uint8_t)((residue % m + m) % m);
}

/* A reading whose noise is at least as long as its safe radius: tail in (0, 1] is its probability, given that. */
static uint8_t read_slowly(const nce_optical_core *core, int l, uint64_t reading, uint32_t residue, double tail)
{
    const nce_optical_lane *lane = &core->lane[l];
    uint32_t w[4];
    nce_philox(core->seed, reading, STREAM_LANE + (uint64_t)l, w);
    const double radius = core->noise * sqrt(-2.0 * log(tail * lane->slow_share));
    const double angle = 2.0 * pi * nce_uniform((uint64_t)w[2] << 32 | w[3]);
    return decide(core, nce_rns_moduli[l], lane->cosine[residue] + radius * cos(angle),
                  lane->sine[residue] + radius * sin(angle));
}

/* u < any_slow[6]: some lane needs the full path.  u itself selects the first such lane (inverse of the distribution
 * function); the later ones are independent of it. */
static void read_some_slowly(const nce_optical_core *core, uint64_t reading, double u, uint8_t *out)
{
    int first = 0;
    while (u >= core->any_slow[first])
        first++;
    const double before = first > 0 ? core->any_slow[first - 1] : 0.0;
    const double tail = (u - before) / (core->any_slow[first] - before);
    out[first] = read_slowly(core, first, reading, out[first], tail > 0.0 ? tail : 0x1p-53);
    for (int l = first + 1; l < NCE_RNS_LANES; l++) {
        const nce_optical_lane *lane = &core->lane[l];
        uint32_t w[4];
        if (lane->slow_share == 0.0) continue;
        nce_philox(core->seed, reading, STREAM_LANE + (uint64_t)l, w);
        const double v = nce_uniform((uint64_t)w[0] << 32 | w[1]);
        if (v < lane->slow_share) out[l] = read_slowly(core, l, reading, out[l], v / lane->slow_share);
    }
}

static void apply_faults(const nce_optical_core *core, uint64_t reading, uint8_t *out)
{
    for (int l = 0; l < NCE_RNS_LANES; l++) {
        const nce_optical_lane *lane = &core->lane[l];
        const uint32_t m = nce_rns_moduli[l];
        uint32_t w[4];
        if (!lane->enabled || lane->fault == NCE_LANE_FAULT_NONE) continue;
        nce_philox(core->seed, reading, (uint64_t)STREAM_FAULT << 32 | (uint64_t)l, w);
        if (nce_uniform((uint64_t)w[0] << 32 | w[1]) >= lane->fault_rate) continue;
        switch (lane->fault) {
        case NCE_LANE_FAULT_DARK:
            out[l] = (uint8_t)(((uint64_t)w[2] * m) >> 32);
            break;
        case NCE_LANE_FAULT_STUCK:
            out[l] = 1;
            break;
        case NCE_LANE_FAULT_STEP:
            out[l] = (uint8_t)((out[l] + 1u) % m);
            break;
        case NCE_LANE_FAULT_RANDOM:
            out[l] = (uint8_t)((out[l] + 1 + (((uint64_t)w[2] * (m - 1)) >> 32)) % m);
            break;
        case NCE_LANE_FAULT_NONE:
            break;
        }
    }
}

uint64_t nce_core_read(const nce_optical_core *core, uint64_t reading, const int32_t *y, size_t n, uint8_t *out)
{
    const double any = core->any_slow[NCE_RNS_LANES - 1];
    uint64_t wrong = 0;
    uint32_t w[4] = {0};
    for (size_t k = 0; k < n; k++, out += 8) {
        const uint64_t number = reading + k;
        nce_rns_encode(y[k], out);
        out[7] = 0;
        if (k == 0 || (number & 1) == 0) nce_philox(core->seed, number >> 1, STREAM_ANY, w); /* serves two readings */
        const uint32_t *half = w + 2 * (number & 1);
        const double u = nce_uniform((uint64_t)half[0] << 32 | half[1]);
        if (u >= any && !core->any_fault) continue;
        uint8_t exact[8];
        memcpy(exact, out, 8);
        if (u < any) read_some_slowly(core, number, u, out);
        if (core->any_fault) apply_faults(core, number, out);
        for (int l = 0; l < NCE_RNS_LANES; l++)
            wrong += core->lane[l].enabled && out[l] != exact[l];
    }
    out -= 8 * n;
    for (int l = 0; l < NCE_RNS_LANES; l++)
        for (size_t k = 0; k < n && !core->lane[l].enabled; k++)
            out[8 * k + (size_t)l] = 0xff;
    return wrong;
}

void nce_core_probe(const nce_optical_core *core, uint32_t l, uint64_t reading, uint32_t residue, double iq[2])
{
    const nce_optical_lane *lane = &core->lane[l];
    const bool lit = lane->enabled && lane->fault != NCE_LANE_FAULT_DARK;
    double noise[2];
    nce_normal_pair(core->seed, reading, (uint64_t)STREAM_PROBE << 32 | l, noise);
    iq[0] = convert(core, (lit ? lane->cosine[residue] : 0.0) + core->noise * noise[0]);
    iq[1] = convert(core, (lit ? lane->sine[residue] : 0.0) + core->noise * noise[1]);
}

/* Vectors of the compiler, any ISA: sixteen products fit int16 (the largest is 2^14), sums need int32. */
typedef int8_t bytes16 __attribute__((vector_size(16)));
typedef int16_t shorts16 __attribute__((vector_size(32)));
typedef int32_t words16 __attribute__((vector_size(64)));

static int32_t dot(const int8_t *w, const int8_t *x, uint32_t n)
{
    words16 sum = {0};
    int32_t total = 0;
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        bytes16 a, b;
        memcpy(&a, w + i, 16);
        memcpy(&b, x + i, 16);
        const shorts16 product = __builtin_convertvector(a, shorts16) * __builtin_convertvector(b, shorts16);
        sum += __builtin_convertvector(product, words16);
    }
    for (; i < n; i++)
        total += w[i] * x[i];
    for (int l = 0; l < 16; l++)
        total += sum[l];
    return total;
}

void nce_core_column_sums(const int8_t *w, size_t ld_w, size_t n_rows, size_t n, int32_t *sums)
{
    enum { GROUP = 255 }; /* rows whose sum fits int16: 255 * 128 < 2^15 */
    memset(sums, 0, n * sizeof *sums);
    for (size_t from = 0; from < n_rows; from += GROUP) {
        const size_t to = n_rows - from < GROUP ? n_rows : from + GROUP;
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            shorts16 sum = {0};
            words16 total;
            for (size_t r = from; r < to; r++) {
                bytes16 a;
                memcpy(&a, w + r * ld_w + i, 16);
                sum += __builtin_convertvector(a, shorts16);
            }
            memcpy(&total, sums + i, sizeof total);
            total += __builtin_convertvector(sum, words16);
            memcpy(sums + i, &total, sizeof total);
        }
        for (; i < n; i++)
            for (size_t r = from; r < to; r++)
                sums[i] += w[r * ld_w + i];
    }
}

void nce_core_dots(const int8_t *w, size_t ld_w, const int8_t *x, size_t n_rows, size_t n_blocks, uint32_t length,
                   int32_t *y)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t b = 0; b < n_blocks; b++)
            *y++ = dot(w + r * ld_w + b * length, x + b * length, length);
}
