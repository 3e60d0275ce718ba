// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/console.h"
#include "base/files.h"
#include "base/json.h"
#include "base/options.h"
#include "bench/commands.h"
#include "bench/emulation.h"
#include "bench/info_plan.h"
#include "bench/peaks/peaks.h"
#include "bench/peaks/pin.h"
#include "bench/report/training_record.h"
#include "bench/runner/energy.h"
#include "bench/runner/hardware.h"
#include "kernels/backend.h"
#include "kernels/tensor.h"
#include "tasks/build.h"
#include "tasks/machine.h"
#include "tasks/parallel/ranks.h"

enum { INDENT = 12, BACKEND = 20 }; // columns at which values and texts of backends begin

static void print_long(const char *name, const char *text) {
    printf("%-*s", INDENT, name);
    gb_print_wrapped(stdout, text, INDENT, gb_console_columns());
}

// Adds `separator` and a formatted text to a text.
__attribute__((format(printf, 4, 5))) static void
add_text(char *text, size_t size, const char *separator, const char *format, ...) {
    const size_t used = strlen(text), begin = used + strlen(separator);
    if (begin >= size)
        return;
    strcpy(text + used, separator);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + begin, size - begin, format, arguments);
    va_end(arguments);
}

static void print_cpu(const json_t *machine) {
    const json_t *cpu = json_object_get(machine, "cpu");
    printf("cpu         %s, microcode %s\n", gb_json_string_or_unknown(cpu, "model"),
           gb_json_string_or_unknown(cpu, "microcode"));
    printf("            packages %d, cores %d, CPUs %d, NUMA nodes %d\n",
           (int)gb_json_integer(cpu, "packages"), (int)gb_json_integer(cpu, "cores"),
           (int)gb_json_integer(cpu, "cpus"), (int)gb_json_integer(cpu, "numa_nodes"));
    printf("ISAs       ");
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(cpu, "instruction_sets"), index, item)
        printf(" %s", json_string_value(item));
    printf("\ncaches     ");
    json_array_foreach(json_object_get(machine, "caches"), index, item)
        printf("%s L%d %d x %d KiB", index ? "," : "", (int)gb_json_integer(item, "level"),
               (int)gb_json_integer(item, "instances"), (int)gb_json_integer(item, "bytes") / 1024);
    printf("\n            cache line %d bytes; built for %d",
           (int)gb_json_integer(machine, "cache_line_bytes"), GB_CACHE_LINE);
    printf("\nmemory      %.1f GiB\n", gb_json_number(machine, "memory_bytes") / (1 << 30));
}

static void print_frequency(const json_t *machine) {
    const json_t *frequency = json_object_get(machine, "frequency");
    printf("frequency   governor %s, turbo %s; load average %.1f\n",
           gb_json_string_or_unknown(frequency, "governor"),
           gb_json_string_or_unknown(frequency, "turbo"), gb_json_number(machine, "load_average"));
}

static void print_system(const json_t *machine) {
    const json_t *system = json_object_get(machine, "system");
    const json_t *build = json_object_get(machine, "build");
    printf("system      %s, %s\n", gb_json_string_or_unknown(system, "distribution"),
           gb_json_string_or_unknown(system, "kernel"));
    if (json_object_get(system, "product"))
        printf("product     %s\n", gb_json_string_or_unknown(system, "product"));
    printf("build       glowbench %s, commit %s, %s, %s\n",
           gb_json_string_or_unknown(build, "version"), gb_json_string_or_unknown(build, "commit"),
           gb_json_string_or_unknown(build, "type"), gb_json_string_or_unknown(build, "compiler"));
    print_long("flags", gb_json_string_or_unknown(build, "flags"));
    print_long("", gb_json_string_or_unknown(build, "isa_flags"));
    char libraries[1024] = "";
    const char *name;
    json_t *version;
    json_object_foreach(json_object_get(machine, "libraries"), name, version)
        add_text(libraries, sizeof libraries, *libraries ? ", " : "", "%s %s", name,
                 json_string_value(version));
    print_long("libraries", libraries);
}

