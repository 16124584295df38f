/* Tools on model files: mixes, random models, descriptions. */
#include "tests/unit/faulty_alloc.h"
#include "nce/model_tools.h"
#include "src/core/gguf/mix.h"
#include "src/core/gguf/random_blocks.h"
#include "src/core/gguf/writer.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static nce_context *ctx;
static char path[64];

static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    snprintf(path, sizeof path, "/tmp/nce-tools-%ld.gguf", (long)getpid());
}

static void teardown(void)
{
    unlink(path);
    nce_context_destroy(ctx);
}

TestSuite(gguf_tools, .init = setup, .fini = teardown);

/* ---- mixes ---- */

static nce_type type_of(const char *mix, const nce_mix_model *m, const char *tensor, uint64_t row)
{
    const uint64_t ne[] = {row, 8};
    const nce_mix *found = nce_mix_find(mix);
    cr_assert_not_null(found, "%s", mix);
    return nce_mix_type(found, m, (nce_str){tensor, strlen(tensor)}, 2, ne);
}

Test(gguf_tools, q4_k_m_gives_better_types_to_chosen_layers)
{
    /* first and last eighth of 22 layers (0-1 and 19-21), and every third between, counted from layer 2 */
    static const bool better[22] = {1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1};
    const nce_mix_model m = {.n_layers = 22, .n_heads = 32, .n_heads_kv = 4};
    for (int i = 0; i < 22; i++) {
        char v[32], down[32], up[32];
        snprintf(v, sizeof v, "blk.%d.attn_v.weight", i);
        snprintf(down, sizeof down, "blk.%d.ffn_down.weight", i);
        snprintf(up, sizeof up, "blk.%d.ffn_up.weight", i);
        cr_assert_eq(type_of("q4_k_m", &m, v, 2048), better[i] ? NCE_TYPE_Q6_K : NCE_TYPE_Q4_K, "layer %d", i);
        cr_assert_eq(type_of("Q4_K_M", &m, down, 5632), better[i] ? NCE_TYPE_Q6_K : NCE_TYPE_Q4_K);
        cr_assert_eq(type_of("q4_k", &m, up, 2048), NCE_TYPE_Q4_K);
    }
    cr_assert_eq(type_of("q4_k_m", &m, "output.weight", 2048), NCE_TYPE_Q6_K);
    cr_assert_eq(type_of("q4_k_m", &m, "token_embd.weight", 2048), NCE_TYPE_Q4_K);
    cr_assert_eq(nce_mix_file_type(nce_mix_find("q4_k_m")), 15);
}

Test(gguf_tools, mixes_look_at_the_model)
{
    const nce_mix_model gqa = {.n_layers = 32, .n_heads = 32, .n_heads_kv = 8}, mha = {32, 32, 32, 0, true};
    const nce_mix_model moe = {.n_layers = 32, .n_heads = 32, .n_heads_kv = 8, .n_experts = 8};
    cr_assert_eq(type_of("q2_k", &gqa, "blk.0.attn_v.weight", 4096), NCE_TYPE_Q4_K);
    cr_assert_eq(type_of("q2_k", &mha, "blk.0.attn_v.weight", 4096), NCE_TYPE_Q3_K);
    cr_assert_eq(type_of("q4_0", &mha, "token_embd.weight", 4096), NCE_TYPE_Q6_K, "tied: it is the output, too");
    cr_assert_eq(type_of("q4_k_m", &moe, "blk.9.attn_k.weight", 4096), NCE_TYPE_Q8_0);
    cr_assert_eq(type_of("q4_k_m", &moe, "blk.9.ffn_gate_inp.weight", 4096), NCE_TYPE_F32, "routers stay exact");
    cr_assert_eq(type_of("q4_k_m", &moe, "blk.31.ffn_down_exps.weight", 4096), NCE_TYPE_Q6_K);
    cr_assert_eq(type_of("q8_0", &gqa, "output.weight", 4096), NCE_TYPE_Q8_0);
    cr_assert_eq(type_of("q4_0", &gqa, "blk.0.attn_q.bias", 4096), NCE_TYPE_F32);
}

Test(gguf_tools, mixes_fall_back_to_smaller_blocks)
{
    const nce_mix_model m = {.n_layers = 8, .n_heads = 8, .n_heads_kv = 8};
    cr_assert_eq(type_of("q4_k_s", &m, "blk.7.ffn_up.weight", 96), NCE_TYPE_Q5_0);
    cr_assert_eq(type_of("q6_k", &m, "blk.7.ffn_up.weight", 96), NCE_TYPE_Q8_0);
    cr_assert_eq(type_of("q6_k", &m, "blk.7.ffn_up.weight", 100), NCE_TYPE_F16);
    cr_assert_eq(type_of("tq2_0", &m, "blk.7.ffn_up.weight", 96), NCE_TYPE_Q4_0);
    cr_assert_eq(type_of("iq2_xxs", &m, "blk.7.ffn_up.weight", 96), NCE_TYPE_IQ4_NL);
    cr_assert_null(nce_mix_find("q4"));
}

