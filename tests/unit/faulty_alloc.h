/* An allocator for tests: counts live blocks and fails the Nth request.
 *
 * Use: for (n = 1;; n++) { f = {.fail_at = n}; run the scenario; assert f.live == 0; if (!f.failed) break; } */
#ifndef NCE_TESTS_FAULTY_ALLOC_H
#define NCE_TESTS_FAULTY_ALLOC_H
#include "nce/context.h"
#include <stdatomic.h>
#include <stdlib.h>

typedef struct faulty_alloc {
    long fail_at; /* 1: the first request fails; 0: none */
    atomic_long requests, live;
    atomic_bool failed;
} faulty_alloc;

static inline void *faulty_alloc_get(void *user, size_t size, size_t alignment)
{
    faulty_alloc *f = user;
    if (atomic_fetch_add(&f->requests, 1) + 1 == f->fail_at) {
        atomic_store(&f->failed, true);
        return NULL;
    }
    void *p = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (p != NULL) atomic_fetch_add(&f->live, 1);
    return p;
}

static inline void faulty_alloc_put(void *user, void *p)
{
    faulty_alloc *f = user;
    atomic_fetch_sub(&f->live, 1);
    free(p);
}

static inline nce_allocator faulty_allocator(faulty_alloc *f)
{
    return (nce_allocator){faulty_alloc_get, faulty_alloc_put, f};
}
#endif
