/* Speed of text: encoding, decoding and training in MB of text per second of CPU time; training also by the clock.
 * Encoding twice: with no word remembered from earlier calls, and with those of the same text.
 *
 * text VOCABULARY FILE [seconds]: VOCABULARY is a GGUF file or a .tiktoken file (cut by llama-bpe's rules).  The median
 * of the passes over FILE is printed, and what a memcpy of the same text reaches, to compare machines by. */
#include "tests/unit/text_tiktoken.h"
#include "tools/measure.h"

enum { TRAIN_BYTES = 64 << 20 };

typedef struct subject {
    nce_context *ctx;
    nce_tokenizer *t;
    char *text, *copy;
    size_t n, n_tokens;
    int32_t *tokens;
} subject;

static void encode(subject *s)
{
    if (nce_tokenizer_encode(s->t, s->text, s->n, 0, s->tokens, 2 * s->n + 4, &s->n_tokens) != NCE_OK) exit(1);
}

/* The first call of a tokenizer. */
static void encode_first(subject *s)
{
    nce_free(s->ctx, atomic_exchange(&s->t->shelf->memory, NULL));
    encode(s);
}

static void split(subject *s)
{
    nce_splitter p;
    size_t ends[NCE_WORD_BATCH], n;
    s->n_tokens = 0;
    if (s->t->split == NULL) return;
    nce_splitter_init(&p, s->t->split->rule, s->text, s->n);
    while ((n = nce_splitter_fill(&p, ends, NCE_WORD_BATCH)) > 0)
        s->n_tokens += n;
}

static void decode(subject *s)
{
    size_t n;
    if (nce_tokenizer_decode(s->t, s->tokens, s->n_tokens, 0, s->copy, s->n + 64, &n) != NCE_OK) exit(1);
}

static void copy(subject *s)
{
    memcpy(s->copy, s->text, s->n);
    __asm__ volatile("" : : "r"(s->copy) : "memory");
}

/* Counting words is what grows with the text; the text is repeated so that learning merges does not drown it. */
static void train(subject *s)
{
    nce_tokenizer *t;
    nce_text texts[64];
    nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
    const size_t repeats = s->n < TRAIN_BYTES ? TRAIN_BYTES / s->n : 1;
    for (size_t i = 0; i < 64; i++)
        texts[i] = (nce_text){s->text, s->n};
    o.n_tokens = 32000;
    if (nce_tokenizer_train(s->ctx, texts, repeats < 64 ? repeats : 64, &o, &t) != NCE_OK) exit(1);
    nce_tokenizer_destroy(t);
}

static void measure(subject *s, const char *name, void (*run)(subject *), clockid_t clock, double seconds, double bytes)
{
    enum { MOST = 1000 };
    double times[MOST], spent = 0;
    int n = 0;
    while (n < MOST && (n < 3 || spent < seconds)) {
        const double start = measure_seconds(clock);
        run(s);
        times[n] = measure_seconds(clock) - start;
        spent += times[n++];
    }
    printf("%-8s %9.1f MB/s   (median of %d)\n", name, bytes / measure_quantile(times, (size_t)n, 0.5) / 1e6, n);
}

static char *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) return NULL;
    *n = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*n + 1);
    if (text != NULL && fread(text, 1, *n, f) != *n) *n = 0;
    fclose(f);
    return text;
}

int main(int argc, char **argv)
{
    subject s = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: text VOCABULARY FILE [seconds]\n");
        return 2;
    }
    const double seconds = argc > 3 ? atof(argv[3]) : 1.0;
    const char *dot = strrchr(argv[1], '.');
    if (nce_context_create(NULL, &s.ctx) != NCE_OK) return 1;
    if (dot != NULL && strcmp(dot, ".tiktoken") == 0)
        s.t = tiktoken_load(s.ctx, argv[1], "llama-bpe");
    else
        nce_tokenizer_open(s.ctx, argv[1], &s.t);
    s.text = read_all(argv[2], &s.n);
    if (s.t == NULL || s.text == NULL) {
        fprintf(stderr, "text: cannot read %s: %s\n", s.t == NULL ? argv[1] : argv[2], nce_context_error(s.ctx));
        return 1;
    }
    s.copy = malloc(s.n + 64);
    s.tokens = malloc((2 * s.n + 4) * sizeof *s.tokens);
    if (s.copy == NULL || s.tokens == NULL) return 1;
    measure(&s, "memcpy", copy, CLOCK_THREAD_CPUTIME_ID, seconds, (double)s.n);
    measure(&s, "split", split, CLOCK_THREAD_CPUTIME_ID, seconds, (double)s.n);
    measure(&s, "encode 1", encode_first, CLOCK_THREAD_CPUTIME_ID, seconds, (double)s.n);
    measure(&s, "encode", encode, CLOCK_THREAD_CPUTIME_ID, seconds, (double)s.n);
    printf("         %zu bytes, %zu tokens\n", s.n, s.n_tokens);
    measure(&s, "decode", decode, CLOCK_THREAD_CPUTIME_ID, seconds, (double)s.n);
    const size_t repeats = s.n < TRAIN_BYTES ? TRAIN_BYTES / s.n : 1;
    const double train_bytes = (double)s.n * (double)(repeats < 64 ? repeats : 64);
    printf("training on %u threads, 32000 tokens from %.0f MB:\n", nce_context_threads(s.ctx), train_bytes / 1e6);
    measure(&s, "  clock", train, CLOCK_MONOTONIC, seconds, train_bytes);
    measure(&s, "  CPU", train, CLOCK_PROCESS_CPUTIME_ID, seconds, train_bytes);
    nce_tokenizer_destroy(s.t);
    nce_context_destroy(s.ctx);
    free(s.text);
    free(s.copy);
    free(s.tokens);
    return 0;
}
