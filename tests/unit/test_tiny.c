/* The tiny family: names resolve, the built-in model needs no file, and the trained weights answer what they were trained
 * for.  models/questions.tsv holds questions that are in no training text (tools/train/questions.py). */
#include "src/core/gguf/locate.h"
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/fixture.h"
#include <math.h>

enum { ANSWER = 2048 };

typedef struct answer {
    char text[ANSWER];
    size_t n;
} answer;

static bool take(void *user, const char *text, size_t n)
{
    answer *a = user;
    if (a->n + n >= ANSWER) return false;
    memcpy(a->text + a->n, text, n);
    a->text[a->n += n] = '\0';
    return true;
}

static void need_builtin(void)
{
    if (nce_builtin_name(0) == NULL) cr_skip_test("built without tiny (-Dbuiltin_model=false)");
}

static nce_chat *open_chat(fixture *f, const char *path)
{
    nce_chat *chat;
    nce_sampler_options sampler = NCE_SAMPLER_OPTIONS_INIT;
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    memset(f, 0, sizeof *f);
    o.sampler = &sampler;
    o.max_tokens = 400;
    cr_assert_eq(nce_context_create(NULL, &f->ctx), NCE_OK);
    cr_assert_eq(nce_model_load(f->ctx, path, NULL, &f->model), NCE_OK, "%s", nce_context_error(f->ctx));
    cr_assert_eq(nce_session_create(f->model, NULL, &f->session), NCE_OK);
    cr_assert_eq(nce_chat_create(f->session, &o, &chat), NCE_OK, "%s", nce_context_error(f->ctx));
    cr_assert_str_eq(nce_chat_template(chat), "chatml");
    return chat;
}

static const char *ask(nce_chat *chat, const char *question, answer *a)
{
    a->n = 0, a->text[0] = '\0';
    nce_chat_reset(chat);
    cr_assert_eq(nce_chat_send(chat, question, take, a, NULL), NCE_OK);
    return a->text;
}

/* ---- names ---- */

static nce_status load_as(const char *name, nce_status builtin)
{
    nce_context *ctx;
    nce_model *m = NULL, *b = NULL;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    const nce_status status = nce_model_load(ctx, name, NULL, &m);
    cr_assert_eq(status == NCE_OK, m != NULL);
    if (status == NCE_ERR_NOTFOUND) cr_assert_not_null(strstr(nce_context_error(ctx), name));
    cr_assert_eq(nce_model_load_builtin(ctx, name, NULL, &b), builtin);
    cr_assert_eq(builtin == NCE_OK, b != NULL);
    nce_model_destroy(m);
    nce_model_destroy(b);
    nce_context_destroy(ctx);
    return status;
}

Test(tiny, names_are_looked_up_in_the_folders)
{
    setenv("NCE_MODEL_PATH", "/nowhere::" NCE_TEST_MODELS, 1);
    cr_assert_eq(load_as("tiny-draft", NCE_ERR_NOTFOUND), NCE_OK);
    cr_assert_eq(load_as("tiny-nobody", NCE_ERR_NOTFOUND), NCE_ERR_NOTFOUND);
    cr_assert_eq(load_as("../models/tiny", NCE_ERR_NOTFOUND), NCE_ERR_NOTFOUND, "a path is never looked up");
    cr_assert_eq(load_as("", NCE_ERR_NOTFOUND), NCE_ERR_NOTFOUND);
    setenv("NCE_MODEL_PATH", "/nowhere", 1);
    cr_assert_eq(load_as("tiny-nobody", NCE_ERR_NOTFOUND), NCE_ERR_NOTFOUND);
}

Test(tiny, the_message_lists_where_it_looked)
{
    nce_context *ctx;
    nce_model *m;
    setenv("NCE_MODEL_PATH", "/nowhere:/else", 1);
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_model_load(ctx, "tiny-nobody", NULL, &m), NCE_ERR_NOTFOUND);
    cr_assert_not_null(strstr(nce_context_error(ctx), "/nowhere:/else"));
    cr_assert_not_null(strstr(nce_context_error(ctx), NCE_MODEL_DIR));
    nce_context_destroy(ctx);
}

Test(tiny, built_in)
{
    need_builtin();
    unsetenv("NCE_MODEL_PATH");
    cr_assert_eq(load_as("tiny", NCE_OK), NCE_OK);
}

