/* The formulas of the LIF update, written once over a small set of vector operations that each variant defines before
 * including this file (the reference defines them for one lane):
 *   REAL ARGS NAME  VEC WIDTH  LOAD STORE SET1 ADD SUB MUL DIV MAX  MASK GT BLEND(m, no, yes) BITS
 *   RVEC RLOAD RSTORE RSET1 RBUSY(r) RSTEP(r, fired, n): refractory counters, 16 bits each
 *   SCALE(p, t): p times 2 to the integer in the low bits of t;  ROUND_TO_INT X_MAX TAYLOR_DEGREE: of the precision
 * The order of a step is that of exact integration on a grid (Rotter and Diesmann 1999): v uses the currents of the
 * step's beginning, the currents decay, then the arrivals of the step are added (current_first: the other way round).
 */

/* exp(-x) for x >= 0 by 2^n * exp(r), |r| <= ln(2)/2, Taylor in r (relative error below 4 ulp for x <= 1); n comes from
 * the rounding of an addition, so it is the same with and without SSE4.1.  ROUND_TO_INT, X_MAX, SCALE: per precision.
 */
static inline __attribute__((always_inline)) VEC NAME(expneg)(VEC x)
{
    const VEC y = MUL(MAX(SUB(SET1(0), x), SET1(-(REAL)X_MAX)), SET1((REAL)1.4426950408889634));
    const VEC t = ADD(y, SET1((REAL)ROUND_TO_INT)),
              r = MUL(SUB(y, SUB(t, SET1((REAL)ROUND_TO_INT))), SET1((REAL)0.6931471805599453));
    VEC p = SET1((REAL)(1.0 / 5040));
    if (TAYLOR_DEGREE > 7) {
        p = SET1((REAL)(1.0 / 6227020800));
        p = ADD(MUL(p, r), SET1((REAL)(1.0 / 479001600)));
        p = ADD(MUL(p, r), SET1((REAL)(1.0 / 39916800)));
        p = ADD(MUL(p, r), SET1((REAL)(1.0 / 3628800)));
        p = ADD(MUL(p, r), SET1((REAL)(1.0 / 362880)));
        p = ADD(MUL(p, r), SET1((REAL)(1.0 / 40320)));
        p = ADD(MUL(p, r), SET1((REAL)(1.0 / 5040)));
    }
    p = ADD(MUL(p, r), SET1((REAL)(1.0 / 720)));
    p = ADD(MUL(p, r), SET1((REAL)(1.0 / 120)));
    p = ADD(MUL(p, r), SET1((REAL)(1.0 / 24)));
    p = ADD(MUL(p, r), SET1((REAL)(1.0 / 6)));
    p = ADD(MUL(p, r), SET1((REAL)(1.0 / 2)));
    p = ADD(MUL(p, r), SET1((REAL)1));
    p = ADD(MUL(p, r), SET1((REAL)1));
    return SCALE(p, t);
}

#define COEF(k) (each ? LOAD(a->each[k] + i) : SET1(a->coef[k]))

static inline __attribute__((always_inline)) unsigned NAME(lanes)(const ARGS *a, size_t i, REAL *in0, REAL *in1,
                                                                  const nce_snn_lif_kind kind, const bool each)
{
    const VEC zero = SET1(0);
    const RVEC ref = RLOAD(a->ref + i);
    VEC v = LOAD(a->v + i), next, s0 = zero, s1 = zero;
    if (kind != NCE_SNN_LIF_DELTA) s0 = LOAD(a->s0 + i);
    if (kind == NCE_SNN_LIF_EXP2 || kind == NCE_SNN_LIF_COND) s1 = LOAD(a->s1 + i);
    if (kind == NCE_SNN_LIF_DELTA) {
        next =
            ADD(ADD(MUL(v, COEF(NCE_SNN_COEF_P22)), COEF(NCE_SNN_COEF_C0)), MUL(COEF(NCE_SNN_COEF_P21_0), LOAD(in0)));
    } else {
        VEC d0 = ADD(MUL(s0, COEF(NCE_SNN_COEF_P11_0)), LOAD(in0)), d1 = zero;
        if (kind != NCE_SNN_LIF_EXP1) d1 = ADD(MUL(s1, COEF(NCE_SNN_COEF_P11_1)), LOAD(in1));
        const VEC u0 = a->current_first ? d0 : s0, u1 = a->current_first ? d1 : s1;
        if (kind == NCE_SNN_LIF_COND) {
            const VEC total = ADD(ADD(SET1(a->g_leak), u0), u1);
            const VEC drive = ADD(ADD(SET1(a->g_rest), MUL(u0, SET1(a->e_rev0))), MUL(u1, SET1(a->e_rev1)));
            const VEC v_inf = DIV(drive, total);
            next = ADD(v_inf, MUL(SUB(v, v_inf), NAME(expneg)(MUL(total, SET1(a->h_over_c)))));
        } else {
            next = ADD(ADD(MUL(v, COEF(NCE_SNN_COEF_P22)), COEF(NCE_SNN_COEF_C0)), MUL(u0, COEF(NCE_SNN_COEF_P21_0)));
            if (kind == NCE_SNN_LIF_EXP2) next = ADD(next, MUL(u1, COEF(NCE_SNN_COEF_P21_1)));
        }
        STORE(a->s0 + i, d0);
        if (kind != NCE_SNN_LIF_EXP1) {
            STORE(a->s1 + i, d1);
            STORE(in1, zero);
        }
    }
    STORE(in0, zero);
    v = BLEND(RBUSY(ref), next, v);
    const VEC v_th = COEF(NCE_SNN_COEF_VTH), v_reset = COEF(NCE_SNN_COEF_VRESET);
    const MASK fired = GT(v, v_th);
    STORE(a->v + i, BLEND(fired, v, a->subtract ? SUB(v, SUB(v_th, v_reset)) : v_reset));
    RSTORE(a->ref + i, RSTEP(ref, fired, each ? RLOAD(a->n_ref_each + i) : RSET1(a->n_ref)));
    return BITS(fired);
}

