/* Sealing a network: numbering, parts, synapse rows, state.
 *
 * Rows are asked for twice: once to count what each part gets, once to fill.  Within a row synapses are ordered by
 * target population, and by target where the rule gives them so: delivery then walks the rings upwards. */
#include "src/snn/network.h"
#include <math.h>
#include <string.h>

typedef struct builder {
    nce_snn *snn;
    uint32_t *order;  /* projections by target population */
    uint8_t *part_of; /* [n_blocks] */
    uint32_t *post, *scratch;
    double *weight;
    uint16_t *delay;
    nce_progress_fn *progress;
    void *user;
} builder;

/* ---- layout ---- */

static double expected_synapses(const nce_snn *snn, const nce_snn_projection *q)
{
    const double n_pre = snn->populations[q->c.pre].n, n_post = snn->populations[q->c.post].n;
    if (q->row != NULL) return (double)q->row[snn->populations[q->c.pre].n];
    return q->r.rule == NCE_SNN_PAIRWISE ? q->r.p * n_pre * n_post : (double)q->r.n;
}

/* Ring blocks, receptors, delays; NCE_ERR_LIMIT if the ring cells cannot be numbered in 32 bits. */
nce_status nce_snn_layout(nce_snn *snn)
{
    for (size_t i = 0; i < snn->n_populations; i++) {
        nce_snn_population *p = &snn->populations[i];
        p->first_ring = snn->n_rings;
        if (p->has_ring) snn->n_rings += p->n_blocks;
        snn->n_blocks = p->first_block + p->n_blocks;
        if (p->has_ring && p->o.synapse == NCE_SNN_CONDUCTANCE) snn->n_receptors = 2;
    }
    snn->n_ids = snn->n_blocks * NCE_SNN_LANES;
    nce_snn_choose_slots(snn);
    const uint64_t cells = (uint64_t)snn->n_rings * snn->n_receptors * snn->n_slots * NCE_SNN_LANES;
    if (cells <= UINT32_MAX) return NCE_OK;
    return nce_fail(snn->ctx, NCE_ERR_LIMIT,
                    "network: %u neurons x %u receptors x %u delay slots are above 2^32 ring cells",
                    snn->n_rings * NCE_SNN_LANES, snn->n_receptors, snn->n_slots);
}

static void find_delays(nce_snn *snn)
{
    snn->n_receptors = 1;
    for (size_t i = 0; i < snn->n_poissons; i++)
        if (snn->poissons[i].receptor == 1) snn->n_receptors = 2;
    snn->min_delay = NCE_SNN_MAX_INTERVAL;
    snn->max_delay = 1;
    for (size_t i = 0; i < snn->n_projections; i++) {
        const nce_snn_projection *q = &snn->projections[i];
        if (q->min_delay < snn->min_delay) snn->min_delay = q->min_delay;
        if (q->max_delay > snn->max_delay) snn->max_delay = q->max_delay;
        if (q->c.receptor == 1) snn->n_receptors = 2;
    }
}

static bool delays_equal(const nce_snn *snn)
{
    for (size_t i = 0; i < snn->n_projections; i++)
        if (snn->projections[i].min_delay != snn->max_delay || snn->projections[i].max_delay != snn->max_delay)
            return false;
    return true;
}

/* Contiguous ranges of blocks of about equal cost: an update, and deliveries at a few Hz. */
void nce_snn_choose_parts(nce_snn *snn)
{
    uint32_t n = snn->o.n_threads;
    if (n == 0) n = snn->n_ids < 20000 ? 1 : snn->ctx->n_threads;
    if (n > NCE_SNN_MAX_PARTS) n = NCE_SNN_MAX_PARTS;
    if (n > snn->n_blocks) n = snn->n_blocks;
    double total = 0, sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        uint32_t part = 0;
        for (size_t i = 0; i < snn->n_populations; i++) {
            const nce_snn_population *p = &snn->populations[i];
            const double cost = 1 + 0.003 * (double)p->n_in / p->n;
            if (pass == 0) total += cost * p->n_blocks;
            for (uint32_t b = 0; pass == 1 && b < p->n_blocks; b++, sum += cost)
                while (part + 1 < n && sum >= total * (part + 1) / n)
                    snn->parts[++part].first_block = p->first_block + b;
        }
        while (pass == 1 && ++part < n)
            snn->parts[part].first_block = snn->n_blocks;
    }
    snn->n_parts = n;
    for (uint32_t t = 0; t < n; t++) {
        snn->parts[t].snn = snn;
        snn->parts[t].index = t;
        snn->parts[t].end_block = t + 1 < n ? snn->parts[t + 1].first_block : snn->n_blocks;
    }
}

