/* h5.h - the stream between the library and thimble-h5, the program that reads HDF5 files for it
 *
 * thimble-h5 reads the file on descriptor 0 and writes to descriptor 1, all numbers little-endian:
 *     8 bytes    TMB_H5_MAGIC, the last of them the version
 *     records    u32 kind, u64 bytes of the body, body
 * Bodies; a text is u32 bytes and the bytes, without NUL:
 *     TENSOR     text path, u32 element type, u32 rank, u64 dimensions, u64 bytes of data, data
 *     STRINGS    text path of the object, text attribute, u32 count, count texts
 *     NUMBER     text path of the object, text attribute, i64
 *     REFUSED    text: one sentence; nothing follows
 *     END        u64 records before this one; nothing follows
 * A stream without REFUSED or END was cut off: the program crashed or ran into a limit. */
#ifndef THIMBLE_H5_H5_H
#define THIMBLE_H5_H5_H

#define TMB_H5_MAGIC "TMBH5\r\n\1"

enum { TMB_H5_TENSOR = 1, TMB_H5_STRINGS, TMB_H5_NUMBER, TMB_H5_REFUSED, TMB_H5_END };

/* Element types on the stream; integers of any size come as I64. */
enum { TMB_H5_F32, TMB_H5_F64, TMB_H5_F16, TMB_H5_BF16, TMB_H5_I64 };

/* Both sides hold to these. */
enum {
    TMB_H5_PATH_LIMIT = 1024, /* bytes of a path, and of an attribute's name */
    TMB_H5_RANK_LIMIT = 8,
    TMB_H5_TENSOR_LIMIT = 65536, /* in one file */
    TMB_H5_DEPTH_LIMIT = 32,     /* of groups in groups */
    TMB_H5_LINK_LIMIT = 100000,
    TMB_H5_STRING_LIMIT = 65536,   /* strings in a list */
    TMB_H5_TEXT_LIMIT = 16 << 20,  /* bytes of one attribute's strings */
    TMB_H5_TEXTS_LIMIT = 64 << 20, /* bytes of all of them */
    TMB_H5_SENTENCE_LIMIT = 512,
    TMB_H5_RATIO = 64 /* bytes of tensors for each byte of the file, beside TMB_H5_FREE */
};
enum { TMB_H5_FREE = 1 << 20 };

#define TMB_H5_BYTES_LIMIT ((uint64_t)8 << 30)

#endif
