# The library (src without src/cli) never ends the process, prints, or reads the environment, and
# allocates through core/alloc.h only.
#   awk -f check_calls.awk FILE.c FILE.h ...

BEGIN {
    # name -> files that may call it
    n = split("exit _exit _Exit quick_exit abort printf vprintf puts putchar perror getenv " \
              "secure_getenv setenv putenv system popen", never, " ")
    for (i = 1; i <= n; i++)
        except[never[i]] = "^$"
    n = split("malloc calloc realloc free strdup strndup aligned_alloc posix_memalign asprintf " \
              "mmap munmap", memory, " ")
    for (i = 1; i <= n; i++)
        except[memory[i]] = "core/(alloc|safetensors|fileio)[a-z_]*[.]c$"
    except["mmap"] = except["munmap"] = "(core/(alloc|safetensors)|data/store)[.]c$"
    except["getenv"] = "model/extractor[.]c$" # where weights are looked for, as its header says
}

function complain(what)
{
    printf "%s:%d: the library may not %s\n", FILENAME, FNR, what
    failures++
}

FNR == 1 { files++; in_comment = 0 }

{
    # Out go character and string constants, then comments.
    line = $0
    gsub(/\\./, "", line)
    gsub(/"[^"]*"/, "\"\"", line)
    gsub(/\/\*[^*]*\*+([^\/*][^*]*\*+)*\//, " ", line)
    if (in_comment) {
        if (!match(line, /\*\//))
            next
        line = substr(line, RSTART + 2)
        in_comment = 0
    }
    if (match(line, /\/\*/)) {
        line = substr(line, 1, RSTART - 1)
        in_comment = 1
    }
    sub(/\/\/.*/, "", line)

    if (line ~ /(^|[^A-Za-z_0-9])std(in|out|err)([^A-Za-z_0-9]|$)/ && line !~ /#/)
        complain("use the standard streams")
    while (match(line, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
        before = RSTART > 1 ? substr(line, RSTART - 1, 1) : ""
        before2 = RSTART > 2 ? substr(line, RSTART - 2, 2) : ""
        name = substr(line, RSTART, RLENGTH - 1)
        sub(/[ \t]*$/, "", name)
        line = substr(line, RSTART + RLENGTH)
        if (before == "." || before2 == "->" || !(name in except) || name == "__attribute__")
            continue
        if (FILENAME !~ except[name])
            complain("call " name)
    }
}

END {
    printf "%d files, %d forbidden calls\n", files, failures
    exit failures || files < 2
}
