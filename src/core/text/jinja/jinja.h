/* Jinja, the template language of chat formats: a sandboxed subset.
 *
 * A text becomes tokens (lexer.c), tokens a tree (parser.c, parse_expression.c), and the tree is walked once per rendering
 * (statements.c, expressions.c).  Everything lives in an arena that is thrown away as a whole, so no value has an owner.
 * A failure anywhere records its message and jumps to the one nce_jinja_protect of the call; no frame in between holds
 * anything but arena memory.  Every step burns fuel, every byte is counted, every recursion is counted: the four limits
 * are the sandbox, together with there being nothing to call that reaches outside. */
#ifndef NCE_SRC_TEXT_JINJA_H
#define NCE_SRC_TEXT_JINJA_H
#include "src/core/runtime/context.h"
#include <setjmp.h>

typedef struct nce_jinja nce_jinja;
typedef struct jnode jnode;

/* ---- values ---- */
typedef enum jkind {
    J_MISSING, /* an argument that was not given; never seen by a template */
    J_UNDEFINED,
    J_NONE,
    J_BOOL,
    J_INT,
    J_FLOAT,
    J_STRING,
    J_LIST,
    J_TUPLE,
    J_MAP,
    J_NAMESPACE, /* a map whose attributes may be set */
    J_LOOP,
    J_MACRO,
    J_BUILTIN,
    J_METHOD
} jkind;

typedef struct jstring {
    const char *s; /* not terminated */
    size_t n;
} jstring;

typedef struct jvalue {
    uint32_t kind, unused;
    union {
        bool b;
        int64_t i;
        double f;
        const char *s; /* J_STRING; J_UNDEFINED: the name that was looked up */
        struct jlist *list;
        struct jmap *map;
        struct jloop *loop;
        const struct jmacro *macro;
        const struct jbuiltin *builtin;
        const struct jmethod *method;
    } u;
    size_t n; /* bytes of s */
} jvalue;

typedef struct jlist {
    jvalue *items;
    size_t n, capacity;
} jlist;

typedef struct jentry {
    jvalue key, value;
} jentry;

typedef struct jmap { /* in order of insertion */
    jentry *entries;
    size_t n, capacity;
} jmap;

typedef struct jloop {
    const jlist *items;
    size_t at;
    jvalue changed; /* what loop.changed saw last, a list; J_MISSING at first */
} jloop;

typedef struct jscope {
    struct jscope *parent;
    jmap names;
    bool captured; /* a macro refers to it: it must not be used again */
} jscope;

typedef struct jmacro {
    const jnode *node;
    jscope *scope;
} jmacro;

/* Arguments of a call; v[0] is the subject of a filter, test or method. */
typedef struct jargs {
    jvalue *v;
    size_t n;
    jvalue *names; /* [n_named] strings */
    jvalue *named; /* [n_named] */
    size_t n_named;
} jargs;

typedef jvalue jfunction(nce_jinja *j, const jargs *a);
typedef struct jbuiltin {
    const char *name;
    jfunction *call;
    /* Names of the parameters, "a b c": arguments are then bound to v[0..] in this order, J_MISSING where absent.
     * NULL: the function takes the arguments as they stand. */
    const char *parameters;
} jbuiltin;

typedef struct jmethod {
    jvalue self;
    const jbuiltin *builtin;
} jmethod;

/* ---- one rendering, or one parse ---- */
typedef struct jchunk jchunk;
struct nce_jinja {
    nce_context *ctx;
    jmp_buf failed;
    nce_status status;
    const char *what; /* first words of messages: "chat template" */
    uint32_t line;    /* of what is being read or done */
    jchunk *chunks;
    size_t memory, max_memory;
    uint64_t fuel;
    uint32_t depth, max_depth;
    char *out;
    size_t n_out, out_capacity, max_out;
    jscope *scope;
    int64_t now; /* 0: not known */
};

