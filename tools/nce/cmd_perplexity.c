/* nce perplexity: exp of the mean negative log-likelihood of a text, in windows of the context; the first half of a window
 * is context only, the second half is scored. */
#include "tools/nce/common.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct score {
    double sum, sum2;
    size_t n;
} score;

static double negative_log(const float *logits, size_t n_vocab, int32_t token)
{
    float max = logits[0];
    double sum = 0.0;
    for (size_t i = 1; i < n_vocab; i++)
        if (logits[i] > max) max = logits[i];
    for (size_t i = 0; i < n_vocab; i++)
        sum += exp((double)logits[i] - max);
    return log(sum) + max - logits[token];
}

static nce_status window(nce_engine *e, int32_t *ids, size_t n, float *logits, score *s)
{
    const size_t n_vocab = nce_model_n_vocab(e->model), half = n / 2;
    const nce_tokenizer *t = nce_model_tokenizer(e->model);
    const int32_t first = ids[0];
    if (nce_tokenizer_adds_bos(t)) ids[0] = nce_tokenizer_bos(t);
    const nce_run head = {.tokens = ids, .n_tokens = half, .want = NCE_LOGITS_NONE};
    const nce_run tail = {.tokens = ids + half, .n_tokens = n - half, .logits = logits, .want = NCE_LOGITS_ALL};
    nce_session_trim(e->session, 0, 0);
    nce_status status = nce_session_eval(e->session, &head, 1);
    if (status == NCE_OK) status = nce_session_eval(e->session, &tail, 1);
    ids[0] = first;
    for (size_t i = half; i + 1 < n && status == NCE_OK; i++) {
        const double x = negative_log(logits + (i - half) * n_vocab, n_vocab, ids[i + 1]);
        s->sum += x;
        s->sum2 += x * x;
        s->n++;
    }
    return status;
}

static int all_windows(const nce_common *c, nce_engine *e, int32_t *ids, size_t n)
{
    const size_t n_ctx = nce_session_n_ctx(e->session), n_windows = n / n_ctx, n_vocab = nce_model_n_vocab(e->model);
    score s = {0};
    nce_bar bar = {.label = "perplexity", .quiet = c->quiet, .last = -1};
    if (n_windows == 0) return nce_cmd_failed("%zu tokens do not fill one window of %zu; choose a smaller --ctx", n, n_ctx);
    float *logits = malloc((n_ctx - n_ctx / 2) * n_vocab * sizeof *logits);
    if (logits == NULL) return nce_cmd_failed("no memory for the logits");
    nce_status status = NCE_OK;
    for (size_t i = 0; i < n_windows && status == NCE_OK; i++) {
        status = window(e, ids + i * n_ctx, n_ctx, logits, &s);
        nce_bar_progress(&bar, i + 1, n_windows);
    }
    nce_bar_finish(&bar);
    free(logits);
    if (status != NCE_OK) return nce_engine_failed(e, status);
    const double mean = s.sum / (double)s.n, variance = s.sum2 / (double)s.n - mean * mean;
    const double ppl = exp(mean), error = ppl * sqrt((variance > 0 ? variance : 0) / (double)(s.n > 1 ? s.n - 1 : 1));
    printf("perplexity: %.4f +- %.4f\n", ppl, error);
    return NCE_EXIT_OK;
}

static int32_t *encode_file(const nce_engine *e, const char *path, size_t *n)
{
    size_t n_bytes;
    char *text = nce_read_file(path, &n_bytes);
    int32_t *ids = text != NULL ? nce_encode_text(e, text, n_bytes, NCE_ENCODE_BOS, n) : NULL;
    free(text);
    return ids;
}

int nce_cmd_perplexity(int argc, char **argv)
{
    nce_common c = {.ctx = 512};
    const char *model = NULL, *file = NULL, *tokens = NULL;
    const nce_arg table[] = {
        {"--file", NCE_ARG_TEXT, &file, 0, 0, "FILE  text"},
        {"--tokens", NCE_ARG_TEXT, &tokens, 0, 0, "FILE  token ids separated by white space, instead of a text"},
        NCE_COMMON_ARGS(c),
    };
    int code = nce_args_parse("perplexity MODEL (--file FILE | --tokens FILE) [--ctx N] [options]", table, sizeof table / sizeof *table, argc, argv, &model, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (model == NULL || (file == NULL) == (tokens == NULL) || c.ctx < 2)
        return nce_cmd_usage("perplexity needs MODEL, one of --file and --tokens, and --ctx of at least 2");
    nce_engine e = {0};
    code = nce_engine_model(&c, model, &e);
    if (code == NCE_EXIT_OK) code = nce_engine_session(&c, &e);
    if (code == NCE_EXIT_OK) {
        size_t n = 0;
        int32_t *ids = file != NULL ? encode_file(&e, file, &n) : nce_read_tokens(tokens, &n);
        code = ids ? all_windows(&c, &e, ids, n) : NCE_EXIT_FAILED;
        free(ids);
    }
    nce_engine_close(&e);
    return code;
}
