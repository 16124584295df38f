/* nce_gguf_quantize on small models made here: types, importance, ternary, resuming, failures. */
#include "tests/unit/faulty_alloc.h"
#include "nce/model_tools.h"
#include "src/core/gguf/writer.h"
#include "src/kernels/types/type.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW = 256, ROWS = 8 };

static nce_context *ctx;
static char folder[64], in[96], out[96], other[96], matrix[96];

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/nce-quantize-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(in, sizeof in, "%s/in.gguf", folder);
    snprintf(out, sizeof out, "%s/out.gguf", folder);
    snprintf(other, sizeof other, "%s/other.gguf", folder);
    snprintf(matrix, sizeof matrix, "%s/imatrix.gguf", folder);
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

/* Number of files, for what must not be left; removes them if asked. */
static int count_files(bool remove)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char name[400];
        if (e->d_name[0] == '.') continue;
        n++;
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        if (remove) unlink(name);
    }
    closedir(d);
    return n;
}

static void teardown(void)
{
    nce_context_destroy(ctx);
    count_files(true);
    rmdir(folder);
}

TestSuite(quantize_model, .init = setup, .fini = teardown);

static float weight(size_t i)
{
    return (float)((i * 2654435761u >> 7) % 2001) / 1000.0f - 1;
}

/* Writes a tensor of floats as the type; value NULL: weight(i). */
typedef struct small_tensor {
    const char *name;
    nce_type type;
    uint64_t ne[3];
    float (*value)(size_t i);
} small_tensor;

static void put_floats(nce_gguf_writer *w, const small_tensor *t)
{
    const size_t n = (size_t)(t->ne[0] * t->ne[1] * t->ne[2]);
    float *x = malloc(n * sizeof *x);
    uint8_t *bytes = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = t->value != NULL ? t->value(i) : weight(i);
    cr_assert_eq(nce_quantize(t->type, x, bytes, n / (size_t)t->ne[0], (size_t)t->ne[0], NULL), NCE_OK);
    nce_gguf_write(w, bytes, nce_type_row_bytes(t->type, (size_t)t->ne[0]) * (n / (size_t)t->ne[0]));
    free(bytes);
    free(x);
}

static void write_file(const char *path, const char *kind, const small_tensor *tensors, size_t n)
{
    nce_gguf_writer *w;
    cr_assert_eq(nce_gguf_writer_create(ctx, path, 0, &w), NCE_OK);
    nce_gguf_put_text(w, "general.type", kind);
    nce_gguf_put_text(w, "general.architecture", "llama");
    nce_gguf_put_u32(w, "general.file_type", 0);
    nce_gguf_put_u32(w, "llama.block_count", 2);
    nce_gguf_put_text(w, "custom.note", "kept");
    for (size_t i = 0; i < n; i++)
        nce_gguf_put_tensor(w, (nce_str){tensors[i].name, strlen(tensors[i].name)}, tensors[i].type,
                            tensors[i].ne[2] > 1   ? 3
                            : tensors[i].ne[1] > 1 ? 2
                                                   : 1,
                            tensors[i].ne);
    cr_assert_eq(nce_gguf_writer_begin(w), NCE_OK, "%s", nce_context_error(ctx));
    for (size_t i = 0; i < n; i++)
        put_floats(w, &tensors[i]);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK, "%s", nce_context_error(ctx));
    nce_gguf_writer_destroy(w);
}

static const small_tensor model[] = {
    {"token_embd.weight", NCE_TYPE_F32, {ROW, 32, 1}, NULL},
    {"blk.0.attn_norm.weight", NCE_TYPE_F32, {ROW, 1, 1}, NULL},
    {"blk.0.attn_v.weight", NCE_TYPE_F16, {ROW, ROWS, 1}, NULL},
    {"blk.0.ffn_up.weight", NCE_TYPE_BF16, {ROW, ROWS, 1}, NULL},
    {"blk.0.ffn_down.weight", NCE_TYPE_F32, {96, ROWS, 1}, NULL},
    {"blk.1.ffn_gate_inp.weight", NCE_TYPE_F32, {ROW, 4, 1}, NULL},
    {"blk.1.ffn_up_exps.weight", NCE_TYPE_F32, {ROW, ROWS, 3}, NULL},
    {"output.weight", NCE_TYPE_Q8_0, {ROW, 32, 1}, NULL},
};
enum { N_MODEL = sizeof model / sizeof *model };

