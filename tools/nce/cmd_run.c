/* nce run: continue a prompt, text on stdout, statistics on stderr. */
#include "tools/nce/common.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct run_args {
    nce_common c;
    const char *prompt, *file, *preset, *stop;
    uint32_t n;
    float temp, top_p, min_p, repeat, frequency, presence;
    uint32_t top_k;
    uint64_t seed;
    bool special, ignore_end;
} run_args;

static nce_session *volatile interrupted_session; /* for the signal handler of this program */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (interrupted_session != NULL) nce_session_cancel(interrupted_session);
}

static bool print_text(void *user, const char *text, size_t n)
{
    (void)user;
    return fwrite(text, 1, n, stdout) == n && fflush(stdout) == 0;
}

static int make_sampler(const run_args *a, const nce_engine *e, nce_sampler **out)
{
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    if (nce_sampler_preset(a->preset, &o) != NCE_OK)
        return nce_cmd_usage("--preset: '%s' is not one of greedy, precise, default, creative", a->preset);
    if (!isnan(a->temp)) o.temperature = a->temp;
    if (!isnan(a->top_p)) o.top_p = a->top_p;
    if (a->top_k != UINT32_MAX) o.top_k = a->top_k;
    o.min_p = a->min_p;
    o.repeat_penalty = a->repeat;
    o.frequency_penalty = a->frequency;
    o.presence_penalty = a->presence;
    o.seed = a->seed;
    const nce_status status = nce_sampler_create(e->ctx, nce_model_n_vocab(e->model), &o, out);
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(e, status);
}

static void print_statistics(const nce_engine *e)
{
    double prompt = 0, prompt_s = 0, decode = 0, decode_s = 0, joules;
    nce_session_metric(e->session, NCE_METRIC_PROMPT_TOKENS, &prompt);
    nce_session_metric(e->session, NCE_METRIC_PROMPT_SECONDS, &prompt_s);
    nce_session_metric(e->session, NCE_METRIC_DECODE_TOKENS, &decode);
    nce_session_metric(e->session, NCE_METRIC_DECODE_SECONDS, &decode_s);
    fprintf(stderr, "prompt: %.0f tokens, %.1f tokens/s; generated: %.0f tokens, %.1f tokens/s", prompt,
            prompt_s > 0 ? prompt / prompt_s : 0.0, decode, decode_s > 0 ? decode / decode_s : 0.0);
    if (nce_session_metric(e->session, NCE_METRIC_JOULES_PER_TOKEN, &joules) == NCE_OK) fprintf(stderr, ", %.3f J/token", joules);
    fputc('\n', stderr);
}

static int generate(const run_args *a, nce_engine *e, const char *prompt, size_t n_bytes)
{
    size_t n = 0;
    nce_sampler *sampler = NULL;
    nce_generate_options o = NCE_GENERATE_OPTIONS_INIT;
    int32_t *ids = nce_encode_text(e, prompt, n_bytes, NCE_ENCODE_BOS | (a->special ? NCE_ENCODE_SPECIAL : 0), &n);
    int code = ids ? make_sampler(a, e, &sampler) : NCE_EXIT_FAILED;
    if (code == NCE_EXIT_OK && n == 0) code = nce_cmd_failed("the prompt is empty and the model has no beginning-of-text token");
    if (code == NCE_EXIT_OK) {
        nce_stop_reason reason;
        o.sampler = sampler;
        o.on_text = print_text;
        o.max_tokens = a->n;
        o.ignore_end = a->ignore_end;
        o.show_special = a->special;
        o.stop_strings = &a->stop;
        o.n_stop_strings = a->stop != NULL;
        print_text(NULL, prompt, n_bytes);
        const nce_status status = nce_generate(e->session, 0, ids, n, &o, NULL, &reason);
        print_text(NULL, "\n", 1);
        if (status != NCE_OK) code = nce_engine_failed(e, status);
        else if (!a->c.quiet) print_statistics(e);
    }
    nce_sampler_destroy(sampler);
    free(ids);
    return code;
}

int nce_cmd_run(int argc, char **argv)
{
    run_args a = {.prompt = NULL, .preset = "default", .n = 128, .temp = NAN, .top_p = NAN, .top_k = UINT32_MAX};
    const char *model = NULL;
    const nce_arg table[] = {
        {"-p", NCE_ARG_TEXT, &a.prompt, 0, 0, "TEXT  prompt"},
        {"--file", NCE_ARG_TEXT, &a.file, 0, 0, "FILE  prompt from a file, - for standard input"},
        {"-n", NCE_ARG_U32, &a.n, 0, 0, "N  tokens to generate (default 128; 0: until the context is full)"},
        {"--preset", NCE_ARG_TEXT, &a.preset, 0, 0, "greedy|precise|default|creative"},
        {"--temp", NCE_ARG_F32, &a.temp, 0, 100, "X  temperature, 0: greedy"},
        {"--top-k", NCE_ARG_U32, &a.top_k, 0, 0, "N  keep the N best, 0: all"},
        {"--top-p", NCE_ARG_F32, &a.top_p, 0, 1, "X  keep the best up to this probability"},
        {"--min-p", NCE_ARG_F32, &a.min_p, 0, 1, "X  keep those with this share of the best's probability"},
        {"--repeat-penalty", NCE_ARG_F32, &a.repeat, 0, 100, "X"},
        {"--frequency-penalty", NCE_ARG_F32, &a.frequency, -100, 100, "X"},
        {"--presence-penalty", NCE_ARG_F32, &a.presence, -100, 100, "X"},
        {"--seed", NCE_ARG_U64, &a.seed, 0, 0, "N  of the random numbers (default 0)"},
        {"--stop", NCE_ARG_TEXT, &a.stop, 0, 0, "TEXT  end before this text"},
        {"--special", NCE_ARG_FLAG, &a.special, 0, 0, "parse control tokens in the prompt and show them in the answer"},
        {"--ignore-end", NCE_ARG_FLAG, &a.ignore_end, 0, 0, "go on after the end token"},
        NCE_COMMON_ARGS(a.c),
    };
    int code = nce_args_parse("run MODEL -p TEXT [options]", table, sizeof table / sizeof *table, argc, argv, &model, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (model == NULL || (a.prompt == NULL) == (a.file == NULL)) return nce_cmd_usage("run needs MODEL and one of -p and --file");
    size_t n_bytes = a.prompt ? strlen(a.prompt) : 0;
    char *text = a.file ? nce_read_file(a.file, &n_bytes) : NULL;
    if (a.file && text == NULL) return NCE_EXIT_FAILED;
    nce_engine e = {0};
    code = nce_engine_model(&a.c, model, &e);
    if (code == NCE_EXIT_OK) code = nce_engine_session(&a.c, &e);
    if (code == NCE_EXIT_OK) {
        interrupted_session = e.session;
        signal(SIGINT, on_interrupt);
        code = generate(&a, &e, text ? text : a.prompt, n_bytes);
        interrupted_session = NULL;
    }
    nce_engine_close(&e);
    free(text);
    return code;
}
