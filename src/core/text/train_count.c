/* Counting words on several threads.
 *
 * The texts are first cut, in one pass, into chunks of about a megabyte at places where every splitter cuts anyway
 * (behind a letter, before white space), so that no word depends on where a chunk ends.  Threads take chunks and count
 * into tables of their own, which are added up at the end. */
#include "src/core/text/hash.h"
#include "src/core/text/train.h"
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { CHUNK = 1 << 20 };

/* ---- tables ---- */

void nce_word_table_destroy(nce_context *ctx, nce_word_table *table)
{
    nce_free(ctx, table->words);
    nce_free(ctx, table->slots);
    *table = (nce_word_table){0};
}

static nce_status grow_slots(nce_context *ctx, nce_word_table *table)
{
    const size_t slots = table->slots == NULL ? 1024 : 2 * (table->slots_mask + 1);
    uint32_t *grown = nce_alloc_array(ctx, slots, sizeof *grown);
    if (grown == NULL) return nce_fail_nomem(ctx, slots * sizeof *grown);
    nce_free(ctx, table->slots);
    table->slots = grown;
    table->slots_mask = slots - 1;
    for (size_t k = 0; k < table->n; k++) {
        size_t i = table->words[k].hash & table->slots_mask;
        while (grown[i] != 0)
            i = (i + 1) & table->slots_mask;
        grown[i] = (uint32_t)k + 1;
    }
    return NCE_OK;
}

static nce_status add_word(nce_context *ctx, nce_word_table *table, const nce_counted_word *word)
{
    if (table->slots == NULL || 2 * table->n > table->slots_mask) {
        const nce_status status = grow_slots(ctx, table);
        if (status != NCE_OK) return status;
    }
    size_t i = word->hash & table->slots_mask;
    for (; table->slots[i] != 0; i = (i + 1) & table->slots_mask) {
        nce_counted_word *w = &table->words[table->slots[i] - 1];
        if (w->hash != word->hash || w->n != word->n || memcmp(w->text, word->text, word->n) != 0) continue;
        w->count += word->count;
        return NCE_OK;
    }
    if (table->n >= UINT32_MAX / 2)
        return nce_fail(ctx, NCE_ERR_LIMIT, "the texts have over %u different words", UINT32_MAX / 2);
    const nce_status status =
        nce_grow(ctx, (void **)&table->words, &table->capacity, table->n + 1, sizeof *table->words);
    if (status != NCE_OK) return status;
    table->words[table->n++] = *word;
    table->slots[i] = (uint32_t)table->n;
    return NCE_OK;
}

static nce_status add_table(nce_context *ctx, nce_word_table *to, const nce_word_table *from)
{
    nce_status status = NCE_OK;
    for (size_t i = 0; i < from->n && status == NCE_OK; i++)
        status = add_word(ctx, to, &from->words[i]);
    return status;
}

/* ---- chunks ---- */

typedef struct chunk_list {
    nce_text *items;
    size_t n, capacity;
} chunk_list;

/* Does the rule always cut between a letter and this white space? */
static bool cuts_before(const nce_split_rule *rule, char space)
{
    const char sample[3] = {'a', space, 'b'};
    nce_splitter s;
    size_t begin, end;
    nce_splitter_init(&s, rule, sample, 3);
    return nce_splitter_next(&s, &begin, &end) && end == 1;
}

/* End of a chunk that starts at text: the first border behind CHUNK bytes, or n. */
static size_t chunk_end(const char *text, size_t n, bool at_space, bool at_newline)
{
    for (size_t i = CHUNK; i < n; i++) {
        const bool border = (text[i] == ' ' && at_space) || (text[i] == '\n' && at_newline);
        if (border && text[i - 1] >= 'a' && text[i - 1] <= 'z') return i;
    }
    return n;
}

