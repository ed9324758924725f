// SPDX-License-Identifier: GPL-2.0
/*
 * Shim, the small things: lists, bits, sorting, text, numbers, memory pools; each against a naive
 * model or the documented result.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/list_sort.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mempool.h>
#include <linux/overflow.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/unaligned.h>
#include <linux/mm.h>
#include <shim/faults.h>
#include <shim/log.h>
#include <shim/shim.h>

struct item {
	int v;
	int order;
	struct list_head link;
	struct llist_node ll;
};

static u32 rnd_state = 1;

static u32 rnd(u32 below)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % below;
}

/* Lists against an array that does the same. */
static void test_list(void **state)
{
	struct item items[64], *it, *n;
	int model[64], nr = 0, i, k;
	LIST_HEAD(head);
	LIST_HEAD(other);

	for (i = 0; i < 64; i++) {
		items[i].v = i;
		if (rnd(2)) {
			list_add(&items[i].link, &head);
			memmove(model + 1, model, nr * sizeof(int));
			model[0] = i;
		} else {
			list_add_tail(&items[i].link, &head);
			model[nr] = i;
		}
		nr++;
	}
	assert_int_equal(list_count_nodes(&head), nr);
	list_for_each_entry_safe(it, n, &head, link)
		if (it->v % 3 == 0)
			list_del_init(&it->link);
	for (i = k = 0; i < nr; i++)
		if (model[i] % 3)
			model[k++] = model[i];
	nr = k;
	i = 0;
	list_for_each_entry(it, &head, link)
		assert_int_equal(it->v, model[i++]);
	assert_int_equal(i, nr);
	list_for_each_entry_reverse(it, &head, link) assert_int_equal(it->v, model[--i]);

	list_move_tail(head.next, &head);
	assert_int_equal(list_last_entry(&head, struct item, link)->v, model[0]);
	list_splice_init(&head, &other);
	assert_true(list_empty(&head));
	assert_int_equal(list_count_nodes(&other), nr);
	assert_int_equal(list_first_entry(&other, struct item, link)->v, model[1]);
}

static int by_value(void *priv, const struct list_head *a, const struct list_head *b)
{
	return list_entry(a, struct item, link)->v - list_entry(b, struct item, link)->v;
}

static void test_list_sort(void **state)
{
	static struct item items[1000];
	struct item *it, *last = NULL;
	LIST_HEAD(head);
	int i, n;

	for (n = 0; n < 1000; n = n * 2 + 1) {
		INIT_LIST_HEAD(&head);
		for (i = 0; i < n; i++) {
			items[i].v = rnd(50);
			items[i].order = i;
			list_add_tail(&items[i].link, &head);
		}
		list_sort(NULL, &head, by_value);
		assert_int_equal(list_count_nodes(&head), n);
		last = NULL;
		list_for_each_entry(it, &head, link) {
			if (last)
				assert_true(last->v < it->v ||
					    (last->v == it->v && last->order < it->order));
			last = it;
		}
	}
}

static void test_llist(void **state)
{
	LLIST_HEAD(head);
	struct item items[5], *it;
	int i, want = 0;

	for (i = 0; i < 5; i++) {
		items[i].v = i;
		assert_int_equal(llist_add(&items[i].ll, &head), i == 0);
	}
	llist_for_each_entry(it, llist_reverse_order(llist_del_all(&head)), ll)
		assert_int_equal(it->v, want++);
	assert_int_equal(want, 5);
	assert_true(llist_empty(&head));
}

