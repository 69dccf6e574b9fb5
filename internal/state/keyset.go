package state

import (
	"strings"

	"github.com/tidwall/btree"
)

// sorted is a [btree.BTreeG]. Types that mention the tree itself would have its methods compiled in every package that uses a
// generic type of this package.
type sorted[T any] interface {
	Set(T) (T, bool)
	Delete(T) (T, bool)
	Min() (T, bool)
	Ascend(pivot T, f func(T) bool)
}

// keySet is a sorted set of keys.
type keySet struct{ tree sorted[string] }

//go:noinline
func newKeySet() *keySet {
	return &keySet{btree.NewBTreeGOptions(func(a, b string) bool { return a < b }, btree.Options{NoLocks: true})}
}

func (s *keySet) add(key string) { s.tree.Set(key) }

// under returns the keys with a prefix, sorted.
func (s *keySet) under(prefix string) []string {
	var keys []string
	s.tree.Ascend(prefix, func(key string) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		keys = append(keys, key)
		return true
	})
	return keys
}
