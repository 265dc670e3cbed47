/*
 * share — whose blobs and layers a namespace may use without bringing their bytes.
 *
 * By default everybody's: what one namespace has brought costs the next one a row.  Where the
 * configuration says content.sharing = "isolated", only those of namespaces with the label
 * containerd.io/namespace.shareable = true: a digest or a chain id proves nothing, and whoever names
 * one must not learn from the answer that another has it.
 */
#ifndef ACTORS_BASE_SHARE_H
#define ACTORS_BASE_SHARE_H

/* SQL: a condition on the column that names whose it is; `isolated` is 0 or 1. */
#define IS_LENT(column, isolated)                                                            \
    "(" isolated " = 0 OR EXISTS (SELECT 1 FROM namespaces_namespace n WHERE n.name = " column \
    " AND n.shareable = 1))"

#endif
