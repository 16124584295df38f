/* Block names, directory, eviction and placement: contracts, invariants under random operations, failing allocation. */
#include "nce/sched.h"
#include "src/core/runtime/context.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/siphash.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static nce_context *ctx;

static void start(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

static void stop(void)
{
    nce_context_destroy(ctx);
}

TestSuite(sched_cache, .init = start, .fini = stop);

static uint64_t stream = 1;

static uint32_t below(uint32_t n)
{
    stream = stream * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((stream >> 33) % n);
}

Test(sched_cache, siphash_equals_openssl)
{
    /* Key 00..0f, message 00 01 02 ..., lengths 0, 8 and 16; from OpenSSL 3.0: openssl mac -macopt hexkey:...
     * -macopt size:16 -macopt c-rounds:1 -macopt d-rounds:3 SIPHASH. */
    static const uint8_t want[3][16] = {
        {0xe7, 0x7e, 0xbc, 0xb2, 0x27, 0x88, 0xa5, 0xbe, 0xfd, 0x62, 0xdb, 0x6a, 0xdd, 0x30, 0x30, 0x01},
        {0xaa, 0x12, 0xfe, 0xe1, 0xd5, 0xe3, 0xda, 0xb4, 0x72, 0x4f, 0x16, 0xab, 0x35, 0xf9, 0xc7, 0x99},
        {0xd0, 0xa8, 0xd9, 0x57, 0x15, 0x51, 0x8e, 0xeb, 0xb5, 0x13, 0xb0, 0xf8, 0x3d, 0x9e, 0x17, 0x93}};
    uint8_t bytes[16];
    for (uint8_t i = 0; i < 16; i++)
        bytes[i] = i;
    const uint64_t key[2] = {nce_sip_load(bytes), nce_sip_load(bytes + 8)};
    for (size_t k = 0; k < 3; k++) {
        nce_sip s = nce_sip_init(key);
        uint64_t out[2];
        for (size_t i = 0; i < k; i++)
            nce_sip_word(&s, nce_sip_load(bytes + 8 * i));
        nce_sip_finish(&s, 8 * k, 0, out);
        cr_assert(out[0] == nce_sip_load(want[k]) && out[1] == nce_sip_load(want[k] + 8), "length %zu", 8 * k);
    }
}

/* Many messages side by side give what one at a time gives, whatever their number and length; nothing else is written. */
static void siphash_variant(uint32_t cpu)
{
    enum { MOST = 21, WORDS = 70 };
    static uint64_t messages[MOST * WORDS], out[MOST + 1][2];
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    nce_sip_ops ops;
    if ((ctx->cpu & cpu) != cpu) cr_skip_test("this processor lacks the instructions");
    nce_sip_ops_init(&ops, cpu);
    for (size_t i = 0; i < MOST * WORDS; i++)
        messages[i] = (uint64_t)below(1u << 30) << 34 ^ below(1u << 30);
    for (size_t n = 0; n <= MOST; n++)
        for (size_t words = 1; words <= WORDS; words += 1 + words / 5) {
            memset(out, 0xa5, sizeof out);
            ops.many(key, messages, words, n, out);
            for (size_t m = 0; m < n; m++) {
                uint64_t want[2];
                nce_sip s = nce_sip_init(key);
                for (size_t i = 0; i < words; i++)
                    nce_sip_word(&s, messages[m * words + i]);
                nce_sip_finish(&s, 8 * words, 0, want);
                cr_assert(out[m][0] == want[0] && out[m][1] == want[1], "%zu of %zu, %zu words", m, n, words);
            }
            cr_assert(out[n][0] == 0xa5a5a5a5a5a5a5a5u && out[n][1] == 0xa5a5a5a5a5a5a5a5u);
        }
}

Test(sched_cache, siphash_many_ref) { siphash_variant(0); }
Test(sched_cache, siphash_many_avx2) { siphash_variant(NCE_CPU_AVX2); }
Test(sched_cache, siphash_many_avx512) { siphash_variant(NCE_CPU_AVX512); }

Test(sched_cache, names_chain_and_separate)
{
    enum { BLOCK = 16, N = 70 };
    nce_block_hasher_options o = NCE_BLOCK_HASHER_OPTIONS_INIT;
    nce_block_hasher *h, *other;
    nce_block_hash root, salted, whole[N / BLOCK], parts[N / BLOCK], changed[N / BLOCK];
    int32_t tokens[N];
    size_t n, first;
    for (int32_t i = 0; i < N; i++)
        tokens[i] = i * 7;
    o.block_tokens = BLOCK;
    cr_assert_eq(nce_block_hasher_create(ctx, &o, &h), NCE_OK);
    o.kv_type = "q8_0";
    cr_assert_eq(nce_block_hasher_create(ctx, &o, &other), NCE_OK);
    cr_assert_eq(nce_block_hasher_root(h, NULL, 0, &root), NCE_OK);
    cr_assert_eq(nce_block_hasher_root(h, "tenant", 6, &salted), NCE_OK);
    cr_assert_neq(root.lo, salted.lo);
    cr_assert_eq(nce_block_hasher_root(h, tokens, 257, &salted), NCE_ERR_INVALID);
    cr_assert_eq(nce_block_hasher_run(h, &root, tokens, N, whole, &n), NCE_OK);
    cr_assert_eq(n, 4);
    cr_assert_eq(nce_block_hasher_run(h, &root, tokens, 2 * BLOCK, parts, &first), NCE_OK);
    cr_assert_eq(nce_block_hasher_run(h, &parts[first - 1], tokens + 2 * BLOCK, 2 * BLOCK, parts + first, &n), NCE_OK);
    cr_assert_eq(memcmp(whole, parts, sizeof parts), 0, "hashing as the prompt arrives gives the same names");
    tokens[BLOCK]++; /* second block */
    nce_block_hasher_run(h, &root, tokens, N, changed, &n);
    cr_assert_eq(memcmp(&changed[0], &whole[0], sizeof *whole), 0);
    for (int i = 1; i < 4; i++)
        cr_assert_neq(changed[i].lo, whole[i].lo, "block %d follows a changed one", i);
    nce_block_hasher_root(other, NULL, 0, &salted);
    cr_assert_neq(root.lo, salted.lo, "another type of cached values");
    nce_block_hasher_destroy(other);
    o.block_tokens = 9;
    cr_assert_eq(nce_block_hasher_create(ctx, &o, &other), NCE_ERR_INVALID);
    cr_assert_null(other);
    nce_block_hasher_destroy(h);
}

/* The directory against a plain matrix, under random operations. */
Test(sched_cache, directory_equals_a_matrix)
{
    enum { BLOCKS = 300, NODES = 5, STEPS = 30000 };
    static bool held[NODES][BLOCKS], fetching[NODES][BLOCKS];
    nce_kv_directory *d;
    cr_assert_eq(nce_kv_directory_create(ctx, NULL, &d), NCE_OK);
    for (int step = 0; step < STEPS; step++) {
        const uint32_t node = below(NODES), b = below(BLOCKS), kind = below(100);
        const nce_block_hash name = {(uint64_t)b << (b % 3 * 20), b}; /* some collide in the table */
        bool anyone = false;
        for (int k = 0; k < NODES; k++)
            anyone |= held[k][b];
        if (kind < 45) {
            cr_assert_eq(nce_kv_directory_publish(d, node, &name, 1), NCE_OK);
            held[node][b] = true;
            fetching[node][b] = false;
        } else if (kind < 85) {
            cr_assert_eq(nce_kv_directory_drop(d, node, &name, 1), NCE_OK);
            held[node][b] = fetching[node][b] = false;
        } else if (kind < 99) {
            const nce_status want = !anyone                              ? NCE_ERR_NOTFOUND
                                    : held[node][b] || fetching[node][b] ? NCE_ERR_STATE
                                                                         : NCE_OK;
            cr_assert_eq(nce_kv_directory_fetch(d, node, &name), want);
            if (want == NCE_OK) fetching[node][b] = true;
        } else {
            cr_assert_eq(nce_kv_directory_drop_node(d, node), NCE_OK);
            memset(held[node], 0, sizeof held[node]);
            memset(fetching[node], 0, sizeof fetching[node]);
        }
        const uint32_t probe = step % 97 == 0 ? BLOCKS : 1;
        size_t known = 0;
        for (uint32_t i = 0; i < probe; i++) {
            const uint32_t c = probe == 1 ? b : i;
            const nce_block_hash n = {(uint64_t)c << (c % 3 * 20), c};
            uint64_t mask = 0;
            bool any = false;
            for (uint32_t k = 0; k < NODES; k++) {
                mask |= (uint64_t)held[k][c] << k;
                any |= held[k][c] || fetching[k][c];
            }
            known += any;
            cr_assert_eq(nce_kv_directory_holders(d, &n), mask, "step %d", step);
            for (uint32_t k = 0; k < NODES; k++) {
                const nce_kv_state want = fetching[k][c]             ? NCE_KV_FETCHING
                                          : !held[k][c]              ? NCE_KV_INVALID
                                          : mask == UINT64_C(1) << k ? NCE_KV_EXCLUSIVE
                                                                     : NCE_KV_SHARED;
                cr_assert_eq(nce_kv_directory_state(d, k, &n), want);
            }
        }
        if (probe > 1) cr_assert_eq(nce_kv_directory_n_blocks(d), known, "step %d", step);
    }
    nce_kv_directory_clear(d);
    cr_assert_eq(nce_kv_directory_n_blocks(d), 0);
    nce_kv_directory_destroy(d);
}

Test(sched_cache, match_and_missing)
{
    nce_kv_directory *d;
    nce_block_hash chain[6];
    uint32_t matched[64];
    for (uint64_t i = 0; i < 6; i++)
        chain[i] = (nce_block_hash){1000 + i, i};
    nce_kv_directory_create(ctx, NULL, &d);
    nce_kv_directory_publish(d, 3, chain, 6);
    nce_kv_directory_publish(d, 63, chain, 2);
    nce_kv_directory_publish(d, 5, chain + 1, 5); /* a tail without its head is no prefix */
    cr_assert_eq(nce_kv_directory_match(d, chain, 6, matched), 6);
    cr_assert(matched[3] == 6 && matched[63] == 2 && matched[5] == 0 && matched[0] == 0);
    nce_kv_directory_drop(d, 3, chain + 4, 1);
    cr_assert_eq(nce_kv_directory_match(d, chain, 6, matched), 4);
    cr_assert_eq(nce_kv_directory_match(d, chain, 0, matched), 0);
    cr_assert_eq(nce_kv_directory_missing(d, chain, 2, 3, UINT64_MAX), 1);
    cr_assert_eq(nce_kv_directory_missing(d, chain, 4, 3, UINT64_MAX), 2);
    cr_assert_eq(nce_kv_directory_missing(d, chain, 2, 3, UINT64_C(1) << 3 | 1), 1, "never more than there are nodes");
    cr_assert_eq(nce_kv_directory_publish(d, 64, chain, 1), NCE_ERR_INVALID);
    nce_kv_directory_destroy(d);
    const nce_kv_directory_options o = {sizeof o, 3};
    nce_kv_directory_create(ctx, &o, &d);
    cr_assert_eq(nce_kv_directory_publish(d, 0, chain, 6), NCE_ERR_LIMIT);
    cr_assert_eq(nce_kv_directory_match(d, chain, 6, matched), 3);
    nce_kv_directory_destroy(d);
}

typedef struct watch {
    int n;
    uint64_t last;
} watch;

static void note(void *user, const nce_block_hash *b)
{
    watch *w = user;
    w->n++;
    w->last = b->lo;
}

static nce_kv_cache *make(uint32_t policy, size_t budget, watch *w)
{
    nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
    nce_kv_cache *c;
    o.policy = policy;
    o.budget_blocks = budget;
    o.evicted = note;
    o.user = w;
    cr_assert_eq(nce_kv_cache_create(ctx, &o, &c), NCE_OK);
    return c;
}

Test(sched_cache, blocks_in_use_stay_and_tails_go_first)
{
    watch w = {0, 0};
    nce_kv_cache *c = make(NCE_KV_LRU, 6, &w);
    nce_kv_cache_stats s = NCE_KV_CACHE_STATS_INIT;
    const nce_block_hash a[] = {{1, 0}, {2, 0}, {3, 0}, {4, 0}}, b[] = {{11, 0}, {12, 0}, {13, 0}};
    size_t hit = 9;
    cr_assert_eq(nce_kv_cache_acquire(c, a, 4, &hit), NCE_OK);
    cr_assert_eq(hit, 0);
    cr_assert_eq(nce_kv_cache_acquire(c, b, 3, NULL), NCE_ERR_LIMIT);
    cr_assert_eq(nce_kv_cache_match(c, b, 3), 0, "a refused acquire changes nothing");
    cr_assert_eq(nce_kv_cache_acquire(c, b, 2, NULL), NCE_OK);
    cr_assert_eq(nce_kv_cache_release(c, a, 4), NCE_OK);
    cr_assert_eq(nce_kv_cache_release(c, a, 4), NCE_ERR_STATE);
    nce_kv_cache_get_stats(c, &s);
    cr_assert(s.n_resident == 6 && s.n_referenced == 2 && s.n_idle == 4 && w.n == 0);
    cr_assert_eq(nce_kv_cache_access(c, b + 2, 1, NULL), NCE_OK);
    cr_assert(w.n == 1 && w.last == 4, "the tail of the idle sequence goes first, not %llu",
              (unsigned long long)w.last);
    cr_assert_eq(nce_kv_cache_pin(c, &a[2], true), NCE_OK);
    cr_assert_eq(nce_kv_cache_pin(c, &a[3], true), NCE_ERR_NOTFOUND);
    cr_assert_eq(nce_kv_cache_set_budget(c, 2), NCE_ERR_LIMIT);
    nce_kv_cache_get_stats(c, &s);
    cr_assert(s.n_resident == 3 && s.n_pinned == 1 && s.n_idle == 0, "%zu", s.n_resident);
    cr_assert_eq(nce_kv_cache_pin(c, &a[2], false), NCE_OK);
    nce_kv_cache_get_stats(c, &s);
    cr_assert(s.n_resident == 2 && s.n_pinned == 0);
    nce_kv_cache_destroy(c);
}

/* Random sequences come, stay and go under every policy; the counts never disagree with the callbacks. */
Test(sched_cache, counts_hold_under_every_policy)
{
    for (uint32_t policy = NCE_KV_COST_AWARE; policy <= NCE_KV_SLRU; policy++) {
        watch w = {0, 0};
        nce_kv_cache *c = make(policy, 40, &w);
        nce_kv_cache_stats s = NCE_KV_CACHE_STATS_INIT;
        nce_block_hash held[8][6];
        size_t n_held[8] = {0};
        for (int step = 0; step < 5000; step++) {
            const uint32_t slot = below(8), chain = below(30);
            nce_block_hash blocks[6];
            const size_t n = 1 + below(6);
            for (size_t i = 0; i < n; i++)
                blocks[i] = (nce_block_hash){i < 2 ? chain % 5 * 100 + i : chain * 1000 + i, 1};
            if (below(3) == 0) {
                cr_assert_eq(nce_kv_cache_access(c, blocks, n, NULL), NCE_OK);
            } else if (n_held[slot] > 0) {
                cr_assert_eq(nce_kv_cache_match(c, held[slot], n_held[slot]), n_held[slot], "a block in use is gone");
                cr_assert_eq(nce_kv_cache_release(c, held[slot], n_held[slot]), NCE_OK);
                n_held[slot] = 0;
            } else if (nce_kv_cache_acquire(c, blocks, n, NULL) == NCE_OK) {
                memcpy(held[slot], blocks, sizeof blocks);
                n_held[slot] = n;
            }
            nce_kv_cache_get_stats(c, &s);
            cr_assert_leq(s.n_resident, 40);
            cr_assert_eq(s.n_resident, s.n_inserted - s.n_evicted);
            cr_assert_eq(s.n_evicted, (uint64_t)w.n);
        }
        cr_assert_gt(s.n_evicted, 100);
        nce_kv_cache_destroy(c);
    }
}

static nce_node_profile profile(void)
{
    nce_node_profile p = NCE_NODE_PROFILE_INIT;
    p.block_s = 0.1;
    p.fetch_rtt_s = 0.01;
    return p;
}

Test(sched_cache, placement)
{
    nce_kv_directory *d;
    nce_placer *placer;
    nce_placer_options o = NCE_PLACER_OPTIONS_INIT;
    nce_place_query q = NCE_PLACE_QUERY_INIT;
    nce_placement x = NCE_PLACEMENT_INIT;
    nce_node_profile p = profile();
    nce_block_hash chain[10];
    for (uint64_t i = 0; i < 10; i++)
        chain[i] = (nce_block_hash){50 + i, 2};
    o.block_bytes = 1e6;
    o.prefill_weight = 1;
    nce_kv_directory_create(ctx, NULL, &d);
    cr_assert_eq(nce_placer_create(d, ctx, &o, &placer), NCE_OK);
    q.blocks = chain;
    q.n_blocks = 10;
    cr_assert_eq(nce_placer_place(placer, &q, &x), NCE_ERR_STATE);
    for (uint32_t k = 0; k < 3; k++)
        cr_assert_eq(nce_placer_set_node(placer, k, &p), NCE_OK);
    q.previous = 2;
    cr_assert_eq(nce_placer_place(placer, &q, &x), NCE_OK);
    cr_assert_eq(x.node, 2, "a tie goes to the session's node");
    nce_kv_directory_publish(d, 1, chain, 8);
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == 1 && x.matched_blocks == 8 && fabs(x.prefill_s - 0.2) < 1e-12);
    nce_placer_set_load(placer, 1, 0.7, SIZE_MAX);
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == 1, "0.7 s of queue are less than 0.8 s of prefill");
    nce_placer_set_load(placer, 1, 0.9, SIZE_MAX);
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == 2 && x.fetch_blocks == 0);
    p.fetch_bytes_per_s = 1e9; /* 8 blocks in 0.018 s: cheaper than 0.8 s of prefill */
    nce_placer_set_node(placer, 0, &p);
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == 0 && x.fetch_blocks == 8 && x.fetch_from == 1 && fabs(x.transfer_s - 0.018) < 1e-12);
    p.fetch_bytes_per_s = 1e6; /* 8 s: recompute */
    nce_placer_set_node(placer, 0, &p);
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == 2 && x.fetch_blocks == 0);
    q.deadline_s = 0.5;
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == NCE_NO_NODE && x.reason == NCE_REJECT_DEADLINE && fabs(x.first_token_s - 1.0) < 1e-12, "%g",
              x.first_token_s);
    q.deadline_s = 0;
    for (uint32_t k = 0; k < 3; k++)
        nce_placer_set_load(placer, k, 0, 1);
    nce_placer_place(placer, &q, &x);
    cr_assert(x.node == NCE_NO_NODE && x.reason == NCE_REJECT_MEMORY);
    p.block_s = NAN;
    cr_assert_eq(nce_placer_set_node(placer, 0, &p), NCE_ERR_INVALID);
    nce_placer_destroy(placer);
    nce_kv_directory_destroy(d);
}

