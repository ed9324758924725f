// SPDX-License-Identifier: GPL-2.0
/*
 * Keys: first those the process brought itself (shim_add_key), then the user's keyrings in the
 * order session, user, user session. Only type "user" exists.
 *
 * Invariant: a key's payload does not change; replacing one puts a new key in its place, and old
 * ones live until the last key_put(). Payloads are wiped before they are freed.
 */
#include <errno.h>
#include <keyutils.h>

#include "internal.h"

#include <keys/user-type.h>
#include <linux/key.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <shim/keyring.h>

struct key_type key_type_user = { .name = "user" };

struct own_key {
	struct list_head	link;
	char			*description;
	struct key		*key;
};

static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(own_keys);

static struct key *key_new(const void *data, size_t len)
{
	struct user_key_payload *p;
	struct key *key;

	if (len > U16_MAX)
		return NULL;
	key = kzalloc(sizeof(*key), GFP_KERNEL);
	p = kzalloc(sizeof(*p) + len, GFP_KERNEL);
	if (!key || !p) {
		kfree(key);
		kfree(p);
		return NULL;
	}
	init_rwsem(&key->sem);
	p->datalen = len;
	memcpy(p->data, data, len);
	key->shim_refs = 1;
	key->shim_payload = p;
	return key;
}

/**
 * key_put - one reference less
 * @key:	key, or NULL
 */
void key_put(struct key *key)
{
	struct user_key_payload *p;

	if (!key || __atomic_sub_fetch(&key->shim_refs, 1, __ATOMIC_ACQ_REL))
		return;
	p = key->shim_payload;
	memzero_explicit(p, sizeof(*p) + p->datalen);
	kfree(p);
	kfree(key);
}

/**
 * shim_user_key_payload - a key's bytes (user_key_payload_locked)
 * @key:	key, its sem held
 */
const struct user_key_payload *shim_user_key_payload(const struct key *key)
{
	return key->shim_payload;
}

static void own_key_free(struct own_key *k)
{
	list_del(&k->link);
	key_put(k->key);
	kfree(k->description);
	kfree(k);
}

/**
 * shim_forget_key - drop a key the process brought
 * @description: its description, NULL: all
 */
void shim_forget_key(const char *description)
{
	struct own_key *k, *n;

	pthread_mutex_lock(&own_lock);
	list_for_each_entry_safe(k, n, &own_keys, link)
		if (!description || !strcmp(k->description, description))
			own_key_free(k);
	pthread_mutex_unlock(&own_lock);
}

/**
 * shim_add_key - bring a key of type "user"
 * @description: what it is asked for by
 * @data:	payload, copied
 * @len:	bytes
 *
 * Return: 0, -EINVAL, or -ENOMEM.
 */
int shim_add_key(const char *description, const void *data, size_t len)
{
	struct own_key *k;

	if (len > U16_MAX)
		return -EINVAL;
	k = kzalloc(sizeof(*k), GFP_KERNEL);
	if (!k)
		return -ENOMEM;
	k->description = kstrdup(description, GFP_KERNEL);
	k->key = key_new(data, len);
	if (!k->description || !k->key) {
		key_put(k->key);
		kfree(k->description);
		kfree(k);
		return -ENOMEM;
	}
	shim_forget_key(description);
	pthread_mutex_lock(&own_lock);
	list_add(&k->link, &own_keys);
	pthread_mutex_unlock(&own_lock);
	return 0;
}

static struct key *find_own(const char *description)
{
	struct key *key = NULL;
	struct own_key *k;

	pthread_mutex_lock(&own_lock);
	list_for_each_entry(k, &own_keys, link)
		if (!strcmp(k->description, description)) {
			key = k->key;
			__atomic_fetch_add(&key->shim_refs, 1, __ATOMIC_RELAXED);
			break;
		}
	pthread_mutex_unlock(&own_lock);
	return key;
}

static struct key *read_key(key_serial_t id)
{
	void *data = NULL;
	long len = keyctl_read_alloc(id, &data);
	struct key *key;

	if (len < 0)
		return ERR_PTR(-errno);
	key = key_new(data, len);
	memzero_explicit(data, len);
	free(data);
	return key ? key : ERR_PTR(-ENOMEM);
}

/**
 * shim_request_key - find a key (request_key)
 * @type:	&key_type_user
 * @description: what to ask for
 *
 * Return: key for key_put(), or ERR_PTR(-ENOKEY and others).
 */
struct key *shim_request_key(struct key_type *type, const char *description)
{
	static const key_serial_t rings[] = {
		KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING,
	};
	struct key *key = find_own(description);
	size_t i;
	long id;

	for (i = 0; !key && i < sizeof(rings) / sizeof(rings[0]); i++) {
		id = keyctl_search(rings[i], type->name, description, 0);
		if (id > 0)
			key = read_key(id);
	}
	return key ? key : ERR_PTR(-ENOKEY);
}

/**
 * shim_keyring_exit - wipe the keys the process brought
 */
void shim_keyring_exit(void)
{
	shim_forget_key(NULL);
}
