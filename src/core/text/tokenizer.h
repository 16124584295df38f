/* Inside of a tokenizer: the vocabulary and the steps of encoding.
 *
 * A symbol is what merges produce: the tokens, and behind them byte strings that only occur on the way to a token.
 * Symbol text is kept as rendered bytes in one arena: byte-level text is decoded, U+2581 is a space, so that words of
 * the input are looked up as they are. */
#ifndef NCE_SRC_TEXT_TOKENIZER_H
#define NCE_SRC_TEXT_TOKENIZER_H
#include "nce/tokenizer.h"
#include "src/core/gguf/gguf.h"
#include "src/core/runtime/context.h"
#include "src/core/text/splitter.h"

enum { NCE_MAX_TOKENS = 1 << 24, NCE_MAX_PIECE = 65535 };

typedef enum nce_tokenizer_kind {
    NCE_TOKENIZER_SPM,  /* SentencePiece BPE: pieces ranked by score */
    NCE_TOKENIZER_BPE,  /* byte-level BPE */
    NCE_TOKENIZER_CBPE, /* character BPE with byte fallback */
    NCE_TOKENIZER_WPM,
    NCE_TOKENIZER_UGM,
    NCE_TOKENIZER_RWKV
} nce_tokenizer_kind;

enum {                            /* attributes beyond the public ones */
       NCE_TOKEN_RSTRIP = 1 << 8, /* eats the white space behind it, or before it */
       NCE_TOKEN_LSTRIP = 1 << 9,
       NCE_TOKEN_NOT_TEXT = NCE_TOKEN_CONTROL | NCE_TOKEN_UNKNOWN | NCE_TOKEN_UNUSED | NCE_TOKEN_BYTE
};

typedef struct nce_symbol {
    uint32_t offset, length;
} nce_symbol;

/* Strings to symbols, and pairs of symbols to what they merge into: open addressing, at most half full. */
typedef struct nce_string_slot {
    uint32_t hash, id_plus_1;
} nce_string_slot;
typedef struct nce_pair_slot {
    uint32_t left, right, rank, merged;
} nce_pair_slot;

/* Up to 15 bytes of text, zero-padded, and their number: copied or compared as two integers. */
enum { NCE_SHORT_TEXT = 15, NCE_NOT_SHORT = 255 };
typedef union nce_short_text {
    struct {
        char bytes[NCE_SHORT_TEXT];
        uint8_t length; /* NCE_NOT_SHORT: the text is longer, or needs a closer look */
    };
    uint64_t key[2];
} nce_short_text;
_Static_assert(sizeof(nce_short_text) == 16, "two integers");
static inline bool nce_short_text_equal(const nce_short_text *a, const nce_short_text *b)
{
    return ((a->key[0] ^ b->key[0]) | (a->key[1] ^ b->key[1])) == 0;
}

/* Tokens in byte order, for longest-prefix matching: see prefix.c. */
typedef struct nce_prefix_index {
    uint32_t *ids;
    size_t n;
    uint32_t first[257]; /* ids[first[b] .. first[b + 1]) begin with byte b */
} nce_prefix_index;

/* The normalizer of a unigram vocabulary: see charsmap.c. */
typedef struct nce_charsmap {
    uint8_t *blob;
    size_t blob_bytes;
    size_t n_units;            /* 32-bit little-endian units of the trie, at blob + 4 */
    size_t strings, n_strings; /* offset and size of the replacement strings */
} nce_charsmap;

/* Words and their tokens, and the place where a tokenizer keeps such a memory from call to call: see words.c. */
typedef struct nce_word_memory nce_word_memory;
typedef struct nce_word_shelf {
    _Atomic(nce_word_memory *) memory;
} nce_word_shelf;

