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

/* A sweep as its loop wants it: [move] (arrive move)... [arrive], the shape of every order of halves; with DELTA a pair is a
 * whole step.  The reset knows the plan, so what the loop takes from here stays in memory: it needs its registers for the
 * coefficients. */
typedef struct NAME(plan) {
    const ARGS *a;
    nce_snn_sweep w;
    bool move_first, arrive_last;
    uint32_t n_pairs, n_slots; /* slots taken from */
    uint8_t *marks[NCE_SNN_SWEEP_STEPS + 1];
    uintptr_t ring[NCE_SNN_SWEEP_STEPS + 1][2]; /* block 0 of a receptor; with marks from the idle line */
} NAME(plan);

static inline NAME(plan) NAME(prepare)(const ARGS *a, const nce_snn_sweep *w, const REAL *idle)
{
    const bool halves = a->kind != NCE_SNN_LIF_DELTA && !a->current_first;
    const uint64_t step = w->step - (halves && w->behind ? 1 : 0);
    NAME(plan) p = {.a = a, .w = *w};
    p.move_first = halves && !w->behind && w->n_steps > 0;
    p.arrive_last = halves && !w->stay_behind;
    p.n_pairs = w->n_steps - (p.move_first ? 1 : 0);
    p.n_slots = p.n_pairs + (p.arrive_last ? 1 : 0);
    for (uint32_t k = 0; k < p.n_slots; k++) {
        const size_t slot = (step + k) & a->slot_mask;
        for (size_t r = 0; r < 2; r++)
            p.ring[k][r] =
                (uintptr_t)(a->ring + r * a->plane + slot * NCE_SNN_LANES) - (a->touched != NULL ? (uintptr_t)idle : 0);
        p.marks[k] = a->touched != NULL ? a->touched + slot * a->touched_slot : NULL;
    }
    return p;
}

/* Reset the neurons of a vector that fired in step k of a sweep and append their ids; lanes beyond the population are reset
 * only. */
static __attribute__((noinline, cold)) void NAME(reset)(const NAME(plan) * p, size_t first, uint32_t k, unsigned bits)
{
    const ARGS *a = p->a;
    uint32_t *fired = p->w.fired + k * p->w.room + p->w.count[k];
    const bool each = a->each_set;
    for (; bits != 0; bits &= bits - 1) {
        const size_t i = first + (unsigned)__builtin_ctz(bits);
        const REAL v_th = each ? a->each[NCE_SNN_COEF_VTH][i] : a->coef[NCE_SNN_COEF_VTH];
        const REAL v_reset = each ? a->each[NCE_SNN_COEF_VRESET][i] : a->coef[NCE_SNN_COEF_VRESET];
        a->v[i] = a->subtract ? a->v[i] - (v_th - v_reset) : v_reset;
        a->ref[i] = each ? a->n_ref_each[i] : a->n_ref;
        if (i >= a->n_neurons) continue;
        *fired++ = a->first_id + (uint32_t)i;
        p->w.count[k]++;
    }
}

/* v after a step under currents (conductances) that are held over it or decay from these values; DELTA: s0 is the input. */
static inline __attribute__((always_inline)) VEC NAME(potential)(const ARGS *a, size_t i, VEC v, VEC s0, VEC s1,
                                                                 const nce_snn_lif_kind kind, const bool each)
{
    if (kind == NCE_SNN_LIF_COND) {
        const VEC total = ADD(ADD(SET1(a->g_leak), s0), s1);
        const VEC drive = ADD(ADD(SET1(a->g_rest), MUL(s0, SET1(a->e_rev0))), MUL(s1, SET1(a->e_rev1)));
        const VEC v_inf = DIV(drive, total);
        return ADD(v_inf, MUL(SUB(v, v_inf), NAME(expneg)(MUL(total, SET1(a->h_over_c)))));
    }
    const VEC next = ADD(ADD(MUL(v, COEF(NCE_SNN_COEF_P22)), COEF(NCE_SNN_COEF_C0)), MUL(s0, COEF(NCE_SNN_COEF_P21_0)));
    return kind == NCE_SNN_LIF_EXP2 ? ADD(next, MUL(s1, COEF(NCE_SNN_COEF_P21_1))) : next;
}

/* The state of one vector of neurons; began: the counters as they are in memory. */
typedef struct NAME(state) {
    VEC v, s0, s1;
    RVEC ref, began;
} NAME(state);