/* ---- rows ---- */

static nce_status prepare_rows(builder *b)
{
    nce_snn *snn = b->snn;
    uint64_t longest = 1;
    b->order = nce_alloc_array(snn->ctx, snn->n_projections, sizeof *b->order);
    b->part_of = nce_alloc_array(snn->ctx, snn->n_blocks, 1);
    if (b->order == NULL || b->part_of == NULL) return nce_fail_nomem(snn->ctx, snn->n_blocks);
    uint32_t at = 0;
    for (uint32_t target = 0; target < snn->n_populations; target++)
        for (uint32_t i = 0; i < snn->n_projections; i++)
            if (snn->projections[i].c.post == target) b->order[at++] = i;
    for (uint32_t t = 0; t < snn->n_parts; t++)
        memset(b->part_of + snn->parts[t].first_block, (int)t, snn->parts[t].end_block - snn->parts[t].first_block);
    for (size_t i = 0; i < snn->n_projections; i++) {
        const uint64_t bound = nce_snn_random_row_bound(snn, &snn->projections[i]);
        longest = bound > longest ? bound : longest;
    }
    if (longest > UINT32_MAX) return nce_fail(snn->ctx, NCE_ERR_LIMIT, "a neuron has more than 2^32 synapses");
    b->post = nce_alloc_array(snn->ctx, longest, sizeof *b->post);
    b->scratch = nce_alloc_array(snn->ctx, longest, sizeof *b->scratch);
    b->weight = nce_alloc_array(snn->ctx, longest, sizeof *b->weight);
    b->delay = nce_alloc_array(snn->ctx, longest, sizeof *b->delay);
    if (!b->post || !b->scratch || !b->weight || !b->delay) return nce_fail_nomem(snn->ctx, longest * 8);
    return NCE_OK;
}

static void place(nce_snn *snn, const nce_snn_projection *q, nce_snn_part *part, uint64_t at, uint32_t target, double w,
                  uint16_t d)
{
    const nce_snn_population *p = &snn->populations[q->c.post];
    const uint32_t ring_block = p->first_ring + target / NCE_SNN_LANES;
    part->base[at] =
        (ring_block * snn->n_receptors + q->c.receptor) * snn->n_slots * NCE_SNN_LANES + target % NCE_SNN_LANES;
    snn->engine->set(part->weight, at, w);
    if (part->delay8 != NULL) part->delay8[at] = (uint8_t)d;
    if (part->delay16 != NULL) part->delay16[at] = d;
    if (part->plastic != NULL) part->plastic->cls[at] = (uint8_t)q->stdp_class;
}

/* One projection's synapses of a source: counted into row[source + 1], or placed from the cursors in row[source]. */
static void walk_row(builder *b, const nce_snn_projection *q, uint32_t source, bool fill)
{
    nce_snn *snn = b->snn;
    const nce_snn_population *pre = &snn->populations[q->c.pre], *post = &snn->populations[q->c.post];
    const uint32_t id = pre->first + source;
    const uint32_t n = nce_snn_random_row(snn, q, source, b->post, fill ? b->weight : NULL, b->delay, b->scratch);
    if (!fill && snn->n_parts == 1) {
        snn->parts[0].row[id + 1] += n;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        nce_snn_part *part = &snn->parts[b->part_of[post->first_block + b->post[i] / NCE_SNN_LANES]];
        if (!fill)
            part->row[id + 1]++;
        else
            place(snn, q, part, part->row[id]++, b->post[i], b->weight[i], b->delay[i]);
    }
}