// The CPUs that measurements pin threads to; empty if pinning fails.
static enum gb_status add_cpus(json_t *machine) {
    const int threads = (int)gb_json_integer(machine, "threads");
    int *cpus = calloc((size_t)threads, sizeof *cpus);
    if (!cpus)
        return gb_no_memory("cannot describe", "this machine");
    json_t *list = json_array();
    if (gb_pin_threads(threads, cpus) == GB_OK)
        for (int rank = 0; rank < threads; rank++)
            gb_json_append(&list, json_integer(cpus[rank]));
    gb_unpin_threads();
    free(cpus);
    if (json_object_set_new(machine, "cpus", list) != 0)
        return gb_no_memory("cannot describe", "this machine");
    return GB_OK;
}

static void print_threads(const json_t *machine) {
    const json_t *cpus = json_object_get(machine, "cpus");
    printf("threads     %d, ", (int)gb_json_integer(machine, "threads"));
    if (json_array_size(cpus) == 0) {
        printf("cannot be pinned when measuring: %s\n", gb_error_message());
        return;
    }
    printf("pinned to CPUs when measuring:");
    size_t index;
    json_t *cpu;
    json_array_foreach(cpus, index, cpu)
        printf("%s %d", index ? "," : "", (int)json_integer_value(cpu));
    putchar('\n');
}

// The ranks of an MPI job, by their hosts.
static void print_job(const json_t *job) {
    const json_t *hosts = json_object_get(job, "hosts");
    const char *before = "";
    size_t rank;
    json_t *host;
    printf("MPI         %s, %d rank%s on", gb_json_text(job, "library"),
           (int)gb_json_integer(job, "ranks"), gb_json_integer(job, "ranks") == 1 ? "" : "s");
    json_array_foreach(hosts, rank, host) {
        if (strcmp(json_string_value(host), before) == 0)
            printf(",%zu", rank);
        else
            printf("%s %s:%zu", rank ? ";" : "", json_string_value(host), rank);
        before = json_string_value(host);
    }
    putchar('\n');
}

// Below the backend's name.
static void print_of_backend(const char *text) {
    printf("%*s", BACKEND, "");
    gb_print_wrapped(stdout, text, BACKEND, gb_console_columns());
}

// A vendor backend's library, and the kernels for which it falls back to a native backend.
static void print_library(const json_t *backend) {
    size_t index;
    json_t *kernel;
    char text[4096] = "";
    const char *loaded = gb_json_text(backend, "library");
    add_text(text, sizeof text, "", "%s%s, over %s",
             *loaded ? loaded : "does not load; built with ",
             *loaded ? "" : gb_json_text(backend, "built_with"),
             gb_json_string_or_unknown(backend, "fallback"));
    print_of_backend(text);
    strcpy(text, "native fallback for");
    json_array_foreach(json_object_get(backend, "borrowed"), index, kernel)
        add_text(text, sizeof text, " ", "%s", json_string_value(kernel));
    if (index > 0)
        print_of_backend(text);
}

// "supported; fp32, bf16; results ...": the precisions of the operands that a backend's own kernels
// multiply.
static void print_support(const json_t *backend) {
    size_t index;
    json_t *precision;
    char text[512] = "";
    if (!json_is_true(json_object_get(backend, "supported"))) {
        add_text(text, sizeof text, "", "not supported by this CPU: it lacks %s",
                 gb_json_string_or_unknown(backend, "needs"));
    } else {
        const bool is_default = json_is_true(json_object_get(backend, "default"));
        const bool deterministic = json_is_true(json_object_get(backend, "same_bits"));
        strcpy(text, is_default ? "the default" : "supported");
        json_array_foreach(json_object_get(backend, "precisions"), index, precision)
            add_text(text, sizeof text, index ? ", " : "; ", "%s", json_string_value(precision));
        add_text(text, sizeof text, "; ",
                 deterministic ? "same results at any thread count"
                               : "results may vary with thread count");
    }
    gb_print_wrapped(stdout, text, BACKEND, gb_console_columns());
}

