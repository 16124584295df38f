/* Reading GGUF: what the writer made, hand-made faults one at a time, real files when they are there. */
#include "tests/unit/faulty_alloc.h"
#include "src/core/gguf/gguf.h"
#include "src/core/gguf/writer.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static nce_context *ctx;

static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

static void teardown(void)
{
    nce_context_destroy(ctx);
}

TestSuite(gguf, .init = setup, .fini = teardown);

static nce_str str(const char *text)
{
    return (nce_str){text, strlen(text)};
}

/* A little of everything: all value types, arrays, two tensors. */
static nce_status write_sample(nce_gguf_writer *w)
{
    const nce_str words[] = {{"a", 1}, {"", 0}, {"\xff\0x", 3}};
    const int16_t numbers[] = {-1, 2, 300};
    const float floats[] = {1.5f, -0.25f};
    const uint8_t bools[] = {1, 0, 1};
    const double pi = 3.25;
    const uint64_t ne[] = {8, 3}, ne_q[] = {32};
    float data[24];
    uint8_t block[34] = {0};
    for (int i = 0; i < 24; i++)
        data[i] = (float)i;
    nce_gguf_put_text(w, "general.architecture", "llama");
    nce_gguf_put_value(w, "v.u8", NCE_GGUF_U8, &(uint8_t){200});
    nce_gguf_put_value(w, "v.i8", NCE_GGUF_I8, &(int8_t){-100});
    nce_gguf_put_value(w, "v.u16", NCE_GGUF_U16, &(uint16_t){60000});
    nce_gguf_put_value(w, "v.i16", NCE_GGUF_I16, &(int16_t){-30000});
    nce_gguf_put_u32(w, "v.u32", 4000000000u);
    nce_gguf_put_i32(w, "v.i32", -5);
    nce_gguf_put_u64(w, "v.u64", UINT64_MAX);
    nce_gguf_put_value(w, "v.i64", NCE_GGUF_I64, &(int64_t){-6});
    nce_gguf_put_f32(w, "v.f32", 0.5f);
    nce_gguf_put_value(w, "v.f64", NCE_GGUF_F64, &pi);
    nce_gguf_put_bool(w, "v.bool", true);
    nce_gguf_put_strings(w, "a.string", words, 3);
    nce_gguf_put_array(w, "a.i16", NCE_GGUF_I16, numbers, 3);
    nce_gguf_put_array(w, "a.f32", NCE_GGUF_F32, floats, 2);
    nce_gguf_put_array(w, "a.bool", NCE_GGUF_BOOL, bools, 3);
    nce_gguf_put_array(w, "a.empty", NCE_GGUF_U8, NULL, 0);
    nce_gguf_put_tensor(w, str("t.f32"), NCE_TYPE_F32, 2, ne);
    nce_gguf_put_tensor(w, str("t.q8"), NCE_TYPE_Q8_0, 1, ne_q);
    nce_gguf_writer_begin(w);
    nce_gguf_write(w, data, 10); /* pieces need not end with a tensor */
    nce_gguf_write(w, (char *)data + 10, sizeof data - 10);
    memset(block, 7, sizeof block);
    nce_gguf_write(w, block, sizeof block);
    return nce_gguf_writer_finish(w);
}

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static bytes take(nce_gguf_writer *w)
{
    void *data;
    bytes b;
    nce_gguf_writer_take(w, &data, &b.size);
    nce_gguf_writer_destroy(w);
    b.data = data;
    return b;
}

static bytes sample(void)
{
    nce_gguf_writer *w;
    cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 0, &w), NCE_OK);
    cr_assert_eq(write_sample(w), NCE_OK, "%s", nce_context_error(ctx));
    return take(w);
}

static nce_gguf *open_bytes(bytes b)
{
    nce_gguf *g;
    cr_assert_eq(nce_gguf_open_memory(ctx, "sample", b.data, b.size, &g), NCE_OK, "%s", nce_context_error(ctx));
    return g;
}

