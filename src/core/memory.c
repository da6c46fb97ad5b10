#include <mcvd/memory.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The line "VmHWM:   12345 kB" of the system's report on this process; 0 without one. */
static double peak_from_proc(void)
{
    static const char name[] = "VmHWM:";
    char text[4096];
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return 0.0;
    const ssize_t bytes = read(file, text, sizeof text - 1);
    close(file);
    text[bytes > 0 ? bytes : 0] = '\0';
    const char *line = strstr(text, name);
    return line ? strtod(line + sizeof name - 1, NULL) : 0.0;
}

double mcvd_peak_rss_mb(void)
{
    struct rusage usage;
    double peak_kb = peak_from_proc();

    /* The second best: it also counts what this process was before it became this program. */
    if (!(peak_kb > 0.0) && getrusage(RUSAGE_SELF, &usage) == 0)
        peak_kb = (double)usage.ru_maxrss;
    return peak_kb * 1024e-6;
}
