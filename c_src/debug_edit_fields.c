// SPDX-License-Identifier: GPL-2.0
/*
 * debug-edit: numbers, positions, and the names of fields of keys, superblocks
 * and members.
 *
 * A field is a range of bits at a place in memory; setting one behind the end of
 * a value makes the value longer. Nothing here judges whether a value makes
 * sense: damage is the purpose.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/math.h>

#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/extent_entries.h"
#include "debug_edit.h"
#include "sb/field.h"
#include "sb/members.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* --- numbers --- */

static bool data_type_by_name(const char *s, uint64_t *v)
{
	for (unsigned i = 0; i < BCH_DATA_NR; i++) {
		struct printbuf name = PRINTBUF;
		bool same;

		bch2_data_type_to_text(&name, i);
		same = !strcmp(printbuf_str(&name), s);
		printbuf_exit(&name);
		if (same) {
			*v = i;
			return true;
		}
	}
	return false;
}

static bool number_by_name(const char *s, enum debug_names names, uint64_t *v)
{
	int id = -1;

	if (!strcmp(s, "U64_MAX")) {
		*v = UINT64_MAX;
		return true;
	}
	if (!strcmp(s, "U32_MAX")) {
		*v = UINT32_MAX;
		return true;
	}
	switch (names) {
	case DEBUG_NAMES_data_type:
		return data_type_by_name(s, v);
	case DEBUG_NAMES_btree:
		id = bch2_btree_id_parse(s);
		break;
	case DEBUG_NAMES_key_type:
		id = bch2_bkey_type_parse(s);
		break;
	default:
		break;
	}
	*v = id;
	return id >= 0;
}

static bool parse_term(const char **s, enum debug_names names, uint64_t *v)
{
	char word[64];
	size_t len = 0;
	char *end;

	if (isdigit((unsigned char) **s)) {
		*v = strtoull(*s, &end, 0);
		*s = end;
		return true;
	}
	while (isalnum((unsigned char) (*s)[len]) || (*s)[len] == '_')
		len++;
	if (!len || len >= sizeof(word))
		return false;
	memcpy(word, *s, len);
	word[len] = '\0';
	*s += len;
	return number_by_name(word, names, v);
}

bool debug_parse_number(const char *s, enum debug_names names, uint64_t *v)
{
	uint64_t sum = 0, n;
	char op = '+';

	if (*s == '-')
		op = *s++;
	while (parse_term(&s, names, &n)) {
		switch (op) {
		case '+':
			sum += n;
			break;
		case '-':
			sum -= n;
			break;
		case '*':
			sum *= n;
			break;
		default:
			if (!n)
				return false;
			sum /= n;
			break;
		}
		if (!*s) {
			*v = sum;
			return true;
		}
		if (!strchr("+-*/", *s))
			return false;
		op = *s++;
	}
	return false;
}

bool debug_parse_pos(const char *s, struct bpos base, struct bpos *pos)
{
	uint64_t n[3] = {};
	unsigned nr = 0;
	char *copy, *at, *word;
	bool ok = true;

	if (!bch2_parse_bpos(s, pos))
		return true;
	if (*s == '+' || *s == '-') {
		if (!debug_parse_number(s + 1, DEBUG_NAMES_none, &n[0]))
			return false;
		*pos = base;
		pos->offset = *s == '+' ? base.offset + n[0] : base.offset - n[0];
		return true;
	}
	at = copy = strdup(s);
	while (ok && (word = strsep(&at, ":")))
		ok = nr < 3 && debug_parse_number(word, DEBUG_NAMES_none, &n[nr++]);
	free(copy);
	*pos = SPOS(n[0], n[1], n[2]);
	return ok && nr >= 2 && n[2] <= UINT32_MAX;
}

/* --- places --- */

uint64_t debug_place_get(const struct debug_place *place)
{
	uint64_t w = 0;

	if (!place->p)
		return place->computed;
	for (unsigned i = place->bytes; i--;)
		w = w << 8 | place->p[i];
	w >>= place->lo;
	return place->bits < 64 ? w & ((1ULL << place->bits) - 1) : w;
}

