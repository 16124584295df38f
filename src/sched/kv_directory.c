/* Who holds which block: one open-addressing table from name to two masks of nodes.
 *
 * A chain is matched by keeping the mask of nodes that hold everything so far: each block costs one lookup whatever the
 * number of nodes, and a node's matched length is where its bit drops out. */
#include "nce/sched_cache.h"
#include "src/core/runtime/context.h"
#include <string.h>

_Static_assert(sizeof(nce_kv_directory_options) == 16, "ABI: grows only at the end");
enum { DEFAULT_BLOCKS = 1 << 22, FIRST_SIZE = 1024 };

typedef struct slot {
    nce_block_hash name;
    uint64_t holders, fetching; /* both 0: the slot is free */
} slot;

struct nce_kv_directory {
    nce_context *ctx;
    slot *slots;
    size_t size, n, max_blocks; /* size is a power of two, at most three quarters full */
};

nce_status nce_kv_directory_create(nce_context *ctx, const nce_kv_directory_options *options, nce_kv_directory **out)
{
    nce_kv_directory_options o = NCE_KV_DIRECTORY_OPTIONS_INIT;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_kv_directory_create: out is NULL");
    const nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_kv_directory_options");
    if (status != NCE_OK) return status;
    nce_kv_directory *d = nce_alloc_zero(ctx, sizeof *d);
    slot *slots = nce_alloc_array(ctx, FIRST_SIZE, sizeof *slots);
    if (d == NULL || slots == NULL) {
        nce_free(ctx, d);
        nce_free(ctx, slots);
        return nce_fail_nomem(ctx, FIRST_SIZE * sizeof *slots);
    }
    *d = (nce_kv_directory){ctx, slots, FIRST_SIZE, 0, o.max_blocks != 0 ? o.max_blocks : DEFAULT_BLOCKS};
    *out = d;
    return NCE_OK;
}

void nce_kv_directory_destroy(nce_kv_directory *d)
{
    if (d == NULL) return;
    nce_free(d->ctx, d->slots);
    nce_free(d->ctx, d);
}

/* Names made by the hasher are uniform, but those of a trace are counted up: the multiplication spreads both. */
static size_t home_of(const nce_kv_directory *d, const nce_block_hash *b)
{
    return (size_t)(b->lo * 0x9e3779b97f4a7c15u >> 32) & (d->size - 1);
}

static bool is_free(const slot *s)
{
    return (s->holders | s->fetching) == 0;
}

/* Where the name is, or the free slot where it would go. */
static size_t place_of(const nce_kv_directory *d, const nce_block_hash *b)
{
    size_t i = home_of(d, b);
    while (!is_free(&d->slots[i]) && (d->slots[i].name.lo != b->lo || d->slots[i].name.hi != b->hi))
        i = (i + 1) & (d->size - 1);
    return i;
}

static nce_status make_room(nce_kv_directory *d)
{
    if (d->n >= d->max_blocks)
        return nce_fail(d->ctx, NCE_ERR_LIMIT, "directory: full, %zu blocks are allowed", d->max_blocks);
    if (4 * (d->n + 1) <= 3 * d->size) return NCE_OK;
    nce_kv_directory grown = *d;
    grown.size = 2 * d->size;
    grown.slots = nce_alloc_array(d->ctx, grown.size, sizeof *grown.slots);
    if (grown.slots == NULL) return nce_fail_nomem(d->ctx, grown.size * sizeof *grown.slots);
    for (size_t i = 0; i < d->size; i++)
        if (!is_free(&d->slots[i])) grown.slots[place_of(&grown, &d->slots[i].name)] = d->slots[i];
    nce_free(d->ctx, d->slots);
    *d = grown;
    return NCE_OK;
}

/* Free a slot; later ones of the run move up so that no search stops short. */
static void remove_at(nce_kv_directory *d, size_t hole)
{
    const size_t mask = d->size - 1;
    for (size_t i = (hole + 1) & mask; !is_free(&d->slots[i]); i = (i + 1) & mask) {
        const size_t home = home_of(d, &d->slots[i].name);
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        d->slots[hole] = d->slots[i];
        hole = i;
    }
    d->slots[hole] = (slot){{0, 0}, 0, 0};
    d->n--;
}

static nce_status check(const nce_kv_directory *d, uint32_t node, const void *blocks, size_t n)
{
    if (d == NULL) return NCE_ERR_INVALID;
    if (node < 64 && (blocks != NULL || n == 0)) return NCE_OK;
    return nce_fail(d->ctx, NCE_ERR_INVALID, "directory: node %u (0..63), or no blocks", node);
}

nce_status nce_kv_directory_publish(nce_kv_directory *d, uint32_t node, const nce_block_hash *blocks, size_t n)
{
    nce_status status = check(d, node, blocks, n);
    const uint64_t bit = UINT64_C(1) << (node & 63);
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        size_t at = place_of(d, &blocks[i]);
        if (is_free(&d->slots[at])) {
            status = make_room(d);
            if (status != NCE_OK) return status;
            at = place_of(d, &blocks[i]);
            d->slots[at].name = blocks[i];
            d->n++;
        }
        d->slots[at].holders |= bit;
        d->slots[at].fetching &= ~bit;
    }
    return status;
}

