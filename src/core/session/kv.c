/* Keys and values in pages of 64 positions, shared between sequences until written. */
#include "src/core/session/session.h"
#include <string.h>

static nce_status page_create(nce_session *s, nce_page **out)
{
    nce_device *d = s->model->device;
    nce_page *p = nce_alloc_zero(s->ctx, sizeof *p);
    *out = NULL;
    if (p == NULL) return nce_fail_nomem(s->ctx, sizeof *p);
    const nce_status status = d->ops->page_create != NULL
                                  ? d->ops->page_create(s->exec, s->forward->page_bytes, &p->buffer)
                                  : d->ops->buffer_create(d, s->forward->page_bytes, &p->buffer);
    if (status != NCE_OK) {
        nce_free(s->ctx, p);
        return status;
    }
    p->n_users = 1;
    s->counters.kv_bytes += s->forward->page_bytes;
    if (s->counters.kv_bytes > s->counters.kv_bytes_peak) s->counters.kv_bytes_peak = s->counters.kv_bytes;
    *out = p;
    return NCE_OK;
}

static void page_release(nce_session *s, nce_page *p)
{
    if (--p->n_users > 0) return;
    nce_buffer_destroy(p->buffer);
    nce_free(s->ctx, p);
    s->counters.kv_bytes -= s->forward->page_bytes;
}

static nce_status grow_lists(nce_session *s, nce_sequence *q, size_t n_pages)
{
    const nce_status status = nce_grow(s->ctx, (void **)&q->pages, &q->pages_capacity, n_pages, sizeof *q->pages);
    if (status != NCE_OK) return status;
    return nce_grow(s->ctx, (void **)&q->addresses, &q->addresses_capacity, n_pages, sizeof *q->addresses);
}

/* The page that position n goes to may hold earlier positions that another sequence reads too: copy it first. */
static nce_status own_last_page(nce_session *s, nce_sequence *q)
{
    if (q->n % NCE_KV_PAGE == 0 || q->n_pages == 0) return NCE_OK;
    const size_t last = q->n / NCE_KV_PAGE;
    nce_page *shared = q->pages[last], *copy;
    if (shared->n_users == 1) return NCE_OK;
    nce_status status = page_create(s, &copy);
    if (status != NCE_OK) return status;
    status = s->model->device->ops->buffer_copy(copy->buffer, shared->buffer, s->forward->page_bytes);
    if (status != NCE_OK) {
        page_release(s, copy);
        return status;
    }
    page_release(s, shared);
    q->pages[last] = copy;
    q->addresses[last] = copy->buffer->address;
    return NCE_OK;
}

nce_status nce_kv_reserve(nce_session *s, nce_sequence *q, size_t n_new)
{
    const size_t before = q->n_pages, wanted = nce_kv_pages(n_new);
    nce_status status = grow_lists(s, q, wanted);
    if (status == NCE_OK) status = own_last_page(s, q);
    while (status == NCE_OK && q->n_pages < wanted) {
        nce_page *p;
        status = page_create(s, &p);
        if (status != NCE_OK) break;
        q->addresses[q->n_pages] = p->buffer->address;
        q->pages[q->n_pages++] = p;
    }
    while (status != NCE_OK && q->n_pages > before)
        page_release(s, q->pages[--q->n_pages]);
    return status;
}

void nce_kv_trim(nce_session *s, nce_sequence *q, size_t n)
{
    const size_t keep = nce_kv_pages(n);
    while (q->n_pages > keep)
        page_release(s, q->pages[--q->n_pages]);
}

nce_status nce_kv_share(nce_session *s, const nce_sequence *src, nce_sequence *dst)
{
    const size_t n = nce_kv_pages(src->n);
    const nce_status status = grow_lists(s, dst, n);
    if (status != NCE_OK) return status;
    for (size_t i = 0; i < n; i++) {
        dst->pages[i] = src->pages[i];
        dst->addresses[i] = src->addresses[i];
        dst->pages[i]->n_users++;
    }
    dst->n_pages = n;
    return NCE_OK;
}
