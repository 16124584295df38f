/* Tokenizers: text to token ids and back.
 *
 * A tokenizer is the vocabulary of a GGUF file with its rules: SentencePiece BPE with byte fallback ("llama"), byte-level
 * BPE ("gpt2", Sennrich et al. 2016, Radford et al. 2019), character BPE ("gemma4"), WordPiece ("bert", Schuster and
 * Nakajima 2012), unigram ("t5", Kudo 2018) and RWKV's longest match ("rwkv").  It is immutable: any number of threads may
 * use one at the same time.  Text is UTF-8; ill-formed bytes are tokenized as bytes where the vocabulary has them.  Token
 * ids are 0 .. nce_tokenizer_n_tokens - 1. */
#ifndef NCE_TOKENIZER_H
#define NCE_TOKENIZER_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_tokenizer nce_tokenizer;

/* Flags of nce_tokenizer_encode.
 *
 * BOS       add the tokens the model wants around a text, as its metadata says: BOS in front, EOS or SEP behind.
 * SPECIAL   control tokens written in the text ("<|eot_id|>") become those tokens: for trusted text only.
 * CONTINUE  the text continues an earlier one: no space is put in front (SentencePiece). */
enum { NCE_ENCODE_BOS = 1, NCE_ENCODE_SPECIAL = 2, NCE_ENCODE_CONTINUE = 4 };

/* Flags of nce_tokenizer_decode, nce_tokenizer_piece and nce_text_stream_create. */
enum {
    NCE_DECODE_SPECIAL = 1, /* write control tokens as their text instead of leaving them out */
    NCE_DECODE_CONTINUE = 2 /* the tokens continue a text: keep the space that encode puts in front of the first word */
};

/* Attributes of a token; a token may have several. */
enum {
    NCE_TOKEN_CONTROL = 1,      /* marks structure, not text: BOS, EOS, turn marks */
    NCE_TOKEN_USER_DEFINED = 2, /* matched in the text before anything else */
    NCE_TOKEN_BYTE = 4,         /* one byte, "<0x0A>" */
    NCE_TOKEN_UNKNOWN = 8,
    NCE_TOKEN_UNUSED = 16,
    NCE_TOKEN_EOG = 32 /* ends a generation: end of text, turn or message */
};

/* Open the vocabulary of a GGUF file, which may lack weights.
 *
 * path  the file, UTF-8.     out  owned by the caller: nce_tokenizer_destroy; NULL on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument); NCE_ERR_NOTFOUND or NCE_ERR_IO (file); NCE_ERR_FORMAT (not GGUF, no
 *         vocabulary, inconsistent arrays); NCE_ERR_UNSUPPORTED (a tokenizer or pre-tokenizer this version does not know,
 *         named in the message); NCE_ERR_LIMIT (a token over 65,535 bytes, over 2^24 tokens); NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_tokenizer_open(nce_context *ctx, const char *path, nce_tokenizer **out);

/* Destroy a tokenizer made by nce_tokenizer_open or nce_tokenizer_train (a model's own belongs to the model).  NULL is
 * allowed.  Since 0.1. */
NCE_API void nce_tokenizer_destroy(nce_tokenizer *t);

/* Text to tokens.
 *
 * text      [n_bytes] UTF-8, any bytes; may be NULL when n_bytes is 0; at most 2^31 - 1 bytes.
 * flags     NCE_ENCODE_*.
 * tokens    [capacity] written from the start; may be NULL when capacity is 0.
 * n_tokens  receives the number of tokens of the text, also when capacity is smaller.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument, unknown flag); NCE_ERR_LIMIT (capacity too small: *n_tokens says how many
 *         are needed, the first capacity tokens are written; or text too long: *n_tokens is 0); NCE_ERR_NOMEM.
 * 2 * n_bytes + 4 is room enough but for unigram vocabularies, whose normalizer may lengthen a text.  Time O(n log n) at
 * worst and about 32 bytes of memory per byte of the longest word, whatever the text; up to 2 MiB, words of texts of 2 KiB
 * and more, stay with the tokenizer for the next call.  Threads: any.  Since 0.1. */
