/* The redundant residue number system: goldens, every extreme, every kind of error. */
#include "src/photonic/rns.h"
#include "src/photonic/random.h"
#include <criterion/criterion.h>
#include <string.h>

static uint32_t draw(uint64_t i, uint32_t n)
{
    uint32_t w[4];
    nce_philox(11, i, 0, w);
    return (uint32_t)((uint64_t)w[0] * n >> 32);
}

static int32_t legal(uint64_t i)
{
    return (int32_t)draw(i, 4194304 + 4161536 + 1) - 4161536;
}

Test(photonic_rns, golden_residues)
{
    static const struct {
        int32_t y;
        uint8_t r[7];
    } golden[] = {
        {0, {0, 0, 0, 0, 0, 0, 0}},
        {1, {1, 1, 1, 1, 1, 1, 1}},
        {-1, {18, 22, 24, 26, 28, 30, 31}},
        {4194304, {16, 1, 4, 16, 5, 4, 0}},
        {-4161536, {15, 15, 14, 1, 22, 28, 0}},
        {123456, {13, 15, 6, 12, 3, 14, 0}},
        {-8191, {17, 20, 9, 17, 16, 24, 1}},
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        uint8_t r[7];
        int32_t y = 7;
        nce_rns_encode(golden[i].y, r);
        cr_assert_arr_eq(r, golden[i].r, 7, "residues of %d", golden[i].y);
        cr_assert(nce_rns_decode(r, 256, &y));
        cr_assert_eq(y, golden[i].y);
    }
}

Test(photonic_rns, every_legal_value_of_length_3_and_the_first_illegal_ones)
{
    for (int32_t y = -3 * 16384; y <= 3 * 16384; y++) {
        uint8_t r[7];
        int32_t back;
        nce_rns_encode(y, r);
        cr_assert(nce_rns_decode(r, 3, &back) && back == y, "%d", y);
    }
    uint8_t r[7];
    int32_t back;
    nce_rns_encode(3 * 16384 + 1, r);
    cr_assert(!nce_rns_decode(r, 3, &back));
    nce_rns_encode(-3 * 16384 - 1, r);
    cr_assert(!nce_rns_decode(r, 3, &back));
}

Test(photonic_rns, every_single_error_of_random_values_is_detected_and_suspected)
{
    for (uint64_t t = 0; t < 2000; t++) {
        const int32_t y = legal(t);
        uint8_t r[7], bad[7];
        int32_t back;
        nce_rns_encode(y, r);
        for (uint32_t l = 0; l < 7; l++)
            for (uint32_t e = 1; e < nce_rns_moduli[l]; e++) {
                memcpy(bad, r, 7);
                bad[l] = (uint8_t)((r[l] + e) % nce_rns_moduli[l]);
                cr_assert(!nce_rns_decode(bad, 256, &back), "y %d lane %u error %u", y, l, e);
                if (e != 1) continue;
                cr_assert(nce_rns_suspects(bad, 256) & 1u << l);
                cr_assert(nce_rns_decode_lanes(bad, NCE_RNS_ALL & ~(1u << l), 256, &back) && back == y);
            }
    }
}

Test(photonic_rns, every_double_error_is_detected)
{
    for (uint64_t t = 0; t < 60; t++) {
        const int32_t y = legal(1000000 + t);
        uint8_t r[7], bad[7];
        int32_t back;
        nce_rns_encode(y, r);
        for (int a = 0; a < 7; a++)
            for (int b = a + 1; b < 7; b++)
                for (uint32_t ea = 1; ea < nce_rns_moduli[a]; ea++)
                    for (uint32_t eb = 1; eb < nce_rns_moduli[b]; eb++) {
                        memcpy(bad, r, 7);
                        bad[a] = (uint8_t)((r[a] + ea) % nce_rns_moduli[a]);
                        bad[b] = (uint8_t)((r[b] + eb) % nce_rns_moduli[b]);
                        cr_assert(!nce_rns_decode(bad, 256, &back));
                    }
    }
}

Test(photonic_rns, six_lanes_detect_every_single_error)
{
    for (uint64_t t = 0; t < 300; t++) {
        const int32_t y = legal(2000000 + t);
        uint8_t r[7], bad[7];
        int32_t back;
        nce_rns_encode(y, r);
        for (uint32_t gone = 0; gone < 7; gone++)
            for (uint32_t l = 0; l < 7; l++)
                for (uint32_t e = 1; l != gone && e < nce_rns_moduli[l]; e++) {
                    memcpy(bad, r, 7);
                    bad[l] = (uint8_t)((r[l] + e) % nce_rns_moduli[l]);
                    cr_assert(!nce_rns_decode_lanes(bad, NCE_RNS_ALL & ~(1u << gone), 256, &back));
                }
    }
}

Test(photonic_rns, triple_errors_pass_at_the_rate_of_the_theory)
{
    const int n = 40000;
    int undetected = 0;
    for (uint64_t t = 0; t < (uint64_t)n; t++) {
        uint8_t r[7];
        int32_t back;
        nce_rns_encode(legal(t), r);
        uint32_t lane[3] = {draw(3 * t, 7), 0, 0};
        do
            lane[1] = draw(5000000 + 3 * t + lane[2]++, 7);
        while (lane[1] == lane[0]);
        for (uint64_t k = 0;; k++) {
            lane[2] = draw(7000000 + 97 * t + k, 7);
            if (lane[2] != lane[0] && lane[2] != lane[1]) break;
        }
        for (int k = 0; k < 3; k++) {
            const uint32_t m = nce_rns_moduli[lane[k]];
            r[lane[k]] = (uint8_t)((r[lane[k]] + 1 + draw(11000000 + 3 * t + (uint64_t)k, m - 1)) % m);
        }
        undetected += nce_rns_decode(r, 256, &back);
    }
    /* 2 * 256 * 2^14 / 8.486e9 = 0.99e-3 of 40,000: 39.5, standard deviation 6.3. */
    cr_assert(undetected > 8 && undetected < 72, "%d", undetected);
}

Test(photonic_rns, residues_out_of_range_are_illegal)
{
    uint8_t r[7] = {19, 0, 0, 0, 0, 0, 0};
    int32_t y;
    cr_assert(!nce_rns_decode(r, 256, &y));
    memset(r, 0xff, 7);
    cr_assert(!nce_rns_decode(r, 256, &y));
    cr_assert(!nce_rns_decode_lanes(r, NCE_RNS_ALL & ~1u, 256, &y));
    memset(r, 0, 7);
    cr_assert(!nce_rns_decode_lanes(r, 0x1f, 256, &y), "five lanes leave no redundancy");
}
