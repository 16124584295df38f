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
    b->base = n_dims == 8 ? 9 : 8;
    for (int i = 0; i < n; i++)
        b->start[half_of(b, word(words, i), 0) + 1]++;
    for (int h = 0; h < b->base * b->base; h++)
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

/* Costs of the values of the four digits; *least[j] is the cheapest of digit j. */
static void digit_costs(const nce_words *b, float cost[][NCE_WORDS_LEVELS], float digit[4][9], int least[4])
{
    for (int j = 0; j < 4; j++) {
        if (b->n_dims == 8)
            for (int v = 0; v < 9; v++)
                digit[j][v] = cost[2 * j][v % 3] + cost[2 * j + 1][v / 3];
        else
            memcpy(digit[j], cost[j], 8 * sizeof(float));
        least[j] = 0;
        for (int v = 1; v < b->base; v++)
            if (digit[j][v] < digit[j][least[j]]) least[j] = v;
    }
}

typedef struct found {
    float cost;
    int first, second;
} found;

static void search_list(const nce_words *b, int first, float cost, const float *second, found *best)
{
    for (int i = b->start[first]; i < b->start[first + 1]; i++)
        if (cost + second[b->second[i]] < best->cost) *best = (found){cost + second[b->second[i]], first, b->second[i]};
}

float nce_words_nearest(const nce_words *b, float cost[][NCE_WORDS_LEVELS], uint8_t *level)
{
    float digit[4][9], second[NCE_WORDS_HALVES];
    int least[4];
    found best = {INFINITY, 0, 0};
    digit_costs(b, cost, digit, least);
    for (int v = 0; v < b->base; v++)
        for (int u = 0; u < b->base; u++)
            second[v * b->base + u] = digit[2][u] + digit[3][v];
    const float rest = digit[2][least[2]] + digit[3][least[3]], least0 = digit[0][least[0]];
    search_list(b, least[1] * b->base + least[0], digit[1][least[1]] + least0, second, &best);
    for (int v = 0; v < b->base; v++) {
        if (digit[1][v] + least0 + rest >= best.cost) continue;
        for (int u = 0; u < b->base; u++)
            if (digit[0][u] + digit[1][v] + rest < best.cost)
                search_list(b, v * b->base + u, digit[0][u] + digit[1][v], second, &best);
    }
    for (int k = 0; k < b->n_dims / 2; k++) {
        level[k] = (uint8_t)(best.first % b->n_levels);
        level[k + b->n_dims / 2] = (uint8_t)(best.second % b->n_levels);
        best.first /= b->n_levels;
        best.second /= b->n_levels;
    }
    return best.cost;
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
