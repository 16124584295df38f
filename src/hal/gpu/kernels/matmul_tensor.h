/* Products for many columns by tensor cores (tensor.h): tiles of NCE_GPU_MT_ROWS x NCE_GPU_MT_COLS, 128 elements of k at a time.
 *
 * The group decodes its rows' units into shared memory as signed bytes, one unit an item, and brings its columns' codes beside
 * them.  Waves stand two by two or two by four: each takes 32 rows and every other, or every fourth, slice of columns, so that
 * a tile with few columns keeps all of them busy.  The sums of a unit, or of half of one where that has a scale of its own,
 * are exact integers; a lane multiplies those it holds by their scales, and makes the float steps of the contract, one
 * accumulator for each output.  Compiled for each class of types, whose code differs in the inner loop. */
#ifndef NCE_SRC_GPU_MATMUL_TENSOR_H
#define NCE_SRC_GPU_MATMUL_TENSOR_H
#ifdef NCE_HAS_TENSOR

#define NCE_MT_UNITS 4
#define NCE_MT_LD 36  /* words of a row in shared memory: 32, and four so that lanes' reads lie in different banks */
#define NCE_MT_OWN 32 /* outputs of an item, whatever the layout: 64 x 128 / 256 */

/* Slices of a wave that are multiplied: those with columns; all where an emulation has barriers, which must not be skipped. */
#ifdef NCE_MMA_EMULATED
#define NCE_MT_SLICES(used, all) (all)
#else
#define NCE_MT_SLICES(used, all) (used)
#endif

#define NCE_CLASS_UNIT(name, id, block, bytes, act_, second_, sub_)                                                    \
    case id:                                                                                                           \
        if (act_ == act && second_ == second && sub_ == sub) return nce_##name##_unit(b, j);                           \
        break;

/* A unit of a type of this class. */
NCE_DEV nce_unit nce_class_unit(const int act, const int second, const int sub, int type, NCE_G const nce_u8 *b, int j)
{
    nce_unit none;
    switch (type) {
        NCE_GPU_TYPES(NCE_CLASS_UNIT)
    }
    for (int i = 0; i < 8; i++)
        none.code[i] = 0;
    nce_unit_flat(&none, 0);
    return none;
}

/* The group's tile in shared memory. */
typedef struct nce_mt_tile {
    NCE_L int *wc, *xc;    /* codes */
    NCE_L nce_i8 *ws, *wm; /* scales and minima, two a unit */
    NCE_L float *wd, *w2, *xd;
    NCE_L int *xs; /* sums of codes, two a unit */
} nce_mt_tile;

NCE_DEV void nce_mt_weights(const int act, const int second, const int sub, NCE_P const nce_mt_tile *s,
                            NCE_G const nce_u8 *w, nce_u32 row_bytes, int row, int unit, int type, int block, int bytes)
{
    const int t = nce_tid, per = block / 32;
    NCE_G const nce_u8 *b = w + (nce_u64)row * row_bytes + (nce_u64)(unit / per) * bytes;
    const nce_unit u = nce_class_unit(act, second, sub, type, b, unit % per);
    for (int j = 0; j < 8; j++)
        s->wc[t / NCE_MT_UNITS * NCE_MT_LD + t % NCE_MT_UNITS * 8 + j] = u.code[j];
    for (int j = 0; j < 2 && act == 256; j++) {
        s->ws[2 * t + j] = (nce_i8)u.scale[j];
        if (second == 1) s->wm[2 * t + j] = (nce_i8)u.min[j];
    }
    s->wd[t] = nce_any_d(type, b, unit % per);
    if (second != 0) s->w2[t] = nce_any_second(type, b, unit % per);
}