static void write_model(void)
{
    write_file(in, "model", model, N_MODEL);
}

static nce_status quantize_to(const char *path, const char *type, nce_quantize_options o)
{
    o.type = type;
    return nce_gguf_quantize(ctx, in, path, &o);
}

static nce_type type_in(const char *path, const char *tensor)
{
    nce_gguf *g;
    cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK, "%s", nce_context_error(ctx));
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, tensor);
    cr_assert_not_null(t, "%s", tensor);
    const nce_type type = t->type;
    nce_gguf_close(g);
    return type;
}

static void read_tensor(const char *path, const char *tensor, float *y, size_t n)
{
    nce_gguf *g;
    cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK);
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, tensor);
    cr_assert_eq(nce_dequantize(t->type, t->data, y, n), NCE_OK);
    nce_gguf_close(g);
}

static bool same_files(const char *a, const char *b)
{
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    cr_assert(f != NULL && g != NULL);
    int c, d;
    do {
        c = fgetc(f);
        d = fgetc(g);
    } while (c == d && c != EOF);
    fclose(f);
    fclose(g);
    return c == d;
}

Test(quantize_model, mixes_and_metadata)
{
    write_model();
    const nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    cr_assert_eq(quantize_to(out, "Q4_K_M", o), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(type_in(out, "token_embd.weight"), NCE_TYPE_Q4_K);
    cr_assert_eq(type_in(out, "output.weight"), NCE_TYPE_Q6_K);
    cr_assert_eq(type_in(out, "blk.0.attn_norm.weight"), NCE_TYPE_F32);
    cr_assert_eq(type_in(out, "blk.0.ffn_up.weight"), NCE_TYPE_Q4_K);
    cr_assert_eq(type_in(out, "blk.0.ffn_down.weight"), NCE_TYPE_Q5_0, "96 elements are no block of 256");
    cr_assert_eq(type_in(out, "blk.1.ffn_gate_inp.weight"), NCE_TYPE_F32, "a router");
    nce_gguf *g;
    uint32_t file_type = 0;
    nce_str note = {0};
    cr_assert_eq(nce_gguf_open(ctx, out, NULL, &g), NCE_OK);
    cr_assert_eq(nce_gguf_u32(g, "general.file_type", 0, 99, &file_type), NCE_OK);
    cr_assert_eq(nce_gguf_string(g, "custom.note", &note), NCE_OK);
    cr_assert(file_type == 15 && nce_str_equal(note, "kept"));
    nce_gguf_close(g);
    float y[ROW * ROWS];
    double error = 0, norm = 0;
    read_tensor(out, "blk.0.ffn_up.weight", y, ROW * ROWS);
    for (size_t i = 0; i < ROW * ROWS; i++) {
        error += (y[i] - weight(i)) * (y[i] - weight(i));
        norm += weight(i) * weight(i);
    }
    cr_assert_lt(sqrt(error / norm), 0.08);
}

Test(quantize_model, pure_and_overrides)
{
    write_model();
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    const char *list[] = {"blk.*.ffn_up*=q8_0", "output.?eight=F16", "*=q2_k"};
    o.pure = 1;
    cr_assert_eq(quantize_to(out, "q4_k_m", o), NCE_OK);
    cr_assert_eq(type_in(out, "output.weight"), NCE_TYPE_Q4_K);
    o.tensor_types = list;
    o.n_tensor_types = 2;
    cr_assert_eq(quantize_to(out, "q4_k_m", o), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(type_in(out, "blk.0.ffn_up.weight"), NCE_TYPE_Q8_0);
    cr_assert_eq(type_in(out, "blk.1.ffn_up_exps.weight"), NCE_TYPE_Q8_0);
    cr_assert_eq(type_in(out, "output.weight"), NCE_TYPE_F16);
    cr_assert_eq(type_in(out, "token_embd.weight"), NCE_TYPE_Q4_K);
    o.n_tensor_types = 3;
    cr_assert_eq(quantize_to(out, "q4_k_m", o), NCE_ERR_INVALID, "96 elements are no block of q2_k");
}

Test(quantize_model, equal_types_are_copied)
{
    write_model();
    const nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    cr_assert_eq(quantize_to(out, "q8_0", o), NCE_OK);
    float a[ROW * 32], b[ROW * 32];
    read_tensor(in, "output.weight", a, ROW * 32);
    read_tensor(out, "output.weight", b, ROW * 32);
    cr_assert_arr_eq(a, b, sizeof a);
}

Test(quantize_model, threads_do_not_matter)
{
    write_model();
    nce_context *one;
    nce_context_options c = NCE_CONTEXT_OPTIONS_INIT;
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    c.n_threads = 1;
    o.type = "iq2_m";
    cr_assert_eq(nce_context_create(&c, &one), NCE_OK);
    cr_assert_eq(nce_gguf_quantize(one, in, other, &o), NCE_OK);
    nce_context_destroy(one);
    cr_assert_eq(quantize_to(out, "iq2_m", o), NCE_OK);
    cr_assert(same_files(out, other));
}

/* Every fourth column matters; each expert has its own counts, the last was never used. */
static float sums(size_t i)
{
    return i % 4 == 1 ? 100 : 0.5f;
}
static float counts(size_t i)
{
    return i == 2 ? 0 : (float)(i + 1);
}
static float negative(size_t i)
{
    return i == 40 ? -1 : 1;
}

static double error_of_columns(const char *path, size_t expert)
{
    static float y[3 * ROW * ROWS];
    double error = 0;
    read_tensor(path, "blk.1.ffn_up_exps.weight", y, 3 * ROW * ROWS);
    for (size_t i = expert * ROW * ROWS; i < (expert + 1) * ROW * ROWS; i++)
        if (i % 4 == 1) error += (y[i] - weight(i)) * (y[i] - weight(i));
    return error;
}

Test(quantize_model, importance)
{
    const small_tensor good[] = {{"blk.1.ffn_up_exps.weight.in_sum2", NCE_TYPE_F32, {ROW, 3, 1}, sums},
                                 {"blk.1.ffn_up_exps.weight.counts", NCE_TYPE_F32, {1, 3, 1}, counts}};
    const small_tensor bad[] = {{"blk.0.ffn_up.weight.in_sum2", NCE_TYPE_F32, {ROW, 1, 1}, negative},
                                {"blk.0.ffn_up.weight.counts", NCE_TYPE_F32, {1, 1, 1}, NULL}};
    const small_tensor shape[] = {{"blk.0.ffn_up.weight.in_sum2", NCE_TYPE_F32, {ROW / 2, 1, 1}, sums},
                                  {"blk.0.ffn_up.weight.counts", NCE_TYPE_F32, {1, 1, 1}, counts}};
    write_model();
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    cr_assert_eq(quantize_to(other, "q2_k", o), NCE_OK);
    o.imatrix = matrix;
    write_file(matrix, "imatrix", good, 2);
    cr_assert_eq(quantize_to(out, "q2_k", o), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_lt(error_of_columns(out, 0), 0.9 * error_of_columns(other, 0));
    cr_assert_lt(error_of_columns(out, 1), 0.9 * error_of_columns(other, 1));
    cr_assert_eq(error_of_columns(out, 2), error_of_columns(other, 2), "an expert without data is quantized evenly");
    write_file(matrix, "model", good, 2);
    cr_assert_eq(quantize_to(out, "q2_k", o), NCE_ERR_FORMAT);
    write_file(matrix, "imatrix", shape, 2);
    cr_assert_eq(quantize_to(out, "q2_k", o), NCE_ERR_FORMAT);
    write_file(matrix, "imatrix", bad, 2);
    cr_assert_eq(quantize_to(out, "q2_k", o), NCE_OK, "weight(0) is negative: no counts, so no data");
    o.imatrix = "/nowhere";
    cr_assert_neq(quantize_to(out, "q2_k", o), NCE_OK);
}

Test(quantize_model, negative_importance_is_refused)
{
    const small_tensor bad[] = {{"blk.0.ffn_up.weight.in_sum2", NCE_TYPE_F32, {ROW, 1, 1}, negative},
                                {"blk.0.ffn_up.weight.counts", NCE_TYPE_F32, {1, 1, 1}, counts}};
    write_model();
    write_file(matrix, "imatrix", bad, 2);
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    o.imatrix = matrix;
    cr_assert_eq(quantize_to(out, "q2_k", o), NCE_ERR_FORMAT);
    cr_assert_not_null(strstr(nce_context_error(ctx), "value 40"));
}

/* The rule of BitNet b1.58, computed here in another way. */
Test(quantize_model, absmean)
{
    write_model();
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    o.absmean = 1;
    cr_assert_eq(quantize_to(out, "tq2_0", o), NCE_OK);
    double mean = 0;
    float y[ROW * ROWS];
    for (size_t i = 0; i < ROW * ROWS; i++)
        mean += fabs((double)weight(i)) / (ROW * ROWS);
    read_tensor(out, "blk.0.ffn_up.weight", y, ROW * ROWS);
    for (size_t i = 0; i < ROW * ROWS; i++) {
        const double v = weight(i) / (mean + 1e-5);
        if (fabs(fabs(v) - 0.5) < 0.01) continue; /* the input was rounded to BF16 */
        cr_assert_float_eq(y[i], mean * (v > 0.5 ? 1 : v < -0.5 ? -1 : 0), 1e-3, "%zu: %g", i, (double)y[i]);
    }
}

/* BitNet's own type: one scale after the last row. */
Test(quantize_model, i2_s_input)
{
    nce_gguf_writer *w;
    const uint64_t ne[] = {ROW, 2};
    uint8_t data[ROW * 2 / 4 + 32] = {[0] = 0xa9}; /* elements 0, 32, 64, 96: 1, 1, 1, 0; all others -1 */
    const float scale = 0.25f;
    memcpy(data + ROW * 2 / 4, &scale, sizeof scale);
    cr_assert_eq(nce_gguf_writer_create(ctx, in, 0, &w), NCE_OK);
    nce_gguf_put_text(w, "general.architecture", "bitnet-b1.58");
    nce_gguf_put_tensor(w, (nce_str){"blk.0.ffn_up.weight", 19}, NCE_TYPE_I2_S, 2, ne);
    nce_gguf_writer_begin(w);
    nce_gguf_write(w, data, sizeof data);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK, "%s", nce_context_error(ctx));
    nce_gguf_writer_destroy(w);
    const nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    cr_assert_eq(quantize_to(out, "tq1_0", o), NCE_OK, "%s", nce_context_error(ctx));
    float y[ROW * 2];
    read_tensor(out, "blk.0.ffn_up.weight", y, ROW * 2);
    cr_assert(y[0] == scale && y[32] == scale && y[64] == scale && y[96] == 0 && y[1] == -scale && y[511] == -scale);
}

static bool stop_after(void *user, uint64_t done, uint64_t total)
{
    int *left = user;
    cr_assert_leq(done, total);
    return (*left)-- > 0;
}

Test(quantize_model, cancelled_and_resumed)
{
    write_model();
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    cr_assert_eq(quantize_to(other, "q3_k_m", o), NCE_OK);
    for (int resume = 0; resume < 2; resume++)
        for (int chunks = 0; chunks < N_MODEL + 2; chunks++) {
            int left = chunks, expected = chunks == 6 || chunks == 7 ? 4 : 9 - chunks; /* 6 to 8: the three experts */
            o.resume = (uint32_t)resume;
            o.progress = stop_after;
            o.progress_user = &left;
            cr_assert_eq(quantize_to(out, "q3_k_m", o), NCE_ERR_CANCELLED);
            cr_assert_eq(access(out, F_OK), -1);
            cr_assert_eq(count_files(false), resume ? 3 : 2, "in, other and, if wanted, the partial file");
            left = 1000;
            cr_assert_eq(quantize_to(out, "q3_k_m", o), NCE_OK, "%s", nce_context_error(ctx));
            if (resume) cr_assert_eq(1000 - left, expected, "after %d of 10 chunks", chunks + 1);
            cr_assert(same_files(out, other));
            cr_assert_eq(count_files(false), 3);
            unlink(out);
        }
}

/* A partial file of other content is overwritten, not continued. */
Test(quantize_model, resume_needs_the_same_job)
{
    write_model();
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    int left = 2;
    o.resume = 1;
    o.progress = stop_after;
    o.progress_user = &left;
    cr_assert_eq(quantize_to(out, "q4_0", o), NCE_ERR_CANCELLED);
    left = 1000;
    cr_assert_eq(quantize_to(out, "q5_0", o), NCE_OK);
    o.resume = 0;
    cr_assert_eq(quantize_to(other, "q5_0", o), NCE_OK);
    cr_assert(same_files(out, other));
}

static float one_nan(size_t i)
{
    return i == 1000 ? NAN : 1;
}

Test(quantize_model, refusals)
{
    write_model();
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    const char *item = "x=";
    cr_assert_eq(nce_gguf_quantize(NULL, in, out, &o), NCE_ERR_INVALID);
    cr_assert_eq(nce_gguf_quantize(ctx, in, NULL, &o), NCE_ERR_INVALID);
    cr_assert_eq(quantize_to(in, "q4_0", o), NCE_ERR_INVALID, "the same file");
    cr_assert_eq(quantize_to(out, "q9_z", o), NCE_ERR_NOTFOUND);
    cr_assert_not_null(strstr(nce_context_error(ctx), "q4_k_m"), "lists the types");
    o.n_tensor_types = 1;
    cr_assert_eq(quantize_to(out, "q4_0", o), NCE_ERR_INVALID);
    o.tensor_types = &item;
    cr_assert_eq(quantize_to(out, "q4_0", o), NCE_ERR_NOTFOUND);
    item = "no equals sign";
    cr_assert_eq(quantize_to(out, "q4_0", o), NCE_ERR_INVALID);
    item = "*=i2_s";
    cr_assert_eq(quantize_to(out, "q4_0", o), NCE_ERR_UNSUPPORTED);
    o.n_tensor_types = 0;
    unlink(in);
    cr_assert_eq(quantize_to(out, "q4_0", o), NCE_ERR_NOTFOUND);
    cr_assert_eq(count_files(false), 0);
}

Test(quantize_model, weights_that_are_not_finite)
{
    nce_gguf_writer *w;
    const uint64_t ne[] = {ROW, ROWS};
    float x[ROW * ROWS];
    for (size_t i = 0; i < ROW * ROWS; i++)
        x[i] = one_nan(i);
    cr_assert_eq(nce_gguf_writer_create(ctx, in, 0, &w), NCE_OK);
    nce_gguf_put_text(w, "general.architecture", "llama");
    nce_gguf_put_tensor(w, (nce_str){"blk.0.ffn_up.weight", 19}, NCE_TYPE_F32, 2, ne);
    nce_gguf_writer_begin(w);
    nce_gguf_write(w, x, sizeof x);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK);
    nce_gguf_writer_destroy(w);
    for (uint32_t resume = 0; resume < 2; resume++) {
        nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
        o.resume = resume;
        o.absmean = resume;
        cr_assert_eq(quantize_to(out, resume ? "tq1_0" : "q4_k_m", o), NCE_ERR_FORMAT);
        cr_assert_not_null(strstr(nce_context_error(ctx), "blk.0.ffn_up.weight"));
        cr_assert_eq(count_files(false), 1, "nothing to continue from");
    }
}

Test(quantize_model, every_failing_allocation)
{
    write_model();
    write_file(matrix, "imatrix",
               (small_tensor[]){{"blk.0.ffn_up.weight.in_sum2", NCE_TYPE_F32, {ROW, 1, 1}, sums},
                                {"blk.0.ffn_up.weight.counts", NCE_TYPE_F32, {1, 1, 1}, counts}},
               2);
    for (long n = 2;; n++) { /* the first is the context's */
        faulty_alloc f = {.fail_at = n};
        nce_context_options c = NCE_CONTEXT_OPTIONS_INIT;
        nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
        nce_context *faulty;
        c.allocator = faulty_allocator(&f);
        o.type = "tq1_0";
        o.absmean = 1;
        o.resume = (uint32_t)(n & 1);
        o.imatrix = matrix;
        cr_assert_eq(nce_context_create(&c, &faulty), NCE_OK);
        const nce_status status = nce_gguf_quantize(faulty, in, out, &o);
        nce_context_destroy(faulty);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        cr_assert_eq(status, f.failed ? NCE_ERR_NOMEM : NCE_OK, "allocation %ld", n);
        if (!f.failed) break;
    }
}
