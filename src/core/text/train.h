/* Inside of training: the words of the texts with their counts, and the merges learned from them. */
#ifndef NCE_SRC_TEXT_TRAIN_H
#define NCE_SRC_TEXT_TRAIN_H
#include "src/core/text/tokenizer.h"

/* Unique words; text points into the caller's texts. */
typedef struct nce_counted_word {
    const char *text;
    uint64_t hash, count;
    size_t n;
} nce_counted_word;

typedef struct nce_word_table {
    nce_counted_word *words;
    uint32_t *slots; /* index + 1 of a word, 0: free; at most half full */
    size_t n, capacity, slots_mask;
} nce_word_table;

void nce_word_table_destroy(nce_context *ctx, nce_word_table *table);

/* Count the words of texts by the rule, without the special tokens of cutter, on n_threads threads.  The table holds
 * the same words and counts for any number of threads, in an order that may differ. */
nce_status nce_count_words(nce_context *ctx, const nce_tokenizer *cutter, const nce_split_rule *rule,
                           const nce_text *texts, size_t n_texts, uint32_t n_threads, nce_word_table *table);

/* Learn merges until t, which holds the 256 bytes, has n_tokens symbols or no pair occurs min_count times.  Fills
 * t->merges and t->pairs. */
nce_status nce_learn_merges(nce_tokenizer *t, const nce_word_table *table, size_t n_tokens, uint64_t min_count,
                            nce_progress_fn *progress, void *progress_user);

#endif
