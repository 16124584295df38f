/* Operations on rows: element-wise ones, norms, rotary positions. */
#include "tests/gpu/check_gpu.h"
#include <stdio.h>

enum { ROWS = 120, COPIES = 15, NORMS = 60, ROPES = 40 };

static void copy_case(rig *r)
{
    check *c = &r->c;
    rig_case k;
    const uint32_t rows = (uint32_t)check_between(c, 1, 9), width = (uint32_t)check_between(c, 1, 150),
                   parts = (uint32_t)check_between(c, 1, 5);
    rig_begin(r, &k, rows);
    const uint32_t in_stride = check_random(c) % 3 ? width + (uint32_t)check_between(c, 0, 5) : 0,
                   out_stride = width + (uint32_t)check_between(c, 0, 5);
    const uint16_t in = rig_slot(r, &k, parts * (width + 5) + 2, CHECK_WILD, 1.0f),
                   out = rig_slot(r, &k, parts * (width + 5) + 1, CHECK_UNIFORM, 1.0f);
    nce_op *op = rig_op(&k, NCE_OP_COPY);
    op->in = rig_view(in, 2), op->out = rig_view(out, 1);
    op->width = width, op->n_groups = parts, op->in_stride = in_stride, op->out_stride = out_stride;
    check_case(c, "copy of %u parts of %u, %u and %u apart, %u rows", parts, width, in_stride, out_stride, rows);
    rig_run(r, &k);
}

void check_rows(rig *r)
{
    static const nce_op_kind kinds[] = {NCE_OP_ACT,   NCE_OP_GLU,      NCE_OP_ADD,
                                        NCE_OP_SCALE, NCE_OP_SCALE_BY, NCE_OP_SOFTCAP};
    check *c = &r->c;
    for (int i = 0; i < COPIES; i++)
        copy_case(r);
    for (int i = 0; i < ROWS; i++) {
        rig_case k;
        const nce_op_kind kind = kinds[i % 6];
        const uint32_t rows = (uint32_t)check_between(c, 1, 9),
                       width = (uint32_t)check_between(c, 1, check_random(c) % 4 ? 70 : 700);
        const check_fill fill = (check_fill)(check_random(c) % CHECK_N_FILLS);
        rig_begin(r, &k, rows);
        const uint16_t a = rig_slot(r, &k, width + 2, fill, check_random(c) % 2 ? 1.0f : 12.0f);
        const uint16_t b = rig_slot(r, &k, width + 1, fill, 1.0f),
                       out = rig_slot(r, &k, width + 5, CHECK_UNIFORM, 1.0f);
        nce_op *op = rig_op(&k, kind);
        op->in = rig_view(a, 2), op->in2 = rig_view(b, 1), op->out = check_random(c) % 3 ? rig_view(out, 3) : op->in;
        op->width = width;
        op->scale = kind == NCE_OP_SOFTCAP ? 30.0f : 3.0f * check_uniform(c);
        op->f = (nce_act_fn)(i / 6 % (kind == NCE_OP_GLU ? 7 : 6));
        check_case(c, "operation %d function %d, %u x %u", (int)kind, (int)op->f, rows, width);
        rig_run(r, &k);
    }
}

void check_norms(rig *r)
{
    check *c = &r->c;
    for (int i = 0; i < NORMS; i++) {
        rig_case k;
        const uint32_t rows = (uint32_t)check_between(c, 1, 7),
                       groups = check_random(c) % 2 ? 1 : (uint32_t)check_between(c, 2, 5);
        const uint32_t width = (uint32_t)check_between(c, 1, groups == 1 && check_random(c) % 3 == 0 ? 5000 : 140);
        const check_fill fill = (check_fill)(check_random(c) % CHECK_N_FILLS);
        rig_begin(r, &k, rows);
        const uint16_t in = rig_slot(r, &k, width * groups + 3, fill, 1.0f),
                       out = rig_slot(r, &k, width * groups + 1, fill, 1.0f);
        nce_op *op = rig_op(&k, NCE_OP_NORM);
        op->in = rig_view(in, 3), op->out = check_random(c) % 2 ? rig_view(out, 0) : op->in;
        op->width = width, op->n_groups = groups;
        op->norm = i % 2 ? NCE_NORM_LAYER : NCE_NORM_RMS;
        op->eps = 1e-5f;
        op->group_weights = check_random(c) % 2;
        const size_t n = op->group_weights ? (size_t)width * groups : width;
        op->weight = check_random(c) % 4 ? rig_floats(r, n, CHECK_UNIFORM, 1.0f) : NULL;
        op->bias = check_random(c) % 2 ? rig_floats(r, n, CHECK_UNIFORM, 1.0f) : NULL;
        check_case(c, "%s, %u x %u x %u", i % 2 ? "layer" : "rms", rows, groups, width);
        rig_run(r, &k);
    }
}

void check_ropes(rig *r)
{
    check *c = &r->c;
    for (int i = 0; i < ROPES; i++) {
        rig_case k;
        const uint32_t rows = (uint32_t)check_between(c, 1, 9), heads = (uint32_t)check_between(c, 1, 6);
        const uint32_t size = 2 * (uint32_t)check_between(c, 1, 70), rot = 2 * (uint32_t)check_between(c, 1, size / 2);
        rig_begin(r, &k, rows);
        const uint16_t in = rig_slot(r, &k, size * heads + 3, (check_fill)(check_random(c) % CHECK_N_FILLS), 1.0f);
        nce_op *op = rig_op(&k, NCE_OP_ROPE);
        op->in = op->out = rig_view(in, 2);
        op->width = size, op->n_groups = heads, op->n_rot = rot, op->neox = i % 2;
        k.rope_width = rot;
        k.step[0].rope = rig_floats(r, (size_t)rows * rot, CHECK_UNIFORM, 1.0f);
        check_case(c, "%u rows, %u heads of %u, %u turned, %s", rows, heads, size, rot, i % 2 ? "neox" : "pairs");
        rig_run(r, &k);
    }
}
