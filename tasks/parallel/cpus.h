// SPDX-License-Identifier: MIT
// The CPUs of ranks that share a host.
#ifndef GB_CPUS_H
#define GB_CPUS_H

#include "base/status.h"

// The CPUs that this process may use, as "0-3,8".
enum { GB_CPU_LIST = 1024 };
enum gb_status gb_allowed_cpus(char list[static GB_CPU_LIST]);

// Binds process number `index` of the `sharers` that may use the same CPUs to its share of them,
// neighbours in the topology; the default of threads follows. With fewer CPUs than processes none
// is bound: the default of threads is then 1, and threads that wait sleep. GB_OUT_OF_MEMORY.
enum gb_status gb_divide_cpus(int index, int sharers);

#endif