/* Opening fails with this status and a message that holds these words. */
static void refuse(bytes b, nce_status status, const char *words)
{
    nce_gguf *g = (nce_gguf *)1;
    const nce_status got = nce_gguf_open_memory(ctx, "bad", b.data, b.size, &g);
    cr_assert_eq(got, status, "%s: got %s: %s", words, nce_status_name(got), nce_context_error(ctx));
    cr_assert_null(g);
    cr_assert_not_null(strstr(nce_context_error(ctx), words), "'%s' lacks '%s'", nce_context_error(ctx), words);
}

static void check_numbers(const nce_gguf *g)
{
    uint64_t u;
    float f;
    bool b;
    cr_assert_eq(nce_gguf_u64(g, "v.u8", 0, 255, &u), NCE_OK);
    cr_assert_eq(u, 200);
    cr_assert_eq(nce_gguf_u64(g, "v.u16", 0, 65535, &u), NCE_OK);
    cr_assert_eq(u, 60000);
    cr_assert_eq(nce_gguf_u64(g, "v.u32", 0, UINT32_MAX, &u), NCE_OK);
    cr_assert_eq(u, 4000000000u);
    cr_assert_eq(nce_gguf_u64(g, "v.u64", 0, UINT64_MAX, &u), NCE_OK);
    cr_assert_eq(u, UINT64_MAX);
    cr_assert_eq(nce_gguf_element_i64(nce_gguf_find(g, "v.i8"), 0), -100);
    cr_assert_eq(nce_gguf_element_i64(nce_gguf_find(g, "v.i16"), 0), -30000);
    cr_assert_eq(nce_gguf_element_i64(nce_gguf_find(g, "v.i32"), 0), -5);
    cr_assert_eq(nce_gguf_element_i64(nce_gguf_find(g, "v.i64"), 0), -6);
    cr_assert_eq(nce_gguf_f32(g, "v.f32", 0, 1, &f), NCE_OK);
    cr_assert_eq(f, 0.5f);
    cr_assert_eq(nce_gguf_f32(g, "v.f64", 0, 4, &f), NCE_OK);
    cr_assert_eq(f, 3.25f);
    cr_assert_eq(nce_gguf_bool(g, "v.bool", &b), NCE_OK);
    cr_assert(b);
}

static void check_arrays(const nce_gguf *g)
{
    const nce_gguf_kv *kv;
    cr_assert_eq(nce_gguf_array(g, "a.string", NCE_GGUF_STRING, &kv), NCE_OK);
    cr_assert_eq(kv->count, 3);
    const uint8_t *cursor = kv->data;
    cr_assert(nce_str_equal(nce_gguf_next_string(&cursor), "a"));
    cr_assert_eq(nce_gguf_next_string(&cursor).size, 0);
    const nce_str last = nce_gguf_next_string(&cursor);
    cr_assert_eq(last.size, 3);
    cr_assert_eq(memcmp(last.data, "\xff\0x", 3), 0);
    cr_assert_eq(cursor, kv->data + kv->bytes);
    cr_assert_eq(nce_gguf_array(g, "a.i16", NCE_GGUF_I16, &kv), NCE_OK);
    cr_assert_eq(nce_gguf_element_i64(kv, 0), -1);
    cr_assert_eq(nce_gguf_element_i64(kv, 2), 300);
    cr_assert_eq(nce_gguf_array(g, "a.f32", NCE_GGUF_F32, &kv), NCE_OK);
    cr_assert_eq(nce_gguf_element_f32(kv, 1), -0.25f);
    cr_assert_eq(nce_gguf_array(g, "a.bool", NCE_GGUF_BOOL, &kv), NCE_OK);
    cr_assert_eq(nce_gguf_element_i64(kv, 2), 1);
    cr_assert_eq(nce_gguf_array(g, "a.empty", NCE_GGUF_U8, &kv), NCE_OK);
    cr_assert_eq(kv->count, 0);
}

