/* The devices of a context, looked for once: every driver is asked how many it has, and each is opened to learn about it. */
#include "nce/device.h"
#include "src/hal/gpu/driver.h"
#include "src/hal/list.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_DEVICES = 64, CPU = 0 };

typedef struct entry {
    char name[32], arch[32];
    char description[256];
    char refusal[NCE_ERROR_BYTES]; /* "": it can be used */
    uint64_t memory_bytes, memory_free;
} entry;

struct nce_device_list {
    size_t n;
    entry entry[MOST_DEVICES];
};

static entry *add(nce_device_list *l, const char *name, const char *description)
{
    entry *e = &l->entry[l->n < MOST_DEVICES ? l->n++ : MOST_DEVICES - 1];
    snprintf(e->name, sizeof e->name, "%s", name);
    snprintf(e->description, sizeof e->description, "%s", description);
    return e;
}

static void add_refused(nce_context *ctx, nce_device_list *l, const char *name, const char *description)
{
    entry *e = add(l, name, description);
    snprintf(e->refusal, sizeof e->refusal, "%s", nce_context_error(ctx));
}

static void add_gpus(nce_context *ctx, nce_device_list *l, const nce_device_driver *driver)
{
    const nce_gpu_vendor *vendor = driver->vendor;
    uint32_t n = 0;
    if (vendor->count(ctx, &n) != NCE_OK || n == 0) {
        add_refused(ctx, l, driver->name, driver->description);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        nce_gpu *g;
        snprintf(name, sizeof name, "%s:%u", driver->name, i);
        if (vendor->open(ctx, i, &g) != NCE_OK) {
            add_refused(ctx, l, name, driver->description);
            continue;
        }
        entry *e = add(l, name, g->info.name);
        snprintf(e->arch, sizeof e->arch, "%s", g->info.arch);
        e->memory_bytes = g->info.memory_bytes;
        e->memory_free = g->info.memory_free;
        g->ops->close(g);
    }
}

static void fill(nce_context *ctx, nce_device_list *l)
{
    const nce_device_driver *driver;
    for (size_t i = 0; (driver = nce_device_driver_at(i)) != NULL; i++) {
        if (driver->vendor != NULL) {
            add_gpus(ctx, l, driver);
            continue;
        }
        entry *e = add(l, driver->name, driver->description);
        if (i != CPU) continue;
        const long page = sysconf(_SC_PAGESIZE), all = sysconf(_SC_PHYS_PAGES), unused = sysconf(_SC_AVPHYS_PAGES);
        snprintf(e->arch, sizeof e->arch, "%s", nce_isa_name(nce_context_isa(ctx)));
        e->memory_bytes = page > 0 && all > 0 ? (uint64_t)page * (uint64_t)all : 0;
        e->memory_free = page > 0 && unused > 0 ? (uint64_t)page * (uint64_t)unused : 0;
    }
}

/* Without memory for the list: NULL, and the CPU is all there is. */
static const nce_device_list *list_of(const nce_context *const_ctx)
{
    nce_context *ctx = (nce_context *)const_ctx; /* what is looked for is no change that a caller sees */
    char before[NCE_ERROR_BYTES];
    pthread_mutex_lock(&ctx->devices_mutex);
    if (ctx->devices == NULL && (ctx->devices = nce_alloc_zero(ctx, sizeof *ctx->devices)) != NULL) {
        snprintf(before, sizeof before, "%s", nce_context_error(ctx)); /* refusals are no failures of the caller's */
        fill(ctx, ctx->devices);
        nce_fail(ctx, NCE_OK, "%s", before);
    }
    const nce_device_list *l = ctx->devices;
    pthread_mutex_unlock(&ctx->devices_mutex);
    return l;
}

size_t nce_device_count(const nce_context *ctx)
{
    const nce_device_list *l = list_of(ctx);
    return l != NULL ? l->n : 1;
}

const char *nce_device_name(const nce_context *ctx, size_t i)
{
    const nce_device_list *l = list_of(ctx);
    if (l == NULL) return i == CPU ? nce_device_driver_at(CPU)->name : NULL;
    return i < l->n ? l->entry[i].name : NULL;
}

const char *nce_device_description(const nce_context *ctx, size_t i)
{
    const nce_device_list *l = list_of(ctx);
    if (l == NULL) return i == CPU ? nce_device_driver_at(CPU)->description : NULL;
    return i < l->n ? l->entry[i].description : NULL;
}

const char *nce_device_arch(const nce_context *ctx, size_t i)
{
    const nce_device_list *l = list_of(ctx);
    if (l == NULL) return i == CPU ? nce_isa_name(nce_context_isa(ctx)) : NULL;
    return i < l->n ? l->entry[i].arch : NULL;
}

const char *nce_device_refusal(const nce_context *ctx, size_t i)
{
    const nce_device_list *l = list_of(ctx);
    return l != NULL && i < l->n && l->entry[i].refusal[0] != '\0' ? l->entry[i].refusal : NULL;
}

nce_status nce_device_memory(const nce_context *ctx, size_t i, uint64_t *total, uint64_t *free)
{
    if (ctx == NULL || total == NULL || free == NULL) return NCE_ERR_INVALID;
    const nce_device_list *l = list_of(ctx);
    *total = *free = 0;
    if (l == NULL || i >= l->n || l->entry[i].memory_bytes == 0) return NCE_ERR_NOTFOUND;
    *total = l->entry[i].memory_bytes;
    *free = l->entry[i].memory_free;
    return NCE_OK;
}
