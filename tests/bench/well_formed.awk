# SPDX-License-Identifier: MIT
# Fails, and says where, unless every element of an XML or HTML page is closed where it must be, no
# name (id) is given twice, and every local reference leads to one.
BEGIN { RS = "<"; depth = 0; bad = 0 }

function complain(what) {
    print FILENAME ": tag " NR ": " what
    bad = 1
}

NR == 1 || /^[!?]/ { next }

{
    end = index($0, ">")
    if (end == 0) {
        complain("a tag is not closed: " $0)
        next
    }
    tag = substr($0, 1, end - 1)
    name = tag
    sub(/^\//, "", name)
    sub(/[ \t\r\n\/].*/, "", name)
    if (tag ~ /^\//) {
        if (depth == 0 || open[depth] != name)
            complain("</" name "> closes " (depth ? open[depth] : "nothing"))
        else
            depth--
        next
    }
    if (match(tag, /[ \t\n]id=["'][^"']*/)) {
        id = substr(tag, RSTART + 5, RLENGTH - 5)
        if (id in ids)
            complain("the name " id " is given twice")
        ids[id] = 1
    }
    if (match(tag, /href=["']#[^"']*/))
        references[substr(tag, RSTART + 7, RLENGTH - 7)] = 1
    if (tag !~ /\/$/)
        open[++depth] = name
}

END {
    if (depth)
        complain(open[depth] " is not closed")
    for (reference in references)
        if (!(reference in ids))
            complain("nothing is called " reference)
    exit bad
}
