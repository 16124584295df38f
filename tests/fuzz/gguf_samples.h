/* Small GGUF files made with the writer, which between them use every feature of the format: the starting points of the
 * mutation test and the seeds of the fuzzer. */
#ifndef NCE_TESTS_GGUF_SAMPLES_H
#define NCE_TESTS_GGUF_SAMPLES_H
#include "src/core/gguf/writer.h"
#include <stdio.h>
#include <string.h>

enum { GGUF_SAMPLES = 5 };

typedef struct gguf_sample {
    void *data; /* nce_free */
    size_t size;
} gguf_sample;

static inline nce_str gguf_sample_str(const char *text)
{
    return (nce_str){text, strlen(text)};
}

static inline void gguf_sample_values(nce_gguf_writer *w)
{
    const uint8_t bytes[8] = {1, 0, 1, 0, 0, 0, 0, 0};
    const nce_str words[] = {{"", 0}, {"token", 5}, {"\xe2\x96\x81the", 6}, {"\xff", 1}};
    char key[16] = "value.a";
    for (int type = NCE_GGUF_U8; type <= NCE_GGUF_F64; type++) {
        if (type == NCE_GGUF_STRING || type == NCE_GGUF_ARRAY) continue;
        key[6] = (char)('a' + type);
        nce_gguf_put_value(w, key, (nce_gguf_value_type)type, bytes);
        key[6] = (char)('A' + type);
        nce_gguf_put_array(w, key, (nce_gguf_value_type)type, bytes, 1);
    }
    nce_gguf_put_strings(w, "words", words, 4);
}

static inline void gguf_sample_model(nce_gguf_writer *w, const char *architecture)
{
    nce_gguf_put_text(w, "general.architecture", architecture);
    nce_gguf_put_text(w, "general.name", "sample");
    nce_gguf_put_u32(w, "llama.block_count", 1);
    nce_gguf_put_f32(w, "llama.rope.freq_base", 10000.0f);
    nce_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true);
}

static inline void gguf_sample_tensors(nce_gguf_writer *w, const nce_type *types, size_t n)
{
    uint8_t row[512] = {0};
    char name[32] = "blk.0.a.weight";
    const uint64_t ne[] = {256, 1, 1};
    for (size_t i = 0; i < n; i++) {
        name[6] = (char)('a' + i);
        nce_gguf_put_tensor(w, gguf_sample_str(name), types[i], 1 + (uint32_t)(i % 3), ne);
    }
    nce_gguf_writer_begin(w);
    for (size_t i = 0; i < n; i++)
        nce_gguf_write(w, row, nce_type_row_bytes(types[i], 256) + (types[i] == NCE_TYPE_I2_S ? 32 : 0));
}

/* Sample number i; data NULL if something failed. */
static inline gguf_sample gguf_sample_make(nce_context *ctx, int i)
{
    static const nce_type common[] = {NCE_TYPE_F16, NCE_TYPE_Q8_0, NCE_TYPE_Q4_K, NCE_TYPE_Q6_K, NCE_TYPE_BF16};
    static const nce_type rare[] = {NCE_TYPE_TQ2_0, NCE_TYPE_MXFP4, NCE_TYPE_IQ2_XXS};
    static const nce_type bitnet[] = {NCE_TYPE_I2_S, NCE_TYPE_Q6_K};
    gguf_sample s = {0};
    nce_gguf_writer *w;
    if (nce_gguf_writer_create(ctx, NULL, i == 2 ? 8 : 0, &w) != NCE_OK) return s;
    if (i == 0) gguf_sample_values(w);
    if (i > 0 && i < 4) gguf_sample_model(w, i == 3 ? "bitnet-b1.58" : "llama");
    if (i == 1) gguf_sample_tensors(w, common, 5);
    if (i == 2) gguf_sample_tensors(w, rare, 3);
    if (i == 3) gguf_sample_tensors(w, bitnet, 2);
    if (nce_gguf_writer_finish(w) == NCE_OK) nce_gguf_writer_take(w, &s.data, &s.size);
    if (i == 4 && s.data != NULL) ((uint8_t *)s.data)[4] = 2; /* an empty file of version 2 */
    nce_gguf_writer_destroy(w);
    return s;
}

/* Read everything an open file offers, as a model loader would. */
static inline void gguf_sample_read_all(const nce_gguf *g)
{
    uint64_t sum = 0, u;
    float f;
    bool b;
    nce_str s;
    for (size_t i = 0; i < nce_gguf_n_kv(g); i++) {
        const nce_gguf_kv *kv = nce_gguf_kv_at(g, i);
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)(kv->key.size < 63 ? kv->key.size : 63), kv->key.data);
        if (nce_gguf_u64(g, key, 0, 1000, &u) == NCE_OK) sum += u;
        if (nce_gguf_f32(g, key, -1, 1e6f, &f) == NCE_OK) sum += f > 0;
        if (nce_gguf_bool(g, key, &b) == NCE_OK) sum += b;
        if (nce_gguf_string(g, key, &s) == NCE_OK && s.size > 0) sum += (uint8_t)s.data[s.size - 1];
        const uint8_t *cursor = kv->data;
        for (uint64_t k = 0; kv->type == NCE_GGUF_ARRAY && k < kv->count; k++) {
            if (kv->element_type == NCE_GGUF_STRING) {
                s = nce_gguf_next_string(&cursor);
                sum += s.size > 0 ? (uint8_t)s.data[s.size - 1] : 0;
            } else if (kv->element_type == NCE_GGUF_F32 || kv->element_type == NCE_GGUF_F64) {
                sum += nce_gguf_element_f32(kv, k) > 0;
            } else {
                sum += (uint64_t)nce_gguf_element_i64(kv, k);
            }
        }
    }
    for (size_t i = 0; i < nce_gguf_n_tensors(g); i++) {
        const nce_gguf_tensor *t = nce_gguf_tensor_at(g, i);
        sum += t->data[0] + t->data[t->bytes - 1];
    }
    __asm__ volatile("" : : "r"(sum)); /* keeps the reads from being optimised away */
}

#endif
