package registry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// capacity is how many entries a cache holds. A topic has a handful of schemas; the limit is for input that is garbage.
const capacity = 1000

// cache keeps loaded values. Reading it takes no lock.
type cache[K comparable, V any] struct {
	entries atomic.Pointer[map[K]V] // never changed, only replaced
	mu      sync.Mutex              // held while loading, so that a key is loaded once
}

// get returns the value of key. valid says whether a value may still be used; load makes one, and returns whether to
// remember it.
func (c *cache[K, V]) get(key K, valid func(V) bool, load func() (v V, remember bool)) V {
	if v, ok := c.find(key); ok && valid(v) {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.find(key); ok && valid(v) {
		return v
	}
	v, remember := load()
	if remember {
		c.remember(key, v)
	}
	return v
}

func (c *cache[K, V]) find(key K) (V, bool) {
	if m := c.entries.Load(); m != nil {
		v, ok := (*m)[key]
		return v, ok
	}
	var none V
	return none, false
}

func (c *cache[K, V]) remember(key K, v V) {
	next := map[K]V{}
	if m := c.entries.Load(); m != nil && len(*m) < capacity {
		next = maps.Clone(*m)
	}
	next[key] = v
	c.entries.Store(&next)
}
