#include "src/hal/cpu/team.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#define RELAX() _mm_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield")
#else
#define RELAX() ((void)0)
#endif

enum { SPINS = 2000 }; /* about 20-40 us: longer than the skew of two equal halves, far shorter than a time slice */

void nce_team_init(nce_team *t, size_t n_threads, atomic_bool *cancel)
{
    atomic_init(&t->arrived, 0);
    atomic_init(&t->phase, 0);
    atomic_init(&t->sleepers, 0);
    t->n_threads = n_threads;
    t->stop[0] = t->stop[1] = false;
    t->cancel = cancel;
}

static void wait_for_phase(nce_team *t, unsigned phase)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&t->phase, memory_order_acquire) != phase) return;
        RELAX();
    }
    atomic_fetch_add(&t->sleepers, 1);
    while (atomic_load(&t->phase) == phase)
        syscall(SYS_futex, &t->phase, FUTEX_WAIT_PRIVATE, phase, NULL, NULL, 0);
    atomic_fetch_sub(&t->sleepers, 1);
}

bool nce_team_barrier(nce_team *t, size_t thread)
{
    const unsigned phase = atomic_load_explicit(&t->phase, memory_order_relaxed);
    if (thread == 0) t->stop[phase & 1] = t->cancel != NULL && atomic_load_explicit(t->cancel, memory_order_relaxed);
    if (atomic_fetch_add(&t->arrived, 1) + 1 == t->n_threads) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_store(&t->phase, phase + 1);
        if (atomic_load(&t->sleepers) != 0)
            syscall(SYS_futex, &t->phase, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
    } else {
        wait_for_phase(t, phase);
    }
    return t->stop[phase & 1];
}

void nce_team_run(nce_team *t, nce_team_fn *body, void *user)
{
#ifdef _OPENMP
    if (t->n_threads > 1) {
        #pragma omp parallel num_threads((int)t->n_threads)
        {
            #pragma omp single
            t->n_threads = (size_t)omp_get_num_threads();
            body(user, (size_t)omp_get_thread_num(), t->n_threads);
        }
        return;
    }
#endif
    t->n_threads = 1;
    body(user, 0, 1);
}
