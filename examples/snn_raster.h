/* A raster picture of recorded spikes: time to the right, a row for each neuron, a dot for each spike. */
#ifndef SNN_RASTER_H
#define SNN_RASTER_H
#include <nce/snn.h>

/* Draw some populations one below the other, the first n_steps steps of each; row_pixels is the height of a neuron's row.
 * Returns 0, or 1 if memory is short or the file cannot be written. */
int snn_raster_write(const char *path, nce_snn *snn, const uint32_t *populations, const uint32_t *row_pixels, int n,
                     uint32_t n_steps);

#endif
