/* checkgpu FAMILY DEVICE [SEED]: compare a device's operations with the scalar CPU's, bit for bit (see check_gpu.h).
 *
 * Exit 0: equal; 1: a difference; 2: usage; 77: there is no such device here, with the reason.  Absent is not passed. */
#include "tests/gpu/check_gpu.h"
#include "src/hal/cpu/exec.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    rig_family_fn *run;
} families[] = {
    {"product", check_products}, {"tensor", check_tensors}, {"embed", check_embeddings},     {"rows", check_rows},
    {"norm", check_norms},       {"rope", check_ropes},     {"attention", check_attentions}, {"experts", check_experts},       {"fused", check_fused},
};
enum { N_FAMILIES = sizeof families / sizeof *families };

/* ---- building a case ---- */
void rig_begin(rig *r, rig_case *k, uint32_t n_rows)
{
    memset(k, 0, sizeof *k);
    k->max_rows = n_rows;
    k->n_steps = 1;
    k->step[0].n_runs = 1;
    k->step[0].n_rows = k->step[0].run[0].n_rows = n_rows;
    k->program.ops = k->ops;
    int32_t *tokens = check_memory(&r->c, n_rows * sizeof *tokens);
    memset(tokens, 0, n_rows * sizeof *tokens);
    k->step[0].tokens = tokens;
}

float *rig_floats(rig *r, size_t n, check_fill kind, float scale)
{
    float *x = check_memory(&r->c, n * sizeof *x);
    check_fill_f32(&r->c, x, n, kind);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
    return x;
}

uint16_t rig_slot(rig *r, rig_case *k, uint32_t width, check_fill kind, float scale)
{
    const uint32_t i = k->program.n_slots++;
    k->program.slot_width[i] = width;
    k->program.logits_slot = (uint16_t)(i + 1); /* none of them */
    k->slot[i] = rig_floats(r, (size_t)k->max_rows * width, kind, scale);
    return (uint16_t)i;
}

nce_op *rig_op(rig_case *k, nce_op_kind kind)
{
    nce_op *op = &k->ops[k->program.n_ops++];
    op->kind = kind;
    op->n_groups = 1;
    op->scale = 1.0f;
    return op;
}

static bool usable_scale(float f)
{
    return isfinite(f) && fabsf(f) <= 65504.0f;
}

static bool usable_block(const nce_type_info *type, const uint8_t *block)
{
    float f;
    if (type->decode == NULL) {
        type->to_f32(block, &f, 1);
        return isfinite(f) && fabsf(f) < 1e6f;
    }
    for (size_t p = 0; p < type->block / type->act_block; p++) {
        nce_plain_block plain;
        type->decode(block, p, &plain);
        if (!usable_scale(plain.d[0]) || !usable_scale(plain.d[1]) || !usable_scale(plain.dmin)) return false;
    }
    return true;
}

static void fill_blocks(check *c, const nce_type_info *type, uint8_t *w, size_t n)
{
    const bool extreme = check_random(c) % 4 == 0; /* the largest codes and sub-scales */
    for (size_t b = 0; b < n; b++, w += type->block_bytes)
        for (int tries = 0; tries == 0 || !usable_block(type, w); tries++)
            for (size_t i = 0; i < type->block_bytes; i++) {
                const uint64_t x = check_random(c);
                w[i] = extreme && tries < 4 ? (x & 1 ? 0xff : 0) : (uint8_t)(x >> 40);
            }
}

uint32_t rig_weight(rig *r, rig_case *k, const nce_type_info *type, size_t n_rows, size_t n_k, size_t n_experts)
{
    const uint32_t i = k->n_weights++;
    nce_weight *w = &k->weight[i];
    const size_t n_blocks = n_k / type->block * n_rows * n_experts;
    w->type = type;
    w->offset = 256 * check_between(&r->c, 0, 2);
    w->k = n_k, w->n_rows = n_rows, w->n_experts = n_experts;
    w->row_bytes = n_k / type->block * type->block_bytes;
    w->expert_bytes = w->row_bytes * n_rows;
    w->scale = check_random(&r->c) % 3 ? 1.0f : check_uniform(&r->c);
    k->n_bytes[i] = w->offset + n_blocks * type->block_bytes;
    uint8_t *bytes = check_memory(&r->c, k->n_bytes[i]);
    fill_blocks(&r->c, type, bytes + w->offset, n_blocks);
    k->bytes[i] = bytes;
    return i;
}

/* ---- running it ---- */
typedef struct outcome {
    float *slot[NCE_MAX_SLOTS];
    uint8_t *pages; /* [runs][pages][page_bytes] */
} outcome;

static void must(rig *r, nce_status status, const char *what)
{
    if (status == NCE_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, nce_status_name(status), nce_context_error(r->ctx));
    exit(1);
}

static void run_steps(rig *r, const rig_case *k, nce_device *d, nce_exec *e, nce_buffer *const *pages)
{
    uint8_t *addresses[RIG_RUNS * RIG_PAGES];
    for (size_t i = 0; i < RIG_RUNS * k->n_pages; i++)
        addresses[i] = pages[i]->address;
    for (uint32_t i = 0; i < k->n_steps; i++) {
        const struct rig_step *s = &k->step[i];
        nce_step_run runs[RIG_RUNS];
        size_t row = 0;
        for (size_t j = 0; j < s->n_runs; row += s->run[j++].n_rows)
            runs[j] = (nce_step_run){addresses + j * k->n_pages, row, s->run[j].n_rows, s->run[j].pos0};
        nce_step step = {.tokens = s->tokens, .n_rows = row, .runs = runs, .n_runs = s->n_runs};
        step.rope[0] = s->rope;
        step.rope_width[0] = k->rope_width;
        nce_event *event;
        must(r, d->ops->submit(e, &step, &event), "submit");
        must(r, d->ops->wait(event), "wait");
    }
}

