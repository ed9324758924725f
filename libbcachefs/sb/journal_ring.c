// SPDX-License-Identifier: GPL-2.0
/*
 * Sections journal and journal_v2 (spec 10 sections 9.1, 9.2).
 *
 * Both say which buckets of this one device are its journal; their order is the
 * order of the ring. A list that passed validation has no bucket twice and none
 * outside the device. The decoded ring belongs to struct bch_dev and is
 * constant after open on the read side.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/journal_ring.h"
#include "sb/members.h"

/* Buckets in a ring that are handled; 128 MiB of list. Real rings have some thousands. */
#define JOURNAL_RING_MAX	(1U << 24)

/* A run of buckets [start, end). */
struct bucket_run {
	u64	start;
	u64	end;
};

static int run_cmp(const void *l, const void *r)
{
	const struct bucket_run *a = l, *b = r;

	return (a->start > b->start) - (a->start < b->start);
}

static unsigned journal_v1_nr(const struct bch_sb_field *f)
{
	return le32_to_cpu(f->u64s) - 1;
}

static unsigned journal_v2_nr(const struct bch_sb_field *f)
{
	return (bch2_sb_field_bytes(f) - sizeof(*f)) /
		sizeof(struct bch_sb_field_journal_v2_entry);
}

/* Rules common to both sections; sorts @r. */
static int runs_validate(struct bch_sb *sb, struct bucket_run *r, unsigned nr,
			 struct printbuf *err)
{
	const struct bch_member m = bch2_sb_member_get(sb, sb->dev_idx);
	const u64 first = le16_to_cpu(m.first_bucket);
	const u64 nbuckets = le64_to_cpu(m.nbuckets);

	sort(r, nr, sizeof(*r), run_cmp, NULL);

	if (!r[0].start) {
		prt_str(err, "bucket 0 holds the superblock and cannot be a journal bucket");
		return -BCH_ERR_invalid_sb_journal;
	}
	if (r[0].start < first) {
		prt_printf(err, "journal bucket %llu before first bucket %llu",
			   r[0].start, first);
		return -BCH_ERR_invalid_sb_journal;
	}

	for (unsigned i = 1; i < nr; i++)
		if (r[i].start < r[i - 1].end) {
			if (r[i].end - r[i].start == 1)
				prt_printf(err, "duplicate journal bucket %llu", r[i].start);
			else
				prt_printf(err,
					"overlapping journal bucket ranges %llu-%llu and %llu-%llu",
					r[i - 1].start, r[i - 1].end, r[i].start, r[i].end);
			return -BCH_ERR_invalid_sb_journal;
		}

	if (r[nr - 1].end > nbuckets) {
		prt_printf(err, "journal bucket %llu past end of device %u (nbuckets %llu)",
			   r[nr - 1].end - 1, sb->dev_idx, nbuckets);
		return -BCH_ERR_invalid_sb_journal;
	}
	return 0;
}

/**
 * bch2_sb_journal_validate() - check section journal
 * @sb:		superblock, its member section is valid
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_invalid_sb_journal, or -ENOMEM.
 */
int bch2_sb_journal_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			     struct printbuf *err)
{
	const struct bch_sb_field_journal *j = sb_field_as(f, journal);
	const unsigned nr = journal_v1_nr(f);
	struct bucket_run *r;
	int ret;

	if (!nr)
		return 0;

	r = kvmalloc_array(nr, sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;

	for (unsigned i = 0; i < nr; i++) {
		const u64 b = le64_to_cpu(j->buckets[i]);

		if (b == U64_MAX) {
			prt_printf(err, "journal bucket %llu past end of device", b);
			ret = -BCH_ERR_invalid_sb_journal;
			goto out;
		}
		r[i] = (struct bucket_run) { b, b + 1 };
	}

	ret = runs_validate(sb, r, nr, err);
out:
	kvfree(r);
	return ret;
}

/**
 * bch2_sb_journal_v2_validate() - check section journal_v2
 * @sb:		superblock, its member section is valid
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_invalid_sb_journal, or -ENOMEM.
 */
int bch2_sb_journal_v2_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
				struct printbuf *err)
{
	const struct bch_sb_field_journal_v2 *j = sb_field_as(f, journal_v2);
	const unsigned nr = journal_v2_nr(f);
	struct bucket_run *r;
	u64 sum = 0;
	int ret = -BCH_ERR_invalid_sb_journal;

	if (!nr)
		return 0;

