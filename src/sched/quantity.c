/* Numbers with units. */
#include "nce/sched_graph.h"
#include "src/core/runtime/context.h"
#include "src/sched/text.h"
#include <string.h>

static const struct {
    const char *unit;
    nce_dimension dimension;
    double scale;
} units[] = {
    {"s", NCE_DIMENSION_TIME, 1},          {"ms", NCE_DIMENSION_TIME, 1e-3},
    {"us", NCE_DIMENSION_TIME, 1e-6},      {"ns", NCE_DIMENSION_TIME, 1e-9},
    {"min", NCE_DIMENSION_TIME, 60},       {"h", NCE_DIMENSION_TIME, 3600},
    {"W", NCE_DIMENSION_POWER, 1},         {"mW", NCE_DIMENSION_POWER, 1e-3},
    {"uW", NCE_DIMENSION_POWER, 1e-6},     {"kW", NCE_DIMENSION_POWER, 1e3},
    {"", NCE_DIMENSION_PRICE, 1},          {"B", NCE_DIMENSION_MEMORY, 1},
    {"kB", NCE_DIMENSION_MEMORY, 1e3},     {"MB", NCE_DIMENSION_MEMORY, 1e6},
    {"GB", NCE_DIMENSION_MEMORY, 1e9},     {"TB", NCE_DIMENSION_MEMORY, 1e12},
    {"KiB", NCE_DIMENSION_MEMORY, 1024},   {"MiB", NCE_DIMENSION_MEMORY, 1048576},
    {"GiB", NCE_DIMENSION_MEMORY, 0x1p30}, {"TiB", NCE_DIMENSION_MEMORY, 0x1p40},
    {"J", NCE_DIMENSION_ENERGY, 1},        {"kJ", NCE_DIMENSION_ENERGY, 1e3},
    {"Wh", NCE_DIMENSION_ENERGY, 3600},    {"kWh", NCE_DIMENSION_ENERGY, 3.6e6},
};

nce_status nce_quantity_parse(nce_context *ctx, const char *text, nce_dimension dimension, double *out)
{
    static const char *const names[] = {"", "time", "power", "price", "memory", "energy"};
    if (text == NULL || out == NULL || dimension < NCE_DIMENSION_TIME || dimension > NCE_DIMENSION_ENERGY)
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_quantity_parse: an argument is NULL or the dimension unknown");
    nce_text t = {text, text + strlen(text), 1};
    double number;
    nce_text_space(&t);
    if (!nce_text_number(&t, &number))
        return nce_fail(ctx, NCE_ERR_INVALID, "quantity '%.60s': not a finite number", text);
    nce_text_space(&t);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].unit, t.at) != 0) continue;
        if (units[i].dimension != dimension)
            return nce_fail(ctx, NCE_ERR_INVALID, "quantity '%.60s': a %s where a %s is wanted", text,
                            names[units[i].dimension], names[dimension]);
        *out = number * units[i].scale;
        return NCE_OK;
    }
    return nce_fail(ctx, NCE_ERR_INVALID, "quantity '%.60s': unknown unit of %s", text, names[dimension]);
}
