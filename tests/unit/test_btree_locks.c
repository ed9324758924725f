// SPDX-License-Identifier: GPL-2.0
/*
 * Locks of transactions under threads: six locks, relocking by sequence number,
 * upgrades; cycles, each broken by one member's restart, the youngest's if it may;
 * mutexes taken with nodes in hand; the arena.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/cache.h"
#include "btree/iter.h"
#include "btree/locking.h"
#include "btree_image.h"
#include "util/six.h"

#define LOCKS	6

static struct world {
	struct bch_fs		*c;
	struct six_lock		l[LOCKS];
	struct mutex		m[2];
} w;

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.c = timg_fs(4096, 512);
	for (unsigned i = 0; i < LOCKS; i++)
		six_lock_init(&w.l[i]);
	mutex_init(&w.m[0]);
	mutex_init(&w.m[1]);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < LOCKS; i++) {
		assert_int_equal(w.l[i].readers, 0);
		assert_int_equal(w.l[i].intents, 0);
		assert_false(w.l[i].write);
		assert_true(list_empty(&w.l[i].waiters));
	}
	timg_fs_free(w.c);
	return 0;
}

/* --- without threads --- */

static void modes_exclude_each_other(void **state)
{
	struct six_lock *l = &w.l[0];
	int a, b;

	assert_true(six_trylock_type(l, SIX_LOCK_read, &a));
	assert_true(six_trylock_type(l, SIX_LOCK_read, &b));
	assert_true(six_trylock_type(l, SIX_LOCK_intent, &a));
	assert_true(six_trylock_type(l, SIX_LOCK_intent, &a));
	assert_false(six_trylock_type(l, SIX_LOCK_intent, &b));
	/* b reads: no writing; a's own read hold does not count */
	assert_false(six_trylock_write(l, &a, 1));
	six_unlock_type(l, SIX_LOCK_read);
	assert_true(six_trylock_write(l, &a, 1));
	assert_false(six_trylock_type(l, SIX_LOCK_read, &b));
	assert_true(six_trylock_type(l, SIX_LOCK_read, &a));
	six_unlock_type(l, SIX_LOCK_read);
	six_unlock_type(l, SIX_LOCK_write);
	six_unlock_type(l, SIX_LOCK_read);

	assert_true(six_trylock_type(l, SIX_LOCK_read, &b));
	assert_false(six_lock_tryupgrade(l, &b));
	six_lock_downgrade(l);
	/* a holds intent twice: one of them is left */
	assert_false(six_lock_tryupgrade(l, &b));
	six_unlock_type(l, SIX_LOCK_intent);
	assert_true(six_lock_tryupgrade(l, &b));
	assert_false(six_trylock_type(l, SIX_LOCK_intent, &a));
	six_unlock_type(l, SIX_LOCK_intent);
	six_unlock_type(l, SIX_LOCK_read);
}

static void relock_by_sequence(void **state)
{
	struct btree_trans *a = bch2_trans_get(w.c), *b = bch2_trans_get(w.c);
	struct six_lock *l = &w.l[0];
	u32 seq;

	assert_int_equal(bch2_trans_lock(a, l, SIX_LOCK_read), 0);
	seq = six_lock_seq(l);
	assert_false(seq & 1);
	bch2_trans_unlock_one(a, l, SIX_LOCK_read);

	/* intent alone changes nothing */
	assert_int_equal(bch2_trans_lock(b, l, SIX_LOCK_intent), 0);
	assert_true(bch2_trans_relock_one(a, l, SIX_LOCK_read, seq));
	assert_false(bch2_trans_relock_one(a, l, SIX_LOCK_intent, seq));
	bch2_trans_unlock_one(a, l, SIX_LOCK_read);

	assert_int_equal(bch2_trans_lock_write(b, l), 0);
	assert_true(six_lock_seq(l) & 1);
	assert_false(bch2_trans_relock_one(a, l, SIX_LOCK_read, seq));
	bch2_trans_unlock_write(b, l);
	assert_int_equal(six_lock_seq(l), seq + 2);
	assert_false(bch2_trans_relock_one(a, l, SIX_LOCK_read, seq));
	assert_true(bch2_trans_relock_one(a, l, SIX_LOCK_read, seq + 2));
	bch2_trans_unlock_one(a, l, SIX_LOCK_read);
	bch2_trans_unlock_one(b, l, SIX_LOCK_intent);
	assert_false(bch2_trans_has_locks(a) || bch2_trans_has_locks(b));
	bch2_trans_put(a);
	bch2_trans_put(b);
}

