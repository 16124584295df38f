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

static int level_of(const nce_words *b, uint64_t word, int k)
{
    int level = 0;
    while (b->level[level] != (int8_t)(word >> (8 * k) & 255))
        level++;
    return level;
}

/* Digits 2h and 2h + 1 of a word as one index. */
static int half_of(const nce_words *b, const uint8_t *level, int half, int stride)
{
    const uint8_t *l = level + half * b->n_dims / 2;
    return b->n_dims == 8 ? l[0] + 3 * l[1] + stride * (l[2] + 3 * l[3]) : l[0] + stride * l[1];
}

static void init(nce_words *b, int n_dims, uint64_t (*word)(const void *, int), const void *words, int n)
{
    memset(b, 0, sizeof *b);
    b->n_dims = n_dims;
    find_levels(b, word, words, n);
    b->base = n_dims == 8 ? 9 : 8;
    uint8_t level[NCE_WORDS_MAX][8];
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n_dims; k++)
            level[i][k] = (uint8_t)level_of(b, word(words, i), k);
        b->start[half_of(b, level[i], 0, b->base) + 1]++;
    }
    for (int h = 0; h < b->base * b->base; h++)
        b->start[h + 1] = (uint16_t)(b->start[h + 1] + b->start[h]);
    uint16_t next[NCE_WORDS_HALVES];
    memcpy(next, b->start, sizeof next);
    for (int i = 0; i < n; i++) {
        const int at = next[half_of(b, level[i], 0, b->base)]++;
        b->second[at] = (uint8_t)half_of(b, level[i], 1, NCE_WORDS_WIDTH);
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

/* Costs of the values of digit j, padded to a fixed width that makes vectors; returns the cheapest value. */
static int digit_costs(const nce_words *b, float cost[][NCE_WORDS_LEVELS], int j, float digit[NCE_WORDS_WIDTH])
{
    int least = 0;
    if (b->n_dims == 8) {
        const float *x = cost[2 * j], *y = cost[2 * j + 1];
        for (int v = 0; v < 9; v++)
            digit[v] = x[v % 3] + y[v / 3];
    } else
        memcpy(digit, cost[j], 8 * sizeof(float));
    for (int v = 1; v < b->base; v++)
        least = digit[v] < digit[least] ? v : least;
    for (int v = b->base; v < NCE_WORDS_WIDTH; v++)
        digit[v] = INFINITY;
    return least;
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
    float digit[4][NCE_WORDS_WIDTH], second[9 * NCE_WORDS_WIDTH];
    int least[4];
    found best = {INFINITY, 0, 0};
    for (int j = 0; j < 4; j++)
        least[j] = digit_costs(b, cost, j, digit[j]);
    for (int v = 0; v < b->base; v++)
        for (int u = 0; u < NCE_WORDS_WIDTH; u++)
            second[v * NCE_WORDS_WIDTH + u] = digit[2][u] + digit[3][v];
    const float rest = digit[2][least[2]] + digit[3][least[3]], least0 = digit[0][least[0]];
    search_list(b, least[1] * b->base + least[0], digit[1][least[1]] + least0, second, &best);
    for (int v = 0; v < b->base; v++) {
        if (digit[1][v] + least0 + rest >= best.cost) continue;
        for (int u = 0; u < b->base; u++)
            if (digit[0][u] + digit[1][v] + rest < best.cost)
                search_list(b, v * b->base + u, digit[0][u] + digit[1][v], second, &best);
    }
    const int value[4] = {best.first % b->base, best.first / b->base, best.second % NCE_WORDS_WIDTH,
                          best.second / NCE_WORDS_WIDTH};
    for (int j = 0; j < 4; j++)
        if (b->n_dims == 8) {
            level[2 * j] = (uint8_t)(value[j] % 3);
            level[2 * j + 1] = (uint8_t)(value[j] / 3);
        } else
            level[j] = (uint8_t)value[j];
    return best.cost;
}

uint32_t nce_words_number(const nce_words *b, const uint8_t *level)
{
    const int second = half_of(b, level, 1, NCE_WORDS_WIDTH);
    int i = b->start[half_of(b, level, 0, b->base)];
    while (b->second[i] != second)
        i++;
    return b->number[i];
}
