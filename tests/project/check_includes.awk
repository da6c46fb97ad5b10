# Include directions of src/ and include/mcvd (CONTRIBUTING.md has the table).
#   awk -f check_includes.awk src/*/*.c src/*/*.h include/mcvd/*.h

BEGIN {
    allowed["core"] = ""
    allowed["graph"] = "core"
    allowed["ops"] = "graph core"
    allowed["diffusion"] = "core"
    allowed["video"] = "core"
    allowed["model"] = "ops graph core"
    allowed["data"] = "video core"
    allowed["train"] = "model diffusion data core"
    allowed["rollout"] = "model diffusion data video core"
    allowed["eval"] = "model data video core"
    allowed["cli"] = "" # and every public header

    # Which folder implements a public header.
    own("core", "export status log tensor rng config safetensors threads memory digest")
    own("core", "version") # its macros; what it declares is in ops
    own("ops", "bench")
    own("diffusion", "schedule sampler likelihood loss")
    own("video", "video")
    own("data", "data mask prepare")
    own("model", "model network import footprint torch_export features")
    own("train", "trainer checkpoint distill")
    own("rollout", "rollout model_likelihood")
    own("eval", "metrics")
    own("all", "mcvd")
}

function own(area, names, n, i, list)
{
    n = split(names, list, " ")
    for (i = 1; i <= n; i++)
        owner[list[i]] = area
}

function complain(text)
{
    printf "%s:%d: %s\n", FILENAME, FNR, text
    failures++
}

# May `from` use what `to` implements?
function may(from, to)
{
    return from == to || from == "cli" || from == "all" || to == "core" ||
           index(" " allowed[from] " ", " " to " ")
}

FNR == 1 {
    files++
    n = split(FILENAME, part, "/")
    base = part[n]
    public = part[n - 1] == "mcvd" && part[n - 2] == "include"
    area = part[n - 1]
    if (public) {
        name = base
        sub(/\.h$/, "", name)
        if (name in owner)
            area = owner[name]
        else
            complain("tests/project/check_includes.awk does not know which folder implements it")
    } else if (!(area in allowed)) {
        complain("folder src/" area " is not in the table of include directions")
    }
}

!/^[ \t]*#[ \t]*include[ \t]/ { next }

/\.c[">]/ { complain("includes a .c file") }

/"/ {
    if (split($0, quoted, "\"") >= 2) {
        target = quoted[2]
        if (public)
            complain("a public header includes the private " target)
        else if (target !~ /\//)
            complain("\"" target "\": private headers are named from src/, as in \"core/alloc.h\"")
        else {
            sub(/\/.*/, "", target)
            if (target != area && (area == "cli" || !may(area, target)))
                complain("src/" area " may not include " quoted[2])
        }
    }
    next
}

/<mcvd\// {
    target = $0
    sub(/.*<mcvd\//, "", target)
    sub(/\.h>.*/, "", target)
    if (!(target in owner))
        complain("<mcvd/" target ".h>: tests/project/check_includes.awk does not know it")
    else if (!may(area, owner[target]))
        complain("src/" area " may not include <mcvd/" target ".h>, which is src/" owner[target])
    next
}

/<lib(av|sw)[a-z]*\// && area != "video" { complain("only src/video includes FFmpeg") }
/<(oneapi\/)?dnnl/ && FILENAME !~ /src\/ops\/[a-z_0-9]*onednn[a-z_0-9]*\.[ch]$/ {
    complain("only src/ops/*onednn* includes oneDNN")
}
/<(cblas|lapacke?|openblas_config)\.h>/ && FILENAME !~ /src\/ops\/gemm[a-z_0-9]*\.c$/ {
    complain("only src/ops/gemm*.c includes CBLAS")
}
/<zip\.h>/ && FILENAME !~ /src\/model\/torch_zip[a-z_]*\.c$/ {
    complain("only src/model/torch_zip*.c includes libzip")
}
/<nettle\// && FILENAME !~ /src\/core\/sha256\.c$/ { complain("only src/core/sha256.c includes nettle") }
/<(hdf5|lzf)\.h>/ && FILENAME !~ /src\/data\/hdf5\.c$/ {
    complain("only src/data/hdf5.c includes libhdf5 and liblzf")
}
/<Random123\// && area != "core" { complain("only src/core includes Random123") }
/<(dnnl|cblas|lib(av|sw)|cjson|omp|zip|nettle|hdf5|lzf|Random123)/ && public { complain("a public header includes a dependency") }

END {
    printf "%d files, %d wrong includes\n", files, failures
    exit failures || files < 2
}
