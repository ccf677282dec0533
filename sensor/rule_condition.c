/* rule_condition.c - the condition: or < and < not < "1 of", "all of", names, brackets. */
#include "sensor/rule_impl.h"

enum { CONDITION_MAX = 4096, NESTING_MAX = 32 };

enum token_kind { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_WORD, TOKEN_ODD };

struct token {
	enum token_kind kind;
	const char *text;
	size_t len;
};

struct parser {
	struct loader *l;
	const struct yaml *source;
	const char *at;
	struct token token;
	struct selection *sel;
	size_t count;
	unsigned depth;
	bool failed; /* told already */
};

static bool is_word(char c)
{
	return c != '\0' &&
	       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.*?", c) !=
		       NULL;
}

static void advance(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
	struct token *t = &p->token;
	*t = (struct token){ .text = p->at, .len = 1 };
	if (*p->at == '\0')
		t->len = 0;
	else if (*p->at == '(' || *p->at == ')')
		t->kind = *p->at == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
	else if (is_word(*p->at)) {
		t->kind = TOKEN_WORD;
		while (is_word(p->at[t->len]))
			t->len++;
	} else
		t->kind = TOKEN_ODD;
	p->at += t->len;
}

static bool is(const struct parser *p, const char *word)
{
	return p->token.kind == TOKEN_WORD && strlen(word) == p->token.len &&
	       memcmp(p->token.text, word, p->token.len) == 0;
}

/* Position of the token: exact where the text stands on one line as it is. */
static struct yaml place_of(const struct parser *p)
{
	struct yaml at = *p->source;
	size_t offset = (size_t)(p->token.text - p->source->text);
	if (strchr(p->source->text, '\n') == NULL)
		at.column += (uint32_t)offset + p->source->quoted;
	return at;
}

static struct node *fail(struct parser *p, const char *what)
{
	struct yaml at = place_of(p);
	if (p->failed)
		return NULL;
	p->failed = true;
	if (p->token.kind == TOKEN_END)
		fault(p->l, &at, "the condition ends where %s was expected", what);
	else
		fault(p->l, &at, "%.*s where %s was expected", (int)p->token.len, p->token.text,
			what);
	return NULL;
}

static struct node *unknown_selection(struct parser *p)
{
	const char *names[256];
	size_t n = 0;
	for (size_t i = 0; i < p->count && n < 255; i++)
		names[n++] = p->sel[i].key->text;
	names[n] = NULL;
	struct yaml at = place_of(p);
	char *word = arena_text(&p->l->rules->arena, p->token.text, p->token.len);
	p->failed = true;
	fault_unknown(p->l, &at, "selection", word, names);
	return NULL;
}

/* A selection that is faulty itself has been told of; it stands as something. */
static struct node *use(struct parser *p, struct selection *s)
{
	s->used = true;
	return s->node != NULL ? s->node : node_new(&p->l->rules->arena, NODE_NEVER, 0);
}

static struct node *join(struct parser *p, enum node_kind kind, struct node **part, size_t n)
{
	if (n == 1)
		return part[0];
	struct node *node = node_new(&p->l->rules->arena, kind, n);
	memcpy(node->child, part, n * sizeof(struct node *));
	node_done(node);
	return node;
}

/* "1 of PATTERN", "all of them"; the number is the current token. */
static struct node *quantified(struct parser *p)
{
	enum node_kind kind = is(p, "1") ? NODE_OR : NODE_AND;
	advance(p);
	if (!is(p, "of"))
		return fail(p, "'of'");
	advance(p);
	if (p->token.kind != TOKEN_WORD)
		return fail(p, "'them' or a pattern of selections");
	struct pattern pattern;
	bool them = is(p, "them");
	if (!them && pattern_make(&pattern, p->token.text, p->token.len, ANCHOR_WHOLE, true,
			     &p->l->rules->arena) != NULL)
		return fail(p, "a shorter pattern");
	struct node **part = arena_array(&p->l->rules->arena, p->count + 1, sizeof(struct node *));
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct yaml *key = p->sel[i].key;
		if (them ? key->text[0] != '_'
			 : pattern_matches(&pattern, (const uint8_t *)key->text, key->len))
			part[n++] = use(p, &p->sel[i]);
	}
	if (n == 0)
		return fail(p, "a pattern that some selection matches");
	advance(p);
	return join(p, kind, part, n);
}

static struct node *named(struct parser *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (is(p, p->sel[i].key->text)) {
			advance(p);
			return use(p, &p->sel[i]);
		}
	return unknown_selection(p);
}

static struct node *any_of(struct parser *p);

static struct node *primary(struct parser *p)
{
	if (p->token.kind == TOKEN_OPEN) {
		advance(p);
		struct node *n = any_of(p);
		if (n == NULL)
			return NULL;
		if (p->token.kind != TOKEN_CLOSE)
			return fail(p, "')'");
		advance(p);
		return n;
	}
	if (p->token.kind != TOKEN_WORD || is(p, "and") || is(p, "or") || is(p, "of"))
		return fail(p, "a selection");
	if (is(p, "1") || is(p, "all"))
		return quantified(p);
	return named(p);
}

static struct node *negation(struct parser *p)
{
	if (!is(p, "not"))
		return primary(p);
	if (++p->depth > NESTING_MAX)
		return fail(p, "less nesting");
	advance(p);
	struct node *inner = negation(p);
	p->depth--;
	if (inner == NULL)
		return NULL;
	struct node *n = node_new(&p->l->rules->arena, NODE_NOT, 1);
	n->child[0] = inner;
	node_done(n);
	return n;
}

typedef struct node *level(struct parser *p);

/* "a WORD b WORD c", each part a tighter level. */
static struct node *chain(struct parser *p, const char *word, enum node_kind kind, level *tighter)
{
	struct node *first = tighter(p);
	if (first == NULL || !is(p, word))
		return first;
	size_t room = strlen(p->source->text) + 2,
	       n = 0; /* more parts than characters there are not */
	struct node **part = arena_array(&p->l->rules->arena, room, sizeof(struct node *));
	part[n++] = first;
	while (is(p, word)) {
		advance(p);
		part[n] = tighter(p);
		if (part[n++] == NULL)
			return NULL;
	}
	return join(p, kind, part, n);
}

static struct node *all_of(struct parser *p)
{
	return chain(p, "and", NODE_AND, negation);
}

static struct node *any_of(struct parser *p)
{
	if (++p->depth > NESTING_MAX)
		return fail(p, "less nesting");
	struct node *n = chain(p, "or", NODE_OR, all_of);
	p->depth--;
	return n;
}

struct node *rule_condition(
	struct loader *l, const struct yaml *text, struct selection *sel, size_t count)
{
	if (text->kind != YAML_TEXT || text->len > CONDITION_MAX) {
		fault(l, text, "a condition is a text of at most 4,096 characters");
		return NULL;
	}
	struct parser p = { .l = l, .source = text, .at = text->text, .sel = sel, .count = count };
	advance(&p);
	struct node *n = any_of(&p);
	if (n != NULL && p.token.kind == TOKEN_ODD && *p.token.text == '|')
		return fail(&p, "no '|' (aggregations are not supported), but the end");
	if (n != NULL && p.token.kind != TOKEN_END)
		return fail(&p, "'and', 'or' or the end");
	return n;
}