static nce_status walk_rows(builder *b, bool fill)
{
    nce_snn *snn = b->snn;
    uint64_t done = 0;
    for (size_t i = 0; i < snn->n_populations; i++) {
        const nce_snn_population *p = &snn->populations[i];
        for (uint32_t source = 0; source < p->n; source++, done++) {
            for (size_t k = 0; k < snn->n_projections; k++) {
                const nce_snn_projection *q = &snn->projections[b->order[k]];
                if (q->c.pre == i) walk_row(b, q, source, fill);
            }
            if (b->progress != NULL && done % 256 == 0 &&
                !b->progress(b->user, done + (fill ? snn->n_ids : 0), 2 * (uint64_t)snn->n_ids))
                return nce_fail(snn->ctx, NCE_ERR_CANCELLED, "network: build cancelled");
        }
    }
    return NCE_OK;
}

/* Everything of a part that depends on its number of synapses (part->n_synapses). */
nce_status nce_snn_allocate_part(nce_snn *snn, nce_snn_part *part)
{
    const size_t n = part->n_synapses, real = snn->engine->real_bytes;
    part->base = nce_alloc(snn->ctx, n * sizeof *part->base);
    part->weight = nce_alloc(snn->ctx, n * real);
    if (part->base == NULL || part->weight == NULL) return nce_fail_nomem(snn->ctx, n * (sizeof *part->base + real));
    if (snn->equal_delay == 0 && snn->max_delay <= 255) part->delay8 = nce_alloc(snn->ctx, n);
    if (snn->equal_delay == 0 && snn->max_delay > 255) part->delay16 = nce_alloc(snn->ctx, n * 2);
    if (snn->equal_delay == 0 && !part->delay8 && !part->delay16) return nce_fail_nomem(snn->ctx, n * 2);
    if (snn->n_classes == 0) return NCE_OK;
    part->plastic = nce_alloc_zero(snn->ctx, sizeof *part->plastic);
    if (part->plastic == NULL) return nce_fail_nomem(snn->ctx, sizeof *part->plastic);
    part->plastic->cls = nce_alloc_array(snn->ctx, n, 1);
    return part->plastic->cls != NULL ? NCE_OK : nce_fail_nomem(snn->ctx, n);
}

static nce_status build_rows(builder *b)
{
    nce_snn *snn = b->snn;
    for (uint32_t t = 0; t < snn->n_parts; t++) {
        snn->parts[t].row = nce_alloc_array(snn->ctx, (size_t)snn->n_ids + 2, sizeof(uint64_t));
        if (snn->parts[t].row == NULL) return nce_fail_nomem(snn->ctx, ((size_t)snn->n_ids + 2) * sizeof(uint64_t));
    }
    nce_status status = walk_rows(b, false);
    for (uint32_t t = 0; t < snn->n_parts && status == NCE_OK; t++) {
        nce_snn_part *part = &snn->parts[t];
        for (uint32_t i = 0; i < snn->n_ids; i++)
            part->row[i + 1] += part->row[i];
        part->n_synapses = part->row[snn->n_ids];
        snn->n_synapses += part->n_synapses;
        status = nce_snn_allocate_part(snn, part);
    }
    if (status == NCE_OK) status = walk_rows(b, true);
    for (uint32_t t = 0; t < snn->n_parts && status == NCE_OK; t++) { /* the cursors have moved one row on */
        uint64_t *row = snn->parts[t].row;
        memmove(row + 1, row, (size_t)snn->n_ids * sizeof *row);
        row[0] = 0;
        status = nce_snn_group_rows(snn, &snn->parts[t]);
    }
    return status;
}

/* ---- state ---- */

static bool any(const nce_snn *snn, bool (*test)(const nce_snn_population *))
{
    for (size_t i = 0; i < snn->n_populations; i++)
        if (test(&snn->populations[i])) return true;
    return false;
}
static bool is_precise(const nce_snn_population *p)
{
    return p->precise;
}

/* All that can fire in a step. */
static size_t list_room(const nce_snn *snn, const nce_snn_part *part)
{
    size_t n = 0;
    for (size_t i = 0; i < snn->n_populations; i++) {
        const nce_snn_population *p = &snn->populations[i];
        const uint32_t first = p->first_block > part->first_block ? p->first_block : part->first_block;
        const uint32_t end =
            p->first_block + p->n_blocks < part->end_block ? p->first_block + p->n_blocks : part->end_block;
        if (end > first) n += (size_t)(end - first) * NCE_SNN_LANES * (p->precise ? NCE_SNN_PRECISE_MAX : 1);
    }
    return n;
}