/* ---- random blocks ---- */

Test(gguf_tools, random_blocks_have_the_deviation_wanted)
{
    enum { BLOCKS = 4096 };
    static uint8_t blocks[BLOCKS * 256];
    static float values[BLOCKS * 256];
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        nce_filler f;
        if (nce_filler_init(ctx, &f, (nce_type)id, 99, 0, 0.02f) != NCE_OK) continue;
        const size_t n = (size_t)BLOCKS * f.type->block;
        double sum = 0, squares = 0;
        nce_filler_run(&f, 0, BLOCKS, blocks);
        cr_assert_eq(nce_dequantize((nce_type)id, blocks, values, n), NCE_OK);
        for (size_t i = 0; i < n; i++) {
            sum += (double)values[i];
            squares += (double)values[i] * (double)values[i];
        }
        const double mean = sum / (double)n, deviation = sqrt(squares / (double)n);
        /* MXFP4 scales are powers of two: within a factor of sqrt 2 */
        const double tolerance = id == NCE_TYPE_MXFP4 ? 1.42 : 1.1;
        cr_assert(deviation > 0.02 / tolerance && deviation < 0.02 * tolerance, "%s: deviation %g", f.type->name,
                  deviation);
        cr_assert_lt(fabs(mean), 0.02 * 0.05, "%s: mean %g", f.type->name, mean);
    }
    nce_filler f;
    cr_assert_eq(nce_filler_init(ctx, &f, NCE_TYPE_Q8_K, 0, 0, 1), NCE_ERR_UNSUPPORTED);
    cr_assert_eq(nce_filler_init(ctx, &f, (nce_type)5, 0, 0, 1), NCE_ERR_UNSUPPORTED);
}

Test(gguf_tools, random_blocks_do_not_depend_on_the_split)
{
    uint8_t whole[20 * 210], parts[20 * 210];
    nce_filler f;
    cr_assert_eq(nce_filler_init(ctx, &f, NCE_TYPE_Q6_K, 7, 0, 1), NCE_OK);
    nce_filler_run(&f, 0, 20, whole);
    nce_filler_run(&f, 13, 7, parts + 13 * 210);
    nce_filler_run(&f, 0, 13, parts);
    cr_assert_arr_eq(whole, parts, sizeof whole);
    cr_assert(memcmp(whole, whole + 210, 190) != 0, "blocks differ");
}

/* ---- random models ---- */

static nce_status make(const char *shape, const char *type, uint64_t seed)
{
    nce_synth_options o = NCE_SYNTH_OPTIONS_INIT;
    o.shape = shape;
    o.type = type;
    o.seed = seed;
    return nce_gguf_synthesize(ctx, path, &o);
}

Test(gguf_tools, every_type_makes_a_file_that_opens)
{
    for (size_t i = 0; nce_synth_type(i) != NULL; i++) {
        nce_gguf *g;
        cr_assert_eq(make("tiny", nce_synth_type(i), i), NCE_OK, "%s", nce_context_error(ctx));
        cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK, "%s", nce_context_error(ctx));
        cr_assert_eq(nce_gguf_n_tensors(g), 3 + 2 * 9);
        nce_gguf_close(g);
    }
}

static void check_vocabulary(const nce_gguf *g, uint32_t n)
{
    const nce_gguf_kv *tokens, *scores, *types;
    cr_assert_eq(nce_gguf_array(g, "tokenizer.ggml.tokens", NCE_GGUF_STRING, &tokens), NCE_OK);
    cr_assert_eq(nce_gguf_array(g, "tokenizer.ggml.scores", NCE_GGUF_F32, &scores), NCE_OK);
    cr_assert_eq(nce_gguf_array(g, "tokenizer.ggml.token_type", NCE_GGUF_I32, &types), NCE_OK);
    cr_assert(tokens->count == n && scores->count == n && types->count == n);
    const uint8_t *cursor = tokens->data;
    nce_str *pieces = calloc(n, sizeof *pieces);
    for (uint32_t i = 0; i < n; i++) {
        pieces[i] = nce_gguf_next_string(&cursor);
        for (uint32_t k = 0; k < i; k++)
            cr_assert(pieces[i].size != pieces[k].size || memcmp(pieces[i].data, pieces[k].data, pieces[i].size) != 0,
                      "pieces %u and %u are the same", k, i);
        cr_assert(i < 260 || nce_gguf_element_f32(scores, i) < nce_gguf_element_f32(scores, i - 1));
    }
    cr_assert(nce_str_equal(pieces[0], "<unk>") && nce_str_equal(pieces[3], "<0x00>") &&
              nce_str_equal(pieces[258], "<0xFF>"));
    cr_assert(nce_gguf_element_i64(types, 0) == 2 && nce_gguf_element_i64(types, 1) == 3 &&
              nce_gguf_element_i64(types, 3) == 6 && nce_gguf_element_i64(types, 300) == 1);
    free(pieces);
}

