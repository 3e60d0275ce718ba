// SPDX-License-Identifier: MIT
// Published data sets, where the machine has them. Tests on them are skipped elsewhere.
#ifndef GB_REAL_DATA_H
#define GB_REAL_DATA_H

// The folder `name` (such as "weizmann_horse") unpacked from the given archives (ended by NULL),
// which together hold it. They are looked for in $GB_SHARED_DATA or else ../shared/data, and
// unpacked once into $GB_DATA_CACHE or else ~/.cache/glowbench (XDG_CACHE_HOME is honoured). NULL,
// with a line saying why, where they are not there or do not unpack; the test then calls skip().
// Valid until the next call.
const char *gb_real_data(const char *name, const char *const *archives);

// The path of a file or folder among the archives, such as "splits"; NULL where there is none.
// Valid until the next call.
const char *gb_shared_data(const char *name);

#endif
