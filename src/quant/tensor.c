/* See tensor.h.  Rows are independent and the importance belongs to a column, so any split over threads gives the same
 * bytes.  A tensor of experts is one matrix after the other, each with its own importance. */
#include "src/quant/tensor.h"
#include "src/quant/absmean.h"
#include <stdatomic.h>

enum { CHUNK_FLOATS = 4 << 20, SLICE_FLOATS = 64 << 10 };

typedef struct work {
    const nce_tensor_job *job;
    size_t n, from_bytes, to_bytes; /* of a row */
    float scale;                    /* of the whole tensor (I2_S), or 1 */
    float absmean;                  /* mean |w| of the present matrix, or 0 */
    float *x;
    uint8_t *blocks;
    float *importance;
    const float *used_importance; /* importance, or NULL */
} work;

static void expand_row(const work *w, size_t row, float *x)
{
    nce_type_to_f32(w->job->from, w->job->tensor->data + row * w->from_bytes, x, w->n);
    if (!w->job->from->tensor_scale) return;
    for (size_t i = 0; i < w->n; i++)
        x[i] *= w->scale;
}

/* Rows first .. first + count of the tensor into w->blocks; the first failure of any slice. */
static nce_status quantize_rows(const work *w, size_t first, size_t count)
{
    const size_t slice = w->n < SLICE_FLOATS ? SLICE_FLOATS / w->n : 1, n_slices = (count + slice - 1) / slice;
    atomic_int worst = NCE_OK;
#pragma omp parallel for schedule(dynamic) num_threads((int)w->job->ctx->n_threads)
    for (size_t s = 0; s < n_slices; s++) {
        const size_t from = s * slice, n = count - from < slice ? count - from : slice;
        float *x = w->x + from * w->n;
        for (size_t i = 0; i < n; i++)
            expand_row(w, first + from + i, x + i * w->n);
        if (w->absmean > 0) nce_absmean_round(x, n * w->n, w->absmean);
        const nce_status status =
            nce_quantize(w->job->to->id, x, w->blocks + from * w->to_bytes, n, w->n, w->used_importance);
        if (status != NCE_OK) atomic_store(&worst, status);
    }
    const nce_str name = w->job->tensor->name;
    if (worst == NCE_ERR_INVALID)
        return nce_fail(w->job->ctx, NCE_ERR_FORMAT, "%s: tensor '%.*s': a value in rows %zu to %zu is not finite",
                        w->job->file, (int)name.size, name.data, first, first + count - 1);
    if (worst == NCE_OK) return NCE_OK;
    return nce_fail(w->job->ctx, (nce_status)worst, "%s: tensor '%.*s' cannot become %s", w->job->file, (int)name.size,
                    name.data, w->job->to->name);
}

/* Sums of rows, each in order, are added in order: the same mean on any number of threads. */
static nce_status measure(work *w, size_t first, size_t n_rows, size_t chunk)
{
    double total = 0;
    double *sums = nce_alloc_array(w->job->ctx, chunk, sizeof *sums);
    if (sums == NULL) return nce_fail_nomem(w->job->ctx, chunk * sizeof *sums);
    for (size_t row = 0; row < n_rows; row += chunk) {
        const size_t count = n_rows - row < chunk ? n_rows - row : chunk;
#pragma omp parallel for schedule(dynamic) num_threads((int)w->job->ctx->n_threads)
        for (size_t i = 0; i < count; i++) {
            expand_row(w, first + row + i, w->x + i * w->n);
            sums[i] = nce_absmean_sum(w->x + i * w->n, w->n);
        }
        for (size_t i = 0; i < count; i++)
            total += sums[i];
    }
    nce_free(w->job->ctx, sums);
    w->absmean = (float)(total / ((double)n_rows * (double)w->n));
    return NCE_OK;
}

static nce_status quantize_matrix(work *w, size_t expert, size_t first, size_t n_rows, size_t chunk)
{
    const nce_tensor_job *job = w->job;
    const bool ternary = job->to->id == NCE_TYPE_TQ1_0 || job->to->id == NCE_TYPE_TQ2_0;
    nce_status status = nce_imatrix_columns(job->imatrix, job->tensor->name, w->n, expert, w->importance);
    w->used_importance = status == NCE_OK ? w->importance : NULL;
    if (status == NCE_ERR_NOTFOUND) status = NCE_OK;
    if (status == NCE_OK && job->absmean && ternary) status = measure(w, first, n_rows, chunk);
    for (size_t row = 0; status == NCE_OK && row < n_rows; row += chunk) {
        const size_t count = n_rows - row < chunk ? n_rows - row : chunk;
        status = quantize_rows(w, first + row, count);
        if (status == NCE_OK) status = nce_gguf_write(job->writer, w->blocks, count * w->to_bytes);
        if (status == NCE_OK) status = job->wrote(job->user, count * w->to_bytes);
    }
    return status;
}

static nce_status copy(const nce_tensor_job *job)
{
    nce_status status = NCE_OK;
    for (uint64_t done = 0; status == NCE_OK && done < job->tensor->bytes;) {
        const uint64_t left = job->tensor->bytes - done, part = left < CHUNK_FLOATS ? left : CHUNK_FLOATS;
        status = nce_gguf_write(job->writer, job->tensor->data + done, (size_t)part);
        if (status == NCE_OK) status = job->wrote(job->user, part);
        done += part;
    }
    return status;
}

nce_status nce_tensor_quantize(const nce_tensor_job *job)
{
    const nce_gguf_tensor *t = job->tensor;
    if (job->from == job->to) return copy(job);
    work w = {.job = job, .n = (size_t)t->ne[0]};
    const size_t rows = (size_t)t->ne[1], matrices = (size_t)(t->ne[2] * t->ne[3]), fit = CHUNK_FLOATS / w.n;
    const size_t chunk = fit == 0 ? 1 : fit < rows ? fit : rows;
    w.from_bytes = nce_type_row_bytes(job->from->id, w.n);
    w.to_bytes = nce_type_row_bytes(job->to->id, w.n);
    if (job->from->tensor_scale)
        nce_type_to_f32(nce_type_info_of(NCE_TYPE_F32), t->data + rows * matrices * w.from_bytes, &w.scale, 1);
    w.x = nce_alloc_array(job->ctx, chunk * w.n, sizeof *w.x);
    w.importance = nce_alloc_array(job->ctx, w.n, sizeof *w.importance);
    w.blocks = nce_alloc(job->ctx, chunk * w.to_bytes);
    nce_status status = NCE_OK;
    if (w.x == NULL || w.importance == NULL || w.blocks == NULL)
        status = nce_fail_nomem(job->ctx, chunk * w.n * sizeof *w.x);
    for (size_t m = 0; status == NCE_OK && m < matrices; m++)
        status = quantize_matrix(&w, m, m * rows, rows, chunk);
    nce_free(job->ctx, w.blocks);
    nce_free(job->ctx, w.importance);
    nce_free(job->ctx, w.x);
    return status;
}