Test(gguf_tools, models_are_complete)
{
    nce_gguf *g;
    uint32_t v;
    cr_assert_eq(make("tiny-moe", "q4_k_m", 1), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK);
    cr_assert_eq(nce_gguf_u32(g, "llama.expert_count", 4, 4, &v), NCE_OK);
    cr_assert_eq(nce_gguf_u32(g, "llama.expert_used_count", 2, 2, &v), NCE_OK);
    cr_assert_eq(nce_gguf_u32(g, "llama.vocab_size", 1024, 1024, &v), NCE_OK);
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, "blk.1.ffn_down_exps.weight");
    cr_assert(t != NULL && t->n_dims == 3 && t->ne[0] == 256 && t->ne[1] == 256 && t->ne[2] == 4);
    cr_assert_eq(nce_gguf_find_tensor(g, "blk.0.ffn_gate_inp.weight")->type, NCE_TYPE_F32);
    cr_assert_eq(nce_gguf_find_tensor(g, "blk.0.attn_k.weight")->ne[1], 128);
    check_vocabulary(g, 1024);
    nce_gguf_close(g);
}

static uint8_t *read_file(size_t *size)
{
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size);
    cr_assert_eq(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

Test(gguf_tools, a_seed_names_a_file)
{
    size_t size[3];
    uint8_t *data[3];
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    cr_assert_eq(make("tiny", "q8_0", 5), NCE_OK);
    data[0] = read_file(&size[0]);
    cr_assert_eq(make("tiny", "q8_0", 6), NCE_OK);
    data[1] = read_file(&size[1]);
    nce_context_destroy(ctx);
    o.n_threads = 3;
    cr_assert_eq(nce_context_create(&o, &ctx), NCE_OK);
    cr_assert_eq(make("tiny", "q8_0", 5), NCE_OK);
    data[2] = read_file(&size[2]);
    cr_assert(size[0] == size[2] && memcmp(data[0], data[2], size[0]) == 0, "other threads, same file");
    cr_assert(memcmp(data[0] + size[0] / 2, data[1] + size[0] / 2, size[0] / 4) != 0);
    for (int i = 0; i < 3; i++)
        free(data[i]);
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
    cr_assert(done > 0 && done <= total);
    return --*(int *)user > 0;
}

Test(gguf_tools, synth_refuses_and_stops)
{
    nce_synth_options o = NCE_SYNTH_OPTIONS_INIT;
    int calls = 3;
    cr_assert_eq(make("big", "q8_0", 0), NCE_ERR_NOTFOUND);
    cr_assert_not_null(strstr(nce_context_error(ctx), "tinyllama-1.1b"));
    cr_assert_eq(make("tiny", "q9", 0), NCE_ERR_NOTFOUND);
    cr_assert_not_null(strstr(nce_context_error(ctx), "q4_k_m"));
    o.n_vocab = 300;
    cr_assert_eq(nce_gguf_synthesize(ctx, path, &o), NCE_ERR_INVALID);
    o.n_vocab = 0;
    o.n_layers = 5000;
    cr_assert_eq(nce_gguf_synthesize(ctx, path, &o), NCE_ERR_INVALID);
    o.n_layers = 1;
    o.progress = stop;
    o.progress_user = &calls;
    cr_assert_eq(nce_gguf_synthesize(ctx, path, &o), NCE_ERR_CANCELLED);
    cr_assert_neq(access(path, F_OK), 0, "no file was made");
    cr_assert_eq(nce_gguf_synthesize(ctx, "/nonexistent/x.gguf", NULL), NCE_ERR_IO);
    cr_assert_eq(nce_gguf_synthesize(ctx, NULL, NULL), NCE_ERR_INVALID);
}

Test(gguf_tools, failing_allocations)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_synth_options s = NCE_SYNTH_OPTIONS_INIT;
        nce_context *c;
        s.n_layers = 1;
        s.n_vocab = 512;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) == NCE_OK) {
            cr_assert_eq(nce_gguf_synthesize(c, path, &s), f.failed ? NCE_ERR_NOMEM : NCE_OK);
            cr_assert_eq(access(path, F_OK) == 0, !f.failed);
            nce_context_destroy(c);
        }
        cr_assert_eq(f.live, 0, "request %ld leaks", n);
        if (!f.failed) break;
    }
}