static nce_status add_chunks(nce_context *ctx, const nce_split_rule *rule, const char *text, size_t n, chunk_list *list)
{
    const bool at_space = cuts_before(rule, ' '), at_newline = cuts_before(rule, '\n');
    while (n > 0) {
        const size_t end = chunk_end(text, n, at_space, at_newline);
        const nce_status status =
            nce_grow(ctx, (void **)&list->items, &list->capacity, list->n + 1, sizeof *list->items);
        if (status != NCE_OK) return status;
        list->items[list->n++] = (nce_text){text, end};
        text += end;
        n -= end;
    }
    return NCE_OK;
}

static nce_status cut_text(nce_context *ctx, const nce_tokenizer *cutter, const nce_split_rule *rule,
                           const nce_text *text, chunk_list *list)
{
    nce_status status = NCE_OK;
    for (size_t pos = 0; pos < text->n_bytes && status == NCE_OK;) {
        size_t at;
        const int64_t id = nce_next_special(cutter, text->data, text->n_bytes, pos, 0, &at);
        status = add_chunks(ctx, rule, text->data + pos, at - pos, list);
        pos = id >= 0 ? at + cutter->symbols[id].length : text->n_bytes;
    }
    return status;
}

/* ---- counting ---- */

static nce_status count_chunk(nce_context *ctx, const nce_split_rule *rule, const nce_text *chunk,
                              nce_word_table *table)
{
    nce_splitter s;
    size_t ends[NCE_WORD_BATCH], n, begin = 0;
    nce_status status = NCE_OK;
    nce_splitter_init(&s, rule, chunk->data, chunk->n_bytes);
    while (status == NCE_OK && (n = nce_splitter_fill(&s, ends, NCE_WORD_BATCH)) > 0)
        for (size_t i = 0; i < n && status == NCE_OK; begin = ends[i++]) {
            const char *text = chunk->data + begin;
            const size_t bytes = ends[i] - begin;
            status = add_word(ctx, table, &(nce_counted_word){text, nce_text_hash(text, bytes), 1, bytes});
        }
    return status;
}

/* The first failing thread's status; chunks that are left after a failure are skipped. */
static nce_status count_chunks(nce_context *ctx, const nce_split_rule *rule, const chunk_list *list,
                               nce_word_table *tables, uint32_t n_threads)
{
    _Atomic int failure = NCE_OK;
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1)
    for (size_t i = 0; i < list->n; i++) {
#ifdef _OPENMP
        nce_word_table *table = &tables[omp_get_thread_num()];
#else
        nce_word_table *table = &tables[0];
#endif
        if (failure != NCE_OK) continue;
        const nce_status status = count_chunk(ctx, rule, &list->items[i], table);
        if (status != NCE_OK) failure = status;
    }
    (void)n_threads;
    return (nce_status)failure;
}

nce_status nce_count_words(nce_context *ctx, const nce_tokenizer *cutter, const nce_split_rule *rule,
                           const nce_text *texts, size_t n_texts, uint32_t n_threads, nce_word_table *table)
{
    chunk_list list = {0};
    nce_status status = NCE_OK;
    *table = (nce_word_table){0};
    nce_word_table *tables = nce_alloc_array(ctx, n_threads, sizeof *tables);
    if (tables == NULL) return nce_fail_nomem(ctx, n_threads * sizeof *tables);
    for (size_t i = 0; i < n_texts && status == NCE_OK; i++)
        status = cut_text(ctx, cutter, rule, &texts[i], &list);
    if (status == NCE_OK) {
        status = count_chunks(ctx, rule, &list, tables, n_threads);
        if (status != NCE_OK) nce_fail(ctx, status, "counting words failed: %s", nce_status_name(status));
    }
    *table = tables[0];
    tables[0] = (nce_word_table){0};
    for (uint32_t i = 1; i < n_threads && status == NCE_OK; i++)
        status = add_table(ctx, table, &tables[i]);
    for (uint32_t i = 0; i < n_threads; i++)
        nce_word_table_destroy(ctx, &tables[i]);
    nce_free(ctx, tables);
    nce_free(ctx, list.items);
    return status;
}