static void print_backends(const json_t *machine) {
    size_t index;
    json_t *backend;
    json_array_foreach(json_object_get(machine, "backends"), index, backend) {
        printf("%-*s%-*s", INDENT, index ? "" : "backends", BACKEND - INDENT,
               gb_json_string_or_unknown(backend, "name"));
        print_support(backend);
        if (json_is_true(json_object_get(backend, "supported")) &&
            *gb_json_text(backend, "built_with"))
            print_library(backend);
    }
}

static void print_peaks(const json_t *peaks) {
    size_t index;
    json_t *row;
    printf("\n%-12s  %-8s  %7s  %9s\n", "multiply-add", "operands", "threads", "GFLOP/s");
    json_array_foreach(json_object_get(peaks, "fma"), index, row)
        printf("%-12s  %-8s  %7d  %9.1f\n", gb_json_string_or_unknown(row, "isa"),
               gb_json_string_or_unknown(row, "precision"), (int)gb_json_integer(row, "threads"),
               gb_json_number(row, "gflops"));
    printf("\n%-12s  %8s  %7s  %9s  %9s  %9s  %9s GB/s\n", "working set", "KiB", "threads", "read",
           "copy", "triad", "update");
    json_array_foreach(json_object_get(peaks, "bandwidth"), index, row)
        printf("%-12s  %8.0f  %7d  %9.1f  %9.1f  %9.1f  %9.1f\n",
               gb_json_string_or_unknown(row, "level"), gb_json_number(row, "bytes") / 1024,
               (int)gb_json_integer(row, "threads"), gb_json_number(row, "read_gbs"),
               gb_json_number(row, "copy_gbs"), gb_json_number(row, "triad_gbs"),
               gb_json_number(row, "update_gbs"));
}

void gb_print_version(void) {
    json_t *machine;
    printf("glowbench %s (%s)\n", gb_build.version, gb_build.commit);
    if (gb_machine_json_without_threads(&machine) != GB_OK)
        return; // the first line is always there
    print_cpu(machine);
    print_system(machine);
    printf("backends   ");
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (gb_backend_supported(*b))
            printf(" %s", (*b)->name);
    printf("; glowbench info adds their libraries' versions\n");
    json_decref(machine);
}

// What a run's record says about its training steps.
struct run {
    double flops, parameters, step_seconds;
    int threads;
    bool bf16;
};

static enum gb_status read_number(const json_t *object, const char *directory, const char *key,
                                  double *value) {
    *value = gb_json_number(object, key);
    return *value > 0 ? GB_OK
                      : gb_fail(GB_BAD_INPUT, "cannot read run", directory,
                                "'%s' is missing or not positive", key);
}

static enum gb_status read_run(const char *directory, const json_t *machine, struct run *run) {
    json_t *object;
    GB_TRY(gb_training_run_read(directory, &object));
    const json_t *cpu = json_object_get(json_object_get(object, "machine"), "cpu");
    const json_int_t max = gb_json_integer(machine, "threads"),
                     threads = gb_json_integer(object, "threads");
    run->threads = (int)threads;
    run->bf16 = gb_json_is(json_object_get(object, "config"), "precision", "bf16");
    enum gb_status status = read_number(object, directory, "flops_per_step", &run->flops);
    if (status == GB_OK)
        status = read_number(object, directory, "parameters", &run->parameters);
    if (status == GB_OK)
        status = read_number(object, directory, "step_seconds_median", &run->step_seconds);
    if (status == GB_OK && !json_equal(cpu, json_object_get(machine, "cpu")))
        status = gb_fail(GB_NOT_COMPARABLE, "not comparable", directory,
                         "the run was trained on another CPU: %s",
                         gb_json_string_or_unknown(cpu, "model"));
    if (status == GB_OK && (threads < 1 || threads > max))
        status = gb_fail(GB_BAD_INPUT, "cannot read run", directory, "'threads' is not in 1 .. %d",
                         (int)max);
    json_decref(object);
    return status;
}

// What rows of bench have besides times, or why they lack it.
static void print_meters(void) {
    struct gb_energy energy;
    struct gb_hardware hardware;
    if (gb_energy_open(&energy, GB_POWERCAP) == GB_OK)
        printf("energy      measured in %d zones of packages and memory\n", energy.count);
    else
        print_long("energy", gb_error_message());
    gb_energy_close(&energy);
    if (gb_hardware_open(&hardware, NULL) == GB_OK)
        printf("counters    cycles%s%s\n",
               hardware.list->files[GB_INSTRUCTIONS] >= 0 ? ", instructions" : "",
               hardware.list->files[GB_CACHE_MISSES] >= 0 ? ", cache misses" : "");
    else
        print_long("counters", gb_error_message());
    gb_hardware_close(&hardware);
}