static void check_tensors(const nce_gguf *g)
{
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, "t.f32");
    float f;
    cr_assert_eq(nce_gguf_n_tensors(g), 2);
    cr_assert_not_null(t);
    cr_assert(t->type == NCE_TYPE_F32 && t->n_dims == 2 && t->ne[0] == 8 && t->ne[1] == 3 && t->ne[2] == 1 &&
              t->ne[3] == 1);
    cr_assert_eq(t->bytes, 96);
    memcpy(&f, t->data + 23 * sizeof f, sizeof f);
    cr_assert_eq(f, 23.0f);
    t = nce_gguf_tensor_at(g, 1);
    cr_assert_eq(t, nce_gguf_find_tensor(g, "t.q8"));
    cr_assert_eq(t->bytes, 34);
    cr_assert_eq(t->data[33], 7);
    cr_assert_null(nce_gguf_find_tensor(g, "t.q"));
}

Test(gguf, everything_comes_back)
{
    const bytes b = sample();
    nce_gguf *g = open_bytes(b);
    cr_assert_eq(nce_gguf_version(g), 3);
    cr_assert_eq(nce_gguf_n_splits(g), 1);
    cr_assert_eq(nce_gguf_file_bytes(g), b.size);
    cr_assert_str_eq(nce_gguf_name(g), "sample");
    cr_assert_eq(nce_gguf_n_kv(g), 17);
    cr_assert(nce_str_equal(nce_gguf_kv_at(g, 1)->key, "v.u8"));
    check_numbers(g);
    check_arrays(g);
    check_tensors(g);
    nce_gguf_close(g);
    nce_free(ctx, b.data);
}

Test(gguf, typed_reads_name_key_value_and_limit)
{
    const bytes b = sample();
    nce_gguf *g = open_bytes(b);
    uint64_t u = 77;
    uint32_t v = 77;
    float f = 77;
    nce_str s;
    const nce_gguf_kv *kv = (const nce_gguf_kv *)1;
    cr_assert_eq(nce_gguf_u64(g, "absent", 0, 1, &u), NCE_ERR_NOTFOUND);
    cr_assert_str_eq(nce_context_error(ctx), "", "an absent key is no failure");
    cr_assert_eq(nce_gguf_u32(g, "v.u8", 0, 199, &v), NCE_ERR_FORMAT);
    cr_assert_str_eq(nce_context_error(ctx), "sample: key 'v.u8': 200 is outside 0..199");
    cr_assert_eq(nce_gguf_u64(g, "v.i8", 0, UINT64_MAX, &u), NCE_ERR_FORMAT);
    cr_assert_str_eq(nce_context_error(ctx), "sample: key 'v.i8': -100 is outside 0..18446744073709551615");
    cr_assert_eq(nce_gguf_u64(g, "v.f32", 0, 9, &u), NCE_ERR_FORMAT);
    cr_assert_str_eq(nce_context_error(ctx), "sample: key 'v.f32': has type f32, must be an integer");
    cr_assert_eq(nce_gguf_f32(g, "v.f64", 0, 3, &f), NCE_ERR_FORMAT);
    cr_assert_str_eq(nce_context_error(ctx), "sample: key 'v.f64': 3.25 is outside 0..3");
    cr_assert_eq(nce_gguf_string(g, "v.bool", &s), NCE_ERR_FORMAT);
    cr_assert_eq(nce_gguf_array(g, "a.i16", NCE_GGUF_I32, &kv), NCE_ERR_FORMAT);
    cr_assert_str_eq(nce_context_error(ctx), "sample: key 'a.i16': has type array of i16, must be array of i32");
    cr_assert_null(kv);
    cr_assert(u == 77 && v == 77 && f == 77, "failed reads leave the value alone");
    nce_gguf_close(g);
    nce_free(ctx, b.data);
}

Test(gguf, every_truncation_is_refused)
{
    const bytes b = sample();
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *exact = malloc(size + 1); /* an exact block, so that the sanitizer sees an over-read */
        nce_gguf *g;
        memcpy(exact, b.data, size);
        const nce_status status = nce_gguf_open_memory(ctx, "cut", exact, size, &g);
        /* the last tensor is 34 bytes; what follows it is padding */
        if (b.size - size <= 32 - 34 % 32)
            cr_assert_eq(status, NCE_OK);
        else
            cr_assert_eq(status, NCE_ERR_FORMAT, "%zu: %s", size, nce_context_error(ctx));
        nce_gguf_close(g);
        free(exact);
    }
    nce_free(ctx, b.data);
}

