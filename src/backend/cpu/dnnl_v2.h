/* dnnl_v2.h - the names of dnnl_compat.h over oneDNN 2 */
#ifndef THIMBLE_BACKEND_CPU_DNNL_V2_H
#define THIMBLE_BACKEND_CPU_DNNL_V2_H

static inline dnnl_status_t dn_md_strided(
        dn_md *md, int rank, const int64_t *dims, const int64_t *strides)
{
    return dnnl_memory_desc_init_by_strides(&md->md, rank, dims, dnnl_f32, strides);
}

static inline dnnl_status_t dn_md_any(dn_md *md, int rank, const int64_t *dims)
{
    return dnnl_memory_desc_init_by_tag(&md->md, rank, dims, dnnl_f32, dnnl_format_tag_any);
}

static inline dnnl_status_t dn_md_of(
        dn_md *md, const_dnnl_primitive_desc_t pd, dnnl_query_t what, int index)
{
    const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(pd, what, index);

    if (!found) return dnnl_invalid_arguments;
    md->md = *found;
    return dnnl_success;
}

static inline size_t dn_md_bytes(const dn_md *md)
{
    return dnnl_memory_desc_get_size(&md->md);
}

static inline void dn_md_free(dn_md *md)
{
    (void)md;
}

static inline dnnl_status_t dn_conv_desc(
        dnnl_convolution_desc_t *desc, dn_direction direction, const dn_conv *c)
{
    const dnnl_memory_desc_t *bias = c->has_bias ? &c->bias.md : NULL;

    if (direction == DN_FORWARD)
        return dnnl_dilated_convolution_forward_desc_init(desc, dnnl_forward_training,
                dnnl_convolution_direct, &c->src.md, &c->weights.md, bias, &c->dst.md, c->strides,
                c->dilates, c->pad_before, c->pad_after);
    if (direction == DN_BACKWARD_DATA)
        return dnnl_dilated_convolution_backward_data_desc_init(desc, dnnl_convolution_direct,
                &c->src.md, &c->weights.md, &c->dst.md, c->strides, c->dilates, c->pad_before,
                c->pad_after);
    return dnnl_dilated_convolution_backward_weights_desc_init(desc, dnnl_convolution_direct,
            &c->src.md, &c->weights.md, bias, &c->dst.md, c->strides, c->dilates, c->pad_before,
            c->pad_after);
}

/* `hint`: the forward descriptor, for the two backward directions. */
static inline dnnl_status_t dn_conv_pd(dnnl_primitive_desc_t *out, dn_direction direction,
        const dn_conv *c, dnnl_engine_t engine, dnnl_primitive_attr_t attr,
        const_dnnl_primitive_desc_t hint)
{
    dnnl_convolution_desc_t desc;
    const dnnl_status_t status = dn_conv_desc(&desc, direction, c);

    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attr, engine, hint);
}

static inline dnnl_status_t dn_reorder_pd(dnnl_primitive_desc_t *out, const dn_md *src,
        const dn_md *dst, dnnl_engine_t engine, dnnl_primitive_attr_t attr)
{
    return dnnl_reorder_primitive_desc_create(out, &src->md, engine, &dst->md, engine, attr);
}

static inline dnnl_status_t dn_post_eltwise(
        dnnl_post_ops_t ops, dnnl_alg_kind_t algorithm, float alpha, float beta)
{
    return dnnl_post_ops_append_eltwise(ops, 1, algorithm, alpha, beta);
}

static inline dnnl_status_t dn_memory(
        dnnl_memory_t *out, const dn_md *md, dnnl_engine_t engine, void *data)
{
    return dnnl_memory_create(out, &md->md, engine, data);
}

#endif
