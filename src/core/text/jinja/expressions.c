/* The walk over expressions, with Python's meaning: floor division, chained comparisons, slices, and/or that give an
 * operand.  Integers have 64 bits; what does not fit is a failure, never a wrong number. */
#include "src/core/text/jinja/jinja.h"
#include <math.h>
#include <string.h>

static _Noreturn void no_operator(nce_jinja *j, const char *op, jvalue a, jvalue b)
{
    const jvalue *u = a.kind == J_UNDEFINED ? &a : b.kind == J_UNDEFINED ? &b : NULL;
    if (u != NULL) nce_jinja_fail(j, NCE_ERR_FORMAT, "'%.*s' is undefined", (int)u->n, u->u.s);
    nce_jinja_fail(j, NCE_ERR_FORMAT, "no '%s' between %s and %s", op, nce_jinja_kind_name(a), nce_jinja_kind_name(b));
}

/* ---- arithmetic ---- */
static const char *const op_names[] = {
    "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};

static int64_t as_int(jvalue v)
{
    return v.kind == J_BOOL ? v.u.b : v.u.i;
}

static bool int_power(int64_t base, int64_t exponent, int64_t *out)
{
    *out = 1;
    if (base == 0 || base == 1) return *out = exponent == 0 ? 1 : base, true;
    if (base == -1) return *out = exponent % 2 == 0 ? 1 : -1, true;
    for (; exponent > 0; exponent--) /* |base| > 1: at most 63 rounds */
        if (__builtin_mul_overflow(*out, base, out)) return false;
    return true;
}

static jvalue int_arithmetic(nce_jinja *j, joperator op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool fits = true;
    if ((op == OP_FLOORDIV || op == OP_MOD || op == OP_DIV) && b == 0)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "division by zero");
    switch (op) {
    case OP_ADD:
        fits = !__builtin_add_overflow(a, b, &r);
        break;
    case OP_SUB:
        fits = !__builtin_sub_overflow(a, b, &r);
        break;
    case OP_MUL:
        fits = !__builtin_mul_overflow(a, b, &r);
        break;
    case OP_DIV:
        return jfloat((double)a / (double)b);
    case OP_FLOORDIV:
        fits = !(a == INT64_MIN && b == -1);
        if (fits) r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        break;
    case OP_MOD:
        r = b == -1 ? 0 : a % b;
        if (r != 0 && (r < 0) != (b < 0)) r += b;
        break;
    default:
        if (b < 0) return jfloat(pow((double)a, (double)b));
        fits = int_power(a, b, &r);
    }
    if (!fits) nce_jinja_fail(j, NCE_ERR_LIMIT, "the result of '%s' does not fit 64 bits", op_names[op]);
    return jint(r);
}

static jvalue float_arithmetic(nce_jinja *j, joperator op, double a, double b)
{
    if ((op == OP_FLOORDIV || op == OP_MOD || op == OP_DIV) && b == 0)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "division by zero");
    switch (op) {
    case OP_ADD:
        return jfloat(a + b);
    case OP_SUB:
        return jfloat(a - b);
    case OP_MUL:
        return jfloat(a * b);
    case OP_DIV:
        return jfloat(a / b);
    case OP_FLOORDIV:
        return jfloat(floor(a / b));
    case OP_MOD: {
        const double r = fmod(a, b);
        return jfloat(r != 0 && (r < 0) != (b < 0) ? r + b : r);
    }
    default:
        return jfloat(pow(a, b));
    }
}

static jvalue join_lists(nce_jinja *j, jvalue a, jvalue b)
{
    jvalue v = nce_jinja_list(j, a.u.list->n + b.u.list->n);
    for (size_t i = 0; i < a.u.list->n; i++)
        nce_jinja_list_add(j, v.u.list, a.u.list->items[i]);
    for (size_t i = 0; i < b.u.list->n; i++)
        nce_jinja_list_add(j, v.u.list, b.u.list->items[i]);
    v.kind = a.kind;
    return v;
}

static jvalue join_text(nce_jinja *j, jvalue a, jvalue b)
{
    char *s = nce_jinja_alloc(j, a.n + b.n);
    if (a.n > 0) memcpy(s, a.u.s, a.n);
    if (b.n > 0) memcpy(s + a.n, b.u.s, b.n);
    return jtext(s, a.n + b.n);
}

static jvalue repeat(nce_jinja *j, jvalue v, int64_t times)
{
    const size_t n = times > 0 ? (size_t)times : 0, one = v.kind == J_STRING ? v.n : v.u.list->n * sizeof(jvalue);
    size_t bytes;
    if (__builtin_mul_overflow(n, one, &bytes) || bytes > j->max_memory)
        nce_jinja_fail(j, NCE_ERR_LIMIT, "a repetition beyond the limit of %zu bytes of memory", j->max_memory);
    char *s = nce_jinja_alloc(j, bytes);
    for (size_t i = 0; one > 0 && i < n; i++)
        memcpy(s + i * one, v.kind == J_STRING ? (const void *)v.u.s : v.u.list->items, one);
    if (one > 0) nce_jinja_burn(j, n / 16);
    if (v.kind == J_STRING) return jtext(s, bytes);
    jvalue list = nce_jinja_list(j, 0);
    *list.u.list = (jlist){(jvalue *)(void *)s, bytes / sizeof(jvalue), bytes / sizeof(jvalue)};
    list.kind = v.kind;
    return list;
}

