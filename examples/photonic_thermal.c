/* Draws a thermal run of the photonic device as a picture.
 *
 * usage: photonic_thermal [OUT.png [DEVICE]]     default: photonic_thermal.png, "sim"
 *
 * An hour-like story in four minutes of virtual time: rising loads to 140 W, then the fan dies.  Upper panel: junction (red)
 * and heat sink (orange) in degrees with the three thresholds (grey); lower panel: load (blue) and what the guard lets
 * through (green); the background shows the tier.  Needs libpng. */
#include "nce/photonic.h"
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 960, TOP = 360, BOTTOM = 160, GAP = 20, HEIGHT = TOP + GAP + BOTTOM, STEP_MS = 250, CRASH = 700 };

typedef struct picture {
    unsigned char pixel[HEIGHT][WIDTH][3];
} picture;

static void put(picture *p, int x, int y, uint32_t rgb)
{
    if (x < 0 || x >= WIDTH || y < 0 || y >= HEIGHT) return;
    for (int c = 0; c < 3; c++)
        p->pixel[y][x][c] = (unsigned char)(rgb >> (16 - 8 * c));
}

/* A column from one height to the next, so that steep lines stay connected. */
static void line(picture *p, int x, int from, int to, uint32_t rgb)
{
    const int step = from < to ? 1 : -1;
    for (int y = from; y != to; y += step)
        put(p, x, y, rgb);
    put(p, x, to, rgb);
    put(p, x, to + 1, rgb);
}

static int celsius_row(double celsius) /* 20..100 C */
{
    return TOP - 1 - (int)((celsius - 20.0) / 80.0 * (TOP - 1));
}

static int watt_row(double watt) /* 0..150 W */
{
    return HEIGHT - 2 - (int)(watt / 150.0 * (BOTTOM - 3));
}

static double load_at(int x)
{
    static const double story[] = {20, 60, 140, 40, 140, 90, 140, 140};
    return story[x * 8 / WIDTH];
}

static void background(picture *p, int x, const nce_photonic_sample *s)
{
    static const uint32_t tint[] = {0xffffff, 0xfff6d8, 0xffe0c8, 0xe8d0d0};
    for (int y = 0; y < HEIGHT; y++)
        put(p, x, y, y >= TOP && y < TOP + GAP ? 0xdddddd : tint[s->tier & 3]);
    const int32_t limits[] = {s->temp1_max, s->temp1_crit, s->temp1_emergency};
    for (int i = 0; i < 3 && x % 8 < 5; i++)
        put(p, x, celsius_row(limits[i] / 1000.0), 0x888888);
}

/* Let the device live through the story, a column of the picture every STEP_MS. */
static nce_status draw(nce_photonic *device, picture *p)
{
    int junction = 0, sink = 0, load = 0, let = 0;
    for (int x = 0; x < WIDTH; x++) {
        nce_photonic_sample s = NCE_PHOTONIC_SAMPLE_INIT;
        nce_status status = NCE_OK;
        if (x == CRASH) status = nce_photonic_break(device, NCE_PHOTONIC_FAN_DEAD, 0);
        if (status == NCE_OK) status = nce_photonic_pass_time(device, STEP_MS, load_at(x), false);
        if (status == NCE_OK) status = nce_photonic_sample_get(device, &s);
        if (status != NCE_OK) return status;
        const double through = s.lasers ? load_at(x) * (1.0 - s.throttle_ppm * 1e-6) : 0.0;
        const int rows[] = {celsius_row(s.temp1_input / 1000.0), celsius_row(s.temp2_input / 1000.0),
                            watt_row(load_at(x)), watt_row(through)};
        background(p, x, &s);
        line(p, x, x ? sink : rows[1], rows[1], 0xe08020);
        line(p, x, x ? junction : rows[0], rows[0], 0xc01010);
        line(p, x, x ? load : rows[2], rows[2], 0x2040c0);
        line(p, x, x ? let : rows[3], rows[3], 0x108030);
        junction = rows[0];
        sink = rows[1];
        load = rows[2];
        let = rows[3];
    }
    return NCE_OK;
}

static int save(const picture *p, const char *path)
{
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = WIDTH;
    image.height = HEIGHT;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path, 0, p->pixel, 0, NULL)) return 1;
    fprintf(stderr, "%s: %s\n", path, image.message);
    return 0;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "photonic_thermal.png";
    nce_photonic_options options = NCE_PHOTONIC_OPTIONS_INIT;
    nce_context *ctx = NULL;
    nce_photonic *device = NULL;
    char name[64];
    picture *p = calloc(1, sizeof *p);
    nce_status status = p != NULL ? nce_context_create(NULL, &ctx) : NCE_ERR_NOMEM;
    if (status == NCE_OK)
        status = nce_photonic_options_parse(ctx, argc > 2 ? argv[2] : "sim", &options, name, sizeof name);
    if (status == NCE_OK) status = nce_photonic_create(ctx, &options, &device);
    if (status == NCE_OK) status = draw(device, p);
    if (status != NCE_OK)
        fprintf(stderr, "photonic_thermal: %s: %s\n", nce_status_name(status), nce_context_error(ctx));
    const int saved = status == NCE_OK && save(p, path);
    if (saved) printf("%s: %d x %d, %d seconds of virtual time\n", path, WIDTH, HEIGHT, WIDTH * STEP_MS / 1000);
    nce_photonic_destroy(device);
    nce_context_destroy(ctx);
    free(p);
    return saved ? 0 : 1;
}
