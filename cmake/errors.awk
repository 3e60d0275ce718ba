# SPDX-License-Identifier: MIT
# The calls of gb_fail and gb_no_memory in C sources, as lines of WHAT, WHY and exit code, separated
# by tabs. See cmake/errors.sh.

# The exit code of a status (base/status.c); "" of one that is passed on.
function code_of(status) {
    if (status == "GB_CHECK_FAILED")
        return 1
    if (status == "GB_NOT_COMPARABLE")
        return 3
    if (status == "GB_INTERRUPTED")
        return 130
    return status ~ /^GB_/ ? 2 : "as its cause"
}

# The text of adjacent string literals, with "..." for conversions; "" of anything else.
function text_of(argument) {
    gsub(/" *PRI[a-z]+64 *"/, "d", argument)
    sub(/" *PRI[a-z]+64$/, "d\"", argument)
    if (argument !~ /^"/)
        return ""
    gsub(/"[ \n]+"/, "", argument)
    sub(/^"/, "", argument)
    sub(/"[^"]*$/, "", argument)
    gsub(/\\"/, "\"", argument)
    gsub(/%%/, "\001", argument)
    gsub(/%[-+ #0]*[0-9*]*(\.[0-9*]+)?(hh|h|ll|l|z|j|t)?[diouxXcsfFeEgG]/, "...", argument)
    gsub(/\001/, "%", argument)
    return argument
}

function trim(text) {
    gsub(/^[ \n\t]+|[ \n\t]+$/, "", text)
    return text
}

# Splits the arguments of the call whose parenthesis is at `start` into list[1] and so on.
function split_arguments(source, start, list,    i, c, depth, quoted, count, from) {
    from = start + 1
    for (i = start; i <= length(source); i++) {
        c = substr(source, i, 1)
        if (quoted) {
            if (c == "\\")
                i++
            else if (c == "\"")
                quoted = 0
        } else if (c == "\"")
            quoted = 1
        else if (c ~ /[({[]/)
            depth++
        else if (c ~ /[)}\]]/ && --depth == 0) {
            list[++count] = trim(substr(source, from, i - from))
            return count
        } else if (c == "," && depth == 1) {
            list[++count] = trim(substr(source, from, i - from))
            from = i + 1
        }
    }
    return 0
}

# The text of WHAT: a literal, the last definition of this name before the call, or a constant of
# another file; "..." where the caller passes it.
function what_of(argument, before,    text) {
    if (argument ~ /^"/)
        return text_of(argument)
    gsub(/[^a-zA-Z0-9_]/, "", argument)
    while (match(before, "[ *]" argument "(\\[\\])? = \"[^\"]*\"")) {
        text = substr(before, RSTART, RLENGTH)
        before = substr(before, RSTART + RLENGTH)
    }
    sub(/^[^"]*/, "", text)
    if (text == "")
        text = constant[argument]
    return text == "" ? "..." : text_of(text)
}

# The text of WHY: a literal, or those of a choice.
function why_of(argument, next_argument,    why, text) {
    why = text_of(argument)
    if (why == "" && argument ~ /\?/)
        while (match(argument, /"[^"]*"/)) {
            text = text_of(substr(argument, RSTART, RLENGTH))
            why = why (why == "" ? "" : "; or: ") text
            argument = substr(argument, RSTART + RLENGTH)
        }
    if (why == "...")
        return next_argument ~ /strerror/ ? "the system's reason" : "its cause"
    return why
}

function list_errors(source,    at, rest, offset, list, count, why) {
    rest = source
    while (match(rest, /gb_fail\(|gb_no_memory\(/)) {
        at = offset + RSTART + RLENGTH - 1
        count = split_arguments(source, at, list)
        if (substr(rest, RSTART, 5) == "gb_no") {
            if (count == 2 && list[1] !~ /^const char/)
                print what_of(list[1], substr(source, 1, at)) "\tout of memory\t2"
        } else if (count >= 4) {
            why = why_of(list[4], count > 4 ? list[5] : "")
            if (why != "")
                print what_of(list[2], substr(source, 1, at)) "\t" why "\t" code_of(list[1])
        }
        offset = at
        rest = substr(source, at + 1)
    }
}

# With constants=1, NAME[] = "TEXT" for each constant that other files use.
constants {
    name = $0
    sub(/\[.*/, "", name)
    sub(/^[^"]*/, "")
    constant[name] = $0
    next
}
FNR == 1 {
    list_errors(source)
    source = ""
}
{ source = source $0 "\n" }
END { list_errors(source) }
