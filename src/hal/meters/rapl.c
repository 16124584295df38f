/* The processor's own counters (Intel and AMD) through /sys/class/powercap: packages, and memory where it has a counter.
 *
 * A counter counts microjoules and wraps at max_energy_range_uj: a wrap between two readings is seen, two are not.  Since
 * Linux 5.10 only root may read them; in virtual machines there are none. */
#include "src/hal/meters/meters.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ZONES = 32 };

typedef struct zone {
    int file;
    uint64_t last, range, total;
} zone;

typedef struct rapl {
    nce_meter base;
    size_t n;
    zone zone[MOST_ZONES];
} rapl;

static bool read_counter(int file, uint64_t *out)
{
    char text[32], *end;
    const ssize_t n = pread(file, text, sizeof text - 1, 0);
    if (n <= 0) return false;
    text[n] = '\0';
    *out = strtoull(text, &end, 10);
    return end != text;
}

static bool joules(nce_meter *m, double *out)
{
    rapl *r = (rapl *)m;
    uint64_t sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        zone *z = &r->zone[i];
        uint64_t now;
        if (!read_counter(z->file, &now)) return false;
        z->total += now >= z->last ? now - z->last : z->range - z->last + now;
        z->last = now;
        sum += z->total;
    }
    *out = (double)sum * 1e-6;
    return true;
}

static void close_rapl(nce_meter *m)
{
    rapl *r = (rapl *)m;
    for (size_t i = 0; i < r->n; i++)
        close(r->zone[i].file);
    nce_free(m->ctx, r);
}

/* Packages and memory; cores and graphics are parts of packages, and psys holds everything once more. */
static bool wanted(const char *root, const char *entry)
{
    char name[64];
    if (strncmp(entry, "intel-rapl:", 11) != 0 || !nce_meter_read_line(root, entry, "name", name, sizeof name)) return false;
    return strncmp(name, "package", 7) == 0 || strcmp(name, "dram") == 0;
}

static void add_zone(rapl *r, const char *root, const char *entry)
{
    char path[512], text[32];
    if (r->n == MOST_ZONES || !wanted(root, entry)) return;
    if ((size_t)snprintf(path, sizeof path, "%s/%s/energy_uj", root, entry) >= sizeof path) return;
    if (!nce_meter_read_line(root, entry, "max_energy_range_uj", text, sizeof text)) return;
    zone z = {.file = open(path, O_RDONLY | O_CLOEXEC), .range = strtoull(text, NULL, 10)};
    if (z.file < 0) {
        nce_log(r->base.ctx, NCE_LOG_INFO, "%s cannot be opened: only root may read it on most systems", path);
        return;
    }
    if (read_counter(z.file, &z.last)) r->zone[r->n++] = z;
    else close(z.file);
}

nce_status nce_meter_rapl(nce_context *ctx, const char *source, nce_meter **out)
{
    static const nce_meter_ops ops = {joules, NULL, close_rapl};
    const char *root = nce_path(ctx, "powercap", "/sys/class/powercap");
    if (strcmp(source, "cpu") != 0) return NCE_OK;
    DIR *d = opendir(root);
    if (d == NULL) return NCE_OK;
    rapl *r = nce_alloc_zero(ctx, sizeof *r);
    if (r == NULL) {
        closedir(d);
        return nce_fail_nomem(ctx, sizeof *r);
    }
    r->base = (nce_meter){&ops, ctx, NULL};
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        add_zone(r, root, e->d_name);
    closedir(d);
    if (r->n > 0) *out = &r->base;
    else nce_free(ctx, r);
    return NCE_OK;
}
