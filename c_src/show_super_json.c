// SPDX-License-Identifier: GPL-2.0
/*
 * A superblock as JSON: every field and section that is known, as stored.
 *
 * Sizes are bytes, times seconds since 1970, places sectors; "bits" are lists
 * of names. Reads only what lies inside the sections.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>

#include "bcachefs.h"
#include "sb/disk_groups.h"
#include "sb/errors.h"
#include "sb/fsck_err.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/misc_sections.h"
#include "sb/replicas.h"
#include "show_super.h"
#include "tools-json.h"
#include "tools.h"

static json_t *json_printed(struct printbuf *out)
{
	json_t *ret = tools_json_bytes(printbuf_str(out), out->pos);

	printbuf_exit(out);
	return ret;
}

static json_t *json_version(unsigned v)
{
	struct printbuf out = PRINTBUF;
	json_t *o = json_object();

	bch2_sb_version_to_text(&out, v);
	tools_json_set(o, "number", json_integer(v));
	tools_json_set(o, "text", json_printed(&out));
	return o;
}

/* Names of the bits that are set; numbers where there is no name. */
static json_t *json_bits(uint64_t v, const char *(*name)(unsigned))
{
	json_t *a = json_array();

	for (unsigned i = 0; i < 64; i++)
		if (v & (1ULL << i))
			tools_json_append(a, name(i) ? json_string(name(i)) : json_integer(i));
	return a;
}

static const char *feature_name(unsigned i)
{
	static const char *const names[] = {
#define x(nr, name)	[nr] = #name,
		BCH_SB_FEATURES(x)
#undef x
	};

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static const char *compat_name(unsigned i)
{
	static const char *const names[] = {
#define x(nr, name)	[nr] = #name,
		BCH_SB_COMPAT(x)
#undef x
	};

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static json_t *json_options(const struct bch_sb *sb)
{
	const struct bch_opt_ctx ctx = { .sb = (struct bch_sb *) sb };
	json_t *o = json_object();

	for (unsigned i = 0; i < bch2_opts_nr; i++) {
		const struct bch_option *opt = &bch2_opt_table[i];
		const u64 v = bch2_opt_from_sb(sb, i);
		struct printbuf out = PRINTBUF;

		switch (opt->storage) {
		case BCH_OPT_IN_SB:
		case BCH_OPT_IN_EXT:
			break;
		default:
			continue;
		}

		switch (opt->kind) {
		case BCH_OPT_BOOL:
			tools_json_set(o, opt->name, json_boolean(v));
			break;
		case BCH_OPT_UINT:
			tools_json_set(o, opt->name, tools_json_u64(v));
			break;
		default:
			bch2_opt_to_text(&out, &ctx, i, v, 0);
			tools_json_set(o, opt->name, json_printed(&out));
		}
	}
	return o;
}

static json_t *json_layout(const struct bch_sb_layout *l)
{
	json_t *o = json_object(), *offsets = json_array();

	for (unsigned i = 0; i < min_t(unsigned, l->nr_superblocks, BCH_SB_LAYOUT_NR_MAX); i++)
		tools_json_append(offsets, tools_json_u64(le64_to_cpu(l->sb_offset[i])));
	tools_json_set(o, "type", json_integer(l->layout_type));
	tools_json_set(o, "max_size", tools_json_u64(512ULL << min_t(u8, l->sb_max_size_bits, 54)));
	tools_json_set(o, "offsets", offsets);
	return o;
}

static json_t *json_label_path(const struct bch_sb *sb, unsigned group)
{
	struct printbuf out = PRINTBUF;

	if (!group)
		return json_null();
	bch2_sb_label_path_to_text(&out, sb, group - 1);
	return json_printed(&out);
}

static json_t *json_u64s(const __le64 *v, unsigned nr)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < nr; i++)
		tools_json_append(a, tools_json_u64(le64_to_cpu(v[i])));
	return a;
}

