// SPDX-License-Identifier: GPL-2.0
/*
 * Shim, concurrency: locks, wait queues, completions, threads, work queues, timers, RCU and hash
 * tables under several threads. Meant to run under ThreadSanitizer too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <shim/shim.h>

#define THREADS 4
#define ROUNDS	2000

static DEFINE_MUTEX(mutex);
static DEFINE_SPINLOCK(spin);
static DECLARE_RWSEM(rwsem);
static DEFINE_SEQLOCK(seq);
static unsigned long bit_word;
static long counters[4], seq_a, seq_b;

static atomic_t nr_done;
static DECLARE_WAIT_QUEUE_HEAD(done_wait);

/* A thread stopped before it ran at all never runs: wait for the end of all @nr first. */
static int i_am_done(int ret)
{
	atomic_inc(&nr_done);
	wake_up(&done_wait);
	return ret;
}

static void all_done(int nr)
{
	wait_event(done_wait, atomic_read(&nr_done) == nr);
	atomic_set(&nr_done, 0);
}

static int lock_user(void *arg)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		scoped_guard(mutex, &mutex) counters[0]++;
		scoped_guard(spinlock, &spin) counters[1]++;
		if (i % 8) {
			down_read(&rwsem);
			BUG_ON(counters[2] < 0);
			up_read(&rwsem);
		} else {
			down_write(&rwsem);
			counters[2] += 8;
			downgrade_write(&rwsem);
			up_read(&rwsem);
		}
		while (test_and_set_bit_lock(3, &bit_word))
			cpu_relax();
		counters[3]++;
		clear_bit_unlock(3, &bit_word);
	}
	return i_am_done((int)(long)arg);
}

static void test_locks(void **state)
{
	struct task_struct *t[THREADS];
	int i;

	for (i = 0; i < THREADS; i++) {
		t[i] = kthread_run(lock_user, (void *)(long)i, "locker-%d", i);
		assert_false(IS_ERR(t[i]));
		get_task_struct(t[i]);
	}
	all_done(THREADS);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(kthread_stop_put(t[i]), i);
	for (i = 0; i < 4; i++)
		assert_int_equal(counters[i], THREADS * ROUNDS);
	assert_false(mutex_is_locked(&mutex));
	assert_true(down_write_trylock(&rwsem));
	assert_false(down_read_trylock(&rwsem));
	up_write(&rwsem);
}

static int seq_writer(void *arg)
{
	while (!kthread_should_stop()) {
		write_seqlock(&seq);
		WRITE_ONCE(seq_a, seq_a + 1);
		WRITE_ONCE(seq_b, seq_b - 1);
		write_sequnlock(&seq);
	}
	return 0;
}

static void test_seqlock(void **state)
{
	struct task_struct *t = kthread_run(seq_writer, NULL, "seq");
	unsigned int start;
	long a, b;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		do {
			start = read_seqbegin(&seq);
			a = READ_ONCE(seq_a);
			b = READ_ONCE(seq_b);
		} while (read_seqretry(&seq, start));
		assert_int_equal(a, -b);
	}
	kthread_stop(t);
}

static DECLARE_WAIT_QUEUE_HEAD(ping_wait);
static int ping;

static int ponger(void *arg)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		wait_event(ping_wait, READ_ONCE(ping) & 1);
		WRITE_ONCE(ping, READ_ONCE(ping) + 1);
		wake_up_all(&ping_wait);
	}
	return 0;
}

/* Two threads take turns: a lost wake-up hangs here. */
static void test_wait(void **state)
{
	struct task_struct *t = kthread_run(ponger, NULL, "pong");
	unsigned long start;
	int i;

	get_task_struct(t);
	for (i = 0; i < ROUNDS; i++) {
		WRITE_ONCE(ping, READ_ONCE(ping) + 1);
		wake_up_all(&ping_wait);
		wait_event(ping_wait, !(READ_ONCE(ping) & 1));
	}
	kthread_stop_put(t);
	assert_int_equal(ping, 2 * ROUNDS);

	start = jiffies;
	assert_int_equal(wait_event_timeout(ping_wait, false, msecs_to_jiffies(40)), 0);
	assert_true(jiffies - start >= msecs_to_jiffies(40));
	assert_true(wait_event_timeout(ping_wait, true, 10) > 0);

	shim_raise_signal();
	assert_int_equal(wait_event_interruptible(ping_wait, false), -ERESTARTSYS);
	assert_true(signal_pending(current));
	shim_clear_signal();
	assert_int_equal(wait_event_interruptible(ping_wait, true), 0);
}

static int bit_clearer(void *arg)
{
	msleep(10);
	clear_and_wake_up_bit(5, arg);
	return i_am_done(0);
}