/* v of step k of the sweep, and who fires. */
static inline __attribute__((always_inline)) void NAME(move)(const ARGS *a, const NAME(plan) * p, size_t i, uint32_t k,
                                                             VEC s0, NAME(state) * x, const nce_snn_lif_kind kind,
                                                             const bool each)
{
    const VEC next = NAME(potential)(a, i, x->v, s0, x->s1, kind, each);
    x->v = BLEND(RBUSY(x->ref), next, x->v);
    x->ref = RDOWN(x->ref);
    const unsigned bits = BITS(GT(x->v, COEF(NCE_SNN_COEF_VTH)));
    if (__builtin_expect(bits == 0, 1)) return;
    STORE(a->v + i, x->v); /* spikes are rare: the reset is no part of the vector code */
    RSTORE(a->ref + i, x->began, x->ref);
    NAME(reset)(p, i, k, bits);
    x->v = LOAD(a->v + i);
    x->began = x->ref = RLOAD(a->ref + i);
}

/* Input line of a receptor in the k-th slot, or idle, a line that never leaves L1, if nothing waits there.  By arithmetic,
 * because which lines wait cannot be predicted and compilers make branches of conditional moves. */
static inline __attribute__((always_inline)) REAL *NAME(line)(const ARGS *a, const NAME(plan) * p, uint32_t k, size_t i,
                                                              size_t receptor, size_t n_receptors, REAL *idle,
                                                              const bool marks)
{
    const size_t block = i / NCE_SNN_LANES, lane = i % NCE_SNN_LANES;
    const uintptr_t at = p->ring[k][receptor] + block * a->block_stride * sizeof(REAL);
    if (!marks) return (REAL *)at + lane;
    return (REAL *)((uintptr_t)idle + at * p->marks[k][block * n_receptors + receptor]) + lane;
}

/* Decay and arrivals of a step. */
static inline __attribute__((always_inline)) void NAME(arrive)(const ARGS *a, const NAME(plan) * p, size_t i,
                                                               uint32_t k, REAL *idle, NAME(state) * x,
                                                               const nce_snn_lif_kind kind, const bool each,
                                                               const bool marks)
{
    const bool two = kind != NCE_SNN_LIF_EXP1;
    const size_t n = two ? 2 : a->n_receptors;
    REAL *const in0 = NAME(line)(a, p, k, i, 0, n, idle, marks);
    x->s0 = ADD(MUL(x->s0, COEF(NCE_SNN_COEF_P11_0)), LOAD(in0));
    STORE(in0, SET1(0));
    if (!two) return;
    REAL *const in1 = NAME(line)(a, p, k, i, 1, n, idle, marks);
    x->s1 = ADD(MUL(x->s1, COEF(NCE_SNN_COEF_P11_1)), LOAD(in1));
    STORE(in1, SET1(0));
}

/* Step k of the sweep: the pair with the inputs of slot m. */
static inline __attribute__((always_inline)) void NAME(pair)(const ARGS *a, const NAME(plan) * p, size_t i, uint32_t k,
                                                             uint32_t m, REAL *idle, NAME(state) * x,
                                                             const nce_snn_lif_kind kind, const bool each,
                                                             const bool marks)
{
    if (kind == NCE_SNN_LIF_DELTA) {
        REAL *const in = NAME(line)(a, p, m, i, 0, a->n_receptors, idle, marks);
        NAME(move)(a, p, i, k, LOAD(in), x, kind, each);
        STORE(in, SET1(0));
    } else {
        NAME(arrive)(a, p, i, m, idle, x, kind, each, marks);
        NAME(move)(a, p, i, k, x->s0, x, kind, each);
    }
}

/* The sweep for one vector of neurons, whose state stays in registers. */
static inline __attribute__((always_inline)) void NAME(vector)(const ARGS *a, const NAME(plan) * p, size_t i,
                                                               REAL *idle, const nce_snn_lif_kind kind, const bool each,
                                                               const bool marks, const bool move_first,
                                                               const uint32_t n_pairs, const bool arrive_last)
{
    const bool delta = kind == NCE_SNN_LIF_DELTA, two = kind == NCE_SNN_LIF_EXP2 || kind == NCE_SNN_LIF_COND;
    const uint32_t begin = move_first ? 1 : 0;
    NAME(state) x = {LOAD(a->v + i), SET1(0), SET1(0), RLOAD(a->ref + i), RLOAD(a->ref + i)};
    if (!delta) x.s0 = LOAD(a->s0 + i);
    if (two) x.s1 = LOAD(a->s1 + i);
    if (!delta && move_first) NAME(move)(a, p, i, 0, x.s0, &x, kind, each);
    if (n_pairs > 0) NAME(pair)(a, p, i, begin, 0, idle, &x, kind, each, marks);
    if (n_pairs > 1) NAME(pair)(a, p, i, begin + 1, 1, idle, &x, kind, each, marks);
    if (!delta && arrive_last) NAME(arrive)(a, p, i, n_pairs, idle, &x, kind, each, marks);
    STORE(a->v + i, x.v);
    RSTORE(a->ref + i, x.began, x.ref);
    if (!delta) STORE(a->s0 + i, x.s0);
    if (two) STORE(a->s1 + i, x.s1);
}

