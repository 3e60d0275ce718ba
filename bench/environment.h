// SPDX-License-Identifier: MIT
// What the environment does to libraries before main: bench/environment.c removes variables, and
// keeps what the libraries print.
#ifndef GB_ENVIRONMENT_H
#define GB_ENVIRONMENT_H

#include <stddef.h>

// The lines that libraries printed on standard error when they were loaded, up to `size` - 1 bytes
// of them; "" where none were kept. Once.
void gb_take_library_lines(char *lines, size_t size);

#endif