struct nce_tokenizer {
    nce_context *ctx;
    nce_tokenizer_kind kind;
    size_t n_tokens, n_symbols, symbols_capacity;
    nce_symbol *symbols;
    uint16_t *attributes; /* [n_symbols] */
    float *scores;        /* [n_symbols] */
    char *arena;
    size_t arena_bytes, arena_capacity;
    nce_string_slot *strings;
    size_t strings_mask;
    nce_pair_slot *pairs;
    uint8_t *pair_tags; /* [pairs_mask + 1] 0: free */
    size_t pairs_mask, n_merges;
    nce_short_text *pieces; /* [n_tokens] what decoding the token gives, whatever the flags and its place */
    nce_word_shelf *shelf;
    atomic_uchar
        *whole;     /* [n_tokens] does the token's text encode to the token alone?  0: not known yet, 1: yes, 2: no */
    uint8_t *joins; /* [256][256] bits: does some symbol hold this byte before that one?  If not, text may be cut */
    int32_t byte_ids[256];
    nce_prefix_index specials; /* control, unknown and user-defined tokens */
    nce_prefix_index prefixes; /* of WPM, UGM and RWKV: every token that text may become */
    nce_charsmap charsmap;
    const nce_split_name *split;
    uint32_t split_flags;
    size_t max_piece;
    int32_t bos, eos, eot, eom, unk, sep, pad, mask;
    bool add_bos, add_eos, add_sep, add_space_prefix, remove_extra_spaces, lower_case, strip_accents;
    float unknown_score;
    /* of a trained tokenizer, to save it */
    uint32_t *merges; /* [n_merges][2] */
    size_t n_trained_merges;
};

/* ---- building (vocab.c) ---- */
nce_status nce_vocab_create(nce_context *ctx, nce_tokenizer_kind kind, nce_tokenizer **out);
/* Append a symbol; its id is n_symbols - 1.  The first n_tokens of them are tokens. */
nce_status nce_vocab_add(nce_tokenizer *t, const char *bytes, size_t n, uint32_t attributes, float score);
/* Build the string index of all symbols so far.  Plain tokens win over control tokens of the same text, then lower ids.
 */
nce_status nce_vocab_index(nce_tokenizer *t);
/* Add one more symbol to index and table. */
nce_status nce_vocab_add_indexed(nce_tokenizer *t, const char *bytes, size_t n, uint32_t *id);
int64_t nce_vocab_find(const nce_tokenizer *t, const char *bytes, size_t n); /* symbol, or -1 */
/* Of the finished vocabulary: the token, or -1; tokens that are no text may be missed.  hash is what prefetch gave. */
int64_t nce_vocab_find_short(const nce_tokenizer *t, const nce_short_text *text, uint64_t hash);
uint64_t nce_vocab_prefetch_short(const nce_tokenizer *t, const nce_short_text *text);
nce_status nce_vocab_reserve_pairs(nce_tokenizer *t, size_t n_merges);
void nce_vocab_put_pair(nce_tokenizer *t, uint32_t left, uint32_t right, uint32_t rank, uint32_t merged);
const nce_pair_slot *nce_vocab_find_pair(const nce_tokenizer *t, uint32_t left, uint32_t right); /* NULL: no merge */
void nce_vocab_prefetch_pair(const nce_tokenizer *t, uint32_t left, uint32_t right);
int64_t nce_vocab_find_hashed(const nce_tokenizer *t, const char *bytes, size_t n, uint64_t hash);
/* Derive what depends on the finished symbols: byte_ids, joins, whole, pieces, specials, prefixes, max_piece. */
nce_status nce_vocab_finish(nce_tokenizer *t);

static inline const char *nce_symbol_text(const nce_tokenizer *t, size_t id)
{
    return t->arena + t->symbols[id].offset;
}

/* ---- GGUF (load.c, load_special.c) ---- */
/* The tokenizer of an open file; g is not needed afterwards.  out NULL on failure. */
nce_status nce_tokenizer_load(nce_context *ctx, const nce_gguf *g, nce_tokenizer **out);
nce_status nce_load_special(nce_tokenizer *t, const nce_gguf *g);