/* Half a unit of column c of the tile. */
NCE_DEV void nce_mt_column(const int act, const int second, NCE_P const nce_mt_tile *s, NCE_G const nce_i8 *x,
                           NCE_G const float *da, int c, int side, int unit)
{
    NCE_G const int *q = (NCE_G const int *)x + (nce_u64)unit * 8 + side % 2 * 4;
    int sum = 0;
    for (int j = 0; j < 4; j++) {
        s->xc[c * NCE_MT_LD + side * 4 + j] = q[j];
        if (second == 1) sum += nce_sum4(q[j]);
    }
    if (second == 1) s->xs[c * 2 * NCE_MT_UNITS + side] = sum;
    if (side % 2 == 0) s->xd[c * NCE_MT_UNITS + side / 2] = da[unit / (act / 32)];
}

/* c, the sums of part of unit u (2: all of it), into what the lane keeps of fragment (r0, c0). */
NCE_DEV void nce_mt_take(const int layout, const int act, const int second, const int part, NCE_P const nce_mt_tile *s,
                         int u, int r0, int c0, NCE_P const int *c, NCE_P float *acc, NCE_P int *isum, NCE_P int *msum)
{
    const int lane = nce_tid % nce_wave(layout);
    NCE_UNROLL for (int i = 0; i < nce_words_c(layout); i++)
    {
        const int r = r0 + nce_c_row(layout, lane, i), col = c0 + nce_c_column(layout, lane, i);
        const int ru = r * NCE_MT_UNITS + u, cu = col * NCE_MT_UNITS + u;
        if (act == 32) { /* the float step; scales and minima are 1 */
            const float d = second == 2 && part == 1 ? s->w2[ru] : s->wd[ru], dx = s->xd[cu];
            acc[i] = nce_fma(d * dx, nce_small_float(c[i]), acc[i]);
            if (second == 1) acc[i] = nce_fma(-(s->w2[ru] * dx), (float)(s->xs[2 * cu] + s->xs[2 * cu + 1]), acc[i]);
        } else {
            isum[i] += s->ws[2 * ru + part % 2] * c[i];
            if (second != 1) continue;
            if (part == 2)
                msum[i] += s->wm[2 * ru] * (s->xs[2 * cu] + s->xs[2 * cu + 1]);
            else
                msum[i] += s->wm[2 * ru + part] * s->xs[2 * cu + part];
        }
    }
}

/* The float step of a block of 256 that ends with unit u. */
NCE_DEV void nce_mt_step(const int layout, const int second, NCE_P const nce_mt_tile *s, int u, int r0, int c0,
                         NCE_P float *acc, NCE_P int *isum, NCE_P int *msum)
{
    const int lane = nce_tid % nce_wave(layout);
    NCE_UNROLL for (int i = 0; i < nce_words_c(layout); i++)
    {
        const int ru = (r0 + nce_c_row(layout, lane, i)) * NCE_MT_UNITS + u;
        const float dx = s->xd[(c0 + nce_c_column(layout, lane, i)) * NCE_MT_UNITS + u];
        acc[i] = nce_fma(s->wd[ru] * dx, (float)isum[i], acc[i]);
        if (second == 1) acc[i] = nce_fma(-(s->w2[ru] * dx), (float)msum[i], acc[i]);
        isum[i] = msum[i] = 0;
    }
}

