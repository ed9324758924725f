// SPDX-License-Identifier: GPL-2.0
/*
 * Taking what users wrote out of journal buckets and btree nodes.
 *
 * Invariant: what comes out was understood, down to the keys, and cleared where
 * it had to be; blocks that could not be understood - no magic, wrong checksum,
 * lengths that do not fit - come out as zeros, because they may hold anything.
 * What is encrypted and cannot be decrypted stays as it is. Entries and sets
 * that were changed lose their checksum and need none to be valid.
 */
#include <string.h>

#include <linux/math.h>

#include "bcachefs.h"
#include "dump_sanitize.h"

static size_t block_bytes(const struct dump_sanitizer *s)
{
	return bch2_block_bytes(s->c);
}

static void drop(struct dump_sanitizer *s, void *buf, size_t len)
{
	memset(buf, 0, len);
	s->blocks_dropped += len / block_bytes(s);
}

/* @skip bytes of the value stay, the rest becomes @fill. */
static bool clear_value(void *val, size_t bytes, size_t skip, int fill)
{
	if (bytes <= skip)
		return false;
	memset((char *) val + skip, fill, bytes - skip);
	return true;
}

static bool clear_xattr(void *val, size_t bytes)
{
	const struct bch_xattr *x = val;
	const size_t head = offsetof(struct bch_xattr, x_name_and_value);

	return clear_value(val, bytes, bytes < head ? 0 : head + x->x_name_len, 0);
}

/* Clear what has to go of a value; true if it changed. */
static bool sanitize_value(const struct dump_sanitizer *s, unsigned type, void *val, size_t bytes)
{
	switch (type) {
	case KEY_TYPE_inline_data:
		return clear_value(val, bytes, 0, 0);
	case KEY_TYPE_indirect_inline_data:
		return clear_value(val, bytes, offsetof(struct bch_indirect_inline_data, data), 0);
	case KEY_TYPE_dirent:
		return s->level >= DUMP_SANITIZE_filenames &&
			clear_value(val, bytes, offsetof(struct bch_dirent, d_name), 'X');
	case KEY_TYPE_xattr:
		return s->level >= DUMP_SANITIZE_xattrs && clear_xattr(val, bytes);
	default:
		return false;
	}
}

enum unlocked {
	UNLOCKED_BAD,		/* damaged */
	UNLOCKED_NO_KEY,	/* encrypted, and it stays so */
	UNLOCKED_PLAIN,
	UNLOCKED_DECRYPTED,
};

/*
 * Check the checksum of @len bytes at @p, whose first 16 are the checksum
 * itself. Without a key nothing can be said about what is encrypted.
 */
static enum unlocked check(struct dump_sanitizer *s, unsigned type, struct nonce nonce,
			   const void *p, size_t len)
{
	const struct bch_key *key = s->c->has_key ? &s->c->chacha20_key : NULL;
	const size_t skip = sizeof(struct bch_csum);
	bool encrypted = bch2_csum_type_is_encryption(type);
	struct bch_csum csum;

	if (type >= BCH_CSUM_NR)
		return UNLOCKED_BAD;
	if (encrypted && !key) {
		s->nr_encrypted++;
		return UNLOCKED_NO_KEY;
	}

	memcpy(&csum, p, sizeof(csum));
	if (type != BCH_CSUM_none &&
	    bch2_checksum_verify(type, nonce, key, (const char *) p + skip, len - skip, csum))
		return UNLOCKED_BAD;
	return encrypted ? UNLOCKED_DECRYPTED : UNLOCKED_PLAIN;
}

static void decrypt(const struct dump_sanitizer *s, unsigned type, struct nonce nonce,
		    void *p, size_t len)
{
	bch2_encrypt(type, nonce, &s->c->chacha20_key, p, len);
}

/* --- journal --- */

