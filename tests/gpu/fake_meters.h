/* Controls of the fake management libraries. */
#ifndef NCE_TESTS_GPU_FAKE_METERS_H
#define NCE_TESTS_GPU_FAKE_METERS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct fake_meters {
    bool fail_init, no_counter; /* set by the test */
    int running;                /* starts without a stop */
    int wrong_calls;            /* made while not started */
    long readings;
} fake_meters;

typedef fake_meters *fake_meters_fn(void);
#endif
