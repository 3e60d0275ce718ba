// SPDX-License-Identifier: MIT
// Energy of the CPU packages and their memory, from the powercap interface of Linux (Intel's and
// AMD's RAPL). Most systems let only root read it.
#ifndef GB_ENERGY_H
#define GB_ENERGY_H

#include "base/status.h"

#define GB_POWERCAP "/sys/class/powercap"

enum { GB_ENERGY_ZONES = 64 };

struct gb_energy {
    struct gb_energy_zone {
        int file;           // its energy_uj
        double range, last; // in microjoules: where the count wraps, the last reading
    } zones[GB_ENERGY_ZONES];
    int count; // 0: closed
    double joules;
};

// Opens the zones intel-rapl:N that are packages, and their zones of DRAM, in a directory as
// GB_POWERCAP. The rest is left out: cores are parts of a package, "psys" is all of it and more,
// and intel-rapl-mmio:N counts the same again. GB_UNSUPPORTED, and closed, if there are none or one
// of them cannot be read.
enum gb_status gb_energy_open(struct gb_energy *energy, const char *root);
void gb_energy_close(struct gb_energy *energy); // may be closed

// Joules since it was opened, of everything that ran; NAN if closed, or once a reading failed. A
// count that wrapped once since the last reading is right: the range is an hour at 70 W.
double gb_energy_read(struct gb_energy *energy);

#endif
