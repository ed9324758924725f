// SPDX-License-Identifier: GPL-2.0
/*
 * Shim, the block layer: bios on temporary files, direct and through the page cache, aligned and
 * not, past the end, failing on purpose, many at a time; and what may be opened.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <shim/blkdev.h>
#include <shim/faults.h>
#include <shim/log.h>
#include <shim/shim.h>

#define SIZE (4U << 20)

struct image {
	char path[64];
	u8 *model;
	struct file *file;
	struct block_device *bdev;
};

static int notices;

static void count_notices(int level, const char *text, void *arg)
{
	if (level == 5 && strstr(text, "page cache"))
		notices++;
}

static void image_open(struct image *im, const char *dir, blk_mode_t mode)
{
	int fd;

	snprintf(im->path, sizeof(im->path), "%s/shim-test-XXXXXX", dir);
	fd = mkstemp(im->path);
	assert_true(fd >= 0);
	im->model = malloc(SIZE);
	get_random_bytes(im->model, SIZE);
	assert_int_equal(write(fd, im->model, SIZE), SIZE);
	close(fd);
	im->file = bdev_file_open_by_path(im->path, mode, NULL, NULL);
	assert_false(IS_ERR(im->file));
	im->bdev = file_bdev(im->file);
	assert_int_equal(bdev_nr_bytes(im->bdev), SIZE);
}

static void image_close(struct image *im)
{
	if (im->file)
		bdev_fput(im->file);
	unlink(im->path);
	free(im->model);
}

static const char *disk_dir(void)
{
	return access("/var/tmp", W_OK) ? "." : "/var/tmp";
}

static blk_status_t rw(struct block_device *bdev, blk_opf_t opf, u64 sector, void *buf,
		       unsigned int len)
{
	struct bio *bio = bio_alloc(bdev, 1 + len / PAGE_SIZE, opf, GFP_KERNEL);
	blk_status_t st;
	char *p = buf;

	bio->bi_iter.bi_sector = sector;
	while (len) {
		unsigned int n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(p));

		assert_int_equal(bio_add_page(bio, virt_to_page(p), n, offset_in_page(p)), n);
		p += n;
		len -= n;
	}
	submit_bio_wait(bio);
	st = bio->bi_status;
	assert_int_equal(bio->bi_iter.bi_size, 0);
	bio_put(bio);
	return st;
}

/* Reads and writes at every kind of address, against the model and the file's own view. */
static void exercise(struct image *im)
{
	u8 *buf = kvmalloc(1 << 20, GFP_KERNEL), *file;
	int i, fd;

	for (i = 0; i < 300; i++) {
		u32 off = get_random_u32_below(SIZE / 512), len, shift;

		len = 1 + get_random_u32_below(min(SIZE / 512 - off, 600U));
		shift = i % 3 == 0 ? 0 : i % 3 == 1 ? 512 : get_random_u32_below(4096);
		if (i % 2) {
			get_random_bytes(buf + shift, len * 512);
			memcpy(im->model + off * 512, buf + shift, len * 512);
			assert_int_equal(rw(im->bdev,
					    REQ_OP_WRITE | (i % 5 ? 0 : REQ_FUA) |
						    (i % 7 ? 0 : REQ_PREFLUSH),
					    off, buf + shift, len * 512),
					 BLK_STS_OK);
		} else {
			memset(buf + shift, 0, len * 512);
			assert_int_equal(rw(im->bdev, REQ_OP_READ, off, buf + shift, len * 512),
					 BLK_STS_OK);
			assert_memory_equal(buf + shift, im->model + off * 512, len * 512);
		}
	}
	assert_int_equal(blkdev_issue_flush(im->bdev), 0);
	kvfree(buf);

	file = malloc(SIZE);
	fd = open(im->path, O_RDONLY);
	assert_int_equal(read(fd, file, SIZE), SIZE);
	close(fd);
	assert_memory_equal(file, im->model, SIZE);
	free(file);
}

