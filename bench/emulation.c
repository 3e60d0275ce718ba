// SPDX-License-Identifier: MIT
#include "bench/emulation.h"

#include "kernels/cpu.h"

enum gb_status gb_emulation_check(const char *what, bool allowed) {
    if (allowed || !gb_cpu_is_emulated())
        return GB_OK;
    return gb_fail(GB_UNSUPPORTED, what, "emulation",
                   "an emulator runs this program, and times would be the emulator's; "
                   "--allow-emulation takes them all the same");
}
