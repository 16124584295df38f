/* The walk over statements.  A for loop gives each round a fresh scope, as in Jinja: what a round sets is gone in the next,
 * which is why templates carry state in a namespace. */
#include "src/core/text/jinja/jinja.h"
#include <string.h>

typedef enum flow { NEXT, BREAK, CONTINUE } flow;

static flow run(nce_jinja *j, const jnode *n);

/* ---- scopes ---- */
jscope *nce_jinja_push_scope(nce_jinja *j, jscope *parent)
{
    jscope *s = nce_jinja_alloc(j, sizeof *s);
    s->parent = parent;
    j->scope = s;
    return s;
}

void nce_jinja_set(nce_jinja *j, jstring name, jvalue v)
{
    nce_jinja_map_set(j, &j->scope->names, jtext(name.s, name.n), v);
}

jvalue nce_jinja_lookup(nce_jinja *j, jstring name)
{
    for (const jscope *s = j->scope; s != NULL; s = s->parent) {
        const jvalue *v = nce_jinja_map_find_text(j, &s->names, name.s, name.n);
        if (v != NULL) return *v;
    }
    const jbuiltin *b = nce_jinja_find_global(name);
    if (b != NULL && (j->now != 0 || strcmp(b->name, "strftime_now") != 0))
        return (jvalue){.kind = J_BUILTIN, .u.builtin = b};
    return jundefined(name.s, name.n);
}

static void mark_captured(jscope *s)
{
    for (; s != NULL && !s->captured; s = s->parent)
        s->captured = true;
}

/* ---- set ---- */
static void assign(nce_jinja *j, const jnode *target, jvalue v)
{
    if (target->type == N_NAME) {
        nce_jinja_set(j, target->name, v);
        return;
    }
    if (target->type == N_ATTRIBUTE) {
        const jvalue of = nce_jinja_lookup(j, target->a->name);
        if (of.kind != J_NAMESPACE)
            nce_jinja_fail(j, NCE_ERR_FORMAT, "only a namespace has attributes to set, '%.*s' is %s",
                           (int)target->a->name.n, target->a->name.s, nce_jinja_kind_name(of));
        nce_jinja_map_set(j, of.u.map, jtext(target->name.s, target->name.n), v);
        return;
    }
    const jlist *items = nce_jinja_iterate(j, v);
    size_t i = 0, n = 0;
    for (const jnode *t = target->list; t != NULL; t = t->next)
        n++;
    if (n != items->n) nce_jinja_fail(j, NCE_ERR_FORMAT, "%zu values for %zu names", items->n, n);
    for (const jnode *t = target->list; t != NULL; t = t->next)
        assign(j, t, items->items[i++]);
}

/* The text that a body writes. */
static jvalue captured(nce_jinja *j, const jnode *body)
{
    const size_t start = j->n_out;
    jscope *outer = j->scope;
    nce_jinja_push_scope(j, outer);
    run(j, body);
    j->scope = outer;
    return nce_jinja_capture(j, start);
}

/* The filters of a block are a chain over one N_CONST: evaluate it with that leaf's value.  The tree is shared between
 * renderings, so the leaf is not written; the chain is applied by hand. */
static jvalue apply_filters(nce_jinja *j, const jnode *chain, const jnode *leaf, jvalue v)
{
    if (chain == leaf) return v;
    nce_jinja_enter(j);
    if (chain->type != N_FILTER) nce_jinja_fail(j, NCE_ERR_FORMAT, "only filters may stand here");
    const jvalue subject = apply_filters(j, chain->a, leaf, v);
    jargs a;
    nce_jinja_eval_arguments(j, chain->list, &subject, &a);
    j->depth--;
    return nce_jinja_call_builtin(j, chain->builtin, &a);
}

/* ---- macros ---- */
static void bind_parameters(nce_jinja *j, const jmacro *m, const jargs *a)
{
    size_t i = 0, used = 0;
    for (const jnode *p = m->node->list; p != NULL; p = p->next, i++) {
        jvalue v = {.kind = J_MISSING};
        if (i < a->n) v = a->v[i];
        for (size_t k = 0; k < a->n_named; k++) {
            if (a->names[k].n != p->name.n || memcmp(a->names[k].u.s, p->name.s, p->name.n) != 0) continue;
            v = a->named[k];
            used++;
        }
        if (!jgiven(v)) v = p->a != NULL ? nce_jinja_eval(j, p->a) : jundefined(p->name.s, p->name.n);
        nce_jinja_set(j, p->name, v);
    }
    for (size_t k = 0; k < a->n_named; k++) {
        if (!nce_jinja_is(a->names[k], "caller")) continue;
        nce_jinja_set(j, (jstring){"caller", 6}, a->named[k]);
        used++;
    }
    if (a->n > i || used < a->n_named)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "the macro '%.*s' has no such argument", (int)m->node->name.n,
                       m->node->name.s);
}

jvalue nce_jinja_call_macro(nce_jinja *j, const jmacro *m, const jargs *a)
{
    jscope *outer = j->scope;
    const size_t start = j->n_out;
    nce_jinja_enter(j);
    nce_jinja_push_scope(j, m->scope);
    bind_parameters(j, m, a);
    run(j, m->node->body);
    j->scope = outer;
    j->depth--;
    return nce_jinja_capture(j, start);
}

