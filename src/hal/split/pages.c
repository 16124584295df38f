/* Pages of keys and values in parts: each segment's layers lie on its device.  As bytes, for saved states, a page is the
 * parts one after the other, which is what it is on a single device. */
#include "src/hal/split/split.h"
#include <string.h>

static nce_device *device_of(const nce_split_exec *e, size_t segment)
{
    return e->device->part[e->segment[segment].device];
}

nce_status nce_split_page_create(nce_exec *exec, size_t bytes, nce_buffer **out)
{
    nce_split_exec *e = (nce_split_exec *)exec;
    nce_device *split = &e->device->base;
    nce_split_page *page = nce_alloc_zero(split->ctx, sizeof *page);
    *out = NULL;
    if (page == NULL) return nce_fail_nomem(split->ctx, sizeof *page);
    page->base = (nce_buffer){split, (uint8_t *)page, bytes, true};
    page->exec = e;
    nce_status status = NCE_OK;
    for (size_t i = 0; status == NCE_OK && i < e->n; i++) {
        nce_device *d = device_of(e, i);
        const size_t n = e->segment[i].page_to - e->segment[i].page_from;
        if (n == 0) continue;
        status = d->ops->page_create != NULL ? d->ops->page_create(e->segment[i].exec, n, &page->part[i])
                                             : d->ops->buffer_create(d, n, &page->part[i]);
    }
    if (status != NCE_OK) {
        nce_split_page_destroy(page);
        return status;
    }
    *out = &page->base;
    return NCE_OK;
}

void nce_split_page_destroy(nce_split_page *page)
{
    for (size_t i = 0; i < NCE_SPLIT_MOST; i++)
        nce_buffer_destroy(page->part[i]);
    nce_free(page->base.device->ctx, page);
}

/* Where [offset, offset + bytes) of a page meets segment i's part: false if nowhere. */
static bool meets(const nce_split_page *page, size_t i, size_t offset, size_t bytes, size_t *from, size_t *n)
{
    const nce_split_segment *s = &page->exec->segment[i];
    const size_t end = offset + bytes < s->page_to ? offset + bytes : s->page_to;
    *from = offset > s->page_from ? offset : s->page_from;
    if (page->part[i] == NULL || end <= *from) return false;
    *n = end - *from;
    return true;
}

nce_status nce_split_page_write(nce_buffer *b, size_t offset, const void *host, size_t bytes)
{
    nce_split_page *page = (nce_split_page *)b;
    nce_status status = NCE_OK;
    size_t from, n;
    for (size_t i = 0; status == NCE_OK && i < page->exec->n; i++)
        if (meets(page, i, offset, bytes, &from, &n))
            status = device_of(page->exec, i)->ops->buffer_write(page->part[i], from - page->exec->segment[i].page_from,
                                                                 (const char *)host + (from - offset), n);
    return status;
}

nce_status nce_split_page_read(const nce_buffer *b, size_t offset, void *host, size_t bytes)
{
    const nce_split_page *page = (const nce_split_page *)b;
    nce_status status = NCE_OK;
    size_t from, n;
    for (size_t i = 0; status == NCE_OK && i < page->exec->n; i++)
        if (meets(page, i, offset, bytes, &from, &n))
            status = device_of(page->exec, i)->ops->buffer_read(page->part[i], from - page->exec->segment[i].page_from,
                                                                (char *)host + (from - offset), n);
    return status;
}

nce_status nce_split_page_copy(nce_buffer *dst, const nce_buffer *src, size_t bytes)
{
    nce_split_page *to = (nce_split_page *)dst;
    const nce_split_page *page = (const nce_split_page *)src;
    nce_status status = NCE_OK;
    size_t from, n;
    for (size_t i = 0; status == NCE_OK && i < page->exec->n; i++)
        if (meets(page, i, 0, bytes, &from, &n)) status = device_of(page->exec, i)->ops->buffer_copy(to->part[i], page->part[i], n);
    return status;
}