Test(sched_cache, hot_heads_are_copied)
{
    nce_kv_directory *d;
    nce_placer *placer;
    nce_placer_options o = NCE_PLACER_OPTIONS_INIT;
    nce_place_query q = NCE_PLACE_QUERY_INIT;
    nce_placement x = NCE_PLACEMENT_INIT;
    const nce_node_profile p = profile();
    const nce_block_hash chain[] = {{1, 1}, {2, 1}, {3, 1}, {4, 1}};
    o.replicas = 2;
    o.hot_uses = 3;
    nce_kv_directory_create(ctx, NULL, &d);
    nce_placer_create(d, ctx, &o, &placer);
    for (uint32_t k = 0; k < 3; k++)
        nce_placer_set_node(placer, k, &p);
    nce_placer_set_load(placer, 1, 5, SIZE_MAX);
    nce_kv_directory_publish(d, 0, chain, 4);
    q.blocks = chain;
    q.n_blocks = 4;
    for (int i = 0; i < 5; i++) {
        nce_placer_place(placer, &q, &x);
        cr_assert_eq(x.node, 0);
        cr_assert_eq(x.replicate_to, i < 3 ? NCE_NO_NODE : 2, "use %d: %u", i, x.replicate_to);
    }
    nce_kv_directory_publish(d, 2, chain, 4);
    nce_placer_place(placer, &q, &x);
    cr_assert_eq(x.replicate_to, NCE_NO_NODE, "two copies are enough");
    nce_placer_destroy(placer);
    nce_kv_directory_destroy(d);
}

