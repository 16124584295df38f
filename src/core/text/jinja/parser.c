/* Statements: tags and what stands between them. */
#include "src/core/text/jinja/jinja.h"
#include <string.h>

static jnode *parse_body(jparser *p, const char *const *ends);
static jnode *parse_statement(jparser *p);

static const char *const no_ends[] = {NULL};

static void end_block(jparser *p)
{
    if (p->at->type != T_BLOCK_END) nce_jinja_unexpected(p, "%}");
    p->at++;
}

/* Takes "{% name %}", the parser standing at the block's name. */
static void end_with(jparser *p, const char *name)
{
    if (!nce_jinja_take_name(p, name)) nce_jinja_unexpected(p, name);
    end_block(p);
}

static jnode *parse_if(jparser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    jnode *n = nce_jinja_node(p, N_IF), **last = &n->list;
    *last = nce_jinja_node(p, N_ARGUMENT);
    (*last)->a = nce_jinja_parse_tuple(p, true);
    for (;; last = &(*last)->next) {
        end_block(p);
        (*last)->body = parse_body(p, ends);
        if (!nce_jinja_take_name(p, "elif")) break;
        (*last)->next = nce_jinja_node(p, N_ARGUMENT);
        (*last)->next->a = nce_jinja_parse_tuple(p, true);
    }
    if (nce_jinja_take_name(p, "else")) {
        end_block(p);
        n->otherwise = parse_body(p, &ends[2]);
    }
    end_with(p, "endif");
    return n;
}

static jnode *parse_target(jparser *p, bool with_attribute);

/* A name, for set also namespace.name, or more names in brackets. */
static jnode *parse_one_target(jparser *p, bool with_attribute)
{
    if (nce_jinja_take(p, "(")) {
        nce_jinja_enter(p->j);
        jnode *inner = parse_target(p, false);
        p->j->depth--;
        nce_jinja_expect(p, ")");
        return inner;
    }
    jnode *n = nce_jinja_node(p, N_NAME);
    n->name = nce_jinja_expect_name(p);
    if (with_attribute && nce_jinja_take(p, ".")) {
        n->type = N_ATTRIBUTE;
        n->a = nce_jinja_node(p, N_NAME);
        n->a->name = n->name;
        n->name = nce_jinja_expect_name(p);
    }
    return n;
}

/* One target, or several with commas, which take a value apart. */
static jnode *parse_target(jparser *p, bool with_attribute)
{
    jnode *first = parse_one_target(p, with_attribute), **last = &first->next;
    if (!nce_jinja_see(p, ",")) return first;
    for (; nce_jinja_take(p, ","); last = &(*last)->next) {
        if (nce_jinja_see(p, "=") || nce_jinja_see_name(p, "in")) break;
        *last = parse_one_target(p, with_attribute);
    }
    jnode *all = nce_jinja_node(p, N_TUPLE);
    all->list = first;
    return all;
}

static jnode *parse_for(jparser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    jnode *n = nce_jinja_node(p, N_FOR);
    n->a = parse_target(p, false);
    if (!nce_jinja_take_name(p, "in")) nce_jinja_unexpected(p, "in");
    n->b = nce_jinja_parse_tuple(p, false);
    if (nce_jinja_take_name(p, "if")) n->c = nce_jinja_parse_expression(p, true);
    if (nce_jinja_see_name(p, "recursive"))
        nce_jinja_fail(p->j, NCE_ERR_UNSUPPORTED, "recursive loops are not supported");
    end_block(p);
    p->n_loops++;
    n->body = parse_body(p, ends);
    p->n_loops--;
    if (nce_jinja_take_name(p, "else")) {
        end_block(p);
        n->otherwise = parse_body(p, &ends[1]);
    }
    end_with(p, "endfor");
    return n;
}

static jnode *parse_set(jparser *p)
{
    static const char *const ends[] = {"endset", NULL};
    jnode *n = nce_jinja_node(p, N_SET);
    n->a = parse_target(p, true);
    if (nce_jinja_take(p, "=")) {
        n->b = nce_jinja_parse_tuple(p, true);
        end_block(p);
        return n;
    }
    n->type = N_SET_BLOCK;
    n->b = nce_jinja_node(p, N_CONST); /* the filters' subject: filled in when the block has run */
    n->c = nce_jinja_parse_filters(p, n->b);
    end_block(p);
    n->body = parse_body(p, ends);
    end_with(p, "endset");
    return n;
}

static jnode *parse_parameters(jparser *p)
{
    jnode *first = NULL, **last = &first;
    for (; !nce_jinja_take(p, ")"); last = &(*last)->next) {
        if (first != NULL) nce_jinja_expect(p, ",");
        if (nce_jinja_take(p, ")")) break;
        *last = nce_jinja_node(p, N_ARGUMENT);
        (*last)->name = nce_jinja_expect_name(p);
        if (nce_jinja_take(p, "=")) (*last)->a = nce_jinja_parse_expression(p, true);
    }
    return first;
}

/* The body of a macro is no part of the loop around it. */
static jnode *parse_macro_body(jparser *p, const char *end)
{
    const char *const ends[] = {end, NULL};
    const uint32_t loops = p->n_loops;
    end_block(p);
    p->n_loops = 0;
    jnode *body = parse_body(p, ends);
    p->n_loops = loops;
    end_with(p, end);
    return body;
}