/* The inputs of a slot have been taken.  Receptors that a model lacks are unmarked too: all lines are marked at first, and a
 * mark keeps a block awake. */
static inline void NAME(unmark)(const ARGS *a, const nce_snn_sweep *w, uint8_t *marks)
{
    const size_t lines = a->n_receptors;
    if (w->list == NULL) memset(marks + w->first * lines, 0, w->n * lines);
    for (uint32_t k = 0; w->list != NULL && k < w->n; k++)
        memset(marks + w->list[k] * lines, 0, lines);
}

/* The shapes of the loop: two pairs, one step of halves, one pair; what is left may be anything. */
static inline __attribute__((always_inline)) void
NAME(blocks)(const ARGS *given, const nce_snn_sweep *w, const nce_snn_lif_kind kind, const bool each, const bool marks)
{
    const ARGS copy = *given, *const a = &copy; /* nothing stored can alias it: coefficients stay in registers */
    _Alignas(64) REAL idle[NCE_SNN_LANES] = {0};
    const NAME(plan) plan = NAME(prepare)(given, w, idle), *const p = &plan;
    const bool move_first = p->move_first, arrive_last = p->arrive_last, pairs = !move_first && !arrive_last;
    const uint32_t n_pairs = p->n_pairs, *const list = p->w.list;
    const size_t begin = (size_t)p->w.first * NCE_SNN_LANES, end = begin + (size_t)p->w.n * NCE_SNN_LANES;
    if (pairs && n_pairs == 2 && !each && list == NULL) {
        for (size_t i = begin; i < end; i += WIDTH)
            NAME(vector)(a, p, i, idle, kind, each, marks, false, 2, false);
    } else if (move_first && arrive_last && n_pairs == 0 && !each && list == NULL) {
        for (size_t i = begin; i < end; i += WIDTH)
            NAME(vector)(a, p, i, idle, kind, each, marks, true, 0, true);
    } else if (pairs && n_pairs == 1 && !each && list == NULL) {
        for (size_t i = begin; i < end; i += WIDTH)
            NAME(vector)(a, p, i, idle, kind, each, marks, false, 1, false);
    } else {
        for (uint32_t b = 0; b < p->w.n; b++) {
            const size_t i = list != NULL ? (size_t)list[b] * NCE_SNN_LANES : begin + (size_t)b * NCE_SNN_LANES;
            for (size_t j = 0; j < NCE_SNN_LANES; j += WIDTH)
                NAME(vector)(a, p, i + j, idle, kind, each, marks, move_first, n_pairs, arrive_last);
        }
    }
    for (uint32_t k = 0; marks && k < p->n_slots; k++)
        NAME(unmark)(a, &p->w, p->marks[k]);
}

/* An instance for each combination that the inner loop would have to ask for. */
#define CASE(kind)                                                                                                     \
    case kind:                                                                                                         \
        if (a->touched != NULL && a->each_set)                                                                         \
            NAME(blocks)(a, w, kind, true, true);                                                                      \
        else if (a->touched != NULL)                                                                                   \
            NAME(blocks)(a, w, kind, false, true);                                                                     \
        else if (a->each_set)                                                                                          \
            NAME(blocks)(a, w, kind, true, false);                                                                     \
        else                                                                                                           \
            NAME(blocks)(a, w, kind, false, false);                                                                    \
        return

static inline void NAME(step)(const ARGS *a, const nce_snn_sweep *w)
{
    switch (a->kind) {
        CASE(NCE_SNN_LIF_DELTA);
        CASE(NCE_SNN_LIF_EXP1);
        CASE(NCE_SNN_LIF_EXP2);
        CASE(NCE_SNN_LIF_COND);
    }
}
#undef CASE
#undef COEF
