/* Energy meters of the machine: what is present is read, what is absent is absent.
 *
 * A device names what it draws from as a list: "cpu", "cuda@0000:41:00.0", "hip@...", "oneapi@...".  Each kind of meter
 * looks for its own names; RAPL and hwmon serve "cpu". */
#ifndef NCE_SRC_METERS_H
#define NCE_SRC_METERS_H
#include "src/core/runtime/context.h"

typedef struct nce_meters nce_meters;
typedef struct nce_meter nce_meter;

typedef struct nce_meter_ops {
    /* Joules since the meter was opened, growing; false: cannot be read (now). */
    bool (*joules)(nce_meter *m, double *out);
    /* Share of time busy, 0 to 1, over the driver's last interval; NULL or false: not known. */
    bool (*busy)(nce_meter *m, double *out);
    void (*close)(nce_meter *m);
} nce_meter_ops;

struct nce_meter {
    const nce_meter_ops *ops;
    nce_context *ctx;
    nce_meter *next;
};

/* Opens what there is for a list of sources; *out may be without meters.  Returns NCE_OK or NCE_ERR_NOMEM. */
nce_status nce_meters_open(nce_context *ctx, const char *sources, nce_meters **out);
void nce_meters_close(nce_meters *m); /* NULL is allowed */
/* Sum over the meters; false: there are none, or one could not be read. */
bool nce_meters_joules(nce_meters *m, double *out);
/* Mean over the meters that know; false: none does. */
bool nce_meters_busy(nce_meters *m, double *out);

/* A kind of meter.  source: one name of the list.  *out stays NULL where there is none; only lack of memory is an error. */
typedef nce_status nce_meter_open_fn(nce_context *ctx, const char *source, nce_meter **out);
nce_meter_open_fn nce_meter_rapl, nce_meter_hwmon, nce_meter_nvml, nce_meter_rocm_smi, nce_meter_sysman;

/* "cuda@0000:41:00.0" with kind "cuda": the part after '@'; NULL if source is of another kind. */
const char *nce_meter_pci(const char *source, const char *kind);
/* The first line of folder/a/b into text; false: it cannot be read, or does not fit. */
bool nce_meter_read_line(const char *folder, const char *a, const char *b, char *text, size_t n);
double nce_meter_now(void); /* seconds */

/* Watts turned into joules: those of the time since the last reading, at the power read now. */
typedef struct nce_meter_power {
    double last, joules;
} nce_meter_power;
double nce_meter_add_power(nce_meter_power *p, double watts);

#endif
