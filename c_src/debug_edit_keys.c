// SPDX-License-Identifier: GPL-2.0
/*
 * debug-edit: the lines that deal with keys of btrees.
 *
 * A key is named by its position, or chosen: the first or last of its btree for
 * which some fields have some values. Each line is one transaction, committed by
 * the live core; the buffered updates that are under way are applied before, so
 * that what a line sees and changes is what the btree holds.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/math.h>

#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "btree/write_buffer.h"
#include "debug_edit.h"
#include "tools.h"
#include "util/printbuf.h"

/* --- btrees and keys --- */

/* NAME or NAME:LEVEL; LEVEL is that of the keys: 1 for pointers to leaves. */
static int parse_btree(const char *word, unsigned *btree, unsigned *level)
{
	const size_t len = strcspn(word, ":");
	char *name = strndup(word, len);
	const int id = bch2_btree_id_parse(name);
	uint64_t l = 0;

	free(name);
	if (id < 0 || id >= BTREE_ID_NR ||
	    (word[len] && (tools_parse_u64(word + len + 1, &l) || l >= BTREE_MAX_DEPTH)))
		return tools_error("'%s' is not a btree", word);
	*btree = id;
	*level = l;
	return 0;
}

static void key_init(struct debug_edit *e, struct debug_key *key)
{
	memset(key, 0, sizeof(*key));
	key->c		= e->c;
	key->shift	= e->shift;
	bkey_init(&key->k.k);
}

static void key_take(struct debug_edit *e, struct debug_key *key, struct bkey_s_c k)
{
	key_init(e, key);
	bkey_reassemble(&key->k, k);
}

static bool find_in_key(void *obj, const char *name, struct debug_place *place)
{
	return debug_field_of_key(obj, name, place);
}

/* Do all of the conditions hold? -1: one of them is none. */
static int matches(struct debug_edit *e, struct bkey_s_c k, const char *conditions)
{
	char *copy, *at, *word;
	struct debug_key key;
	int ret = 1;

	/* looking at fields behind a short value makes the copy longer */
	at = copy = tools_strdup(conditions);
	while (ret > 0 && (word = strsep(&at, ","))) {
		key_take(e, &key, k);
		ret = debug_condition(word, find_in_key, &key);
	}
	free(copy);
	return ret;
}

struct select {
	bool		exact;		/* the key at .pos */
	bool		last;
	const char	*conditions;	/* or NULL */
	struct bpos	pos;
};

static int parse_select(const char *word, struct select *s)
{
	const size_t len = strcspn(word, ":");

	memset(s, 0, sizeof(*s));
	if (debug_parse_pos(word, POS_MIN, &s->pos)) {
		s->exact = true;
		return 0;
	}
	s->last		= len == 4 && !strncmp(word, "last", 4);
	s->conditions	= word[len] ? word + len + 1 : NULL;
	s->pos		= s->last ? SPOS_MAX : POS_MIN;
	if (!s->last && (len != 5 || strncmp(word, "first", 5)))
		return tools_error("'%s' is neither a position nor first[:...] nor last[:...]",
				   word);
	return 0;
}

static void iter_init(struct debug_edit *e, struct btree_iter *iter, unsigned btree,
		      unsigned level, struct bpos pos)
{
	const unsigned flags = BTREE_ITER_all_snapshots|BTREE_ITER_not_extents|
		BTREE_ITER_prefetch;

	if (level)
		bch2_trans_node_iter_init(e->trans, iter, btree, pos, 0, level, flags);
	else
		bch2_trans_iter_init(e->trans, iter, btree, pos, flags);
}

/* 1: @k is the one, 0: it is not, negative: a message was printed or an error. */
static int look(struct debug_edit *e, struct debug_key *key, const struct select *s,
		struct bkey_s_c k)
{
	int ret = 1;

	if (s->exact && !bpos_eq(k.k->p, s->pos))
		return -ENOENT;
	if (s->conditions) {
		ret = matches(e, k, s->conditions);
		if (ret < 0)
			return -EINVAL;
	}
	if (ret)
		key_take(e, key, k);
	return ret;
}

