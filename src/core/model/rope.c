/* Rotary position embedding (Su et al. 2021, arXiv:2104.09864): frequencies with their scalings, and angle tables.
 *
 * Linear scaling divides positions; YaRN (Peng et al. 2023, arXiv:2309.00071) interpolates slow dimensions and keeps fast
 * ones; LongRoPE (Ding et al. 2024, arXiv:2402.13753) and Llama 3 divide each frequency by a factor of the file. */
#include "src/core/model/model.h"

/* SLEEF declares these only under some compiler flags; they need no FMA and give the same bits on every processor. */
double Sleef_cinz_sind1_u10purec(double);
double Sleef_cinz_cosd1_u10purec(double);
double Sleef_cinz_powd1_u10purec(double, double);
double Sleef_cinz_logd1_u10purec(double);

double nce_yarn_magnitude(float multiplier, float factor)
{
    return 1.0 + (double)multiplier * Sleef_cinz_logd1_u10purec(factor);
}

/* Dimension whose wave turns n_turns times in the original context. */
static double yarn_dimension(const nce_rope_params *r, double n_turns)
{
    const double two_pi = 6.283185307179586;
    return r->n_rot * Sleef_cinz_logd1_u10purec(r->n_ctx_original / (n_turns * two_pi)) /
           (2.0 * Sleef_cinz_logd1_u10purec(r->base));
}

static double floor_to(double x) { return (double)(int64_t)x - (x < (double)(int64_t)x ? 1.0 : 0.0); }

/* Share of the unscaled frequency in dimension pair i: 1 for fast dimensions, 0 for slow ones. */
static double yarn_ramp(const nce_rope_params *r, uint32_t i)
{
    const double last = r->n_rot - 1.0;
    double low = floor_to(yarn_dimension(r, r->yarn_beta_fast)), high = -floor_to(-yarn_dimension(r, r->yarn_beta_slow));
    if (low < 0.0) low = 0.0;
    if (high > last) high = last;
    const double width = high - low > 0.001 ? high - low : 0.001, y = (i - low) / width;
    return 1.0 - (y < 0.0 ? 0.0 : y > 1.0 ? 1.0 : y);
}

void nce_rope_table_init(const nce_rope_params *r, bool long_context, nce_rope_table *out)
{
    const float *factors = r->factors;
    if (r->scaling == NCE_SCALING_LONGROPE && !long_context && r->factors_short != NULL) factors = r->factors_short;
    out->n_rot = r->n_rot;
    out->temperature_scale = r->scaling == NCE_SCALING_TEMPERATURE ? r->factor : 0.0;
    out->temperature_length = r->n_ctx_original;
    out->magnitude = r->attention_factor != 0.0f ? r->attention_factor : 1.0;
    if (r->scaling == NCE_SCALING_YARN) out->magnitude *= nce_yarn_magnitude(r->yarn_log_multiplier, r->factor);
    out->step = (float)Sleef_cinz_powd1_u10purec(r->base, -2.0 / r->n_rot);
    for (uint32_t i = 0; i < r->n_rot / 2; i++) {
        double scale = factors != NULL ? 1.0 / factors[i] : 1.0;
        if (r->scaling == NCE_SCALING_LINEAR) scale /= r->factor;
        if (r->scaling == NCE_SCALING_YARN) {
            const double keep = yarn_ramp(r, i);
            scale = scale / r->factor * (1.0 - keep) + scale * keep;
        }
        out->scale[i] = scale;
    }
}

/* Queries grow with the logarithm of the stretches of n_ctx_original positions behind them (Nakanishi 2025,
 * arXiv:2501.19399, in steps, as Llama 4 and Mistral 3 have it). */
static void fill_temperature(const nce_rope_table *table, uint64_t position, float *out)
{
    const double stretches = (double)(position / table->temperature_length);
    const float t = (float)(1.0 + table->temperature_scale * Sleef_cinz_logd1_u10purec(1.0 + stretches));
    for (uint32_t i = 0; i < table->n_rot; i++)
        out[i] = i < table->n_rot / 2 ? t : 0.0f;
}

void nce_rope_fill(const nce_rope_table *table, uint64_t position, float *out)
{
    const uint32_t half = table->n_rot / 2;
    float turn = (float)position;
    if (table->temperature_scale != 0.0) {
        fill_temperature(table, position, out);
        return;
    }
    for (uint32_t i = 0; i < half; i++, turn *= table->step) {
        const double angle = (double)turn * table->scale[i];
        out[i] = (float)(Sleef_cinz_cosd1_u10purec(angle) * table->magnitude);
        out[half + i] = (float)(Sleef_cinz_sind1_u10purec(angle) * table->magnitude);
    }
}
