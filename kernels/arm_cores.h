// SPDX-License-Identifier: MIT
// Names of Arm cores, by the implementer and part in MIDR_EL1. Part of cpu.c.
#ifndef GB_ARM_CORES_H
#define GB_ARM_CORES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

// From Arm's technical reference manuals, and arch/arm64/include/asm/cputype.h of Linux.
static const struct {
    uint32_t implementer, part;
    const char *name;
} gb_arm_cores[] = {
    {0x41, 0xd02, "Cortex-A34"},         {0x41, 0xd03, "Cortex-A53"},
    {0x41, 0xd04, "Cortex-A35"},         {0x41, 0xd05, "Cortex-A55"},
    {0x41, 0xd06, "Cortex-A65"},         {0x41, 0xd07, "Cortex-A57"},
    {0x41, 0xd08, "Cortex-A72"},         {0x41, 0xd09, "Cortex-A73"},
    {0x41, 0xd0a, "Cortex-A75"},         {0x41, 0xd0b, "Cortex-A76"},
    {0x41, 0xd0c, "Neoverse N1"},        {0x41, 0xd0d, "Cortex-A77"},
    {0x41, 0xd40, "Neoverse V1"},        {0x41, 0xd41, "Cortex-A78"},
    {0x41, 0xd42, "Cortex-A78AE"},       {0x41, 0xd44, "Cortex-X1"},
    {0x41, 0xd46, "Cortex-A510"},        {0x41, 0xd47, "Cortex-A710"},
    {0x41, 0xd48, "Cortex-X2"},          {0x41, 0xd49, "Neoverse N2"},
    {0x41, 0xd4a, "Neoverse E1"},        {0x41, 0xd4b, "Cortex-A78C"},
    {0x41, 0xd4d, "Cortex-A715"},        {0x41, 0xd4e, "Cortex-X3"},
    {0x41, 0xd4f, "Neoverse V2"},        {0x41, 0xd80, "Cortex-A520"},
    {0x41, 0xd81, "Cortex-A720"},        {0x41, 0xd82, "Cortex-X4"},
    {0x41, 0xd83, "Neoverse V3AE"},      {0x41, 0xd84, "Neoverse V3"},
    {0x41, 0xd85, "Cortex-X925"},        {0x41, 0xd87, "Cortex-A725"},
    {0x41, 0xd8e, "Neoverse N3"},        {0x42, 0x516, "Broadcom Vulcan"},
    {0x43, 0x0a1, "Cavium ThunderX"},    {0x43, 0x0af, "Cavium ThunderX2"},
    {0x46, 0x001, "Fujitsu A64FX"},      {0x48, 0xd01, "HiSilicon TSV110"},
    {0x4e, 0x003, "NVIDIA Denver 2"},    {0x4e, 0x004, "NVIDIA Carmel"},
    {0x51, 0x001, "Qualcomm Oryon"},     {0x51, 0x800, "Qualcomm Kryo 2xx Gold"},
    {0x51, 0xc00, "Qualcomm Falkor"},    {0x61, 0x022, "Apple M1 Icestorm"},
    {0x61, 0x023, "Apple M1 Firestorm"}, {0x61, 0x032, "Apple M2 Blizzard"},
    {0x61, 0x033, "Apple M2 Avalanche"}, {0x6d, 0xd49, "Azure Cobalt 100"},
    {0xc0, 0xac3, "Ampere-1"},           {0xc0, 0xac4, "Ampere-1a"},
    {0x00, 0x051, "QEMU max"},
};

static inline void gb_arm_core_name(uint32_t implementer, uint32_t part, char *name, size_t size) {
    for (size_t i = 0; i < sizeof gb_arm_cores / sizeof *gb_arm_cores; i++)
        if (gb_arm_cores[i].implementer == implementer && gb_arm_cores[i].part == part) {
            snprintf(name, size, "%s", gb_arm_cores[i].name);
            return;
        }
    snprintf(name, size, "implementer 0x%02x, part 0x%03x", implementer, part);
}

// The kinds of cores that `cpuinfo` (the text of /proc/cpuinfo) lists, in its order: "Neoverse N1",
// or "4 x Cortex-A55, 4 x Cortex-A76". Of `midr`, the register of one core, where it lists none; ""
// where that is 0.
static inline void gb_arm_cores_name(FILE *cpuinfo, uint64_t midr, char *name, size_t size) {
    enum { KINDS = 4 };
    struct {
        uint32_t implementer, part;
        int count;
    } kinds[KINDS];
    int count = 0;
    unsigned implementer = 0, part;
    char line[256];
    while (cpuinfo && fgets(line, sizeof line, cpuinfo)) {
        sscanf(line, "CPU implementer : %x", &implementer);
        if (sscanf(line, "CPU part : %x", &part) != 1)
            continue;
        int at = 0;
        while (at < count && (kinds[at].implementer != implementer || kinds[at].part != part))
            at++;
        if (at == KINDS)
            continue;
        if (at == count) {
            kinds[count].implementer = implementer;
            kinds[count].part = part;
            kinds[count++].count = 0;
        }
        kinds[at].count++;
    }
    if (count == 0 && midr) {
        kinds[count].implementer = (uint32_t)(midr >> 24 & 0xff);
        kinds[count].part = (uint32_t)(midr >> 4 & 0xfff);
        kinds[count++].count = 1;
    }
    *name = '\0';
    for (int i = 0; i < count; i++) {
        char core[40];
        const size_t used = strlen(name);
        gb_arm_core_name(kinds[i].implementer, kinds[i].part, core, sizeof core);
        if (count == 1)
            snprintf(name, size, "%s", core);
        else
            snprintf(name + used, size - used, "%s%d x %s", i ? ", " : "", kinds[i].count, core);
    }
}

#endif
