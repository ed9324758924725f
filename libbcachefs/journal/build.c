// SPDX-License-Identifier: GPL-2.0
/*
 * From the words that updates left in a closed entry to the bytes that go to the
 * devices (spec 30 sections 3, 4, 6, 16.2).
 *
 * Invariants. What is written has no record of type 11 (WB-0), has a root for
 * every btree that has one (16.1 rule 8), and passes validation; an entry that
 * does not is refused. The descriptions of roots, c->btree.roots, change here
 * and nowhere else while the journal runs, in the order of entries (spec 21
 * section 12).
 *
 * Called by the writer thread; a closed entry without reservations is its own.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/validate.h"
#include "journal/writer_priv.h"
#include "util/log.h"

/* --- records the writer adds --- */

static struct jset_entry *record_start(u64 *p, unsigned type, unsigned btree_id, unsigned level,
				       unsigned u64s)
{
	struct jset_entry *e = (struct jset_entry *) p;

	memset(e, 0, (1 + u64s) * sizeof(u64));
	e->u64s		= cpu_to_le16(u64s);
	e->btree_id	= btree_id;
	e->level	= level;
	e->type		= type;
	return e;
}

/* One word of payload. */
static u64 *record_u64(u64 *p, unsigned type, unsigned btree_id, u64 v)
{
	record_start(p, type, btree_id, 0, 1);
	*(__le64 *) (p + 1) = cpu_to_le64(v);
	return p + 2;
}

static u64 *record_clock(struct bch_fs *c, u64 *p, unsigned rw)
{
	struct jset_entry *e = record_start(p, BCH_JSET_ENTRY_clock, 0, 0, 2);
	struct jset_entry_clock *clock = container_of(e, struct jset_entry_clock, entry);

	clock->rw	= rw;
	clock->time	= cpu_to_le64(atomic64_read(&c->alloc.io_clock[rw]));
	return p + 3;
}

/**
 * journal_usage_add - records of the key version and the clocks
 * @c:	filesystem
 * @p:	where, with room for JOURNAL_TAIL_FIXED_U64s
 *
 * Return: the first word behind them.
 */
u64 *journal_usage_add(struct bch_fs *c, u64 *p)
{
	p = record_u64(p, BCH_JSET_ENTRY_usage, BCH_FS_USAGE_key_version,
		       atomic64_read(&c->key_version));
	p = record_clock(c, p, 0);
	return record_clock(c, p, 1);
}

/**
 * journal_roots_add - a record for every btree that has a root
 * @c:		filesystem
 * @p:		where, with room for a root of each
 * @have:	btrees to leave out: bitmap of BTREE_ID_NR_MAX bits, or NULL
 *
 * Return: the first word behind them.
 */
u64 *journal_roots_add(struct bch_fs *c, u64 *p, const unsigned long *have)
{
	spin_lock(&c->btree.root_lock);
	for (unsigned i = 0; i < BTREE_ID_NR_MAX; i++) {
		const struct btree_root *r = &c->btree.roots[i];
		const unsigned u64s = r->key.k.u64s;

		if (!r->alive || u64s < BKEY_U64s || u64s > BKEY_BTREE_PTR_U64s_MAX ||
		    (have && test_bit(i, have)))
			continue;
		record_start(p, BCH_JSET_ENTRY_btree_root, i, r->level, u64s);
		memcpy(p + 1, &r->key, u64s * sizeof(u64));
		p += 1 + u64s;
	}
	spin_unlock(&c->btree.root_lock);
	return p;
}

/**
 * journal_tail_max - words that all of these records can take
 * @c:	filesystem; btrees of unknown numbers are known by now
 */
u32 journal_tail_max(struct bch_fs *c)
{
	unsigned nr = BTREE_ID_NR;

	for (unsigned i = BTREE_ID_NR; i < BTREE_ID_NR_MAX; i++)
		nr += c->btree.roots[i].alive;
	return JOURNAL_TAIL_FIXED_U64s + nr * JOURNAL_ROOT_U64s;
}

/* --- records of updates --- */

/* A transaction has set a root: this is how it is on disk from now on. */
static int root_describe(struct bch_fs *c, const struct jset_entry *e)
{
	const struct bkey_i *k = jset_entry_key_at(e, jset_entry_first_key(e));
	const unsigned u64s = le16_to_cpu(e->u64s);
	struct btree_root *r;

	if (e->btree_id >= BTREE_ID_NR_MAX || !k || k->k.u64s != u64s ||
	    u64s > BKEY_BTREE_PTR_U64s_MAX)
		return -BCH_ERR_journal_entry_bad;

	r = &c->btree.roots[e->btree_id];
	spin_lock(&c->btree.root_lock);
	memcpy(&r->key, k, u64s * sizeof(u64));
	r->level = e->level;
	r->alive = true;
	spin_unlock(&c->btree.root_lock);
	return 0;
}

