/* The NCE Photonic Register Interface, version 1.0: what a device shows to its driver.  docs/photonic-registers.md is
 * the specification; this file is the same in C.  Little-endian, 32-bit registers in BAR 0, 64-bit values low word
 * first (reading the low word latches the high one). */
#ifndef NCE_PHOTONIC_REGISTERS_H
#define NCE_PHOTONIC_REGISTERS_H
#include <stdint.h>

enum { NCE_PREG_ID_VALUE = 0x4e435031, /* "NCP1" */ NCE_PREG_VERSION_VALUE = 0x00010000, NCE_PREG_BAR_BYTES = 0x1000 };

enum {
    NCE_PREG_ID = 0x000,
    NCE_PREG_VERSION = 0x004, /* major << 16 | minor */
    NCE_PREG_CAPS = 0x008,    /* lanes | log2(max length) << 8 | log2(max ring entries) << 16 */
    NCE_PREG_SCRATCH = 0x00c,
    NCE_PREG_CONTROL = 0x010,
    NCE_PREG_STATUS = 0x014,
    NCE_PREG_IRQ_STATUS = 0x018, /* write 1 to clear */
    NCE_PREG_IRQ_MASK = 0x01c,
    NCE_PREG_WATCHDOG = 0x020, /* any write: the guard is alive */
    /* job ring */
    NCE_PREG_RING_LO = 0x040,
    NCE_PREG_RING_HI = 0x044,
    NCE_PREG_RING_ENTRIES = 0x048, /* a power of two, 2..4096; writing it resets head and tail */
    NCE_PREG_RING_HEAD = 0x04c,    /* device: next descriptor it will run */
    NCE_PREG_RING_TAIL = 0x050,    /* driver: one past the last valid descriptor; a write starts the device */
    /* heat */
    NCE_PREG_TEMP0 = 0x300, /* three sensors, millidegrees, signed */
    NCE_PREG_TEMP_SINK = 0x30c,
    NCE_PREG_TEMP_AMBIENT = 0x310,
    NCE_PREG_FAN = 0x314, /* rpm now */
    NCE_PREG_FAN_TARGET = 0x318,
    NCE_PREG_TEC = 0x31c,        /* mA */
    NCE_PREG_THROTTLE = 0x320,   /* ppm of time the core rests */
    NCE_PREG_RING_SHIFT = 0x324, /* common shift of all ring heaters, 1/100 pm, signed */
    NCE_PREG_TEMP_TRIP = 0x328,  /* the device's own comparator: emergency at this temperature; 95000 after reset */
    /* counters, 64 bits */
    NCE_PREG_TIME = 0x500, /* ns since reset */
    NCE_PREG_BUSY = 0x508, /* ns the core worked */
    NCE_PREG_READINGS = 0x510,
    NCE_PREG_ENERGY0 = 0x520 /* + 8 * part, pJ */
};

/* Lane i: + 0x20 * i. */
enum {
    NCE_PREG_LANE = 0x100,
    NCE_PREG_LANE_STRIDE = 0x20,
    NCE_PREG_LANE_MODULUS = 0x0,
    NCE_PREG_LANE_ENABLE = 0x4,
    NCE_PREG_LANE_PHASE_TRIM = 0x8, /* 2 pi / 2^20, signed */
    NCE_PREG_LANE_RING_TRIM = 0xc   /* 1/100 pm, signed */
};
/* Rail i: + 0x10 * i. */
enum {
    NCE_PREG_RAIL = 0x400,
    NCE_PREG_RAIL_STRIDE = 0x10,
    NCE_PREG_RAIL_ENABLE = 0x0,
    NCE_PREG_RAIL_MILLIVOLT = 0x4,
    NCE_PREG_RAIL_NOMINAL = 0x8
};

enum {                             /* CONTROL */
       NCE_PCTL_RESET = 1 << 0,    /* clears itself */
       NCE_PCTL_ENABLE = 1 << 1,   /* run the job ring */
       NCE_PCTL_LASER = 1 << 2,    /* honoured while every rail is good */
       NCE_PCTL_WATCHDOG = 1 << 3, /* arm */
       NCE_PCTL_CLEAR = 1 << 4     /* leave the latched emergency; clears itself */
};
enum {                           /* STATUS */
       NCE_PSTAT_READY = 1 << 0, /* enabled, rails good, lasers on, no emergency */
       NCE_PSTAT_BUSY = 1 << 1,
       NCE_PSTAT_EMERGENCY = 1 << 2, /* latched by the device's own watchdog */
       NCE_PSTAT_LASER = 1 << 3,
       NCE_PSTAT_POWER_GOOD = 1 << 4,
       NCE_PSTAT_WATCHDOG = 1 << 5 /* the guard is late: throttled by the device */
};
enum { NCE_PIRQ_DONE = 1 << 0, NCE_PIRQ_FAULT = 1 << 1, NCE_PIRQ_EMERGENCY = 1 << 2 };

/* One job: 64 bytes in the ring.  Addresses are bus addresses. */
typedef struct nce_pdesc {
    uint32_t op;     /* NCE_POP_* */
    uint32_t flags;  /* bit 0: raise NCE_PIRQ_DONE when finished */
    uint64_t w, x;   /* int8 operands */
    uint64_t out;    /* residues or samples, 8-byte aligned */
    uint32_t rows;   /* DOTS: rows of w; PROBE: samples to average, 1..65536 */
    uint32_t blocks; /* DOTS: blocks of a row */
    uint32_t length; /* DOTS: elements of a block, 1..256 */
    uint32_t ld_w;   /* DOTS: bytes from row to row */
    uint32_t tag;    /* the driver's */
    uint32_t status; /* NCE_PDONE_*; the driver clears it, the device writes it last */
    uint32_t lanes;  /* must be 0 in version 1 */
    uint32_t reserved;
} nce_pdesc;
_Static_assert(sizeof(nce_pdesc) == 64, "descriptor size is part of the interface");

enum { NCE_POP_DOTS = 1, NCE_POP_PROBE = 2 };
enum {
    NCE_PDONE_OK = 1,
    NCE_PDONE_INVALID = 2,  /* unknown op, a size out of range, misaligned address */
    NCE_PDONE_DMA = 3,      /* an address the device may not reach */
    NCE_PDONE_NOT_READY = 4 /* no power, no light, not enabled, or an emergency */
};
/* DOTS writes rows * blocks groups of 8 bytes: the seven residues (0xff: lane disabled) and a zero.
 * PROBE writes seven pairs of int32: mean I and Q of residue 0, 2^24 is the nominal amplitude; then seven int32: the
 * standard deviation of I. */
enum { NCE_PROBE_BYTES = 7 * 12, NCE_PROBE_ONE = 1 << 24 };

#endif
