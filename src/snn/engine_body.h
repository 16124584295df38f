/* The engine, once for each precision: the including file defines REAL and NAME, ARGS (member of p->args) and LIF
 * (member of snn->ops).  Blocks are counted inside their population, slots are steps modulo the ring length. */

static inline REAL *NAME(cell)(nce_snn *snn, uint32_t ring_block, uint32_t receptor, uint64_t step)
{
    const size_t plane = (size_t)snn->n_slots * NCE_SNN_LANES;
    return (REAL *)snn->ring + ((size_t)ring_block * snn->n_receptors + receptor) * plane +
           (step & (snn->n_slots - 1)) * NCE_SNN_LANES;
}

/* Marks of a ring block in the slot of a step, one for each receptor. */
static inline uint8_t *NAME(marks)(nce_snn *snn, uint32_t ring_block, uint64_t step)
{
    return snn->touched + ((step & (snn->n_slots - 1)) * snn->n_rings + ring_block) * snn->n_receptors;
}

static double NAME(get)(const void *array, size_t i)
{
    return (double)((const REAL *)array)[i];
}

static void NAME(set)(void *array, size_t i, double value)
{
    ((REAL *)array)[i] = (REAL)value;
}

static void NAME(bind)(nce_snn *snn, nce_snn_population *p)
{
    const size_t padded = (size_t)p->n_blocks * NCE_SNN_LANES;
    if (!p->has_ring) return;
    memset(&p->args, 0, sizeof p->args);
    p->args.ARGS.v = (REAL *)snn->v + p->first;
    p->args.ARGS.s0 = (REAL *)snn->s0 + p->first;
    p->args.ARGS.s1 = (REAL *)snn->s1 + p->first;
    p->args.ARGS.ref = snn->ref + p->first;
    p->args.ARGS.ring = NAME(cell)(snn, p->first_ring, 0, 0);
    for (size_t k = 0; k < NCE_SNN_COEF_COUNT; k++) {
        p->args.ARGS.coef[k] = (REAL)p->coef[k];
        if (p->coefs != NULL) p->args.ARGS.each[k] = (const REAL *)p->coefs + k * padded;
    }
    const double g_leak = 1 / p->o.r_m;
    p->args.ARGS.g_leak = (REAL)g_leak;
    p->args.ARGS.g_rest = (REAL)(g_leak * p->o.e_l + p->o.i_e);
    p->args.ARGS.e_rev0 = (REAL)p->o.e_rev[0];
    p->args.ARGS.e_rev1 = (REAL)p->o.e_rev[1];
    p->args.ARGS.h_over_c = (REAL)(snn->o.dt * p->o.r_m / p->o.tau_m);
    p->args.ARGS.plane = (size_t)snn->n_slots * NCE_SNN_LANES;
    p->args.ARGS.block_stride = snn->n_receptors * p->args.ARGS.plane;
    p->args.ARGS.kind = p->o.synapse <= NCE_SNN_HOLD          ? NCE_SNN_LIF_DELTA
                        : p->o.synapse == NCE_SNN_CONDUCTANCE ? NCE_SNN_LIF_COND
                        : snn->n_receptors == 2               ? NCE_SNN_LIF_EXP2
                                                              : NCE_SNN_LIF_EXP1;
    p->args.ARGS.touched = snn->marks ? NAME(marks)(snn, p->first_ring, 0) : NULL;
    p->args.ARGS.touched_slot = (size_t)snn->n_rings * snn->n_receptors;
    p->args.ARGS.n_receptors = snn->n_receptors;
    p->args.ARGS.n_ref = (uint16_t)p->coef[NCE_SNN_COEF_NREF];
    p->args.ARGS.n_ref_each = p->n_ref;
    p->args.ARGS.each_set = p->coefs != NULL;
    p->args.ARGS.subtract = p->o.reset == NCE_SNN_RESET_SUBTRACT;
    p->args.ARGS.current_first = p->o.flags & NCE_SNN_CURRENT_FIRST;
    p->args.ARGS.first_id = p->first;
    p->args.ARGS.n_neurons = p->n;
    p->args.ARGS.slot_mask = snn->n_slots - 1;
}

/* What has decayed to nothing becomes 0: processors take ten times as long over denormal numbers, and a silent network
 * would soon hold little else. */
