/* The version, from the public header: the build file's number is checked against it here. */
#include "nce/version.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define VERSION TEXT(NCE_VERSION_MAJOR) "." TEXT(NCE_VERSION_MINOR) "." TEXT(NCE_VERSION_PATCH)

_Static_assert(sizeof(NCE_VERSION) == sizeof(VERSION), "meson.build and version.h disagree");

uint32_t nce_version(void)
{
    return NCE_VERSION_MAJOR << 16 | NCE_VERSION_MINOR << 8 | NCE_VERSION_PATCH;
}

const char *nce_version_string(void)
{
    return VERSION;
}