NCE_API nce_status nce_tokenizer_encode(const nce_tokenizer *t, const char *text, size_t n_bytes, uint32_t flags,
                                        int32_t *tokens, size_t capacity, size_t *n_tokens);

/* Tokens to text: the bytes the tokens stand for, which may be ill-formed UTF-8 if a model made them (nce_text_stream
 * repairs that).
 *
 * tokens   [n_tokens].   flags  NCE_DECODE_*.
 * text     [capacity], not terminated; may be NULL when capacity is 0.
 * n_bytes  receives the number of bytes, also when capacity is smaller.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument, unknown flag, an id outside the vocabulary); NCE_ERR_LIMIT (capacity too
 *         small: *n_bytes says how many are needed, the first capacity bytes are written).  Threads: any.  Since 0.1. */
NCE_API nce_status nce_tokenizer_decode(const nce_tokenizer *t, const int32_t *tokens, size_t n_tokens, uint32_t flags,
                                        char *text, size_t capacity, size_t *n_bytes);

/* The bytes one token stands for.  text points into the tokenizer and is not terminated.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument, id outside the vocabulary: *text NULL, *n_bytes 0).  Any thread.
 * Since 0.1. */
NCE_API nce_status nce_tokenizer_piece(const nce_tokenizer *t, int32_t token, uint32_t flags, const char **text,
                                       size_t *n_bytes);

/* The token whose text is exactly this (as nce_tokenizer_piece with NCE_DECODE_SPECIAL gives it), or -1.  Any thread.
 * Since 0.1. */
NCE_API int32_t nce_tokenizer_find(const nce_tokenizer *t, const char *text, size_t n_bytes);

/* Number of tokens, and the bytes of the longest.  0 for NULL.  Any thread.  Since 0.1. */
NCE_API size_t nce_tokenizer_n_tokens(const nce_tokenizer *t);
NCE_API size_t nce_tokenizer_max_piece(const nce_tokenizer *t);

/* Ids of well-known tokens, -1 if the vocabulary has none: beginning of text, end of text, end of turn, padding, unknown,
 * separator.  eot is the end-of-turn token of the metadata or a token of a well-known name.  Any thread.  Since 0.1. */
NCE_API int32_t nce_tokenizer_bos(const nce_tokenizer *t);
NCE_API int32_t nce_tokenizer_eos(const nce_tokenizer *t);
NCE_API int32_t nce_tokenizer_eot(const nce_tokenizer *t);
NCE_API int32_t nce_tokenizer_pad(const nce_tokenizer *t);
NCE_API int32_t nce_tokenizer_unk(const nce_tokenizer *t);
NCE_API int32_t nce_tokenizer_sep(const nce_tokenizer *t);

/* Whether NCE_ENCODE_BOS puts BOS in front, EOS behind.  Any thread.  Since 0.1. */
NCE_API bool nce_tokenizer_adds_bos(const nce_tokenizer *t);
NCE_API bool nce_tokenizer_adds_eos(const nce_tokenizer *t);

/* NCE_TOKEN_* bits of a token, 0 for plain text or an id outside the vocabulary; its score (log probability or merge
 * priority, 0 if the vocabulary has none).  Any thread.  Since 0.1. */
NCE_API uint32_t nce_tokenizer_attributes(const nce_tokenizer *t, int32_t token);
NCE_API float nce_tokenizer_score(const nce_tokenizer *t, int32_t token);
/* Does the token end a generation (NCE_TOKEN_EOG)?  Since 0.1. */
NCE_API bool nce_tokenizer_is_eog(const nce_tokenizer *t, int32_t token);

/* ---- streaming ---- */