/* Run body under the protection that failures jump to. */
nce_status nce_jinja_protect(nce_jinja *j, void (*body)(nce_jinja *j, void *arg), void *arg);
/* Free the arena and the output. */
void nce_jinja_finish(nce_jinja *j);
_Noreturn void nce_jinja_fail(nce_jinja *j, nce_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *nce_jinja_alloc(nce_jinja *j, size_t bytes); /* 16-byte aligned, zeroed */
void nce_jinja_burn(nce_jinja *j, uint64_t steps);
void nce_jinja_enter(nce_jinja *j); /* one level deeper; j->depth-- leaves */
void nce_jinja_write(nce_jinja *j, const char *s, size_t n);
/* Take back what was written since start: a string in the arena. */
jvalue nce_jinja_capture(nce_jinja *j, size_t start);

/* ---- making and reading values (value.c) ---- */
static inline jvalue jnone(void)
{
    return (jvalue){.kind = J_NONE};
}
static inline jvalue jbool(bool b)
{
    return (jvalue){.kind = J_BOOL, .u.b = b};
}
static inline jvalue jint(int64_t i)
{
    return (jvalue){.kind = J_INT, .u.i = i};
}
static inline jvalue jfloat(double f)
{
    return (jvalue){.kind = J_FLOAT, .u.f = f};
}
static inline jvalue jtext(const char *s, size_t n)
{
    return (jvalue){.kind = J_STRING, .u.s = s, .n = n};
}
static inline jvalue jundefined(const char *s, size_t n)
{
    return (jvalue){.kind = J_UNDEFINED, .u.s = s, .n = n};
}
static inline bool jis_list(jvalue v)
{
    return v.kind == J_LIST || v.kind == J_TUPLE;
}
static inline bool jis_map(jvalue v)
{
    return v.kind == J_MAP || v.kind == J_NAMESPACE;
}
static inline bool jis_number(jvalue v)
{
    return v.kind == J_INT || v.kind == J_FLOAT || v.kind == J_BOOL;
}
static inline bool jgiven(jvalue v)
{
    return v.kind != J_MISSING;
}
jvalue nce_jinja_string(const char *terminated);
jvalue nce_jinja_copy(nce_jinja *j, const char *s, size_t n);
jvalue nce_jinja_list(nce_jinja *j, size_t capacity);
void nce_jinja_list_add(nce_jinja *j, jlist *l, jvalue v);
jvalue nce_jinja_map(nce_jinja *j);
jvalue *nce_jinja_map_find(nce_jinja *j, const jmap *m, jvalue key); /* NULL: absent */
jvalue *nce_jinja_map_find_text(nce_jinja *j, const jmap *m, const char *s, size_t n);
void nce_jinja_map_set(nce_jinja *j, jmap *m, jvalue key, jvalue v);
const char *nce_jinja_kind_name(jvalue v);
bool nce_jinja_is(jvalue v, const char *text); /* a string of exactly this text */
bool nce_jinja_truth(jvalue v);
bool nce_jinja_equal(nce_jinja *j, jvalue a, jvalue b);
int nce_jinja_order(nce_jinja *j, jvalue a, jvalue b); /* <0, 0, >0; fails on kinds without an order */
bool nce_jinja_contains(nce_jinja *j, jvalue needle, jvalue hay);
const jlist *nce_jinja_iterate(nce_jinja *j, jvalue v); /* the items a for loop sees */
int64_t nce_jinja_to_int(nce_jinja *j, jvalue v, const char *what);
double nce_jinja_to_float(jvalue v);                                 /* of a number */
jstring nce_jinja_to_text(nce_jinja *j, jvalue v, const char *what); /* fails unless a string */

/* ---- text (string.c): lengths and positions are in code points ---- */
size_t nce_jinja_length(const char *s, size_t n);
jvalue nce_jinja_replace(nce_jinja *j, jstring s, jstring from, jstring to, int64_t most); /* most < 0: all */
jvalue nce_jinja_split(nce_jinja *j, jstring s, const jstring *by, int64_t most);          /* by NULL: white space */
size_t nce_jinja_char_at(const char *s, size_t n, size_t i);       /* byte offset of the i-th character, n at the end */
bool nce_jinja_is_space(const char *s, size_t n, size_t *n_bytes); /* does s begin with white space? */
jstring nce_jinja_strip(jstring s, bool left, bool right, const jstring *chars); /* chars NULL: white space */
jvalue nce_jinja_trim(nce_jinja *j, jstring s, bool left, bool right, const jstring *chars); /* the same, paid for */
/* J_TITLE: a letter after no letter is upper case (str.title); J_WORDS: one after a blank or bracket (the filter). */
typedef enum jcase { J_LOWER, J_UPPER, J_TITLE, J_WORDS, J_CAPITALIZE } jcase;
jvalue nce_jinja_recase(nce_jinja *j, jstring s, jcase to);

/* ---- printing (print.c) and JSON (json.c, json_write.c) ---- */
void nce_jinja_print(nce_jinja *j, jvalue v);        /* as {{ v }} shows it */
void nce_jinja_print_quoted(nce_jinja *j, jvalue v); /* as it stands inside a printed list */
jvalue nce_jinja_str(nce_jinja *j, jvalue v);
size_t nce_jinja_format_float(double f, char out[32]);
typedef struct jjson_style {
    int64_t indent; /* -1: one line */
    jstring item_separator, key_separator;
    bool ascii, sort_keys;
} jjson_style;
void nce_jinja_write_json(nce_jinja *j, jvalue v, const jjson_style *style);
jvalue nce_jinja_read_json(nce_jinja *j, const char *text, size_t n, const char *what);
/* The value at the start of text; *n_used receives its bytes.  Does not fail but on limits: false if it is not JSON. */
bool nce_jinja_read_json_prefix(nce_jinja *j, const char *text, size_t n, jvalue *out, size_t *n_used);

/* ---- what a template may call ---- */
const jbuiltin *nce_jinja_find_filter(jstring name);
const jbuiltin *nce_jinja_find_test(jstring name);
const jbuiltin *nce_jinja_find_method(jvalue self, jstring name);
const jbuiltin *nce_jinja_find_global(jstring name);
const jbuiltin *nce_jinja_find_in(const jbuiltin *table, size_t n, jstring name);
jvalue nce_jinja_call_builtin(nce_jinja *j, const jbuiltin *b, const jargs *a);
jvalue nce_jinja_call(nce_jinja *j, jvalue callee, const jargs *a);
jvalue nce_jinja_attribute(nce_jinja *j, jvalue v, jstring name);
jvalue nce_jinja_item(nce_jinja *j, jvalue v, jvalue key);
jvalue nce_jinja_slice(nce_jinja *j, jvalue v, jvalue from, jvalue to, jvalue step);

/* ---- the tree ---- */
typedef enum jtype {
    N_CONST,
    N_NAME,
    N_LIST,
    N_TUPLE,
    N_DICT,
    N_ATTRIBUTE,
    N_ITEM,
    N_SLICE,
    N_CALL,
    N_FILTER,
    N_TEST,
    N_NOT,
    N_NEGATE,
    N_PLUS,
    N_BINARY,
    N_CONCAT,
    N_COMPARE,
    N_AND,
    N_OR,
    N_CONDITION,
    N_ARGUMENT, /* of a call, entry of a dict, parameter of a macro: name, a (key or value), b */
    N_DATA,
    N_PRINT,
    N_IF,
    N_FOR,
    N_SET,
    N_SET_BLOCK,
    N_MACRO,
    N_CALL_BLOCK,
    N_FILTER_BLOCK,
    N_WITH,
    N_BREAK,
    N_CONTINUE,
    N_BLOCK
} jtype;
typedef enum joperator {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN
} joperator;

struct jnode {
    uint8_t type, op;
    uint32_t line;
    jstring name;
    jvalue value;
    jnode *a, *b, *c;
    jnode *list; /* elements, arguments, parameters, branches: linked by next */
    jnode *body, *otherwise;
    jnode *next;
    const jbuiltin *builtin; /* N_FILTER, N_TEST */
};

typedef enum jtoken_type {
    T_END,
    T_DATA,
    T_PRINT,
    T_PRINT_END,
    T_BLOCK,
    T_BLOCK_END,
    T_NAME,
    T_STRING,
    T_INT,
    T_FLOAT,
    T_OPERATOR
} jtoken_type;
typedef struct jtoken {
    jtoken_type type;
    uint32_t line;
    jstring text; /* of a string: without quotes, escapes done */
} jtoken;

typedef struct jparser {
    nce_jinja *j;
    const jtoken *at; /* ends with T_END */
    uint32_t n_loops, n_macros;
} jparser;

const jtoken *nce_jinja_lex(nce_jinja *j, const char *text, size_t n);
jnode *nce_jinja_parse(nce_jinja *j, const char *text, size_t n);
/* Expressions: with_condition allows "a if b else c", which the iterable of a for loop must not. */
jnode *nce_jinja_parse_expression(jparser *p, bool with_condition);
jnode *nce_jinja_parse_tuple(jparser *p, bool with_condition); /* "a, b" without brackets, or one expression */
jnode *nce_jinja_parse_postfix(jparser *p, jnode *n);
jnode *nce_jinja_parse_primary(jparser *p);
jnode *nce_jinja_parse_filters(jparser *p, jnode *n); /* | name(...) and is name */
jnode *nce_jinja_parse_filter(jparser *p, jnode *of); /* name(...) */
jnode *nce_jinja_parse_arguments(jparser *p);         /* after the opening bracket, through the closing one */
jnode *nce_jinja_node(jparser *p, jtype type);
bool nce_jinja_see(const jparser *p, const char *op); /* is the token this operator? */
bool nce_jinja_take(jparser *p, const char *op);
void nce_jinja_expect(jparser *p, const char *op);
bool nce_jinja_see_name(const jparser *p, const char *name);
bool nce_jinja_take_name(jparser *p, const char *name);
jstring nce_jinja_expect_name(jparser *p);
_Noreturn void nce_jinja_unexpected(jparser *p, const char *wanted);

/* ---- the walk ---- */
void nce_jinja_run(nce_jinja *j, const jnode *tree);
jvalue nce_jinja_eval(nce_jinja *j, const jnode *n);
jvalue nce_jinja_call_macro(nce_jinja *j, const jmacro *m, const jargs *a);
void nce_jinja_eval_arguments(nce_jinja *j, const jnode *list, const jvalue *subject, jargs *out);
void nce_jinja_set(nce_jinja *j, jstring name, jvalue v);
jscope *nce_jinja_push_scope(nce_jinja *j, jscope *parent);
jvalue nce_jinja_lookup(nce_jinja *j, jstring name);

#endif