Test(tiny, built_in_is_the_file)
{
    need_builtin();
    size_t size, n = 0;
    const unsigned char *data = nce_builtin_model("tiny", &size);
    FILE *f = fopen(NCE_TEST_MODELS "/tiny.gguf", "rb");
    cr_assert_not_null(f);
    for (int c; (c = fgetc(f)) != EOF; n++)
        cr_assert(n < size && data[n] == c, "byte %zu", n);
    cr_assert_eq(n, size);
    fclose(f);
}

Test(tiny, built_in_with_any_allocation_failing)
{
    need_builtin();
    setenv("NCE_MODEL_PATH", "/nowhere:" NCE_TEST_MODELS, 1);
    for (int builtin = 0; builtin < 2; builtin++)
        for (long n = 1;; n++) {
            faulty_alloc f = {.fail_at = n};
            nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
            nce_context *ctx;
            nce_model *m = NULL;
            o.allocator = faulty_allocator(&f);
            if (nce_context_create(&o, &ctx) == NCE_OK) {
                const nce_status status =
                    builtin ? nce_model_load_builtin(ctx, "tiny", NULL, &m) : nce_model_load(ctx, "tiny", NULL, &m);
                cr_assert_eq(status, f.failed ? NCE_ERR_NOMEM : NCE_OK);
                nce_model_destroy(m);
            }
            nce_context_destroy(ctx);
            cr_assert_eq(f.live, 0);
            if (!f.failed) break;
        }
}

/* ---- what it was trained for ---- */

Test(tiny, the_first_questions)
{
    fixture f;
    answer a;
    nce_chat *chat = open_chat(&f, NCE_TEST_MODELS "/tiny.gguf");
    cr_assert_not_null(strstr(ask(chat, "What is libnce?", &a), "C library that runs language models"));
    cr_assert_not_null(strstr(ask(chat, "How do I link it?", &a), "pkg-config --cflags --libs nce"));
    cr_assert_str_eq(ask(chat, "What is 17 plus 25?", &a), "17 plus 25 is 42.");
    ask(chat, "Tell me a story about a fox.", &a);
    cr_assert_not_null(strstr(a.text, " fox "));
    cr_assert(a.n > 300 && (a.text[a.n - 1] == '.' || a.text[a.n - 1] == '"'), "the story ends: %s", a.text);
    nce_chat_destroy(chat);
    fixture_close(&f);
}

Test(tiny, a_conversation_of_several_turns)
{
    fixture f;
    answer a = {.n = 0};
    nce_chat *chat = open_chat(&f, NCE_TEST_MODELS "/tiny.gguf");
    static const char *const turns[][2] = {{"Tell me a story about an owl.", " owl "},
                                           {"What is 40 plus 2?", "40 plus 2 is 42."},
                                           {"What is libnce?", "C library"},
                                           {"What is the opposite of hot?", "cold"}};
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        a.n = 0;
        cr_assert_eq(nce_chat_send(chat, turns[i][0], take, &a, NULL), NCE_OK);
        cr_assert_not_null(strstr(a.text, turns[i][1]), "turn %zu: %s", i, a.text);
    }
    cr_assert_gt(nce_session_length(f.session, 0), 256, "beyond the rows of the first training");
    nce_chat_destroy(chat);
    fixture_close(&f);
}

/* Share of the held-out questions that are answered word for word; every `step`th is asked, of the categories in a string or
 * of all (NULL).  zeros: share of exact zeros behind ReLU^2 meanwhile; may be NULL. */
static double share_right(const char *path, const char *categories, int step, double *zeros)
{
    fixture f;
    answer a;
    char line[512];
    int n = 0, right = 0;
    nce_chat *chat = open_chat(&f, path);
    FILE *file = fopen(NCE_TEST_MODELS "/questions.tsv", "r");
    cr_assert_not_null(file);
    for (int i = 0; fgets(line, sizeof line, file) != NULL; i++) {
        char *question = strchr(line, '\t'), *wanted = question ? strchr(question + 1, '\t') : NULL;
        cr_assert_not_null(wanted, "line %d", i + 1);
        *question = *wanted++ = '\0';
        wanted[strcspn(wanted, "\n")] = '\0';
        if (i % step != 0 || (categories != NULL && strstr(categories, line) == NULL)) continue;
        n++;
        right += strcmp(ask(chat, question + 1, &a), wanted) == 0;
    }
    fclose(file);
    if (zeros != NULL) cr_assert_eq(nce_session_metric(f.session, NCE_METRIC_ZERO_ACTIVATIONS, zeros), NCE_OK);
    nce_chat_destroy(chat);
    fixture_close(&f);
    cr_assert_gt(n, 50);
    return (double)right / n;
}