static void test_direct(void **state)
{
	struct image im;

	image_open(&im, disk_dir(), BLK_OPEN_READ | BLK_OPEN_WRITE);
	exercise(&im);
	image_close(&im);
}

static void test_page_cache(void **state)
{
	struct image im;

	shim_bdev_force_buffered(true);
	image_open(&im, disk_dir(), BLK_OPEN_READ | BLK_OPEN_WRITE);
	shim_bdev_force_buffered(false);
	assert_false(shim_bdev_is_direct(im.bdev));
	exercise(&im);
	image_close(&im);
}

/* tmpfs of older kernels refuses O_DIRECT: then one notice, for all devices together. */
static void test_tmpfs(void **state)
{
	struct image im[2];

	if (access("/dev/shm", W_OK))
		skip();
	notices = 0;
	shim_set_log_sink(count_notices, NULL);
	image_open(&im[0], "/dev/shm", BLK_OPEN_READ | BLK_OPEN_WRITE);
	image_open(&im[1], "/dev/shm", BLK_OPEN_READ | BLK_OPEN_WRITE);
	shim_set_log_sink(NULL, NULL);
	assert_int_equal(notices, !shim_bdev_is_direct(im[0].bdev));
	exercise(&im[0]);
	exercise(&im[1]);
	image_close(&im[0]);
	image_close(&im[1]);
}

static void test_errors(void **state)
{
	u8 *buf = kmalloc(8192, GFP_KERNEL);
	struct image im;
	struct bio bio;

	image_open(&im, disk_dir(), BLK_OPEN_READ);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, SIZE / 512 - 8, buf, 4096), BLK_STS_OK);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, SIZE / 512 - 7, buf, 4096), BLK_STS_IOERR);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, ~0ULL, buf, 4096), BLK_STS_IOERR);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, 1ULL << 55, buf, 4096), BLK_STS_IOERR);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, 0, buf, 100), BLK_STS_IOERR);
	assert_int_equal(rw(im.bdev, REQ_OP_WRITE, 0, buf, 4096), BLK_STS_IOERR);
	assert_true(bdev_read_only(im.bdev));
	bio_init(&bio, im.bdev, NULL, 0, REQ_OP_READ);
	assert_int_equal(submit_bio_wait(&bio), -EIO);

	/* the file shrinks under us */
	assert_int_equal(truncate(im.path, SIZE / 2), 0);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, SIZE / 1024 - 8, buf, 8192), BLK_STS_IOERR);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, SIZE / 512 - 8, buf, 4096), BLK_STS_IOERR);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, 0, buf, 4096), BLK_STS_OK);
	assert_memory_equal(buf, im.model, 4096);
	image_close(&im);
	kfree(buf);
}

struct flight {
	atomic_t left;
	atomic_t errors;
	struct completion done;
};

static void flight_end(struct bio *bio)
{
	struct flight *f = bio->bi_private;

	if (bio->bi_status)
		atomic_inc(&f->errors);
	bio_put(bio);
	if (atomic_dec_and_test(&f->left))
		complete(&f->done);
}

#define FLIGHT 2000

/* More requests than the device takes at once, from a bioset with a front pad. */
static void test_many(void **state)
{
	u8 *buf = kvmalloc(FLIGHT * 512, GFP_KERNEL);
	struct bio_set bs;
	struct flight f;
	struct image im;
	int i;

	image_open(&im, disk_dir(), BLK_OPEN_READ);
	assert_int_equal(bioset_init(&bs, 8, 64, BIOSET_NEED_BVECS), 0);
	atomic_set(&f.left, FLIGHT);
	atomic_set(&f.errors, 0);
	init_completion(&f.done);
	for (i = 0; i < FLIGHT; i++) {
		struct bio *bio =
			bio_alloc_bioset(im.bdev, i % 9 + 1, REQ_OP_READ, GFP_KERNEL, &bs);

		memset((char *)bio - 64, 0x5a, 64);
		bio->bi_iter.bi_sector = i;
		bio->bi_private = &f;
		bio->bi_end_io = flight_end;
		bio_add_page(bio, virt_to_page(buf + i * 512), 512, offset_in_page(buf + i * 512));
		submit_bio(bio);
	}
	wait_for_completion(&f.done);
	assert_int_equal(atomic_read(&f.errors), 0);
	assert_memory_equal(buf, im.model, FLIGHT * 512);
	bioset_exit(&bs);
	image_close(&im);
	kvfree(buf);
}

