/* Operations that a GPU makes together: each pair or triple as a model has it, so that a device that fuses them must give what
 * one after the other gives. */
#include "tests/gpu/check_gpu.h"

enum { NORMED = 48, ACTIVATED = 24, STORED = 20 };

/* One that rows of n_k can have. */
static const nce_type_info *draw_type(check *c, uint32_t n_k)
{
    static const nce_type types[] = {NCE_TYPE_F16,   NCE_TYPE_Q4_0, NCE_TYPE_Q5_1, NCE_TYPE_Q8_0,
                                     NCE_TYPE_NVFP4, NCE_TYPE_Q4_K, NCE_TYPE_Q6_K};
    return nce_type_info_of(types[check_random(c) % (n_k % 256 == 0 ? 7 : n_k % 64 == 0 ? 5 : 4)]);
}

static uint32_t draw_width(check *c)
{
    return check_random(c) % 3 == 0 ? 32 * (uint32_t)check_between(c, 1, 9)
                                    : 256 * (uint32_t)check_between(c, 1, check_random(c) % 4 ? 3 : 20);
}

/* A product of what lies at in; its matrices are mostly of one type. */
static void multiply(rig *r, rig_case *k, nce_view in, uint32_t n_k)
{
    check *c = &r->c;
    const nce_type_info *type = draw_type(c, n_k);
    nce_op *op = rig_op(k, NCE_OP_MATMUL);
    op->in = in;
    op->n_matrices = (uint32_t)check_between(c, 1, NCE_MAX_SHARED_INPUT);
    for (uint32_t i = 0; i < op->n_matrices; i++) {
        const size_t rows = check_between(c, 1, 30);
        const uint32_t w = rig_weight(r, k, check_random(c) % 4 ? type : draw_type(c, n_k), rows, n_k, 1);
        op->matrix[i] = (nce_op_matrix){.w = &k->weight[w],
                                        .out = rig_view(rig_slot(r, k, (uint32_t)rows + 1, CHECK_UNIFORM, 1.0f), 1),
                                        .bias = check_random(c) % 2 ? rig_floats(r, rows, CHECK_UNIFORM, 3.0f) : NULL,
                                        .add = check_random(c) % 2,
                                        .scale = check_random(c) % 2 ? 1.0f : check_uniform(c)};
    }
}

static void norm_case(rig *r, int i)
{
    check *c = &r->c;
    rig_case k;
    const uint32_t rows = (uint32_t)check_between(c, 1, i % 3 ? 3 : 20), width = draw_width(c);
    const check_fill fill = (check_fill)(check_random(c) % CHECK_N_FILLS);
    rig_begin(r, &k, rows);
    const uint16_t in = rig_slot(r, &k, width + 4, fill, 1.0f), out = rig_slot(r, &k, width, CHECK_UNIFORM, 1.0f);
    nce_op *op = rig_op(&k, NCE_OP_NORM);
    op->in = rig_view(in, 3), op->out = rig_view(out, 0);
    op->width = width;
    op->norm = i % 2 ? NCE_NORM_LAYER : NCE_NORM_RMS;
    op->eps = 1e-5f;
    op->weight = rig_floats(r, width, CHECK_UNIFORM, 1.0f);
    op->bias = i % 2 ? rig_floats(r, width, CHECK_UNIFORM, 1.0f) : NULL;
    multiply(r, &k, op->out, width);
    check_case(c, "%s of %u x %u, then %u products", i % 2 ? "layer norm" : "rms norm", rows, width,
               k.ops[1].n_matrices);
    rig_run(r, &k);
}

static void activation_case(rig *r, int i)
{
    check *c = &r->c;
    rig_case k;
    const bool gated = i % 2;
    const uint32_t rows = (uint32_t)check_between(c, 1, 6), width = draw_width(c);
    rig_begin(r, &k, rows);
    const uint16_t a = rig_slot(r, &k, width + 4, CHECK_UNIFORM, 4.0f),
                   b = rig_slot(r, &k, width + 1, CHECK_UNIFORM, 1.0f);
    nce_op *op = rig_op(&k, gated ? NCE_OP_GLU : NCE_OP_ACT);
    op->in = rig_view(a, 2), op->in2 = rig_view(b, 1);
    op->out = check_random(c) % 2 ? op->in : rig_view(rig_slot(r, &k, width + 2, CHECK_UNIFORM, 1.0f), 1);
    op->width = width;
    op->f = (nce_act_fn)(check_random(c) % (gated ? 7 : 6));
    multiply(r, &k, op->out, width);
    check_case(c, "function %d of %u x %u, then %u products", (int)op->f, rows, width, k.ops[1].n_matrices);
    rig_run(r, &k);
}

/* Queries and keys are turned, keys and values stored. */
static void store_case(rig *r, int i)
{
    static const nce_type types[] = {NCE_TYPE_F32, NCE_TYPE_F16, NCE_TYPE_BF16, NCE_TYPE_Q8_0, NCE_TYPE_Q4_0};
    check *c = &r->c;
    rig_case k;
    const uint32_t rows = (uint32_t)check_between(c, 1, 9), size = 2 * (uint32_t)check_between(c, 8, 80);
    const uint32_t rot = 2 * (uint32_t)check_between(c, 1, size / 2);
    nce_attn_shape s = {.n_kv_heads = (uint32_t)check_between(c, 1, 3), .n_group = (uint32_t)check_between(c, 1, 4)};
    s.n_dk = size, s.n_dv = check_random(c) % 2 ? size : 40;
    s.type_k = types[i % 5], s.type_v = types[check_random(c) % 5];
    const uint32_t n_heads = s.n_kv_heads * s.n_group, q_width = n_heads * size, k_width = s.n_kv_heads * size;
    rig_begin(r, &k, rows);
    const uint16_t qkv = rig_slot(r, &k, q_width + k_width + s.n_kv_heads * s.n_dv + 1, CHECK_UNIFORM, 2.0f);
    for (int j = 0; j < 2; j++) {
        nce_op *op = rig_op(&k, NCE_OP_ROPE);
        op->in = op->out = rig_view(qkv, j == 0 ? 1 : 1 + q_width);
        op->width = size, op->n_groups = j == 0 ? n_heads : s.n_kv_heads, op->n_rot = rot, op->neox = i % 2;
    }
    nce_op *op = rig_op(&k, NCE_OP_KV_STORE);
    op->shape = &s;
    op->in = rig_view(qkv, 1 + q_width), op->in2 = rig_view(qkv, 1 + q_width + k_width);
    op->v_offset = s.n_kv_heads * nce_kv_k_bytes(s.type_k, s.n_dk);
    k.page_bytes = op->v_offset + s.n_kv_heads * nce_kv_v_bytes(s.type_v, s.n_dv);
    k.n_pages = 2;
    k.rope_width = rot;
    k.step[0].run[0].pos0 = check_between(c, 0, 100);
    k.step[0].rope = rig_floats(r, (size_t)rows * rot, CHECK_UNIFORM, 1.0f);
    check_case(c, "%u rows, %u and %u heads of %u, %u turned, stored as %s and %s", rows, n_heads, s.n_kv_heads, size,
               rot, nce_type_name(s.type_k), nce_type_name(s.type_v));
    rig_run(r, &k);
}

void check_fused(rig *r)
{
    for (int i = 0; i < NORMED; i++)
        norm_case(r, i);
    for (int i = 0; i < ACTIVATED; i++)
        activation_case(r, i);
    for (int i = 0; i < STORED; i++)
        store_case(r, i);
}
