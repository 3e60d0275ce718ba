// SPDX-License-Identifier: MIT
// Names of Arm cores (kernels/arm_cores.h), on every architecture.
#include <stdio.h>
#include <string.h>

#include "kernels/arm_cores.h"
#include "tests/support/test.h"

// What /proc/cpuinfo says of a core.
#define CORE(implementer, part)                                                                    \
    "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: " implementer     \
    "\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: " part "\nCPU revision\t: 1\n\n"

static const char *named(const char *text, uint64_t midr) {
    static char name[128];
    FILE *cpuinfo = text ? fmemopen((char *)text, strlen(text), "r") : NULL;
    assert_true(!text || cpuinfo);
    gb_arm_cores_name(cpuinfo, midr, name, sizeof name);
    if (cpuinfo)
        fclose(cpuinfo);
    return name;
}

GB_TEST(cores_have_names) {
    assert_string_equal(named(CORE("0x41", "0xd0c"), 0), "Neoverse N1");
    assert_string_equal(named(CORE("0x41", "0xd4f") CORE("0x41", "0xd4f"), 0), "Neoverse V2");
    assert_string_equal(named(CORE("0x46", "0x001"), 0), "Fujitsu A64FX");
    // A part is of its implementer.
    assert_string_equal(named(CORE("0x51", "0xd0c"), 0), "implementer 0x51, part 0xd0c");
}

GB_TEST(kinds_of_cores_are_counted) {
    assert_string_equal(named(CORE("0x41", "0xd05") CORE("0x41", "0xd05") CORE("0x41", "0xd0b"), 0),
                        "2 x Cortex-A55, 1 x Cortex-A76");
    // More kinds than there is room for.
    assert_string_equal(named(CORE("0x41", "0xd03") CORE("0x41", "0xd04") CORE("0x41", "0xd05")
                                  CORE("0x41", "0xd07") CORE("0x41", "0xd08"),
                              0),
                        "1 x Cortex-A53, 1 x Cortex-A35, 1 x Cortex-A55, 1 x Cortex-A57");
}

GB_TEST(the_register_names_a_core_that_cpuinfo_does_not) {
    const uint64_t neoverse_v1 = 0x411fd401;
    assert_string_equal(named(NULL, neoverse_v1), "Neoverse V1");
    assert_string_equal(named("vendor_id\t: GenuineIntel\n", neoverse_v1), "Neoverse V1");
    assert_string_equal(named(CORE("0x41", "0xd0c"), neoverse_v1), "Neoverse N1");
    assert_string_equal(named(NULL, 0), "");
}
