// SPDX-License-Identifier: MIT
#include "kernels/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

enum gb_status gb_fail(enum gb_status status, const char *what, const char *where,
                       const char *why_format, ...) {
    int used = snprintf(message, sizeof message, "%s: %s: ", what, where);
    if (used > 0 && (size_t)used < sizeof message) {
        va_list arguments;
        va_start(arguments, why_format);
        vsnprintf(message + used, sizeof message - (size_t)used, why_format, arguments);
        va_end(arguments);
    }
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
