/* Architectures that the program registers: rows like the library's own, kept in the context until it is destroyed.
 *
 * The list only grows, at its head and under a lock, so a row may be used without one as long as the context lives. */
#include "src/core/model/arch.h"
#include "nce/architecture.h"
#include <string.h>

_Static_assert(sizeof(nce_architecture_traits) == 56, "ABI: grows only at the end");
_Static_assert((int)NCE_ARCHITECTURE_NORM_LAYER == (int)NCE_NORM_LAYER &&
                   (int)NCE_ARCHITECTURE_RELU_SQUARED == (int)NCE_ACT_RELU2,
               "public numbers are the library's own");
_Static_assert((int)NCE_ARCHITECTURE_PARALLEL == (int)NCE_ARCH_PARALLEL &&
                   (int)NCE_ARCHITECTURE_EMBED_SQRT == (int)NCE_ARCH_EMBED_SQRT &&
                   (int)NCE_ARCHITECTURE_QK_NORM_FULL == (int)NCE_ARCH_QK_NORM_FULL &&
                   (int)NCE_ARCHITECTURE_ROUTE_PLAIN == (int)NCE_ARCH_ROUTE_PLAIN &&
                   (int)NCE_ARCHITECTURE_ROUTE_CHOSEN == (int)NCE_ARCH_ROUTE_CHOSEN &&
                   (int)NCE_ARCHITECTURE_POST_IS_FFN_NORM == (int)NCE_ARCH_POST_IS_FFN_NORM &&
                   (int)NCE_ARCHITECTURE_LOGIT_DIVIDE == (int)NCE_ARCH_LOGIT_DIVIDE &&
                   (int)NCE_ARCHITECTURE_LATENT == (int)NCE_ARCH_LATENT,
               "flags are the table's");

enum { MAX_NAME = 63 };

typedef struct registered {
    nce_kept kept; /* first: the context frees it */
    nce_arch arch;
    char name[MAX_NAME + 1];
} registered;

static const nce_arch *find(const nce_context *ctx, nce_str name)
{
    for (const nce_kept *k = ctx->architectures; k != NULL; k = k->next)
        if (nce_str_equal(name, ((const registered *)k)->name)) return &((const registered *)k)->arch;
    return NULL;
}

const nce_arch *nce_arch_registered(nce_context *ctx, nce_str name)
{
    pthread_mutex_lock(&ctx->architectures_mutex);
    const nce_arch *arch = find(ctx, name);
    pthread_mutex_unlock(&ctx->architectures_mutex);
    return arch;
}

void nce_arch_append(char *text, size_t size, const char *name)
{
    const size_t used = strlen(text);
    if (used + strlen(name) + 3 > size) return;
    if (used > 0) strcat(text, ", ");
    strcat(text, name);
}

void nce_arch_list_registered(nce_context *ctx, char *text, size_t size)
{
    pthread_mutex_lock(&ctx->architectures_mutex);
    for (const nce_kept *k = ctx->architectures; k != NULL; k = k->next)
        nce_arch_append(text, size, ((const registered *)k)->name);
    pthread_mutex_unlock(&ctx->architectures_mutex);
}

static nce_status check_name(nce_context *ctx, const char *name)
{
    const size_t n = name != NULL ? strlen(name) : 0;
    if (n == 0 || n > MAX_NAME)
        return nce_fail(ctx, NCE_ERR_INVALID,
                        "nce_architecture_traits: a name of 1 to %d characters is needed, got %zu", MAX_NAME, n);
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return nce_fail(ctx, NCE_ERR_INVALID,
                            "nce_architecture_traits: character %zu of the name is not printable ASCII", i);
    return NCE_OK;
}

static nce_status check_range(nce_context *ctx, const char *name, uint32_t value, uint32_t most)
{
    if (value <= most) return NCE_OK;
    return nce_fail(ctx, NCE_ERR_INVALID, "nce_architecture_traits: %s %u, at most %u", name, value, most);
}

static nce_status check_traits(nce_context *ctx, const nce_architecture_traits *t)
{
    const struct {
        const char *name;
        uint32_t value, most;
    } fields[] = {
        {"norm", t->norm, NCE_ARCHITECTURE_NORM_LAYER},
        {"rope", t->rope, NCE_ARCHITECTURE_ROPE_NONE},
        {"activation", t->activation, NCE_ARCHITECTURE_SWIGLU_OAI},
        {"flags", t->flags, NCE_ARCH_FLAGS},
        {"window", t->window, 1u << 30},
        {"window_period", t->window_period, NCE_MAX_LAYERS},
        {"window_layers", t->window_layers, t->window_period},
        {"rope_period", t->rope_period, NCE_MAX_LAYERS},
        {"rope_layers", t->rope_layers, t->rope_period},
        {"reserved", t->reserved, 0},
    };
    nce_status status = check_name(ctx, t->name);
    for (size_t i = 0; status == NCE_OK && i < sizeof fields / sizeof *fields; i++)
        status = check_range(ctx, fields[i].name, fields[i].value, fields[i].most);
    if (status == NCE_OK && t->flags & NCE_ARCH_LATENT && t->rope == NCE_ARCHITECTURE_ROPE_NONE)
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_architecture_traits: latent attention needs a rotation");
    return status;
}

static nce_arch row_of(const nce_architecture_traits *t, const char *name)
{
    static const nce_rope_kind ropes[] = {NCE_ROPE_NORMAL, NCE_ROPE_NEOX, NCE_ROPE_NONE};
    const nce_act_fn act =
        t->activation == NCE_ARCHITECTURE_SWIGLU_OAI ? NCE_ACT_SWIGLU_OAI : (nce_act_fn)t->activation;
    return (nce_arch){.name = name,
                      .norm = (nce_norm_kind)t->norm,
                      .rope = ropes[t->rope],
                      .act = act,
                      .flags = t->flags,
                      .window = t->window,
                      .windowed = {t->window_period, t->window_layers},
                      .rotated = {t->rope_period, t->rope_layers}};
}

nce_status nce_architecture_register(nce_context *ctx, const nce_architecture_traits *traits)
{
    nce_architecture_traits t = NCE_ARCHITECTURE_TRAITS_INIT;
    if (ctx == NULL) return NCE_ERR_INVALID;
    nce_status status = nce_read_options(ctx, &t, sizeof t, traits, "nce_architecture_traits");
    if (status == NCE_OK) status = check_traits(ctx, &t);
    if (status != NCE_OK) return status;
    registered *r = nce_alloc_zero(ctx, sizeof *r);
    if (r == NULL) return nce_fail_nomem(ctx, sizeof *r);
    memcpy(r->name, t.name, strlen(t.name));
    r->arch = row_of(&t, r->name);
    const nce_str name = {r->name, strlen(r->name)};
    bool known = nce_arch_find(ctx, name) != NULL;
    pthread_mutex_lock(&ctx->architectures_mutex);
    known = known || find(ctx, name) != NULL; /* another thread may have been faster */
    if (!known) {
        r->kept.next = ctx->architectures;
        ctx->architectures = &r->kept;
    }
    pthread_mutex_unlock(&ctx->architectures_mutex);
    if (!known) return NCE_OK;
    nce_free(ctx, r);
    return nce_fail(ctx, NCE_ERR_INVALID, "architecture '%s' is known already", t.name);
}