/* ---- descriptions ---- */

typedef struct text {
    char data[200000];
    size_t size, most;
} text;

static bool collect(void *user, const char *data, size_t n)
{
    text *t = user;
    if (t->size + n > t->most) return false;
    memcpy(t->data + t->size, data, n);
    t->size += n;
    t->data[t->size] = '\0';
    return true;
}

static text out;

static void has(const char *words)
{
    cr_assert_not_null(strstr(out.data, words), "no '%s' in %s", words, out.data);
}

Test(gguf_tools, description_as_text)
{
    out = (text){.most = sizeof out.data - 1};
    cr_assert_eq(make("tiny", "q4_0", 0), NCE_OK);
    cr_assert_eq(nce_gguf_describe(ctx, path, NULL, collect, &out), NCE_OK);
    has("GGUF version 3");
    has("2098432 parameters");
    has("[\"<unk>\", \"<s>\", \"</s>\", \"<0x00>\", ");
    has("256 x 1024");
}

Test(gguf_tools, description_as_json)
{
    nce_describe_options o = NCE_DESCRIBE_OPTIONS_INIT;
    out = (text){.most = sizeof out.data - 1};
    o.json = 1;
    cr_assert_eq(make("tiny", "q4_0", 0), NCE_OK);
    cr_assert_eq(nce_gguf_describe(ctx, path, &o, collect, &out), NCE_OK);
    cr_assert_eq(out.data[0], '{');
    cr_assert_str_eq(out.data + out.size - 3, "]}\n");
    has("\"llama.attention.layer_norm_rms_epsilon\":{\"type\":\"f32\",\"value\":1e-05}");
    has("\"tokenizer.ggml.add_bos_token\":{\"type\":\"bool\",\"value\":true}");
    has("\"tokenizer.ggml.token_type\":{\"type\":\"array\",\"element\":\"i32\",\"count\":1024,\"value\":[2,3,3,6,");
    has("{\"name\":\"output_norm.weight\",\"type\":\"f32\",\"shape\":[256],\"part\":0,\"offset\":");
    has("\"\\\"\""); /* the piece " */
}

Test(gguf_tools, description_of_odd_values)
{
    const nce_str odd = {"a\xff\"\\\n\x01\xe2\x96\x81\xc0\x80", 11};
    nce_describe_options o = NCE_DESCRIBE_OPTIONS_INIT;
    nce_gguf_writer *w;
    out = (text){.most = sizeof out.data - 1};
    o.json = 1;
    cr_assert_eq(nce_gguf_writer_create(ctx, path, 0, &w), NCE_OK);
    nce_gguf_put_string(w, "odd", odd);
    nce_gguf_put_f32(w, "nan", NAN);
    nce_gguf_put_f32(w, "third", 1.0f / 3.0f);
    nce_gguf_put_value(w, "tenth", NCE_GGUF_F64, &(double){0.1});
    nce_gguf_put_u64(w, "large", UINT64_MAX);
    nce_gguf_put_array(w, "none", NCE_GGUF_U8, NULL, 0);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK);
    nce_gguf_writer_destroy(w);
    cr_assert_eq(nce_gguf_describe(ctx, path, &o, collect, &out), NCE_OK);
    has("\"value\":\"a\xef\xbf\xbd\\\"\\\\\\n\\u0001\xe2\x96\x81\xef\xbf\xbd\xef\xbf\xbd\"}");
    has("\"nan\":{\"type\":\"f32\",\"value\":null}");
    has("\"value\":0.33333334}");
    has("\"value\":0.1}");
    has("\"value\":18446744073709551615}");
    has("\"element\":\"u8\",\"count\":0,\"value\":[]}");
}

Test(gguf_tools, description_stops_and_refuses)
{
    nce_describe_options o = NCE_DESCRIBE_OPTIONS_INIT;
    out = (text){.most = 5000};
    cr_assert_eq(make("tiny", "q4_0", 0), NCE_OK);
    o.json = 1;
    cr_assert_eq(nce_gguf_describe(ctx, path, &o, collect, &out), NCE_ERR_CANCELLED);
    o.json = 2;
    cr_assert_eq(nce_gguf_describe(ctx, path, &o, collect, &out), NCE_ERR_INVALID);
    cr_assert_eq(nce_gguf_describe(ctx, path, NULL, NULL, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_gguf_describe(ctx, "/nonexistent", NULL, collect, &out), NCE_ERR_NOTFOUND);
}