static void NAME(settle)(nce_snn *snn, const nce_snn_population *p)
{
    const REAL nothing = (REAL)(sizeof(REAL) == sizeof(float) ? 1e-28 : 1e-250);
    REAL *const states[] = {snn->v, snn->s0, snn->s1};
    for (size_t k = 0; k < 3; k++)
        for (uint32_t b = 0; b < p->n_blocks; b++) {
            REAL *x = states[k] + p->first + (size_t)b * NCE_SNN_LANES;
            for (int i = 0; i < NCE_SNN_LANES; i++)
                x[i] = x[i] < nothing && x[i] > -nothing ? 0 : x[i];
        }
}

/* ---- sleeping blocks ---- */

/* n steps without input.  Sleeping neurons are never refractory. */
static void NAME(advance)(nce_snn *snn, const nce_snn_population *p, uint32_t block, uint64_t n)
{
    const size_t first = (size_t)p->first + (size_t)block * NCE_SNN_LANES;
    REAL *v = (REAL *)snn->v + first, *s0 = (REAL *)snn->s0 + first, *s1 = (REAL *)snn->s1 + first;
    const bool first_current = p->o.flags & NCE_SNN_CURRENT_FIRST;
    const REAL f0 = (REAL)(first_current ? p->decay[1].p11[0] : 1), f1 = (REAL)(first_current ? p->decay[1].p11[1] : 1);
    while (n > 0) {
        const uint32_t k = n < NCE_SNN_TABLE ? (uint32_t)n : NCE_SNN_TABLE;
        const nce_snn_decay *d = &p->decay[k];
        const REAL p22 = (REAL)d->p22, c0 = (REAL)d->c0, a0 = (REAL)d->p21[0], a1 = (REAL)d->p21[1];
        const REAL d0 = (REAL)d->p11[0], d1 = (REAL)d->p11[1];
        for (int i = 0; i < NCE_SNN_LANES; i++) {
            v[i] = v[i] * p22 + c0 + s0[i] * f0 * a0 + s1[i] * f1 * a1;
            s0[i] *= d0;
            s1[i] *= d1;
        }
        n -= k;
    }
}

/* May a neuron of the block fire before its next input?  v stays below the larger of v and the steady state under the
 * currents of now, which only decay. */
static bool NAME(may_fire)(const nce_snn *snn, const nce_snn_population *p, uint32_t block)
{
    const size_t first = (size_t)p->first + (size_t)block * NCE_SNN_LANES;
    const REAL *v = (const REAL *)snn->v + first, *s0 = (const REAL *)snn->s0 + first,
               *s1 = (const REAL *)snn->s1 + first;
    const uint16_t *ref = snn->ref + first;
    const REAL bound = (REAL)p->v_bound, rest = (REAL)(p->o.e_l + p->o.r_m * p->o.i_e), r = (REAL)p->o.r_m;
    unsigned any = 0;
    for (int i = 0; i < NCE_SNN_LANES; i++) {
        const REAL up = (s0[i] > 0 ? s0[i] : 0) + (s1[i] > 0 ? s1[i] : 0), steady = rest + r * up;
        any |= (unsigned)(ref[i] > 0) | (unsigned)(v[i] >= bound) | (unsigned)(steady >= bound);
    }
    return any != 0;
}

static void NAME(wake)(nce_snn *snn, nce_snn_population *p, uint32_t first, uint32_t end, uint64_t step)
{
    for (uint32_t b = first; b < end; b++) {
        uint64_t *seen = &snn->seen[p->first_ring + b];
        if (*seen >= step) continue;
        NAME(advance)(snn, p, b, step - *seen);
        *seen = step;
    }
}

