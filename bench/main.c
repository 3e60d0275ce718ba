// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/console.h"
#include "bench/commands.h"
#include "bench/environment.h"
#include "bench/peaks/peaks.h"
#include "bench/peaks/pin.h"
#include "kernels/openmp_settings.h"
#include "kernels/parallel.h"
#include "tasks/build.h"
#include "tasks/machine.h"
#include "tasks/parallel/ranks.h"
#include "tasks/training/commands.h"

static const struct gb_command *const commands[] = {
    &gb_info_command,   &gb_list_command,    &gb_run_command,   &gb_train_command,
    &gb_eval_command,   &gb_sample_command,  &gb_bench_command, &gb_report_command,
    &gb_score_command,  &gb_compare_command, &gb_ab_command,    &gb_history_command,
    &gb_tables_command,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

// A summary, wrapped at 80 columns behind the command's name.
static void print_command(const char *name, const char *summary) {
    enum { COLUMN = 12, COLUMNS = 80 };
    printf("  %-*s", COLUMN - 2, name);
    gb_print_wrapped(stdout, summary, COLUMN, COLUMNS);
}

static void print_help(void) {
    printf("usage: glowbench COMMAND [ARGUMENT...]\n"
           "Benchmark conditional normalizing flows on this CPU.\n\n");
    for (int i = 0; i < COMMANDS; i++)
        print_command(commands[i]->name, commands[i]->summary);
    printf("\nOptions: glowbench help COMMAND. For bug reports: glowbench --version.\n");
}

static const struct gb_command *find_command(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
    return NULL;
}

static enum gb_status unknown_command(const char *name) {
    return gb_fail(GB_BAD_INPUT, "unknown command", name, "see glowbench --help");
}

// ---- Documents from the tables of options ----

static enum gb_status print_options(const char *form) {
    for (int i = 0; i < COMMANDS; i++) {
        const char *argv[] = {commands[i]->name, form, NULL};
        GB_TRY(commands[i]->run(2, argv));
    }
    return GB_OK;
}

static enum gb_status print_man(void) {
    printf(".TH GLOWBENCH 1 \"\" \"glowbench %s\"\n.SH NAME\n"
           "glowbench \\- benchmark conditional normalizing flows on this CPU\n.SH SYNOPSIS\n"
           ".B glowbench\n\\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n.br\n.B glowbench help\n"
           "[\\fICOMMAND\\fR]\n.br\n.B glowbench \\-\\-version\n.SH COMMANDS\n",
           gb_build.version);
    GB_TRY(print_options("--help-man"));
    printf(".SH EXIT STATUS\n0 done, 1 a comparison or check failed, 2 bad usage or input, 3 not "
           "comparable, 130 interrupted.\n.SH ENVIRONMENT\n.TP\n.B GB_BACKEND\nThe default of "
           "\\-\\-backend.\n.TP\n.B GB_ISA\nThe best instruction set that the default backend may "
           "use.\n.TP\n.B OMP_NUM_THREADS\nThe default of \\-\\-threads.\n.TP\n.B NO_COLOR\nIf not "
           "empty, terminals get no "
           "colour.\n.TP\n.B TERM\nIf dumb, they get no escapes.\n");
    return GB_OK;
}

static enum gb_status print_completion(void) {
    printf(
        "# bash completion of glowbench %s\n_glowbench() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ] || [ \"$COMP_CWORD $previous\" = '2 help' ]; then\n"
        "        words='help --help --version",
        gb_build.version);
    for (int i = 0; i < COMMANDS; i++)
        printf(" %s", commands[i]->name);
    printf("'\n    else\n        case \"${COMP_WORDS[1]} $previous\" in\n");
    GB_TRY(print_options("--help-bash"));
    printf("        esac\n    fi\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
           "complete -o default -F _glowbench glowbench\n");
    return GB_OK;
}

static enum gb_status help(int argc, const char **argv) {
    if (argc < 2) {
        print_help();
        return GB_OK;
    }
    if (argc > 2)
        return gb_fail(GB_BAD_INPUT, "unexpected argument", argv[2], "see glowbench --help");
    if (strcmp(argv[1], "--man") == 0)
        return print_man();
    if (strcmp(argv[1], "--bash-completion") == 0)
        return print_completion();
    const struct gb_command *command = find_command(argv[1]);
    const char *arguments[] = {argv[1], "--help", NULL};
    return command ? command->run(2, arguments) : unknown_command(argv[1]);
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
        const struct gb_fma_body *const *bodies = gb_fma_bodies();
        peaks->bf16_gflops = 0;
        for (int body = 0; bodies[body]; body++)
            if (strcmp(bodies[body]->precision, "bf16") == 0)
                peaks->bf16_gflops = fmax(peaks->bf16_gflops, gb_probe_fma(&probe, body));
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
    const struct gb_command *command = find_command(argv[1]);
    if (command) {
        GB_TRY(check_environment(command));
        GB_TRY(command->shared ? gb_ranks_begin() : gb_ranks_refuse(command->name));
        return command->run(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        print_help();
    else if (strcmp(argv[1], "--version") == 0)
        gb_print_version();
    else
        return unknown_command(argv[1]);
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

// In a function of its own, for its array.
static void note_library_lines(void) {
    char lines[1 << 15];
    gb_take_library_lines(lines, sizeof lines);
    gb_openmp_note(lines);
}

int main(int argc, char **argv) {
    gb_flush_denormals();
    signal(SIGXFSZ, SIG_IGN); // a file beyond the limit of sizes is a failed write
    gb_train_measure_peaks = measure_peaks;
    enum gb_status status = open_standard_streams();
    if (status == GB_OK) {
        note_library_lines();
        status = run(argc, (const char **)argv);
    }
    if (fflush(stdout) != 0 && status == GB_OK)
        status = gb_fail(GB_IO_ERROR, "cannot write", "standard output", "write error");
    status = gb_ranks_end(status);
    if (status != GB_OK && gb_ranks_lead())
        fprintf(stderr, "glowbench: %s\n", gb_error_message());
    gb_ranks_leave();
    // Open MPI's launcher ends the job, and drops what rank 0 prints, when any rank fails: rank 0's
    // code is the job's.
    return gb_ranks_lead() ? gb_exit_code(status) : 0;
}
