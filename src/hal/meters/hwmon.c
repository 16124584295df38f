/* Sensors under /sys/class/hwmon, where nothing better is there: energy counters of AMD sockets (amd_energy), the power
 * of AMD GPUs (amdgpu). */
#include "src/hal/meters/meters.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FILES = 16 };

typedef struct hwmon {
    nce_meter base;
    const char *root; /* the context's */
    size_t n;
    char chip[MOST_FILES][32], file[MOST_FILES][32];
    bool power; /* the files are microwatts, not microjoules */
    double first;
    nce_meter_power energy;
} hwmon;

static bool sum_files(const hwmon *h, double *out)
{
    char text[32], *end;
    *out = 0.0;
    for (size_t i = 0; i < h->n; i++) {
        if (!nce_meter_read_line(h->root, h->chip[i], h->file[i], text, sizeof text)) return false;
        *out += (double)strtoull(text, &end, 10) * 1e-6;
        if (end == text) return false;
    }
    return true;
}

static bool joules(nce_meter *m, double *out)
{
    hwmon *h = (hwmon *)m;
    double now;
    if (!sum_files(h, &now)) return false;
    *out = h->power ? nce_meter_add_power(&h->energy, now) : now - h->first;
    return true;
}

static void close_hwmon(nce_meter *m)
{
    nce_free(m->ctx, m);
}

static void add_file(hwmon *h, const char *chip, const char *file)
{
    char text[32];
    if (h->n == MOST_FILES || strlen(chip) >= sizeof h->chip[0] || !nce_meter_read_line(h->root, chip, file, text, sizeof text)) return;
    snprintf(h->chip[h->n], sizeof h->chip[0], "%s", chip);
    snprintf(h->file[h->n], sizeof h->file[0], "%s", file);
    h->n++;
}

/* Counters of whole sockets; those of cores are parts of them. */
static void add_sockets(hwmon *h, const char *chip)
{
    char file[32], label[64];
    for (int i = 1; i < 1024; i++) {
        snprintf(file, sizeof file, "energy%d_label", i);
        if (!nce_meter_read_line(h->root, chip, file, label, sizeof label)) return;
        snprintf(file, sizeof file, "energy%d_input", i);
        if (strncmp(label, "Esocket", 7) == 0) add_file(h, chip, file);
    }
}

/* Is the chip the GPU with this PCI address? */
static bool at_address(const char *root, const char *chip, const char *pci)
{
    char path[512], target[512];
    snprintf(path, sizeof path, "%s/%s/device", root, chip);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return false;
    target[n] = '\0';
    const char *last = strrchr(target, '/');
    return strcmp(last != NULL ? last + 1 : target, pci) == 0;
}

static void add_chip(hwmon *h, const char *chip, const char *pci)
{
    char name[64];
    if (strncmp(chip, "hwmon", 5) != 0 || !nce_meter_read_line(h->root, chip, "name", name, sizeof name)) return;
    if (pci == NULL && strcmp(name, "amd_energy") == 0) add_sockets(h, chip);
    if (pci != NULL && strcmp(name, "amdgpu") == 0 && at_address(h->root, chip, pci)) add_file(h, chip, "power1_average");
}

nce_status nce_meter_hwmon(nce_context *ctx, const char *source, nce_meter **out)
{
    static const nce_meter_ops ops = {joules, NULL, close_hwmon};
    const char *root = nce_path(ctx, "hwmon", "/sys/class/hwmon"), *pci = nce_meter_pci(source, "hip");
    if (pci == NULL && strcmp(source, "cpu") != 0) return NCE_OK;
    DIR *d = opendir(root);
    if (d == NULL) return NCE_OK;
    hwmon *h = nce_alloc_zero(ctx, sizeof *h);
    if (h == NULL) {
        closedir(d);
        return nce_fail_nomem(ctx, sizeof *h);
    }
    h->base = (nce_meter){&ops, ctx, NULL};
    h->root = root;
    h->power = pci != NULL;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        add_chip(h, e->d_name, pci);
    closedir(d);
    if (h->n > 0 && sum_files(h, &h->first)) *out = &h->base;
    else nce_free(ctx, h);
    return NCE_OK;
}
