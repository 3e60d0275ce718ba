// SPDX-License-Identifier: MIT
#include "bench/runner/energy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"

static const char what[] = "cannot measure energy";

// The first line of a small file.
static bool read_line(int file, char *text, size_t size) {
    const ssize_t count = pread(file, text, size - 1, 0);
    text[count > 0 ? count : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return count > 0;
}

static bool read_number(int file, double *number) {
    char text[64], *end;
    if (!read_line(file, text, sizeof text))
        return false;
    *number = strtod(text, &end);
    return end > text && !*end && *number >= 0;
}

static enum gb_status open_file(const char *zone, const char *name, int *file) {
    char path[GB_PATH];
    GB_TRY(gb_path_join(zone, name, path));
    *file = open(path, O_RDONLY | O_CLOEXEC);
    return *file >= 0 ? GB_OK : gb_fail(GB_UNSUPPORTED, what, path, "%s", strerror(errno));
}

// "intel-rapl:0" is a package unless it is the platform, "intel-rapl:0:1" may be memory.
static enum gb_status is_counted(const char *zone, bool part, bool *counted) {
    char name[64];
    int file;
    GB_TRY(open_file(zone, "name", &file));
    *counted = read_line(file, name, sizeof name) &&
               (part ? strcmp(name, "dram") == 0 : strncmp(name, "package", 7) == 0);
    close(file);
    return GB_OK;
}

static enum gb_status add_zone(struct gb_energy *energy, const char *path) {
    struct gb_energy_zone *zone = &energy->zones[energy->count];
    int range;
    if (energy->count == GB_ENERGY_ZONES)
        return gb_fail(GB_UNSUPPORTED, what, path, "more than %d zones", GB_ENERGY_ZONES);
    GB_TRY(open_file(path, "max_energy_range_uj", &range));
    const bool known = read_number(range, &zone->range);
    close(range);
    GB_TRY(open_file(path, "energy_uj", &zone->file));
    energy->count++;
    if (known && read_number(zone->file, &zone->last))
        return GB_OK;
    return gb_fail(GB_UNSUPPORTED, what, path, "energy_uj or max_energy_range_uj has no number");
}

static enum gb_status add_zones(struct gb_energy *energy, const char *root, DIR *directory) {
    static const char prefix[] = "intel-rapl:";
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[GB_PATH];
        bool counted;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        GB_TRY(gb_path_join(root, entry->d_name, path));
        GB_TRY(is_counted(path, strchr(entry->d_name + strlen(prefix), ':'), &counted));
        if (counted)
            GB_TRY(add_zone(energy, path));
    }
    return energy->count > 0 ? GB_OK : gb_fail(GB_UNSUPPORTED, what, root, "no zone of a package");
}

enum gb_status gb_energy_open(struct gb_energy *energy, const char *root) {
    *energy = (struct gb_energy){.count = 0};
    DIR *directory = opendir(root);
    if (!directory)
        return gb_fail(GB_UNSUPPORTED, what, root, "%s", strerror(errno));
    const enum gb_status status = add_zones(energy, root, directory);
    closedir(directory);
    if (status != GB_OK)
        gb_energy_close(energy);
    return status;
}

void gb_energy_close(struct gb_energy *energy) {
    for (int i = 0; i < energy->count; i++)
        close(energy->zones[i].file);
    energy->count = 0;
}

double gb_energy_read(struct gb_energy *energy) {
    for (int i = 0; i < energy->count; i++) {
        struct gb_energy_zone *zone = &energy->zones[i];
        double now = NAN;
        if (!read_number(zone->file, &now))
            energy->joules = NAN;
        energy->joules += 1e-6 * (now - zone->last + (now < zone->last ? zone->range : 0));
        zone->last = now;
    }
    return energy->count > 0 ? energy->joules : (double)NAN;
}