/* LK-4, and holds that are counted. */
static void own_holds_do_not_count(void **state)
{
	struct btree_trans *a = bch2_trans_get(w.c);
	struct six_lock *l = &w.l[0];

	assert_int_equal(bch2_trans_lock(a, l, SIX_LOCK_read), 0);
	assert_int_equal(bch2_trans_lock(a, l, SIX_LOCK_read), 0);
	assert_int_equal(bch2_trans_upgrade_one(a, l, six_lock_seq(l)), 0);
	assert_int_equal(bch2_trans_lock(a, l, SIX_LOCK_read), 0);
	assert_int_equal(bch2_trans_lock(a, l, SIX_LOCK_intent), 0);
	assert_int_equal(bch2_trans_lock_write(a, l), 0);
	assert_int_equal(bch2_trans_lock_write(a, l), 0);
	assert_int_equal(bch2_trans_lock_held(a, l), 7);
	bch2_trans_unlock_write(a, l);
	assert_int_equal(bch2_trans_lock_held(a, l), 7);
	bch2_trans_unlock_write(a, l);
	bch2_trans_unlock_one(a, l, SIX_LOCK_read);
	bch2_trans_unlock_one(a, l, SIX_LOCK_read);
	assert_int_equal(bch2_trans_lock_held(a, l), 1 << SIX_LOCK_intent);
	bch2_trans_downgrade_one(a, l);
	bch2_trans_unlock_one(a, l, SIX_LOCK_intent);
	assert_int_equal(bch2_trans_lock_held(a, l), 1 << SIX_LOCK_read);
	bch2_trans_unlock_one(a, l, SIX_LOCK_read);
	assert_int_equal(bch2_trans_lock_held(a, l), 0);
	bch2_trans_put(a);
}

static void many_holds(void **state)
{
	struct btree_trans *a = bch2_trans_get(w.c);
	struct six_lock l[100];

	for (unsigned i = 0; i < ARRAY_SIZE(l); i++) {
		six_lock_init(&l[i]);
		assert_int_equal(bch2_trans_lock(a, &l[i], i % 2), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(l); i++) {
		assert_int_equal(bch2_trans_lock_held(a, &l[i]), 1 << i % 2);
		bch2_trans_unlock_one(a, &l[i], i % 2);
	}
	bch2_trans_put(a);
}

static void arena(void **state)
{
	struct btree_trans *a = bch2_trans_get(w.c);
	struct trans_words words = { 0 };
	u64 *p[200], *first;

	for (unsigned round = 0; round < 3; round++) {
		bch2_trans_begin(a);
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			p[i] = bch2_trans_kmalloc(a, i * 8 + 1);
			for (unsigned j = 0; j <= i; j++) {
				assert_int_equal(p[i][j], 0);
				p[i][j] = i;
			}
		}
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
			for (unsigned j = 0; j <= i; j++)
				assert_int_equal(p[i][j], i);
		memset(&words, 0, sizeof(words));
		for (unsigned i = 0; i < 1000; i++) {
			first = bch2_trans_words_add(a, &words, 3);
			assert_int_equal(first[0] | first[1] | first[2], 0);
			first[0] = first[1] = first[2] = i;
		}
		assert_int_equal(words.nr, 3000);
		for (unsigned i = 0; i < 3000; i++)
			assert_int_equal(words.d[i], i / 3);
	}
	bch2_trans_put(a);
}