bool debug_place_set(const struct debug_place *place, uint64_t v)
{
	const uint64_t mask = place->bits < 64 ? (1ULL << place->bits) - 1 : ~0ULL;
	uint64_t w = 0;

	if (!place->p)
		return false;
	for (unsigned i = place->bytes; i--;)
		w = w << 8 | place->p[i];
	w = (w & ~(mask << place->lo)) | (v & mask) << place->lo;
	for (unsigned i = 0; i < place->bytes; i++)
		place->p[i] = w >> (8 * i);
	return true;
}

/* --- tables --- */

struct field {
	const char		*name;
	uint16_t		offset;
	uint8_t			bytes;
	uint8_t			lo, bits;	/* 0 bits: all */
	enum debug_names	names;
};

#define F(_struct, _member)							\
	{ #_member, offsetof(struct _struct, _member),				\
	  sizeof(((struct _struct *) NULL)->_member), 0, 0, DEBUG_NAMES_none }
#define F_NAMED(_struct, _member, _names)					\
	{ #_member, offsetof(struct _struct, _member),				\
	  sizeof(((struct _struct *) NULL)->_member), 0, 0, DEBUG_NAMES_##_names }
#define F_AS(_name, _struct, _member)						\
	{ _name, offsetof(struct _struct, _member),				\
	  sizeof(((struct _struct *) NULL)->_member), 0, 0, DEBUG_NAMES_none }
#define F_BITS(_name, _struct, _member, _lo, _end)				\
	{ _name, offsetof(struct _struct, _member),				\
	  sizeof(((struct _struct *) NULL)->_member), _lo, (_end) - (_lo), DEBUG_NAMES_none }

static const struct field key_fields[] = {
	F_AS("inode",		bkey, p.inode),
	F_AS("offset",		bkey, p.offset),
	F_AS("snapshot",	bkey, p.snapshot),
	F_NAMED(bkey, type, key_type),
	F(bkey, size),
	F_AS("version",		bkey, bversion.lo),
	{}
};

static const struct field alloc_v4_fields[] = {
	F(bch_alloc_v4, journal_seq_nonempty),
	F_BITS("need_discard",	bch_alloc_v4, flags, 0, 1),
	F_BITS("need_inc_gen",	bch_alloc_v4, flags, 1, 2),
	F(bch_alloc_v4, gen),
	F(bch_alloc_v4, oldest_gen),
	F_NAMED(bch_alloc_v4, data_type, data_type),
	F(bch_alloc_v4, dirty_sectors),
	F(bch_alloc_v4, cached_sectors),
	F_AS("io_time_read",	bch_alloc_v4, io_time[0]),
	F_AS("io_time_write",	bch_alloc_v4, io_time[1]),
	F(bch_alloc_v4, stripe_refcount),
	F(bch_alloc_v4, journal_seq_empty),
	F(bch_alloc_v4, stripe_sectors),
	{}
};

static const struct field backpointer_fields[] = {
	F_NAMED(bch_backpointer, btree_id, btree),
	F(bch_backpointer, level),
	F_NAMED(bch_backpointer, data_type, data_type),
	F(bch_backpointer, bucket_gen),
	F(bch_backpointer, flags),
	F(bch_backpointer, bucket_len),
	F(bch_backpointer, pos.inode),
	F(bch_backpointer, pos.offset),
	F(bch_backpointer, pos.snapshot),
	{}
};

static const struct field stripe_fields[] = {
	F(bch_stripe, sectors),
	F(bch_stripe, algo_flags),
	F(bch_stripe, nr_blocks),
	F(bch_stripe, nr_redundant),
	F(bch_stripe, csum_granularity_bits),
	F(bch_stripe, csum_type),
	F(bch_stripe, disk_label),
	{}
};

static const struct field reflink_p_fields[] = {
	F_BITS("idx",		bch_reflink_p, idx_flags, 0, 56),
	F_BITS("error",		bch_reflink_p, idx_flags, 56, 57),
	F(bch_reflink_p, front_pad),
	F(bch_reflink_p, back_pad),
	{}
};

static const struct field reflink_v_fields[] = {
	F(bch_reflink_v, refcount),
	{}
};

static const struct field reservation_fields[] = {
	F(bch_reservation, generation),
	F(bch_reservation, nr_replicas),
	{}
};

static const struct field snapshot_fields[] = {
	F(bch_snapshot, flags),
	F(bch_snapshot, parent),
	F_AS("child[0]",	bch_snapshot, children[0]),
	F_AS("child[1]",	bch_snapshot, children[1]),
	F(bch_snapshot, subvol),
	F(bch_snapshot, tree),
	F(bch_snapshot, depth),
	F_AS("skip[0]",		bch_snapshot, skip[0]),
	F_AS("skip[1]",		bch_snapshot, skip[1]),
	F_AS("skip[2]",		bch_snapshot, skip[2]),
	{}
};

static const struct field snapshot_tree_fields[] = {
	F(bch_snapshot_tree, master_subvol),
	F(bch_snapshot_tree, root_snapshot),
	{}
};

static const struct field subvolume_fields[] = {
	F(bch_subvolume, flags),
	F(bch_subvolume, snapshot),
	F_AS("root_inode",	bch_subvolume, inode),
	F(bch_subvolume, creation_parent),
	F(bch_subvolume, fs_path_parent),
	{}
};

static const struct field sb_fields[] = {
	F(bch_sb, version),
	F(bch_sb, version_min),
	F(bch_sb, block_size),
	F_AS("features",	bch_sb, features[0]),
	F_AS("compat",		bch_sb, compat[0]),
	F_BITS("initialized",	bch_sb, flags[0], 0, 1),
	F_BITS("clean",		bch_sb, flags[0], 1, 2),
	F_BITS("has_errors",	bch_sb, flags[0], 60, 61),
	F_BITS("has_topology_errors", bch_sb, flags[0], 61, 62),
	F_BITS("version_upgrade_complete", bch_sb, flags[5], 0, 16),
	F_BITS("version_incompat", bch_sb, flags[5], 32, 48),
	F_BITS("version_incompat_allowed", bch_sb, flags[5], 48, 64),
	F_BITS("extent_bp_shift", bch_sb, flags[6], 40, 48),
	{}
};

static const struct field sb_ext_fields[] = {
	F_AS("recovery_passes_required", bch_sb_field_ext, recovery_passes_required[0]),
	F(bch_sb_field_ext, btrees_lost_data),
	{}
};

static const struct field member_fields[] = {
	F_AS("uuid_lo",		bch_member, uuid.b[0]),
	F(bch_member, nbuckets),
	F(bch_member, first_bucket),
	F(bch_member, bucket_size),
	F(bch_member, btree_bitmap_shift),
	F(bch_member, btree_allocated_bitmap),
	F(bch_member, flags),
	F(bch_member, last_journal_bucket),
	F(bch_member, last_journal_bucket_offset),
	F_BITS("state",		bch_member, flags, 0, 4),
	F_BITS("discard",	bch_member, flags, 14, 15),
	F_BITS("data_allowed",	bch_member, flags, 15, 20),
	F_BITS("durability",	bch_member, flags, 28, 30),
	F_BITS("freespace_initialized", bch_member, flags, 30, 31),
	F_BITS("rotational",	bch_member, flags, 32, 33),
	F_BITS("rotational_set", bch_member, flags, 33, 34),
	F_BITS("init_state",	bch_member, flags, 34, 38),
	{}
};

static const struct field *fields_of_type(unsigned type)
{
	switch (type) {
	case KEY_TYPE_alloc_v4:		return alloc_v4_fields;
	case KEY_TYPE_backpointer:	return backpointer_fields;
	case KEY_TYPE_stripe:		return stripe_fields;
	case KEY_TYPE_reflink_p:	return reflink_p_fields;
	case KEY_TYPE_reflink_v:	return reflink_v_fields;
	case KEY_TYPE_reservation:	return reservation_fields;
	case KEY_TYPE_snapshot:		return snapshot_fields;
	case KEY_TYPE_snapshot_tree:	return snapshot_tree_fields;
	case KEY_TYPE_subvolume:	return subvolume_fields;
	default:			return NULL;
	}
}

static const struct field *field_by_name(const struct field *t, const char *name)
{
	for (; t && t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static bool field_place(const struct field *t, const char *name, void *base,
			struct debug_place *place)
{
	const struct field *f = field_by_name(t, name);

	if (!f)
		return false;
	*place = (struct debug_place) {
		.p	= (uint8_t *) base + f->offset,
		.bytes	= f->bytes,
		.lo	= f->lo,
		.bits	= f->bits ?: 8 * f->bytes,
		.names	= f->names,
	};
	return true;
}

/* --- fields of keys --- */

/* A number of @bytes at @offset in the value, which grows if need be. */
static bool value_place(struct debug_key *k, unsigned offset, unsigned bytes,
			struct debug_place *place)
{
	const unsigned end = offset + bytes;

	if (offset > 8 * U8_MAX || DIV_ROUND_UP(end, 8) + BKEY_U64s > U8_MAX)
		return false;
	if (end > bkey_val_bytes(&k->k.k))
		set_bkey_val_bytes(&k->k.k, end);
	*place = (struct debug_place) {
		.p	= (uint8_t *) &k->k.v + offset,
		.bytes	= bytes,
		.bits	= 8 * bytes,
	};
	return true;
}

/* u8@N, u16@N, u32@N, u64@N: whatever is at byte N of the value. */
static bool raw_place(struct debug_key *k, const char *name, struct debug_place *place)
{
	unsigned bits, offset;
	int len = 0;

	return sscanf(name, "u%u@%u%n", &bits, &offset, &len) == 2 && !name[len] &&
		(bits == 8 || bits == 16 || bits == 32 || bits == 64) &&
		value_place(k, offset, bits / 8, place);
}

/* The N-th pointer, or checksum entry, of the value. */
static uint8_t *nth_entry(struct debug_key *k, unsigned nr, bool crc, unsigned *type)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(&k->k));
	const union bch_extent_entry *e;

	if (!bkey_type_has_ptrs(k->k.k.type))
		return NULL;
	bkey_extent_entry_for_each(ptrs, e) {
		if (crc ? !extent_entry_is_crc(e) : !extent_entry_is_ptr(e))
			continue;
		if (!nr--) {
			*type = extent_entry_type(e);
			return (uint8_t *) e;
		}
	}
	return NULL;
}

static bool ptr_place(struct debug_key *k, unsigned nr, const char *sub,
		      struct debug_place *place)
{
	static const struct {
		const char	*name;
		uint8_t		lo, end;
	} parts[] = {
		{ "cached", 1, 2 }, { "unwritten", 3, 4 }, { "offset", 4, 48 },
		{ "dev", 48, 56 }, { "gen", 56, 64 },
	};
	unsigned type;
	uint8_t *p = nth_entry(k, nr, false, &type);
	const struct bch_extent_ptr *ptr = (void *) p;

	for (unsigned i = 0; p && i < ARRAY_SIZE(parts); i++)
		if (!strcmp(parts[i].name, sub)) {
			*place = (struct debug_place) {
				.p = p, .bytes = 8, .lo = parts[i].lo,
				.bits = parts[i].end - parts[i].lo,
			};
			return true;
		}
	if (p && !strcmp(sub, "bucket")) {
		const struct bch_dev *ca = bch2_dev(k->c, EXTENT_PTR_DEV(ptr));

		*place = (struct debug_place) {
			.computed = ca ? sector_to_bucket(ca, EXTENT_PTR_OFFSET(ptr)) : U64_MAX,
		};
		return true;
	}
	return false;
}

static bool crc_place(struct debug_key *k, unsigned nr, struct debug_place *place)
{
	unsigned type;
	uint8_t *p = nth_entry(k, nr, true, &type);
	const bool crc32 = p && type == BCH_EXTENT_ENTRY_crc32;

	if (!p)
		return false;
	*place = (struct debug_place) {
		.p	= p + (crc32 ? 4 : 8),
		.bytes	= crc32 ? 4 : 8,
		.bits	= crc32 ? 32 : 64,
	};
	return true;
}

/* Fields with a number: gens[N], counter[N], name[N], blockcount[N], ptr[N].x, crc[N].csum */
static bool indexed_place(struct debug_key *k, const char *name, struct debug_place *place)
{
	const unsigned type = k->k.k.type;
	char array[16], sub[16] = "";
	unsigned nr;

	if (sscanf(name, "%15[a-z][%u].%15s", array, &nr, sub) < 2 || !strchr(name, ']'))
		return false;
	if (!strcmp(array, "ptr"))
		return ptr_place(k, nr, sub, place);
	if (!strcmp(array, "crc") && !strcmp(sub, "csum"))
		return crc_place(k, nr, place);
	if (type == KEY_TYPE_bucket_gens && !strcmp(array, "gens"))
		return nr < 256 && value_place(k, nr, 1, place);
	if (type == KEY_TYPE_accounting && !strcmp(array, "counter"))
		return nr < 3 && value_place(k, nr * 8, 8, place);
	if (type == KEY_TYPE_accounting && !strcmp(array, "name") && nr < sizeof(struct bpos)) {
		/* the name is the position, backwards (spec 41 section 2.1) */
		*place = (struct debug_place) {
			.p	= (uint8_t *) &k->k.k.p + sizeof(struct bpos) - 1 - nr,
			.bytes	= 1,
			.bits	= 8,
		};
		return true;
	}
	if (type == KEY_TYPE_stripe && !strcmp(array, "blockcount"))
		return value_place(k, stripe_blockcount_offset((void *) &k->k.v, nr), 2, place);
	return false;
}

/* The bucket that a backpointer's position is in. */
static bool bucket_place(struct debug_key *k, struct debug_place *place)
{
	const struct bch_dev *ca = k->k.k.p.inode < BCH_SB_MEMBERS_MAX
		? bch2_dev(k->c, k->k.k.p.inode) : NULL;

	if (k->k.k.type != KEY_TYPE_backpointer)
		return false;
	*place = (struct debug_place) {
		.computed = ca ? backpointer_pos_bucket(k->k.k.p, k->shift,
							ca->mi.bucket_size).offset : U64_MAX,
	};
	return true;
}

bool debug_field_of_key(struct debug_key *k, const char *name, struct debug_place *place)
{
	const struct field *t = fields_of_type(k->k.k.type);
	const struct field *f;

	if (field_place(key_fields, name, &k->k.k, place) || raw_place(k, name, place))
		return true;
	f = field_by_name(t, name);
	if (f)
		return value_place(k, f->offset, f->bytes, place) &&
			field_place(t, name, &k->k.v, place);
	return (!strcmp(name, "bucket") && bucket_place(k, place)) ||
		indexed_place(k, name, place) || debug_field_of_inode(k, name, place);
}

/* --- fields of superblocks --- */

bool debug_field_of_sb(struct bch_sb *sb, const char *name, struct debug_place *place)
{
	struct bch_sb_field_ext *ext = bch2_sb_field_get(sb, ext);
	const struct field *f = field_by_name(sb_ext_fields, name);

	if (f && ext && bch2_sb_field_bytes(&ext->field) >= f->offset + f->bytes)
		return field_place(sb_ext_fields, name, ext, place);
	return field_place(sb_fields, name, sb, place);
}

bool debug_field_of_member(struct bch_member *m, const char *name, struct debug_place *place)
{
	return field_place(member_fields, name, m, place);
}

/* --- assignments and conditions --- */

/* Splits "name<op>value": the operator, its first character and length. False: there is none. */
static bool split_word(const char *word, const char *ops, char *name, size_t size,
		       char *op, const char **value)
{
	const size_t len = strcspn(word, ops);
	const char *at = word + len;

	if (!*at || !len || len >= size)
		return false;
	memcpy(name, word, len);
	name[len] = '\0';
	*op = *at++;
	if (*op != '=' && *at == '=')
		at++;
	else if (*op != '=' && *op != '<' && *op != '>')
		return false;
	*value = at;
	return true;
}

int debug_assign(const char *word, debug_find_fn find, void *obj)
{
	struct debug_place place;
	const char *value;
	char name[64], op;
	uint64_t v, old;

	if (!split_word(word, "=+-^", name, sizeof(name), &op, &value) ||
	    !find(obj, name, &place) ||
	    !debug_parse_number(value, place.names, &v))
		return -1;
	old = debug_place_get(&place);
	switch (op) {
	case '+':
		v = old + v;
		break;
	case '-':
		v = old - v;
		break;
	case '^':
		v = old ^ v;
		break;
	}
	return debug_place_set(&place, v) ? 0 : -1;
}

int debug_condition(const char *word, debug_find_fn find, void *obj)
{
	struct debug_place place;
	const char *value;
	char name[64], op;
	uint64_t v, have;

	if (!split_word(word, "=!<>", name, sizeof(name), &op, &value))
		return -1;
	/* a key of another type does not have the field: it is not meant */
	if (!find(obj, name, &place))
		return 0;
	if (!debug_parse_number(value, place.names, &v))
		return -1;
	have = debug_place_get(&place);
	switch (op) {
	case '!':
		return have != v;
	case '<':
		return have < v;
	case '>':
		return have > v;
	default:
		return have == v;
	}
}