/* ---- one fault at a time ---- */

static bytes header(uint32_t version, uint64_t n_tensors, uint64_t n_kv, const void *rest, size_t size)
{
    bytes b = {nce_alloc(ctx, 24 + size), 24 + size};
    memcpy(b.data, "GGUF", 4);
    memcpy(b.data + 4, &version, 4);
    memcpy(b.data + 8, &n_tensors, 8);
    memcpy(b.data + 16, &n_kv, 8);
    if (size > 0) memcpy(b.data + 24, rest, size);
    return b;
}

static void refuse_header(uint32_t version, uint64_t n_tensors, uint64_t n_kv, const char *words)
{
    const uint8_t rest[100] = {0};
    const bytes b = header(version, n_tensors, n_kv, rest, sizeof rest);
    refuse(b, NCE_ERR_FORMAT, words);
    nce_free(ctx, b.data);
}

Test(gguf, headers)
{
    refuse((bytes){(uint8_t *)"", 0}, NCE_ERR_FORMAT, "truncated");
    refuse((bytes){(uint8_t *)"GGML\3\0\0\0", 8}, NCE_ERR_FORMAT, "not a GGUF file");
    refuse_header(1, 0, 0, "1 is not supported, must be 2 or 3");
    refuse_header(4, 0, 0, "4 is not supported");
    refuse_header(3u << 24, 0, 0, "big-endian");
    refuse_header(3, 0, UINT64_MAX, "18446744073709551615 metadata entries cannot fit in the 100 bytes left");
    refuse_header(3, 1ull << 61, 0, "2305843009213693952 tensors cannot fit");
    refuse_header(3, 0, 1, "name of 0 bytes");
}

/* The sample with `size` bytes at the end of the first place that holds `mark` replaced. */
static bytes patched(const char *mark, size_t after, const void *value, size_t size)
{
    const bytes b = sample();
    uint8_t *at = memmem(b.data, b.size, mark, strlen(mark));
    cr_assert_not_null(at);
    memcpy(at + strlen(mark) + after, value, size);
    return b;
}

static void refuse_patch(const char *mark, size_t after, uint64_t value, size_t size, nce_status status,
                         const char *words)
{
    const bytes b = patched(mark, after, &value, size);
    refuse(b, status, words);
    nce_free(ctx, b.data);
}

Test(gguf, faults_in_metadata)
{
    refuse_patch("v.u8", 0, 13, 4, NCE_ERR_FORMAT, "key 'v.u8': value type 13 is unknown");
    refuse_patch("v.bool", 4, 2, 1, NCE_ERR_FORMAT, "key 'v.bool': bool has value 2");
    refuse_patch("a.bool", 17, 9, 1, NCE_ERR_FORMAT, "key 'a.bool': bool has value 9");
    refuse_patch("a.i16", 4, 9, 4, NCE_ERR_FORMAT, "key 'a.i16': arrays of arrays");
    refuse_patch("a.i16", 4, 99, 4, NCE_ERR_FORMAT, "key 'a.i16': element type 99");
    refuse_patch("a.i16", 8, UINT64_MAX, 8, NCE_ERR_FORMAT, "key 'a.i16': 18446744073709551615 values of type i16");
    refuse_patch("a.i16", 8, 1ull << 63, 8, NCE_ERR_FORMAT, "values of type i16");
    refuse_patch("a.string", 8, 1ull << 62, 8, NCE_ERR_FORMAT, "key 'a.string'");
    refuse_patch("a.string", 16, UINT64_MAX - 7, 8, NCE_ERR_FORMAT, "key 'a.string'");
    refuse_patch("v.u8", -1, 1, 1, NCE_ERR_FORMAT, "not printable");
}