static bool sanitize_unpacked(struct dump_sanitizer *s, void *start, void *end)
{
	bool changed = false;
	__le64 *p = start, *e = end;

	while (e - p >= (ptrdiff_t) BKEY_U64s) {
		struct bkey_i *k = (struct bkey_i *) p;
		unsigned u64s = k->k.u64s;

		if (u64s < BKEY_U64s || u64s > e - p)
			break;
		changed |= sanitize_value(s, k->k.type, &k->v, bkey_val_bytes(&k->k));
		p += u64s;
	}

	/* What is not a key might be anything. */
	if (p < e) {
		memset(p, 0, (char *) e - (char *) p);
		changed = true;
	}
	return changed;
}

static bool sanitize_jset_entries(struct dump_sanitizer *s, struct jset *j)
{
	char *p = (char *) jset_entries_start(j), *end = (char *) jset_entries_end(j);
	bool changed = false;

	while (end - p >= (ptrdiff_t) sizeof(struct jset_entry)) {
		struct jset_entry *e = (struct jset_entry *) p;
		size_t bytes = jset_entry_bytes(e);

		if (bytes > (size_t) (end - p))
			break;
		if (jset_entry_type_has_keys(e->type))
			changed |= sanitize_unpacked(s, jset_entry_data(e), p + bytes);
		p += bytes;
	}

	if (p < end) {
		memset(p, 0, end - p);
		changed = true;
	}
	return changed;
}

/* The entry at the start of @buf: bytes dealt with, 0 if there is none. */
static size_t sanitize_jset(struct dump_sanitizer *s, void *buf, size_t len)
{
	struct jset *j = buf;
	struct nonce nonce;
	enum unlocked state;
	unsigned type;
	bool changed;
	uint64_t bytes;

	if (len < sizeof(*j) || le64_to_cpu(j->magic) != bch2_sb_jset_magic(s->c->disk_sb.sb))
		return 0;
	bytes = jset_bytes(j);
	if (bytes > len)
		return 0;

	type = JSET_CSUM_TYPE(j);
	nonce = bch2_journal_nonce(le64_to_cpu(j->seq));
	state = check(s, type, nonce, j, bytes);
	if (state == UNLOCKED_BAD)
		return 0;

	if (state != UNLOCKED_NO_KEY) {
		changed = state == UNLOCKED_DECRYPTED;
		if (changed)
			decrypt(s, type, nonce, buf + JSET_CRYPT_OFFSET,
				bytes - JSET_CRYPT_OFFSET);
		changed |= sanitize_jset_entries(s, j);
		if (changed) {
			SET_JSET_CSUM_TYPE(j, BCH_CSUM_none);
			memset(&j->csum, 0, sizeof(j->csum));
		}
	}

	/* The rest of the last block is padding. */
	if (len > round_up(bytes, block_bytes(s)))
		len = round_up(bytes, block_bytes(s));
	memset(buf + bytes, 0, len - bytes);
	return len;
}

/**
 * dump_sanitize_journal() - clear what users wrote in a journal bucket
 * @s:		what to clear; counts what was dropped
 * @buf:	the whole bucket, changed in place
 * @len:	bytes, a multiple of the block size
 */
void dump_sanitize_journal(struct dump_sanitizer *s, void *buf, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		size_t n = sanitize_jset(s, buf + pos, len - pos);

		if (!n) {
			n = block_bytes(s) < len - pos ? block_bytes(s) : len - pos;
			drop(s, buf + pos, n);
		}
		pos += n;
	}
}

/* --- btree nodes --- */

/* Keys of a set, packed with a format of @key_u64s words or not. */
static bool sanitize_bset(struct dump_sanitizer *s, struct bset *i, unsigned key_u64s)
{
	__le64 *p = (__le64 *) bset_bkeys_start(i), *end = (__le64 *) bset_bkeys_end(i);
	bool changed = false;

	while (p < end) {
		struct bkey_packed *k = (struct bkey_packed *) p;
		unsigned head = k->format == KEY_FORMAT_LOCAL_BTREE ? key_u64s : BKEY_U64s;

		if (!head || k->u64s < head || k->u64s > end - p)
			break;
		changed |= sanitize_value(s, k->type, p + head,
					  (k->u64s - head) * sizeof(*p));
		p += k->u64s;
	}

	if (p < end) {
		memset(p, 0, (char *) end - (char *) p);
		changed = true;
	}
	return changed;
}

