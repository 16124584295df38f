/* Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4 in place on AVX2: blocks of 32.
 * Nibbles with or without a fifth bit, and the levels of MXFP4 plus 12, are unsigned: four lines of at most 31 fit int16.
 * The other two are signed bytes.  What precedes the codes is gathered three blocks early. */
#include "src/kernels/x86/matmul_inplace_avx2.h"

enum { KIND_Q4_0, KIND_Q4_1, KIND_Q5_0, KIND_Q5_1, KIND_Q8_0, KIND_IQ4_NL, KIND_MXFP4 };

typedef struct heads {
    uint32_t first[8], fifth[8]; /* d, and m or something else above it */
} __attribute__((aligned(32))) heads;

INLINE void gather(heads *h, const rows8 *r, size_t off, int kind)
{
    gather_words(h->first, r, off);
    if (kind == KIND_Q5_0 || kind == KIND_Q5_1) gather_words(h->fifth, r, off + (kind == KIND_Q5_0 ? 2 : 4));
}

/* Bits 4 j .. 4 j + 3 of every word as bit 4 of the four bytes. */
INLINE __m256i fifth_bits(__m256i words, int j)
{
    const char b = (char)(j / 2), low = (char)(1 << j % 2 * 4);
    const __m256i bit = v_pattern(low, (char)(2 * low), (char)(4 * low), (char)(8 * low), low, (char)(2 * low),
                                  (char)(4 * low), (char)(8 * low), low, (char)(2 * low), (char)(4 * low),
                                  (char)(8 * low), low, (char)(2 * low), (char)(4 * low), (char)(8 * low));
    const __m256i bytes =
        v_shuffle8(words, v_pattern(b, b, b, b, (char)(4 + b), (char)(4 + b), (char)(4 + b), (char)(4 + b),
                                    (char)(8 + b), (char)(8 + b), (char)(8 + b), (char)(8 + b), (char)(12 + b),
                                    (char)(12 + b), (char)(12 + b), (char)(12 + b)));
    return and8(_mm256_cmpeq_epi8(v_and(bytes, bit), bit), 16);
}

/* E8M0, halved: 2^(e - 128), a denormal below 2. */
INLINE __m256 e8m0_half(__m256i e)
{
    const __m256i normal = v_sll32(v_sub32(e, v_set32(1)), 23), small = _mm256_sllv_epi32(v_set32(0x200000), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, _mm256_cmpgt_epi32(v_set32(2), e)));
}

/* Products of one block, the offset of the codes taken back. */
INLINE void block_sums(__m256i *sum, const rows8 *r, const heads *h, const int32_t *x, int n, int kind)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const size_t codes = kind == KIND_MXFP4  ? 1
                         : kind == KIND_Q4_1 ? 4
                         : kind == KIND_Q5_0 ? 6
                         : kind == KIND_Q5_1 ? 8
                                             : 2;
    __m256i t[8], pairs[NCE_FEW_GROUP], pairs2[NCE_FEW_GROUP];
    load_t(r, codes, t);
    if (kind == KIND_Q8_0) load_t(r, codes + 16, t + 4);
    clear(sum, n), clear(pairs, n), clear(pairs2, n);
    UNROLL for (int j = 0; j < 4; j++)
    {
        __m256i u = lo4(t[j]), v = hi4(t[j]);
        if (kind == KIND_Q8_0 || kind == KIND_IQ4_NL) {
            dot_signed(sum, kind == KIND_Q8_0 ? t[j] : v_shuffle8(iq4_levels(), u), x, j, ones, n);
            dot_signed(sum, kind == KIND_Q8_0 ? t[4 + j] : v_shuffle8(iq4_levels(), v), x, 4 + j, ones, n);
            continue;
        }
        if (kind == KIND_Q5_0 || kind == KIND_Q5_1) {
            u = v_or(u, fifth_bits(words_of(h->fifth), j));
            v = v_or(v, fifth_bits(words_of(h->fifth), 4 + j));
        }
        if (kind == KIND_MXFP4) {
            const __m256i levels = v_repeat(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
            u = v_shuffle8(levels, u);
            v = v_shuffle8(levels, v);
        }
        dot_pairs(pairs, u, x, j, n);
        dot_pairs(pairs2, v, x, 4 + j, n);
    }
    if (kind == KIND_Q8_0 || kind == KIND_IQ4_NL) return;
    widen(sum, pairs, ones, n), widen(sum, pairs2, ones, n);
    COLS
    { /* start is -128 times the sum of the activations */
        const __m256i start = word(x + NCE_X32_START * n + c);
        if (kind == KIND_Q4_0) sum[c] = _mm256_add_epi32(sum[c], v_sra32(start, 4));
        if (kind == KIND_Q5_0) sum[c] = _mm256_add_epi32(sum[c], v_sra32(start, 3));
        if (kind == KIND_MXFP4)
            sum[c] = _mm256_add_epi32(sum[c], _mm256_add_epi32(v_sra32(start, 4), v_sra32(start, 5)));
    }
}

INLINE void block32_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const uint8_t *ahead,
                            float (*out)[8], const int n, const int kind, const size_t bytes)
{
    const bool has_min = kind == KIND_Q4_1 || kind == KIND_Q5_1;
    heads head[4];
    __m256 acc[NCE_FEW_GROUP];
    rows8 r = {w, s};
    COLS acc[c] = _mm256_setzero_ps();
    for (size_t b = 0; b < 3 && b < n_blocks; b++)
        gather(&head[b], &r, b * bytes, kind);
    for (size_t b = 0; b < n_blocks; b++, x += NCE_X32_WORDS * n, ahead += 8 * bytes, r.p += bytes) {
        const heads *const h = &head[b % 4];
        __m256i sum[NCE_FEW_GROUP];
        prefetch_block(ahead, bytes);
        if (b + 3 < n_blocks) gather(&head[(b + 3) % 4], &r, 3 * bytes, kind);
        block_sums(sum, &r, h, x, n, kind);
        const __m256i first = words_of(h->first);
        const __m256 dw = kind == KIND_MXFP4 ? e8m0_half(v_and(first, v_set32(255))) : half_lo(first);
        COLS
        {
            const int32_t *const da = x + NCE_X32_DA * n + c;
            acc[c] = add_block(acc[c], dw, da, sum[c]);
            if (has_min) /* the stored offset is minus the minimum */
                acc[c] = _mm256_fmadd_ps(_mm256_mul_ps(half_hi(first), word_ps(da)), word_ps(x + NCE_X32_SUM * n + c),
                                         acc[c]);
        }
    }
    COLS _mm256_storeu_ps(out[c], acc[c]);
}

#define q4_0_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_Q4_0, 18)
#define q4_1_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_Q4_1, 20)
#define q5_0_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_Q5_0, 22)
#define q5_1_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_Q5_1, 24)
#define q8_0_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_Q8_0, 34)
#define iq4_nl_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_IQ4_NL, 18)
#define mxfp4_segment(w, s, nb, x, a, acc, n) block32_segment(w, s, nb, x, a, acc, n, KIND_MXFP4, 17)
NCE_INPLACE(q4_0);
NCE_INPLACE(q4_1);
NCE_INPLACE(q5_0);
NCE_INPLACE(q5_1);
NCE_INPLACE(q8_0);
NCE_INPLACE(iq4_nl);
NCE_INPLACE(mxfp4);