/* The chosen key, copied. 0, or 1 after a message. */
static int find_key(struct debug_edit *e, const char *btree_word, const char *word,
		    unsigned *btree, unsigned *level, struct debug_key *key)
{
	struct btree_iter iter;
	struct select s;
	struct bkey_s_c k;
	int ret;

	ret = parse_btree(btree_word, btree, level) ?: parse_select(word, &s);
	if (ret)
		return ret;

	iter_init(e, &iter, *btree, *level, s.pos);
	do {
		bch2_trans_begin(e->trans);
		k = s.last ? bch2_btree_iter_peek_prev(&iter) : bch2_btree_iter_peek(&iter);
		ret = bkey_err(k);
		if (!ret && !k.k)
			ret = -ENOENT;
		if (!ret)
			ret = look(e, key, &s, k);
		if (!ret && !(s.last ? bch2_btree_iter_rewind(&iter)
				     : bch2_btree_iter_advance(&iter)))
			ret = -ENOENT;
	} while (!ret || bch2_err_matches(ret, BCH_ERR_transaction_restart));
	bch2_trans_iter_exit(&iter);
	bch2_trans_unlock(e->trans);

	if (ret == -ENOENT)
		return tools_error("%s has no key %s", btree_word, word);
	if (ret == -EINVAL)
		return tools_error("bad condition in %s", word);
	return ret < 0 ? tools_error("reading %s: %s", btree_word, tools_strerror(ret)) : 0;
}

/* --- changing --- */

static int validate(struct debug_edit *e, unsigned btree, unsigned level, struct bkey_i *k)
{
	struct printbuf err = PRINTBUF;
	struct bkey_validate_context from = {
		.from	= BKEY_VALIDATE_commit,
		.level	= level,
		.btree	= btree,
		.flags	= BCH_VALIDATE_commit|BCH_VALIDATE_silent,
		.err	= &err,
	};
	int ret = 0;

	if (!e->unchecked && !bkey_deleted(&k->k) &&
	    bch2_bkey_validate(e->c, bkey_i_to_s_c(k), from))
		ret = tools_error("the key would not be valid: %s", printbuf_str(&err));
	printbuf_exit(&err);
	return ret;
}

/* One change of one place. */
struct change {
	unsigned	btree, level;
	struct bkey_i	*k;
	bool		extents;	/* make room as for an extent */
};

static int queue_change(struct debug_edit *e, const struct change *ch)
{
	const unsigned flags = BTREE_UPDATE_internal_snapshot_node|
		(e->run_triggers ? 0 : BTREE_TRIGGER_norun);
	struct btree_iter iter;
	int ret;

	if (!ch->extents)
		return bch2_trans_update_exact(e->trans, NULL, ch->btree, ch->level, ch->k, flags);

	bch2_trans_iter_init(e->trans, &iter, ch->btree, bkey_start_pos(&ch->k->k),
			     BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(e->trans, &iter, ch->k, flags);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int queue_changes(struct debug_edit *e, const struct change *ch, unsigned nr)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < nr; i++)
		ret = queue_change(e, &ch[i]);
	return ret;
}

/* All of @ch in one transaction. 0, or 1 after a message. */
static int commit(struct debug_edit *e, const struct change *ch, unsigned nr)
{
	/* what replay may write needs not be valid */
	const unsigned flags = BCH_TRANS_COMMIT_no_enospc|
		(e->unchecked ? BCH_TRANS_COMMIT_journal_replay : 0);
	int ret = 0;

	for (unsigned i = 0; i < nr; i++)
		ret |= validate(e, ch[i].btree, ch[i].level, ch[i].k);
	if (ret)
		return ret;

	ret = commit_do(e->trans, NULL, NULL, flags, queue_changes(e, ch, nr));
	bch2_trans_unlock(e->trans);
	return ret ? tools_error("%s: %s", bch2_btree_id_name(ch->btree), tools_strerror(ret)) : 0;
}

/* The value in hexadecimal digits. */
static int assign_hex(struct debug_key *key, const char *hex)
{
	const size_t bytes = strlen(hex) / 2;
	uint8_t *v = (uint8_t *) &key->k.v;

	if (strlen(hex) % 2 || DIV_ROUND_UP(bytes, 8) + BKEY_U64s > U8_MAX)
		return -1;
	memset(v, 0, (U8_MAX - BKEY_U64s) * 8);
	set_bkey_val_bytes(&key->k.k, bytes);
	for (size_t i = 0; i < bytes; i++) {
		unsigned byte;

		if (!isxdigit((unsigned char) hex[2 * i]) || sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -1;
		v[i] = byte;
	}
	return 0;
}

static int assign(struct debug_key *key, char **words, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const int bad = !strncmp(words[i], "hex=", 4)
			? assign_hex(key, words[i] + 4)
			: debug_assign(words[i], find_in_key, key);

		if (bad)
			return tools_error("'%s' cannot be done to a key of type %s", words[i],
					   bch2_bkey_type_name(key->k.k.type));
	}
	return 0;
}

/* --- the commands; words[0] is the btree --- */

static int edit_delete(struct debug_edit *e, char **words, unsigned nr)
{
	struct debug_key key;
	struct change ch = { .k = &key.k };
	struct bpos pos;

	if (nr != 2)
		return tools_error("delete BTREE KEY");
	if (find_key(e, words[0], words[1], &ch.btree, &ch.level, &key))
		return 1;
	pos = key.k.k.p;
	key_init(e, &key);
	key.k.k.p = pos;
	return commit(e, &ch, 1);
}

