// SPDX-License-Identifier: MIT
#include "tasks/machine.h"

#include <gif_lib.h>
#include <hwloc.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <tiffio.h>
#include <unistd.h>
// After stdio.h, whose FILE it takes for granted.
#include <jpeglib.h>
#if !defined(GB_PTHREADS)
#include <omp.h>
#endif

#include "base/json.h"
#include "base/minmax.h"
#include "base/utf8.h"
#include "kernels/backend.h"
#include "kernels/cpu.h"
#include "kernels/openmp_settings.h"
#include "kernels/parallel.h"
#include "tasks/build.h"

static const char variable[] = "OMP_NUM_THREADS";

// The first number of OMP_NUM_THREADS, a list where regions are nested. 0: not set; -1: not a list
// of numbers from 1 to GB_MAX_THREADS.
static int threads_asked(const char *list) {
    int first = 0;
    for (char *end; list && *list; list = end + 1) {
        const long threads = strtol(list, &end, 10);
        if (threads < 1 || threads > GB_MAX_THREADS)
            return -1;
        first = first ? first : (int)threads;
        end += strspn(end, " \t");
        if (*end != ',')
            return *end ? -1 : first;
    }
    return first;
}

int gb_machine_threads(void) {
    const int asked = threads_asked(getenv(variable));
    if (asked > 0)
        return asked;
#if defined(GB_PTHREADS)
    const int threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
#else
    gb_openmp_start();
    const int threads = gb_min_int(omp_get_num_procs(), omp_get_thread_limit());
#endif
    return gb_min_int(threads, GB_MAX_THREADS);
}

enum gb_status gb_machine_choose_threads(int *threads) {
    const char *asked = getenv(variable);
    if (threads_asked(asked) < 0) {
        if (!*threads)
            return gb_fail(GB_BAD_INPUT, "bad value", variable, "\"%s\" is not in 1 .. %d", asked,
                           GB_MAX_THREADS);
        unsetenv(variable); // not used, but LLVM's OpenMP ends the process at some values
    }
    GB_TRY(gb_openmp_settings());
    *threads = *threads ? *threads : gb_machine_threads();
    return gb_parallel_check(*threads);
}

// The value of the first line of `path` that begins with `key`: what follows the separator, without
// quotes. With an empty key the first line itself. "" where there is none.
static void read_field(const char *path, const char *key, char separator, char *value,
                       size_t size) {
    value[0] = '\0';
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    char line[1024];
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *start = *key ? strchr(line, separator) : line;
        start = start && *key ? start + 1 : start;
        if (!start)
            continue;
        start += strspn(start, " \t\"");
        snprintf(value, size, "%.*s", (int)strcspn(start, "\"\n"), start);
        gb_make_utf8(value);
        break;
    }
    fclose(file);
}

static json_t *instruction_sets(void) {
    json_t *names = json_array();
    for (const struct gb_cpu_level *level = gb_cpu_levels; level->name; level++)
        if (gb_cpu_has(level->level))
            gb_json_append(&names, json_string(level->name));
    return names;
}

static json_t *cpu_json(hwloc_topology_t topology) {
    char microcode[64], model[sizeof gb_cpu()->model + 16];
    snprintf(model, sizeof model, "%s%s", gb_cpu()->model,
             gb_cpu_is_emulated() ? " (emulated)" : "");
    read_field("/proc/cpuinfo", "microcode", ':', microcode, sizeof microcode);
    return json_pack("{s:s, s:s, s:o, s:i, s:i, s:i, s:i}", "model", model, "microcode", microcode,
                     "instruction_sets", instruction_sets(), "packages",
                     hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE), "cores",
                     hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE), "cpus",
                     hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU), "numa_nodes",
                     hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE));
}

static json_t *caches_json(hwloc_topology_t topology) {
    const hwloc_obj_type_t levels[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE};
    json_t *caches = json_array();
    for (int level = 0; level < 3; level++) {
        hwloc_obj_t cache = hwloc_get_obj_by_type(topology, levels[level], 0);
        if (cache)
            gb_json_append(&caches, json_pack("{s:i, s:I, s:i, s:i}", "level", level + 1, "bytes",
                                              (json_int_t)cache->attr->cache.size, "instances",
                                              hwloc_get_nbobjs_by_type(topology, levels[level]),
                                              "cpus", hwloc_bitmap_weight(cache->cpuset)));
    }
    return caches;
}

static json_t *frequency_json(void) {
    char governor[64], no_turbo[8], boost[8];
    read_field("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", 0, governor,
               sizeof governor);
    read_field("/sys/devices/system/cpu/intel_pstate/no_turbo", "", 0, no_turbo, sizeof no_turbo);
    read_field("/sys/devices/system/cpu/cpufreq/boost", "", 0, boost, sizeof boost);
    const char *turbo = "";
    if (*no_turbo)
        turbo = *no_turbo == '0' ? "on" : "off";
    else if (*boost)
        turbo = *boost == '1' ? "on" : "off";
    return json_pack("{s:s, s:s}", "governor", governor, "turbo", turbo);
}

// A line of the firmware's; "" for what a vendor leaves where it fills in nothing.
static void read_firmware(const char *directory, const char *name, char *text, size_t size) {
    static const char *const placeholders[] = {"System manufacturer",
                                               "System Product Name",
                                               "To be filled by O.E.M.",
                                               "Default string",
                                               "Not Specified",
                                               "Not Applicable",
                                               "None",
                                               "Unknown",
                                               "O.E.M."};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    read_field(path, "", 0, text, size);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ')
        text[--length] = '\0';
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strcasecmp(text, placeholders[i]) == 0)
            *text = '\0';
}

