/* SPDX-License-Identifier: GPL-2.0 */
/*
 * debug-edit: names of what can be changed in keys and superblocks, and the
 * changing of keys. For cmd_debug_edit.c.
 */
#ifndef _BCACHEFS_DEBUG_EDIT_H
#define _BCACHEFS_DEBUG_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bcachefs.h"

struct btree_trans;

/* Words that may stand for numbers in a field's value. */
enum debug_names {
	DEBUG_NAMES_none,
	DEBUG_NAMES_data_type,
	DEBUG_NAMES_btree,
	DEBUG_NAMES_key_type,
};

/* Where a number is: @bits from bit @lo of the little endian word of @bytes at @p. */
struct debug_place {
	uint8_t			*p;		/* NULL: computed, cannot be set */
	uint64_t		computed;
	unsigned		bytes;
	unsigned		lo;
	unsigned		bits;
	enum debug_names	names;
};

/* A key that is being changed; there is room behind it for the largest value. */
struct debug_key {
	struct bch_fs		*c;
	unsigned		shift;		/* of backpointer positions */
	union {
		struct bkey_i	k;
		uint64_t	words[U8_MAX + 1];
	};
};

/* The line that is being executed, and where it applies. */
struct debug_edit {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	unsigned		shift;
	bool			run_triggers;	/* this line: what follows from it happens */
	bool			unchecked;	/* this line: keys need not be valid */
};

/* --- values and fields (debug_edit_fields.c) --- */

/**
 * debug_parse_number() - a sum, difference, product or quotient, from left to right
 * @s:		text
 * @names:	which words are numbers
 * @v:		result
 *
 * Return: false: it is none.
 */
bool debug_parse_number(const char *s, enum debug_names names, uint64_t *v);

/**
 * debug_parse_pos() - inode:offset[:snapshot]; or "+N", "-N"
 * @s:		text
 * @base:	what "+N" and "-N" are relative to
 * @pos:	result
 *
 * Return: false: it is none.
 */
bool debug_parse_pos(const char *s, struct bpos base, struct bpos *pos);

/**
 * debug_field_of_key() - where a field of a key is
 * @k:		key; its value grows if it is too short for the field
 * @name:	name of the field
 * @place:	result
 *
 * Return: false: keys of its type have no such field.
 */
bool debug_field_of_key(struct debug_key *k, const char *name, struct debug_place *place);
/** debug_field_of_inode() - the same for those of inodes (debug_edit_inode.c) */
bool debug_field_of_inode(struct debug_key *k, const char *name, struct debug_place *place);
/** debug_field_of_sb() - the same for a superblock */
bool debug_field_of_sb(struct bch_sb *sb, const char *name, struct debug_place *place);
/** debug_field_of_member() - the same for a member */
bool debug_field_of_member(struct bch_member *m, const char *name, struct debug_place *place);

/** debug_place_get() - the number that is there */
uint64_t debug_place_get(const struct debug_place *place);
/** debug_place_set() - put another number there; false: it is computed */
bool debug_place_set(const struct debug_place *place, uint64_t v);

typedef bool (*debug_find_fn)(void *obj, const char *name, struct debug_place *place);
/**
 * debug_assign() - "field=value", "field+=value", "field-=value", "field^=value"
 * @word:	text
 * @find:	finds the field
 * @obj:	where
 *
 * Return: 0, or -1: it cannot be done.
 */
int debug_assign(const char *word, debug_find_fn find, void *obj);
/**
 * debug_condition() - "field=value", and the same with !=, <, >
 * @word:	text
 * @find:	finds the field
 * @obj:	where
 *
 * Return: whether it holds, not for objects without the field; -1: no condition.
 */
int debug_condition(const char *word, debug_find_fn find, void *obj);

/* --- lines that deal with keys (debug_edit_keys.c) --- */

/**
 * debug_edit_keys() - execute a line that deals with keys
 * @e:		filesystem and transaction
 * @words:	the line; the first is a command for keys
 * @nr:		how many
 *
 * Return: 0, or 1 after a message.
 */
int debug_edit_keys(struct debug_edit *e, char **words, unsigned nr);
/** debug_edit_is_key_command() - is @word a command for keys? */
bool debug_edit_is_key_command(const char *word);
/**
 * debug_edit_get() - the value of a field of a key
 * @e:		filesystem and transaction
 * @words:	btree, key, field
 * @nr:		how many
 * @v:		result
 *
 * Return: 0, or 1 after a message.
 */
int debug_edit_get(struct debug_edit *e, char **words, unsigned nr, uint64_t *v);

#endif /* _BCACHEFS_DEBUG_EDIT_H */
