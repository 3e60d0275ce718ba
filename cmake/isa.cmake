# SPDX-License-Identifier: MIT
# The instruction sets that kernel bodies are compiled for, best first, each with flags on its own
# objects only. To add one: a file kernels/simd/ISA.h, an entry here, and its level in kernels/cpu.c.
include(CheckCCompilerFlag)
set(gb_isas scalar)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|aarch64|arm64")
    set(generic128_default OFF)
else()
    set(generic128_default ON)
endif()
option(GB_GENERIC128 "Build the backend generic128: four lanes by the compiler's vector extension" ${generic128_default})
if(GB_GENERIC128)
    list(PREPEND gb_isas generic128)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(PREPEND gb_isas avx512 avx2)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(PREPEND gb_isas neon)
endif()
# bf16 dot products, for kernels/bf16 and bench/peaks.
set(gb_dot_isas "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND gb_dot_isas avx512_bf16 amx_bf16)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(APPEND gb_dot_isas neon_bf16)
endif()
set(gb_isa_flags_scalar "")
set(gb_isa_flags_generic128 "")
# Every AArch64 has it. GCC schedules the loads of A before all multiply-adds, and spills 3 of 24 sums in
# each step of the 6 x 4 micro-kernel: 42 instead of 36 instructions.
set(gb_isa_flags_neon "")
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    set(gb_isa_flags_neon -fno-schedule-insns)
endif()
set(gb_isa_flags_neon_bf16 ${gb_isa_flags_neon} -march=armv8.2-a+bf16)
set(gb_isa_flags_avx2 -mavx2 -mfma)
# 512-bit vectors are forced: Clang otherwise splits and spills them (a factor of two, measured).
set(gb_isa_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512)
set(gb_isa_flags_avx512_bf16 ${gb_isa_flags_avx512} -mavx512bf16)
set(gb_isa_flags_amx_bf16 ${gb_isa_flags_avx512_bf16} -mamx-tile -mamx-bf16)

# Memory blocks are aligned to cache lines: of the machine that builds, unless it builds for another.
# `glowbench info` shows the line of the machine that runs.
set(cache_line 64)
if(NOT CMAKE_CROSSCOMPILING AND NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    execute_process(COMMAND getconf LEVEL1_DCACHE_LINESIZE OUTPUT_VARIABLE asked ERROR_QUIET
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(asked MATCHES "^(128|256)$")
        set(cache_line ${asked})
    endif()
endif()
set(GB_CACHE_LINE ${cache_line} CACHE STRING "Bytes of a cache line of the target: 64, 128 or 256")
if(NOT GB_CACHE_LINE EQUAL 64)
    target_compile_definitions(gb_options INTERFACE GB_CACHE_LINE=${GB_CACHE_LINE})
endif()

# kernels/isas.h: GB_ISAS(X) and GB_DOT_ISAS(X), X(isa) for each.
list(TRANSFORM gb_isas REPLACE ".+" "X(\\0)" OUTPUT_VARIABLE isas)
list(JOIN isas " " GB_ISA_LIST)
list(TRANSFORM gb_dot_isas REPLACE ".+" "X(\\0)" OUTPUT_VARIABLE isas)
list(JOIN isas " " GB_DOT_ISA_LIST)
configure_file(cmake/isas.h.in ${CMAKE_BINARY_DIR}/generated/kernels/isas.h @ONLY)
include_directories(${CMAKE_BINARY_DIR}/generated)

# A kernel's speed must not depend on what is linked before it: functions and loops start at cache
# lines, and each function has a section, which cmake/layouts.sh shuffles.
set(gb_layout_flags -ffunction-sections)
foreach(flag -falign-functions=64 -falign-loops=64) # Clang has the second since version 14
    string(MAKE_C_IDENTIFIER "GB_HAVE${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
        list(APPEND gb_layout_flags ${flag})
    endif()
endforeach()

# gb_isa_objects(LIBRARY ISA SOURCE...): compiles the sources for one instruction set into LIBRARY,
# as the object library LIBRARY_ISA.
function(gb_isa_objects library isa)
    add_library(${library}_${isa} OBJECT ${ARGN})
    target_link_libraries(${library}_${isa} PRIVATE gb_options)
    target_compile_definitions(${library}_${isa} PRIVATE GB_ISA=${isa})
    target_compile_options(${library}_${isa} PRIVATE ${gb_layout_flags} ${gb_isa_flags_${isa}})
    target_sources(${library} PRIVATE $<TARGET_OBJECTS:${library}_${isa}>)
    if(GB_FUZZ) # kernels read no files, and take most of the time to build when instrumented
        set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
    endif()
endfunction()