/* Restarts are asked for, and none gets lost on its way. */
static void injected_restarts(void **state)
{
	struct btree_trans *a = bch2_trans_get(w.c);
	unsigned attempts = 0, allocs = 0;
	int ret;

	WRITE_ONCE(w.c->btree.restart_fault_every, 3);
	for (unsigned i = 0; i < 10; i++) {
		ret = lockrestart_do(a, ({
			attempts++;
			allocs++;
			IS_ERR(bch2_trans_kmalloc(a, 8))
				? -BCH_ERR_transaction_restart_fault_inject : 0;
		}));
		assert_int_equal(ret, 0);
	}
	assert_int_equal(attempts, 14);

	WRITE_ONCE(w.c->btree.restart_fault_every, 0);
	bch2_trans_begin(a);
	attempts = 0;
	ret = nested_lockrestart_do(a, attempts++ ? 0
		: bch2_trans_restart(a, BCH_ERR_transaction_restart_relock));
	assert_int_equal(ret, -BCH_ERR_transaction_restart_nested);
	assert_int_equal(a->restarted, BCH_ERR_transaction_restart_nested);
	bch2_trans_begin(a);
	assert_int_equal(nested_lockrestart_do(a, 0), 0);
	assert_int_equal(nested_lockrestart_do(a, -EIO), -EIO);
	bch2_trans_put(a);
}

/* --- cycles --- */

struct step {
	void			*obj;		/* NULL: end */
	enum six_lock_type	type;
	bool			mutex;
	bool			nofail;
};

/* Takes its first @first steps, waits for a go, does the others; from the start if need be. */
struct actor {
	struct step		steps[6];
	unsigned		first;
	u64			age;		/* start time of the first attempt */
	struct btree_trans	*trans;
	pthread_t		thread;
	atomic_t		ready;
	atomic_t		*go;
	unsigned		restarts;
	int			err;		/* of the last one */
};

static int actor_take(struct actor *a, const struct step *s)
{
	if (s->mutex)
		return bch2_trans_mutex_lock(a->trans, s->obj);
	if (s->type == SIX_LOCK_write && s->nofail)
		return bch2_trans_lock_write_nofail(a->trans, s->obj), 0;
	if (s->type == SIX_LOCK_write)
		return bch2_trans_lock_write(a->trans, s->obj);
	if (s->nofail)
		return bch2_trans_lock_nofail(a->trans, s->obj, s->type), 0;
	return bch2_trans_lock(a->trans, s->obj, s->type);
}

static void actor_release(struct actor *a, unsigned nr)
{
	while (nr--) {
		const struct step *s = &a->steps[nr];

		if (s->mutex)
			bch2_trans_mutex_unlock(a->trans, s->obj);
		else if (s->type == SIX_LOCK_write)
			bch2_trans_unlock_write(a->trans, s->obj);
		else
			bch2_trans_unlock_one(a->trans, s->obj, s->type);
	}
}

static int actor_attempt(struct actor *a)
{
	unsigned i;
	int ret = 0;

	if (a->age && !a->restarts) {
		spin_lock(&a->trans->locks.lock);
		a->trans->start_time = a->age;
		spin_unlock(&a->trans->locks.lock);
	}
	for (i = 0; !ret && a->steps[i].obj; i++) {
		if (i == a->first) {
			atomic_set(&a->ready, 1);
			while (!atomic_read(a->go))
				sched_yield();
		}
		ret = actor_take(a, &a->steps[i]);
		i -= ret != 0;
	}
	actor_release(a, i);
	if (ret) {
		a->restarts++;
		a->err = ret;
	}
	return ret;
}

static void *actor_main(void *arg)
{
	struct actor *a = arg;

	if (lockrestart_do(a->trans, actor_attempt(a)))
		abort();
	return NULL;
}

/*
 * Does the actor wait for this? It says so before it joins the lock's queue, and only
 * from there on a writer keeps readers out.
 */
