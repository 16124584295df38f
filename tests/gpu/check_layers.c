/* Attention with its stored keys and values, and layers of experts. */
#include "tests/gpu/check_gpu.h"
#include <math.h>
#include <stdio.h>

enum { ATTENTIONS = 40, EXPERTS = 24 };

static size_t one_of(check *c, const size_t *from, size_t n)
{
    return from[check_random(c) % n];
}
#define ONE_OF(c, ...) one_of(c, (const size_t[]){__VA_ARGS__}, sizeof(const size_t[]){__VA_ARGS__} / sizeof(size_t))

static void draw_attention(rig *r, nce_attn_shape *s, int i)
{
    static const nce_type types[] = {NCE_TYPE_F32, NCE_TYPE_F16, NCE_TYPE_BF16, NCE_TYPE_Q8_0, NCE_TYPE_Q4_0};
    check *c = &r->c;
    *s = (nce_attn_shape){.n_kv_heads = (uint32_t)check_between(c, 1, 2), .n_group = (uint32_t)ONE_OF(c, 1, 2, 3)};
    s->n_dk = (uint32_t)ONE_OF(c, 32, 64, 40, 80, 128, 33, 192);
    s->n_dv = check_random(c) % 3 ? s->n_dk : (uint32_t)ONE_OF(c, 32, 72, 160, 5);
    s->scale = 1.0f / sqrtf((float)s->n_dk);
    if (check_random(c) % 3 == 0) s->window = (uint32_t)check_between(c, 1, 400);
    if (check_random(c) % 3 == 0) s->cap = 20.0f + 15.0f * check_uniform(c);
    s->type_k = types[i % 5];
    s->type_v = check_random(c) % 3 ? s->type_k : types[check_random(c) % 5];
    if (check_random(c) % 3 == 0) s->sinks = rig_floats(r, s->n_kv_heads * s->n_group, CHECK_UNIFORM, 4.0f);
}

/* A prompt of each of up to three sequences, then a few tokens of each: rows that walk through their splits, and splits side
 * by side. */
static void attention_case(rig *r, int i)
{
    check *c = &r->c;
    rig_case k;
    nce_attn_shape s;
    const size_t n_runs = check_between(c, 1, RIG_RUNS);
    size_t prompt[RIG_RUNS], rows = 0;
    for (size_t j = 0; j < n_runs; j++)
        rows += prompt[j] = check_random(c) % 3 == 0 ? check_between(c, 240, 560) : check_between(c, 1, 70);
    rig_begin(r, &k, (uint32_t)rows + 12);
    draw_attention(r, &s, i);
    const uint32_t q_width = s.n_kv_heads * s.n_group * s.n_dk, k_width = s.n_kv_heads * s.n_dk,
                   v_width = s.n_kv_heads * s.n_dv;
    const check_fill fill = check_random(c) % 4 ? CHECK_UNIFORM : (check_fill)(check_random(c) % CHECK_N_FILLS);
    const uint16_t qkv = rig_slot(r, &k, q_width + k_width + v_width, fill, 2.0f);
    const uint16_t out = rig_slot(r, &k, s.n_kv_heads * s.n_group * s.n_dv + 1, CHECK_UNIFORM, 1.0f);
    k.page_bytes = 64 + s.n_kv_heads * (nce_kv_k_bytes(s.type_k, s.n_dk) + nce_kv_v_bytes(s.type_v, s.n_dv));
    k.n_pages = 10;
    for (int j = 0; j < 2; j++) {
        nce_op *op = rig_op(&k, j == 0 ? NCE_OP_KV_STORE : NCE_OP_ATTENTION);
        op->shape = &s;
        op->in = rig_view(qkv, j == 0 ? q_width : 0), op->in2 = rig_view(qkv, q_width + k_width),
        op->out = rig_view(out, 1);
        op->k_offset = 64;
        op->v_offset = 64 + s.n_kv_heads * nce_kv_k_bytes(s.type_k, s.n_dk);
    }
    k.n_steps = 2;
    k.step[1] = k.step[0];
    for (size_t j = 0; j < n_runs; j++) {
        k.step[0].run[j].n_rows = prompt[j];
        k.step[1].run[j].n_rows = check_between(c, 1, 4);
        k.step[1].run[j].pos0 = prompt[j];
    }
    k.step[0].n_runs = k.step[1].n_runs = n_runs;
    check_case(c, "k %s v %s size %u/%u heads %ux%u window %u cap %g sinks %d, %zu runs, %zu rows",
               nce_type_name(s.type_k), nce_type_name(s.type_v), s.n_dk, s.n_dv, s.n_kv_heads, s.n_group, s.window,
               (double)s.cap, s.sinks != NULL, n_runs, rows);
    rig_run(r, &k);
}

