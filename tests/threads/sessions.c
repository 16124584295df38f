/* Several sessions of one model at once, and cancelling from another thread.  Exit status 0: all as it should be. */
#include "nce/nce.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCAB = 512, N = 60, LONG = 600 };

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

typedef struct job {
    nce_model *model;
    float logits[VOCAB];
    nce_status status;
} job;

static nce_status evaluate(nce_session *s, size_t n, float *logits)
{
    int32_t ids[LONG];
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(3 + (i * 131 + 17) % 500);
    const nce_run run = {.tokens = ids, .n_tokens = n, .logits = logits, .want = logits ? NCE_LOGITS_LAST : NCE_LOGITS_NONE};
    return nce_session_eval(s, &run, 1);
}

static void *one_session(void *user)
{
    job *j = user;
    nce_session *s;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    o.n_ctx = 128, o.n_batch = 16, o.n_threads = 2;
    j->status = nce_session_create(j->model, &o, &s);
    for (int i = 0; i < 3 && j->status == NCE_OK; i++) {
        nce_session_trim(s, 0, 0);
        j->status = evaluate(s, N, j->logits);
    }
    nce_session_destroy(s);
    return NULL;
}

static void sessions_in_parallel(nce_model *model)
{
    static job jobs[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        jobs[i].model = model;
        CHECK(pthread_create(&threads[i], NULL, one_session, &jobs[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK(jobs[i].status == NCE_OK);
        CHECK(memcmp(jobs[i].logits, jobs[0].logits, sizeof jobs[0].logits) == 0);
    }
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

static void cancel_from_another_thread(nce_model *model)
{
    canceller c;
    pthread_t thread;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    int cancelled = 0;
    o.n_ctx = 1024, o.n_batch = 64;
    CHECK(nce_session_create(model, &o, &c.session) == NCE_OK);
    atomic_init(&c.done, false);
    CHECK(pthread_create(&thread, NULL, cancel_until_done, &c) == 0);
    for (int i = 0; i < 10; i++) {
        const nce_status status = evaluate(c.session, LONG, NULL);
        CHECK(status == NCE_OK || status == NCE_ERR_CANCELLED);
        cancelled += status == NCE_ERR_CANCELLED;
        CHECK(nce_session_length(c.session, 0) == (status == NCE_OK ? LONG : 0));
        nce_session_trim(c.session, 0, 0);
    }
    atomic_store(&c.done, true);
    pthread_join(thread, NULL);
    CHECK(cancelled > 0);
    nce_session_destroy(c.session);
}

int main(void)
{
    char path[] = "/tmp/nce-threads-XXXXXX";
    nce_context *ctx;
    nce_model *model;
    nce_synth_options o = NCE_SYNTH_OPTIONS_INIT;
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    o.type = "q4_k_m", o.n_layers = 2, o.n_vocab = VOCAB;
    CHECK(nce_context_create(NULL, &ctx) == NCE_OK);
    CHECK(nce_gguf_synthesize(ctx, path, &o) == NCE_OK);
    CHECK(nce_model_load(ctx, path, NULL, &model) == NCE_OK);
    unlink(path);
    sessions_in_parallel(model);
    cancel_from_another_thread(model);
    nce_model_destroy(model);
    nce_context_destroy(ctx);
    return 0;
}
