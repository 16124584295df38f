/* Several devices as one: consecutive layers of a model on each.
 *
 * A program is cut at layer boundaries into segments, one per device, each with its own program, working memory and part of
 * every page of keys and values; rows that a later segment reads travel through host memory.  Weights are imported by a
 * device when a segment on it needs them first, and stay.  So core sees one device and its programs stay whole; children
 * see ordinary, shorter programs.  The arithmetic is the children's: same bits wherever a layer runs. */
#ifndef NCE_SRC_SPLIT_H
#define NCE_SRC_SPLIT_H
#include "src/hal/program.h"

enum { NCE_SPLIT_MOST = 16 };

/* gpu_layers: layers on all devices but the last, in equal shares; 0: as many on each as its memory holds, the rest on the
 * last.  Takes the devices over, destroys them on failure too.  names: for messages, copied. */
nce_status nce_split_device_create(nce_context *ctx, nce_device *const *devices, const char *const *names, size_t n,
                                   uint32_t gpu_layers, nce_device **out);

/* ---- inside ---- */
typedef struct nce_split_device {
    nce_device base;
    size_t n;
    nce_device *part[NCE_SPLIT_MOST];
    char name[NCE_SPLIT_MOST][64];
    uint32_t gpu_layers;
    pthread_mutex_t import_mutex; /* sessions may be made on several threads */
} nce_split_device;

/* A weight tensor: imported by the devices that need it. */
typedef struct nce_split_import {
    nce_buffer base; /* address: the host's */
    nce_buffer *part[NCE_SPLIT_MOST];
} nce_split_import;
nce_status nce_split_import_on(nce_split_device *d, nce_split_import *b, size_t device, nce_buffer **out);

/* What one device does of a step. */
typedef struct nce_split_segment {
    size_t device;
    nce_program program;      /* operations from .. from + n_ops of the whole one, with weights of this device */
    nce_weight *weights;      /* copies that point to this device's buffers */
    size_t n_weights;
    nce_exec *exec;
    size_t page_from, page_to; /* this segment's part of a page of keys and values */
    bool reads[NCE_MAX_SLOTS]; /* slots that hold rows of earlier segments when this one starts */
    bool gives[NCE_MAX_SLOTS]; /* slots that later segments read */
    nce_step_run *runs;        /* [max_runs] of the running step, with this segment's parts of the pages */
    uint8_t **addresses;
    size_t addresses_capacity;
} nce_split_segment;

typedef struct nce_split_exec {
    nce_split_device *device;
    const nce_program *program;
    nce_exec_options o;
    size_t n;
    nce_split_segment segment[NCE_SPLIT_MOST];
    float *rows[NCE_MAX_SLOTS]; /* slots on their way, [max_rows][width]; NULL where none travels */
    size_t bytes;
} nce_split_exec;

/* Part of a page per segment. */
typedef struct nce_split_page {
    nce_buffer base; /* address: of this struct, for the steps' lists of pages */
    const nce_split_exec *exec;
    nce_buffer *part[NCE_SPLIT_MOST];
} nce_split_page;

/* plan.c: n_layers[i] layers for device i.  Logs what goes where. */
nce_status nce_split_plan(nce_split_device *d, const nce_program *p, const nce_exec_options *o, uint32_t n_layers[NCE_SPLIT_MOST]);
/* Calls f for each weight of an operation. */
typedef nce_status nce_split_weight_fn(void *user, const nce_weight **w);
nce_status nce_split_each_weight(nce_op *op, nce_split_weight_fn *f, void *user);
/* Bytes of keys and values of an operation's layer in a page; 0 for other operations than NCE_OP_KV_STORE. */
size_t nce_split_page_bytes(const nce_op *op);

/* segments.c: cut and make ready. */
nce_status nce_split_exec_create(nce_device *d, const nce_program *p, const nce_exec_options *o, nce_exec **out);
void nce_split_exec_destroy(nce_exec *e);
/* run.c */
nce_status nce_split_submit(nce_exec *e, const nce_step *step, nce_event **out);
nce_status nce_split_wait(nce_event *event);
/* pages.c */
nce_status nce_split_page_create(nce_exec *e, size_t bytes, nce_buffer **out);
void nce_split_page_destroy(nce_split_page *page);
nce_status nce_split_page_write(nce_buffer *b, size_t offset, const void *host, size_t bytes);
nce_status nce_split_page_read(const nce_buffer *b, size_t offset, void *host, size_t bytes);
nce_status nce_split_page_copy(nce_buffer *dst, const nce_buffer *src, size_t bytes);

#endif
