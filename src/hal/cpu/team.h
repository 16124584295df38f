/* A team of threads inside one OpenMP region: who am I, and a barrier that works on a busy host.
 *
 * The barrier spins briefly, then sleeps in the kernel: a spinning wait burns the core that a preempted teammate needs,
 * which is why pure spin barriers fall below a tenth of their speed beside one foreign busy process. */
#ifndef NCE_SRC_TEAM_H
#define NCE_SRC_TEAM_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nce_team {
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint phase;
    atomic_uint sleepers;
    size_t n_threads;
    bool stop[2];        /* decision of thread 0 before a barrier, read by all after it; by phase parity */
    atomic_bool *cancel; /* the caller's wish to stop; may be NULL */
} nce_team;

void nce_team_init(nce_team *t, size_t n_threads, atomic_bool *cancel);
/* Wait for all threads of the team.  Returns true on every thread if the work is to be abandoned. */
bool nce_team_barrier(nce_team *t, size_t thread);

/* Run body(user, thread, n_threads) on up to n_threads threads; team->n_threads is what the system really gave. */
typedef void nce_team_fn(void *user, size_t thread, size_t n_threads);
void nce_team_run(nce_team *t, nce_team_fn *body, void *user);

#endif
