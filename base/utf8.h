// SPDX-License-Identifier: MIT
// File names are bytes, JSON is UTF-8.
#ifndef GB_UTF8_H
#define GB_UTF8_H

#include <stdbool.h>

// True for well-formed UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool gb_is_utf8(const char *text);

// Replaces bytes that are not part of well-formed UTF-8 by '?'.
void gb_make_utf8(char *text);

#endif