Test(tiny, held_out_questions)
{
    cr_assert_geq(share_right(NCE_TEST_MODELS "/tiny.gguf", NULL, 3, NULL), 0.95);
}

Test(tiny, held_out_questions_experts)
{
    cr_assert_geq(share_right(NCE_TEST_MODELS "/tiny-moe.gguf", NULL, 5, NULL), 0.90);
}

Test(tiny, held_out_questions_ternary_and_zeros)
{
    double zeros;
    cr_assert_geq(share_right(NCE_TEST_MODELS "/tiny-ternary.gguf", NULL, 5, &zeros), 0.90);
    cr_assert_geq(zeros, 0.69);
}

Test(tiny, held_out_questions_of_the_arithmetic_expert)
{
    static const char sums[] = "addition subtraction comparing sorting counting";
    cr_assert_geq(share_right(NCE_TEST_MODELS "/expert-arithmetic.gguf", sums, 2, NULL), 0.90);
}

/* A list of tools/train/words.py, which stands there as NAME = "one two three".split(); text is that file. */
static void read_list(const char *file, const char *name, char list[256])
{
    char start[64];
    snprintf(start, sizeof start, "\n%s = \"", name);
    const char *from = strstr(file, start);
    cr_assert_not_null(from, "words.py has no list %s", name);
    from += strlen(start);
    const size_t n = strcspn(from, "\"\n");
    cr_assert(n > 0 && n < 256 && from[n] == '"', "%s in words.py is no list of one line", name);
    memcpy(list, from, n);
    list[n] = '\0';
}

/* How many names of the lists a story has. */
static int names_in(const char *story, const char *const lists[2])
{
    static char file[1 << 16];
    char list[256], *rest;
    int n = 0;
    FILE *f = fopen(NCE_TRAINING "/words.py", "rb");
    cr_assert_not_null(f);
    file[fread(file, 1, sizeof file - 1, f)] = '\0';
    fclose(f);
    for (int i = 0; i < 2; i++) {
        read_list(file, lists[i], list);
        for (const char *name = strtok_r(list, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
            n += strstr(story, name) != NULL;
    }
    return n;
}

/* Of ten stories, those that name one main and one other character and nobody else. */
static int stories_that_keep_their_names(const char *path)
{
    static const char *const kinds[] = {"a fox", "a rabbit", "a bear", "an owl", "a mouse", "a cat", "a dog", "a frog", "a duck", "a pony"};
    static const char *const heroes[2] = {"GIRLS", "BOYS"}, *const others[2] = {"OTHER_GIRLS", "OTHER_BOYS"};
    fixture f;
    answer a;
    int kept = 0;
    nce_chat *chat = open_chat(&f, path);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char question[64];
        snprintf(question, sizeof question, "Tell me a story about %s.", kinds[i]);
        ask(chat, question, &a);
        kept += names_in(a.text, heroes) == 1 && names_in(a.text, others) == 1;
    }
    nce_chat_destroy(chat);
    fixture_close(&f);
    return kept;
}

Test(tiny, stories_keep_their_characters)
{
    cr_assert_geq(stories_that_keep_their_names(NCE_TEST_MODELS "/tiny.gguf"), 9);
    cr_assert_geq(stories_that_keep_their_names(NCE_TEST_MODELS "/expert-stories.gguf"), 9);
}

/* ---- numbers ---- */

enum { N_IDS = 96 };

static const char text[] = "Once upon a time there was a kind fox named Lily. She lived in a small house near the "
                           "river. One day, Lily lost her "
                           "red kite near the lake. She looked everywhere, but the kite was gone.";

static size_t logits_of(const char *path, uint32_t n_threads, int32_t ids[N_IDS], float **logits, size_t *n_vocab)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    nce_model *m;
    nce_session *s;
    size_t n;
    o.n_threads = n_threads;
    cr_assert_eq(nce_context_create(&o, &ctx), NCE_OK);
    cr_assert_eq(nce_model_load(ctx, path, NULL, &m), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_session_create(m, NULL, &s), NCE_OK);
    cr_assert_eq(nce_tokenizer_encode(nce_model_tokenizer(m), text, sizeof text - 1, 0, ids, N_IDS, &n), NCE_OK);
    *n_vocab = nce_model_n_vocab(m);
    *logits = malloc(n * *n_vocab * sizeof **logits);
    cr_assert_eq(fixture_eval(s, 0, ids, n, NCE_LOGITS_ALL, *logits), NCE_OK);
    nce_session_destroy(s);
    nce_model_destroy(m);
    nce_context_destroy(ctx);
    return n;
}

