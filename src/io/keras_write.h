/* keras_write.h - a net as Keras will see it, between the parts that write Keras' files */
#ifndef THIMBLE_IO_KERAS_WRITE_H
#define THIMBLE_IO_KERAS_WRITE_H

#include "io/json_get.h"
#include "io/keras_h5.h"

/* The net with a layer of its own for every activation that Keras' layers lack, a Rescaling if asked
 * for, and all in the order of Keras' model.layers. */
typedef struct tmb__keras_net {
    tmb_model view;        /* its layers are owned; all else is the model's */
    bool sequential;       /* each layer reads the one before */
    const char *rescaling; /* name of the layer that was put in; NULL: none */
    float scale[3], offset[3];
    bool compiled; /* the config says so */
} tmb__keras_net;
int tmb__keras_net_new(tmb__keras_net *out, const tmb_model *model, bool rescaling);
void tmb__keras_net_free(tmb__keras_net *net);

/* Keras' class for a layer of the view, "LeakyReLU". */
const char *tmb__keras_class(const tmb__layer *layer);
/* config.json; and the object "thimble" of metadata.json. */
int tmb__keras_config_text(tmb__strbuf *sb, const tmb__keras_net *net);
int tmb__keras_meta_text(tmb__strbuf *sb, const tmb__keras_net *net);

/* ---- how it was compiled (keras_optimizer.c) ---- */

/* Members of compile_config, or of the older training_config (`legacy`). */
void tmb__keras_compile_text(tmb__strbuf *sb, const tmb__optimizer *o, bool legacy);
/* The optimizer's variables, in Keras' order, and their names; arrays borrow the model's. */
typedef struct tmb__keras_vars {
    tmb__array *arrays;
    char (*texts)[192];
    const char **names;
    int n;
    int64_t steps;
    float lr, product;
} tmb__keras_vars;
int tmb__keras_vars_new(tmb__keras_vars *out, const tmb_model *view);
void tmb__keras_vars_free(tmb__keras_vars *vars);
int tmb__keras_vars_list(
        tmb__h5_list *list, const tmb__keras_vars *vars, const tmb__optimizer *o, bool legacy);
/* The model's optimizer as `config`, one of those two, says; none if it is one that Thimble has not. */
int tmb__keras_compiled(tmb_model *model, const json_t *config, const char *what);

#endif
