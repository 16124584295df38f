/* The optical core: exact without noise, the error rate of the theory with it, faults as configured. */
#include "src/photonic/core.h"
#include "src/photonic/optics.h"
#include "src/photonic/random.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 20000 };

static nce_optical_core make(double noise, uint32_t adc_bits)
{
    nce_optical_core core = {.seed = 5, .noise = noise, .adc_bits = adc_bits};
    for (int i = 0; i < NCE_RNS_LANES; i++)
        core.lane[i] = (nce_optical_lane){.amplitude = 1.0, .enabled = true};
    nce_core_prepare(&core);
    return core;
}

static int32_t value(uint64_t i)
{
    uint32_t w[4];
    nce_philox(3, i, 0, w);
    return (int32_t)((uint64_t)w[0] * 8355841 >> 32) - 4161536;
}

Test(photonic_core, philox_known_answers)
{
    /* The known answers of the paper's reference for the zero and the all-ones counter and key. */
    uint32_t w[4];
    nce_philox(0, 0, 0, w);
    cr_assert(w[0] == 0x6627e8d5 && w[1] == 0xe169c58d && w[2] == 0xbc57ac4c && w[3] == 0x9b00dbd8);
    nce_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, w);
    cr_assert(w[0] == 0x408f276d && w[1] == 0x41c83b0e && w[2] == 0xa20bc7c6 && w[3] == 0x6d5451fd);
}

Test(photonic_core, six_bit_converters_without_noise_are_exact)
{
    const nce_optical_core core = make(0.0, 6);
    for (uint64_t i = 0; i < N; i++) {
        const int32_t y = value(i);
        uint8_t out[8];
        int32_t back = 0;
        cr_assert_eq(nce_core_read(&core, i, &y, 1, out), 0);
        cr_assert(nce_rns_decode(out, 256, &back) && back == y);
    }
}

Test(photonic_core, residue_errors_follow_the_complementary_error_function)
{
    /* With 14-bit converters and m = 32 the border lies at sin(pi/32); noise across it is one normal number. */
    const double sigma = 0.04;
    nce_optical_core core = make(sigma, 14);
    for (int i = 0; i < NCE_RNS_LANES - 1; i++)
        core.lane[i].enabled = false;
    nce_core_prepare(&core);
    const int n = 200000;
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        const int32_t y = value(i);
        uint8_t out[8];
        wrong += nce_core_read(&core, i, &y, 1, out);
        cr_assert_eq(out[0], 0xff);
    }
    const double p = erfc(sin(3.14159265358979 / 32) / sigma / sqrt(2.0)), deviation = sqrt(n * p);
    cr_assert_float_eq((double)wrong, n * p, 4.0 * deviation, "%d of %d, expected %.1f", (int)wrong, n, n * p);
}

Test(photonic_core, the_short_path_draws_the_distribution_of_the_full_path)
{
    /* A phase error moves the point towards one border: the shares of +1 and -1 errors must follow both borders. */
    const double sigma = 0.03, error = 0.04;
    nce_optical_core core = make(sigma, 14);
    for (int i = 0; i < NCE_RNS_LANES; i++)
        core.lane[i].phase_error = error;
    nce_core_prepare(&core);
    const int n = 100000;
    int up = 0, down = 0;
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        const int32_t y = value(i);
        uint8_t out[8], exact[7];
        nce_core_read(&core, i, &y, 1, out);
        nce_rns_encode(y, exact);
        up += out[6] == (exact[6] + 1) % 32;
        down += out[6] == (exact[6] + 31) % 32;
    }
    const double border = 3.14159265358979 / 32;
    const double p_up = 0.5 * erfc(sin(border - error) / sigma / sqrt(2.0));
    const double p_down = 0.5 * erfc(sin(border + error) / sigma / sqrt(2.0));
    cr_assert_float_eq(up, n * p_up, 4.0 * sqrt(n * p_up), "%d, expected %.1f", up, n * p_up);
    cr_assert(down <= n * p_down + 6.0, "%d, expected %.2f", down, n * p_down);
}

Test(photonic_core, a_reading_draws_the_same_noise_in_any_batch)
{
    const nce_optical_core core = make(0.05, 7);
    int32_t y[64];
    uint8_t whole[64][8], part[64][8];
    for (int i = 0; i < 64; i++)
        y[i] = value((uint64_t)i);
    nce_core_read(&core, 1001, y, 64, whole[0]);
    for (size_t from = 0, size = 1; from<64; from += size, size = from + size + 3> 64 ? 64 - from : size + 3)
        nce_core_read(&core, 1001 + from, y + from, size, part[from]);
    cr_assert_arr_eq(whole, part, sizeof whole);
}

Test(photonic_core, faults_touch_their_lane_at_their_rate)
{
    static const nce_lane_fault kinds[] = {NCE_LANE_FAULT_DARK, NCE_LANE_FAULT_STUCK, NCE_LANE_FAULT_STEP,
                                           NCE_LANE_FAULT_RANDOM};
    for (size_t k = 0; k < 4; k++) {
        nce_optical_core core = make(0.0, 8);
        core.lane[2].fault = kinds[k];
        core.lane[2].fault_rate = 0.25;
        nce_core_prepare(&core);
        int touched = 0;
        for (uint64_t i = 0; i < N; i++) {
            const int32_t y = value(i);
            uint8_t out[8], exact[7];
            nce_core_read(&core, i, &y, 1, out);
            nce_rns_encode(y, exact);
            for (int l = 0; l < 7; l++)
                cr_assert(l == 2 || out[l] == exact[l]);
            cr_assert_lt(out[2], 25);
            touched += out[2] != exact[2];
        }
        const double p = kinds[k] == NCE_LANE_FAULT_DARK || kinds[k] == NCE_LANE_FAULT_STUCK ? 0.25 * 24 / 25 : 0.25;
        cr_assert_float_eq(touched, N * p, 5.0 * sqrt(N * p), "kind %d: %d", (int)kinds[k], touched);
    }
}