static void test_bitops(void **state)
{
	unsigned long w = 0;
	int i;

	assert_int_equal(fls(0), 0);
	assert_int_equal(fls64(0), 0);
	for (i = 0; i < 64; i++) {
		u64 v = 1ULL << i;

		assert_int_equal(fls64(v), i + 1);
		assert_int_equal(__ffs64(v), i);
		assert_int_equal(ilog2(v), i);
		assert_true(is_power_of_2(v));
		assert_int_equal(is_power_of_2(v | 1), i == 0);
		assert_true(roundup_pow_of_two(v) == v);
		if (i > 1) {
			assert_true(roundup_pow_of_two(v - 1) == v);
			assert_true(rounddown_pow_of_two(v + 1) == v);
		}
		assert_false(test_and_set_bit(i, &w));
		assert_true(test_bit(i, &w));
		assert_true(test_and_set_bit(i, &w));
		assert_true(test_and_clear_bit(i, &w));
	}
	assert_true(w == 0);
	assert_true(GENMASK_ULL(11, 4) == 0xff0);
	assert_int_equal(sign_extend64(0xfff, 11), -1);
	assert_true(rol64(1, 64) == 1 && ror64(1, 1) == 1ULL << 63);
}

#define NBITS 200

static void test_bitmap(void **state)
{
	DECLARE_BITMAP(map, NBITS);
	DECLARE_BITMAP(map2, NBITS);
	bool model[NBITS], model2[NBITS];
	unsigned int round, i, n, bit, start, len;

	for (round = 0; round < 200; round++) {
		bitmap_zero(map, NBITS);
		bitmap_fill(map2, NBITS);
		memset(model, 0, sizeof(model));
		memset(model2, 1, sizeof(model2));
		for (i = 0; i < 4; i++) {
			start = rnd(NBITS);
			len = rnd(NBITS - start + 1);
			bitmap_set(map, start, len);
			memset(model + start, 1, len);
			start = rnd(NBITS);
			len = rnd(NBITS - start + 1) / 4;
			bitmap_clear(map, start, len);
			memset(model + start, 0, len);
			bitmap_clear(map2, start, len);
			memset(model2 + start, 0, len);
		}
		/* bits past the end must not matter */
		map[NBITS / 64] |= ~0UL << (NBITS % 64);
		for (i = n = 0; i < NBITS; i++) {
			assert_int_equal(test_bit(i, map), model[i]);
			n += model[i];
		}
		assert_int_equal(bitmap_weight(map, NBITS), n);
		for (i = 0; i <= NBITS; i++) {
			for (bit = i; bit < NBITS && !model[bit]; bit++)
				;
			assert_int_equal(find_next_bit(map, NBITS, i), bit);
			for (bit = i; bit < NBITS && model[bit]; bit++)
				;
			assert_int_equal(find_next_zero_bit(map, NBITS, i), bit);
			for (bit = i; bit < NBITS && !(model[bit] && model2[bit]); bit++)
				;
			assert_int_equal(find_next_and_bit(map, map2, NBITS, i), bit);
		}
		for (bit = NBITS; bit && !model[bit - 1]; bit--)
			;
		assert_int_equal(find_last_bit(map, NBITS), bit ? bit - 1 : NBITS);
		n = 0;
		for_each_set_bit(bit, map, NBITS) {
			assert_true(model[bit]);
			n++;
		}
		assert_int_equal(n, bitmap_weight(map, NBITS));
	}
}

static int cmp_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static int cmp_wide_r(const void *a, const void *b, const void *priv)
{
	assert_ptr_equal(priv, (void *)5);
	return cmp_u32(a, b);
}

static void test_sort(void **state)
{
	u32 v[500], model[500];
	struct {
		u32 key;
		char fill[96];
	} wide[100];
	int n, i;

	for (n = 0; n < 500; n += 7) {
		for (i = 0; i < n; i++)
			v[i] = model[i] = rnd(300);
		sort(v, n, sizeof(v[0]), cmp_u32, NULL);
		qsort(model, n, sizeof(model[0]), cmp_u32);
		assert_memory_equal(v, model, n * sizeof(u32));
	}
	for (i = 0; i < 100; i++) {
		wide[i].key = rnd(1000);
		memset(wide[i].fill, wide[i].key & 0xff, 96);
	}
	sort_r(wide, 100, sizeof(wide[0]), cmp_wide_r, NULL, (void *)5);
	for (i = 0; i < 100; i++) {
		assert_true(!i || wide[i - 1].key <= wide[i].key);
		assert_int_equal((u8)wide[i].fill[95], wide[i].key & 0xff);
	}
}