static void test_wait_bit(void **state)
{
	unsigned long word = BIT(5) | BIT(6);
	struct task_struct *t = kthread_run(bit_clearer, &word, "bit");

	get_task_struct(t);
	assert_int_equal(wait_on_bit_io(&word, 5, TASK_UNINTERRUPTIBLE), 0);
	assert_true(word == BIT(6));
	assert_int_equal(wait_on_bit_timeout(&word, 6, TASK_UNINTERRUPTIBLE, 2), -EAGAIN);
	all_done(1);
	kthread_stop_put(t);
}

static int completer(void *arg)
{
	complete(arg);
	return 0;
}

/* Completions on the stack: the waiter may leave while complete() is on its way out. */
static void test_completion(void **state)
{
	int i;

	for (i = 0; i < 200; i++) {
		DECLARE_COMPLETION_ONSTACK(done);
		struct task_struct *t = kthread_run(completer, &done, "done");

		assert_false(IS_ERR(t));
		wait_for_completion(&done);
		assert_false(try_wait_for_completion(&done));
	}
	{
		DECLARE_COMPLETION_ONSTACK(done);

		assert_int_equal(wait_for_completion_timeout(&done, 2), 0);
		complete_all(&done);
		wait_for_completion(&done);
		wait_for_completion(&done);
		assert_true(completion_done(&done));
		reinit_completion(&done);
		assert_false(completion_done(&done));
	}
}

static int never(void *arg)
{
	abort();
}

static int stopper(void *arg)
{
	assert_string_equal(current->comm, "stopper");
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 42;
}

static void test_kthread(void **state)
{
	struct task_struct *t = kthread_create(never, NULL, "never");

	assert_int_equal(kthread_stop(t), -EINTR);
	t = kthread_run(stopper, NULL, "stopper");
	msleep(5);
	assert_int_equal(kthread_stop(t), 42);
}

struct job {
	struct work_struct work;
	struct delayed_work delayed;
	atomic_t runs;
	atomic_t inside;
	struct workqueue_struct *again;
	int ms;
};

static void job_fn(struct work_struct *w)
{
	struct job *j = container_of(w, struct job, work);

	BUG_ON(atomic_inc_return(&j->inside) != 1);
	if (j->ms)
		msleep(j->ms);
	atomic_dec(&j->inside);
	if (atomic_inc_return(&j->runs) < 5 && j->again)
		queue_work(j->again, w);
}

static void delayed_fn(struct work_struct *w)
{
	atomic_inc(&container_of(w, struct job, delayed.work)->runs);
}

static void test_workqueue(void **state)
{
	struct workqueue_struct *wq = alloc_workqueue("test-%s", WQ_UNBOUND, 8, "wq");
	struct job j[50];
	unsigned long start;
	int i, k;

	memset(j, 0, sizeof(j));
	for (i = 0; i < 50; i++) {
		INIT_WORK(&j[i].work, job_fn);
		INIT_DELAYED_WORK(&j[i].delayed, delayed_fn);
	}
	for (k = 0; k < 20; k++)
		for (i = 0; i < 50; i++)
			queue_work(wq, &j[i].work);
	flush_workqueue(wq);
	for (i = 0; i < 50; i++) {
		assert_true(atomic_read(&j[i].runs) >= 1);
		assert_false(work_pending(&j[i].work));
		atomic_set(&j[i].runs, 0);
	}

	/* an item that runs is not entered a second time, but runs again */
	j[0].ms = 100;
	queue_work(wq, &j[0].work);
	while (!atomic_read(&j[0].inside))
		cpu_relax();
	assert_true(queue_work(wq, &j[0].work));
	assert_false(queue_work(wq, &j[0].work));
	assert_true(flush_work(&j[0].work));
	assert_int_equal(atomic_read(&j[0].runs), 2);
	assert_false(flush_work(&j[0].work));

	/* items run at the same time */
	start = jiffies;
	for (i = 1; i < 7; i++) {
		j[i].ms = 100;
		queue_work(wq, &j[i].work);
	}
	flush_workqueue(wq);
	assert_true(jiffies - start < msecs_to_jiffies(500));

	/* one that queues itself */
	j[7].again = wq;
	queue_work(wq, &j[7].work);
	drain_workqueue(wq);
	assert_int_equal(atomic_read(&j[7].runs), 5);
	atomic_set(&j[7].runs, -1000000);
	j[7].ms = 1;
	queue_work(wq, &j[7].work);
	msleep(5);
	cancel_work_sync(&j[7].work);
	k = atomic_read(&j[7].runs);
	msleep(5);
	assert_int_equal(atomic_read(&j[7].runs), k);

	/* delays */
	assert_true(queue_delayed_work(wq, &j[8].delayed, msecs_to_jiffies(20)));
	assert_false(queue_delayed_work(wq, &j[8].delayed, 0));
	assert_true(delayed_work_pending(&j[8].delayed));
	assert_int_equal(atomic_read(&j[8].runs), 0);
	msleep(60);
	flush_delayed_work(&j[8].delayed);
	assert_int_equal(atomic_read(&j[8].runs), 1);
	queue_delayed_work(wq, &j[8].delayed, 100000);
	assert_true(cancel_delayed_work_sync(&j[8].delayed));
	assert_false(cancel_delayed_work_sync(&j[8].delayed));
	queue_delayed_work(wq, &j[8].delayed, 100000);
	assert_true(mod_delayed_work(wq, &j[8].delayed, 0));
	flush_delayed_work(&j[8].delayed);
	assert_int_equal(atomic_read(&j[8].runs), 2);
	queue_delayed_work(wq, &j[8].delayed, 100000);
	flush_delayed_work(&j[8].delayed);
	assert_int_equal(atomic_read(&j[8].runs), 3);

	destroy_workqueue(wq);
	/* the queue is gone, the item does not mind */
	assert_false(flush_work(&j[0].work));
	assert_true(schedule_work(&j[9].work));
	flush_work(&j[9].work);
	assert_int_equal(atomic_read(&j[9].runs), 1);
}