/* The promise of the exact mode: a million random int8 dot products of length 256 under noise up to and above the
 * proven margin of 0.0164, converters of 6 to 8 bits; every answer that is accepted is right, and what is refused is
 * right after re-reading. */
Test(photonic_core, a_million_dots_none_wrong)
{
    enum { ROWS = 1000, LENGTH = 256 };
    static int8_t w[ROWS][LENGTH], x[LENGTH];
    static int32_t y[ROWS];
    static uint8_t out[ROWS][8];
    uint64_t reading = 0, rejected = 0, wrong_residues = 0;
    for (uint32_t pass = 0; pass < 1000; pass++) {
        const nce_optical_core core = make(pass % 2 ? 0.025 : 0.0164, 6 + pass % 3);
        for (size_t i = 0; i < sizeof w + sizeof x; i += 16) {
            uint32_t words[4];
            nce_philox(99, i, pass, words);
            memcpy(i < sizeof w ? (char *)w + i : (char *)x + i - sizeof w, words, 16);
        }
        nce_core_dots(w[0], LENGTH, x, ROWS, 1, LENGTH, y);
        wrong_residues += nce_core_read(&core, reading, y, ROWS, out[0]);
        reading += ROWS;
        for (int r = 0; r < ROWS; r++) {
            int32_t got = 0;
            bool legal = nce_rns_decode(out[r], LENGTH, &got);
            for (int retry = 0; retry < 3 && !legal; retry++, rejected++) {
                nce_core_read(&core, reading++, &y[r], 1, out[r]);
                legal = nce_rns_decode(out[r], LENGTH, &got);
            }
            cr_assert(legal);
            cr_assert_eq(got, y[r]);
        }
    }
    cr_assert_gt(rejected, 0, "the noise must have been real");
    cr_assert_gt(wrong_residues, 0);
}

Test(photonic_core, dots_equal_the_plain_sum)
{
    for (uint32_t length = 1; length <= 256; length += length < 40 ? 1 : 27) {
        int8_t w[3 * 520], x[512];
        int32_t y[6];
        for (size_t i = 0; i < sizeof w; i++)
            w[i] = (int8_t)(i % 5 == 0 ? -128 : value(i));
        for (size_t i = 0; i < sizeof x; i++)
            x[i] = (int8_t)(i % 7 == 0 ? -128 : value(i + 5000));
        nce_core_dots(w, 520, x, 3, 2, length, y);
        for (int k = 0; k < 6; k++) {
            int32_t sum = 0;
            for (uint32_t i = 0; i < length; i++)
                sum += w[(size_t)(k / 2) * 520 + (size_t)(k % 2) * length + i] * x[(size_t)(k % 2) * length + i];
            cr_assert_eq(y[k], sum);
        }
    }
}

Test(photonic_core, column_sums_equal_the_plain_sums)
{
    enum { ROWS = 600, LD = 41 };
    static int8_t w[ROWS * LD];
    for (size_t i = 0; i < sizeof w; i++)
        w[i] = i % LD < 3 ? -128 : (int8_t)value(i); /* the first columns would overflow int16 if added without care */
    for (size_t n = 0; n <= LD; n += 8) {
        int32_t sums[LD];
        nce_core_column_sums(w, LD, ROWS, n, sums);
        for (size_t c = 0; c < n; c++) {
            int32_t sum = 0;
            for (size_t r = 0; r < ROWS; r++)
                sum += w[r * LD + c];
            cr_assert_eq(sums[c], sum);
        }
    }
}

Test(photonic_core, formulas_of_the_optical_parts)
{
    cr_assert_float_eq(1e-4 / nce_detector_noise(1e-4, 5e9, 300, 5e3, -160), 235, 0.5);
    cr_assert_float_eq(1e-3 / nce_detector_noise(1e-3, 5e9, 300, 5e3, -160), 687, 0.5);
    cr_assert_float_eq(nce_effective_bits(1e-2 / nce_detector_noise(1e-2, 5e9, 300, 5e3, -160)), 9.5, 0.05);
    cr_assert_float_eq(nce_ring_drop(0.1, 0.155), 0.375, 0.001);
    cr_assert_float_eq(nce_ring_drop(0.0775, 0.155), 0.5, 1e-12);
    cr_assert_float_eq(nce_mzi_bar_power(0.0), 0.0, 1e-15);
    cr_assert_float_eq(nce_mzi_bar_power(3.14159265358979), 1.0, 1e-12);
    cr_assert_float_eq(nce_mzi_bar_power(3.14159265358979 / 2), 0.5, 1e-12);
    cr_assert_float_eq(nce_mzi_leakage(0.02), 1.6e-3, 1e-12);
    cr_assert_float_eq(nce_dac_step(12), 1.534e-3, 1e-6);
    cr_assert_float_eq(nce_dac_rms(12), 0.443e-3, 1e-6);
    const nce_tec tec = {0.022, 10.0, 0.03};
    cr_assert_float_eq(nce_tec_heat(&tec, 0.5, 298.15, 318.15), 1.43, 0.005);
    cr_assert_float_eq(nce_tec_power(&tec, 0.5, 298.15, 318.15), 2.72, 0.005);
    cr_assert_float_eq(nce_tec_best_current(&tec, 298.15), 0.656, 0.001);
}