Test(gguf, duplicate_keys_and_tensors)
{
    refuse_patch("v.u64", -2, '3' | '2' << 8, 2, NCE_ERR_FORMAT, "key 'v.u32': appears twice");
    nce_gguf_writer *w;
    const uint64_t ne = 1;
    cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 0, &w), NCE_OK);
    nce_gguf_put_tensor(w, str("tensor.a"), NCE_TYPE_F32, 1, &ne);
    nce_gguf_put_tensor(w, str("tensor.b"), NCE_TYPE_F32, 1, &ne);
    nce_gguf_writer_begin(w);
    nce_gguf_write(w, &(float){1}, 4);
    nce_gguf_write(w, &(float){1}, 4);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK);
    const bytes b = take(w);
    uint8_t *at = memmem(b.data, b.size, "tensor.b", 8);
    at[7] = 'a';
    refuse(b, NCE_ERR_FORMAT, "tensor 'tensor.a': appears twice");
    nce_free(ctx, b.data);
}

Test(gguf, faults_in_tensors)
{
    /* after the name: n_dims u32, ne u64 x 2, type u32, offset u64 */
    refuse_patch("t.f32", 0, 0, 4, NCE_ERR_FORMAT, "tensor 't.f32': 0 dimensions, must be 1..4");
    refuse_patch("t.f32", 0, 5, 4, NCE_ERR_FORMAT, "5 dimensions");
    refuse_patch("t.f32", 4, 0, 8, NCE_ERR_FORMAT, "dimension 0 is 0");
    refuse_patch("t.f32", 4, 1ull << 63, 8, NCE_ERR_FORMAT, "overflow");
    refuse_patch("t.f32", 12, 1ull << 61, 8, NCE_ERR_FORMAT, "overflow");
    refuse_patch("t.f32", 12, 1ull << 50, 8, NCE_ERR_FORMAT, "truncated");
    refuse_patch("t.f32", 20, 4, 4, NCE_ERR_UNSUPPORTED, "type 4 (Q4_2) was removed");
    refuse_patch("t.f32", 20, 5, 4, NCE_ERR_UNSUPPORTED, "type 5 (Q4_3)");
    refuse_patch("t.f32", 20, 31, 4, NCE_ERR_UNSUPPORTED, "type 31 (Q4_0_4_4)");
    refuse_patch("t.f32", 20, 36, 4, NCE_ERR_UNSUPPORTED, "type 36 (IQ4_NL_4_4)");
    refuse_patch("t.f32", 20, 38, 4, NCE_ERR_UNSUPPORTED, "type 38 (IQ4_NL_8_8)");
    refuse_patch("t.f32", 20, 43, 4, NCE_ERR_UNSUPPORTED, "type 43 is unknown");
    refuse_patch("t.f32", 20, UINT32_MAX, 4, NCE_ERR_UNSUPPORTED, "type 4294967295 is unknown");
    refuse_patch("t.f32", 20, 8, 4, NCE_ERR_FORMAT, "rows of 8 elements are not whole blocks of 32 (q8_0)");
    refuse_patch("t.f32", 24, 8, 8, NCE_ERR_FORMAT, "offset 8 is not a multiple of the alignment 32");
    refuse_patch("t.f32", 24, UINT64_MAX - 31, 8, NCE_ERR_FORMAT, "truncated");
    refuse_patch("t.f32", 24, 32, 8, NCE_ERR_FORMAT, "overlap tensor 't.q8'");
    refuse_patch("t.q8", 16, 64, 8, NCE_ERR_FORMAT, "tensor 't.f32': bytes");
}

