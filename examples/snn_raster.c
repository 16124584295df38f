/* See snn_raster.h.  Palette images of eight bits; libpng's simplified interface writes them. */
#include "snn_raster.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN = 3, GAP = 4, BACKGROUND = 0, BAND = 1, DOT = 2 };

static const png_byte palette[3][3] = {{255, 255, 255}, {238, 242, 248}, {20, 40, 90}};

typedef struct picture {
    png_byte *pixel;
    uint32_t width, height;
} picture;

static void fill(picture *p, uint32_t x, uint32_t y, uint32_t width, uint32_t height, png_byte colour)
{
    for (uint32_t row = y; row < y + height && row < p->height; row++)
        if (x < p->width)
            memset(p->pixel + (size_t)row * p->width + x, colour, x + width < p->width ? width : p->width - x);
}

/* The spikes of a population in a band that begins at row top. */
static int draw_spikes(picture *p, nce_snn *snn, uint32_t population, uint32_t top, uint32_t row_pixels)
{
    size_t n = 0;
    if (nce_snn_spikes_read(snn, population, 0, 0, NULL, NULL, &n) != NCE_OK) return 1;
    uint32_t *id = malloc((n + 1) * sizeof *id);
    double *time = malloc((n + 1) * sizeof *time);
    const int failed = id == NULL || time == NULL || nce_snn_spikes_read(snn, population, 0, n, id, time, &n) != NCE_OK;
    for (size_t i = 0; !failed && i < n; i++) /* a spike's time is the end of its step */
        fill(p, (uint32_t)(time[i] / nce_snn_dt(snn) - 0.5) * COLUMN, top + id[i] * row_pixels, COLUMN, row_pixels,
             DOT);
    free(id);
    free(time);
    return failed;
}

int snn_raster_write(const char *path, nce_snn *snn, const uint32_t *populations, const uint32_t *row_pixels, int n,
                     uint32_t n_steps)
{
    picture p = {.width = n_steps * COLUMN};
    png_image image;
    uint32_t top = 0;
    int failed = 0;
    for (int i = 0; i < n; i++)
        p.height += nce_snn_population_size(snn, populations[i]) * row_pixels[i] + GAP;
    p.pixel = calloc(p.height, p.width);
    if (p.pixel == NULL) return 1;
    for (int i = 0; i < n && !failed; i++) {
        const uint32_t height = nce_snn_population_size(snn, populations[i]) * row_pixels[i];
        fill(&p, 0, top, p.width, height, BAND);
        failed = draw_spikes(&p, snn, populations[i], top, row_pixels[i]);
        top += height + GAP;
    }
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = p.width;
    image.height = p.height;
    image.format = PNG_FORMAT_RGB_COLORMAP;
    image.colormap_entries = sizeof palette / sizeof *palette;
    if (!failed) failed = !png_image_write_to_file(&image, path, 0, p.pixel, 0, palette);
    free(p.pixel);
    return failed;
}
