/* Importance matrices of a session: room for the sums of every product's inputs, and the file made of them.
 *
 * Matrices that share an input (queries, keys and values) share its sums; each gets them under its own name. */
#include "nce/importance.h"
#include "src/core/gguf/writer.h"
#include "src/core/session/session.h"
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(nce_importance_options) == 24, "ABI: grows only at the end");

/* One matrix of the file. */
typedef struct entry {
    const nce_weight *weight;
    nce_seen seen;
} entry;

struct nce_importance {
    entry *entries;
    size_t n_entries, entries_capacity;
    void **blocks; /* sums and counts, to free */
    size_t n_blocks, blocks_capacity;
};

static nce_status keep(nce_context *ctx, nce_importance *i, size_t bytes, void *target)
{
    const nce_status status =
        nce_grow(ctx, (void **)&i->blocks, &i->blocks_capacity, i->n_blocks + 1, sizeof *i->blocks);
    if (status != NCE_OK) return status;
    void *p = nce_alloc_zero(ctx, bytes);
    if (p == NULL) return nce_fail_nomem(ctx, bytes);
    i->blocks[i->n_blocks++] = p;
    memcpy(target, &p, sizeof p);
    return NCE_OK;
}

/* Room for n_sets sums of what w is multiplied by. */
static nce_status observe(nce_context *ctx, nce_importance *i, const nce_weight *w, nce_seen *seen)
{
    nce_status status = keep(ctx, i, w->n_experts * w->k * sizeof *seen->sum2, &seen->sum2);
    if (status == NCE_OK) status = keep(ctx, i, w->n_experts * sizeof *seen->rows, &seen->rows);
    return status;
}

static nce_status add(nce_context *ctx, nce_importance *i, const nce_weight *w, const nce_seen *seen)
{
    if (w == NULL) return NCE_OK;
    const nce_status status =
        nce_grow(ctx, (void **)&i->entries, &i->entries_capacity, i->n_entries + 1, sizeof *i->entries);
    if (status == NCE_OK) i->entries[i->n_entries++] = (entry){w, *seen};
    return status;
}

static nce_status watch(nce_context *ctx, nce_importance *i, nce_op *op)
{
    nce_status status = NCE_OK;
    if (op->kind == NCE_OP_EXPERTS) {
        const nce_op_experts *e = &op->experts;
        status = observe(ctx, i, e->up, &op->seen);
        if (status == NCE_OK) status = observe(ctx, i, e->down, &op->seen_down);
        if (status == NCE_OK) status = add(ctx, i, e->gate, &op->seen);
        if (status == NCE_OK) status = add(ctx, i, e->up, &op->seen);
        if (status == NCE_OK) status = add(ctx, i, e->down, &op->seen_down);
    } else if (op->kind == NCE_OP_MATMUL || op->kind == NCE_OP_MATMUL_HEADS) {
        status = observe(ctx, i, op->matrix[0].w, &op->seen);
        for (uint32_t m = 0; m < op->n_matrices && status == NCE_OK; m++)
            status = add(ctx, i, op->matrix[m].w, &op->seen);
    }
    return status;
}

nce_status nce_importance_create(const nce_model *m, nce_forward *f, nce_importance **out)
{
    *out = NULL;
    if (!m->device->caps.observes)
        return nce_fail(m->ctx, NCE_ERR_UNSUPPORTED, "collect_importance: this device cannot; use the CPU");
    nce_importance *i = nce_alloc_zero(m->ctx, sizeof *i);
    if (i == NULL) return nce_fail_nomem(m->ctx, sizeof *i);
    nce_status status = NCE_OK;
    for (size_t o = 0; o < f->program.n_ops && status == NCE_OK; o++)
        if (!f->program.ops[o].head) status = watch(m->ctx, i, &f->program.ops[o]);
    if (status != NCE_OK) {
        nce_importance_destroy(m->ctx, i);
        return status;
    }
    *out = i;
    return NCE_OK;
}

void nce_importance_destroy(nce_context *ctx, nce_importance *i)
{
    if (i == NULL) return;
    for (size_t b = 0; b < i->n_blocks; b++)
        nce_free(ctx, i->blocks[b]);
    nce_free(ctx, i->blocks);
    nce_free(ctx, i->entries);
    nce_free(ctx, i);
}

/* ---- the file ---- */
static void declare(const nce_model *m, const entry *e, nce_gguf_writer *w)
{
    char name[128];
    if (!nce_model_weight_name(m, e->weight, name, sizeof name - 16)) return;
    const size_t n = strlen(name);
    const uint64_t sums[] = {e->weight->k, e->weight->n_experts}, counts[] = {1, e->weight->n_experts};
    strcpy(name + n, ".in_sum2");
    nce_gguf_put_tensor(w, (nce_str){name, strlen(name)}, NCE_TYPE_F32, 2, sums);
    strcpy(name + n, ".counts");
    nce_gguf_put_tensor(w, (nce_str){name, strlen(name)}, NCE_TYPE_F32, 2, counts);
}

static void write_entry(const entry *e, nce_gguf_writer *w)
{
    for (size_t c = 0; c < e->weight->n_experts * e->weight->k; c++) {
        const float sum = (float)e->seen.sum2[c];
        nce_gguf_write(w, &sum, sizeof sum);
    }
    for (size_t x = 0; x < e->weight->n_experts; x++) {
        const float rows = (float)e->seen.rows[x];
        nce_gguf_write(w, &rows, sizeof rows);
    }
}

static nce_status write_file(nce_session *s, const nce_importance_options *o, uint64_t rows, nce_gguf_writer *w)
{
    const nce_importance *i = s->importance;
    const uint32_t chunk = o->chunk_size != 0 ? o->chunk_size : s->o.n_ctx;
    nce_gguf_put_text(w, "general.type", "imatrix");
    if (o->dataset != NULL) {
        const nce_str name = {o->dataset, strlen(o->dataset)};
        nce_gguf_put_strings(w, "imatrix.datasets", &name, 1);
    }
    nce_gguf_put_u32(w, "imatrix.chunk_count", (uint32_t)((rows + chunk - 1) / chunk));
    nce_gguf_put_u32(w, "imatrix.chunk_size", chunk);
    for (size_t e = 0; e < i->n_entries; e++)
        declare(s->model, &i->entries[e], w);
    nce_status status = nce_gguf_writer_begin(w);
    for (size_t e = 0; e < i->n_entries && status == NCE_OK; e++)
        write_entry(&i->entries[e], w);
    return status == NCE_OK ? nce_gguf_writer_finish(w) : status;
}

nce_status nce_session_importance_save(nce_session *s, const char *path, const nce_importance_options *options)
{
    nce_importance_options o = NCE_IMPORTANCE_OPTIONS_INIT;
    nce_gguf_writer *w;
    if (s == NULL) return NCE_ERR_INVALID;
    if (path == NULL) return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_session_importance_save: no path");
    if (s->importance == NULL)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "the session was not made with collect_importance");
    nce_status status = nce_read_options(s->ctx, &o, sizeof o, options, "nce_importance_options");
    if (status != NCE_OK) return status;
    if (o.reserved != 0) return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_importance_options: reserved %u", o.reserved);
    const uint64_t rows = s->importance->n_entries > 0 ? s->importance->entries[0].seen.rows[0] : 0;
    if (rows == 0) return nce_fail(s->ctx, NCE_ERR_INVALID, "%s: nothing was evaluated yet", path);
    status = nce_gguf_writer_create(s->ctx, path, 0, &w);
    if (status != NCE_OK) return status;
    status = write_file(s, &o, rows, w);
    nce_gguf_writer_destroy(w);
    return status;
}
