/* Sums of squares of what is multiplied: a column is always added up by one thread, rows ascending. */
#include "src/hal/cpu/exec.h"

void nce_cpu_observe(const nce_seen *s, size_t set, const float *x, size_t ld_x, size_t n_rows, size_t k, size_t from,
                     size_t to)
{
    if (s->sum2 == NULL) return;
    double *sum = s->sum2 + set * k;
    for (size_t r = 0; r < n_rows; r++, x += ld_x)
        for (size_t c = from; c < to; c++)
            sum[c] += (double)x[c] * (double)x[c];
    if (from == 0) s->rows[set] += n_rows;
}
