// SPDX-License-Identifier: MIT
// The native tables of this build: gb_backend__avx2 and so on.
#ifndef GB_NATIVES_H
#define GB_NATIVES_H

#include "kernels/backend.h"
#include "kernels/isas.h"

#define GB_DECLARE_NATIVE(isa) extern const struct gb_backend gb_backend__##isa;
GB_ISAS(GB_DECLARE_NATIVE)
#undef GB_DECLARE_NATIVE

#endif
