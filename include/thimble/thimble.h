/* thimble.h - train image classifiers from little data
 *
 * - A call that can fail returns 0 or a negative tmb_status; tmb_errmsg() then says why.
 * - *_new and *_open fill *out; the caller owns it and hands it to *_free (NULL is fine).
 * - In *_opts a field left at 0 means what Keras does when you leave it out.
 * - One object, one thread at a time; different objects may run in parallel. */
#ifndef THIMBLE_H
#define THIMBLE_H

#include <thimble/data.h>
#include <thimble/device.h>
#include <thimble/features.h>
#include <thimble/generator.h>
#include <thimble/head.h>
#include <thimble/image.h>
#include <thimble/model.h>
#include <thimble/recipe.h>
#include <thimble/status.h>
#include <thimble/train.h>
#include <thimble/transfer.h>
#include <thimble/types.h>
#include <thimble/weights.h>
#include <thimble/zoo.h>

#endif