/* Take out what is empty, convert what is in memory only; sets buf->used. */
static int records_compact(struct bch_fs *c, struct journal_buf *buf, unsigned long *have)
{
	u64 *start = bch2_journal_buf_start(buf), *end = start + buf->used, *out = start;
	struct jset_entry *e;
	int ret;

	for (u64 *p = start, *next; p < end; p = next) {
		e = jset_entry_at((struct jset_entry *) p, end);
		if (!e)
			return -BCH_ERR_journal_entry_bad;
		next = (u64 *) jset_entry_next(e);
		if (!e->u64s)
			continue;

		if (e->type == BCH_JSET_ENTRY_write_buffer_keys)
			e->type = BCH_JSET_ENTRY_btree_keys;
		buf->has_keys |= e->type == BCH_JSET_ENTRY_btree_keys;
		if (e->type == BCH_JSET_ENTRY_btree_root) {
			ret = root_describe(c, e);
			if (ret)
				return ret;
			__set_bit(e->btree_id, have);
		}
		if (out != p)
			memmove(out, p, (next - p) * sizeof(u64));
		out += next - p;
	}
	buf->used = out - start;
	return 0;
}

static unsigned csum_type(const struct bch_fs *c)
{
	return c->sb.encryption_type ? BCH_CSUM_chacha20_poly1305_128
				     : bch2_csum_opt_to_type(c->opts.metadata_checksum, false);
}

static void header_fill(struct bch_fs *c, struct journal_buf *buf, u32 u64s)
{
	struct jset *j = buf->data;

	memset(j, 0, sizeof(*j));
	j->magic	= cpu_to_le64(c->journal.w->magic);
	j->seq		= cpu_to_le64(buf->seq);
	j->version	= cpu_to_le32(c->sb.version);
	j->u64s		= cpu_to_le32(u64s);
	j->last_seq	= cpu_to_le64(buf->flush ? buf->last_seq : 0);

	SET_JSET_CSUM_TYPE(j, csum_type(c));
	SET_JSET_BIG_ENDIAN(j, c->journal.w->big_endian);
	SET_JSET_NO_FLUSH(j, !buf->flush);
	SET_JSET_HAS_OVERWRITES(j, buf->has_overwrites);
}

/**
 * journal_entry_build - complete and check the contents of an entry
 * @c:		filesystem
 * @buf:	entry; flush or not is decided, its keys for the write buffer are taken
 *
 * Return: 0, or an error: it must not be written.
 */
int journal_entry_build(struct bch_fs *c, struct journal_buf *buf)
{
	DECLARE_BITMAP(have, BTREE_ID_NR_MAX);
	const u64 limit = READ_ONCE(c->journal.w->rewind_limit);
	u64 *start = bch2_journal_buf_start(buf), *p;
	int ret;

	bitmap_zero(have, BTREE_ID_NR_MAX);
	ret = records_compact(c, buf, have);
	if (ret) {
		bch_err(c, "journal entry %llu: broken records, not written", buf->seq);
		return ret;
	}

	p = start + buf->used;
	if (buf->flush) {
		buf->rewind_limit = min(limit, buf->seq + 1);
		p = record_u64(p, BCH_JSET_ENTRY_rewind_limit, 0, buf->rewind_limit);
	}
	p = journal_roots_add(c, p, have);
	p = record_u64(p, BCH_JSET_ENTRY_datetime, 0, ktime_get_real_seconds());
	p = journal_usage_add(c, p);

	header_fill(c, buf, p - start);
	return bch2_jset_validate(c, NULL, buf->data, 0, BCH_VALIDATE_write);
}

/**
 * journal_entry_seal - encryption, checksum, padding: nothing changes afterwards
 * @c:		filesystem
 * @buf:	entry that was built
 */
void journal_entry_seal(struct bch_fs *c, struct journal_buf *buf)
{
	struct jset *j = buf->data;
	const size_t bytes = jset_bytes(j);
	const unsigned type = JSET_CSUM_TYPE(j);
	const struct nonce nonce = bch2_journal_nonce(buf->seq);

	if (bch2_csum_type_is_encryption(type))
		bch2_encrypt(type, nonce, &c->chacha20_key, (u8 *) j + JSET_CRYPT_OFFSET,
			     bytes - JSET_CRYPT_OFFSET);
	j->csum = bch2_checksum(type, nonce, &c->chacha20_key, &j->magic,
				bytes - offsetof(struct jset, magic));
	memset((u8 *) j + bytes, 0, ((size_t) buf->sectors << 9) - bytes);
}
