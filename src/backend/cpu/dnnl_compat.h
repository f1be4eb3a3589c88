/* dnnl_compat.h - oneDNN's v2 and v3 C API under one set of names
 *
 * The code is written in v3 words: memory descriptors are released after use, a primitive
 * descriptor is made in one call. What differs stands in dnnl_v2.h and dnnl_v3.h:
 *
 *   dn_md_strided, dn_md_any   an f32 descriptor by strides, or in the order the library likes
 *   dn_md_of                   what a primitive descriptor wants of an argument
 *   dn_md_bytes, dn_md_free
 *   dn_conv_pd, dn_reorder_pd  primitive descriptors
 *   dn_memory                  a memory object; `data` may be DNNL_MEMORY_NONE */
#ifndef THIMBLE_BACKEND_CPU_DNNL_COMPAT_H
#define THIMBLE_BACKEND_CPU_DNNL_COMPAT_H

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In v2 the descriptor itself, in v3 a pointer to one. */
typedef struct dn_md {
    dnnl_memory_desc_t md;
} dn_md;

typedef enum dn_direction { DN_FORWARD, DN_BACKWARD_DATA, DN_BACKWARD_WEIGHTS } dn_direction;

/* One convolution; dilations count from 0, as the library counts them. */
typedef struct dn_conv {
    dn_md src, weights, bias, dst;
    bool has_bias;
    dnnl_dims_t strides, dilates, pad_before, pad_after;
} dn_conv;

#if DNNL_VERSION_MAJOR >= 3
#include "dnnl_v3.h"
#else
#include "dnnl_v2.h"
#endif

#endif