static void test_numbers(void **state)
{
	unsigned long long u = 7;
	long long s;
	unsigned int v;
	u8 b;
	bool t;

	assert_int_equal(kstrtoull("18446744073709551615\n", 10, &u), 0);
	assert_true(u == U64_MAX);
	assert_int_equal(kstrtoull("18446744073709551616", 10, &u), -ERANGE);
	assert_int_equal(kstrtoull("12x", 10, &u), -EINVAL);
	assert_int_equal(kstrtoull("", 10, &u), -EINVAL);
	assert_int_equal(kstrtoull("-1", 10, &u), -EINVAL);
	assert_int_equal(kstrtoull(" 1", 10, &u), -EINVAL);
	assert_int_equal(kstrtoull("0x1F", 0, &u), 0);
	assert_true(u == 31);
	assert_int_equal(kstrtoull("017", 0, &u), 0);
	assert_true(u == 15);
	assert_int_equal(kstrtoull("0", 0, &u), 0);
	assert_int_equal(kstrtoll("-9223372036854775808", 10, &s), 0);
	assert_true(s == S64_MIN);
	assert_int_equal(kstrtoll("9223372036854775808", 10, &s), -ERANGE);
	assert_int_equal(kstrtouint("4294967296", 10, &v), -ERANGE);
	assert_int_equal(kstrtou8("256", 10, &b), -ERANGE);
	assert_int_equal(kstrtobool("on", &t), 0);
	assert_true(t);
	assert_int_equal(kstrtobool("0", &t), 0);
	assert_false(t);
	assert_int_equal(kstrtobool("x", &t), -EINVAL);
	assert_true(memparse("4M", NULL) == 4 << 20);
	assert_int_equal(int_sqrt(99), 9);
	assert_int_equal(int_sqrt(100), 10);
	assert_true(int_sqrt(~0UL) == 0xffffffff);
	assert_true(array_size(SIZE_MAX, 2) == SIZE_MAX);
	assert_true(round_up(4097ULL, 4096) == 8192 && round_down(4097ULL, 4096) == 4096);
}

static void test_strings(void **state)
{
	char buf[8], text[32];
	u8 bytes[100] = { 0 };
	size_t i;

	assert_int_equal(strscpy(buf, "1234567"), 7);
	assert_int_equal(strscpy(buf, "12345678"), -E2BIG);
	assert_string_equal(buf, "1234567");
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(strscpy_pad(buf, "ab", sizeof(buf)), 2);
	assert_memory_equal(buf, "ab\0\0\0\0\0\0", 8);
	assert_int_equal(scnprintf(buf, sizeof(buf), "%s", "longer than that"), 7);
	for (i = 0; i < sizeof(bytes); i++) {
		assert_null(memchr_inv(bytes, 0, sizeof(bytes)));
		bytes[i] = 1;
		assert_ptr_equal(memchr_inv(bytes, 0, sizeof(bytes)), bytes + i);
		assert_null(memchr_inv(bytes, 0, i));
		bytes[i] = 0;
	}
	strcpy(text, "  a b \n");
	assert_string_equal(strim(text), "a b");
	assert_int_equal(hex2bin(bytes, "00ffA5", 3), 0);
	assert_memory_equal(bytes, "\x00\xff\xa5", 3);
	assert_int_equal(hex2bin(bytes, "0g", 1), -EINVAL);
	*bin2hex(text, "\x01\xfe", 2) = 0;
	assert_string_equal(text, "01fe");
	put_unaligned_le32(0x01020304, bytes + 1);
	assert_memory_equal(bytes + 1, "\x04\x03\x02\x01", 4);
	assert_true(get_unaligned_be32(bytes + 1) == 0x04030201);
	string_get_size(1024, 1024, STRING_UNITS_2, text, sizeof(text));
	assert_string_equal(text, "1.00 MiB");
}