static json_t *json_member(const struct bch_sb *sb, unsigned idx)
{
	const struct bch_member m = bch2_sb_member_get(sb, idx);
	const struct bch_member_cpu mi = bch2_mi_to_cpu(&m);
	json_t *o = json_object(), *iops = json_array();

	for (unsigned i = 0; i < BCH_IOPS_NR; i++)
		tools_json_append(iops, json_integer(le32_to_cpu(m.iops[i])));

	tools_json_set(o, "index", json_integer(idx));
	tools_json_set(o, "uuid", tools_json_uuid(m.uuid.b));
	tools_json_set(o, "label", json_label_path(sb, mi.group));
	tools_json_set(o, "size", tools_json_u64(mi.nbuckets * mi.bucket_size << 9));
	tools_json_set(o, "bucket_size", json_integer(mi.bucket_size << 9));
	tools_json_set(o, "first_bucket", json_integer(mi.first_bucket));
	tools_json_set(o, "buckets", tools_json_u64(mi.nbuckets));
	/* read, write, checksum */
	tools_json_set(o, "errors", json_u64s(m.errors, ARRAY_SIZE(m.errors)));
	tools_json_set(o, "flush_errors", tools_json_u64(le64_to_cpu(m.flush_errors)));
	/* seqread, seqwrite, randread, randwrite */
	tools_json_set(o, "iops", iops);
	tools_json_set(o, "last_mount", tools_json_u64(le64_to_cpu(m.last_mount)));
	tools_json_set(o, "sequence", tools_json_u64(mi.seq));
	tools_json_set(o, "state", mi.state < BCH_MEMBER_STATE_NR ?
		       json_string(bch2_member_states[mi.state]) : json_integer(mi.state));
	tools_json_set(o, "data_allowed", json_bits(mi.data_allowed, bch2_sb_data_type_name));
	tools_json_set(o, "has_data", json_bits(bch2_sb_dev_has_data(sb, idx),
						bch2_sb_data_type_name));
	tools_json_set(o, "rotational", json_boolean(BCH_MEMBER_ROTATIONAL(&m)));
	tools_json_set(o, "durability", json_integer(mi.durability));
	tools_json_set(o, "discard", json_boolean(mi.discard));
	tools_json_set(o, "freespace_initialized", json_boolean(mi.freespace_initialized));
	tools_json_set(o, "resize_on_mount", json_boolean(BCH_MEMBER_RESIZE_ON_MOUNT(&m)));
	tools_json_set(o, "btree_bitmap_shift", json_integer(mi.btree_bitmap_shift));
	tools_json_set(o, "btree_bitmap", tools_json_u64(mi.btree_allocated_bitmap));
	tools_json_set(o, "last_device_name",
		       tools_json_bytes(m.device_name, sizeof(m.device_name)));
	tools_json_set(o, "last_device_model",
		       tools_json_bytes(m.device_model, sizeof(m.device_model)));
	tools_json_set(o, "last_device_serial",
		       tools_json_bytes(m.device_serial, sizeof(m.device_serial)));
	return o;
}

static json_t *json_members(const struct bch_sb *sb)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < sb->nr_devices; i++)
		if (bch2_sb_has_member(sb, i))
			tools_json_append(a, json_member(sb, i));
	return a;
}

static json_t *json_errors(const struct bch_sb *sb)
{
	const struct bch_sb_field_errors *e = bch2_sb_field_get(sb, errors);
	json_t *a = json_array();

	for (unsigned i = 0; i < bch2_sb_errors_nr(e); i++) {
		const unsigned id = BCH_SB_ERROR_ENTRY_ID(&e->entries[i]);
		const char *name = bch2_fsck_err_name(id);
		json_t *o = json_object();

		tools_json_set(o, "id", json_integer(id));
		tools_json_set(o, "name", name ? json_string(name) : json_null());
		tools_json_set(o, "count", tools_json_u64(BCH_SB_ERROR_ENTRY_NR(&e->entries[i])));
		tools_json_set(o, "last",
			       tools_json_u64(le64_to_cpu(e->entries[i].last_error_time)));
		tools_json_append(a, o);
	}
	return a;
}

static json_t *json_ext(const struct bch_sb *sb)
{
	const struct bch_sb_field_ext *ext = bch2_sb_field_get(sb, ext);
	json_t *o, *silent;

	if (!ext || bch2_sb_field_bytes(&ext->field) < BCH_SB_EXT_BYTES_MIN)
		return json_null();

	o = json_object();
	silent = json_array();
	for (unsigned i = 0; i < BCH_FSCK_ERR_SILENT_BITS; i++)
		if (le64_to_cpu(ext->errors_silent[i / 64]) & (1ULL << i % 64))
			tools_json_append(silent, bch2_fsck_err_name(i) ?
					  json_string(bch2_fsck_err_name(i)) : json_integer(i));

	tools_json_set(o, "recovery_passes_required",
		       json_bits(le64_to_cpu(ext->recovery_passes_required[0]),
				 bch2_sb_pass_name));
	tools_json_set(o, "errors_silent", silent);
	tools_json_set(o, "btrees_lost_data",
		       json_bits(le64_to_cpu(ext->btrees_lost_data), bch2_sb_btree_name));
	return o;
}

static json_t *json_replicas(const struct bch_sb *sb)
{
	struct bch_sb_replicas_iter iter = bch2_sb_replicas_iter(sb);
	struct bch_sb_replica r;
	json_t *a = json_array();

	while (bch2_sb_replicas_next(&iter, &r)) {
		json_t *o = json_object(), *devs = json_array();
		const char *type = bch2_sb_data_type_name(r.data_type);

		for (unsigned i = 0; i < r.nr_devs; i++)
			tools_json_append(devs, json_integer(r.devs[i]));
		tools_json_set(o, "data_type", type ? json_string(type)
						    : json_integer(r.data_type));
		tools_json_set(o, "required", json_integer(r.nr_required));
		tools_json_set(o, "devices", devs);
		tools_json_append(a, o);
	}
	return a;
}