static bool blocked_on(struct actor *a, const struct step *s)
{
	struct six_lock_waiter *waiter;
	struct six_lock *l = s->obj;
	bool ret;

	spin_lock(&a->trans->locks.lock);
	ret = a->trans->locks.want == s->obj;
	spin_unlock(&a->trans->locks.lock);
	if (!ret || s->mutex)
		return ret;

	ret = false;
	spin_lock(&l->wait_lock);
	list_for_each_entry(waiter, &l->waiters, list)
		ret |= waiter->owner == a->trans;
	spin_unlock(&l->wait_lock);
	return ret;
}

/*
 * All actors take what they take first; then each in turn goes on, as soon as the
 * one before is blocked. Returns the number of restarts.
 */
static unsigned play(struct actor *a, unsigned nr)
{
	atomic_t go[8];
	unsigned restarts = 0;

	for (unsigned i = 0; i < nr; i++) {
		atomic_set(&go[i], 0);
		a[i].go		= &go[i];
		a[i].trans	= bch2_trans_get(w.c);
		assert_int_equal(pthread_create(&a[i].thread, NULL, actor_main, &a[i]), 0);
		while (!atomic_read(&a[i].ready))
			sched_yield();
	}
	for (unsigned i = 0; i < nr; i++) {
		const struct step *next = &a[i].steps[a[i].first];

		atomic_set(&go[i], 1);
		while (i + 1 < nr && !blocked_on(&a[i], next))
			sched_yield();
	}
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(a[i].thread, NULL);
		assert_false(bch2_trans_has_locks(a[i].trans));
		bch2_trans_put(a[i].trans);
		restarts += a[i].restarts;
	}
	return restarts;
}

#define READ(n)		{ &w.l[n], SIX_LOCK_read }
#define INTENT(n)	{ &w.l[n], SIX_LOCK_intent }
#define WRITE(n)	{ &w.l[n], SIX_LOCK_write }
#define MUTEX(n)	{ &w.m[n], .mutex = true }

static void opposite_order(void **state)
{
	for (unsigned young = 0; young < 2; young++) {
		struct actor a[] = {
			{ { INTENT(0), INTENT(1) }, 1, young == 0 ? 20 : 10 },
			{ { INTENT(1), INTENT(0) }, 1, young == 1 ? 20 : 10 },
		};

		assert_int_equal(play(a, 2), 1);
		assert_int_equal(a[young].restarts, 1);
		assert_int_equal(a[young].err, -BCH_ERR_transaction_restart_would_deadlock);
	}
}

static void ring_of_three(void **state)
{
	for (unsigned young = 0; young < 3; young++) {
		struct actor a[] = {
			{ { INTENT(0), INTENT(1) }, 1, young == 0 ? 20 : 10 },
			{ { INTENT(1), INTENT(2) }, 1, young == 1 ? 20 : 10 },
			{ { INTENT(2), INTENT(0) }, 1, young == 2 ? 20 : 10 },
		};

		assert_int_equal(play(a, 3), 1);
		assert_int_equal(a[young].restarts, 1);
	}
}

static void one_that_must_not_fail(void **state)
{
	for (unsigned nofail = 0; nofail < 3; nofail++) {
		struct actor a[] = {
			{ { INTENT(0), INTENT(1) }, 1, nofail == 0 ? 30 : 10 },
			{ { INTENT(1), INTENT(2) }, 1, nofail == 1 ? 30 : 20 },
			{ { INTENT(2), INTENT(0) }, 1, nofail == 2 ? 30 : 15 },
		};

		/* it is the youngest, and still the next youngest restarts */
		a[nofail].steps[1].nofail = true;
		assert_int_equal(play(a, 3), 1);
		assert_int_equal(a[nofail].restarts, 0);
		assert_int_equal(a[nofail == 1 ? 2 : 1].restarts, 1);
	}
}