struct ticker {
	struct timer_list timer;
	atomic_t n;
};

static void tick(struct timer_list *t)
{
	struct ticker *k = from_timer(k, t, timer);

	if (atomic_inc_return(&k->n) < 3)
		mod_timer(t, jiffies + 1);
}

static void test_timer(void **state)
{
	struct ticker k = { .n = ATOMIC_INIT(0) };
	int i;

	timer_setup(&k.timer, tick, 0);
	assert_int_equal(mod_timer(&k.timer, jiffies + 1), 0);
	for (i = 0; i < 1000 && atomic_read(&k.n) < 3; i++)
		msleep(5);
	assert_int_equal(atomic_read(&k.n), 3);
	mod_timer(&k.timer, jiffies + 10000);
	assert_true(timer_pending(&k.timer));
	assert_int_equal(timer_reduce(&k.timer, jiffies + 9000), 1);
	assert_int_equal(timer_delete_sync(&k.timer), 1);
	assert_int_equal(timer_delete_sync(&k.timer), 0);
	timer_shutdown_sync(&k.timer);
	mod_timer(&k.timer, jiffies);
	assert_false(timer_pending(&k.timer));
}

struct obj {
	u64 key;
	u64 check;
	struct rhash_head hash;
	struct rcu_head rcu;
};

static const struct rhashtable_params params = {
	.head_offset = offsetof(struct obj, hash),
	.key_offset = offsetof(struct obj, key),
	.key_len = sizeof(u64),
	.automatic_shrinking = true,
};

static struct rhashtable table;

#define STABLE 500

/* Objects [0, STABLE) are always there; each thread makes and unmakes its own beyond. */
static int table_user(void *arg)
{
	u64 base = STABLE + (u64)(long)arg * 100000, i, k;
	struct obj *o;

	for (i = 0; i < 3000; i++) {
		o = kmalloc(sizeof(*o), GFP_KERNEL);
		o->key = base + i;
		o->check = ~o->key;
		BUG_ON(rhashtable_lookup_insert_fast(&table, &o->hash, params));
		k = i * 7919 % STABLE;
		rcu_read_lock();
		o = rhashtable_lookup(&table, &k, params);
		BUG_ON(!o || o->key != k || o->check != ~k);
		rcu_read_unlock();
		if (i % 3) {
			k = base + i - i % 3;
			rcu_read_lock();
			o = rhashtable_lookup(&table, &k, params);
			rcu_read_unlock();
			if (o) {
				BUG_ON(o->check != ~k);
				BUG_ON(rhashtable_remove_fast(&table, &o->hash, params));
				kfree_rcu(o, rcu);
			}
		}
	}
	return i_am_done(0);
}

static void free_obj(void *obj, void *arg)
{
	(*(int *)arg)++;
	kfree(obj);
}

