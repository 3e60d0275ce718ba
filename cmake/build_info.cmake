# SPDX-License-Identifier: MIT
# Writes tasks/build.c.in with its values filled in to OUTPUT. It runs at every build, since a
# commit changes without CMake noticing; the file is touched only where its content changes.
#
#     cmake -D SOURCE=DIR -D OUTPUT=FILE -D VERSION=... (every other name in build.c.in but COMMIT
#           and COMMIT_DATE)
#           -P cmake/build_info.cmake

function(git output)
    execute_process(
        COMMAND git --no-optional-locks -C ${SOURCE} ${ARGN}
        OUTPUT_VARIABLE text RESULT_VARIABLE result ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
        set(text "")
    endif()
    set(${output} "${text}" PARENT_SCOPE)
endfunction()

# An archive unpacked inside some other project's checkout has no commit of its own.
git(top rev-parse --show-toplevel)
set(COMMIT "")
set(COMMIT_DATE "")
if(top STREQUAL SOURCE)
    git(COMMIT rev-parse --short=12 HEAD)
    set(ENV{TZ} UTC)
    git(COMMIT_DATE show -s --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ HEAD)
    git(changes status --porcelain --untracked-files=no)
endif()
if(COMMIT STREQUAL "")
    set(COMMIT unknown)
elseif(NOT changes STREQUAL "")
    string(APPEND COMMIT "+changes")
endif()

foreach(name TYPE COMPILER FLAGS ISA_FLAGS)
    string(REGEX REPLACE "([\\\\\"])" "\\\\\\1" ${name} "${${name}}")
    string(REGEX REPLACE " +" " " ${name} "${${name}}")
    string(STRIP "${${name}}" ${name})
endforeach()
configure_file(${SOURCE}/tasks/build.c.in ${OUTPUT} @ONLY)
