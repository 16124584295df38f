/* A vocabulary that behaves like a trained SentencePiece one: every longer piece is two shorter ones side by side, with a
 * score that falls with its number, so merging finds it.  Pieces are drawn from a fixed stream, so that equal sizes give
 * equal vocabularies whatever the seed of the weights. */
#include "src/core/gguf/random_blocks.h"
#include "src/core/gguf/synth.h"
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* Token types of GGUF. */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };
enum { FIRST_BYTE = 3, MAX_PIECE = 24, KEY = 20260101 };

#define SPACE "\xe2\x96\x81" /* U+2581, SentencePiece's blank */

typedef struct vocabulary {
    char (*text)[MAX_PIECE];
    nce_str *pieces;
    float *scores;
    int32_t *types;
    uint32_t *slots; /* 1 + piece, by hash: which texts exist */
    size_t mask;
    uint32_t n;
    uint32_t *letters; /* pieces that may grow: letters, with or without a blank in front */
    uint32_t n_letters;
} vocabulary;

/* false: the text is there already. */
static bool add(vocabulary *v, const char *text, size_t size, int32_t type)
{
    size_t at = (size_t)XXH3_64bits(text, size) & v->mask;
    for (; v->slots[at] != 0; at = (at + 1) & v->mask) {
        const nce_str *s = &v->pieces[v->slots[at] - 1];
        if (s->size == size && memcmp(s->data, text, size) == 0) return false;
    }
    const uint32_t i = v->n++;
    v->slots[at] = v->n;
    memcpy(v->text[i], text, size);
    v->pieces[i] = (nce_str){v->text[i], size};
    v->types[i] = type;
    v->scores[i] = type == TYPE_NORMAL ? -(float)(i - FIRST_BYTE - 256) : 0.0f;
    return true;
}

static void add_fixed(vocabulary *v)
{
    char text[8];
    add(v, "<unk>", 5, TYPE_UNKNOWN);
    add(v, "<s>", 3, TYPE_CONTROL);
    add(v, "</s>", 4, TYPE_CONTROL);
    for (unsigned byte = 0; byte < 256; byte++)
        add(v, text, (size_t)snprintf(text, sizeof text, "<0x%02X>", byte), TYPE_BYTE);
    v->letters[v->n_letters++] = v->n;
    add(v, SPACE, 3, TYPE_NORMAL);
    for (char c = '!'; c <= '~'; c++) {
        if (c >= 'a' && c <= 'z') v->letters[v->n_letters++] = v->n;
        add(v, &c, 1, TYPE_NORMAL);
    }
}

static bool is_vowel(char c)
{
    return strchr("aeiou", c) != NULL;
}

/* Early pieces are chosen more often, as frequent ones are in a trained vocabulary. */
static uint32_t draw(const vocabulary *v, uint64_t word)
{
    const uint64_t half = (word & 0xffff) * (word >> 16 & 0xffff) >> 16; /* 0..65534, low ones more likely */
    return v->letters[half * v->n_letters >> 16];
}

static void add_pieces(vocabulary *v, uint32_t n_vocab)
{
    for (uint64_t counter = 0; v->n < n_vocab; counter++) {
        const uint64_t word = nce_mix_bits(KEY, counter);
        const nce_str a = v->pieces[draw(v, word)], b = v->pieces[draw(v, word >> 32)];
        char text[MAX_PIECE];
        if (a.size + b.size > sizeof text || memcmp(b.data, SPACE, 1) == 0) continue;
        const bool blank = a.data[a.size - 1] == SPACE[2];
        if (!blank && is_vowel(a.data[a.size - 1]) == is_vowel(b.data[0])) continue; /* pronounceable, more or less */
        memcpy(text, a.data, a.size);
        memcpy(text + a.size, b.data, b.size);
        const uint32_t i = v->n;
        if (add(v, text, a.size + b.size, TYPE_NORMAL)) v->letters[v->n_letters++] = i;
    }
}

static void put(const vocabulary *v, nce_gguf_writer *w)
{
    nce_gguf_put_text(w, "tokenizer.ggml.model", "llama");
    nce_gguf_put_text(w, "tokenizer.ggml.pre", "default");
    nce_gguf_put_strings(w, "tokenizer.ggml.tokens", v->pieces, v->n);
    nce_gguf_put_array(w, "tokenizer.ggml.scores", NCE_GGUF_F32, v->scores, v->n);
    nce_gguf_put_array(w, "tokenizer.ggml.token_type", NCE_GGUF_I32, v->types, v->n);
    nce_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
    nce_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2);
    nce_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    nce_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true);
    nce_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false);
}

nce_status nce_synth_put_vocabulary(nce_context *ctx, nce_gguf_writer *w, uint32_t n_vocab)
{
    size_t n_slots = 1;
    while (n_slots < 2 * (size_t)n_vocab)
        n_slots *= 2;
    vocabulary v = {.text = nce_alloc_array(ctx, n_vocab, sizeof *v.text),
                    .pieces = nce_alloc_array(ctx, n_vocab, sizeof *v.pieces),
                    .scores = nce_alloc_array(ctx, n_vocab, sizeof *v.scores),
                    .types = nce_alloc_array(ctx, n_vocab, sizeof *v.types),
                    .letters = nce_alloc_array(ctx, n_vocab, sizeof *v.letters),
                    .slots = nce_alloc_array(ctx, n_slots, sizeof *v.slots),
                    .mask = n_slots - 1};
    nce_status status = NCE_OK;
    if (v.text == NULL || v.pieces == NULL || v.scores == NULL || v.types == NULL || v.letters == NULL ||
        v.slots == NULL) {
        status = nce_fail_nomem(ctx, n_vocab * sizeof *v.text);
    } else {
        add_fixed(&v);
        add_pieces(&v, n_vocab);
        put(&v, w);
    }
    nce_free(ctx, v.text);
    nce_free(ctx, v.pieces);
    nce_free(ctx, v.scores);
    nce_free(ctx, v.types);
    nce_free(ctx, v.letters);
    nce_free(ctx, v.slots);
    return status;
}
