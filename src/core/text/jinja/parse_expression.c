/* Expressions, by recursive descent: one function per level of binding, loosest first.  Recursion is counted, so that a
 * template of a million brackets ends in a message. */
#include "src/core/text/jinja/jinja.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static jnode *parse_or(jparser *p);
static jnode *parse_unary(jparser *p, bool with_filters);

/* ---- tokens ---- */
void nce_jinja_unexpected(jparser *p, const char *wanted)
{
    p->j->line = p->at->line;
    if (p->at->type == T_END) nce_jinja_fail(p->j, NCE_ERR_FORMAT, "%s expected, but the template ends", wanted);
    const int n = p->at->text.n < 40 ? (int)p->at->text.n : 40;
    nce_jinja_fail(p->j, NCE_ERR_FORMAT, "%s expected, not '%.*s'", wanted, n, p->at->text.s);
}

bool nce_jinja_see(const jparser *p, const char *op)
{
    return p->at->type == T_OPERATOR && p->at->text.n == strlen(op) && memcmp(p->at->text.s, op, p->at->text.n) == 0;
}

bool nce_jinja_take(jparser *p, const char *op)
{
    const bool yes = nce_jinja_see(p, op);
    p->at += yes;
    return yes;
}

void nce_jinja_expect(jparser *p, const char *op)
{
    if (!nce_jinja_take(p, op)) nce_jinja_unexpected(p, op);
}

bool nce_jinja_see_name(const jparser *p, const char *name)
{
    return p->at->type == T_NAME && p->at->text.n == strlen(name) && memcmp(p->at->text.s, name, p->at->text.n) == 0;
}

bool nce_jinja_take_name(jparser *p, const char *name)
{
    const bool yes = nce_jinja_see_name(p, name);
    p->at += yes;
    return yes;
}

jstring nce_jinja_expect_name(jparser *p)
{
    if (p->at->type != T_NAME) nce_jinja_unexpected(p, "a name");
    return p->at++->text;
}

jnode *nce_jinja_node(jparser *p, jtype type)
{
    jnode *n = nce_jinja_alloc(p->j, sizeof *n);
    n->type = (uint8_t)type;
    n->line = p->at->line;
    p->j->line = p->at->line;
    return n;
}

static jnode *pair(jparser *p, jtype type, jnode *a, jnode *b)
{
    jnode *n = nce_jinja_node(p, type);
    n->a = a, n->b = b;
    return n;
}

/* ---- leaves ---- */
static jnode *constant(jparser *p, jvalue v)
{
    jnode *n = nce_jinja_node(p, N_CONST);
    n->value = v;
    p->at++;
    return n;
}

static jvalue number(jparser *p)
{
    char digits[64];
    size_t n = 0;
    for (size_t i = 0; i < p->at->text.n; i++) {
        if (n + 1 >= sizeof digits) nce_jinja_unexpected(p, "a shorter number");
        if (p->at->text.s[i] != '_') digits[n++] = p->at->text.s[i];
    }
    digits[n] = '\0';
    if (p->at->type == T_FLOAT) return jfloat(strtod(digits, NULL));
    errno = 0;
    const long long i = strtoll(digits, NULL, 10);
    if (errno != 0) nce_jinja_unexpected(p, "an integer of 64 bits");
    return jint(i);
}

/* Strings next to each other are one. */
static jnode *string(jparser *p)
{
    jstring s = p->at->text;
    jnode *n = constant(p, jtext(s.s, s.n));
    while (p->at->type == T_STRING) {
        const jstring more = p->at++->text;
        char *joined = nce_jinja_alloc(p->j, s.n + more.n);
        memcpy(joined, s.s, s.n);
        memcpy(joined + s.n, more.s, more.n);
        s = (jstring){joined, s.n + more.n};
    }
    n->value = jtext(s.s, s.n);
    return n;
}