static jvalue format_percent(nce_jinja *j, jvalue format, jvalue arguments)
{
    const jbuiltin *f = nce_jinja_find_filter((jstring){"format", 6});
    jvalue v[17] = {format, arguments};
    jargs a = {.v = v, .n = 2};
    if (arguments.kind == J_TUPLE) {
        if (arguments.u.list->n > 16) nce_jinja_fail(j, NCE_ERR_LIMIT, "more than 16 values to format");
        a.n = 1 + arguments.u.list->n;
        for (size_t i = 1; i < a.n; i++)
            v[i] = arguments.u.list->items[i - 1];
    }
    return nce_jinja_call_builtin(j, f, &a);
}

static jvalue binary(nce_jinja *j, joperator op, jvalue a, jvalue b)
{
    if (jis_number(a) && jis_number(b)) {
        if (a.kind == J_FLOAT || b.kind == J_FLOAT)
            return float_arithmetic(j, op, nce_jinja_to_float(a), nce_jinja_to_float(b));
        return int_arithmetic(j, op, as_int(a), as_int(b));
    }
    if (op == OP_ADD && a.kind == J_STRING && b.kind == J_STRING) return join_text(j, a, b);
    if (op == OP_ADD && jis_list(a) && a.kind == b.kind) return join_lists(j, a, b);
    if (op == OP_MUL && (a.kind == J_STRING || jis_list(a)) && (b.kind == J_INT || b.kind == J_BOOL))
        return repeat(j, a, as_int(b));
    if (op == OP_MUL && (b.kind == J_STRING || jis_list(b)) && (a.kind == J_INT || a.kind == J_BOOL))
        return repeat(j, b, as_int(a));
    if (op == OP_MOD && a.kind == J_STRING) return format_percent(j, a, b);
    no_operator(j, op_names[op], a, b);
}

static jvalue negate(nce_jinja *j, jvalue v)
{
    if (v.kind == J_FLOAT) return jfloat(-v.u.f);
    if (!jis_number(v)) nce_jinja_fail(j, NCE_ERR_FORMAT, "no minus of %s", nce_jinja_kind_name(v));
    return int_arithmetic(j, OP_SUB, 0, as_int(v));
}

/* ---- comparisons ---- */
static bool compare(nce_jinja *j, joperator op, jvalue a, jvalue b)
{
    if (op == OP_EQ || op == OP_NE) return nce_jinja_equal(j, a, b) == (op == OP_EQ);
    if (op == OP_IN || op == OP_NOT_IN) return nce_jinja_contains(j, a, b) == (op == OP_IN);
    const bool comparable = (jis_number(a) && jis_number(b)) || (a.kind == J_STRING && b.kind == J_STRING) ||
                            (jis_list(a) && a.kind == b.kind);
    if (!comparable) no_operator(j, op_names[op], a, b);
    const int order = nce_jinja_order(j, a, b);
    return op == OP_LT ? order < 0 : op == OP_LE ? order <= 0 : op == OP_GT ? order > 0 : order >= 0;
}

static jvalue eval_comparison(nce_jinja *j, const jnode *n)
{
    jvalue left = nce_jinja_eval(j, n->a);
    for (const jnode *c = n->list; c != NULL; c = c->next) {
        const jvalue right = nce_jinja_eval(j, c->a);
        if (!compare(j, (joperator)c->op, left, right)) return jbool(false);
        left = right;
    }
    return jbool(true);
}

/* ---- the rest ---- */
void nce_jinja_eval_arguments(nce_jinja *j, const jnode *list, const jvalue *subject, jargs *out)
{
    size_t n = subject != NULL;
    for (const jnode *a = list; a != NULL; a = a->next)
        n++;
    jvalue *v = n > 0 ? nce_jinja_alloc(j, 3 * n * sizeof *v) : NULL;
    *out = (jargs){.v = v, .names = v != NULL ? v + n : NULL, .named = v != NULL ? v + 2 * n : NULL};
    if (subject != NULL) out->v[out->n++] = *subject;
    for (const jnode *a = list; a != NULL; a = a->next) {
        const jvalue value = nce_jinja_eval(j, a->a);
        if (a->name.s == NULL) {
            if (out->n_named > 0) nce_jinja_fail(j, NCE_ERR_FORMAT, "an argument without a name after one with a name");
            out->v[out->n++] = value;
        } else {
            out->names[out->n_named] = jtext(a->name.s, a->name.n);
            out->named[out->n_named++] = value;
        }
    }
}