NCE_DEV void nce_mt(const int layout, const int act, const int second, const int sub, NCE_PRODUCT_ARGS(nce_i8),
                    NCE_TILED_ARGS, NCE_P const nce_mt_tile *s, NCE_L int *exchange)
{
    const int wave = nce_wave(layout), n = nce_mma_columns(layout), n_c = nce_words_c(layout);
    const int beside = NCE_GPU_MT_GROUP / wave / 2, n_f = NCE_GPU_MT_COLS / (n * beside); /* waves, slices of one */
    const int t = nce_tid, lane = t % wave, r0 = t / wave % 2 * 32, c0 = t / wave / 2 * n,
              row0 = nce_group_x * NCE_GPU_MT_ROWS;
    const nce_tile tile = nce_tile_of(NCE_GPU_MT_COLS, n_cols, tiles);
    const int n_units = tile.n > 0 ? k / 32 : 0, used = (tile.n + n * beside - 1) / (n * beside); /* slices of a wave */
    const int own_row = row0 + t / NCE_MT_UNITS < n_rows ? row0 + t / NCE_MT_UNITS : n_rows - 1;
    float acc[NCE_MT_OWN], sum[NCE_MT_OWN];
    int isum[NCE_MT_OWN], msum[NCE_MT_OWN];
    w += (nce_u64)(tile.expert + nce_group_z) * expert_bytes;
    x += (nce_u64)nce_group_z * x_step;
    da += (nce_u64)nce_group_z * x_step / act;
    y += (nce_u64)nce_group_z * y_step;
    NCE_UNROLL for (int i = 0; i < NCE_MT_OWN; i++)
    {
        acc[i] = sum[i] = 0.0f;
        isum[i] = msum[i] = 0;
    }
    for (int u0 = 0; u0 < n_units; u0 += NCE_MT_UNITS) {
        const int left = n_units - u0;
        nce_sync();
        if (t % NCE_MT_UNITS < left)
            nce_mt_weights(act, second, sub, s, w, row_bytes, own_row, u0 + t % NCE_MT_UNITS, type, block, bytes);
        for (int i = t; i < used * n * beside * 2 * NCE_MT_UNITS; i += NCE_GPU_MT_GROUP) {
            const int c = i / (2 * NCE_MT_UNITS), side = i % (2 * NCE_MT_UNITS);
            const nce_u64 from = (nce_u64)(nce_column(&tile, order, c) / x_div);
            if (side / 2 < left)
                nce_mt_column(act, second, s, x + from * ld_x, da + from * (k / act), c, side, u0 + side / 2);
        }
        nce_sync();
        for (int u = 0; u < NCE_MT_UNITS && u < left; u++) {
            int a[2][8];
            NCE_UNROLL for (int m = 0; m < 2; m++) NCE_UNROLL for (int i = 0; i < nce_words_a(layout); i++) a[m][i] =
                s->wc[(r0 + 16 * m + nce_a_row(layout, lane, i)) * NCE_MT_LD + 8 * u + nce_a_q(layout, lane, i)];
            NCE_UNROLL for (int f = 0; f < n_f; f++)
            {
                if (f < NCE_MT_SLICES(used, n_f)) {
                    const int cf = c0 + f * n * beside;
                    int b[8];
                    NCE_UNROLL for (int i = 0; i < nce_words_b(layout); i++) b[i] =
                        s->xc[(cf + nce_b_column(layout, lane)) * NCE_MT_LD + 8 * u + nce_b_q(layout, lane, i)];
                    NCE_UNROLL for (int m = 0; m < 2; m++)
                        NCE_UNROLL for (int part = sub == 32 ? 2 : 0; part < (sub == 32 ? 3 : 2); part++)
                    {
                        const int at = (2 * f + m) * n_c;
                        int c[8];
                        NCE_UNROLL for (int i = 0; i < n_c; i++) c[i] = 0;
                        nce_mma(layout, part, a[m], b, c, exchange);
                        nce_mt_take(layout, act, second, part, s, u, r0 + 16 * m, cf, c, acc + at, isum + at,
                                    msum + at);
                    }
                }
            }
        }
        NCE_UNROLL for (int f = 0; f < 2 * n_f && act == 256; f++) if ((u0 + NCE_MT_UNITS) % 8 == 0)
            nce_mt_step(layout, second, s, NCE_MT_UNITS - 1, r0 + f % 2 * 16, c0 + f / 2 * n * beside, acc + f * n_c,
                        isum + f * n_c, msum + f * n_c);
        const int ends = (u0 + NCE_MT_UNITS) % 32 == 0 || left <= NCE_MT_UNITS; /* of a segment */
        NCE_UNROLL for (int i = 0; i < NCE_MT_OWN; i++) if (ends)
        {
            sum[i] = u0 < 32 ? acc[i] : sum[i] + acc[i];
            acc[i] = 0.0f;
        }
    }
    NCE_UNROLL for (int i = 0; i < NCE_MT_OWN; i++)
    {
        const int f = i / n_c, r = row0 + r0 + f % 2 * 16 + nce_c_row(layout, lane, i % n_c);
        const int c = c0 + f / 2 * n * beside + nce_c_column(layout, lane, i % n_c);
        if (r < n_rows && c < tile.n)
            nce_finish(y + (nce_u64)nce_column(&tile, order, c) * ld_y + r, sum[i], scale,
                       bias != 0 ? bias + (nce_u64)tile.expert * n_rows : bias, r, add);
    }
}