/* ---- longest prefixes (prefix.c) ---- */
/* Index the symbols accepted by keep, of 1 to NCE_MAX_PIECE bytes. */
nce_status nce_prefix_build(nce_tokenizer *t, nce_prefix_index *index, bool (*keep)(const nce_tokenizer *t, size_t id));
void nce_prefix_destroy(nce_context *ctx, nce_prefix_index *index);
typedef struct nce_prefix_walk {
    size_t low, high, depth;
} nce_prefix_walk;
void nce_prefix_start(const nce_prefix_index *index, nce_prefix_walk *w);
/* One byte further; false when no token goes on like this.  *id is the token that ends here, or -1. */
bool nce_prefix_step(const nce_tokenizer *t, const nce_prefix_index *index, nce_prefix_walk *w, uint8_t byte,
                     int64_t *id);

/* ---- the byte alphabet of GPT-2 (bytes.c): every byte a printable character ---- */
uint32_t nce_byte_to_char(uint8_t byte);
/* Text in the alphabet to bytes; out holds n bytes.  false if a character is not of the alphabet. */
bool nce_bytes_from_chars(const char *text, size_t n, char *out, size_t *n_out);

/* ---- encoding ---- */
/* Where tokens go: counted beyond capacity, stored below. */
typedef struct nce_token_sink {
    int32_t *tokens;
    size_t capacity, count;
} nce_token_sink;
static inline void nce_sink_put(nce_token_sink *s, int32_t id)
{
    if (s->count < s->capacity) s->tokens[s->count] = id;
    s->count++;
}

/* The words of a text come in batches: they are adjacent, so their ends say it all. */
enum { NCE_WORD_BATCH = 32 };
typedef struct nce_word_batch {
    const char *text;
    size_t begin, n; /* of the first word; number of words */
    size_t ends[NCE_WORD_BATCH];
} nce_word_batch;

/* State of one encode call. */
typedef struct nce_encoder {
    const nce_tokenizer *t;
    nce_token_sink *sink;
    nce_word_memory *words; /* NULL: none */
    const char *limit;      /* end of the memory that words lie in */
    char *buffer;           /* normalized text of the present fragment */
    size_t buffer_capacity;
} nce_encoder;

/* First special token of text at or after from, without those that have a refused attribute; *at is n if there is none. */
int64_t nce_next_special(const nce_tokenizer *t, const char *text, size_t n, size_t from, uint32_t refused, size_t *at);
nce_status nce_encode_bpe(nce_encoder *e, const char *text, size_t n);
nce_status nce_encode_spm(nce_encoder *e, const char *text, size_t n, bool space_prefix);
nce_status nce_encode_wpm(nce_encoder *e, const char *text, size_t n);
nce_status nce_encode_ugm(nce_encoder *e, const char *text, size_t n);
nce_status nce_encode_rwkv(nce_encoder *e, const char *text, size_t n);
/* Words by merging (words.c): remembered word, whole token, or merge. */
nce_status nce_encode_words(nce_encoder *e, const nce_word_batch *batch);
/* The memory of words for a text of n_bytes, the kept one if there is one; NULL if it would not pay or there is no room.
 * Put it back afterwards. */
nce_word_memory *nce_words_take(const nce_tokenizer *t, size_t n_bytes);
void nce_words_put_back(const nce_tokenizer *t, nce_word_memory *words);
/* Merge symbols until no pair merges any more (merge.c). */
nce_status nce_merge_word(const nce_tokenizer *t, const char *word, size_t n, nce_token_sink *sink);
/* Bytes that no token covers: byte tokens, else unk once. */
void nce_put_bytes(const nce_tokenizer *t, nce_token_sink *sink, const char *bytes, size_t n);
nce_status nce_encoder_reserve(nce_encoder *e, size_t bytes);

/* ---- normalizer (charsmap.c) ---- */
nce_status nce_charsmap_load(nce_tokenizer *t, const nce_gguf *g);
/* Replacement of the text at s; returns how many bytes of s it stands for (at least 1). */
size_t nce_charsmap_next(const nce_charsmap *m, const char *s, size_t n, const char **out, size_t *n_out);

#endif
