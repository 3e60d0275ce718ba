// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/commands.h"
#include "bench/peaks/peaks.h"
#include "bench/peaks/pin.h"
#include "kernels/parallel.h"
#include "tasks/build.h"
#include "tasks/machine.h"
#include "tasks/training/commands.h"

static const struct gb_command *const commands[] = {
    &gb_info_command,   &gb_list_command,    &gb_run_command,   &gb_train_command,
    &gb_eval_command,   &gb_sample_command,  &gb_bench_command, &gb_report_command,
    &gb_score_command,  &gb_compare_command, &gb_ab_command,    &gb_history_command,
    &gb_tables_command,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
    printf("usage: glowbench COMMAND [ARGUMENT...]\n"
           "Benchmark conditional normalizing flows on this CPU.\n\n");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-10s%s\n", commands[i]->name, commands[i]->summary);
    printf(
        "\nRun 'glowbench COMMAND --help' for options, 'glowbench --version' for the version.\n");
}

// The peaks for profiles of training.
static enum gb_status measure_peaks(int threads, size_t working_set, struct gb_step_peaks *peaks) {
    json_t *machine;
    GB_TRY(gb_machine_json(&machine));
    const size_t most = gb_memory_working_set(machine);
    json_decref(machine);
    int *cpus = calloc((size_t)threads, sizeof *cpus);
    if (!cpus)
        return gb_no_memory("cannot measure peaks", "threads");
    struct gb_probe probe;
    enum gb_status status = gb_pin_threads(threads, cpus);
    if (status != GB_OUT_OF_MEMORY) // unpinned threads, or more than CPUs, can be measured as well
        status = gb_probe_open(&probe, threads, working_set < most ? working_set : most);
    if (status == GB_OK) {
        for (enum gb_traffic traffic = GB_TRAFFIC_TRIAD; traffic <= GB_TRAFFIC_UPDATE; traffic++) {
            const struct gb_roofline roofline = gb_probe_run(&probe, traffic);
            peaks->gflops = roofline.fma_gflops;
            peaks->gbs[traffic] = roofline.gbs;
        }
        gb_probe_close(&probe);
    }
    gb_unpin_threads();
    free(cpus);
    return status;
}

// Another algorithm sums in another order, and no run records it.
static enum gb_status check_environment(const struct gb_command *command) {
    const char *forced = getenv("GB_CONV_ALGORITHM");
    return command->reproducible && forced && *forced
               ? gb_fail(GB_BAD_INPUT, "cannot run", command->name,
                         "GB_CONV_ALGORITHM is set, which changes results; it is for bench, ab and "
                         "info --plan")
               : GB_OK;
}

static enum gb_status run(int argc, const char **argv) {
    if (argc < 2)
        return gb_fail(GB_BAD_INPUT, "missing command", "COMMAND", "see glowbench --help");
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i]->name) == 0) {
            GB_TRY(check_environment(commands[i]));
            return commands[i]->run(argc - 1, argv + 1);
        }
    if (strcmp(argv[1], "--help") == 0)
        print_help();
    else if (strcmp(argv[1], "--version") == 0)
        printf("glowbench %s (%s)\n", gb_build.version, gb_build.commit);
    else
        return gb_fail(GB_BAD_INPUT, "unknown command", argv[1], "see glowbench --help");
    return GB_OK;
}

// A standard stream that is closed at the start would become the first file opened, which would
// then receive what is printed.
static enum gb_status open_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return gb_fail(GB_IO_ERROR, "cannot open", "/dev/null", "%s", strerror(errno));
    return GB_OK;
}

int main(int argc, char **argv) {
    gb_flush_denormals();
    signal(SIGXFSZ, SIG_IGN); // a file beyond the limit of sizes is a failed write
    gb_train_measure_peaks = measure_peaks;
    enum gb_status status = open_standard_streams();
    if (status == GB_OK)
        status = run(argc, (const char **)argv);
    if (fflush(stdout) != 0 && status == GB_OK)
        status = gb_fail(GB_IO_ERROR, "cannot write", "standard output", "write error");
    if (status != GB_OK)
        fprintf(stderr, "glowbench: %s\n", gb_error_message());
    return gb_exit_code(status);
}