#ifdef NCE_MMA_EMULATED
#define NCE_MT_EXCHANGE(name) NCE_SHARED(int, name, NCE_GPU_MT_GROUP *NCE_MMA_EXCHANGE)
#else
#define NCE_MT_EXCHANGE(name) int *const name = 0
#endif
#define NCE_MT(lname, layout, cname, act, second, sub)                                                                 \
    NCE_KERNEL void nce_gpu_mt_##lname##_##cname(NCE_PRODUCT_ARGS(nce_i8), NCE_TILED_ARGS)                             \
    {                                                                                                                  \
        NCE_SHARED(int, wc, NCE_GPU_MT_ROWS *NCE_MT_LD);                                                               \
        NCE_SHARED(int, xc, NCE_GPU_MT_COLS *NCE_MT_LD);                                                               \
        NCE_SHARED(nce_i8, ws, act == 256 ? NCE_GPU_MT_ROWS * 2 * NCE_MT_UNITS : 1);                                   \
        NCE_SHARED(nce_i8, wm, act == 256 && second == 1 ? NCE_GPU_MT_ROWS * 2 * NCE_MT_UNITS : 1);                    \
        NCE_SHARED(float, wd, NCE_GPU_MT_ROWS *NCE_MT_UNITS);                                                          \
        NCE_SHARED(float, w2, second != 0 ? NCE_GPU_MT_ROWS * NCE_MT_UNITS : 1);                                       \
        NCE_SHARED(float, xd, NCE_GPU_MT_COLS *NCE_MT_UNITS);                                                          \
        NCE_SHARED(int, xs, second == 1 ? NCE_GPU_MT_COLS * 2 * NCE_MT_UNITS : 1);                                     \
        NCE_MT_EXCHANGE(exchange);                                                                                     \
        nce_mt_tile s;                                                                                                 \
        s.wc = wc, s.xc = xc, s.ws = ws, s.wm = wm, s.wd = wd, s.w2 = w2, s.xd = xd, s.xs = xs;                        \
        nce_mt(layout, act, second, sub, NCE_PRODUCT_NAMES, NCE_TILED_NAMES, &s, exchange);                            \
    }
#define NCE_MT_MMA(cname, act, second, sub) NCE_MT(mma, NCE_LAYOUT_MMA, cname, act, second, sub)
#define NCE_MT_MFMA(cname, act, second, sub) NCE_MT(mfma, NCE_LAYOUT_MFMA, cname, act, second, sub)
#define NCE_MT_WMMA(cname, act, second, sub) NCE_MT(wmma, NCE_LAYOUT_WMMA, cname, act, second, sub)
#define NCE_MT_WMMA12(cname, act, second, sub) NCE_MT(wmma12, NCE_LAYOUT_WMMA12, cname, act, second, sub)
#ifdef NCE_HAS_MMA
NCE_GPU_CLASSES(NCE_MT_MMA)
#endif
#ifdef NCE_HAS_MFMA
NCE_GPU_CLASSES(NCE_MT_MFMA)
#endif
#ifdef NCE_HAS_WMMA
NCE_GPU_CLASSES(NCE_MT_WMMA)
#endif
#ifdef NCE_HAS_WMMA12
NCE_GPU_CLASSES(NCE_MT_WMMA12)
#endif

#endif
#endif
