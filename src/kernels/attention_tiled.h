/* Attention in tiles: what the driver (attention_tiled.c) asks of the micro-kernels of an instruction set.
 *
 * The query rows of one KV head are a flat list: row r belongs to query head r % n_group of the run's row r / n_group.
 * The driver takes a block of them through one split at a time: scores of the whole split (a page of keys at a time),
 * soft-max weights, weighted sum of values.  Since the scores of a whole split are kept, there is no running maximum
 * inside it, and blocks, pages, threads and prefetches choose only what is computed together, never a bit. */
#ifndef NCE_SRC_ATTENTION_TILED_H
#define NCE_SRC_ATTENTION_TILED_H
#include "src/kernels/attention_page.h"

enum {
    NCE_ATTN_TILES = NCE_ATTN_SPLIT / NCE_KV_PAGE,
    NCE_ATTN_ROWS = 96,       /* rows of a block, at most */
    NCE_ATTN_DIRECT_ROWS = 8, /* up to so many rows read the pages in place; more expand them into panels first */
    NCE_ATTN_PANEL = 64,      /* columns of a panel of values, which has the 64 positions of a page */
    NCE_ATTN_DIMS = 64,       /* dimensions of a panel of keys as floats: 16 KB, so that rows find it in L1 */
    NCE_ATTN_CODE_DIMS = 256  /* the same for codes */
};

/* Pages to bring into the L2 cache while computing: pace / 16 lines at each step of a micro-kernel. */
typedef struct nce_attn_prefetch {
    const uint8_t *next, *end; /* of the page under way */
    int credit, pace, first, n;
    struct {
        const uint8_t *page;
        size_t bytes;
    } queue[2 * NCE_ATTN_TILES];
} nce_attn_prefetch;

/* s[r][16 u ...] = scores of the 16-position units u0 .. u1 of one page over n_dk dimensions; with more, the sum goes
 * on from what s holds. */
typedef struct nce_attn_qk {
    nce_type type; /* of k; an expanded page is F32 [n_dk][64] or Q8_0 */
    int n_rows, n_dk, more;
    int u0, u1;
    const void *k;
    const float *q; /* [n_rows][ld_q], also the stride of code; d and fix have ld_q / 32 */
    const int8_t *code;
    const float *d;
    const int32_t *fix; /* -128 (Q8_0) or -8 (Q4_0) times the sum of a block's codes */
    int ld_q;
    float *s; /* row stride NCE_ATTN_SPLIT */
    nce_attn_prefetch *prefetch;
} nce_attn_qk;

/* o[r][16 u ...] = sum over the live positions j in [from, to) of w[r][j] v[j][16 u ...] for the units u0 .. u1 of
 * columns; with more, the sum goes on from what o holds. */
typedef struct nce_attn_pv {
    nce_type type; /* of v; an expanded panel is F32 */
    int n_rows, u0, u1, from, to, more;
    int chunk;                        /* positions of a visit if the columns need several passes */
    const uint8_t *v[NCE_ATTN_TILES]; /* first row of each page or panel; NULL where nothing is live */
    size_t row_bytes;
    const float *vd; /* scales of quantized values as floats [256][n_blocks] */
    int n_blocks;
    const float *w;     /* row stride NCE_ATTN_SPLIT */
    const int *lo, *hi; /* live positions of each row inside the split, [lo, hi) */
    float *o;
    size_t ld_o;
    nce_attn_prefetch *prefetch;
} nce_attn_pv;

typedef struct nce_attn_kernels {
    int rows_max;   /* rows of one qk or pv call, at most */
    int8_t qk_units[9], qk_code_units[9], pv_units[9]; /* units of a pass for 1 .. 8 rows */
    int qk_rows;    /* rows of a call that run best, when there are many */
    int pv_rows[5]; /* the same for panels of 1 .. 4 units of columns */
    /* x = q * c padded with zeros to a multiple of 32; with quantized keys also codes, scales and fix. */
    void (*prepare)(const float *q, float c, size_t n_dk, int offset, float *x, int8_t *code, float *d, int32_t *fix);
    void (*qk)(nce_attn_qk *a);
    void (*pv)(nce_attn_pv *a);
    /* Scores of n rows to weights, their maxima and sums; lanes that are not live are clobbered, dead rows left alone. */
    void (*softmax)(float *s, int n, const int *lo, const int *hi, float cap_mul, float *m, float *l);
    /* (m, l, o) = merge of it with the later partial; n is a multiple of 16. */
    void (*merge)(float *m, float *l, float *o, float pm, float pl, const float *po, size_t n);
    void (*expand_k)(nce_type type, const void *page, size_t n_dk, void *panel);
    /* n_rows rows of columns col .. col + n_cols (multiples of 16) to floats [n_rows][64]. */
    void (*expand_v)(nce_type type, const uint8_t *v, size_t row_bytes, const float *vd, int n_blocks, int col,
                     int n_cols, int n_rows, float *panel);
    void (*halfs)(const void *src, float *dst, size_t n); /* n is a multiple of 16 */
} nce_attn_kernels;

extern const nce_attn_ops nce_attn_ops_avx2, nce_attn_ops_avx512, nce_attn_ops_neon;

void nce_attn_tiled_phase1(const nce_attn_kernels *k, nce_attn_call *call, size_t thread, size_t n_threads,
                           void *memory);
void nce_attn_tiled_phase2(const nce_attn_kernels *k, nce_attn_call *call, size_t thread, size_t n_threads);

#endif
