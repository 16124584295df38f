/* RWKV: the longest token that the rest of the text starts with, again and again. */
#include "src/core/text/tokenizer.h"

nce_status nce_encode_rwkv(nce_encoder *e, const char *text, size_t n)
{
    const nce_tokenizer *t = e->t;
    for (size_t pos = 0; pos < n;) {
        int64_t best = -1, id;
        nce_prefix_walk w;
        nce_prefix_start(&t->prefixes, &w);
        for (size_t i = pos; i < n && nce_prefix_step(t, &t->prefixes, &w, (uint8_t)text[i], &id); i++)
            if (id >= 0) best = id;
        if (best >= 0)
            nce_sink_put(e->sink, (int32_t)best);
        else
            nce_put_bytes(t, e->sink, text + pos, 1);
        pos += best >= 0 ? t->symbols[best].length : 1;
    }
    return NCE_OK;
}