static jnode *name(jparser *p)
{
    static const struct {
        const char *name;
        jvalue value;
    } constants[] = {{"true", {.kind = J_BOOL, .u.b = true}},
                     {"True", {.kind = J_BOOL, .u.b = true}},
                     {"false", {.kind = J_BOOL}},
                     {"False", {.kind = J_BOOL}},
                     {"none", {.kind = J_NONE}},
                     {"None", {.kind = J_NONE}}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (nce_jinja_see_name(p, constants[i].name)) return constant(p, constants[i].value);
    jnode *n = nce_jinja_node(p, N_NAME);
    n->name = p->at++->text;
    return n;
}

static jnode *list(jparser *p)
{
    jnode *n = nce_jinja_node(p, N_LIST), **last = &n->list;
    for (nce_jinja_expect(p, "["); !nce_jinja_take(p, "]"); last = &(*last)->next) {
        if (n->list != NULL) nce_jinja_expect(p, ",");
        if (nce_jinja_take(p, "]")) break;
        *last = pair(p, N_ARGUMENT, nce_jinja_parse_expression(p, true), NULL);
    }
    return n;
}

static jnode *dict(jparser *p)
{
    jnode *n = nce_jinja_node(p, N_DICT), **last = &n->list;
    for (nce_jinja_expect(p, "{"); !nce_jinja_take(p, "}"); last = &(*last)->next) {
        if (n->list != NULL) nce_jinja_expect(p, ",");
        if (nce_jinja_take(p, "}")) break;
        *last = pair(p, N_ARGUMENT, nce_jinja_parse_expression(p, true), NULL);
        nce_jinja_expect(p, ":");
        (*last)->b = nce_jinja_parse_expression(p, true);
    }
    return n;
}

jnode *nce_jinja_parse_primary(jparser *p)
{
    p->j->line = p->at->line;
    if (p->at->type == T_NAME) return name(p);
    if (p->at->type == T_STRING) return string(p);
    if (p->at->type == T_INT || p->at->type == T_FLOAT) return constant(p, number(p));
    if (nce_jinja_see(p, "[")) return list(p);
    if (nce_jinja_see(p, "{")) return dict(p);
    nce_jinja_expect(p, "(");
    if (nce_jinja_take(p, ")")) return nce_jinja_node(p, N_TUPLE);
    jnode *n = nce_jinja_parse_tuple(p, true);
    nce_jinja_expect(p, ")");
    return n;
}

/* ---- behind a value: .name, [item], (arguments), |filter, is test ---- */
jnode *nce_jinja_parse_arguments(jparser *p)
{
    jnode *first = NULL, **last = &first;
    for (; !nce_jinja_take(p, ")"); last = &(*last)->next) {
        if (first != NULL) nce_jinja_expect(p, ",");
        if (nce_jinja_take(p, ")")) break;
        *last = nce_jinja_node(p, N_ARGUMENT);
        if (p->at->type == T_NAME && p->at[1].type == T_OPERATOR && p->at[1].text.n == 1 && p->at[1].text.s[0] == '=') {
            (*last)->name = p->at->text;
            p->at += 2;
        }
        (*last)->a = nce_jinja_parse_expression(p, true);
    }
    return first;
}

static jnode *subscript(jparser *p, jnode *of)
{
    jnode *n = pair(p, N_ITEM, of, NULL), *parts[3] = {NULL};
    int colons = 0;
    for (; !nce_jinja_take(p, "]");) {
        if (nce_jinja_take(p, ":")) {
            if (++colons > 2) nce_jinja_unexpected(p, "]");
            continue;
        }
        if (parts[colons] != NULL) nce_jinja_unexpected(p, "]");
        parts[colons] = nce_jinja_parse_expression(p, true);
    }
    if (colons == 0 && parts[0] == NULL) nce_jinja_unexpected(p, "an index");
    n->b = parts[0];
    if (colons == 0) return n;
    n->type = N_SLICE;
    n->c = parts[1];
    n->body = parts[2];
    return n;
}

jnode *nce_jinja_parse_postfix(jparser *p, jnode *n)
{
    for (uint32_t links = 0;; links++) {
        if (links > p->j->max_depth)
            nce_jinja_fail(p->j, NCE_ERR_LIMIT, "more than %u operations in a row", p->j->max_depth);
        if (nce_jinja_take(p, ".")) {
            n = pair(p, N_ATTRIBUTE, n, NULL);
            if (p->at->type == T_INT) {
                n->type = N_ITEM;
                n->b = constant(p, number(p));
            } else {
                n->name = nce_jinja_expect_name(p);
            }
        } else if (nce_jinja_take(p, "[")) {
            n = subscript(p, n);
        } else if (nce_jinja_take(p, "(")) {
            n = pair(p, N_CALL, n, NULL);
            n->list = nce_jinja_parse_arguments(p);
        } else {
            return n;
        }
    }
}

jnode *nce_jinja_parse_filter(jparser *p, jnode *of)
{
    jnode *n = pair(p, N_FILTER, of, NULL);
    n->name = nce_jinja_expect_name(p);
    n->builtin = nce_jinja_find_filter(n->name);
    if (n->builtin == NULL)
        nce_jinja_fail(p->j, NCE_ERR_UNSUPPORTED, "unknown filter '%.*s'", (int)n->name.n, n->name.s);
    if (nce_jinja_take(p, "(")) n->list = nce_jinja_parse_arguments(p);
    return n;
}

static jnode *test(jparser *p, jnode *of)
{
    const bool negated = nce_jinja_take_name(p, "not");
    jnode *n = pair(p, N_TEST, of, NULL);
    n->name = nce_jinja_expect_name(p);
    n->builtin = nce_jinja_find_test(n->name);
    if (n->builtin == NULL) nce_jinja_fail(p->j, NCE_ERR_UNSUPPORTED, "unknown test '%.*s'", (int)n->name.n, n->name.s);
    const jtoken_type t = p->at->type;
    if (nce_jinja_take(p, "(")) {
        n->list = nce_jinja_parse_arguments(p);
    } else if ((t == T_NAME && !nce_jinja_see_name(p, "else") && !nce_jinja_see_name(p, "or") &&
                !nce_jinja_see_name(p, "and") && !nce_jinja_see_name(p, "if") && !nce_jinja_see_name(p, "is") &&
                !nce_jinja_see_name(p, "in") && !nce_jinja_see_name(p, "not")) ||
               t == T_STRING || t == T_INT || t == T_FLOAT || nce_jinja_see(p, "[") || nce_jinja_see(p, "{")) {
        n->list = nce_jinja_node(p, N_ARGUMENT);
        n->list->a = nce_jinja_parse_postfix(p, nce_jinja_parse_primary(p));
    }
    return negated ? pair(p, N_NOT, n, NULL) : n;
}

jnode *nce_jinja_parse_filters(jparser *p, jnode *n)
{
    for (uint32_t links = 0;; links++) {
        if (links > p->j->max_depth)
            nce_jinja_fail(p->j, NCE_ERR_LIMIT, "more than %u operations in a row", p->j->max_depth);
        if (nce_jinja_take(p, "|")) {
            n = nce_jinja_parse_filter(p, n);
        } else if (nce_jinja_take_name(p, "is")) {
            n = test(p, n);
        } else if (nce_jinja_see(p, "(")) {
            n = nce_jinja_parse_postfix(p, n);
        } else {
            return n;
        }
    }
}

/* ---- operators ---- */
static jnode *unary(jparser *p)
{
    jnode *n;
    if (nce_jinja_take(p, "-"))
        n = pair(p, N_NEGATE, parse_unary(p, false), NULL);
    else if (nce_jinja_take(p, "+"))
        n = pair(p, N_PLUS, parse_unary(p, false), NULL);
    else
        n = nce_jinja_parse_primary(p);
    return nce_jinja_parse_postfix(p, n);
}

static jnode *parse_unary(jparser *p, bool with_filters)
{
    nce_jinja_enter(p->j);
    jnode *n = unary(p);
    if (with_filters) n = nce_jinja_parse_filters(p, n);
    p->j->depth--;
    return n;
}

typedef struct level_op {
    const char *text;
    joperator op;
} level_op;

/* A level of left-associative operators over the next tighter one. */
static jnode *parse_level(jparser *p, int level)
{
    static const level_op ops[3][4] = {{{"+", OP_ADD}, {"-", OP_SUB}},
                                       {{"*", OP_MUL}, {"/", OP_DIV}, {"//", OP_FLOORDIV}, {"%", OP_MOD}},
                                       {{"**", OP_POW}}};
    if (level == 3) return parse_unary(p, true);
    const bool concat = level == 0; /* "~" stands between + and * */
    jnode *n = NULL, *left = NULL;
    joperator op = OP_ADD;
    for (uint32_t links = 0;; links++) {
        if (links > p->j->max_depth)
            nce_jinja_fail(p->j, NCE_ERR_LIMIT, "more than %u operations in a row", p->j->max_depth);
        n = parse_level(p, level + 1);
        if (concat && nce_jinja_see(p, "~")) {
            jnode *all = nce_jinja_node(p, N_CONCAT), **last = &all->list;
            *last = pair(p, N_ARGUMENT, n, NULL);
            while (nce_jinja_take(p, "~")) {
                last = &(*last)->next;
                *last = pair(p, N_ARGUMENT, parse_level(p, level + 1), NULL);
            }
            n = all;
        }
        if (left != NULL) {
            left = pair(p, N_BINARY, left, n);
            left->op = (uint8_t)op;
        } else {
            left = n;
        }
        int i = 0;
        while (i < 4 && (ops[level][i].text == NULL || !nce_jinja_see(p, ops[level][i].text)))
            i++;
        if (i == 4) return left;
        op = ops[level][i].op;
        p->at++;
    }
}

static bool take_comparison(jparser *p, joperator *op)
{
    static const level_op ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<", OP_LT},
                                   {"<=", OP_LE}, {">", OP_GT},  {">=", OP_GE}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (nce_jinja_take(p, ops[i].text)) return *op = ops[i].op, true;
    *op = OP_IN;
    if (nce_jinja_take_name(p, "in")) return true;
    *op = OP_NOT_IN;
    if (!nce_jinja_see_name(p, "not") || p->at[1].type != T_NAME || p->at[1].text.n != 2 ||
        memcmp(p->at[1].text.s, "in", 2) != 0)
        return false;
    p->at += 2;
    return true;
}

static jnode *parse_comparison(jparser *p)
{
    jnode *n = parse_level(p, 0), *all = NULL, **last = NULL;
    joperator op;
    while (take_comparison(p, &op)) {
        if (all == NULL) {
            all = pair(p, N_COMPARE, n, NULL);
            last = &all->list;
        }
        *last = pair(p, N_ARGUMENT, parse_level(p, 0), NULL);
        (*last)->op = (uint8_t)op;
        last = &(*last)->next;
    }
    return all != NULL ? all : n;
}

static jnode *parse_not(jparser *p)
{
    if (!nce_jinja_take_name(p, "not")) return parse_comparison(p);
    nce_jinja_enter(p->j);
    jnode *n = pair(p, N_NOT, parse_not(p), NULL);
    p->j->depth--;
    return n;
}

/* "and" and "or" hold all their operands in a list, so that a long chain is not a deep tree. */
static jnode *parse_chain(jparser *p, jtype type, const char *word, jnode *(*next)(jparser *p))
{
    jnode *n = next(p);
    if (!nce_jinja_see_name(p, word)) return n;
    jnode *all = nce_jinja_node(p, type), **last = &all->list;
    *last = pair(p, N_ARGUMENT, n, NULL);
    while (nce_jinja_take_name(p, word)) {
        last = &(*last)->next;
        *last = pair(p, N_ARGUMENT, next(p), NULL);
    }
    return all;
}

static jnode *parse_and(jparser *p)
{
    return parse_chain(p, N_AND, "and", parse_not);
}

static jnode *parse_or(jparser *p)
{
    return parse_chain(p, N_OR, "or", parse_and);
}

jnode *nce_jinja_parse_expression(jparser *p, bool with_condition)
{
    nce_jinja_enter(p->j);
    jnode *n = parse_or(p);
    uint32_t links = 0;
    while (with_condition && nce_jinja_take_name(p, "if")) {
        if (++links > p->j->max_depth)
            nce_jinja_fail(p->j, NCE_ERR_LIMIT, "more than %u operations in a row", p->j->max_depth);
        jnode *c = pair(p, N_CONDITION, parse_or(p), n);
        if (nce_jinja_take_name(p, "else")) c->c = nce_jinja_parse_expression(p, true);
        n = c;
    }
    p->j->depth--;
    return n;
}

jnode *nce_jinja_parse_tuple(jparser *p, bool with_condition)
{
    jnode *n = nce_jinja_parse_expression(p, with_condition);
    if (!nce_jinja_see(p, ",")) return n;
    jnode *all = nce_jinja_node(p, N_TUPLE), **last = &all->list;
    *last = pair(p, N_ARGUMENT, n, NULL);
    while (nce_jinja_take(p, ",")) {
        if (nce_jinja_see(p, ")") || nce_jinja_see(p, "=") || p->at->type == T_PRINT_END || p->at->type == T_BLOCK_END)
            break;
        last = &(*last)->next;
        *last = pair(p, N_ARGUMENT, nce_jinja_parse_expression(p, with_condition), NULL);
    }
    return all;
}
