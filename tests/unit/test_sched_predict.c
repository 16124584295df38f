/* The length predictor: the bundled network, broken files, the heuristic, rank correlation. */
#include "nce/sched.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static unsigned char file[4096];

static size_t load(void)
{
    FILE *f = fopen(NCE_SCHEDULER_GGUF, "rb");
    cr_assert_not_null(f, "%s", NCE_SCHEDULER_GGUF);
    const size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    cr_assert(n > 1000 && n < sizeof file);
    return n;
}

static nce_prediction predict(const nce_predictor *p, double cpu_s, double average_s)
{
    nce_predict_input in = NCE_PREDICT_INPUT_INIT;
    nce_prediction out = NCE_PREDICTION_INIT;
    in.cpu_s = cpu_s;
    in.average_s = average_s;
    in.memory_bytes = 2048 * 131072.0;
    cr_assert_eq(nce_predictor_predict(p, &in, &out), NCE_OK);
    return out;
}

Test(sched_predict, the_network_ranks_and_knows_its_limits)
{
    nce_context *ctx;
    nce_predictor *p;
    nce_context_create(NULL, &ctx);
    cr_assert_eq(nce_predictor_create(ctx, NCE_SCHEDULER_GGUF, &p), NCE_OK, "%s", nce_context_error(ctx));
    double predicted[20], real[20];
    for (int i = 0; i < 20; i++) {
        real[i] = 0.05 * pow(1.4, i);
        const nce_prediction x = predict(p, real[i] * 0.5, real[i]);
        cr_assert(x.from_network && x.io_probability >= 0 && x.io_probability <= 1);
        cr_assert(x.time_slice_s >= 1e-3 && x.time_slice_s <= 0.1 && x.boost >= -1 && x.boost <= 1);
        predicted[i] = x.runtime_s;
    }
    cr_assert_gt(nce_rank_correlation(predicted, real, 20), 0.95);
    cr_assert(!predict(p, 1e9, 1e9).from_network, "thirty years are beyond what it has seen");
    cr_assert(!predict(NULL, 1, 2).from_network);
    cr_assert_eq(predict(NULL, 1, 2).runtime_s, 2);
    nce_predict_input in = NCE_PREDICT_INPUT_INIT;
    nce_prediction out = NCE_PREDICTION_INIT;
    in.cpu_s = NAN;
    cr_assert_eq(nce_predictor_predict(p, &in, &out), NCE_ERR_INVALID);
    nce_predictor_destroy(p);
    cr_assert_eq(nce_predictor_create(ctx, NULL, &p), NCE_OK);
    cr_assert(!predict(p, 1, 2).from_network);
    nce_predictor_destroy(p);
    nce_context_destroy(ctx);
}

Test(sched_predict, broken_files_are_refused)
{
    nce_context *ctx;
    nce_predictor *p;
    const size_t n = load();
    nce_context_create(NULL, &ctx);
    cr_assert_eq(nce_predictor_create(ctx, "/nowhere/scheduler.gguf", &p), NCE_ERR_NOTFOUND);
    cr_assert_null(p);
    cr_assert_eq(nce_predictor_create_memory(ctx, file, n / 2, &p), NCE_ERR_FORMAT);
    char *name = memmem(file, n, "sched.output.bias", 17);
    cr_assert_not_null(name);
    name[0] = 'x';
    cr_assert_eq(nce_predictor_create_memory(ctx, file, n, &p), NCE_ERR_NOTFOUND);
    cr_assert(strstr(nce_context_error(ctx), "no tensor 'sched.output.bias'") != NULL, "%s", nce_context_error(ctx));
    name[0] = 's';
    char *architecture = memmem(file, n, "nce-sched", 9);
    architecture[0] = 'x';
    cr_assert_eq(nce_predictor_create_memory(ctx, file, n, &p), NCE_ERR_FORMAT);
    architecture[0] = 'n';
    memset(file + n - 4, 0xff, 4); /* NaN */
    memset(file + n - 20, 0xff, 20);
    cr_assert_eq(nce_predictor_create_memory(ctx, file, n, &p), NCE_ERR_FORMAT);
    nce_context_destroy(ctx);
}

Test(sched_predict, rank_correlation)
{
    const double up[] = {1, 2, 3, 4}, down[] = {9, 7, 5, 3}, swapped[] = {1, 3, 2, 4}, flat[] = {1, 1, 1, 1};
    cr_assert_float_eq(nce_rank_correlation(up, up, 4), 1, 1e-12);
    cr_assert_float_eq(nce_rank_correlation(up, down, 4), -1, 1e-12);
    cr_assert_float_eq(nce_rank_correlation(up, swapped, 4), 4.0 / 6, 1e-12);
    cr_assert(isnan(nce_rank_correlation(up, flat, 4)));
    cr_assert(isnan(nce_rank_correlation(up, down, 1)));
}

Test(sched_predict, failing_allocation)
{
    const size_t size = load();
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        nce_predictor *p = NULL;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) != NCE_OK) continue;
        nce_predictor_create_memory(c, file, size, &p);
        nce_predictor_destroy(p);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
        cr_assert_lt(n, 500);
    }
}
