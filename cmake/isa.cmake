# SPDX-License-Identifier: MIT
# The instruction sets that vector bodies are compiled for, each with flags on its own objects
# only. 512-bit vectors are forced: left to itself Clang splits and spills them (a factor of two,
# measured).
set(gb_isas scalar)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND gb_isas avx2 avx512)
endif()
# Those that have one body of their own, written for them: dot products of bf16.
set(gb_dot_isas "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND gb_dot_isas avx512_bf16 amx_bf16)
endif()
set(gb_isa_flags_scalar "")
set(gb_isa_flags_avx2 -mavx2 -mfma)
set(gb_isa_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512)
set(gb_isa_flags_avx512_bf16 ${gb_isa_flags_avx512} -mavx512bf16)
set(gb_isa_flags_amx_bf16 -mamx-tile -mamx-bf16)

# gb_isa_objects(LIBRARY ISA SOURCE...): compiles the sources for one instruction set into LIBRARY,
# as the object library LIBRARY_ISA.
function(gb_isa_objects library isa)
    add_library(${library}_${isa} OBJECT ${ARGN})
    target_link_libraries(${library}_${isa} PRIVATE gb_options)
    target_compile_definitions(${library}_${isa} PRIVATE GB_ISA=${isa})
    target_compile_options(${library}_${isa} PRIVATE ${gb_isa_flags_${isa}})
    target_sources(${library} PRIVATE $<TARGET_OBJECTS:${library}_${isa}>)
endfunction()