/* Turns tokens into text as they come, holding back the bytes of an unfinished character. */
typedef struct nce_text_stream nce_text_stream;

/* Create a stream.  t must outlive it.  flags: NCE_DECODE_*.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument, unknown flag); NCE_ERR_NOMEM.  out is NULL on failure; the caller owns
 * it.  Threads: one at a time per stream.  Since 0.1. */
NCE_API nce_status nce_text_stream_create(const nce_tokenizer *t, uint32_t flags, nce_text_stream **out);
NCE_API void nce_text_stream_destroy(nce_text_stream *s); /* NULL is allowed */

/* Feed one token.  text receives the characters that are now complete, always well-formed UTF-8 (ill-formed bytes become
 * U+FFFD), terminated by a zero byte, valid until the next call on the stream; n_bytes may be 0.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument, id outside the vocabulary; the stream is unchanged).  Since 0.1. */
NCE_API nce_status nce_text_stream_feed(nce_text_stream *s, int32_t token, const char **text, size_t *n_bytes);

/* The end: what was held back comes out as U+FFFD; then the stream is as new.  Since 0.1. */
NCE_API nce_status nce_text_stream_flush(nce_text_stream *s, const char **text, size_t *n_bytes);

/* ---- training ---- */

/* A piece of text to learn from; borrowed until return. */
typedef struct nce_text {
    const char *data;
    size_t n_bytes;
} nce_text;

typedef struct nce_train_options {
    size_t struct_size;
    const char *split;          /* pre-tokenizer by its GGUF name: "llama-bpe", "gpt-2", ...; NULL: "llama-bpe" */
    const char *const *special; /* [n_special] control tokens, given the last ids in this order; cut out of the text */
    size_t n_special;
    nce_progress_fn *progress; /* of merges learned; may be NULL */
    void *progress_user;
    uint32_t n_tokens;  /* size of the vocabulary wanted: 256 bytes + merges + special; 0: 32,000 */
    uint32_t min_count; /* stop when the best pair occurs less often; 0: 2 */
    uint32_t n_threads; /* 0: the context's */
    uint32_t reserved;  /* 0 */
} nce_train_options;
#define NCE_TRAIN_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(nce_train_options), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                           \
    }

/* Learn a byte-level BPE vocabulary (Sennrich et al. 2016): count words, then merge the most frequent pair again and again.
 * Ties go to the pair with the smaller left, then right token id, so that the result depends on the texts alone and never
 * on the number of threads.  Token ids: the 256 bytes in GPT-2's order, the merges in the order learned, the special tokens.
 * The first special token becomes EOS and BOS.
 *
 * texts  [n_texts].   options  NULL for all defaults.   out  owned by the caller; NULL on failure.
 * Returns NCE_OK (with fewer tokens than wanted if the texts have no more pairs); NCE_ERR_INVALID (NULL argument, n_tokens
 *         below 256 + n_special, an empty special token, a character-level split); NCE_ERR_NOTFOUND (unknown split);
 *         NCE_ERR_LIMIT (over 2^24 tokens); NCE_ERR_CANCELLED; NCE_ERR_NOMEM.  Threads: any.  Since 0.1. */
NCE_API nce_status nce_tokenizer_train(nce_context *ctx, const nce_text *texts, size_t n_texts,
                                       const nce_train_options *options, nce_tokenizer **out);

/* Write a tokenizer made by nce_tokenizer_train as a GGUF vocabulary, or as tokenizer.json of Hugging Face's tokenizers.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument); NCE_ERR_STATE (not a trained tokenizer); NCE_ERR_IO (nothing usable is
 *         left at path); NCE_ERR_UNSUPPORTED (json: a split other than gpt-2's, llama-bpe's and qwen2's); NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_tokenizer_save_gguf(const nce_tokenizer *t, const char *path);
NCE_API nce_status nce_tokenizer_save_json(const nce_tokenizer *t, const char *path);

#ifdef __cplusplus
}
#endif
#endif