static blk_status_t fail_some(struct bio *bio, void *arg)
{
	return bio->bi_iter.bi_sector == 8 ? BLK_STS_MEDIUM : BLK_STS_OK;
}

static void chain_end(struct bio *bio)
{
	complete(bio->bi_private);
}

/* A chain ends after all its parts, with the error of any. */
static void test_chain_and_faults(void **state)
{
	struct shim_fault_hooks hooks = { .bio = fail_some };
	DECLARE_COMPLETION_ONSTACK(done);
	u8 *buf = kmalloc(4096 * 4, GFP_KERNEL);
	struct image im;
	struct bio *parent, *b;
	int round, i;

	image_open(&im, disk_dir(), BLK_OPEN_READ);
	for (round = 0; round < 2; round++) {
		shim_set_fault_hooks(round ? &hooks : NULL);
		parent = bio_alloc(im.bdev, 1, REQ_OP_READ, GFP_KERNEL);
		parent->bi_private = &done;
		parent->bi_end_io = chain_end;
		bio_add_page(parent, virt_to_page(buf), 4096, 0);
		for (i = 1; i < 4; i++) {
			b = bio_alloc(im.bdev, 1, REQ_OP_READ, GFP_KERNEL);
			b->bi_iter.bi_sector = i * 8;
			bio_add_page(b, virt_to_page(buf + i * 4096), 4096, 0);
			bio_chain(b, parent);
			submit_bio(b);
		}
		assert_false(completion_done(&done));
		submit_bio(parent);
		wait_for_completion(&done);
		assert_int_equal(parent->bi_status, round ? BLK_STS_MEDIUM : BLK_STS_OK);
		if (!round)
			assert_memory_equal(buf, im.model, 4096 * 4);
		bio_put(parent);
	}
	shim_set_fault_hooks(NULL);
	image_close(&im);
	kfree(buf);
}

static void test_discard(void **state)
{
	u8 *buf = kmalloc(65536, GFP_KERNEL);
	struct image im;

	image_open(&im, disk_dir(), BLK_OPEN_READ | BLK_OPEN_WRITE);
	assert_true(bdev_max_discard_sectors(im.bdev) > 0);
	assert_int_equal(blkdev_issue_discard(im.bdev, 128, 64, GFP_KERNEL), 0);
	assert_int_equal(blkdev_issue_zeroout(im.bdev, 512, 64, GFP_KERNEL, 0), 0);
	assert_int_equal(rw(im.bdev, REQ_OP_READ, 128, buf, 32768), BLK_STS_OK);
	assert_null(memchr_inv(buf, 0, 32768));
	assert_int_equal(rw(im.bdev, REQ_OP_READ, 512, buf, 32768), BLK_STS_OK);
	assert_null(memchr_inv(buf, 0, 32768));
	assert_int_equal(rw(im.bdev, REQ_OP_READ, 192, buf, 32768), BLK_STS_OK);
	assert_memory_equal(buf, im.model + 192 * 512, 32768);
	image_close(&im);
	kfree(buf);
}

