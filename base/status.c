// SPDX-License-Identifier: MIT
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[GB_MESSAGE];

// Names and texts from files may hold anything; a terminal is shown none of their control
// characters.
static void keep_one_line(void) {
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

enum gb_status gb_fail(enum gb_status status, const char *what, const char *where,
                       const char *why_format, ...) {
    int used = snprintf(message, sizeof message, "%s: %s: ", what, where);
    if (used > 0 && (size_t)used < sizeof message) {
        va_list arguments;
        va_start(arguments, why_format);
        vsnprintf(message + used, sizeof message - (size_t)used, why_format, arguments);
        va_end(arguments);
    }
    keep_one_line();
    return status;
}

enum gb_status gb_no_memory(const char *what, const char *where) {
    return gb_fail(GB_OUT_OF_MEMORY, what, where, "out of memory");
}

enum gb_status gb_fail_within(enum gb_status status, const char *what, const char *where) {
    char why[GB_MESSAGE];
    memcpy(why, message, sizeof why);
    return gb_fail(status, what, where, "%s", why);
}

enum gb_status gb_fail_again(enum gb_status status, const char *reason) {
    snprintf(message, sizeof message, "%s", reason);
    return status;
}

const char *gb_error_message(void) {
    return message;
}

int gb_exit_code(enum gb_status status) {
    switch (status) {
    case GB_OK:
        return 0;
    case GB_CHECK_FAILED:
        return 1;
    case GB_NOT_COMPARABLE:
        return 3;
    case GB_INTERRUPTED:
        return 130;
    case GB_BAD_INPUT:
    case GB_IO_ERROR:
    case GB_OUT_OF_MEMORY:
    case GB_UNSUPPORTED:
        break;
    }
    return 2;
}
