/* Sampling: presets, order of filters, ties, penalties, and draws that depend on seed, sequence and position alone. */
#include "nce/sampler.h"
#include <criterion/criterion.h>
#include <math.h>

enum { VOCAB = 100 };

static nce_context *ctx;
static void setup(void) { cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK); }
static void teardown(void) { nce_context_destroy(ctx); }
TestSuite(sampler, .init = setup, .fini = teardown);

static int32_t sample(const nce_sampler_options *o, uint32_t seq, uint64_t position, const float *logits)
{
    nce_sampler *s;
    int32_t token = -1;
    cr_assert_eq(nce_sampler_create(ctx, VOCAB, o, &s), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_sampler_sample(s, seq, position, logits, &token), NCE_OK);
    nce_sampler_destroy(s);
    return token;
}

Test(sampler, presets)
{
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    static const struct { const char *name; float t, p; uint32_t k; } want[] = {
        {"greedy", 0.0f, 1.0f, 1}, {"precise", 0.2f, 0.8f, 20}, {"default", 0.7f, 0.9f, 40}, {"creative", 1.0f, 0.95f, 50}};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(nce_sampler_preset(want[i].name, &o), NCE_OK);
        cr_assert(o.temperature == want[i].t && o.top_p == want[i].p && o.top_k == want[i].k, "%s", want[i].name);
    }
    cr_assert_eq(nce_sampler_preset("wild", &o), NCE_ERR_NOTFOUND);
}

Test(sampler, greedy_takes_the_lowest_id_of_a_tie)
{
    float logits[VOCAB] = {0};
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    logits[17] = logits[60] = 5.0f;
    cr_assert_eq(sample(&o, 0, 0, logits), 17);
    logits[5] = NAN;
    logits[60] = 5.0001f;
    cr_assert_eq(sample(&o, 0, 0, logits), 60);
}

Test(sampler, draws_follow_the_distribution_and_nothing_else)
{
    float logits[VOCAB];
    int counts[VOCAB] = {0};
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    nce_sampler *s;
    enum { DRAWS = 20000 };
    const double p[4] = {0.5, 0.25, 0.15, 0.1};
    for (int i = 0; i < VOCAB; i++)
        logits[i] = i < 4 ? (float)log(p[i]) : -INFINITY;
    o.temperature = 1.0f;
    o.seed = 42;
    cr_assert_eq(nce_sampler_create(ctx, VOCAB, &o, &s), NCE_OK);
    for (int i = 0; i < DRAWS; i++) {
        int32_t token, again;
        cr_assert_eq(nce_sampler_sample(s, 3, (uint64_t)i, logits, &token), NCE_OK);
        cr_assert_eq(nce_sampler_sample(s, 3, (uint64_t)i, logits, &again), NCE_OK);
        cr_assert_eq(token, again, "same seed, sequence, position");
        counts[token]++;
    }
    for (int i = 0; i < 4; i++) { /* five deviations of a binomial */
        const double mean = p[i] * DRAWS, deviation = sqrt(mean * (1 - p[i]));
        cr_assert_lt(fabs(counts[i] - mean), 5 * deviation, "token %d: %d draws, %g expected", i, counts[i], mean);
    }
    nce_sampler_destroy(s);
}

Test(sampler, filters_cut_where_they_should)
{
    float logits[VOCAB];
    const double p[5] = {0.4, 0.3, 0.2, 0.06, 0.04};
    for (int i = 0; i < VOCAB; i++)
        logits[i] = i < 5 ? (float)log(p[i]) : -40.0f;
    const struct { float top_p, min_p; uint32_t top_k; int32_t highest; } cases[] = {
        {0.75f, 0, 0, 2}, {0.65f, 0, 0, 1}, {0, 0.4f, 0, 2}, {0, 0.6f, 0, 1}, {0, 0, 3, 2}, {0.99f, 0, 2, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
        int32_t highest = 0;
        o.temperature = 1.0f;
        o.top_p = cases[c].top_p, o.min_p = cases[c].min_p, o.top_k = cases[c].top_k;
        for (uint64_t i = 0; i < 400; i++) {
            const int32_t token = sample(&o, 0, i, logits);
            highest = token > highest ? token : highest;
        }
        cr_assert_eq(highest, cases[c].highest, "case %zu: highest token %d", c, highest);
    }
}

Test(sampler, penalties_and_biases)
{
    float logits[VOCAB] = {0};
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    nce_sampler *s;
    int32_t token;
    logits[1] = 2.0f, logits[2] = 1.5f, logits[3] = 1.2f;
    o.repeat_penalty = 1.5f;
    o.penalty_window = 2;
    cr_assert_eq(nce_sampler_create(ctx, VOCAB, &o, &s), NCE_OK);
    nce_sampler_accept(s, 1); /* 2.0 / 1.5 = 1.33 */
    cr_assert_eq(nce_sampler_sample(s, 0, 0, logits, &token), NCE_OK);
    cr_assert_eq(token, 2);
    nce_sampler_accept(s, 2);
    nce_sampler_accept(s, 3); /* token 1 leaves the window */
    cr_assert_eq(nce_sampler_sample(s, 0, 0, logits, &token), NCE_OK);
    cr_assert_eq(token, 1);
    nce_sampler_destroy(s);
    const nce_logit_bias biases[] = {{1, -INFINITY}, {3, 1.0f}};
    o = (nce_sampler_options)NCE_SAMPLER_OPTIONS_INIT;
    o.biases = biases, o.n_biases = 2;
    cr_assert_eq(sample(&o, 0, 0, logits), 3);
}

Test(sampler, refuses_bad_options)
{
    nce_sampler *s;
    const nce_logit_bias outside = {VOCAB, 0.0f};
    for (int i = 0; i < 5; i++) {
        nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
        if (i == 0) o.temperature = NAN;
        if (i == 1) o.top_p = 1.5f;
        if (i == 2) o.min_p = -0.1f;
        if (i == 3) o.biases = &outside, o.n_biases = 1;
        if (i == 4) o.penalty_window = 1 << 20;
        cr_assert_eq(nce_sampler_create(ctx, VOCAB, &o, &s), NCE_ERR_INVALID, "case %d", i);
        cr_assert_null(s);
    }
    float none[VOCAB];
    int32_t token;
    for (int i = 0; i < VOCAB; i++)
        none[i] = i % 2 ? NAN : -INFINITY;
    cr_assert_eq(nce_sampler_create(ctx, VOCAB, NULL, &s), NCE_OK);
    cr_assert_eq(nce_sampler_sample(s, 0, 0, none, &token), NCE_ERR_FORMAT);
    nce_sampler_destroy(s);
}
