// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <stddef.h>

// The length in bytes of the character at `text`; 0 if malformed.
static size_t character_bytes(const unsigned char *text) {
    // Ranges of the first and the second byte; the Unicode Standard, table 3-7.
    static const struct {
        unsigned char low, high, second_low, second_high, bytes;
    } forms[] = {
        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*text < forms[i].low || *text > forms[i].high)
            continue;
        if (text[1] < forms[i].second_low || text[1] > forms[i].second_high)
            return 0;
        for (size_t b = 2; b < forms[i].bytes; b++)
            if (text[b] < 0x80 || text[b] > 0xbf)
                return 0;
        return forms[i].bytes;
    }
    return 0;
}

bool gb_is_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t bytes = character_bytes(at);
        if (bytes == 0)
            return false;
        at += bytes;
    }
    return true;
}

void gb_make_utf8(char *text) {
    while (*text) {
        size_t bytes = character_bytes((const unsigned char *)text);
        if (bytes == 0) {
            *text = '?';
            bytes = 1;
        }
        text += bytes;
    }
}