	r = kvmalloc_array(nr, sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;

	for (unsigned i = 0; i < nr; i++) {
		const u64 start = le64_to_cpu(j->d[i].start);
		const u64 len = le64_to_cpu(j->d[i].nr);

		if (!len || start + len <= start) {
			prt_printf(err,
				"journal bucket range %u: start %llu nr %llu is empty or overflows",
				i, start, len);
			goto out;
		}
		r[i] = (struct bucket_run) { start, start + len };
	}

	ret = runs_validate(sb, r, nr, err);
	if (ret)
		goto out;

	/* Disjoint runs on one device: no overflow. */
	for (unsigned i = 0; i < nr; i++)
		sum += r[i].end - r[i].start;
	if (sum > U32_MAX) {
		prt_printf(err, "too many journal buckets: %llu", sum);
		ret = -BCH_ERR_invalid_sb_journal;
	}
out:
	kvfree(r);
	return ret;
}

/**
 * bch2_sb_journal_to_text() - body of section journal for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_journal_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			     const struct bch_sb_text *t)
{
	const struct bch_sb_field_journal *j = sb_field_as(f, journal);

	prt_str(out, "Buckets:");
	for (unsigned i = 0; i < journal_v1_nr(f); i++)
		prt_printf(out, " %llu", le64_to_cpu(j->buckets[i]));
	prt_newline(out);
}

/**
 * bch2_sb_journal_v2_to_text() - body of section journal_v2 for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_journal_v2_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
				const struct bch_sb_text *t)
{
	const struct bch_sb_field_journal_v2 *j = sb_field_as(f, journal_v2);

	prt_str(out, "Buckets:");
	for (unsigned i = 0; i < journal_v2_nr(f); i++) {
		const u64 start = le64_to_cpu(j->d[i].start);

		prt_printf(out, " %llu-%llu", start, start + le64_to_cpu(j->d[i].nr));
	}
	prt_newline(out);
}

/* Number of buckets in the device's ring, and where they are listed. */
static u64 ring_nr(const struct bch_sb_field_journal_v2 *v2, const struct bch_sb_field_journal *v1)
{
	u64 nr = 0;

	if (!v2)
		return v1 ? journal_v1_nr(&v1->field) : 0;

	/* validated: the sum does not overflow */
	for (unsigned i = 0; i < journal_v2_nr(&v2->field); i++)
		nr += le64_to_cpu(v2->d[i].nr);
	return nr;
}

/**
 * bch2_journal_ring_init() - decode the journal ring of an online device
 * @ca:		device; ca->disk_sb holds its own, validated, superblock
 * @err:	what is wrong
 *
 * Fills ca->journal.buckets and .bucket_seq (zeroes). journal_v2 wins if both
 * sections exist. A ring of no buckets is fine.
 *
 * Return: 0, -BCH_ERR_invalid_sb_journal if the ring is absurdly long, -ENOMEM.
 */
int bch2_journal_ring_init(struct bch_dev *ca, struct printbuf *err)
{
	const struct bch_sb_field_journal_v2 *v2 = bch2_sb_field_get(ca->disk_sb.sb, journal_v2);
	const struct bch_sb_field_journal *v1 = bch2_sb_field_get(ca->disk_sb.sb, journal);
	struct journal_device *ja = &ca->journal;
	const u64 nr = ring_nr(v2, v1);
	u64 *b;

	if (!nr)
		return 0;
	if (nr > JOURNAL_RING_MAX) {
		prt_printf(err, "device %u: journal of %llu buckets, at most %u are supported",
			   ca->dev_idx, nr, JOURNAL_RING_MAX);
		return -BCH_ERR_invalid_sb_journal;
	}

	ja->buckets = kvcalloc(nr, sizeof(*ja->buckets), GFP_KERNEL);
	ja->bucket_seq = kvcalloc(nr, sizeof(*ja->bucket_seq), GFP_KERNEL);
	if (!ja->buckets || !ja->bucket_seq) {
		bch2_journal_ring_exit(ca);
		return -ENOMEM;
	}
	ja->nr = nr;

	b = ja->buckets;
	if (v2) {
		for (unsigned i = 0; i < journal_v2_nr(&v2->field); i++)
			for (u64 j = 0; j < le64_to_cpu(v2->d[i].nr); j++)
				*b++ = le64_to_cpu(v2->d[i].start) + j;
	} else {
		for (unsigned i = 0; i < journal_v1_nr(&v1->field); i++)
			*b++ = le64_to_cpu(v1->buckets[i]);
	}
	return 0;
}

/**
 * bch2_journal_ring_exit() - free a decoded ring
 * @ca:		device
 */
void bch2_journal_ring_exit(struct bch_dev *ca)
{
	kvfree(ca->journal.buckets);
	kvfree(ca->journal.bucket_seq);
	ca->journal.buckets = NULL;
	ca->journal.bucket_seq = NULL;
	ca->journal.nr = 0;
}
