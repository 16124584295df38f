/* Saved states: one sequence's tokens, keys and values as bytes, bound to the model file and KV types by a digest.
 *
 * Layout, little endian: header, tokens [n] int32, pages [ceil(n / 64)][page_bytes].  The checksum covers what follows the
 * header.  Pages are copied as they are, so evaluation goes on with the same bits. */
#include "src/core/session/session.h"
#include <string.h>
#include <xxhash.h>

typedef struct state_header {
    char magic[8];
    uint32_t version, kv_type_k, kv_type_v, reserved;
    uint64_t model_digest, n_tokens, page_bytes, payload_bytes, checksum;
} state_header;
_Static_assert(sizeof(state_header) == 64, "part of the format");

static const char magic[8] = {'N', 'C', 'E', 'S', 'T', 'A', 'T', 'E'};
enum { STATE_VERSION = 1 };

static size_t payload_bytes(const nce_session *s, size_t n)
{
    return n * sizeof(int32_t) + nce_kv_pages(n) * s->forward->page_bytes;
}

size_t nce_session_state_bytes(const nce_session *s, uint32_t seq)
{
    return seq < s->o.n_seq ? sizeof(state_header) + payload_bytes(s, s->seqs[seq].n) : 0;
}

nce_status nce_session_save(nce_session *s, uint32_t seq, void *buffer, size_t capacity, size_t *n_bytes)
{
    if (s == NULL || buffer == NULL || n_bytes == NULL) return NCE_ERR_INVALID;
    if (seq >= s->o.n_seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "sequence %u of %u", seq, s->o.n_seq);
    const nce_sequence *q = &s->seqs[seq];
    const size_t needed = nce_session_state_bytes(s, seq);
    if (capacity < needed) return nce_fail(s->ctx, NCE_ERR_LIMIT, "the state needs %zu bytes, the buffer has %zu", needed, capacity);
    uint8_t *payload = (uint8_t *)buffer + sizeof(state_header), *at = payload;
    if (q->n > 0) memcpy(at, q->tokens, q->n * sizeof *q->tokens);
    at += q->n * sizeof *q->tokens;
    for (size_t i = 0; i < nce_kv_pages(q->n); i++, at += s->forward->page_bytes) {
        const nce_status status = s->model->device->ops->buffer_read(q->pages[i]->buffer, 0, at, s->forward->page_bytes);
        if (status != NCE_OK) return status;
    }
    state_header h = {.version = STATE_VERSION, .kv_type_k = s->o.kv_type_k, .kv_type_v = s->o.kv_type_v,
                      .model_digest = s->model->digest, .n_tokens = q->n, .page_bytes = s->forward->page_bytes,
                      .payload_bytes = payload_bytes(s, q->n)};
    memcpy(h.magic, magic, sizeof magic);
    h.checksum = XXH3_64bits(payload, h.payload_bytes);
    memcpy(buffer, &h, sizeof h);
    *n_bytes = needed;
    return NCE_OK;
}

static nce_status check_header(nce_session *s, const state_header *h, size_t n_bytes)
{
    if (memcmp(h->magic, magic, sizeof magic) != 0) return nce_fail(s->ctx, NCE_ERR_FORMAT, "not a saved state");
    if (h->version != STATE_VERSION)
        return nce_fail(s->ctx, NCE_ERR_FORMAT, "state version %u, this library reads %d", h->version, STATE_VERSION);
    if (h->model_digest != s->model->digest) return nce_fail(s->ctx, NCE_ERR_FORMAT, "the state belongs to another model");
    if (h->kv_type_k != s->o.kv_type_k || h->kv_type_v != s->o.kv_type_v || h->page_bytes != s->forward->page_bytes)
        return nce_fail(s->ctx, NCE_ERR_FORMAT, "the state has KV types %u, %u, the session %u, %u", h->kv_type_k, h->kv_type_v,
                        s->o.kv_type_k, s->o.kv_type_v);
    if (h->n_tokens > s->o.n_ctx)
        return nce_fail(s->ctx, NCE_ERR_LIMIT, "the state has %llu positions, the context %u", (unsigned long long)h->n_tokens, s->o.n_ctx);
    if (h->payload_bytes != payload_bytes(s, h->n_tokens) || n_bytes != sizeof *h + h->payload_bytes)
        return nce_fail(s->ctx, NCE_ERR_FORMAT, "the state is %zu bytes long, its header says %llu", n_bytes,
                        (unsigned long long)(sizeof *h + h->payload_bytes));
    return NCE_OK;
}

static nce_status fill(nce_session *s, nce_sequence *q, const uint8_t *payload, size_t n)
{
    nce_status status = nce_grow(s->ctx, (void **)&q->tokens, &q->tokens_capacity, n, sizeof *q->tokens);
    if (status == NCE_OK) status = nce_kv_reserve(s, q, n);
    if (status != NCE_OK) return status;
    if (n > 0) memcpy(q->tokens, payload, n * sizeof *q->tokens);
    payload += n * sizeof *q->tokens;
    for (size_t i = 0; i < nce_kv_pages(n) && status == NCE_OK; i++, payload += s->forward->page_bytes)
        status = s->model->device->ops->buffer_write(q->pages[i]->buffer, 0, payload, s->forward->page_bytes);
    q->n = n;
    for (size_t i = 0; i < n && status == NCE_OK; i++)
        if (q->tokens[i] < 0 || (uint32_t)q->tokens[i] >= s->model->h.n_vocab)
            status = nce_fail(s->ctx, NCE_ERR_FORMAT, "the state's token %zu is %d, the vocabulary has %u", i, q->tokens[i], s->model->h.n_vocab);
    return status;
}

static void drop(nce_session *s, nce_sequence *q)
{
    nce_kv_trim(s, q, 0);
    nce_free(s->ctx, q->tokens);
    nce_free(s->ctx, q->pages);
    nce_free(s->ctx, q->addresses);
}

nce_status nce_session_load(nce_session *s, uint32_t seq, const void *buffer, size_t n_bytes)
{
    state_header h;
    if (s == NULL || buffer == NULL) return NCE_ERR_INVALID;
    if (seq >= s->o.n_seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "sequence %u of %u", seq, s->o.n_seq);
    if (n_bytes < sizeof h) return nce_fail(s->ctx, NCE_ERR_FORMAT, "a state has at least %zu bytes, this has %zu", sizeof h, n_bytes);
    memcpy(&h, buffer, sizeof h);
    nce_status status = check_header(s, &h, n_bytes);
    if (status != NCE_OK) return status;
    const uint8_t *payload = (const uint8_t *)buffer + sizeof h;
    if (XXH3_64bits(payload, h.payload_bytes) != h.checksum) return nce_fail(s->ctx, NCE_ERR_FORMAT, "the state is damaged");
    nce_sequence fresh = {0};
    status = fill(s, &fresh, payload, h.n_tokens);
    if (status != NCE_OK) {
        drop(s, &fresh);
        return status;
    }
    drop(s, &s->seqs[seq]);
    s->seqs[seq] = fresh;
    return NCE_OK;
}
