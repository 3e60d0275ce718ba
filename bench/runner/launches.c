// SPDX-License-Identifier: MIT
#include "bench/runner/launches.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/console.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "bench/child.h"

extern char **environ;

static const char what[] = "launch failed";

// The first line of what a launch wrote to its standard error, without the program's name.
static void read_error(FILE *errors, char line[static 512]) {
    static const char prefix[] = "glowbench: ";
    rewind(errors);
    if (!fgets(line, 512, errors))
        strcpy(line, "exited without an error message");
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, prefix, strlen(prefix)) == 0)
        memmove(line, line + strlen(prefix), strlen(line + strlen(prefix)) + 1);
}

static enum gb_status status_of(int exit_code) {
    static const enum gb_status known[] = {GB_CHECK_FAILED, GB_NOT_COMPARABLE, GB_INTERRUPTED};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (gb_exit_code(known[i]) == exit_code)
            return known[i];
    return GB_BAD_INPUT;
}

static enum gb_status wait_for(pid_t child, const char *name, FILE *errors) {
    // Polls, since a signal just before a blocking wait would be missed.
    const long shortest = 1000000, longest = 100000000; // nanoseconds
    struct timespec nap = {.tv_nsec = shortest};
    bool forwarded = false;
    int state;
    pid_t ended;
    while ((ended = waitpid(child, &state, WNOHANG)) != child) {
        if (ended < 0 && errno != EINTR)
            return gb_fail(GB_IO_ERROR, what, name, "%s", strerror(errno));
        if (gb_interrupt_asked() && !forwarded)
            forwarded = kill(child, SIGTERM) == 0; // the signal may have been sent to us alone
        nanosleep(&nap, NULL);
        nap.tv_nsec = nap.tv_nsec < longest / 2 ? 2 * nap.tv_nsec : longest;
    }
    if (WIFSIGNALED(state)) // a launch that has only begun dies of Ctrl-C
        return gb_fail(gb_interrupt_asked() ? GB_INTERRUPTED : GB_IO_ERROR, what, name,
                       "killed by signal %d", WTERMSIG(state));
    if (WEXITSTATUS(state) == 0)
        return GB_OK;
    char line[512];
    read_error(errors, line);
    return gb_fail(status_of(WEXITSTATUS(state)), what, name, "%s", line);
}

// `output`: gets its standard output; NULL: as `quiet` says.
static enum gb_status launch(const char *executable, const char *const *arguments, bool quiet,
                             FILE *output) {
    enum { MAX_ARGUMENTS = 256 };
    const char *name = strcmp(executable, GB_THIS_EXECUTABLE) == 0 ? "bench" : executable;
    const char *words[MAX_ARGUMENTS] = {"glowbench"};
    int count = 1;
    for (; *arguments && count < MAX_ARGUMENTS - 1; arguments++)
        words[count++] = *arguments;
    if (*arguments)
        return gb_fail(GB_BAD_INPUT, what, name, "more than %d arguments", MAX_ARGUMENTS - 2);
    FILE *errors = gb_scratch_file();
    if (!errors)
        return gb_fail(GB_IO_ERROR, what, name, "cannot make a temporary file: %s",
                       strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(errors), STDERR_FILENO);
    if (output)
        posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO);
    else if (quiet)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    fflush(stdout); // before the launch writes to it
    pid_t child;
    int error = posix_spawn(&child, executable, &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    enum gb_status status = error == 0 ? wait_for(child, name, errors)
                                       : gb_fail(GB_BAD_INPUT, what, name, "%s", strerror(error));
    fclose(errors);
    if ((status == GB_OK || status == GB_CHECK_FAILED) && gb_interrupt_asked())
        return gb_fail(GB_INTERRUPTED, "interrupted", name, "stopped by a signal");
    return status;
}

enum gb_status gb_launch(const char *executable, const char *const *arguments, bool quiet) {
    return launch(executable, arguments, quiet, NULL);
}

bool gb_launch_forecast(const char *executable, const char *const *arguments,
                        struct gb_forecast *forecast) {
    enum { MAX_ARGUMENTS = 64 };
    const char *words[MAX_ARGUMENTS] = {"bench", "--forecast", "--launch", "0"};
    int count = 4;
    for (; *arguments && count < MAX_ARGUMENTS - 1; arguments++)
        words[count++] = *arguments;
    FILE *output = gb_scratch_file();
    if (!output)
        return false;
    const bool launched = launch(executable, words, true, output) == GB_OK;
    rewind(output);
    const bool known =
        launched && fscanf(output, "%d rows, about %lf s, of which checks %lf s", &forecast->rows,
                           &forecast->seconds, &forecast->check_seconds) == 3;
    fclose(output);
    return known;
}

// Whether `word` is the option, alone or with its value.
static bool is_option(const char *word, const char *option) {
    const size_t length = strlen(option);
    return strncmp(word, option, length) == 0 && (!word[length] || word[length] == '=');
}

enum gb_status gb_launches_run(int argc, const char **argv, int launches, double budget) {
    const char **words = calloc((size_t)argc + 6, sizeof *words);
    if (!words)
        return gb_no_memory(what, "bench");
    bool resumes = false;
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (is_option(argv[i], "--launches") || is_option(argv[i], "--budget")) {
            i += !strchr(argv[i], '='); // its value
        } else {
            resumes |= strcmp(argv[i], "--resume") == 0;
            words[count++] = argv[i];
        }
    }
    char number[16], seconds[32];
    words[count++] = "--launch";
    words[count++] = number;
    if (budget > 0) {
        snprintf(seconds, sizeof seconds, "%.3f", budget);
        words[count++] = "--budget";
        words[count++] = seconds;
    }
    enum gb_status result = GB_OK;
    gb_interrupt_watch();
    const double start = gb_seconds();
    for (int i = 0; i < launches && (result == GB_OK || result == GB_CHECK_FAILED); i++) {
        char left[32] = "";
        snprintf(number, sizeof number, "%d", i);
        if (i > 0 && !resumes)
            words[count] = "--resume";
        if (i > 0)
            gb_duration_text((gb_seconds() - start) / i * (launches - i), left);
        gb_say("launch %d of %d%s%s%s\n", i + 1, launches, i > 0 ? ", " : "", left,
               i > 0 ? " left" : "");
        enum gb_status status = gb_launch(GB_THIS_EXECUTABLE, words, false);
        if (status != GB_OK)
            result = status;
    }
    gb_interrupt_unwatch();
    free(words);
    return result;
}
