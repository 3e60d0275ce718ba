// SPDX-License-Identifier: MIT
// cmocka, and the headers that its own header requires before it.
#ifndef GB_CMOCKA_H
#define GB_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// In this order.
#include <cmocka.h>

#endif
