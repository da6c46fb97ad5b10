# Lengths: functions of 80 lines (kernels of CPU levels: 150), files of 800; outside of tests also
# 6 parameters.
#   awk -f check_lengths.awk FILE.c FILE.h ...
# A function body is what stands between "{" and "}" in column 0, as clang-format leaves it.

function complain(line, text)
{
    printf "%s:%d: %s\n", FILENAME, line, text
    failures++
}

# Parameters of the text "type name(a, b, c)": commas at the first level of the first parentheses.
function count_parameters(text, i, c, depth, count)
{
    count = 1
    for (i = index(text, "("); i && i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "(")
            depth++
        else if (c == ")" && --depth == 0)
            return count
        else if (c == "," && depth == 1)
            count++
    }
    return 0
}

FNR == 1 {
    files++
    head = ""
    start = 0
    limit = FILENAME ~ /kernels_[a-z0-9]*\.[ch]$/ ? 150 : 80
}

FNR == 801 { complain(FNR, "the file is longer than 800 lines") }

length($0) > 100 && !/[^\001-\177]/ { complain(FNR, "longer than 100 columns") }

/^\{/ && !start {
    start = FNR
    functions++
    parameters = count_parameters(head)
    if (parameters > 6 && FILENAME !~ /tests\//)
        complain(FNR, parameters " parameters, at most 6: " substr(head, 1, 60))
    head = ""
    next
}

/^\}/ {
    if (start && FNR - start + 1 > limit)
        complain(start, "function of " FNR - start + 1 " lines, at most " limit)
    start = 0
    head = ""
    next
}

/^[ \t]*$/ || /^#/ || /;[ \t]*$/ || /^[ \t]*[\/ ]\*/ { head = ""; next }

!start { head = head $0 }

END {
    printf "%d files, %d functions, %d too long\n", files, functions, failures
    exit failures || functions < 2
}