/* Where the inputs of up to CHUNK blocks lie; lines without any are replaced by idle, which never leaves L1.  A
 * conditional move, because which lines wait cannot be predicted.  Marks are taken away. */
static inline __attribute__((always_inline)) void NAME(find_inputs)(const ARGS *a, size_t slot, const uint32_t *list,
                                                                    uint32_t first, uint32_t n, REAL *idle,
                                                                    const bool two, REAL **in0, REAL **in1)
{
    REAL *ring = a->ring + slot;
    uint8_t *touched = a->touched != NULL ? a->touched + slot / NCE_SNN_LANES * a->touched_slot : NULL;
    const size_t stride = a->block_stride, plane = a->plane, step = a->n_receptors;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t block = list != NULL ? list[k] : first + k;
        in0[k] = ring + block * stride;
        if (two) in1[k] = in0[k] + plane;
        if (touched == NULL) continue;
        uint8_t *mark = touched + block * step;
        in0[k] = mark[0] ? in0[k] : idle;
        mark[0] = 0;
        if (!two) continue;
        in1[k] = mark[1] ? in1[k] : idle;
        mark[1] = 0;
    }
}

static inline __attribute__((always_inline)) size_t NAME(blocks)(const ARGS *given, size_t slot, const uint32_t *list,
                                                                 uint32_t first, uint32_t n, uint32_t *fired,
                                                                 const nce_snn_lif_kind kind, const bool each)
{
    enum { CHUNK = 64 };
    const ARGS copy = *given, *a = &copy; /* nothing stored can alias it: coefficients stay in registers */
    _Alignas(64) REAL idle[NCE_SNN_LANES] = {0};
    REAL *in0[CHUNK], *in1[CHUNK];
    size_t count = 0;
    for (uint32_t from = 0; from < n; from += CHUNK) {
        const uint32_t many = n - from < CHUNK ? n - from : CHUNK;
        const uint32_t *some = list != NULL ? list + from : NULL;
        const bool two = kind == NCE_SNN_LIF_EXP2 || kind == NCE_SNN_LIF_COND;
        NAME(find_inputs)(a, slot, some, first + from, many, idle, two, in0, in1);
        for (uint32_t k = 0; k < many; k++) {
            const uint32_t block = some != NULL ? some[k] : first + from + k;
            const size_t i = (size_t)block * NCE_SNN_LANES;
            unsigned bits = 0;
            for (unsigned j = 0; j < NCE_SNN_LANES; j += WIDTH)
                bits |= NAME(lanes)(a, i + j, in0[k] + j, two ? in1[k] + j : NULL, kind, each) << j;
            if (__builtin_expect(bits == 0, 1)) continue;
            if (block == a->last_block) bits &= a->last_mask;
            for (; bits != 0; bits &= bits - 1)
                fired[count++] = a->first_id + (uint32_t)i + (uint32_t)__builtin_ctz(bits);
        }
    }
    return count;
}

static inline size_t NAME(step)(const ARGS *a, size_t slot, const uint32_t *list, uint32_t first, uint32_t n,
                                uint32_t *fired)
{
    switch (a->kind) {
    case NCE_SNN_LIF_DELTA:
        return a->each_set ? NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_DELTA, true)
                           : NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_DELTA, false);
    case NCE_SNN_LIF_EXP1:
        return a->each_set ? NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_EXP1, true)
                           : NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_EXP1, false);
    case NCE_SNN_LIF_EXP2:
        return a->each_set ? NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_EXP2, true)
                           : NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_EXP2, false);
    case NCE_SNN_LIF_COND:
        return a->each_set ? NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_COND, true)
                           : NAME(blocks)(a, slot, list, first, n, fired, NCE_SNN_LIF_COND, false);
    }
    return 0;
}
#undef COEF
