/* Encoding, Chinese-remainder decoding and error diagnosis of the redundant residue number system (see rns.h). */
#include "src/photonic/rns.h"
#include <stdlib.h>

const uint8_t nce_rns_moduli[NCE_RNS_LANES] = {19, 23, 25, 27, 29, 31, 32};

/* Chinese-remainder weights of the five information moduli: (M / m) * ((M / m)^-1 mod m) mod M. */
static const uint32_t info_weight[NCE_RNS_INFO] = {450225, 7438500, 2053026, 1267300, 5899500};

void nce_rns_encode(int32_t y, uint8_t residues[NCE_RNS_LANES])
{
    /* Offsets that the moduli divide make the number positive; constant 32-bit divisors become multiplications. */
    const uint32_t u = (uint32_t)(y + NCE_RNS_PRODUCT), v = (uint32_t)(y + 31 * 32 * 8192);
    residues[0] = (uint8_t)(u % 19);
    residues[1] = (uint8_t)(u % 23);
    residues[2] = (uint8_t)(u % 25);
    residues[3] = (uint8_t)(u % 27);
    residues[4] = (uint8_t)(u % 29);
    residues[5] = (uint8_t)(v % 31);
    residues[6] = (uint8_t)(v % 32);
}

static bool in_range(const uint8_t residues[NCE_RNS_LANES], uint32_t lanes)
{
    for (int i = 0; i < NCE_RNS_LANES; i++)
        if ((lanes >> i & 1) && residues[i] >= nce_rns_moduli[i]) return false;
    return true;
}

bool nce_rns_decode(const uint8_t residues[NCE_RNS_LANES], uint32_t length, int32_t *y)
{
    /* The legal values lie inside the range of the information moduli, so "the value over all seven moduli is legal" is
     * the same as "the value over five is legal and has the two redundant residues": 32-bit arithmetic suffices. */
    if (!in_range(residues, NCE_RNS_ALL)) return false;
    uint32_t sum = 0; /* < 2^29 */
    for (int i = 0; i < NCE_RNS_INFO; i++)
        sum += info_weight[i] * residues[i];
    sum %= NCE_RNS_PRODUCT;
    const int32_t value = sum > NCE_RNS_PRODUCT / 2 ? (int32_t)sum - NCE_RNS_PRODUCT : (int32_t)sum;
    if (abs(value) > (int32_t)(length << 14)) return false;
    const uint32_t shifted = (uint32_t)(value + 31 * 32 * 8192); /* positive, and 0 modulo 31 and 32 */
    if (shifted % 31 != residues[5] || shifted % 32 != residues[6]) return false;
    *y = value;
    return true;
}

/* inverse[j][i]: the number whose product with modulus j is 1 modulo modulus i. */
static const uint8_t inverse[NCE_RNS_LANES][NCE_RNS_LANES] = {
    {0, 17, 4, 10, 26, 18, 27}, {5, 0, 12, 20, 24, 27, 7}, {16, 12, 0, 13, 7, 5, 9},  {12, 6, 13, 0, 14, 23, 19},
    {2, 4, 19, 14, 0, 15, 21},  {8, 3, 21, 7, 15, 0, 31},  {3, 18, 18, 11, 10, 1, 0},
};

/* Mixed-radix (Garner) reconstruction over any subset: value = d0 + d1 m0 + d2 m0 m1 + ..., no number above the product. */
bool nce_rns_decode_lanes(const uint8_t residues[NCE_RNS_LANES], uint32_t lanes, uint32_t length, int32_t *y)
{
    if ((lanes & NCE_RNS_ALL) == NCE_RNS_ALL) return nce_rns_decode(residues, length, y);
    if (__builtin_popcount(lanes & NCE_RNS_ALL) < NCE_RNS_LANES - 1 || !in_range(residues, lanes)) return false;
    int64_t value = 0, product = 1;
    uint32_t digit[NCE_RNS_LANES];
    for (int i = 0; i < NCE_RNS_LANES; i++) {
        if (!(lanes >> i & 1)) continue;
        const uint32_t m = nce_rns_moduli[i];
        uint32_t d = residues[i];
        for (int j = 0; j < i; j++)
            if (lanes >> j & 1) d = (d + 2 * m - digit[j]) * inverse[j][i] % m; /* digits are below 32 <= 2 m */
        digit[i] = d;
        value += d * product;
        product *= m;
    }
    if (value > product / 2) value -= product;
    if (llabs(value) > (int64_t)length << 14) return false;
    *y = (int32_t)value;
    return true;
}

uint32_t nce_rns_suspects(const uint8_t residues[NCE_RNS_LANES], uint32_t length)
{
    uint32_t suspects = 0;
    int32_t y;
    for (uint32_t i = 0; i < NCE_RNS_LANES; i++)
        if (nce_rns_decode_lanes(residues, NCE_RNS_ALL & ~(1u << i), length, &y)) suspects |= 1u << i;
    return suspects;
}
