// SPDX-License-Identifier: MIT
#include "bench/report/gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "bench/child.h"

extern char **environ;

static const char what[] = "cannot draw", program[] = "gnuplot";
static const char *const passed[] = {"PATH",           "LD_LIBRARY_PATH", "HOME",
                                     "TMPDIR",         "XDG_CACHE_HOME",  "FONTCONFIG_FILE",
                                     "FONTCONFIG_PATH"};
enum { VARIABLES = sizeof passed / sizeof *passed };

static enum gb_status system_failure(int error) {
    return gb_fail(GB_IO_ERROR, what, program, "%s", strerror(error));
}

// The standard streams of gnuplot.
enum { IN, OUT, ERRORS, STREAMS };

// What gnuplot gets of the environment, so that GNUTERM, GNUPLOT_LIB and the like change no
// picture: what it needs to start, and to find fonts.
static void choose_variables(char *variables[static VARIABLES + 2]) {
    static char locale[] = "LC_ALL=C.UTF-8";
    int count = 0;
    for (char **each = environ; *each; each++)
        for (int i = 0; i < VARIABLES; i++) {
            const size_t length = strlen(passed[i]);
            if (strncmp(*each, passed[i], length) == 0 && (*each)[length] == '=' &&
                count < VARIABLES)
                variables[count++] = *each;
        }
    variables[count++] = locale;
    variables[count] = NULL;
}

static enum gb_status spawn(FILE *const streams[static STREAMS], int *exit_status) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return system_failure(error);
    for (int i = 0; i < STREAMS && !error; i++)
        error = posix_spawn_file_actions_adddup2(&actions, fileno(streams[i]), i);
    // Without the user's own gnuplot settings.
    char *arguments[] = {(char *)program, "--default-settings", "-", NULL};
    char *variables[VARIABLES + 2];
    choose_variables(variables);
    pid_t process = 0;
    if (!error)
        error = posix_spawnp(&process, program, &actions, NULL, arguments, variables);
    posix_spawn_file_actions_destroy(&actions);
    if (error == ENOENT)
        return gb_fail(GB_UNSUPPORTED, what, program, "not installed: package gnuplot-nox");
    if (error)
        return system_failure(error);
    while (waitpid(process, exit_status, 0) < 0)
        if (errno != EINTR)
            return system_failure(errno);
    return GB_OK;
}

static enum gb_status run_on(FILE *const streams[static STREAMS], const char *terminal,
                             const char *script, char **bytes, size_t *count) {
    // gnuplot takes a failed read for the end of the script, so its last line says that it was run.
    static const char end[] = "end of the script";
    if (fprintf(streams[IN], "set encoding utf8\nset terminal %s\n%s\nprint '%s'\n", terminal,
                script, end) < 0 ||
        fflush(streams[IN]) != 0)
        return system_failure(errno);
    rewind(streams[IN]);
    int exit_status = 0;
    GB_TRY(spawn(streams, &exit_status));
    char *text;
    size_t length;
    GB_TRY(gb_stream_read(what, program, streams[ERRORS], &text, &length)); // where it prints, too
    enum gb_status status = GB_OK;
    if (exit_status != 0 || !strstr(text, end)) {
        // gnuplot quotes the script first, then says "line N: what is wrong".
        char *line = strstr(text, "line ");
        line = line ? line : text;
        line[strcspn(line, "\n")] = '\0';
        status = gb_fail(GB_IO_ERROR, what, program, "%s",
                         *line ? line : "exited before the end of its script");
    }
    free(text);
    if (status == GB_OK)
        status = gb_stream_read(what, program, streams[OUT], bytes, count);
    return status;
}

static enum gb_status run(const char *terminal, const char *script, char **bytes, size_t *count) {
    FILE *streams[STREAMS];
    int open = 0;
    while (open < STREAMS && (streams[open] = gb_scratch_file()))
        open++;
    enum gb_status status =
        open == STREAMS ? run_on(streams, terminal, script, bytes, count) : system_failure(errno);
    while (open > 0)
        fclose(streams[--open]);
    return status;
}

// Removes the titles of gnuplot's elements ("gnuplot_plot_1"), which browsers show as tooltips.
static void drop_titles(struct gb_picture *picture) {
    static const char begin[] = "<title>", end[] = "</title>";
    char *to = picture->svg;
    for (const char *at = picture->svg; *at;) {
        const char *after = strncmp(at, begin, strlen(begin)) == 0 ? strstr(at, end) : NULL;
        if (after)
            at = after + strlen(end);
        else
            *to++ = *at++;
    }
    *to = '\0';
    picture->svg_bytes = (size_t)(to - picture->svg);
}

enum gb_status gb_gnuplot_draw(struct gb_picture *picture, const char *script, int width,
                               int height) {
    char terminal[256];
    snprintf(terminal, sizeof terminal,
             "svg noenhanced size %d,%d font 'sans-serif,12' background '#ffffff' name 'glowbench'",
             width, height);
    enum gb_status status = run(terminal, script, &picture->svg, &picture->svg_bytes);
    if (status == GB_OK)
        drop_titles(picture);
    snprintf(terminal, sizeof terminal,
             "pngcairo noenhanced size %d,%d font 'sans,12' fontscale 2 linewidth 2 pointscale 2 "
             "background '#ffffff'",
             2 * width, 2 * height);
    if (status == GB_OK)
        status = run(terminal, script, &picture->png, &picture->png_bytes);
    if (status != GB_OK)
        gb_picture_free(picture);
    return status;
}
