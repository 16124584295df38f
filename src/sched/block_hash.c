/* Names of blocks: a chain of keyed hashes.  The tokens of every block are hashed first, many blocks side by side; a link of
 * the chain then hashes the parent's name and that digest, under another key, so that one is never taken for the other.  The
 * seed is fixed per cluster (never random per process), so that nodes
 * agree, and covers everything the cached values depend on, so that a wrong hit would need a collision of 128 bits. */
#include "nce/sched_cache.h"
#include "src/core/runtime/context.h"
#include "src/kernels/siphash.h"

_Static_assert(sizeof(nce_block_hasher_options) == 48, "ABI: grows only at the end");
enum { MAX_SALT = 256, DEFAULT_TOKENS = 64, GROUP = 64 /* blocks hashed ahead of the chain */ };

struct nce_block_hasher {
    nce_context *ctx;
    nce_sip_ops ops;
    uint64_t key[2], tokens_key[2];
    uint64_t model[2]; /* hash of model digest, type and block size */
    uint32_t block_tokens;
};

static void hash_bytes(const uint64_t key[2], const uint64_t prefix[2], const void *data, size_t n, uint64_t out[2])
{
    const unsigned char *p = data;
    nce_sip s = nce_sip_init(key);
    nce_sip_word(&s, prefix[0]);
    nce_sip_word(&s, prefix[1]);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        nce_sip_word(&s, nce_sip_load(p + i));
    uint64_t rest = 0;
    for (size_t k = i; k < n; k++)
        rest |= (uint64_t)p[k] << 8 * (k - i);
    nce_sip_finish(&s, 16 + n, rest, out);
}

nce_status nce_block_hasher_create(nce_context *ctx, const nce_block_hasher_options *options, nce_block_hasher **out)
{
    nce_block_hasher_options o = NCE_BLOCK_HASHER_OPTIONS_INIT;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_block_hasher_create: out is NULL");
    const nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_block_hasher_options");
    if (status != NCE_OK) return status;
    if (o.block_tokens == 0) o.block_tokens = DEFAULT_TOKENS;
    if (o.kv_type == NULL) o.kv_type = "f16";
    if (o.block_tokens < 8 || o.block_tokens > 1024 || o.block_tokens % 2 != 0 || o.reserved != 0)
        return nce_fail(ctx, NCE_ERR_INVALID, "block hasher: %u tokens a block, allowed are even numbers 8..1024",
                        o.block_tokens);
    if (o.model_digest_bytes > MAX_SALT || (o.model_digest == NULL && o.model_digest_bytes > 0) ||
        strlen(o.kv_type) > MAX_SALT)
        return nce_fail(ctx, NCE_ERR_INVALID, "block hasher: model digest of %zu bytes or kv_type too long, at most %d",
                        o.model_digest_bytes, MAX_SALT);
    nce_block_hasher *h = nce_alloc_zero(ctx, sizeof *h);
    if (h == NULL) return nce_fail_nomem(ctx, sizeof *h);
    h->ctx = ctx;
    h->block_tokens = o.block_tokens;
    if (o.secret != NULL) {
        h->key[0] = nce_sip_load(o.secret);
        h->key[1] = nce_sip_load(o.secret + 8);
    }
    const uint64_t start[2] = {o.block_tokens, o.model_digest_bytes};
    uint64_t digest[2];
    hash_bytes(h->key, start, o.model_digest, o.model_digest_bytes, digest);
    hash_bytes(h->key, digest, o.kv_type, strlen(o.kv_type), h->model);
    hash_bytes(h->key, start, "tokens", 6, h->tokens_key);
    nce_sip_ops_init(&h->ops, ctx->cpu);
    *out = h;
    return NCE_OK;
}

void nce_block_hasher_destroy(nce_block_hasher *h)
{
    if (h != NULL) nce_free(h->ctx, h);
}

uint32_t nce_block_hasher_tokens(const nce_block_hasher *h)
{
    return h != NULL ? h->block_tokens : 0;
}

nce_status nce_block_hasher_root(const nce_block_hasher *h, const void *salt, size_t salt_bytes, nce_block_hash *out)
{
    if (h == NULL) return NCE_ERR_INVALID;
    if (out == NULL || (salt == NULL && salt_bytes > 0) || salt_bytes > MAX_SALT)
        return nce_fail(h->ctx, NCE_ERR_INVALID, "block hasher: a salt of %zu bytes, at most %d", salt_bytes, MAX_SALT);
    uint64_t root[2];
    hash_bytes(h->key, h->model, salt, salt_bytes, root);
    *out = (nce_block_hash){root[0], root[1]};
    return NCE_OK;
}

nce_status nce_block_hasher_run(const nce_block_hasher *h, const nce_block_hash *parent, const int32_t *tokens,
                                size_t n_tokens, nce_block_hash *out, size_t *n_out)
{
    if (h == NULL) return NCE_ERR_INVALID;
    if (parent == NULL || n_out == NULL || (n_tokens > 0 && (tokens == NULL || out == NULL)))
        return nce_fail(h->ctx, NCE_ERR_INVALID, "nce_block_hasher_run: an argument is NULL");
    const size_t n_blocks = n_tokens / h->block_tokens;
    uint64_t name[2] = {parent->lo, parent->hi}, digests[GROUP][2];
    for (size_t b = 0; b < n_blocks; b++) {
        if (b % GROUP == 0)
            h->ops.many(h->tokens_key, tokens + b * h->block_tokens, h->block_tokens / 2,
                        n_blocks - b < GROUP ? n_blocks - b : GROUP, digests);
        const uint64_t *digest = digests[b % GROUP];
        nce_sip s = nce_sip_init(h->key);
        nce_sip_word(&s, name[0]);
        nce_sip_word(&s, name[1]);
        nce_sip_word(&s, digest[0]);
        nce_sip_word(&s, digest[1]);
        nce_sip_finish(&s, sizeof name + 2 * sizeof *digest, 0, name);
        out[b] = (nce_block_hash){name[0], name[1]};
    }
    *n_out = n_blocks;
    return NCE_OK;
}