static void test_rhashtable(void **state)
{
	struct task_struct *t[THREADS];
	struct rhashtable_iter iter;
	struct obj *o, dup = { .key = 5 };
	int i, nr, freed = 0;
	u64 k;

	assert_int_equal(rhashtable_init(&table, &params), 0);
	for (k = 0; k < STABLE; k++) {
		o = kmalloc(sizeof(*o), GFP_KERNEL);
		o->key = k;
		o->check = ~k;
		assert_int_equal(rhashtable_lookup_insert_fast(&table, &o->hash, params), 0);
	}
	assert_int_equal(rhashtable_lookup_insert_fast(&table, &dup.hash, params), -EEXIST);
	assert_int_equal(rhashtable_remove_fast(&table, &dup.hash, params), -ENOENT);
	for (i = 0; i < THREADS; i++) {
		t[i] = kthread_run(table_user, (void *)(long)i, "table");
		get_task_struct(t[i]);
	}
	all_done(THREADS);
	for (i = 0; i < THREADS; i++)
		kthread_stop_put(t[i]);

	nr = 0;
	rhashtable_walk_enter(&table, &iter);
	rhashtable_walk_start(&iter);
	while ((o = rhashtable_walk_next(&iter))) {
		assert_false(IS_ERR(o));
		assert_true(o->check == ~o->key);
		if (++nr % 10 == 0) {
			rhashtable_walk_stop(&iter);
			rhashtable_walk_start(&iter);
		}
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	assert_int_equal(nr, atomic_read(&table.nelems));
	rhashtable_free_and_destroy(&table, free_obj, &freed);
	assert_int_equal(freed, nr);
	rcu_barrier();
}

static int cmp_moving(struct rhashtable_compare_arg *arg, const void *obj)
{
	return READ_ONCE(((const struct obj *)obj)->key) != *(const u64 *)arg->key;
}

/* Keys of these change while others look at them. */
static const struct rhashtable_params moving_params = {
	.head_offset = offsetof(struct obj, hash),
	.key_offset = offsetof(struct obj, key),
	.key_len = sizeof(u64),
	.obj_cmpfn = cmp_moving,
};

/* An object that is taken out and put back under another key at once. */
static struct obj moving[64];

static int mover(void *arg)
{
	u64 round = 0, i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 64; i++) {
			BUG_ON(rhashtable_remove_fast(&table, &moving[i].hash, moving_params));
			WRITE_ONCE(moving[i].key, 1000 + (i * 131 + round) % 100000 * 64 + i);
			BUG_ON(rhashtable_lookup_insert_fast(&table, &moving[i].hash,
							     moving_params));
		}
		round++;
	}
	return 0;
}

static void test_rhashtable_reuse(void **state)
{
	struct task_struct *t;
	struct obj *fixed = kcalloc(300, sizeof(*fixed), GFP_KERNEL), *o;
	u64 i, k;

	assert_int_equal(rhashtable_init(&table, &moving_params), 0);
	for (i = 0; i < 64; i++) {
		moving[i].key = 1000 + i;
		assert_int_equal(
			rhashtable_lookup_insert_fast(&table, &moving[i].hash, moving_params), 0);
	}
	for (i = 0; i < 300; i++) {
		fixed[i].key = i;
		assert_int_equal(
			rhashtable_lookup_insert_fast(&table, &fixed[i].hash, moving_params), 0);
	}
	t = kthread_run(mover, NULL, "mover");
	for (i = 0; i < 20000; i++) {
		k = i % 300;
		o = rhashtable_lookup_fast(&table, &k, moving_params);
		assert_ptr_equal(o, &fixed[k]);
	}
	kthread_stop(t);
	rhashtable_destroy(&table);
	kfree(fixed);
}

static struct obj *shared;

static int rcu_writer(void *arg)
{
	u64 i;

	for (i = 0; i < 300; i++) {
		struct obj *o = kmalloc(sizeof(*o), GFP_KERNEL), *old;

		o->key = i;
		o->check = ~i;
		old = rcu_replace_pointer(shared, o, true);
		if (i % 2) {
			kfree_rcu(old, rcu);
		} else if (old) {
			synchronize_rcu();
			kfree(old);
		}
	}
	return i_am_done(0);
}

static void test_rcu(void **state)
{
	struct task_struct *t = kthread_run(rcu_writer, NULL, "rcu");
	struct obj *o;
	int i;

	get_task_struct(t);
	for (i = 0; i < ROUNDS; i++) {
		guard(rcu)();
		o = rcu_dereference(shared);
		if (o)
			assert_true(o->check == ~o->key);
	}
	assert_false(rcu_read_lock_held());
	all_done(1);
	kthread_stop_put(t);
	rcu_barrier();
	kfree(shared);
}

static int end(void **state)
{
	shim_exit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locks),	   cmocka_unit_test(test_seqlock),
		cmocka_unit_test(test_wait),	   cmocka_unit_test(test_wait_bit),
		cmocka_unit_test(test_completion), cmocka_unit_test(test_kthread),
		cmocka_unit_test(test_workqueue),  cmocka_unit_test(test_timer),
		cmocka_unit_test(test_rhashtable), cmocka_unit_test(test_rhashtable_reuse),
		cmocka_unit_test(test_rcu),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
