/* The formulas of the LIF update, written once over a small set of vector operations that each variant defines before
 * including this file (the reference defines them for one lane):
 *   REAL ARGS NAME  VEC WIDTH  LOAD STORE SET1 ADD SUB MUL DIV MAX  MASK GT BLEND(m, no, yes) BITS
 *   RVEC RLOAD RSTORE RBUSY(r) RDOWN(r): refractory counters, 16 bits each
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

/* One vector of neurons.  Who fired is the caller's to reset: spikes are rare, so the reset is no part of the vector code. */
static inline __attribute__((always_inline)) unsigned NAME(lanes)(const ARGS *a, size_t i, REAL *in0, REAL *in1,
                                                                  const nce_snn_lif_kind kind, const bool each,
                                                                  const bool current_first)
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
        const VEC u0 = current_first ? d0 : s0, u1 = current_first ? d1 : s1;
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
    STORE(a->v + i, v);
    RSTORE(a->ref + i, ref, RDOWN(ref));
    return BITS(GT(v, COEF(NCE_SNN_COEF_VTH)));
}

/* Reset the neurons of a block that fired and append their ids, in the direction of the sweep; lanes beyond the
 * population are reset only. */
static inline size_t NAME(reset)(const ARGS *a, uint32_t block, unsigned bits, const bool each, bool down,
                                 uint32_t *fired)
{
    const unsigned real = block == a->last_block ? a->last_mask : (1u << NCE_SNN_LANES) - 1;
    size_t count = 0;
    while (bits != 0) {
        const unsigned lane = (unsigned)(down ? 31 - __builtin_clz(bits) : __builtin_ctz(bits));
        const size_t i = (size_t)block * NCE_SNN_LANES + lane;
        const REAL v_th = each ? a->each[NCE_SNN_COEF_VTH][i] : a->coef[NCE_SNN_COEF_VTH];
        const REAL v_reset = each ? a->each[NCE_SNN_COEF_VRESET][i] : a->coef[NCE_SNN_COEF_VRESET];
        a->v[i] = a->subtract ? a->v[i] - (v_th - v_reset) : v_reset;
        a->ref[i] = each ? a->n_ref_each[i] : a->n_ref;
        if (real >> lane & 1) fired[count++] = a->first_id + (uint32_t)i;
        bits &= ~(1u << lane);
    }
    return count;
}

/* An input line, or idle, which never leaves L1, if nothing waits in it; the mark is taken away.  By arithmetic, because
 * which lines wait cannot be predicted and compilers make branches of conditional moves. */
static inline __attribute__((always_inline)) REAL *NAME(take_line)(REAL *line, uint8_t *mark, REAL *idle)
{
    const uintptr_t waits = (uintptr_t)0 - *mark;
    *mark = 0;
    return (REAL *)(((uintptr_t)line & waits) | ((uintptr_t)idle & ~waits));
}

static inline __attribute__((always_inline)) size_t NAME(blocks)(const ARGS *given, size_t slot, const uint32_t *list,
                                                                 uint32_t first, uint32_t n, bool down, uint32_t *fired,
                                                                 const nce_snn_lif_kind kind, const bool each,
                                                                 const bool marks, const bool current_first)
{
    const ARGS copy = *given, *const a = &copy; /* nothing stored can alias it: coefficients stay in registers */
    const bool two = kind == NCE_SNN_LIF_EXP2 || kind == NCE_SNN_LIF_COND;
    const size_t lines = two ? 2 : a->n_receptors;
    _Alignas(64) REAL idle[NCE_SNN_LANES] = {0};
    REAL *const ring = a->ring + slot;
    uint8_t *const touched = marks ? a->touched + slot / NCE_SNN_LANES * a->touched_slot : NULL;
    size_t count = 0;
    uint32_t next = down ? first + n - 1 : first;
    for (uint32_t k = 0; k < n; k++, next += down ? UINT32_MAX : 1) {
        const uint32_t block = list != NULL ? list[k] : next;
        REAL *in0 = ring + block * a->block_stride, *in1 = in0 + a->plane;
        if (marks) {
            in0 = NAME(take_line)(in0, touched + block * lines, idle);
            if (two) in1 = NAME(take_line)(in1, touched + block * lines + 1, idle);
        }
        unsigned bits = 0;
        for (unsigned j = 0; j < NCE_SNN_LANES; j += WIDTH)
            bits |= NAME(lanes)(a, (size_t)block * NCE_SNN_LANES + j, in0 + j, in1 + j, kind, each, current_first) << j;
        if (__builtin_expect(bits != 0, 0)) count += NAME(reset)(a, block, bits, each, down, fired + count);
    }
    for (size_t i = 0; down && i < count / 2; i++) {
        const uint32_t id = fired[i];
        fired[i] = fired[count - 1 - i];
        fired[count - 1 - i] = id;
    }
    return count;
}

/* An instance for each combination that the inner loop would have to ask for; those with coefficients for each neuron
 * have other costs and ask about the order. */
#define BLOCKS(kind, each, marks, current_first)                                                                       \
    NAME(blocks)(a, slot, list, first, n, down, fired, kind, each, marks, current_first)
#define WITH(kind, marks)                                                                                              \
    (a->each_set        ? BLOCKS(kind, true, marks, a->current_first)                                                  \
     : a->current_first ? BLOCKS(kind, false, marks, true)                                                             \
                        : BLOCKS(kind, false, marks, false))
#define CASE(kind)                                                                                                     \
    case kind:                                                                                                         \
        return a->touched != NULL ? WITH(kind, true) : WITH(kind, false)

static inline size_t NAME(step)(const ARGS *a, size_t slot, const uint32_t *list, uint32_t first, uint32_t n, bool down,
                                uint32_t *fired)
{
    switch (a->kind) {
        CASE(NCE_SNN_LIF_DELTA);
        CASE(NCE_SNN_LIF_EXP1);
        CASE(NCE_SNN_LIF_EXP2);
        CASE(NCE_SNN_LIF_COND);
    }
    return 0;
}
#undef CASE
#undef WITH
#undef BLOCKS
#undef COEF