static void write_against_readers(void **state)
{
	static const struct {
		u64		age[3];
		unsigned	restarts[3];
		/* once more if it looks for cycles late, when the writer is there already */
		unsigned	late[3];
	} t[] = {
		/* two cycles, each broken by its younger member */
		{ { 20, 10, 5 },	{ 1, 1, 0 }, { 1, 1, 0 } },
		{ { 10, 20, 30 },	{ 0, 0, 1 } },
		/* breaking the first breaks the second one too */
		{ { 5, 20, 10 },	{ 0, 0, 1 }, { 0, 1, 0 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		/* 0 and 1 read what 2 wants to write, and want what 2 has */
		struct actor a[] = {
			{ { READ(0), INTENT(1) }, 1, t[i].age[0] },
			{ { READ(0), INTENT(2) }, 1, t[i].age[1] },
			{ { INTENT(0), INTENT(1), INTENT(2), WRITE(0) }, 3, t[i].age[2] },
		};

		play(a, 3);
		for (unsigned j = 0; j < 3; j++)
			assert_in_range(a[j].restarts, t[i].restarts[j],
					t[i].restarts[j] + t[i].late[j]);
		if (a[2].restarts)
			assert_int_equal(a[2].err,
					 -BCH_ERR_transaction_restart_would_deadlock_write);
	}
}

/* LK-5: a reader waits for a writer that waits for another reader. */
static void waiting_writer_counts(void **state)
{
	for (unsigned young = 0; young < 3; young++) {
		struct actor a[] = {
			{ { READ(0), INTENT(2) }, 1, young == 0 ? 20 : 10 },
			{ { INTENT(0), WRITE(0) }, 1, young == 1 ? 20 : 10 },
			{ { INTENT(2), READ(0) }, 1, young == 2 ? 20 : 10 },
		};

		assert_int_equal(play(a, 3), 1);
		assert_int_equal(a[young].restarts, 1);
	}
}

/* Mutexes are in the graph; who waits for one cannot be woken: the other restarts. */
static void mutexes(void **state)
{
	struct actor a[] = {
		{ { MUTEX(0), MUTEX(1) }, 1, 20 },
		{ { MUTEX(1), MUTEX(0) }, 1, 10 },
	};
	struct actor b[] = {
		{ { INTENT(0), MUTEX(0) }, 1, 20 },
		{ { MUTEX(0), INTENT(0) }, 1, 10 },
	};

	/* more than once if it is faster than the other one's wake-up: nothing is handed over */
	assert_true(play(a, 2) >= 1);
	assert_true(play(b, 2) >= 1);
}

/* --- mutex against nodes of iterators --- */

struct mutex_scene {
	pthread_t		thread;
	atomic_t		has_node;
	unsigned		restarts;
	int			err;
};

static int want_mutex_with_node(struct mutex_scene *s, struct btree_trans *trans)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_logged_ops, POS(0, 1), BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	atomic_set(&s->has_node, 1);
	ret = ret ?: bch2_trans_mutex_lock(trans, &w.m[0]);
	if (!ret) {
		/* as if nothing had happened */
		if (iter.path[0].lock != SIX_LOCK_intent)
			abort();
		bch2_trans_mutex_unlock(trans, &w.m[0]);
	} else {
		s->restarts++;
		s->err = ret;
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void *mutex_waiter(void *arg)
{
	struct mutex_scene *s = arg;
	struct btree_trans *trans = bch2_trans_get(w.c);

	if (lockrestart_do(trans, want_mutex_with_node(s, trans)))
		abort();
	bch2_trans_put(trans);
	return NULL;
}

/* Who holds the mutex may wait for the node that who wants the mutex has. */
static void mutex_against_node(void **state)
{
	assert_int_equal(bch2_btree_root_alloc_fake(w.c, BTREE_ID_logged_ops, 0), 0);

	for (unsigned change = 0; change < 2; change++) {
		struct btree_trans *trans = bch2_trans_get(w.c);
		struct mutex_scene s = { 0 };
		struct btree_iter iter;
		struct btree *b;

		bch2_trans_begin(trans);
		assert_int_equal(bch2_trans_mutex_lock(trans, &w.m[0]), 0);
		assert_int_equal(pthread_create(&s.thread, NULL, mutex_waiter, &s), 0);
		while (!atomic_read(&s.has_node))
			sched_yield();
		bch2_trans_iter_init(trans, &iter, BTREE_ID_logged_ops, POS(0, 1),
				     BTREE_ITER_intent);
		assert_int_equal(bch2_btree_iter_traverse(&iter), 0);
		b = bch2_btree_iter_leaf(&iter);
		if (change) {
			assert_int_equal(btree_node_lock_write(trans, b), 0);
			btree_node_unlock_write(trans, b);
		}
		bch2_trans_iter_exit(&iter);
		bch2_trans_mutex_unlock(trans, &w.m[0]);
		pthread_join(s.thread, NULL);
		assert_int_equal(s.restarts, change);
		if (change)
			assert_int_equal(s.err,
				-BCH_ERR_transaction_restart_relock_path_intent);
		bch2_trans_put(trans);
	}
}

/* --- everybody against everybody --- */

#define STORM_THREADS	4
#define STORM_ROUNDS	400

static struct {
	u64			a, b;		/* equal whenever nobody writes */
} storm_data[LOCKS];

static int storm_attempt(struct btree_trans *trans, const unsigned *which, unsigned nr,
			 bool *counted)
{
	unsigned i, intents = 0;
	int ret = 0;

	/* the first bit of the choice: intent; the last lock of those is written to */
	for (i = 0; i < nr; i++) {
		ret = bch2_trans_lock(trans, &w.l[which[i] >> 1], which[i] & 1);
		if (ret)
			break;
		if (storm_data[which[i] >> 1].a != storm_data[which[i] >> 1].b)
			abort();
		if (which[i] & 1) {
			struct six_lock *l = &w.l[which[i] >> 1];

			intents++;
			ret = bch2_trans_lock_write(trans, l);
			if (!ret) {
				if (!*counted)
					storm_data[which[i] >> 1].a++;
				sched_yield();
				if (!*counted)
					storm_data[which[i] >> 1].b++;
				*counted = true;
				bch2_trans_unlock_write(trans, l);
			} else {
				bch2_trans_unlock_one(trans, l, SIX_LOCK_intent);
				break;
			}
		}
	}
	while (i--)
		bch2_trans_unlock_one(trans, &w.l[which[i] >> 1], which[i] & 1);
	return ret;
}

static void *storm_main(void *arg)
{
	struct btree_trans *trans = bch2_trans_get(w.c);
	unsigned seed = (unsigned) (uintptr_t) arg;
	u64 writes = 0;

	for (unsigned round = 0; round < STORM_ROUNDS; round++) {
		unsigned which[4];
		bool counted = false;

		for (unsigned i = 0; i < ARRAY_SIZE(which); i++)
			which[i] = rand_r(&seed) % (2 * LOCKS);
		if (lockrestart_do(trans, storm_attempt(trans, which, 4, &counted)))
			abort();
		writes += counted;
	}
	bch2_trans_put(trans);
	return (void *) (uintptr_t) writes;
}

static void storm(void **state)
{
	pthread_t t[STORM_THREADS];
	u64 writes = 0, sum = 0;

	memset(storm_data, 0, sizeof(storm_data));
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, storm_main, (void *) (i + 1)), 0);
	for (unsigned i = 0; i < STORM_THREADS; i++) {
		void *ret;

		pthread_join(t[i], &ret);
		writes += (uintptr_t) ret;
	}
	for (unsigned i = 0; i < LOCKS; i++) {
		assert_int_equal(storm_data[i].a, storm_data[i].b);
		sum += storm_data[i].a;
	}
	assert_int_equal(sum, writes);
	assert_true(sum > STORM_ROUNDS);
}

#define TEST(n)	cmocka_unit_test_setup_teardown(n, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modes_exclude_each_other),
		TEST(relock_by_sequence),
		TEST(own_holds_do_not_count),
		TEST(many_holds),
		TEST(arena),
		TEST(injected_restarts),
		TEST(opposite_order),
		TEST(ring_of_three),
		TEST(one_that_must_not_fail),
		TEST(write_against_readers),
		TEST(waiting_writer_counts),
		TEST(mutexes),
		TEST(mutex_against_node),
		TEST(storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
