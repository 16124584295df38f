/* See words.h. */
#include "src/quant/words.h"
#include <math.h>
#include <string.h>

static void find_levels(nce_words *b, uint64_t (*word)(const void *, int), const void *words, int n)
{
    bool seen[256] = {false};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < b->n_dims; k++)
            seen[(word(words, i) >> (8 * k) & 255) ^ 128] = true; /* ascending as signed bytes */
    for (int v = 0; v < 256; v++)
        if (seen[v]) b->level[b->n_levels++] = (int8_t)(v - 128);
}

static int half_of(const nce_words *b, uint64_t word, int first)
{
    int half = 0;
    for (int k = first + b->n_dims / 2; k-- > first;) {
        int level = 0;
        while (b->level[level] != (int8_t)(word >> (8 * k) & 255))
            level++;
        half = half * b->n_levels + level;
    }
    return half;
}

static void init(nce_words *b, int n_dims, uint64_t (*word)(const void *, int), const void *words, int n)
{
    memset(b, 0, sizeof *b);
    b->n_dims = n_dims;
    find_levels(b, word, words, n);
    b->n_halves = n_dims == 8 ? 81 : 64;
    for (int i = 0; i < n; i++)
        b->start[half_of(b, word(words, i), 0) + 1]++;
    for (int h = 0; h < b->n_halves; h++)
        b->start[h + 1] = (uint16_t)(b->start[h + 1] + b->start[h]);
    uint16_t next[NCE_WORDS_HALVES];
    memcpy(next, b->start, sizeof next);
    for (int i = 0; i < n; i++) {
        const int at = next[half_of(b, word(words, i), 0)]++;
        b->second[at] = (uint8_t)half_of(b, word(words, i), n_dims / 2);
        b->number[at] = (uint16_t)i;
    }
}

static uint64_t word_8(const void *words, int i)
{
    return ((const uint64_t *)words)[i];
}
static uint64_t word_4(const void *words, int i)
{
    return ((const uint32_t *)words)[i];
}

void nce_words_init_8(nce_words *b, const uint64_t *words, int n)
{
    init(b, 8, word_8, words, n);
}
void nce_words_init_4(nce_words *b, const uint32_t *words, int n)
{
    init(b, 4, word_4, words, n);
}

/* Costs of all values of a half; the first element is the fastest digit. */
static void half_costs(const nce_words *b, float cost[][NCE_WORDS_LEVELS], float *out)
{
    const int n = b->n_levels, square = n * n;
    float *pairs = b->n_dims == 8 ? (float[16]){0} : out;
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++)
            pairs[j * n + i] = cost[0][i] + cost[1][j];
    if (b->n_dims == 4) return;
    for (int k = 0; k < square; k++) {
        const float high = cost[2][k % n] + cost[3][k / n];
        for (int i = 0; i < square; i++)
            out[k * square + i] = high + pairs[i];
    }
}

float nce_words_nearest(const nce_words *b, float cost[][NCE_WORDS_LEVELS], uint8_t *level)
{
    float first[NCE_WORDS_HALVES], second[NCE_WORDS_HALVES], least = INFINITY, best = INFINITY;
    int best_first = 0, best_second = 0, start = 0;
    half_costs(b, cost, first);
    half_costs(b, cost + b->n_dims / 2, second);
    for (int h = 0; h < b->n_halves; h++) {
        least = second[h] < least ? second[h] : least;
        start = first[h] < first[start] ? h : start;
    }
    for (int k = -1; k < b->n_halves; k++) { /* the cheapest first half first: it bounds the others */
        const int h = k < 0 ? start : k;
        if (first[h] + least >= best) continue;
        for (int i = b->start[h]; i < b->start[h + 1]; i++) {
            const float total = first[h] + second[b->second[i]];
            if (total >= best) continue;
            best = total;
            best_first = h;
            best_second = b->second[i];
        }
    }
    for (int k = 0; k < b->n_dims / 2; k++) {
        level[k] = (uint8_t)(best_first % b->n_levels);
        level[k + b->n_dims / 2] = (uint8_t)(best_second % b->n_levels);
        best_first /= b->n_levels;
        best_second /= b->n_levels;
    }
    return best;
}

uint32_t nce_words_number(const nce_words *b, const uint8_t *level)
{
    int first = 0, second = 0;
    for (int k = b->n_dims / 2; k-- > 0;) {
        first = first * b->n_levels + level[k];
        second = second * b->n_levels + level[k + b->n_dims / 2];
    }
    int i = b->start[first];
    while (b->second[i] != second)
        i++;
    return b->number[i];
}