static jvalue eval_call(nce_jinja *j, const jnode *n)
{
    jargs a;
    const jvalue callee = nce_jinja_eval(j, n->a);
    nce_jinja_eval_arguments(j, n->list, NULL, &a);
    j->line = n->line;
    if (callee.kind == J_UNDEFINED)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "'%.*s' is undefined and was called", (int)callee.n, callee.u.s);
    return nce_jinja_call(j, callee, &a);
}

static jvalue eval_filter(nce_jinja *j, const jnode *n)
{
    jargs a;
    const jvalue subject = nce_jinja_eval(j, n->a);
    nce_jinja_eval_arguments(j, n->list, &subject, &a);
    j->line = n->line;
    return nce_jinja_call_builtin(j, n->builtin, &a);
}

static jvalue eval_concat(nce_jinja *j, const jnode *n)
{
    const size_t start = j->n_out;
    for (const jnode *i = n->list; i != NULL; i = i->next)
        nce_jinja_print(j, nce_jinja_eval(j, i->a));
    return nce_jinja_capture(j, start);
}

static jvalue eval_list(nce_jinja *j, const jnode *n)
{
    jvalue v = nce_jinja_list(j, 0);
    for (const jnode *i = n->list; i != NULL; i = i->next)
        nce_jinja_list_add(j, v.u.list, nce_jinja_eval(j, i->a));
    if (n->type == N_TUPLE) v.kind = J_TUPLE;
    return v;
}

static jvalue eval_dict(nce_jinja *j, const jnode *n)
{
    const jvalue v = nce_jinja_map(j);
    for (const jnode *i = n->list; i != NULL; i = i->next) {
        const jvalue key = nce_jinja_eval(j, i->a);
        nce_jinja_map_set(j, v.u.map, key, nce_jinja_eval(j, i->b));
    }
    return v;
}

static jvalue eval_chain(nce_jinja *j, const jnode *n)
{
    jvalue v = jnone();
    for (const jnode *i = n->list; i != NULL; i = i->next) {
        v = nce_jinja_eval(j, i->a);
        if (nce_jinja_truth(v) == (n->type == N_OR)) break;
    }
    return v;
}

static jvalue eval_condition(nce_jinja *j, const jnode *n)
{
    if (nce_jinja_truth(nce_jinja_eval(j, n->a))) return nce_jinja_eval(j, n->b);
    return n->c != NULL ? nce_jinja_eval(j, n->c) : jundefined("the value of an if without else", 31);
}

static jvalue eval_slice(nce_jinja *j, const jnode *n)
{
    const jvalue v = nce_jinja_eval(j, n->a), from = n->b != NULL ? nce_jinja_eval(j, n->b) : jnone(),
                 to = n->c != NULL ? nce_jinja_eval(j, n->c) : jnone(),
                 step = n->body != NULL ? nce_jinja_eval(j, n->body) : jnone();
    return nce_jinja_slice(j, v, from, to, step);
}

static jvalue eval_item(nce_jinja *j, const jnode *n)
{
    const jvalue v = nce_jinja_eval(j, n->a);
    const jvalue key = nce_jinja_eval(j, n->b);
    j->line = n->line;
    return nce_jinja_item(j, v, key);
}

static jvalue eval_one(nce_jinja *j, const jnode *n)
{
    switch (n->type) {
    case N_CONST:
        return n->value;
    case N_NAME:
        return nce_jinja_lookup(j, n->name);
    case N_LIST:
    case N_TUPLE:
        return eval_list(j, n);
    case N_DICT:
        return eval_dict(j, n);
    case N_ATTRIBUTE:
        return nce_jinja_attribute(j, nce_jinja_eval(j, n->a), n->name);
    case N_ITEM:
        return eval_item(j, n);
    case N_SLICE:
        return eval_slice(j, n);
    case N_CALL:
        return eval_call(j, n);
    case N_FILTER:
    case N_TEST:
        return eval_filter(j, n);
    case N_NOT:
        return jbool(!nce_jinja_truth(nce_jinja_eval(j, n->a)));
    case N_NEGATE:
        return negate(j, nce_jinja_eval(j, n->a));
    case N_PLUS:
        return binary(j, OP_ADD, jint(0), nce_jinja_eval(j, n->a));
    case N_CONCAT:
        return eval_concat(j, n);
    case N_COMPARE:
        return eval_comparison(j, n);
    case N_AND:
    case N_OR:
        return eval_chain(j, n);
    case N_CONDITION:
        return eval_condition(j, n);
    case N_BINARY: {
        const jvalue a = nce_jinja_eval(j, n->a);
        const jvalue b = nce_jinja_eval(j, n->b);
        j->line = n->line;
        return binary(j, (joperator)n->op, a, b);
    }
    default:
        nce_jinja_fail(j, NCE_ERR_INTERNAL, "a statement where an expression belongs");
    }
}

jvalue nce_jinja_eval(nce_jinja *j, const jnode *n)
{
    nce_jinja_enter(j);
    nce_jinja_burn(j, 1);
    j->line = n->line;
    const jvalue v = eval_one(j, n);
    j->depth--;
    return v;
}