static nce_status allocate_lists(nce_snn *snn, bool precise)
{
    const size_t longest = snn->min_delay + (snn->may_defer ? 1 : 0); /* steps of an interval */
    for (uint32_t t = 0; t < snn->n_parts; t++) {
        nce_snn_part *part = &snn->parts[t];
        part->room = list_room(snn, part);
        const size_t capacity = part->room * longest;
        for (int k = 0; k < 2; k++) {
            part->fired[k] = nce_alloc_array(snn->ctx, capacity, sizeof(uint32_t));
            if (precise) part->offset[k] = nce_alloc_array(snn->ctx, capacity, sizeof(double));
            if (part->fired[k] == NULL || (precise && part->offset[k] == NULL))
                return nce_fail_nomem(snn->ctx, capacity * 4);
        }
        part->due_blocks = nce_alloc_array(snn->ctx, part->end_block - part->first_block, sizeof(uint32_t));
        if (snn->pull) { /* room for the worst case; pages that are never used are never there */
            part->past = nce_alloc(snn->ctx, snn->n_past * part->room * sizeof *part->past);
            part->past_n = nce_alloc_array(snn->ctx, snn->n_past, sizeof *part->past_n);
            if (part->past == NULL || part->past_n == NULL)
                return nce_fail_nomem(snn->ctx, snn->n_past * part->room * 4);
        }
        if (part->due_blocks == NULL) return nce_fail_nomem(snn->ctx, snn->n_blocks * sizeof(uint32_t));
    }
    return NCE_OK;
}

typedef struct {
    void **array;
    size_t count, size;
} request;

nce_status nce_snn_allocate_state(nce_snn *snn)
{
    const size_t real = snn->engine->real_bytes, n = snn->n_ids, rings = snn->n_rings;
    const size_t cells = rings * snn->n_receptors * snn->n_slots * NCE_SNN_LANES;
    const size_t capacity = (size_t)snn->o.queue_capacity + NCE_SNN_CALENDAR_LINE;
    const bool precise = any(snn, is_precise);
    const request requests[] = {
        {&snn->v, n, real},
        {&snn->s0, n, real},
        {&snn->s1, n, real},
        {(void **)&snn->ref, n, sizeof(uint16_t)},
        {&snn->ring, cells, real},
        {(void **)&snn->ref_ms, precise ? n : 0, sizeof(double)},
        {(void **)&snn->touched, rings * snn->n_slots * snn->n_receptors, 1},
        {(void **)&snn->active, rings, 1},
        {(void **)&snn->seen, rings, sizeof(uint64_t)},
        {(void **)&snn->ring_first, rings, sizeof(uint32_t)},
        {(void **)&snn->spike_count, n, sizeof(uint32_t)},
        {(void **)&snn->last_spike, n, sizeof(uint64_t)},
        {(void **)&snn->delta_last, n, sizeof(float)},
        {(void **)&snn->due[0], capacity, sizeof(nce_snn_event)},
        {(void **)&snn->due[1], capacity, sizeof(nce_snn_event)},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (requests[i].array == (void **)&snn->ref_ms && !precise) continue;
        *requests[i].array = nce_alloc_array(snn->ctx, requests[i].count, requests[i].size);
        if (*requests[i].array == NULL) return nce_fail_nomem(snn->ctx, requests[i].count * requests[i].size);
    }
    for (size_t i = 0; i < snn->n_populations; i++) {
        const nce_snn_population *p = &snn->populations[i];
        for (uint32_t b = 0; p->has_ring && b < p->n_blocks; b++)
            snn->ring_first[p->first_ring + b] = p->first + b * NCE_SNN_LANES;
    }
    nce_status status = allocate_lists(snn, precise);
    if (status == NCE_OK) status = nce_snn_calendar_init(snn->ctx, &snn->calendar, snn->o.queue_capacity);
    for (size_t i = 0; i < snn->n_populations && status == NCE_OK; i++)
        status = nce_snn_prepare_population(snn, &snn->populations[i]);
    nce_snn_set_marks(snn, true, 0);
    for (uint32_t t = 0; t < snn->n_parts && status == NCE_OK && snn->n_classes > 0; t++)
        status = nce_snn_index_plastic(snn, &snn->parts[t]);
    return status;
}