struct request {
    const char *json, *run, *plan, *backend;
    int threads;
    bool peaks, allow_emulation;
};

static enum gb_status report(const struct request *request, json_t *machine) {
    struct run run = {0};
    if (request->run)
        GB_TRY(read_run(request->run, machine, &run));
    print_cpu(machine);
    print_frequency(machine);
    print_system(machine);
    print_threads(machine);
    if (json_object_get(machine, "mpi"))
        print_job(json_object_get(machine, "mpi"));
    print_meters();
    print_backends(machine);
    if (request->peaks || request->run) {
        fflush(stdout);
        json_t *peaks;
        GB_TRY(gb_peaks_measure(machine, run.threads, &peaks));
        if (json_object_set_new(machine, "peaks", peaks) != 0)
            return gb_no_memory("cannot describe", "this machine");
        print_peaks(peaks);
        if (request->run) {
            const struct gb_peaks at = gb_peaks_at(peaks, run.threads);
            const double ideal = gb_ideal_step_seconds(&at, run.bf16, run.flops, run.parameters);
            printf("\ntraining step with %d threads: %.4g s; ideal at the peaks: %.4g s; %.1f %% "
                   "of ideal\n",
                   run.threads, run.step_seconds, ideal, 100 * ideal / run.step_seconds);
        }
    }
    return request->json ? gb_json_write(request->json, machine) : GB_OK;
}

static enum gb_status info(int argc, const char **argv) {
    struct request request = {0};
    const struct gb_option options[] = {
        gb_option_flag("peaks", &request.peaks,
                       "measure peak FLOP/s and bandwidth; six seconds per thread count"),
        gb_option_string("run", "DIR", &request.run,
                         "measure peaks, and compare this run's training steps with them"),
        gb_option_string(
            "plan", "PROBLEM", &request.plan,
            "print only the plan of a convolution, conv/DIRECTION/SHAPE or conv/SHAPE"),
        gb_option_string("backend", "NAME", &request.backend, "of --plan (default: the best)"),
        gb_option_int("threads", "N", &request.threads, 1, 1 << 16, "of --plan (default: all)"),
        gb_option_string("json", "FILE", &request.json, "also write everything to this file"),
        GB_ALLOW_EMULATION(&request.allow_emulation),
        {0},
    };
    bool helped;
    GB_TRY(gb_options_parse(&gb_info_command, options, argc, argv, &helped));
    if (helped)
        return GB_OK;
    if (!gb_ranks_lead()) // which describes its host
        return GB_OK;
    if (request.peaks || request.run)
        GB_TRY(gb_emulation_check("cannot measure peaks", request.allow_emulation));
    // A plan may have more threads than this machine grants.
    int threads = request.plan && request.threads ? 1 : 0;
    GB_TRY(gb_machine_choose_threads(&threads));
    const struct gb_backend *backend;
    GB_TRY(gb_backend_find(request.backend, &backend)); // an unknown GB_BACKEND is an error
    if (request.plan)
        return gb_print_plan(request.plan, backend, request.threads ? request.threads : threads);
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        if (gb_backend_load(*b) != GB_OK) // its version stays unknown
            fprintf(stderr, "glowbench: backend %s: %s\n", (*b)->name, gb_error_message());
    json_t *machine;
    GB_TRY(gb_machine_json(&machine));
    enum gb_status status = add_cpus(machine);
    if (status == GB_OK && *gb_ranks()->library &&
        json_object_set_new(machine, "mpi", gb_ranks_json()) != 0)
        status = gb_no_memory("cannot describe", "this machine");
    if (status == GB_OK)
        status = report(&request, machine);
    json_decref(machine);
    return status;
}

const struct gb_command gb_info_command = {
    "info", "Describe this machine, the build and its backends; measure the machine's peaks", info,
    false, true};