static void set_without_csum(struct bset *i, struct bch_csum *csum)
{
	SET_BSET_CSUM_TYPE(i, BCH_CSUM_none);
	memset(csum, 0, sizeof(*csum));
}

/* The first set with its header: bytes dealt with, 0 if this is no node. */
static size_t sanitize_first_set(struct dump_sanitizer *s, void *buf, size_t len)
{
	struct btree_node *n = buf;
	struct bset *i = &n->keys;
	enum unlocked state;
	struct nonce nonce;
	unsigned type;
	size_t bytes;
	bool changed;

	if (len < sizeof(*n) || le64_to_cpu(n->magic) != bch2_sb_bset_magic(s->c->disk_sb.sb))
		return 0;
	bytes = btree_node_first_bytes(n);
	if (bytes > len)
		return 0;

	type = BSET_CSUM_TYPE(i);
	nonce = bch2_btree_nonce(0, le64_to_cpu(i->seq), le64_to_cpu(i->journal_seq));
	state = check(s, type, nonce, n, bytes);
	if (state == UNLOCKED_BAD)
		return 0;
	if (state == UNLOCKED_NO_KEY)
		return bytes;

	changed = state == UNLOCKED_DECRYPTED;
	if (changed) {
		decrypt(s, type, nonce, buf + BTREE_NODE_CRYPT_OFFSET, BTREE_NODE_CRYPT_BYTES);
		decrypt(s, type, nonce_add(nonce, round_up(BTREE_NODE_CRYPT_BYTES, 64)),
			i->_data, bytes - sizeof(*n));
	}
	changed |= sanitize_bset(s, i, n->format.key_u64s);
	if (changed)
		set_without_csum(i, &n->csum);
	return bytes;
}

/* A later set at @offset of the node. */
static size_t sanitize_later_set(struct dump_sanitizer *s, const struct btree_node *n,
				 void *buf, size_t offset, size_t len)
{
	struct btree_node_entry *e = buf;
	struct bset *i = &e->keys;
	enum unlocked state;
	struct nonce nonce;
	unsigned type;
	size_t bytes;
	bool changed;

	if (len < sizeof(*e) || i->seq != n->keys.seq)
		return 0;
	bytes = btree_node_entry_bytes(e);
	if (bytes > len)
		return 0;

	type = BSET_CSUM_TYPE(i);
	nonce = bch2_btree_nonce(offset, le64_to_cpu(i->seq), le64_to_cpu(i->journal_seq));
	state = check(s, type, nonce, e, bytes);
	if (state == UNLOCKED_BAD)
		return 0;
	if (state == UNLOCKED_NO_KEY)
		return bytes;

	changed = state == UNLOCKED_DECRYPTED;
	if (changed)
		decrypt(s, type, nonce, i->_data, bytes - sizeof(*e));
	changed |= sanitize_bset(s, i, n->format.key_u64s);
	if (changed)
		set_without_csum(i, &e->csum);
	return bytes;
}

/**
 * dump_sanitize_node() - clear what users wrote in a btree node
 * @s:		what to clear; counts what was dropped
 * @buf:	the whole node, changed in place
 * @len:	bytes
 */
void dump_sanitize_node(struct dump_sanitizer *s, void *buf, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		size_t n = pos
			? sanitize_later_set(s, buf, buf + pos, pos, len - pos)
			: sanitize_first_set(s, buf, len);
		size_t end;

		if (!n)
			break;

		end = round_up(pos + n, block_bytes(s));
		if (end > len)
			end = len;
		memset(buf + pos + n, 0, end - (pos + n));
		pos = end;
	}

	/* Nothing behind the last set is ever looked at; it may be old user data. */
	if (!pos)
		drop(s, buf, len);
	else
		memset(buf + pos, 0, len - pos);
}
