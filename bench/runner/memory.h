// SPDX-License-Identifier: MIT
// What the system gave this process's memory that changes its speed from launch to launch.
#ifndef GB_MEMORY_H
#define GB_MEMORY_H

// How addresses are randomised: 0 not at all (by the system, or for this process by `setarch -R`),
// 1 stack, libraries and mappings, 2 the heap as well, as in /proc/sys/kernel/randomize_va_space.
// NAN: unknown.
double gb_aslr(void);

// Bytes of this process that are now in transparent huge pages, which arenas ask for and may not
// get. NAN: unknown.
double gb_huge_page_bytes(void);

#endif
