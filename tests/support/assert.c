// SPDX-License-Identifier: MIT
#include "tests/support/test.h"

#include <string.h>

void gb_assert_status(enum gb_status status, enum gb_status expected, const char *text,
                      const char *call, const char *file, int line) {
    const char *message = status == GB_OK ? "" : gb_error_message();
    if (status == expected && strstr(message, text))
        return;
    print_error("%s\nreturned %d, expected %d; \"%s\", expected \"%s\"\n", call, (int)status,
                (int)expected, message, text);
    _fail(file, line);
}

void gb_assert_message(const char *where, const char *reason, const char *file, int line) {
    const char *message = gb_error_message();
    if (strstr(message, where) && strstr(message, reason))
        return;
    print_error("\"%s\" does not contain \"%s\" and \"%s\"\n", message, where, reason);
    _fail(file, line);
}