void nce_snn_initial_state(nce_snn *snn)
{
    for (size_t i = 0; i < snn->n_populations; i++) {
        nce_snn_population *p = &snn->populations[i];
        const uint32_t padded = p->n_blocks * NCE_SNN_LANES;
        for (uint32_t k = 0; k < padded; k++) {
            const uint32_t from = k < p->n ? k : 0;
            snn->engine->set(snn->v, p->first + k, nce_snn_param_value(p, NCE_SNN_PARAM_V, from));
            snn->engine->set(snn->s0, p->first + k, nce_snn_param_value(p, NCE_SNN_PARAM_U, from));
            snn->engine->set(snn->s1, p->first + k, nce_snn_param_value(p, NCE_SNN_PARAM_S1, from));
        }
    }
    memset(snn->active, 1, snn->n_rings); /* the first step looks at every block */
}

static nce_status build(nce_snn *snn, nce_progress_fn *progress, void *user)
{
    builder b = {.snn = snn, .progress = progress, .user = user};
    find_delays(snn);
    snn->equal_delay = delays_equal(snn) ? snn->max_delay : 0;
    nce_status status = nce_snn_layout(snn);
    if (status == NCE_OK && snn->n_populations == 0)
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "network: no populations");
    for (size_t i = 0; i < snn->n_projections && status == NCE_OK; i++)
        snn->populations[snn->projections[i].c.post].n_in += (uint64_t)expected_synapses(snn, &snn->projections[i]);
    if (status == NCE_OK) {
        nce_snn_choose_parts(snn);
        status = prepare_rows(&b);
    }
    if (status == NCE_OK) status = build_rows(&b);
    if (status == NCE_OK) status = nce_snn_allocate_state(snn);
    for (size_t i = 0; i < snn->n_poissons && status == NCE_OK; i++)
        status = nce_snn_prepare_poisson(snn, &snn->poissons[i]);
    if (status == NCE_OK) nce_snn_initial_state(snn);
    void *const scratch[] = {b.order, b.part_of, b.post, b.scratch, b.weight, b.delay};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        nce_free(snn->ctx, scratch[i]);
    for (size_t i = 0; i < snn->n_projections && status == NCE_OK; i++)
        nce_snn_projection_drop(snn, &snn->projections[i]);
    if (status == NCE_OK) snn->n_projections = 0;
    return status;
}

nce_status nce_snn_build(nce_snn *snn, nce_progress_fn *progress, void *user)
{
    nce_status status = nce_snn_enter(snn, 0, true);
    if (status != NCE_OK) return status;
    status = build(snn, progress, user);
    snn->built = status == NCE_OK;
    snn->broken = status != NCE_OK;
    nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_synapses_read(nce_snn *snn, uint32_t pre, uint32_t post, size_t capacity, uint32_t *pre_index,
                                 uint32_t *post_index, double *weight, double *delay, size_t *n)
{
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, pre);
    if (status == NCE_OK) status = nce_snn_check_population(snn, post);
    if (status == NCE_OK && n == NULL) status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_synapses_read: NULL");
    size_t found = 0;
    const uint32_t line = snn->n_receptors * snn->n_slots * NCE_SNN_LANES;
    for (uint32_t s = 0; status == NCE_OK && s < snn->populations[pre].n; s++)
        for (uint32_t t = 0; t < snn->n_parts; t++) {
            const nce_snn_part *part = &snn->parts[t];
            const nce_snn_population *p = &snn->populations[post];
            const uint32_t id = snn->populations[pre].first + s;
            for (uint64_t e = part->row[id]; e < part->row[id + 1]; e++) {
                const uint32_t target = snn->ring_first[part->base[e] / line] + part->base[e] % NCE_SNN_LANES;
                if (target < p->first || target >= p->first + p->n) continue;
                if (found < capacity) {
                    const uint32_t d = nce_snn_delay_of(snn, part, id, e);
                    if (pre_index != NULL) pre_index[found] = s;
                    if (post_index != NULL) post_index[found] = target - p->first;
                    if (weight != NULL) weight[found] = snn->engine->get(part->weight, e);
                    if (delay != NULL) delay[found] = d * snn->o.dt;
                }
                found++;
            }
        }
    if (status == NCE_OK) *n = found;
    nce_snn_unlock(snn);
    return status;
}