static void test_memory(void **state)
{
	u8 *p;
	size_t n;

	for (n = 512; n <= 1 << 20; n *= 2) {
		p = kmalloc(n, GFP_KERNEL);
		assert_int_equal((unsigned long)p % (n < PAGE_SIZE ? n : PAGE_SIZE), 0);
		p = krealloc(memset(p, 7, n), n + 5000, GFP_KERNEL);
		assert_int_equal((unsigned long)p % PAGE_SIZE, 0);
		assert_null(memchr_inv(p, 7, n));
		kfree(p);
	}
	assert_null(kmalloc(KMALLOC_MAX_SIZE + 1, GFP_KERNEL));
	assert_null(kvmalloc((size_t)INT_MAX + 1, GFP_KERNEL));
	assert_null(kmalloc_array(SIZE_MAX / 2, 4, GFP_KERNEL));
	assert_ptr_equal(kmalloc(0, GFP_KERNEL), ZERO_SIZE_PTR);
	kfree(ZERO_SIZE_PTR);
	p = kvzalloc(100000, GFP_KERNEL);
	assert_null(memchr_inv(p, 0, 100000));
	assert_ptr_equal(page_address(virt_to_page(p + 5000)), p + 4096);
	kvfree(p);
}

static bool fail_alloc(size_t size, gfp_t gfp, void *arg)
{
	return (*(int *)arg)++ >= 0;
}

static void test_mempool(void **state)
{
	mempool_t pool;
	void *e[3];
	int count = 0;
	struct shim_fault_hooks hooks = { .alloc = fail_alloc, .arg = &count };

	assert_int_equal(mempool_init_kmalloc_pool(&pool, 2, 100), 0);
	shim_set_fault_hooks(&hooks);
	e[0] = mempool_alloc(&pool, GFP_NOWAIT);
	e[1] = mempool_alloc(&pool, GFP_KERNEL);
	e[2] = mempool_alloc(&pool, GFP_NOWAIT);
	assert_non_null(e[0]);
	assert_non_null(e[1]);
	assert_null(e[2]);
	mempool_free(e[0], &pool);
	assert_ptr_equal(mempool_alloc(&pool, GFP_KERNEL), e[0]);
	shim_set_fault_hooks(NULL);
	assert_int_equal(count, 4);
	mempool_free(e[0], &pool);
	mempool_free(e[1], &pool);
	mempool_exit(&pool);
}

static unsigned long cache_count(struct shrinker *s, struct shrink_control *sc)
{
	return *(unsigned long *)s->private_data;
}

static unsigned long cache_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long *left = s->private_data, n = min(*left, sc->nr_to_scan);

	*left -= n;
	return n;
}

static void test_shrinker(void **state)
{
	unsigned long objects = 1000;
	struct shrinker *s = shrinker_alloc(0, "cache-%d", 1);

	s->count_objects = cache_count;
	s->scan_objects = cache_scan;
	s->private_data = &objects;
	shrinker_register(s);
	assert_int_equal(shim_run_shrinkers(300), 300);
	assert_int_equal(objects, 700);
	assert_int_equal(shim_run_shrinkers(~0UL), 700);
	shrinker_free(s);
	objects = 5;
	assert_int_equal(shim_run_shrinkers(~0UL), 0);
}

static void sink(int level, const char *text, void *arg)
{
	snprintf(arg, 1000, "%d:%s", level, text);
}

static void test_log(void **state)
{
	char got[1000], big[700];

	shim_set_log_sink(sink, got);
	pr_err("x %d\n", 5);
	assert_string_equal(got, "3:x 5\n");
	printk("plain");
	assert_string_equal(got, "4:plain");
	memset(big, 'b', 699);
	big[699] = 0;
	pr_info("%s", big);
	assert_int_equal(strlen(got), 701);
	shim_set_log_sink(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),	 cmocka_unit_test(test_list_sort),
		cmocka_unit_test(test_llist),	 cmocka_unit_test(test_bitops),
		cmocka_unit_test(test_bitmap),	 cmocka_unit_test(test_sort),
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_strings),
		cmocka_unit_test(test_memory),	 cmocka_unit_test(test_mempool),
		cmocka_unit_test(test_shrinker), cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
