/* Several sessions of one model at once, several contexts at once, and cancelling from another thread. */
#include "tests/unit/fixture.h"
#include <pthread.h>
#include <stdatomic.h>

enum { VOCAB = 512, N = 60 };

typedef struct job {
    nce_model *model;
    float logits[VOCAB];
    nce_status status;
} job;

static void *evaluate(void *user)
{
    job *j = user;
    int32_t ids[N];
    nce_session *s;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    fixture_tokens(ids, N);
    o.n_ctx = 128, o.n_batch = 16, o.n_threads = 2;
    j->status = nce_session_create(j->model, &o, &s);
    for (int i = 0; i < 3 && j->status == NCE_OK; i++) {
        nce_session_trim(s, 0, 0);
        j->status = fixture_eval(s, 0, ids, N, NCE_LOGITS_LAST, j->logits);
    }
    nce_session_destroy(s);
    return NULL;
}

Test(threads, sessions_of_one_model_run_in_parallel)
{
    fixture f;
    job jobs[3];
    pthread_t threads[3];
    cr_assert(fixture_open(&f, "tiny", "q4_k_m", NCE_ISA_AUTO, NULL));
    for (int i = 0; i < 3; i++) {
        jobs[i].model = f.model;
        pthread_create(&threads[i], NULL, evaluate, &jobs[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(jobs[i].status, NCE_OK);
        cr_assert_eq(memcmp(jobs[i].logits, jobs[0].logits, sizeof jobs[0].logits), 0);
    }
    fixture_close(&f);
}

typedef struct canceller {
    nce_session *session;
    atomic_bool done;
} canceller;

static void *cancel_until_done(void *user)
{
    canceller *c = user;
    while (!atomic_load(&c->done)) {
        nce_session_cancel(c->session);
        usleep(200);
    }
    return NULL;
}

Test(threads, cancel_from_another_thread)
{
    fixture f;
    canceller c;
    pthread_t thread;
    int32_t ids[1000];
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    o.n_ctx = 1024, o.n_batch = 64;
    fixture_tokens(ids, 1000);
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &o));
    c.session = f.session;
    atomic_init(&c.done, false);
    pthread_create(&thread, NULL, cancel_until_done, &c);
    int cancelled = 0;
    for (int i = 0; i < 20; i++) {
        const nce_status status = fixture_eval(f.session, 0, ids, 1000, NCE_LOGITS_NONE, NULL);
        cr_assert(status == NCE_OK || status == NCE_ERR_CANCELLED);
        cancelled += status == NCE_ERR_CANCELLED;
        cr_assert_eq(nce_session_length(f.session, 0), status == NCE_OK ? 1000 : 0);
        nce_session_trim(f.session, 0, 0);
    }
    atomic_store(&c.done, true);
    pthread_join(thread, NULL);
    cr_assert_gt(cancelled, 0);
    fixture_close(&f);
}