static jvalue make_macro(nce_jinja *j, const jnode *node)
{
    jmacro *m = nce_jinja_alloc(j, sizeof *m);
    *m = (jmacro){node, j->scope};
    mark_captured(j->scope);
    return (jvalue){.kind = J_MACRO, .u.macro = m};
}

static void run_call_block(nce_jinja *j, const jnode *n)
{
    jargs a;
    const jvalue callee = nce_jinja_eval(j, n->a->a);
    nce_jinja_eval_arguments(j, n->a->list, NULL, &a);
    jvalue *names = nce_jinja_alloc(j, 2 * (a.n_named + 1) * sizeof *names), *named = names + a.n_named + 1;
    for (size_t i = 0; i < a.n_named; i++)
        names[i] = a.names[i], named[i] = a.named[i];
    names[a.n_named] = jtext("caller", 6);
    named[a.n_named++] = make_macro(j, n->c);
    a.names = names, a.named = named;
    nce_jinja_print(j, nce_jinja_call(j, callee, &a));
}

/* ---- for ---- */
static const jlist *loop_items(nce_jinja *j, const jnode *n)
{
    const jlist *all = nce_jinja_iterate(j, nce_jinja_eval(j, n->b));
    if (n->c == NULL) return all;
    jscope *outer = j->scope, *s = nce_jinja_push_scope(j, outer);
    jvalue kept = nce_jinja_list(j, 0);
    for (size_t i = 0; i < all->n; i++) {
        nce_jinja_burn(j, 1);
        s->names.n = 0;
        assign(j, n->a, all->items[i]);
        if (nce_jinja_truth(nce_jinja_eval(j, n->c))) nce_jinja_list_add(j, kept.u.list, all->items[i]);
    }
    j->scope = outer;
    return kept.u.list;
}

static flow run_for(nce_jinja *j, const jnode *n)
{
    const jlist *items = loop_items(j, n);
    jscope *outer = j->scope, *s = NULL;
    if (items->n == 0) return run(j, n->otherwise);
    jloop *loop = nce_jinja_alloc(j, sizeof *loop);
    loop->items = items;
    for (size_t i = 0; i < items->n; i++) {
        nce_jinja_burn(j, 1);
        loop->at = i;
        if (s == NULL || s->captured) s = nce_jinja_push_scope(j, outer);
        j->scope = s;
        s->names.n = 0;
        nce_jinja_set(j, (jstring){"loop", 4}, (jvalue){.kind = J_LOOP, .u.loop = loop});
        assign(j, n->a, items->items[i]);
        if (run(j, n->body) == BREAK) break;
    }
    j->scope = outer;
    return NEXT;
}

/* ---- the rest ---- */
static flow run_if(nce_jinja *j, const jnode *n)
{
    for (const jnode *b = n->list; b != NULL; b = b->next) {
        j->line = b->line;
        if (nce_jinja_truth(nce_jinja_eval(j, b->a))) return run(j, b->body);
    }
    return run(j, n->otherwise);
}

static flow run_with(nce_jinja *j, const jnode *n)
{
    jscope *outer = j->scope;
    jscope *inner = nce_jinja_push_scope(j, outer);
    for (const jnode *v = n->list; v != NULL; v = v->next) {
        j->scope = outer; /* the values see nothing of each other */
        const jvalue value = nce_jinja_eval(j, v->a);
        j->scope = inner;
        nce_jinja_set(j, v->name, value);
    }
    j->scope = inner;
    const flow f = run(j, n->body);
    j->scope = outer;
    return f;
}

static flow run_one(nce_jinja *j, const jnode *n)
{
    switch (n->type) {
    case N_DATA:
        nce_jinja_write(j, n->name.s, n->name.n);
        return NEXT;
    case N_PRINT:
        nce_jinja_print(j, nce_jinja_eval(j, n->a));
        return NEXT;
    case N_IF:
        return run_if(j, n);
    case N_FOR:
        return run_for(j, n);
    case N_SET:
        assign(j, n->a, nce_jinja_eval(j, n->b));
        return NEXT;
    case N_SET_BLOCK:
        assign(j, n->a, apply_filters(j, n->c, n->b, captured(j, n->body)));
        return NEXT;
    case N_MACRO:
        nce_jinja_set(j, n->name, make_macro(j, n));
        return NEXT;
    case N_CALL_BLOCK:
        run_call_block(j, n);
        return NEXT;
    case N_FILTER_BLOCK:
        nce_jinja_print(j, apply_filters(j, n->c, n->b, captured(j, n->body)));
        return NEXT;
    case N_WITH:
        return run_with(j, n);
    case N_BLOCK:
        return run(j, n->body);
    case N_BREAK:
        return BREAK;
    case N_CONTINUE:
        return CONTINUE;
    default:
        nce_jinja_fail(j, NCE_ERR_INTERNAL, "an expression where a statement belongs");
    }
}

static flow run(nce_jinja *j, const jnode *n)
{
    flow f = NEXT;
    nce_jinja_enter(j);
    for (; n != NULL && f == NEXT; n = n->next) {
        nce_jinja_burn(j, 1);
        j->line = n->line;
        f = run_one(j, n);
    }
    j->depth--;
    return f;
}

void nce_jinja_run(nce_jinja *j, const jnode *tree)
{
    run(j, tree);
}