static int edit_set(struct debug_edit *e, char **words, unsigned nr)
{
	struct debug_key key;
	struct change ch = { .k = &key.k };
	struct bpos pos;

	if (nr < 3)
		return tools_error("set BTREE KEY FIELD=VALUE...");
	if (find_key(e, words[0], words[1], &ch.btree, &ch.level, &key))
		return 1;
	pos = key.k.k.p;
	if (assign(&key, words + 2, nr - 2))
		return 1;
	if (!bpos_eq(pos, key.k.k.p))
		return tools_error("set does not change positions; use move");
	return commit(e, &ch, 1);
}

static int edit_insert(struct debug_edit *e, char **words, unsigned nr, bool extents)
{
	struct debug_key key;
	struct change ch = { .k = &key.k, .extents = extents };
	struct bpos pos;
	int type;

	if (nr < 3)
		return tools_error("insert BTREE POSITION TYPE [FIELD=VALUE...]");
	if (parse_btree(words[0], &ch.btree, &ch.level))
		return 1;
	type = bch2_bkey_type_parse(words[2]);
	if (!debug_parse_pos(words[1], POS_MIN, &pos) || type < 0)
		return tools_error("'%s %s' is not a position and a type", words[1], words[2]);
	if (extents && (ch.level || !btree_id_is_extents(ch.btree)))
		return tools_error("%s does not have extents", words[0]);

	key_init(e, &key);
	key.k.k.p	= pos;
	key.k.k.type	= type;
	set_bkey_val_bytes(&key.k.k, bch2_bkey_val_min_bytes(type));
	return assign(&key, words + 3, nr - 3) ?: commit(e, &ch, 1);
}

static int edit_copy(struct debug_edit *e, char **words, unsigned nr, bool move)
{
	struct debug_key key, old;
	struct change ch[2] = { { .k = &key.k }, { .k = &old.k } };

	if (nr < 3)
		return tools_error("copy|move BTREE KEY POSITION [FIELD=VALUE...]");
	if (find_key(e, words[0], words[1], &ch[0].btree, &ch[0].level, &key))
		return 1;
	ch[1].btree = ch[0].btree;
	ch[1].level = ch[0].level;
	key_init(e, &old);
	old.k.k.p = key.k.k.p;

	if (!debug_parse_pos(words[2], key.k.k.p, &key.k.k.p))
		return tools_error("'%s' is not a position", words[2]);
	return assign(&key, words + 3, nr - 3) ?: commit(e, ch, 1 + move);
}

static int edit_print(struct debug_edit *e, char **words, unsigned nr)
{
	struct printbuf out = PRINTBUF;
	unsigned btree, level;
	struct debug_key key;

	if (nr != 2)
		return tools_error("print BTREE KEY");
	if (find_key(e, words[0], words[1], &btree, &level, &key))
		return 1;
	bch2_bkey_val_to_text(&out, e->c, bkey_i_to_s_c(&key.k));
	puts(printbuf_str(&out));
	printbuf_exit(&out);
	return 0;
}

int debug_edit_get(struct debug_edit *e, char **words, unsigned nr, uint64_t *v)
{
	unsigned btree, level;
	struct debug_place place;
	struct debug_key key;

	if (nr != 3)
		return tools_error("let NAME BTREE KEY FIELD");
	if (find_key(e, words[0], words[1], &btree, &level, &key))
		return 1;
	if (!debug_field_of_key(&key, words[2], &place))
		return tools_error("keys of type %s have no field %s",
				   bch2_bkey_type_name(key.k.k.type), words[2]);
	*v = debug_place_get(&place);
	return 0;
}

bool debug_edit_is_key_command(const char *word)
{
	static const char *const commands[] = {
		"delete", "set", "insert", "overwrite", "copy", "move", "print",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i], word))
			return true;
	return false;
}

int debug_edit_keys(struct debug_edit *e, char **words, unsigned nr)
{
	const char *command = words[0];
	int ret = bch2_btree_write_buffer_flush_sync(e->trans);

	if (ret)
		return tools_error("the write buffer cannot be flushed: %s", tools_strerror(ret));
	bch2_trans_begin(e->trans);
	words++;
	nr--;
	if (!strcmp(command, "delete"))
		return edit_delete(e, words, nr);
	if (!strcmp(command, "set"))
		return edit_set(e, words, nr);
	if (!strcmp(command, "insert") || !strcmp(command, "overwrite"))
		return edit_insert(e, words, nr, *command == 'o');
	if (!strcmp(command, "copy") || !strcmp(command, "move"))
		return edit_copy(e, words, nr, *command == 'm');
	return edit_print(e, words, nr);
}