static jnode *parse_macro(jparser *p)
{
    jnode *n = nce_jinja_node(p, N_MACRO);
    n->name = nce_jinja_expect_name(p);
    nce_jinja_expect(p, "(");
    n->list = parse_parameters(p);
    n->body = parse_macro_body(p, "endmacro");
    return n;
}

static jnode *parse_call_block(jparser *p)
{
    jnode *n = nce_jinja_node(p, N_CALL_BLOCK);
    n->c = nce_jinja_node(p, N_MACRO); /* what caller() calls */
    n->c->name = (jstring){"caller", 6};
    if (nce_jinja_take(p, "(")) n->c->list = parse_parameters(p);
    n->a = nce_jinja_parse_expression(p, true);
    if (n->a->type != N_CALL) nce_jinja_unexpected(p, "a call");
    n->c->body = parse_macro_body(p, "endcall");
    return n;
}

static jnode *parse_filter_block(jparser *p)
{
    static const char *const ends[] = {"endfilter", NULL};
    jnode *n = nce_jinja_node(p, N_FILTER_BLOCK);
    n->b = nce_jinja_node(p, N_CONST);
    n->c = nce_jinja_parse_filters(p, nce_jinja_parse_filter(p, n->b)); /* the first comes without its bar */
    end_block(p);
    n->body = parse_body(p, ends);
    end_with(p, "endfilter");
    return n;
}

static jnode *parse_with(jparser *p)
{
    static const char *const ends[] = {"endwith", NULL};
    jnode *n = nce_jinja_node(p, N_WITH), **last = &n->list;
    for (; p->at->type != T_BLOCK_END; last = &(*last)->next) {
        if (n->list != NULL) nce_jinja_expect(p, ",");
        *last = nce_jinja_node(p, N_ARGUMENT);
        (*last)->name = nce_jinja_expect_name(p);
        nce_jinja_expect(p, "=");
        (*last)->a = nce_jinja_parse_expression(p, true);
    }
    end_block(p);
    n->body = parse_body(p, ends);
    end_with(p, "endwith");
    return n;
}

/* Marks what training counts as the reply: nothing to a renderer. */
static jnode *parse_generation(jparser *p)
{
    static const char *const ends[] = {"endgeneration", NULL};
    jnode *n = nce_jinja_node(p, N_BLOCK);
    end_block(p);
    n->body = parse_body(p, ends);
    end_with(p, "endgeneration");
    return n;
}

static jnode *parse_jump(jparser *p, jtype type)
{
    jnode *n = nce_jinja_node(p, type);
    if (p->n_loops == 0) nce_jinja_fail(p->j, NCE_ERR_FORMAT, "break or continue outside of a loop");
    end_block(p);
    return n;
}

static jnode *parse_statement(jparser *p)
{
    p->j->line = p->at->line;
    if (nce_jinja_take_name(p, "if")) return parse_if(p);
    if (nce_jinja_take_name(p, "for")) return parse_for(p);
    if (nce_jinja_take_name(p, "set")) return parse_set(p);
    if (nce_jinja_take_name(p, "macro")) return parse_macro(p);
    if (nce_jinja_take_name(p, "call")) return parse_call_block(p);
    if (nce_jinja_take_name(p, "filter")) return parse_filter_block(p);
    if (nce_jinja_take_name(p, "with")) return parse_with(p);
    if (nce_jinja_take_name(p, "generation")) return parse_generation(p);
    if (nce_jinja_take_name(p, "break")) return parse_jump(p, N_BREAK);
    if (nce_jinja_take_name(p, "continue")) return parse_jump(p, N_CONTINUE);
    if (p->at->type != T_NAME) nce_jinja_unexpected(p, "a statement");
    const int n = p->at->text.n < 40 ? (int)p->at->text.n : 40;
    nce_jinja_fail(p->j, strncmp(p->at->text.s, "e", 1) == 0 ? NCE_ERR_FORMAT : NCE_ERR_UNSUPPORTED,
                   "the statement '%.*s' is not known here", n, p->at->text.s);
}

static bool at_end(const jparser *p, const char *const *ends)
{
    if (p->at->type != T_BLOCK) return false;
    const jparser next = {.at = p->at + 1};
    for (; *ends != NULL; ends++)
        if (nce_jinja_see_name(&next, *ends)) return true;
    return false;
}

/* Statements up to one of the tags named, the parser standing at that name; with no names, up to the end. */
static jnode *parse_body(jparser *p, const char *const *ends)
{
    jnode *first = NULL, **last = &first;
    nce_jinja_enter(p->j);
    while (!at_end(p, ends)) {
        if (p->at->type == T_END) {
            if (*ends == NULL) break;
            nce_jinja_unexpected(p, *ends);
        }
        const jtoken_type type = p->at->type;
        if (type == T_DATA) {
            *last = nce_jinja_node(p, N_DATA);
            (*last)->name = p->at++->text;
        } else if (type == T_PRINT) {
            p->at++;
            *last = nce_jinja_node(p, N_PRINT);
            (*last)->a = nce_jinja_parse_tuple(p, true);
            if (p->at->type != T_PRINT_END) nce_jinja_unexpected(p, "}}");
            p->at++;
        } else {
            p->at++;
            *last = parse_statement(p);
        }
        last = &(*last)->next;
    }
    p->at += p->at->type == T_BLOCK;
    p->j->depth--;
    return first;
}

jnode *nce_jinja_parse(nce_jinja *j, const char *text, size_t n)
{
    jparser p = {.j = j, .at = nce_jinja_lex(j, text, n)};
    return parse_body(&p, no_ends);
}