void gb_machine_product(const char *directory, char product[static GB_PRODUCT]) {
    char vendor[GB_PRODUCT / 2], name[GB_PRODUCT / 2];
    read_firmware(directory, "sys_vendor", vendor, sizeof vendor);
    read_firmware(directory, "product_name", name, sizeof name);
    const bool repeated = strncmp(name, vendor, strlen(vendor)) == 0;
    snprintf(product, GB_PRODUCT, "%s%s%s", repeated ? "" : vendor, repeated || !*name ? "" : " ",
             name);
}

static json_t *system_json(void) {
    char distribution[128], kernel[256] = "", product[GB_PRODUCT];
    gb_machine_product(GB_DMI, product);
    read_field("/etc/os-release", "PRETTY_NAME", '=', distribution, sizeof distribution);
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(kernel, sizeof kernel, "%s %s %s", name.sysname, name.release, name.machine);
    return json_pack("{s:s, s:s, s:s*}", "distribution", distribution, "kernel", kernel, "product",
                     *product ? product : NULL);
}

static json_t *build_json(void) {
    return json_pack("{s:s, s:s, s:s*, s:s, s:s, s:s, s:s}", "version", gb_build.version, "commit",
                     gb_build.commit, "commit_date",
                     *gb_build.commit_date ? gb_build.commit_date : NULL, "type", gb_build.type,
                     "compiler", gb_build.compiler, "flags", gb_build.flags, "isa_flags",
                     gb_build.isa_flags);
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static json_t *libraries_json(void) {
#if defined(LIBJPEG_TURBO_VERSION)
    const char *jpeg = "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION);
#else
    const char *jpeg = "libjpeg " TEXT(JPEG_LIB_VERSION);
#endif
#if defined(GB_PTHREADS)
    const char *openmp = "none: plain threads";
#else
    const char *openmp = TEXT(_OPENMP);
#endif
    const char *gif = TEXT(GIFLIB_MAJOR) "." TEXT(GIFLIB_MINOR) "." TEXT(GIFLIB_RELEASE);
    const char *tiff = TIFFGetVersion() + strcspn(TIFFGetVersion(), "0123456789");
    return json_pack("{s:s, s:s, s:s#, s:s, s:s, s:s, s:s, s:s}", "jpeg", jpeg, "png",
                     png_get_libpng_ver(NULL), "tiff", tiff, (int)strcspn(tiff, "\n"), "gif", gif,
                     "jansson", jansson_version_str(), "popt", gb_build.popt_version, "hwloc",
                     gb_build.hwloc_version, "openmp", openmp);
}

// The kernels that a foreign library lacks.
static json_t *borrowed_json(const struct gb_backend *backend) {
    json_t *borrowed = json_array();
#define LIST(entry, isa)                                                                           \
    if (gb_backend_falls_back(backend, #entry))                                                    \
        gb_json_append(&borrowed, json_string(#entry));
    GB_KERNELS(LIST, )
#undef LIST
    return borrowed;
}

static json_t *precisions_json(const struct gb_backend *backend) {
    json_t *precisions = json_array();
    if (backend->precisions & 1u << GB_F32)
        gb_json_append(&precisions, json_string("fp32"));
    if (backend->precisions & 1u << GB_BF16)
        gb_json_append(&precisions, json_string("bf16"));
    return precisions;
}

static json_t *backends_json(void) {
    const struct gb_backend *chosen = NULL;
    if (gb_backend_find(NULL, &chosen) != GB_OK)
        chosen = NULL;
    json_t *backends = json_array();
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        gb_json_append(&backends,
                       json_pack("{s:s, s:b, s:s, s:b, s:b, s:s, s:s*, s:s*, s:o, s:o}", "name",
                                 (*b)->name, "supported", gb_backend_supported(*b), "needs",
                                 (*b)->isa, "default", *b == chosen, "same_bits", (*b)->same_bits,
                                 "library", (*b)->library, "built_with", (*b)->built_with,
                                 "fallback", (*b)->fallback ? (*b)->fallback->name : NULL,
                                 "borrowed", borrowed_json(*b), "precisions", precisions_json(*b)));
    return backends;
}

static double load_average(void) {
    double load;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

static json_t *machine_json(hwloc_topology_t topology, json_t *threads) {
    return json_pack(
        "{s:o, s:o, s:i, s:I, s:o, s:f, s:o, s:o, s:o, s:o, s:o*}", "cpu", cpu_json(topology),
        "caches", caches_json(topology), "cache_line_bytes", gb_cpu()->line_bytes, "memory_bytes",
        (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), "frequency", frequency_json(),
        "load_average", load_average(), "system", system_json(), "build", build_json(), "libraries",
        libraries_json(), "backends", backends_json(), "threads", threads);
}

static enum gb_status describe(json_t *threads, json_t **machine) {
    static const char what[] = "cannot describe", where[] = "this machine";
    *machine = NULL;
    // A container without /sys makes hwloc complain on the program's standard error, where one line
    // of ours is promised; it then finds no caches and says so by leaving them out.
    setenv("HWLOC_HIDE_ERRORS", "2", 0);
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) {
        json_decref(threads);
        return gb_no_memory(what, where);
    }
    if (hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        json_decref(threads);
        return gb_fail(GB_IO_ERROR, what, where, "hwloc finds no topology");
    }
    *machine = machine_json(topology, threads);
    hwloc_topology_destroy(topology);
    return *machine ? GB_OK : gb_no_memory(what, where);
}

enum gb_status gb_machine_json(json_t **machine) {
    return describe(json_integer(gb_machine_threads()), machine);
}

enum gb_status gb_machine_json_without_threads(json_t **machine) {
    return describe(NULL, machine);
}
