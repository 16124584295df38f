/* Contexts: options of any age, messages per thread, allocator use. */
#include "tests/unit/faulty_alloc.h"
#include "src/core/runtime/context.h"
#include <criterion/criterion.h>
#include <string.h>

Test(context, defaults)
{
    nce_context *ctx;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_geq(nce_context_threads(ctx), 1);
    cr_assert_str_eq(nce_context_error(ctx), "");
    nce_context_destroy(ctx);
}

Test(context, refuses_unknown_tail_and_accepts_old_struct)
{
    struct { nce_context_options known; uint64_t newer; } o = {NCE_CONTEXT_OPTIONS_INIT, 0};
    nce_context *ctx;
    o.known.struct_size = sizeof o;
    cr_assert_eq(nce_context_create(&o.known, &ctx), NCE_OK, "zero tail of a newer caller is fine");
    nce_context_destroy(ctx);
    o.newer = 1;
    cr_assert_eq(nce_context_create(&o.known, &ctx), NCE_ERR_INVALID);
    cr_assert_null(ctx);
    o.known.struct_size = offsetof(nce_context_options, n_threads);
    o.known.n_threads = 7; /* beyond the old struct: must be ignored */
    cr_assert_eq(nce_context_create(&o.known, &ctx), NCE_OK);
    cr_assert_eq(nce_context_threads(ctx), nce_cpu_count());
    nce_context_destroy(ctx);
}

static void *fail_on_thread(void *user)
{
    nce_fail(user, NCE_ERR_IO, "from the thread");
    return NULL;
}

Test(context, messages_belong_to_their_thread)
{
    nce_context *ctx;
    pthread_t t;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_fail(ctx, NCE_ERR_LIMIT, "limit %d", 3), NCE_ERR_LIMIT);
    pthread_create(&t, NULL, fail_on_thread, ctx);
    pthread_join(t, NULL);
    cr_assert_str_eq(nce_context_error(ctx), "limit 3");
    nce_context_destroy(ctx);
}

Test(context, failing_allocation)
{
    faulty_alloc f = {.fail_at = 1};
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    o.allocator = faulty_allocator(&f);
    cr_assert_eq(nce_context_create(&o, &ctx), NCE_ERR_NOMEM);
    cr_assert_null(ctx);
    cr_assert_eq(f.live, 0);
}