Test(gguf, alignment)
{
    static const struct {
        uint32_t alignment;
        const char *words;
    } cases[] = {{0, "0 is outside 8..1048576"},
                 {4, "4 is outside"},
                 {24, "24 is not a power of two"},
                 {1u << 21, "2097152 is outside"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nce_gguf_writer *w;
        cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 0, &w), NCE_OK);
        nce_gguf_put_u32(w, "general.alignment", cases[i].alignment);
        cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK);
        const bytes b = take(w);
        refuse(b, NCE_ERR_FORMAT, cases[i].words);
        nce_free(ctx, b.data);
    }
    for (uint32_t alignment = 8; alignment <= 8192; alignment *= 32) {
        nce_gguf_writer *w;
        cr_assert_eq(nce_gguf_writer_create(ctx, NULL, alignment, &w), NCE_OK);
        cr_assert_eq(write_sample(w), NCE_OK);
        const bytes b = take(w);
        nce_gguf *g = open_bytes(b);
        check_tensors(g);
        cr_assert_eq(nce_gguf_tensor_at(g, 1)->offset % alignment, 0);
        nce_gguf_close(g);
        nce_free(ctx, b.data);
    }
}

/* ---- type numbers that two programs use ---- */

static bytes one_tensor(const char *architecture, uint32_t type, uint64_t elements, size_t room)
{
    nce_gguf_writer *w;
    cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 0, &w), NCE_OK);
    nce_gguf_put_text(w, "general.architecture", architecture);
    nce_gguf_put_tensor(w, str("x.weight"), NCE_TYPE_I8, 1, (uint64_t[]){room});
    nce_gguf_writer_begin(w);
    uint8_t *data = calloc(1, room);
    nce_gguf_write(w, data, room);
    free(data);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK);
    const bytes b = take(w);
    uint8_t *at = (uint8_t *)memmem(b.data, b.size, "x.weight", 8) + 8;
    memcpy(at + 4, &elements, 8);
    memcpy(at + 12, &type, 4);
    return b;
}

Test(gguf, numbers_of_bitnet_types)
{
    bytes b = one_tensor("bitnet-25", 36, 1024, 1024 / 4 + 32);
    nce_gguf *g = open_bytes(b);
    cr_assert_eq(nce_gguf_tensor_at(g, 0)->type, NCE_TYPE_I2_S);
    cr_assert_eq(nce_gguf_tensor_at(g, 0)->bytes, 1024 / 4 + 32);
    nce_gguf_close(g);
    nce_free(ctx, b.data);
    b = one_tensor("bitnet-25", 36, 1024, 1024);
    refuse(b, NCE_ERR_UNSUPPORTED, "another program's type");
    nce_free(ctx, b.data);
    b = one_tensor("llama", 36, 1024, 1024 / 4 + 32);
    refuse(b, NCE_ERR_UNSUPPORTED, "IQ4_NL_4_4");
    nce_free(ctx, b.data);
    b = one_tensor("bitnet-25", 39, 1024, 1024 / 32 * 17 + 300); /* TL2 has another size than MXFP4 */
    refuse(b, NCE_ERR_UNSUPPORTED, "another program's type");
    nce_free(ctx, b.data);
}

/* ---- memory ---- */

Test(gguf, failing_allocations)
{
    const bytes b = sample();
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        nce_gguf *g = NULL;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) == NCE_OK) {
            const nce_status status = nce_gguf_open_memory(c, "sample", b.data, b.size, &g);
            cr_assert_eq(status, f.failed ? NCE_ERR_NOMEM : NCE_OK);
            nce_gguf_close(g);
            nce_context_destroy(c);
        }
        cr_assert_eq(f.live, 0, "request %ld leaks", n);
        if (!f.failed) break;
    }
    nce_free(ctx, b.data);
}

Test(gguf, memory_follows_the_file)
{
    /* 2^31 - 1 entries claimed: nothing is allocated for them */
    faulty_alloc f = {0};
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *c;
    nce_gguf *g;
    const uint8_t rest[64] = {0};
    o.allocator = faulty_allocator(&f);
    cr_assert_eq(nce_context_create(&o, &c), NCE_OK);
    const long before = f.requests;
    const bytes b = header(3, 0, INT32_MAX, rest, sizeof rest);
    cr_assert_eq(nce_gguf_open_memory(c, "bad", b.data, b.size, &g), NCE_ERR_FORMAT);
    cr_assert_leq(f.requests - before, 2, "the object and its name");
    nce_context_destroy(c);
    nce_free(ctx, b.data);
}
