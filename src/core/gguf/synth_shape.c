/* Shapes of real models, by the name of the model. */
#include "src/core/gguf/synth.h"
#include "nce/model_tools.h"

/* clang-format off */
static const nce_synth_shape_row shapes[] = {
    /* name             layers embd  ff     heads kv  vocab  ctx     rope      experts used arch */
    {"tiny",            2,     256,  768,   4,    2,  1024,  2048,   10000.0f,  0,      0, "llama"},
    {"tiny-moe",        2,     256,  256,   4,    2,  1024,  2048,   10000.0f,  4,      2, "llama"},
    {"tinyllama-1.1b",  22,    2048, 5632,  32,   4,  32000, 2048,   10000.0f,  0,      0, "llama"},
    {"llama-7b",        32,    4096, 11008, 32,   32, 32000, 4096,   10000.0f,  0,      0, "llama"},
    {"llama-8b",        32,    4096, 14336, 32,   8,  32000, 8192,   500000.0f, 0,      0, "llama"},
    {"llama-8b-8l",     8,     4096, 14336, 32,   8,  32000, 8192,   500000.0f, 0,      0, "llama"},
    {"tiny-bitnet",     2,     256,  768,   4,    2,  1024,  2048,   10000.0f,  0,      0, "bitnet-b1.58"},
    {"bitnet-2b",       30,    2560, 6912,  20,   5,  32000, 4096,   500000.0f, 0,      0, "bitnet-b1.58"},
    {"moe-16x2",        8,     1024, 1792,  16,   4,  32000, 4096,   10000.0f,  16,     2, "llama"},
};
/* clang-format on */

const nce_synth_shape_row *nce_synth_shape_at(size_t i)
{
    return i < sizeof shapes / sizeof *shapes ? &shapes[i] : NULL;
}

const char *nce_synth_shape(size_t i)
{
    const nce_synth_shape_row *row = nce_synth_shape_at(i);
    return row != NULL ? row->name : NULL;
}
