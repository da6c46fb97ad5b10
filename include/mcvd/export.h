/* Visibility of the public symbols; everything else in the library is hidden. */
#ifndef MCVD_EXPORT_H
#define MCVD_EXPORT_H

#if defined(__GNUC__)
#define MCVD_API __attribute__((visibility("default")))
#else
#define MCVD_API
#endif

#endif