/* Runs of buckets, in ring order. */
static json_t *json_journal(const struct bch_sb *sb)
{
	const struct bch_sb_field_journal_v2 *v2 = bch2_sb_field_get(sb, journal_v2);
	const struct bch_sb_field_journal *v1 = bch2_sb_field_get(sb, journal);
	json_t *a = json_array();
	size_t nr;

	if (v2) {
		nr = (bch2_sb_field_bytes(&v2->field) - sizeof(*v2)) / sizeof(v2->d[0]);
		for (size_t i = 0; i < nr; i++) {
			json_t *o = json_object();

			tools_json_set(o, "first", tools_json_u64(le64_to_cpu(v2->d[i].start)));
			tools_json_set(o, "count", tools_json_u64(le64_to_cpu(v2->d[i].nr)));
			tools_json_append(a, o);
		}
	} else if (v1) {
		nr = (bch2_sb_field_bytes(&v1->field) - sizeof(*v1)) / sizeof(v1->buckets[0]);
		for (size_t i = 0; i < nr; i++) {
			json_t *o = json_object();

			tools_json_set(o, "first", tools_json_u64(le64_to_cpu(v1->buckets[i])));
			tools_json_set(o, "count", json_integer(1));
			tools_json_append(a, o);
		}
	}
	return a;
}

static json_t *json_sections(const struct bch_sb *sb)
{
	json_t *a = json_array();

	for_each_sb_field(sb, f) {
		const char *name = bch2_sb_field_name(le32_to_cpu(f->type));
		json_t *o = json_object();

		tools_json_set(o, "type", json_integer(le32_to_cpu(f->type)));
		tools_json_set(o, "name", name ? json_string(name) : json_null());
		tools_json_set(o, "size", tools_json_u64(bch2_sb_field_bytes(f)));
		tools_json_append(a, o);
	}
	return a;
}

static json_t *json_counters(const struct bch_sb *sb)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < BCH_COUNTER_NR; i++)
		tools_json_set(o, bch2_sb_counter_name(i),
			       tools_json_u64(bch2_sb_counter(sb, i)));
	return o;
}

static void set_header(json_t *o, const struct bch_sb *sb)
{
	tools_json_set(o, "external_uuid", tools_json_uuid(sb->user_uuid.b));
	tools_json_set(o, "internal_uuid", tools_json_uuid(sb->uuid.b));
	tools_json_set(o, "device_index", json_integer(sb->dev_idx));
	tools_json_set(o, "label", tools_json_bytes(sb->label, sizeof(sb->label)));
	tools_json_set(o, "version", json_version(le16_to_cpu(sb->version)));
	tools_json_set(o, "version_incompat_allowed",
		       json_version(BCH_SB_VERSION_INCOMPAT_ALLOWED(sb)));
	tools_json_set(o, "version_incompat", json_version(BCH_SB_VERSION_INCOMPAT(sb)));
	tools_json_set(o, "version_upgrade_complete",
		       json_version(BCH_SB_VERSION_UPGRADE_COMPLETE(sb)));
	tools_json_set(o, "version_min", json_version(le16_to_cpu(sb->version_min)));
	tools_json_set(o, "created",
		       tools_json_u64(le64_to_cpu(sb->time_base_lo) / NSEC_PER_SEC));
	tools_json_set(o, "sequence", tools_json_u64(le64_to_cpu(sb->seq)));
	tools_json_set(o, "write_time", tools_json_u64(le64_to_cpu(sb->write_time)));
	tools_json_set(o, "size", tools_json_u64(bch2_sb_bytes(sb)));
	tools_json_set(o, "initialized", json_boolean(BCH_SB_INITIALIZED(sb)));
	tools_json_set(o, "clean", json_boolean(BCH_SB_CLEAN(sb)));
	tools_json_set(o, "has_errors", json_boolean(BCH_SB_HAS_ERRORS(sb)));
	tools_json_set(o, "has_topology_errors", json_boolean(BCH_SB_HAS_TOPOLOGY_ERRORS(sb)));
	tools_json_set(o, "encrypted", json_boolean(BCH_SB_ENCRYPTION_TYPE(sb)));
	tools_json_set(o, "devices", json_integer(bch2_sb_nr_alive(sb)));
	tools_json_set(o, "features", json_bits(le64_to_cpu(sb->features[0]), feature_name));
	tools_json_set(o, "compat_features", json_bits(le64_to_cpu(sb->compat[0]), compat_name));
}

json_t *show_super_json(struct bch_sb *sb)
{
	json_t *o = json_object();

	set_header(o, sb);
	tools_json_set(o, "options", json_options(sb));
	tools_json_set(o, "layout", json_layout(&sb->layout));
	tools_json_set(o, "sections", json_sections(sb));
	tools_json_set(o, "members", json_members(sb));
	tools_json_set(o, "errors", json_errors(sb));
	tools_json_set(o, "ext", json_ext(sb));
	tools_json_set(o, "replicas", json_replicas(sb));
	tools_json_set(o, "journal_buckets", json_journal(sb));
	tools_json_set(o, "counters", json_counters(sb));
	return o;
}
