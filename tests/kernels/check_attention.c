/* Attention: random shapes, types, windows, caps and sinks; pages anywhere, each against an unreadable page, unused
 * slots full of NaN; one call or row by row, one to four threads.  Every result must be the reference's, and the
 * reference's must be near soft-max attention in double. */
#include "src/kernels/attention.h"
#include "src/kernels/attention_page.h"
#include "tests/kernels/check.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CASES = 150, MAX_PAGES = 20, MAX_THREADS = 4, MAX_HEADS = 120, MEMORY_PAGE = 4096 };
#define WORK 6e6 /* products of a case, so that the scalar reference takes a moment only */

static const nce_type types[] = {NCE_TYPE_F32, NCE_TYPE_F16, NCE_TYPE_BF16, NCE_TYPE_Q8_0, NCE_TYPE_Q4_0};

/* Pages of keys and values of one sequence, in no order, each followed by unreadable memory. */
typedef struct store {
    uint8_t *map, *pages[MAX_PAGES];
    size_t bytes;
} store;

typedef struct attn_case {
    nce_attn_shape shape;
    float sinks[MAX_HEADS];
    size_t n_rows, pos0, n_pages, page_bytes, ld_q, ld_out, row, k_offset, v_offset;
    float *q, *k, *v; /* k, v [position][kv head][size] */
} attn_case;

static size_t at_random(check *c, const size_t *from, size_t n)
{
    return from[check_random(c) % n];
}
#define ONE_OF(c, ...) at_random(c, (const size_t[]){__VA_ARGS__}, sizeof(const size_t[]){__VA_ARGS__} / sizeof(size_t))