nce_status nce_kv_directory_drop(nce_kv_directory *d, uint32_t node, const nce_block_hash *blocks, size_t n)
{
    const nce_status status = check(d, node, blocks, n);
    const uint64_t bit = UINT64_C(1) << (node & 63);
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        slot *s = &d->slots[place_of(d, &blocks[i])];
        if (is_free(s)) continue;
        s->holders &= ~bit;
        s->fetching &= ~bit;
        if (is_free(s)) remove_at(d, (size_t)(s - d->slots));
    }
    return status;
}

nce_status nce_kv_directory_fetch(nce_kv_directory *d, uint32_t node, const nce_block_hash *block)
{
    const nce_status status = check(d, node, block, 1);
    if (status != NCE_OK) return status;
    const uint64_t bit = UINT64_C(1) << node;
    slot *s = &d->slots[place_of(d, block)];
    if (is_free(s) || s->holders == 0) return nce_fail(d->ctx, NCE_ERR_NOTFOUND, "directory: nobody holds the block");
    if ((s->holders | s->fetching) & bit)
        return nce_fail(d->ctx, NCE_ERR_STATE, "directory: node %u holds or fetches the block already", node);
    s->fetching |= bit;
    return NCE_OK;
}

nce_status nce_kv_directory_drop_node(nce_kv_directory *d, uint32_t node)
{
    const nce_status status = check(d, node, NULL, 0);
    if (status != NCE_OK) return status;
    const uint64_t bit = UINT64_C(1) << node;
    /* Removing pulls later slots of the run towards i; those pulled round the end have been seen already. */
    for (size_t i = 0; i < d->size; i++) {
        while (!is_free(&d->slots[i]) && ((d->slots[i].holders | d->slots[i].fetching) & ~bit) == 0)
            remove_at(d, i);
        d->slots[i].holders &= ~bit;
        d->slots[i].fetching &= ~bit;
    }
    return NCE_OK;
}

void nce_kv_directory_clear(nce_kv_directory *d)
{
    if (d == NULL) return;
    memset(d->slots, 0, d->size * sizeof *d->slots);
    d->n = 0;
}

uint64_t nce_kv_directory_holders(const nce_kv_directory *d, const nce_block_hash *block)
{
    return d != NULL && block != NULL ? d->slots[place_of(d, block)].holders : 0;
}

nce_kv_state nce_kv_directory_state(const nce_kv_directory *d, uint32_t node, const nce_block_hash *block)
{
    if (d == NULL || block == NULL || node > 63) return NCE_KV_INVALID;
    const slot *s = &d->slots[place_of(d, block)];
    const uint64_t bit = UINT64_C(1) << node;
    if (s->fetching & bit) return NCE_KV_FETCHING;
    if (!(s->holders & bit)) return NCE_KV_INVALID;
    return s->holders == bit ? NCE_KV_EXCLUSIVE : NCE_KV_SHARED;
}

size_t nce_kv_directory_n_blocks(const nce_kv_directory *d)
{
    return d != NULL ? d->n : 0;
}

size_t nce_kv_directory_match(const nce_kv_directory *d, const nce_block_hash *blocks, size_t n, uint32_t matched[64])
{
    enum { AHEAD = 16 };
    uint64_t alive = UINT64_MAX;
    size_t i = 0;
    memset(matched, 0, 64 * sizeof *matched);
    /* The table is far larger than a cache: start the next lookups while this one waits. */
    for (size_t k = 0; k < n && k < AHEAD; k++)
        __builtin_prefetch(&d->slots[home_of(d, &blocks[k])]);
    for (; i < n && alive != 0; i++) {
        if (i + AHEAD < n) __builtin_prefetch(&d->slots[home_of(d, &blocks[i + AHEAD])]);
        const uint64_t held = d->slots[place_of(d, &blocks[i])].holders;
        for (uint64_t lost = alive & ~held; lost != 0; lost &= lost - 1)
            matched[__builtin_ctzll(lost)] = (uint32_t)i;
        alive &= held;
    }
    const size_t most = alive != 0 ? i : i > 0 ? i - 1 : 0;
    for (; alive != 0; alive &= alive - 1)
        matched[__builtin_ctzll(alive)] = (uint32_t)i;
    return most;
}

uint32_t nce_kv_directory_missing(const nce_kv_directory *d, const nce_block_hash *blocks, size_t n_head,
                                  uint32_t factor, uint64_t alive)
{
    if (d == NULL || blocks == NULL) return 0;
    uint64_t all = alive; /* nodes that hold the whole head */
    for (size_t i = 0; i < n_head; i++)
        all &= nce_kv_directory_holders(d, &blocks[i]);
    const uint32_t copies = (uint32_t)__builtin_popcountll(all), nodes = (uint32_t)__builtin_popcountll(alive);
    const uint32_t wanted = factor < nodes ? factor : nodes;
    return copies < wanted ? wanted - copies : 0;
}
