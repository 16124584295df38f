/* A step over the segments, one after the other. */
#include "src/hal/split/split.h"

/* The step's runs with this segment's parts of the pages. */
static nce_status fill_runs(nce_split_exec *e, nce_split_segment *s, size_t segment, const nce_step *step)
{
    size_t n = 0;
    for (size_t i = 0; i < step->n_runs; i++)
        n += (step->runs[i].pos0 + step->runs[i].n_rows + NCE_KV_PAGE - 1) / NCE_KV_PAGE;
    const nce_status status = nce_grow(e->device->base.ctx, (void **)&s->addresses, &s->addresses_capacity, n, sizeof *s->addresses);
    if (status != NCE_OK) return status;
    uint8_t **at = s->addresses;
    for (size_t i = 0; i < step->n_runs; i++) {
        const nce_step_run *run = &step->runs[i];
        const size_t n_pages = (run->pos0 + run->n_rows + NCE_KV_PAGE - 1) / NCE_KV_PAGE;
        s->runs[i] = *run;
        s->runs[i].pages = at;
        for (size_t j = 0; j < n_pages; j++) {
            const nce_split_page *page = (const nce_split_page *)(const void *)run->pages[j];
            *at++ = page->part[segment] != NULL ? page->part[segment]->address : NULL;
        }
    }
    return NCE_OK;
}

static nce_status hand_over(nce_split_exec *e, const nce_split_segment *s, size_t n_rows, bool in)
{
    const nce_device_ops *ops = e->device->part[s->device]->ops;
    const bool *travels = in ? s->reads : s->gives;
    nce_status status = NCE_OK;
    for (uint32_t i = 0; status == NCE_OK && i < e->program->n_slots; i++)
        if (travels[i]) status = in ? ops->exec_write(s->exec, i, n_rows, e->rows[i]) : ops->exec_read(s->exec, i, n_rows, e->rows[i]);
    return status;
}

static nce_status run_segment(nce_split_exec *e, size_t i, const nce_step *step)
{
    nce_split_segment *s = &e->segment[i];
    const nce_device_ops *ops = e->device->part[s->device]->ops;
    nce_step part = *step;
    nce_event *event;
    nce_status status = fill_runs(e, s, i, step);
    part.runs = s->runs;
    if (i + 1 < e->n) {
        part.n_selected = 0;
        part.logits = NULL;
    }
    if (status == NCE_OK) status = hand_over(e, s, step->n_rows, true);
    if (status == NCE_OK) status = ops->submit(s->exec, &part, &event);
    if (status == NCE_OK) status = ops->wait(event);
    return status == NCE_OK ? hand_over(e, s, step->n_rows, false) : status;
}

nce_status nce_split_submit(nce_exec *exec, const nce_step *step, nce_event **out)
{
    nce_split_exec *e = (nce_split_exec *)exec;
    nce_status status = NCE_OK;
    for (size_t i = 0; status == NCE_OK && i < e->n; i++)
        status = run_segment(e, i, step);
    *out = status == NCE_OK ? (nce_event *)e : NULL; /* done already */
    return status;
}

nce_status nce_split_wait(nce_event *event)
{
    (void)event;
    return NCE_OK;
}