void check_attentions(rig *r)
{
    for (int i = 0; i < ATTENTIONS; i++)
        attention_case(r, i);
}

static void draw_route(rig *r, nce_op_route *o, int i)
{
    check *c = &r->c;
    o->kind = (nce_route_kind)(i % 3);
    o->n_groups = check_random(c) % 2 ? 1 : (uint32_t)check_between(c, 2, 4);
    o->n_groups_used = (uint32_t)check_between(c, 1, o->n_groups);
    o->n_experts = o->n_groups * (uint32_t)check_between(c, 2, 20);
    const uint32_t left = o->n_experts / o->n_groups * o->n_groups_used;
    o->n_used = (uint32_t)check_between(c, 1, left < 8 ? left : 8);
    o->normalise = check_random(c) % 2;
    o->scale = check_random(c) % 2 ? 1.0f : 2.5f;
    o->bias = check_random(c) % 2 ? rig_floats(r, o->n_experts, CHECK_UNIFORM, 0.5f) : NULL;
}

static const nce_type_info *expert_type(check *c, size_t block)
{
    const nce_type_info *t;
    do
        t = nce_type_info_of((nce_type)ONE_OF(c, NCE_TYPE_F32, NCE_TYPE_F16, NCE_TYPE_Q8_0, NCE_TYPE_Q4_1,
                                              NCE_TYPE_MXFP4, NCE_TYPE_Q4_K, NCE_TYPE_Q6_K, NCE_TYPE_IQ2_XS));
    while (block != SIZE_MAX && t->act_block != block);
    return t;
}

static void expert_case(rig *r, int i)
{
    check *c = &r->c;
    rig_case k;
    nce_op_route route;
    const uint32_t rows = (uint32_t)(check_random(c) % 2 ? 1 : check_between(c, 2, 45)),
                   in_k = 256 * (uint32_t)check_between(c, 1, 2), mid = 256;
    const uint32_t out_n = (uint32_t)check_between(c, 1, 40);
    draw_route(r, &route, i);
    rig_begin(r, &k, rows);
    const uint16_t scores =
        rig_slot(r, &k, route.n_experts + 1, check_random(c) % 4 ? CHECK_UNIFORM : CHECK_SPARSE, 3.0f);
    const uint16_t in = rig_slot(r, &k, in_k, CHECK_UNIFORM, 1.0f),
                   out = rig_slot(r, &k, out_n + 2, CHECK_UNIFORM, 1.0f);
    nce_op *op = rig_op(&k, NCE_OP_ROUTE);
    op->in = rig_view(scores, 1);
    k.scratch_slots = 1u << scores;
    op->route = route;
    op = rig_op(&k, NCE_OP_EXPERTS);
    op->in = rig_view(in, 0), op->out = rig_view(out, 1);
    const nce_type_info *up = expert_type(c, SIZE_MAX);
    const bool gated = i % 2;
    nce_op_experts *x = &op->experts;
    *x = (nce_op_experts){.n_used = route.n_used,
                          .f = gated ? (nce_act_fn)(check_random(c) % 7) : (nce_act_fn)(check_random(c) % 6)};
    x->up = &k.weight[rig_weight(r, &k, up, mid, in_k, route.n_experts)];
    if (gated) x->gate = &k.weight[rig_weight(r, &k, expert_type(c, up->act_block), mid, in_k, route.n_experts)];
    x->down = &k.weight[rig_weight(r, &k, expert_type(c, SIZE_MAX), out_n, mid, route.n_experts)];
    x->up_bias = check_random(c) % 2 ? rig_floats(r, (size_t)mid * route.n_experts, CHECK_UNIFORM, 1.0f) : NULL;
    x->gate_bias =
        gated && check_random(c) % 2 ? rig_floats(r, (size_t)mid * route.n_experts, CHECK_UNIFORM, 1.0f) : NULL;
    x->down_bias = check_random(c) % 2 ? rig_floats(r, (size_t)out_n * route.n_experts, CHECK_UNIFORM, 1.0f) : NULL;
    check_case(c, "kind %d, %u of %u experts in %u groups, %u rows, up %s down %s", (int)route.kind, route.n_used,
               route.n_experts, route.n_groups, rows, up->name, x->down->type->name);
    rig_run(r, &k);
}

void check_experts(rig *r)
{
    for (int i = 0; i < EXPERTS; i++)
        expert_case(r, i);
}