static void run_on(rig *r, rig_case *k, nce_device *d, outcome *out)
{
    nce_buffer *weights[RIG_WEIGHTS] = {0}, *pages[RIG_RUNS * RIG_PAGES] = {0};
    nce_exec *e;
    for (uint32_t i = 0; i < k->n_weights; i++) {
        must(r, d->ops->buffer_import(d, k->bytes[i], k->n_bytes[i], &weights[i]), "import");
        k->weight[i].buffer = weights[i];
    }
    for (size_t i = 0; i < RIG_RUNS * k->n_pages; i++)
        must(r, d->ops->buffer_create(d, k->page_bytes, &pages[i]), "page");
    const nce_exec_options o = {.max_rows = k->max_rows,
                                .max_selected = 1,
                                .max_runs = RIG_RUNS,
                                .max_positions = k->n_pages != 0 ? (uint32_t)k->n_pages * NCE_KV_PAGE : 64,
                                .n_threads = 1};
    must(r, d->ops->exec_create(d, &k->program, &o, &e), "exec");
    for (uint32_t i = 0; i < k->program.n_slots; i++)
        must(r, d->ops->exec_write(e, i, k->max_rows, k->slot[i]), "write");
    run_steps(r, k, d, e, pages);
    for (uint32_t i = 0; i < k->program.n_slots; i++) {
        out->slot[i] = check_memory(&r->c, (size_t)k->max_rows * k->program.slot_width[i] * sizeof(float));
        must(r, d->ops->exec_read(e, i, k->max_rows, out->slot[i]), "read");
    }
    out->pages = check_memory(&r->c, RIG_RUNS * k->n_pages * k->page_bytes + 1);
    for (size_t i = 0; i < RIG_RUNS * k->n_pages; i++)
        must(r, d->ops->buffer_read(pages[i], 0, out->pages + i * k->page_bytes, k->page_bytes), "read page");
    d->ops->exec_destroy(e);
    for (size_t i = 0; i < RIG_RUNS * k->n_pages; i++)
        nce_buffer_destroy(pages[i]);
    for (uint32_t i = 0; i < k->n_weights; i++)
        nce_buffer_destroy(weights[i]);
}

void rig_run(rig *r, rig_case *k)
{
    outcome out[2];
    run_on(r, k, r->device[0], &out[0]);
    run_on(r, k, r->device[1], &out[1]);
    for (uint32_t i = 0; i < k->program.n_slots; i++) {
        char what[32];
        if (k->scratch_slots >> i & 1) continue;
        snprintf(what, sizeof what, "slot %u", i);
        check_same_f32(&r->c, what, out[0].slot[i], out[1].slot[i], (size_t)k->max_rows * k->program.slot_width[i]);
    }
    for (size_t i = 0; i < RIG_RUNS * k->n_pages * k->page_bytes; i++)
        if (out[0].pages[i] != out[1].pages[i]) {
            check_fail(&r->c, "byte %zu of page %zu is %u, not %u", i % k->page_bytes, i / k->page_bytes,
                       out[1].pages[i], out[0].pages[i]);
            break;
        }
    check_release(&r->c);
}

static int run(size_t family, const char *device, uint64_t seed)
{
    nce_cpu_device cpu = {0};
    rig r = {.c = {.family = families[family].name, .isa = device, .seed = seed, .random = seed}};
    if (nce_context_create(NULL, &r.ctx) != NCE_OK) return 1;
    nce_cpu_device_init(&cpu, r.ctx, 0);
    r.device[0] = &cpu.base;
    const nce_status status = nce_device_create(r.ctx, device, 0, &r.device[1]);
    if (status != NCE_OK) { /* a device that is here and does not open is no reason to skip */
        printf("%s %s on %s: %s\n", status == NCE_ERR_NOTFOUND ? "SKIP" : "FAIL", families[family].name, device,
               nce_context_error(r.ctx));
        nce_context_destroy(r.ctx);
        return status == NCE_ERR_NOTFOUND ? 77 : 1;
    }
    families[family].run(&r);
    rig_print_paths(&r);
    nce_device_destroy(r.device[1]);
    nce_context_destroy(r.ctx);
    if (r.skipped) return 77;
    printf("%s %s on %s seed %llu: %zu compared, %zu failed\n", r.c.n_failed ? "FAIL" : "ok", r.c.family, device,
           (unsigned long long)seed, r.c.n_compared, r.c.n_failed);
    return r.c.n_failed > 0 || r.c.n_compared == 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 3 && i < N_FAMILIES; i++)
        if (strcmp(families[i].name, argv[1]) == 0) return run(i, argv[2], argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
    fprintf(stderr, "usage: checkgpu FAMILY DEVICE [SEED]\n  FAMILY:");
    for (size_t i = 0; i < N_FAMILIES; i++)
        fprintf(stderr, " %s", families[i].name);
    fprintf(stderr, "\n  DEVICE: opencl:0, cuda:0, hip:0, oneapi:0\n");
    return 2;
}
