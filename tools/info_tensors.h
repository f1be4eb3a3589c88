/* info_tensors.h - what thimble info says of a file that holds tensors and no net */
#ifndef THIMBLE_TOOLS_INFO_TENSORS_H
#define THIMBLE_TOOLS_INFO_TENSORS_H

#include "ui.h"

/* The ending is that of a weights file; slashes behind it do not count. */
bool info_tensors_takes(const char *path);
/* Print them all to stdout, as a table or as JSON. */
int info_tensors(const char *path, bool json);

#endif