Test(sched_cache, bad_traces_are_named)
{
    static const struct {
        nce_trace_format format;
        const char *text, *message;
    } cases[] = {
        {NCE_TRACE_MOONCAKE, "", "no requests"},
        {NCE_TRACE_MOONCAKE, "{\"timestamp\": 1, \"input_length\": 2}",
         "line 1: timestamp, input_length or output_length"},
        {NCE_TRACE_MOONCAKE, "{\"timestamp\": 1, \"input_length\": -2}", "input_length is not 0..1e8"},
        {NCE_TRACE_MOONCAKE, "{\"timestamp\": nan}", "timestamp is no number"},
        {NCE_TRACE_MOONCAKE, "{\"hash_ids\": [1, x]}", "a hash id is no whole number"},
        {NCE_TRACE_MOONCAKE,
         "{\"timestamp\": 5, \"input_length\": 1, \"output_length\": 1}\n{\"timestamp\": 4, \"input_length\": 1, "
         "\"output_length\": 1}",
         "line 2: time runs backwards"},
        {NCE_TRACE_AZURE, "1,2,3", "the header"},
        {NCE_TRACE_AZURE, "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9,5\n", "GeneratedTokens"},
        {NCE_TRACE_AZURE, "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-16 18:17:03.9,5,6\n", "no time stamp"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nce_trace *t;
        cr_assert_eq(nce_trace_read(ctx, "trace", cases[i].text, strlen(cases[i].text), cases[i].format, &t),
                     NCE_ERR_FORMAT, "case %zu", i);
        cr_assert_null(t);
        cr_assert(strstr(nce_context_error(ctx), cases[i].message) != NULL, "case %zu: %s", i, nce_context_error(ctx));
    }
}

static const char small_trace[] =
    "{\"timestamp\": 0, \"input_length\": 9, \"output_length\": 2, \"hash_ids\": [1, 2, 3]}\n"
    "{\"timestamp\": 10, \"input_length\": 9, \"output_length\": 2, \"hash_ids\": [1, 2, 4]}\n"
    "{\"timestamp\": 20, \"input_length\": 9, \"output_length\": 2, \"hash_ids\": []}\n";

static void scenario(nce_context *c)
{
    nce_trace *t = NULL;
    nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
    nce_replay_options ro = NCE_REPLAY_OPTIONS_INIT;
    nce_replay_report report = NCE_REPLAY_REPORT_INIT;
    double hit;
    o.budget_blocks = 2;
    ro.n_nodes = 2;
    ro.kill_node_at_s = 0.015;
    if (nce_trace_read(c, "t", small_trace, sizeof small_trace - 1, NCE_TRACE_MOONCAKE, &t) == NCE_OK) {
        if (nce_replay_eviction(t, &o, &hit) == NCE_OK) cr_assert_geq(hit, 0);
        nce_replay_eviction_offline(t, 2, &hit);
        if (nce_replay_routing(t, &ro, &report) == NCE_OK)
            cr_assert(report.n_completed == 3 && report.n_restarted == 2);
    }
    nce_trace_destroy(t);
}

Test(sched_cache, failing_allocation)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) != NCE_OK) continue;
        scenario(c);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
        cr_assert_lt(n, 1000);
    }
}