Test(tiny, logits_do_not_depend_on_threads)
{
    static const char *const models[] = {"tiny", "tiny-moe", "tiny-ternary"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[1024];
        int32_t ids[N_IDS];
        float *one, *many;
        size_t n_vocab;
        snprintf(path, sizeof path, "%s/%s.gguf", NCE_TEST_MODELS, models[i]);
        const size_t n = logits_of(path, 1, ids, &one, &n_vocab);
        for (uint32_t threads = 2; threads <= 5; threads += 3) {
            logits_of(path, threads, ids, &many, &n_vocab);
            cr_assert_eq(memcmp(one, many, n * n_vocab * sizeof *one), 0, "%s with %u threads", models[i], threads);
            free(many);
        }
        free(one);
    }
}

/* Logits of the text, one token at a time. */
static size_t decode(nce_model *m, uint32_t dense_only, float **logits, double *zeros)
{
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    nce_session *s;
    int32_t ids[N_IDS];
    size_t n;
    const size_t n_vocab = nce_model_n_vocab(m);
    o.dense_only = dense_only;
    cr_assert_eq(nce_session_create(m, &o, &s), NCE_OK);
    cr_assert_eq(nce_tokenizer_encode(nce_model_tokenizer(m), text, sizeof text - 1, 0, ids, N_IDS, &n), NCE_OK);
    *logits = malloc(n * n_vocab * sizeof **logits);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(fixture_eval(s, 0, ids + i, 1, NCE_LOGITS_ALL, *logits + i * n_vocab), NCE_OK);
    if (zeros != NULL) cr_assert_eq(nce_session_metric(s, NCE_METRIC_ZERO_ACTIVATIONS, zeros), NCE_OK);
    nce_session_destroy(s);
    return n * n_vocab;
}

Test(tiny, leaving_zeros_out_changes_no_bit)
{
    nce_context *ctx;
    nce_model *m;
    float *sparse, *dense;
    double zeros;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_model_load(ctx, NCE_TEST_MODELS "/tiny-ternary.gguf", NULL, &m), NCE_OK);
    const size_t n = decode(m, 0, &sparse, &zeros);
    cr_assert_eq(decode(m, 1, &dense, NULL), n);
    cr_assert_gt(zeros, 0.5, "the sparse path ran: %g", zeros);
    cr_assert_eq(memcmp(sparse, dense, n * sizeof *dense), 0);
    free(sparse);
    free(dense);
    nce_model_destroy(m);
    nce_context_destroy(ctx);
}

/* Mean negative log-likelihood of the text above. */
static double loss_of(const char *path)
{
    int32_t ids[N_IDS];
    float *logits;
    size_t n_vocab;
    const size_t n = logits_of(path, 2, ids, &logits, &n_vocab);
    double loss = 0.0;
    for (size_t i = 0; i + 1 < n; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < n_vocab; j++)
            sum += exp((double)logits[i * n_vocab + j] - logits[i * n_vocab + (size_t)ids[i + 1]]);
        loss += log(sum);
    }
    free(logits);
    return loss / (double)(n - 1);
}

Test(tiny, four_bits_cost_little_and_ternary_much)
{
    char path[] = "/tmp/nce-test-XXXXXX";
    nce_context *ctx;
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    const double full = loss_of(NCE_TEST_MODELS "/tiny.gguf");
    cr_assert_lt(full, 3.0, "trained weights: %g nats a token", full);
    close(mkstemp(path));
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    static const struct {
        const char *type;
        double least, most;
    } cases[] = {{"q4_k", -0.15, 0.15}, {"q4_0", -0.15, 0.2}, {"tq2_0", 1.0, 100.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.type = cases[i].type;
        o.pure = 1;
        cr_assert_eq(nce_gguf_quantize(ctx, NCE_TEST_MODELS "/tiny.gguf", path, &o), NCE_OK, "%s",
                     nce_context_error(ctx));
        const double more = loss_of(path) - full;
        cr_assert(more > cases[i].least && more < cases[i].most, "%s: %g nats more than %g", cases[i].type, more, full);
    }
    unlink(path);
    nce_context_destroy(ctx);
}