static void NAME(update_awake)(nce_snn *snn, nce_snn_part *part, nce_snn_population *p, uint64_t step, uint32_t first,
                               uint32_t end, const nce_snn_lists *to)
{
    const uint8_t *touched = NAME(marks)(snn, p->first_ring, step);
    uint8_t *active = snn->active + p->first_ring;
    uint64_t *seen = snn->seen + p->first_ring;
    uint32_t n = 0, *due = part->due_blocks;
    const bool two = snn->n_receptors == 2;
    for (uint32_t b = first; b < end;) {
        uint64_t t, u = 0, a;
        if (end - b >= 8) { /* eight sleepers at a time */
            memcpy(&t, touched + (size_t)b * snn->n_receptors, 8);
            if (two) memcpy(&u, touched + (size_t)b * 2 + 8, 8);
            memcpy(&a, active + b, 8);
            if ((t | u | a) == 0) {
                b += 8;
                continue;
            }
        }
        const uint32_t stop = end - b >= 8 ? b + 8 : end;
        for (; b < stop; b++) {
            due[n] = b;
            n += (two ? touched[2 * (size_t)b] | touched[2 * (size_t)b + 1] | active[b] : touched[b] | active[b]) != 0;
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        if (seen[due[k]] < step) NAME(advance)(snn, p, due[k], step - seen[due[k]]);
        seen[due[k]] = step + 1;
    }
    const nce_snn_sweep sweep = {
        .list = due, .n = n, .step = step, .n_steps = 1, .fired = to->fired, .room = to->room, .count = to->count};
    snn->ops.LIF(&p->args.ARGS, &sweep);
    for (uint32_t k = 0; k < n; k++)
        active[due[k]] = NAME(may_fire)(snn, p, due[k]);
    __atomic_fetch_add(&p->window_updates, n, __ATOMIC_RELAXED); /* a sum: the order does not matter */
    part->updates += (uint64_t)n * NCE_SNN_LANES;
    part->skipped += (uint64_t)(end - first - n) * NCE_SNN_LANES;
}

#include "src/snn/models_body.h"

/* One step of a population that the LIF kernels do not know. */
static size_t NAME(update_model)(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end,
                                 uint32_t *fired, double *offset)
{
    if (p->precise) return NAME(update_precise)(snn, p, step, first, end, fired, offset);
    if (p->o.model == NCE_SNN_LOIHI) return NAME(update_loihi)(snn, p, step, first, end, fired);
    if (p->o.model == NCE_SNN_IZHIKEVICH) return NAME(update_izhikevich)(snn, p, step, first, end, fired);
    return NAME(update_adex)(snn, p, step, first, end, fired);
}

static void NAME(update_lif)(nce_snn *snn, nce_snn_population *p, const nce_snn_span *span, uint32_t first,
                             uint32_t end, const nce_snn_lists *to)
{
    nce_snn_sweep sweep = {.first = first, .n = end - first, .room = to->room, .stay_behind = span->behind};
    uint32_t k = 0;
    do {
        const uint32_t left = span->n_steps - k;
        sweep.step = span->step + k;
        sweep.n_steps = left < NCE_SNN_SWEEP_STEPS ? left : NCE_SNN_SWEEP_STEPS;
        sweep.behind = sweep.stay_behind;
        sweep.stay_behind = left > NCE_SNN_SWEEP_STEPS || span->stay_behind;
        sweep.fired = to->fired + k * to->room;
        sweep.count = to->count + k;
        snn->ops.LIF(&p->args.ARGS, &sweep);
        k += sweep.n_steps;
    } while (k < span->n_steps);
}

static void NAME(update)(nce_snn *snn, nce_snn_part *part, nce_snn_population *p, const nce_snn_span *span,
                         uint32_t first, uint32_t end, const nce_snn_lists *to)
{
    if (!p->event_driven) part->updates += (uint64_t)(end - first) * NCE_SNN_LANES * span->n_steps;
    if (!p->event_driven && !p->precise && p->o.model <= NCE_SNN_IF) {
        NAME(update_lif)(snn, p, span, first, end, to);
        return;
    }
    for (uint32_t k = 0; k < span->n_steps; k++) {
        const size_t at = k * to->room;
        const nce_snn_lists lists = {to->fired + at, to->offset != NULL ? to->offset + at : NULL, to->room,
                                     to->count + k};
        if (p->event_driven)
            NAME(update_awake)(snn, part, p, span->step + k, first, end, &lists);
        else
            *lists.count += NAME(update_model)(snn, p, span->step + k, first, end, lists.fired + *lists.count,
                                               lists.offset != NULL ? lists.offset + *lists.count : NULL);
    }
}

/* ---- inputs ---- */

static void NAME(add)(nce_snn *snn, nce_snn_population *p, uint32_t neuron, uint64_t step, uint32_t receptor, double x)
{
    const uint32_t ring_block = p->first_ring + neuron / NCE_SNN_LANES;
    NAME(cell)(snn, ring_block, receptor, step)[neuron % NCE_SNN_LANES] += (REAL)x;
    NAME(marks)(snn, ring_block, step)[receptor] = 1;
}

static void NAME(jump)(nce_snn *snn, nce_snn_population *p, uint32_t neuron, uint64_t step, double mv)
{
    const uint32_t block = neuron / NCE_SNN_LANES;
    const size_t i = (size_t)p->first + neuron;
    if (p->event_driven) NAME(wake)(snn, p, block, block + 1, step);
    const bool refractory = p->precise ? snn->ref_ms[i] > 0 : snn->ref[i] > 0;
    if (!refractory) ((REAL *)snn->v)[i] += (REAL)mv;
    NAME(marks)(snn, p->first_ring + block, step)[0] = 1;
}

/* ---- deliveries ---- */

/* The slot of each synapse: its delay's, or one for all.  What does not change is held in locals: marks are bytes, and
 * the compiler must think that storing one may change anything else. */
static inline __attribute__((always_inline)) void
NAME(deliver_row)(nce_snn *snn, const nce_snn_part *part, uint64_t step, uint64_t begin, uint64_t end, const bool marks)
{
    REAL *const ring = snn->ring;
    uint8_t *const touched = snn->touched;
    const REAL *const weight = part->weight;
    const uint32_t *const base = part->base, mask = snn->n_slots - 1;
    const uint8_t *const delay8 = part->delay8;
    const uint16_t *const delay16 = part->delay16;
    const unsigned line_shift = (unsigned)__builtin_ctz(snn->n_slots * NCE_SNN_LANES); /* of block and receptor */
    const size_t lines = (size_t)snn->n_rings * snn->n_receptors;
    if (delay8 == NULL && delay16 == NULL) {
        const uint32_t slot = ((uint32_t)step + snn->equal_delay) & mask;
        REAL *const now = ring + slot * NCE_SNN_LANES;
        uint8_t *const marked = touched + slot * lines;
        for (uint64_t e = begin; e < end; e++) {
            now[base[e]] += weight[e];
            if (marks) marked[base[e] >> line_shift] = 1;
        }
        return;
    }
    for (uint64_t e = begin; e < end; e++) {
        const uint32_t slot = ((uint32_t)step + (delay8 != NULL ? delay8[e] : delay16[e])) & mask;
        ring[base[e] + slot * NCE_SNN_LANES] += weight[e];
        if (marks) touched[slot * lines + (base[e] >> line_shift)] = 1;
    }
}

#include "src/snn/stdp_body.h"
#include "src/snn/pull_body.h"

/* The first lines of a row that is walked next: rows lie anywhere, and a short one ends before the hardware has noticed. */
static inline void NAME(prefetch_row)(const nce_snn_part *part, uint32_t id)
{
    const uint64_t begin = part->row[id], end = part->row[id + 1] < begin + 128 ? part->row[id + 1] : begin + 128;
    for (uint64_t e = begin; e < end; e += 64 / sizeof(REAL)) {
        __builtin_prefetch(&part->base[e]);
        __builtin_prefetch((const REAL *)part->weight + e);
    }
}

static void NAME(deliver_spike)(nce_snn *snn, nce_snn_part *part, uint64_t step, uint32_t id)
{
    const uint64_t begin = part->row[id], end = part->row[id + 1];
    part->synaptic_events += end - begin;
    if (snn->marks)
        NAME(deliver_row)(snn, part, step, begin, end, true);
    else
        NAME(deliver_row)(snn, part, step, begin, end, false);
}

static void NAME(deliver)(nce_snn *snn, nce_snn_part *part, uint64_t step, uint32_t n_steps, unsigned parity)
{
    uint32_t id = UINT32_MAX; /* the spike whose row is on its way to the cache */
    uint64_t at = step;
    for (uint32_t k = 0; k < n_steps; k++) {
        if (part->plastic != NULL) NAME(deliver_plastic)(snn, part, step + k, parity, k);
        for (uint32_t q = 0; part->plastic == NULL && q < snn->n_parts; q++) {
            const nce_snn_part *from = &snn->parts[q];
            const uint32_t *fired = from->fired[parity] + k * from->room;
            for (size_t j = 0; j < from->count[parity][k]; j++) {
                NAME(prefetch_row)(part, fired[j]);
                if (id != UINT32_MAX) NAME(deliver_spike)(snn, part, at, id);
                id = fired[j];
                at = step + k;
            }
        }
    }
    if (id != UINT32_MAX) NAME(deliver_spike)(snn, part, at, id);
}

#define ENGINE                                                                                                         \
    {                                                                                                                  \
        sizeof(REAL), NAME(bind), NAME(update), NAME(add), NAME(jump), NAME(wake), NAME(deliver), NAME(pull),          \
            NAME(get), NAME(set), NAME(settle)                                                                         \
    }