static void test_bvecs(void **state)
{
	u8 *a = kmalloc(3 * 4096, GFP_KERNEL), *b = kmalloc(3 * 4096, GFP_KERNEL);
	struct bio_vec va[2], vb[3], bv, *seg;
	struct bvec_iter iter;
	struct bvec_iter_all all;
	struct bio x, y;
	unsigned int n = 0, segs = 0;

	get_random_bytes(a, 3 * 4096);
	bio_init(&x, NULL, va, 2, REQ_OP_READ);
	bio_init(&y, NULL, vb, 3, REQ_OP_READ);
	/* neighbours become one piece */
	assert_int_equal(bio_add_page(&x, virt_to_page(a), 4096, 0), 4096);
	assert_int_equal(bio_add_page(&x, virt_to_page(a + 4096), 4096, 0), 4096);
	assert_int_equal(bio_add_page(&x, virt_to_page(a + 8192), 2048, 0), 2048);
	assert_int_equal(x.bi_vcnt, 1);
	bio_add_page(&y, virt_to_page(b), 1024, 512);
	bio_add_page(&y, virt_to_page(b + 4096), 4096 + 1024, 0);
	bio_add_page(&y, virt_to_page(b), 512, 0);
	assert_int_equal(bio_add_page(&y, virt_to_page(b), 512, 3000), 0);
	bio_for_each_segment(bv, &x, iter)
	{
		assert_ptr_equal(bvec_virt(&bv), a + n);
		assert_true(bv.bv_len <= 4096);
		n += bv.bv_len;
		segs++;
	}
	assert_int_equal(segs, 3);
	assert_int_equal(n, 4096 * 2 + 2048);
	segs = 0;
	bio_for_each_segment_all(seg, &y, all) segs += seg->bv_len <= PAGE_SIZE;
	assert_int_equal(segs, 4);
	bio_copy_data(&y, &x);
	assert_memory_equal(b + 512, a, 1024);
	assert_memory_equal(b + 4096, a + 1024, 5120);
	assert_memory_equal(b, a + 6144, 512);
	bio_advance(&y, 1024 + 512);
	assert_int_equal(y.bi_iter.bi_sector, 3);
	zero_fill_bio(&y);
	assert_memory_equal(b + 512, a, 1024);
	assert_memory_equal(b + 4096, a + 1024, 512);
	assert_null(memchr_inv(b + 4096 + 512, 0, 5120 - 512));
	kfree(a);
	kfree(b);
}

static void test_open(void **state)
{
	struct image im;
	struct file *f;
	int holder;

	image_open(&im, disk_dir(), BLK_OPEN_READ);
	assert_int_equal(
		PTR_ERR(bdev_file_open_by_path("/nonexistent/x", BLK_OPEN_READ, NULL, NULL)),
		-ENOENT);
	assert_int_equal(PTR_ERR(bdev_file_open_by_path("/", BLK_OPEN_READ, NULL, NULL)), -EISDIR);
	assert_int_equal(PTR_ERR(bdev_file_open_by_path("/dev/null", BLK_OPEN_READ, NULL, NULL)),
			 -ENOTBLK);
	f = bdev_file_open_by_path(im.path, BLK_OPEN_READ | BLK_OPEN_WRITE, &holder, NULL);
	assert_false(IS_ERR(f));
	assert_int_equal(PTR_ERR(bdev_file_open_by_path(im.path, BLK_OPEN_READ, &holder, NULL)),
			 -EBUSY);
	bdev_fput(f);
	f = bdev_file_open_by_path(im.path, BLK_OPEN_READ, &holder, NULL);
	assert_false(IS_ERR(f));
	bdev_fput(f);
	assert_int_equal(shim_bdev_check_unmounted(im.path), 0);
	assert_int_equal(blk_status_to_errno(errno_to_blk_status(-ENOSPC)), -ENOSPC);
	assert_int_equal(blk_status_to_errno(200), -EIO);
	image_close(&im);
}

static int end(void **state)
{
	shim_exit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct),	cmocka_unit_test(test_page_cache),
		cmocka_unit_test(test_tmpfs),	cmocka_unit_test(test_errors),
		cmocka_unit_test(test_many),	cmocka_unit_test(test_chain_and_faults),
		cmocka_unit_test(test_discard), cmocka_unit_test(test_bvecs),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