/* ---- pages ---- */
static store open_store(const attn_case *a)
{
    const size_t body = (a->page_bytes + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE, slot = body + MEMORY_PAGE;
    store s = {.bytes = slot * a->n_pages};
    s.map = mmap(NULL, s.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.map == MAP_FAILED) exit(2);
    for (size_t i = 0; i < a->n_pages; i++) {
        uint8_t *end = s.map + (i ^ (a->n_pages % 2 == 0)) * slot + body;
        if (mprotect(end - body, body, PROT_READ | PROT_WRITE)) exit(2);
        s.pages[i] = end - a->page_bytes;
        memset(s.pages[i], 0xff, a->page_bytes); /* NaN in every type */
    }
    return s;
}

static void close_store(store *s)
{
    munmap(s->map, s->bytes);
}

static void fill_store(const store *s, const attn_case *a, const nce_attn_ops *ops)
{
    const size_t row_k = (size_t)a->shape.n_kv_heads * a->shape.n_dk,
                 row_v = (size_t)a->shape.n_kv_heads * a->shape.n_dv;
    for (size_t p = 0; p < a->pos0 + a->n_rows; p++) {
        uint8_t *page = s->pages[p / NCE_KV_PAGE];
        ops->store(&a->shape, page + a->k_offset, page + a->v_offset, p % NCE_KV_PAGE, a->k + p * row_k,
                   a->v + p * row_v);
    }
}

/* ---- a random case ---- */
static float *values_of(check *c, size_t n, check_fill kind, float scale)
{
    float *x = check_guarded(c, n * sizeof *x, CHECK_AT_END);
    check_fill_f32(c, x, n, kind);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
    return x;
}

static void draw_shape(check *c, attn_case *a)
{
    nce_attn_shape *s = &a->shape;
    s->n_dk = (uint32_t)ONE_OF(c, 32, 64, 64, 80, 96, 128, 128, 128, 192, 256, 40, 112, 1, 33, 576);
    s->n_dv = check_random(c) % 3 ? s->n_dk : (uint32_t)ONE_OF(c, 32, 64, 80, 96, 128, 128, 256, 72, 5, 512);
    s->n_kv_heads = (uint32_t)check_between(c, 1, 3);
    s->n_group = (uint32_t)ONE_OF(c, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 12, 40);
    s->scale = 1.0f / sqrtf((float)s->n_dk) * (check_random(c) % 4 ? 1.0f : 20.0f);
    if (check_random(c) % 3 == 0) s->window = (uint32_t)check_between(c, 1, 700);
    if (check_random(c) % 3 == 0) s->cap = 20.0f + 15.0f * check_uniform(c);
    s->type_k = types[check_random(c) % 5];
    s->type_v = check_random(c) % 3 ? s->type_k : types[check_random(c) % 5];
    for (uint32_t h = 0; h < s->n_kv_heads * s->n_group; h++)
        a->sinks[h] = 4.0f * check_uniform(c);
    if (check_random(c) % 3 == 0) s->sinks = a->sinks;
}

static void draw(check *c, attn_case *a)
{
    nce_attn_shape *s = &a->shape;
    memset(a, 0, sizeof *a);
    draw_shape(c, a);
    const size_t heads = (size_t)s->n_kv_heads * s->n_group,
                 edge = ONE_OF(c, 1, 15, 16, 17, 64, 65, 255, 256, 257, 513);
    const size_t n = check_random(c) % 2 ? edge : check_between(c, 1, NCE_KV_PAGE * MAX_PAGES - 80);
    const double most = WORK / ((double)n * (double)heads * (s->n_dk + s->n_dv));
    a->n_rows = ONE_OF(c, 1, 1, check_between(c, 1, 6), check_between(c, 1, 70));
    if (a->n_rows > n) a->n_rows = n;
    if ((double)a->n_rows > most) a->n_rows = most < 1 ? 1 : (size_t)most;
    a->pos0 = n - a->n_rows;
    a->n_pages = (n + NCE_KV_PAGE - 1) / NCE_KV_PAGE;
    a->row = heads * s->n_dv;
    a->ld_q = heads * s->n_dk + check_between(c, 0, 3);
    a->ld_out = a->row + check_between(c, 0, 3);
    a->k_offset = 64 * check_between(c, 0, 3);
    a->v_offset = a->k_offset + s->n_kv_heads * nce_kv_k_bytes(s->type_k, s->n_dk) + 64 * check_between(c, 0, 3);
    a->page_bytes = a->v_offset + s->n_kv_heads * nce_kv_v_bytes(s->type_v, s->n_dv);
    const check_fill kind = check_random(c) % 4 ? CHECK_UNIFORM : (check_fill)(check_random(c) % CHECK_N_FILLS);
    a->q = values_of(c, (a->n_rows - 1) * a->ld_q + heads * s->n_dk, kind, check_random(c) % 4 ? 2.0f : 60.0f);
    a->k = values_of(c, n * s->n_kv_heads * s->n_dk, kind, 1.0f);
    a->v = values_of(c, n * s->n_kv_heads * s->n_dv, kind, 1.0f);
}

static void name_case(check *c, const attn_case *a, size_t n_threads, size_t run)
{
    const nce_attn_shape *s = &a->shape;
    check_case(c,
               "k %s v %s size %u/%u heads %ux%u window %u cap %g sinks %d scale %g rows %zu at %zu threads %zu by %zu",
               nce_type_name(s->type_k), nce_type_name(s->type_v), s->n_dk, s->n_dv, s->n_kv_heads, s->n_group,
               s->window, (double)s->cap, s->sinks != NULL, (double)s->scale, a->n_rows, a->pos0, n_threads, run);
}

/* ---- a team of threads running calls ---- */
typedef struct team {
    const nce_attn_ops *ops;
    nce_attn_call call;
    pthread_barrier_t meet;
    size_t n_threads;
    void *scratch[MAX_THREADS];
    uint8_t *parts_end; /* the parts of a call end at unreadable memory */
} team;

typedef struct member {
    team *team;
    size_t id;
} member;

static void *work(void *p)
{
    const member *m = p;
    m->team->ops->phase1(&m->team->call, m->id, m->team->n_threads, m->team->scratch[m->id]);
    pthread_barrier_wait(&m->team->meet);
    m->team->ops->phase2(&m->team->call, m->id, m->team->n_threads, m->team->scratch[m->id]);
    return NULL;
}

static void open_team(check *c, team *t, const nce_attn_ops *ops, const attn_case *a)
{
    const size_t parts = nce_attn_parts_bytes(&a->shape, a->n_rows, a->pos0 + a->n_rows);
    t->ops = ops;
    for (size_t i = 0; i < MAX_THREADS; i++)
        t->scratch[i] = check_guarded(c, nce_attn_scratch_bytes(&a->shape), CHECK_AT_END);
    t->parts_end = (uint8_t *)check_guarded(c, parts, CHECK_AT_END) + parts;
}

/* Rows first .. first + n of the case. */
static void attend(team *t, const attn_case *a, const store *s, size_t first, size_t n, size_t n_threads, float *out,
                   size_t ld_out)
{
    member m[MAX_THREADS];
    pthread_t thread[MAX_THREADS];
    t->n_threads = n_threads;
    t->call.shape = &a->shape;
    t->call.kv = (nce_attn_pages){s->pages, a->k_offset, a->v_offset};
    t->call.q = a->q + first * a->ld_q;
    t->call.ld_q = a->ld_q;
    t->call.out = out + first * ld_out;
    t->call.ld_out = ld_out;
    t->call.n_rows = n;
    t->call.pos0 = a->pos0 + first;
    t->call.parts = (float *)(void *)(t->parts_end - nce_attn_parts_bytes(&a->shape, n, t->call.pos0 + n));
    atomic_store(&t->call.next_unit, 0);
    pthread_barrier_init(&t->meet, NULL, (unsigned)n_threads);
    for (size_t i = 0; i < n_threads; i++)
        m[i] = (member){t, i};
    for (size_t i = 1; i < n_threads; i++)
        if (pthread_create(&thread[i], NULL, work, &m[i])) exit(2);
    work(&m[0]);
    for (size_t i = 1; i < n_threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&t->meet);
}

/* ---- a variant against the reference ---- */
static void run_case(check *c, const nce_attn_ops *ref, const nce_attn_ops *ops)
{
    attn_case a;
    team t;
    draw(c, &a);
    name_case(c, &a, 1, a.n_rows);
    if (check_random(c) % 8 == 0) /* what is not a number spreads as in the reference */
        *(check_random(c) % 2 ? a.q : check_random(c) % 2 ? a.k : a.v) = check_random(c) % 2 ? NAN : INFINITY;
    store want_pages = open_store(&a), pages = open_store(&a);
    fill_store(&want_pages, &a, ref);
    fill_store(&pages, &a, ops);
    for (size_t i = 0; i < a.n_pages; i++) {
        c->n_compared++;
        if (memcmp(want_pages.pages[i], pages.pages[i], a.page_bytes))
            check_fail(c, "page %zu is stored differently", i);
    }
    float *want = check_memory(c, a.n_rows * a.row * sizeof *want);
    float *got = check_guarded(c, a.n_rows * a.ld_out * sizeof *got, CHECK_AT_END);
    open_team(c, &t, ref, &a);
    attend(&t, &a, &want_pages, 0, a.n_rows, 1, want, a.row);
    t.ops = ops;
    for (int how = 0; how < 3; how++) { /* one thread; several; runs of a few rows */
        const size_t n_threads = how == 0 ? 1 : check_between(c, 1, MAX_THREADS);
        const size_t run = how < 2 ? a.n_rows : check_between(c, 1, 3);
        name_case(c, &a, n_threads, run);
        memset(got, 0x5a, a.n_rows * a.ld_out * sizeof *got);
        for (size_t r = 0; r < a.n_rows; r += run)
            attend(&t, &a, &pages, r, a.n_rows - r < run ? a.n_rows - r : run, n_threads, got, a.ld_out);
        check_same_rows(c, "attention", want, got, a.n_rows, a.row, a.ld_out);
    }
    close_store(&want_pages);
    close_store(&pages);
    check_release(c);
}

/* ---- the reference against double ---- */
static double key_of(const attn_case *a, const store *s, size_t p, size_t h, size_t d)
{
    const uint8_t *page = s->pages[p / NCE_KV_PAGE] + a->k_offset + h * nce_kv_k_bytes(a->shape.type_k, a->shape.n_dk);
    const size_t slot = p % NCE_KV_PAGE;
    if (!nce_kv_is_quantized(a->shape.type_k)) return (double)nce_kv_k_element(a->shape.type_k, page, slot, d);
    return (double)nce_kv_k_code(a->shape.type_k, page, slot, d) *
           (double)nce_kv_k_scale(a->shape.type_k, page, slot, d / NCE_KV_BLOCK);
}

static double value_of(const attn_case *a, const store *s, size_t p, size_t h, size_t i)
{
    const uint8_t *page = s->pages[p / NCE_KV_PAGE] + a->v_offset + h * nce_kv_v_bytes(a->shape.type_v, a->shape.n_dv);
    return (double)nce_kv_v_element(a->shape.type_v, page, nce_kv_padded(a->shape.n_dv), p % NCE_KV_PAGE, i);
}

/* Largest error of a row of a head, against the largest of its values. */
static double row_error(const attn_case *a, const store *s, size_t r, size_t head, const float *out)
{
    const nce_attn_shape *p = &a->shape;
    const size_t h = head / p->n_group, pos = a->pos0 + r,
                 from = p->window && pos >= p->window ? pos - p->window + 1 : 0;
    double w[NCE_KV_PAGE * MAX_PAGES], max = p->sinks ? (double)p->sinks[head] : -INFINITY, sum = 0, worst = 0,
                                       size = 0;
    for (size_t j = from; j <= pos; j++) {
        w[j] = 0;
        for (size_t d = 0; d < p->n_dk; d++)
            w[j] += (double)a->q[r * a->ld_q + head * p->n_dk + d] * key_of(a, s, j, h, d) * (double)p->scale;
        if (p->cap != 0) w[j] = (double)p->cap * tanh(w[j] / (double)p->cap);
        max = fmax(max, w[j]);
    }
    for (size_t j = from; j <= pos; j++)
        sum += w[j] = exp(w[j] - max);
    if (p->sinks) sum += exp((double)p->sinks[head] - max);
    for (size_t i = 0; i < p->n_dv; i++) {
        double o = 0;
        for (size_t j = from; j <= pos; j++) {
            o += w[j] / sum * value_of(a, s, j, h, i);
            size = fmax(size, fabs(value_of(a, s, j, h, i)));
        }
        worst = fmax(worst, fabs(o - (double)out[r * a->row + head * p->n_dv + i]));
    }
    return worst / size;
}

static void check_reference(check *c, const nce_attn_ops *ref)
{
    attn_case a;
    team t;
    draw(c, &a);
    const nce_attn_shape *p = &a.shape;
    check_fill_f32(c, a.q, (a.n_rows - 1) * a.ld_q + (size_t)p->n_kv_heads * p->n_group * p->n_dk, CHECK_UNIFORM);
    a.shape.scale = 1.0f / sqrtf((float)p->n_dk);
    name_case(c, &a, 1, a.n_rows);
    store s = open_store(&a);
    for (size_t i = 0; i < (a.pos0 + a.n_rows) * p->n_kv_heads * p->n_dk; i++)
        a.k[i] = check_uniform(c);
    for (size_t i = 0; i < (a.pos0 + a.n_rows) * p->n_kv_heads * p->n_dv; i++)
        a.v[i] = check_uniform(c);
    fill_store(&s, &a, ref);
    open_team(c, &t, ref, &a);
    float *out = check_memory(c, a.n_rows * a.row * sizeof *out);
    attend(&t, &a, &s, 0, a.n_rows, 1, out, a.row);
    check_digest(c, out, a.n_rows * a.row);
    /* the codes of the query are off by 1/254 of its largest element: a relative error of the weights of about 1 % */
    const double bound = nce_kv_is_quantized(p->type_k) ? 1e-2 : 3e-6;
    for (size_t r = 0; r < a.n_rows; r += 1 + a.n_rows / 3) {
        const size_t head = check_random(c) % ((size_t)p->n_kv_heads * p->n_group);
        const double error = row_error(&a, &s, r, head, out);
        c->n_compared++;
        if (!(error <= bound)) check_fail(c, "row %zu of head %zu: error %.3g", r, head, error);
    }
    close_store(&s);
    check_release(c);
}

/* What a page keeps of a number: half a step of its type. */
static void check_stored(check *c, const nce_attn_ops *ref)
{
    attn_case a;
    draw(c, &a);
    a.n_pages = 1;
    const nce_attn_shape *p = &a.shape;
    const double steps[] = {0, 0x1p-11, 0x1p-8, 1.02 / 254, 1.02 / 8}; /* Q4_0 lacks the code 8 */
    store s = open_store(&a);
    float k[576], v[576];
    uint8_t *page = s.pages[0];
    name_case(c, &a, 1, 1);
    check_fill_f32(c, k, p->n_dk, CHECK_UNIFORM);
    check_fill_f32(c, v, p->n_dv, CHECK_UNIFORM);
    a.shape.n_kv_heads = 1;
    ref->store(p, page + a.k_offset, page + a.v_offset, 5, k, v);
    for (int t = 0; t < 5; t++) {
        for (size_t d = 0; d < p->n_dk && types[t] == p->type_k; d++) {
            c->n_compared++;
            if (!(fabs(key_of(&a, &s, 5, 0, d) - (double)k[d]) <= steps[t] + 5e-4 * (t > 2)))
                check_fail(c, "key %zu: %g, stored %g", d, (double)k[d], key_of(&a, &s, 5, 0, d));
        }
        for (size_t i = 0; i < p->n_dv && types[t] == p->type_v; i++) {
            c->n_compared++;
            if (!(fabs(value_of(&a, &s, 5, 0, i) - (double)v[i]) <= steps[t] + 5e-4 * (t > 2)))
                check_fail(c, "value %zu: %g, stored %g", i, (double)v[i], value_of(&a, &s, 5, 0, i));
        }
    }
    close_store(&s);
    check_release(c);
}

void check_attention_run(check *c)
{
    nce_attn_ops ref, ops;
    nce_attn_ops_init(&ref, 0);
    nce_attn_ops_init(&ops, c->cpu);
    const int n_cases = check_n_cases(CASES);
    for (int i = 0; i < n_cases; i++) {
        if (c->cpu != 0)
            run_case(c, &ref, &ops);
        else if (i % 2)
            check_reference(c, &ref);
        else
            check_stored(c, &ref);
    }
}
