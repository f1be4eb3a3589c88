/* transfer.h - door of transfer: classifiers from pre-trained networks */
#ifndef THIMBLE_TRANSFER_TRANSFER_H
#define THIMBLE_TRANSFER_TRANSFER_H

#include "head/head.h"
#include "zoo/zoo.h"
#include <thimble/transfer.h>

#endif
